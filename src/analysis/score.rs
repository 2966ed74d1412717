//! Precision, recall and F1 of triples and entities, each under a named protocol.
//!
//! Numbers of this field differ mostly by protocol: which spans the model was given, which pairs were scored and what
//! counts as equal (specs: rin 8, kernel_head 8, users_ask). So there is no score here without one.

use super::classes::{SentenceClass, classes, number_bucket};
use crate::domain::{EntityTypeId, RelationId, TokenSpan, Triple};
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// When two triples are equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Matching {
    /// The last words of head and tail, and the relation. All that last-word corpora can tell.
    Partial,
    /// Both whole spans and the relation.
    Exact,
    /// Both whole spans, the entity types of both, and the relation (SpERT's "strict").
    Strict,
}

impl Matching {
    pub fn name(self) -> &'static str {
        match self {
            Matching::Partial => "partial match (last words)",
            Matching::Exact => "exact match (whole spans)",
            Matching::Strict => "strict match (whole spans and entity types)",
        }
    }

    fn key(self, triple: Triple) -> Triple {
        Triple {
            head: self.span(triple.head),
            tail: self.span(triple.tail),
            ..triple
        }
    }

    fn span(self, span: TokenSpan) -> TokenSpan {
        match self {
            Matching::Exact | Matching::Strict => span,
            Matching::Partial => TokenSpan::new(span.last(), span.end()).unwrap_or(span),
        }
    }
}

/// What the model was told, and so which pairs it could get wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Candidates {
    /// Gold spans, and only pairs that have a gold relation (the kernel-head paper's protocol). Flattering: no unrelated
    /// pair is ever scored.
    GoldPairs,
    /// Gold spans, every ordered pair of them.
    GoldEntities,
    /// Nothing: spans and relations are both predicted.
    PredictedEntities,
}

impl Candidates {
    pub fn name(self) -> &'static str {
        match self {
            Candidates::GoldPairs => "gold pairs",
            Candidates::GoldEntities => "gold entities, all pairs",
            Candidates::PredictedEntities => "predicted entities",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Averaging {
    /// Over triples.
    Micro,
    /// Mean over relations that occur in gold, each with equal weight; relations that are only predicted are left out.
    Macro,
}

impl Averaging {
    pub fn name(self) -> &'static str {
        match self {
            Averaging::Micro => "micro",
            Averaging::Macro => "macro over relations in gold",
        }
    }
}

/// Printed beside every score; the averaging is named where the number is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Protocol {
    pub matching: Matching,
    pub candidates: Candidates,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sentences, {}, {}",
            self.candidates.name(),
            self.matching.name()
        )
    }
}

/// Precision, recall and F1, each 0 where it would divide by zero.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Prf {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub correct: u64,
    pub predicted: u64,
    pub gold: u64,
}

impl Counts {
    pub fn precision(&self) -> f64 {
        ratio(self.correct, self.predicted)
    }
    pub fn recall(&self) -> f64 {
        ratio(self.correct, self.gold)
    }
    pub fn f1(&self) -> f64 {
        ratio(2 * self.correct, self.predicted + self.gold)
    }
    pub fn prf(&self) -> Prf {
        Prf {
            precision: self.precision(),
            recall: self.recall(),
            f1: self.f1(),
        }
    }
    pub fn false_positives(&self) -> u64 {
        self.predicted - self.correct
    }
    pub fn false_negatives(&self) -> u64 {
        self.gold - self.correct
    }
    pub fn add(&mut self, other: Counts) {
        self.correct += other.correct;
        self.predicted += other.predicted;
        self.gold += other.gold;
    }
}

fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

/// One sentence to score.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// With duplicates, if the corpus has them: they make a sentence EPO, but score once.
    pub gold: &'a [Triple],
    pub gold_entities: &'a [TokenSpan],
    /// What the model predicted under the protocol's candidates. With gold pairs or gold entities, anything outside
    /// them is left out here too.
    pub predicted: &'a [Triple],
    /// Predicted triples with an entity of another type than gold's: never correct under [`Matching::Strict`].
    pub mistyped: &'a [Triple],
}

/// Adds up sentences; two scorers of one protocol can be merged.
#[derive(Clone, Debug)]
pub struct Scorer {
    report: Report,
}

/// Scores of many sentences under one protocol.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    pub protocol: Protocol,
    pub sentences: u64,
    pub micro: Counts,
    pub per_relation: BTreeMap<RelationId, Counts>,
    /// Sentences and counts by overlap class; a sentence may be in EPO and SEO, one without gold in none.
    pub by_class: BTreeMap<SentenceClass, (u64, Counts)>,
    /// By number of gold triples: 0, 1, 2, 3, 4, 5 or more.
    pub by_number: [(u64, Counts); 6],
}

impl Report {
    /// Mean of P, of R and of F1 over the relations that occur in gold; see [`Averaging::Macro`].
    pub fn macro_average(&self) -> Prf {
        let of_gold = self.per_relation.values().filter(|c| c.gold > 0);
        let (mut sum, mut n) = (Prf::default(), 0.0);
        for counts in of_gold {
            sum.precision += counts.precision();
            sum.recall += counts.recall();
            sum.f1 += counts.f1();
            n += 1.0;
        }
        if n == 0.0 {
            return Prf::default();
        }
        Prf {
            precision: sum.precision / n,
            recall: sum.recall / n,
            f1: sum.f1 / n,
        }
    }

