//! What each form of the language means, segment by segment.
//!
//! Tantivy answers the leaves; `and`, `or` and `not` are ours, over one bit a sentence. Its own boolean query
//! (0.27) calls `seek_danger` backwards when it excludes a phrase, which a debug build reports by a panic and a release
//! build does not report at all. A bit a sentence is 12 KB for 100,000 and makes the meaning plain.

use super::IndexError;
use super::doc::{special, terms_for};
use super::fields::{Fields, analyzer};
use super::query::{Comparison, Leaf, Match, Query, TextField, Value};
use std::ops::Bound;
use tantivy::query::{
    EmptyQuery, EnableScoring, FuzzyTermQuery, PhraseQuery, Query as TantivyQuery, RangeQuery,
    TermQuery, TermSetQuery, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, SegmentReader, Term};

/// A query made ready for one state of the index.
pub(super) enum Plan {
    All,
    And(Vec<Plan>),
    Or(Vec<Plan>),
    Not(Box<Plan>),
    Leaf(Box<dyn Weight>),
}

impl Plan {
    /// `scored` plans know how well words match; others are faster.
    pub fn new(
        query: &Query,
        fields: &Fields,
        searcher: &Searcher,
        scored: Scored,
    ) -> Result<Self, IndexError> {
        let all = |parts: &[Query]| -> Result<Vec<Plan>, IndexError> {
            parts
                .iter()
                .map(|part| Self::new(part, fields, searcher, scored))
                .collect()
        };
        Ok(match query {
            Query::All => Plan::All,
            Query::And(parts) => Plan::And(all(parts)?),
            Query::Or(parts) => Plan::Or(all(parts)?),
            Query::Not(inner) => {
                Plan::Not(Box::new(Self::new(inner, fields, searcher, Scored::No)?))
            }
            Query::Leaf(leaf) => {
                let scoring = match (scored, leaf) {
                    (Scored::Yes, Leaf::Words { .. }) => {
                        EnableScoring::enabled_from_searcher(searcher)
                    }
                    _ => EnableScoring::disabled_from_searcher(searcher),
                };
                Plan::Leaf(leaf_query(leaf, fields).weight(scoring)?)
            }
        })
    }

    /// The sentences of a segment that match, deleted ones included.
    pub fn matches(&self, segment: &SegmentReader) -> Result<Bits, IndexError> {
        let n = segment.max_doc();
        Ok(match self {
            Plan::All => Bits::full(n),
            Plan::And(parts) => {
                let mut bits = Bits::full(n);
                for part in parts {
                    bits.and(&part.matches(segment)?);
                }
                bits
            }
            Plan::Or(parts) => {
                let mut bits = Bits::empty(n);
                for part in parts {
                    bits.or(&part.matches(segment)?);
                }
                bits
            }
            Plan::Not(inner) => {
                let mut bits = Bits::full(n);
                bits.and_not(&inner.matches(segment)?);
                bits
            }
            Plan::Leaf(weight) => {
                let mut bits = Bits::empty(n);
                weight.for_each_no_score(segment, &mut |docs| {
                    docs.iter().for_each(|doc| bits.set(*doc));
                })?;
                bits
            }
        })
    }

    /// Adds to each sentence's number how well each word of the query matches it (BM25).
    pub fn score(&self, segment: &SegmentReader, scores: &mut [f32]) -> Result<(), IndexError> {
        match self {
            Plan::All | Plan::Not(_) => Ok(()),
            Plan::And(parts) | Plan::Or(parts) => {
                parts.iter().try_for_each(|p| p.score(segment, scores))
            }
            Plan::Leaf(weight) => Ok(weight.for_each(segment, &mut |doc, score| {
                if let Some(sum) = scores.get_mut(doc as usize) {
                    *sum += score;
                }
            })?),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scored {
    Yes,
    No,
}

/// A set of sentences of one segment.
#[derive(Clone)]
pub(super) struct Bits {
    words: Vec<u64>,
    n: u32,
}

impl Bits {
    fn empty(n: u32) -> Self {
        Self {
            words: vec![0; n.div_ceil(64) as usize],
            n,
        }
    }
    fn full(n: u32) -> Self {
        let mut bits = Self::empty(n);
        bits.words.fill(u64::MAX);
        if let (Some(last), used @ 1..) = (bits.words.last_mut(), n % 64) {
            *last = (1 << used) - 1;
        }
        bits
    }
    fn set(&mut self, doc: u32) {
        if doc < self.n {
            self.words[(doc / 64) as usize] |= 1 << (doc % 64);
        }
    }
    fn and(&mut self, other: &Self) {
        self.words
            .iter_mut()
            .zip(&other.words)
            .for_each(|(a, b)| *a &= b);
    }
    fn or(&mut self, other: &Self) {
        self.words
            .iter_mut()
            .zip(&other.words)
            .for_each(|(a, b)| *a |= b);
    }
    fn and_not(&mut self, other: &Self) {
        self.words
            .iter_mut()
            .zip(&other.words)
            .for_each(|(a, b)| *a &= !b);
    }
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..).zip(&self.words).flat_map(|(i, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(i * 64 + bit)
            })
        })
    }
}

fn leaf_query(leaf: &Leaf, fields: &Fields) -> Box<dyn TantivyQuery> {
    match leaf {
        Leaf::Words {
            field,
            text,
            matching,
        } => {
            let field = match field {
                TextField::Text => fields.text,
                TextField::Head => fields.head,
                TextField::Tail => fields.tail,
                TextField::Note => fields.note,
            };
            words(field, text, *matching)
        }
        Leaf::Key { field, value } => {
            let terms = match value {
                Value::Any => vec![special(field, "any")],
                Value::None => vec![special(field, "none")],
                Value::Unknown => vec![special(field, "unknown")],
                Value::Named(name) => terms_for(field, name),
            };
            let terms = terms.iter().map(|t| Term::from_field_text(fields.key, t));
            Box::new(TermSetQuery::new(terms))
        }
        Leaf::Id(id) => exact(Term::from_field_u64(fields.id, id.0)),
        Leaf::Number {
            field,
            comparison,
            value,
        } => {
            let term = Term::from_field_f64(fields.number(*field), *value);
            let (low, high) = match comparison {
                Comparison::Less => (Bound::Unbounded, Bound::Excluded(term)),
                Comparison::AtMost => (Bound::Unbounded, Bound::Included(term)),
                Comparison::Equal => (Bound::Included(term.clone()), Bound::Included(term)),
                Comparison::AtLeast => (Bound::Included(term), Bound::Unbounded),
                Comparison::More => (Bound::Excluded(term), Bound::Unbounded),
            };
            Box::new(RangeQuery::new(low, high))
        }
    }
}

fn exact(term: Term) -> Box<dyn TantivyQuery> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

/// Words one after the other, cut as the text was cut.
fn words(field: Field, text: &str, matching: Match) -> Box<dyn TantivyQuery> {
    let mut terms = Vec::new();
    let mut analyzer = analyzer();
    let mut tokens = analyzer.token_stream(text);
    while let Some(token) = tokens.next() {
        terms.push((token.position, Term::from_field_text(field, &token.text)));
    }
    match (terms.len(), matching) {
        (0, _) => Box::new(EmptyQuery),
        (1, Match::Prefix) => Box::new(FuzzyTermQuery::new_prefix(terms.remove(0).1, 0, true)),
        (1, Match::Whole) => Box::new(TermQuery::new(
            terms.remove(0).1,
            IndexRecordOption::WithFreqs,
        )),
        _ => Box::new(PhraseQuery::new_with_offset(terms)),
    }
}
