//! The table of the errors view: per relation, how many are found, missed and invented, and in which way.

use super::align::Alignment;
use super::score::Counts;
use crate::domain::{Outcome, RelationId};
use std::collections::BTreeMap;

/// One relation. A triple of the right relation with a wrong entity type counts as found, as in every score that
/// ignores types; `outcomes` tells it apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorRow {
    pub relation: RelationId,
    /// `counts.gold` is the support.
    pub counts: Counts,
    /// Gold triples of this relation by outcome, in the order of [`Outcome::ALL`].
    pub gold: [u64; 7],
    /// Predicted triples of this relation by outcome.
    pub predicted: [u64; 7],
}

impl ErrorRow {
    /// (gold, predicted) triples of an outcome.
    pub fn of(&self, outcome: Outcome) -> (u64, u64) {
        let at = position(outcome);
        (self.gold[at], self.predicted[at])
    }
}

/// Sums of many sentences' alignments.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ErrorTable {
    rows: BTreeMap<RelationId, ErrorRow>,
}

impl ErrorTable {
    /// What the numbers mean, for printing beside them.
    pub const PROTOCOL: &'static str =
        "sentences, predicted entities, exact match (whole spans), against the labels that stand";

    pub fn add(&mut self, alignment: &Alignment) {
        for aligned in &alignment.gold {
            let row = self.row(aligned.triple.relation);
            row.gold[position(aligned.outcome)] += 1;
            row.counts.gold += 1;
        }
        for aligned in &alignment.predicted {
            let found = matches!(aligned.outcome, Outcome::Correct | Outcome::WrongType);
            let row = self.row(aligned.triple.relation);
            row.predicted[position(aligned.outcome)] += 1;
            row.counts.predicted += 1;
            row.counts.correct += u64::from(found);
        }
    }

    fn row(&mut self, relation: RelationId) -> &mut ErrorRow {
        self.rows.entry(relation).or_insert(ErrorRow {
            relation,
            counts: Counts::default(),
            gold: [0; 7],
            predicted: [0; 7],
        })
    }

    pub fn merge(&mut self, other: &Self) {
        for row in other.rows.values() {
            let mine = self.row(row.relation);
            mine.counts.add(row.counts);
            for (a, b) in mine.gold.iter_mut().zip(row.gold) {
                *a += b;
            }
            for (a, b) in mine.predicted.iter_mut().zip(row.predicted) {
                *a += b;
            }
        }
    }

    /// Relations with most errors (false positives and negatives) first; ties by id.
    pub fn rows(&self) -> Vec<ErrorRow> {
        let mut rows: Vec<ErrorRow> = self.rows.values().copied().collect();
        let errors = |row: &ErrorRow| row.counts.false_positives() + row.counts.false_negatives();
        rows.sort_by_key(|row| (std::cmp::Reverse(errors(row)), row.relation));
        rows
    }

    /// All relations together.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        for row in self.rows.values() {
            total.add(row.counts);
        }
        total
    }
}

fn position(outcome: Outcome) -> usize {
    Outcome::ALL.iter().position(|o| *o == outcome).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::align::{EntityKinds, align};
    use super::*;
    use crate::domain::{TokenSpan, Triple};

    #[test]
    fn rows_count_both_sides_of_every_error() {
        let word = |h: usize, r: u16, t: usize| Triple {
            head: TokenSpan::new(h, h + 1).unwrap(),
            relation: RelationId(r),
            tail: TokenSpan::new(t, t + 1).unwrap(),
        };
        let none = EntityKinds::default();
        let gold = [word(0, 0, 1), word(1, 0, 2), word(5, 2, 6)];
        let predicted = [word(0, 0, 1), word(1, 1, 2), word(6, 2, 5), word(8, 1, 9)];
        let mut table = ErrorTable::default();
        table.add(&align(&gold, &none, &predicted, &none));
        let shown: Vec<_> = table
            .rows()
            .iter()
            .map(|r| {
                (
                    r.relation.0,
                    r.counts.gold,
                    r.counts.false_positives(),
                    r.counts.false_negatives(),
                )
            })
            .collect();
        assert_eq!(shown, [(1, 0, 2, 0), (2, 1, 1, 1), (0, 2, 0, 1)]);
        let wrong = position(Outcome::WrongRelation);
        assert_eq!(
            (
                table.rows()[2].gold[wrong],
                table.rows()[0].predicted[wrong]
            ),
            (1, 1)
        );
        let mut twice = table.clone();
        twice.merge(&table);
        assert_eq!(
            twice.total(),
            Counts {
                correct: 2,
                predicted: 8,
                gold: 6
            }
        );
    }
}