    pub fn average(&self, averaging: Averaging) -> Prf {
        match averaging {
            Averaging::Micro => self.micro.prf(),
            Averaging::Macro => self.macro_average(),
        }
    }
}

impl Scorer {
    pub fn new(protocol: Protocol) -> Self {
        Self {
            report: Report {
                protocol,
                sentences: 0,
                micro: Counts::default(),
                per_relation: BTreeMap::new(),
                by_class: SentenceClass::ALL
                    .into_iter()
                    .map(|c| (c, Default::default()))
                    .collect(),
                by_number: Default::default(),
            },
        }
    }

    pub fn add(&mut self, case: Case<'_>) {
        let Protocol {
            matching,
            candidates,
        } = self.report.protocol;
        let gold: HashSet<Triple> = case.gold.iter().map(|t| matching.key(*t)).collect();
        let gold_pairs: HashSet<_> = gold.iter().map(|t| (t.head, t.tail)).collect();
        let gold_spans: HashSet<_> = case
            .gold_entities
            .iter()
            .map(|s| matching.span(*s))
            .collect();
        let is_candidate = |t: &Triple| match candidates {
            Candidates::GoldPairs => gold_pairs.contains(&(t.head, t.tail)),
            Candidates::GoldEntities => {
                gold_spans.contains(&t.head) && gold_spans.contains(&t.tail)
            }
            Candidates::PredictedEntities => true,
        };
        let predicted: HashSet<Triple> = case
            .predicted
            .iter()
            .map(|t| matching.key(*t))
            .filter(is_candidate)
            .collect();

        let mut sentence = Counts::default();
        let relations = &mut self.report.per_relation;
        for triple in &gold {
            sentence.gold += 1;
            relations.entry(triple.relation).or_default().gold += 1;
        }
        for triple in &predicted {
            let mistyped = matching == Matching::Strict && case.mistyped.contains(triple);
            let correct = u64::from(gold.contains(triple) && !mistyped);
            sentence.predicted += 1;
            sentence.correct += correct;
            let counts = relations.entry(triple.relation).or_default();
            counts.predicted += 1;
            counts.correct += correct;
        }

        self.report.sentences += 1;
        self.report.micro.add(sentence);
        let keys: Vec<Triple> = case.gold.iter().map(|t| matching.key(*t)).collect();
        let (n, counts) = &mut self.report.by_number[number_bucket(&keys)];
        *n += 1;
        counts.add(sentence);
        for class in classes(&keys).iter() {
            let (n, counts) = self.report.by_class.entry(class).or_default();
            *n += 1;
            counts.add(sentence);
        }
    }

    /// Adds what `other` counted; both must have the same protocol.
    pub fn merge(&mut self, other: &Scorer) {
        debug_assert_eq!(self.report.protocol, other.report.protocol);
        self.report.sentences += other.report.sentences;
        self.report.micro.add(other.report.micro);
        for (relation, counts) in &other.report.per_relation {
            self.report
                .per_relation
                .entry(*relation)
                .or_default()
                .add(*counts);
        }
        for (class, (n, counts)) in &other.report.by_class {
            let mine = self.report.by_class.entry(*class).or_default();
            mine.0 += n;
            mine.1.add(*counts);
        }
        for (mine, (n, counts)) in self
            .report
            .by_number
            .iter_mut()
            .zip(&other.report.by_number)
        {
            mine.0 += n;
            mine.1.add(*counts);
        }
    }

    pub fn report(&self) -> &Report {
        &self.report
    }
    pub fn into_report(self) -> Report {
        self.report
    }
}

/// When two entities are equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EntityMatching {
    /// The whole span; types are ignored.
    Span,
    /// The whole span and the type; an unknown type equals only an unknown type.
    SpanAndType,
}

impl EntityMatching {
    pub fn name(self) -> &'static str {
        match self {
            EntityMatching::Span => "entities, exact spans, types ignored",
            EntityMatching::SpanAndType => "entities, exact spans and types",
        }
    }
}

/// Entity counts of one sentence; duplicates count once. Add up with [`Counts::add`].
pub fn score_entities(
    matching: EntityMatching,
    gold: impl IntoIterator<Item = (TokenSpan, Option<EntityTypeId>)>,
    predicted: impl IntoIterator<Item = (TokenSpan, Option<EntityTypeId>)>,
) -> Counts {
    let key = |(span, kind): (TokenSpan, Option<EntityTypeId>)| match matching {
        EntityMatching::Span => (span, None),
        EntityMatching::SpanAndType => (span, kind),
    };
    let gold: HashSet<_> = gold.into_iter().map(key).collect();
    let predicted: HashSet<_> = predicted.into_iter().map(key).collect();
    Counts {
        correct: gold.intersection(&predicted).count() as u64,
        predicted: predicted.len() as u64,
        gold: gold.len() as u64,
    }
}

#[cfg(test)]
#[path = "score_tests.rs"]
pub(super) mod tests;
