//! Everything the errors view shows, added up sentence by sentence: tables, confusions, intervals and score curves, against the
//! labels as they came and against the labels that stand.

use super::align::Alignment;
use super::bootstrap::{Interval, Patterns};
use super::confusion::Confusion;
use super::curve::ScoreCounts;
use super::errors::{ErrorRow, ErrorTable};
use super::score::Counts;
use crate::domain::{
    ErrorTag, Outcome, Prediction, RelationId, ScoredTriple, Triple, prediction::DecisionRule,
};
use std::collections::{BTreeMap, HashSet};

/// Which labels count as right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Against {
    /// Labels that stand: accepted, or in the corpus and not judged.
    #[default]
    Curated,
    /// Labels as they were imported or made by the labeller.
    Original,
}

/// One relation's row with its intervals.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MeasuredRow {
    pub row: ErrorRow,
    /// Of precision, recall and F1.
    pub intervals: [Interval; 3],
}

/// What was found against one kind of labels.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Measured {
    /// Most errors first.
    pub rows: Vec<MeasuredRow>,
    pub total: Counts,
    /// Of the total's precision, recall and F1.
    pub intervals: [Interval; 3],
    pub confusion: Confusion,
    /// Stored scores of each relation.
    pub scores: BTreeMap<RelationId, ScoreCounts>,
}

impl Measured {
    pub fn row(&self, relation: RelationId) -> Option<&MeasuredRow> {
        self.rows.iter().find(|r| r.row.relation == relation)
    }

    /// (gold, predicted) triples of an outcome, over all relations.
    pub fn outcome(&self, outcome: Outcome) -> (u64, u64) {
        let rows = self.rows.iter().map(|r| r.row.of(outcome));
        rows.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1))
    }
}

/// A whole pass.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Study {
    /// Sentences with a prediction; only these count.
    pub sentences: u64,
    pub not_predicted: u64,
    /// Some triple was scored by a kernel head, so its threshold decides.
    pub kernel: bool,
    pub curated: Measured,
    pub original: Measured,
    /// Triples with an error tag, by relation, in the order of [`ErrorTag::ALL`].
    pub tags: BTreeMap<RelationId, [u64; 7]>,
}

impl Study {
    pub fn against(&self, against: Against) -> &Measured {
        match against {
            Against::Curated => &self.curated,
            Against::Original => &self.original,
        }
    }

    /// Triples with this tag.
    pub fn tagged(&self, tag: ErrorTag) -> u64 {
        let at = ErrorTag::ALL.iter().position(|t| *t == tag).unwrap_or(0);
        self.tags.values().map(|n| n[at]).sum()
    }
}

/// Scored triples that a threshold of their relation decides about, with their score by the rule.
pub fn contenders(prediction: &Prediction, rule: &DecisionRule) -> Vec<(Triple, f32)> {
    let scored = |t: &ScoredTriple| Some((t.triple, rule.score(&t.scores)?));
    let contenders = prediction.contenders(rule);
    contenders.into_iter().filter_map(scored).collect()
}

/// Adds up one kind of labels.
#[derive(Default)]
pub struct Side {
    table: ErrorTable,
    confusion: Confusion,
    all: Patterns<1>,
    relations: BTreeMap<RelationId, Patterns<1>>,
    scores: BTreeMap<RelationId, ScoreCounts>,
}

impl Side {
    /// One predicted sentence: its alignment, and its [`contenders`].
    pub fn add(&mut self, alignment: &Alignment, contenders: &[(Triple, f32)]) {
        self.table.add(alignment);
        self.confusion.add(alignment);
        let (all, relations) = sentence_counts(alignment);
        if all != Counts::default() {
            self.all.add([all]);
        }
        for (relation, counts) in relations {
            self.relations.entry(relation).or_default().add([counts]);
        }
        let gold: HashSet<Triple> = alignment.gold.iter().map(|a| a.triple).collect();
        for triple in &gold {
            self.scores.entry(triple.relation).or_default().add_gold();
        }
        for (triple, score) in contenders {
            let counts = self.scores.entry(triple.relation).or_default();
            counts.add(*score, gold.contains(triple));
        }
    }

    /// `sentences`: all that were added.
    pub fn measure(self, sentences: u64) -> Measured {
        let rows = self.table.rows().into_iter();
        let rows = rows.map(|row| MeasuredRow {
            intervals: match self.relations.get(&row.relation) {
                Some(patterns) => patterns.prf(sentences, u64::from(row.relation.0) + 1),
                None => Default::default(),
            },
            row,
        });
        Measured {
            rows: rows.collect(),
            total: self.table.total(),
            intervals: self.all.prf(sentences, 0),
            confusion: self.confusion,
            scores: self.scores,
        }
    }
}

/// What a sentence adds to the score, in all and by relation. A triple with a wrong entity type counts as right, as in
/// [`ErrorTable`].
pub fn sentence_counts(alignment: &Alignment) -> (Counts, BTreeMap<RelationId, Counts>) {
    let mut all = Counts::default();
    let mut relations: BTreeMap<RelationId, Counts> = BTreeMap::new();
    for aligned in &alignment.gold {
        all.gold += 1;
        relations.entry(aligned.triple.relation).or_default().gold += 1;
    }
    for aligned in &alignment.predicted {
        let right = matches!(aligned.outcome, Outcome::Correct | Outcome::WrongType);
        let counts = relations.entry(aligned.triple.relation).or_default();
        for counts in [&mut all, counts] {
            counts.predicted += 1;
            counts.correct += u64::from(right);
        }
    }
    (all, relations)
}

#[cfg(test)]
mod tests {
    use super::super::align::{EntityKinds, align};
    use super::*;
    use crate::domain::TokenSpan;

    #[test]
    fn rows_intervals_and_curves_count_the_same_triples() {
        let word = |h: usize, r: u16, t: usize| Triple {
            head: TokenSpan::new(h, h + 1).unwrap(),
            relation: RelationId(r),
            tail: TokenSpan::new(t, t + 1).unwrap(),
        };
        let none = EntityKinds::default();
        let mut side = Side::default();
        for i in 0..20 {
            let gold = [word(0, 0, 1), word(2, 1, 3)];
            let all = [word(0, 0, 1), word(4, 0, 5)];
            let predicted = &all[..1 + usize::from(i % 4 == 0)];
            let scored = [(all[0], 0.9), (all[1], if i % 4 == 0 { 0.6 } else { 0.3 })];
            side.add(&align(&gold, &none, predicted, &none), &scored);
        }
        let found = side.measure(20);
        let first = found.row(RelationId(0)).unwrap();
        assert_eq!(
            (first.row.counts.correct, first.row.counts.predicted),
            (20, 25)
        );
        assert_eq!(first.row.counts, found.scores[&RelationId(0)].counts(500));
        assert_eq!(found.scores[&RelationId(0)].counts(200).predicted, 40);
        let [precision, recall, f1] = first.intervals;
        assert!(precision.low < 0.8 && precision.high > 0.8, "{precision:?}");
        assert_eq!((recall.low, recall.high), (1.0, 1.0));
        assert!(f1.low < first.row.counts.f1() && first.row.counts.f1() < f1.high);
        assert_eq!(found.outcome(Outcome::Missed), (20, 0));
        assert_eq!(found.outcome(Outcome::Correct), (20, 20));
        assert_eq!(found.total.gold, 40);
    }
}
