//! One pass over the matching sentences: how many there are, the wanted rows in order, and the counts per relation.

use super::fields::{FACTS, Fact, IDX};
use super::query::NumberField;
use crate::domain::RelationId;
use std::ops::AddAssign;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

/// Order of the rows; equals stand in corpus order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    #[default]
    Corpus,
    /// Best match of the words first (BM25).
    Relevance,
    /// Highest predicted score first; not predicted last.
    ScoreFalling,
    /// Gold labels that the model believes least first; without such a score last.
    GoldScoreRising,
    MostDisagreements,
}

/// Triples of one relation over the matching sentences.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelationTally {
    pub relation: RelationId,
    /// Labels that stand.
    pub gold: u32,
    pub predicted: u32,
    /// Predicted, and no such label stands.
    pub false_positives: u32,
    /// A label stands in a predicted sentence and was not predicted.
    pub false_negatives: u32,
    /// With a verdict.
    pub reviewed: u32,
}

impl RelationTally {
    fn new(relation: usize) -> Self {
        Self {
            relation: RelationId(relation as u16),
            gold: 0,
            predicted: 0,
            false_positives: 0,
            false_negatives: 0,
            reviewed: 0,
        }
    }
}

impl AddAssign for RelationTally {
    fn add_assign(&mut self, other: Self) {
        self.gold += other.gold;
        self.predicted += other.predicted;
        self.false_positives += other.false_positives;
        self.false_negatives += other.false_negatives;
        self.reviewed += other.reviewed;
    }
}

/// Collects the `want` first rows.
pub(super) struct RowsAndCounts {
    pub sort: Sort,
    pub want: usize,
    pub n_relations: usize,
}

pub(super) struct Collected {
    pub total: usize,
    /// Sort key and idx, in order, at most `want`.
    pub rows: Vec<(u64, u32)>,
    pub relations: Vec<RelationTally>,
}

impl Collector for RowsAndCounts {
    type Fruit = Collected;
    type Child = Segment;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<Segment> {
        let columns = segment.fast_fields();
        let number = |field: NumberField| columns.column_opt(field.name());
        let empty = || Column::build_empty_column(segment.max_doc());
        let key = match self.sort {
            Sort::Corpus => Key::Same,
            Sort::Relevance => Key::Relevance,
            Sort::ScoreFalling => Key::Falling(number(NumberField::Score)?),
            Sort::GoldScoreRising => Key::Rising(number(NumberField::GoldScore)?),
            Sort::MostDisagreements => Key::Falling(number(NumberField::Disagreements)?),
        };
        Ok(Segment {
            idx: columns.column_opt(IDX)?.unwrap_or_else(empty),
            facts: columns.column_opt(FACTS)?.unwrap_or_else(empty),
            key,
            total: 0,
            first: First::new(self.want),
            relations: tallies(self.n_relations),
        })
    }

    fn requires_scoring(&self) -> bool {
        self.sort == Sort::Relevance
    }

    fn merge_fruits(&self, segments: Vec<Collected>) -> tantivy::Result<Collected> {
        let mut first = First::new(self.want);
        let mut relations = tallies(self.n_relations);
        let mut total = 0;
        for segment in segments {
            total += segment.total;
            segment.rows.into_iter().for_each(|row| first.push(row));
            for (sum, part) in relations.iter_mut().zip(segment.relations) {
                *sum += part;
            }
        }
        Ok(Collected {
            total,
            rows: first.in_order(),
            relations,
        })
    }
}

fn tallies(n: usize) -> Vec<RelationTally> {
    (0..n).map(RelationTally::new).collect()
}

enum Key {
    Same,
    Relevance,
    Falling(Option<Column<f64>>),
    Rising(Option<Column<f64>>),
}

pub(super) struct Segment {
    idx: Column<u64>,
    facts: Column<u64>,
    key: Key,
    total: usize,
    first: First,
    relations: Vec<RelationTally>,
}

impl SegmentCollector for Segment {
    type Fruit = Collected;

    fn collect(&mut self, doc: DocId, score: Score) {
        self.total += 1;
        for fact in self.facts.values_for_doc(doc).map(Fact) {
            // A relation that is newer than the caller's schema has no row to count in.
            if let Some(tally) = self.relations.get_mut(fact.relation()) {
                tally.gold += fact.count(Fact::GOLD);
                tally.predicted += fact.count(Fact::PREDICTED);
                tally.false_positives += fact.count(Fact::FALSE_POSITIVE);
                tally.false_negatives += fact.count(Fact::FALSE_NEGATIVE);
                tally.reviewed += fact.count(Fact::REVIEWED);
            }
        }
        let number = |column: &Option<Column<f64>>| column.as_ref().and_then(|c| c.first(doc));
        let key = match &self.key {
            Key::Same => 0,
            Key::Relevance => falling(Some(score.into())),
            Key::Falling(column) => falling(number(column)),
            Key::Rising(column) => rising(number(column)),
        };
        let idx = self.idx.first(doc).unwrap_or(u64::MAX);
        self.first.push((key, idx.try_into().unwrap_or(u32::MAX)));
    }

    fn harvest(self) -> Collected {
        Collected {
            total: self.total,
            rows: self.first.in_order(),
            relations: self.relations,
        }
    }
}

/// A key that sorts numbers upward, missing ones last.
fn rising(value: Option<f64>) -> u64 {
    match value {
        Some(value) => {
            // Sign bit first, so that the bits of a float compare like the float.
            let bits = value.to_bits();
            bits ^ if bits >> 63 == 1 { u64::MAX } else { 1 << 63 }
        }
        None => u64::MAX,
    }
}
fn falling(value: Option<f64>) -> u64 {
    value.map_or(u64::MAX, |value| rising(Some(-value)))
}

/// The smallest `want` rows of all that are pushed, in memory for twice as many.
struct First {
    want: usize,
    rows: Vec<(u64, u32)>,
}

impl First {
    fn new(want: usize) -> Self {
        Self {
            want,
            rows: Vec::new(),
        }
    }
    fn push(&mut self, row: (u64, u32)) {
        self.rows.push(row);
        if self.rows.len() >= self.want.saturating_mul(2).max(4096) {
            self.cut();
        }
    }
    fn cut(&mut self) {
        if self.want == 0 {
            self.rows.clear();
        } else if self.rows.len() > self.want {
            self.rows.select_nth_unstable(self.want - 1);
            self.rows.truncate(self.want);
        }
    }
    fn in_order(mut self) -> Vec<(u64, u32)> {
        self.cut();
        self.rows.sort_unstable();
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_sort_like_their_numbers() {
        let rise = [
            Some(-2.0),
            Some(-0.5),
            Some(0.0),
            Some(0.25),
            Some(7.0),
            None,
        ];
        assert!(rise.map(rising).is_sorted());
        let fall = [Some(7.0), Some(0.25), Some(0.0), Some(-0.5), None];
        assert!(fall.map(falling).is_sorted());
    }

    proptest! {
        #[test]
        fn the_first_rows_are_those_of_a_full_sort(rows in prop::collection::vec((0u64..9, any::<u32>()), 0..9000), want in 0usize..3000) {
            let mut first = First::new(want);
            rows.iter().for_each(|row| first.push(*row));
            let mut sorted = rows;
            sorted.sort_unstable();
            sorted.truncate(want);
            prop_assert_eq!(first.in_order(), sorted);
        }
    }
}
