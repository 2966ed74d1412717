//! One pass over the matching sentences: how many there are, the wanted rows in order, and the counts per relation.

use super::fields::{FACTS, Fact, IDX};
use super::query::NumberField;
use crate::domain::RelationId;
use tantivy::columnar::Column;
use tantivy::{DocId, SegmentReader};

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

    fn add(&mut self, fact: Fact) {
        self.gold += fact.count(Fact::GOLD);
        self.predicted += fact.count(Fact::PREDICTED);
        self.false_positives += fact.count(Fact::FALSE_POSITIVE);
        self.false_negatives += fact.count(Fact::FALSE_NEGATIVE);
        self.reviewed += fact.count(Fact::REVIEWED);
    }
}

/// What has been collected so far, over all segments.
pub(super) struct Collected {
    sort: Sort,
    pub total: usize,
    first: First,
    pub relations: Vec<RelationTally>,
}

impl Collected {
    pub fn new(sort: Sort, want: usize, n_relations: usize) -> Self {
        Self {
            sort,
            total: 0,
            first: First::new(want),
            relations: (0..n_relations).map(RelationTally::new).collect(),
        }
    }

    /// Takes the living sentences among `docs` of one segment. `scores` by document, empty unless the order needs them.
    pub fn collect(
        &mut self,
        segment: &SegmentReader,
        docs: impl Iterator<Item = DocId>,
        scores: &[f32],
    ) -> tantivy::Result<()> {
        let columns = Columns::open(segment, self.sort)?;
        let alive = segment.alive_bitset();
        for doc in docs.filter(|doc| alive.is_none_or(|alive| alive.is_alive(*doc))) {
            self.total += 1;
            for fact in columns.facts.values_for_doc(doc).map(Fact) {
                // A relation that is newer than the caller's schema has no row to count in.
                if let Some(tally) = self.relations.get_mut(fact.relation()) {
                    tally.add(fact);
                }
            }
            self.first.push(columns.row(doc, scores));
        }
        Ok(())
    }

    /// The first rows in order, by idx.
    pub fn rows(self) -> Vec<u32> {
        let rows = self.first.in_order();
        rows.into_iter().map(|(_, idx)| idx).collect()
    }
}

/// One segment's numbers.
struct Columns {
    idx: Column<u64>,
    facts: Column<u64>,
    key: Key,
}

enum Key {
    Same,
    Relevance,
    Falling(Option<Column<f64>>),
    Rising(Option<Column<f64>>),
}

impl Columns {
    fn open(segment: &SegmentReader, sort: Sort) -> tantivy::Result<Self> {
        let columns = segment.fast_fields();
        let number = |field: NumberField| columns.column_opt(field.name());
        // A segment without any value has no column.
        let empty = || Column::build_empty_column(segment.max_doc());
        Ok(Self {
            idx: columns.column_opt(IDX)?.unwrap_or_else(empty),
            facts: columns.column_opt(FACTS)?.unwrap_or_else(empty),
            key: match sort {
                Sort::Corpus => Key::Same,
                Sort::Relevance => Key::Relevance,
                Sort::ScoreFalling => Key::Falling(number(NumberField::Score)?),
                Sort::GoldScoreRising => Key::Rising(number(NumberField::GoldScore)?),
                Sort::MostDisagreements => Key::Falling(number(NumberField::Disagreements)?),
            },
        })
    }

    /// Sort key and idx.
    fn row(&self, doc: DocId, scores: &[f32]) -> (u64, u32) {
        let number = |column: &Option<Column<f64>>| column.as_ref().and_then(|c| c.first(doc));
        let key = match &self.key {
            Key::Same => 0,
            Key::Relevance => falling(scores.get(doc as usize).map(|s| f64::from(*s))),
            Key::Falling(column) => falling(number(column)),
            Key::Rising(column) => rising(number(column)),
        };
        let idx = self.idx.first(doc).unwrap_or(u64::MAX);
        (key, idx.try_into().unwrap_or(u32::MAX))
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
