//! Two systems on the same sentences and labels: which decisions the second one got right that the first got wrong, and the other way
//! round, and how sure the change of a score is (paired bootstrap, Berg-Kirkpatrick et al. 2012).

use super::align::Alignment;
use super::bootstrap::{Interval, Patterns};
use super::score::Counts;
use super::study::sentence_counts;
use crate::domain::{RelationId, Triple};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    /// Wrong before, right after.
    Fixed,
    /// Right before, wrong after.
    Broken,
}

/// Triples, labelled or predicted, that one system decides rightly and the other does not; both alignments are with the same labels. A
/// label is decided rightly where it is predicted, another triple where it is not.
pub fn changed(before: &Alignment, after: &Alignment) -> Vec<(Triple, Change)> {
    let found = |side: &Alignment| -> BTreeSet<Triple> {
        side.predicted.iter().map(|a| a.triple).collect()
    };
    let gold: BTreeSet<Triple> = before.gold.iter().map(|a| a.triple).collect();
    let (before, after) = (found(before), found(after));
    let differ = before.symmetric_difference(&after);
    differ
        .map(|t| match gold.contains(t) == after.contains(t) {
            true => (*t, Change::Fixed),
            false => (*t, Change::Broken),
        })
        .collect()
}

/// One relation, or all together.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct ChangedRow {
    pub before: Counts,
    pub after: Counts,
    pub fixed: u64,
    pub broken: u64,
    /// 95 % interval of F1 after less F1 before.
    pub gain: Interval,
}

impl ChangedRow {
    pub fn f1_gain(&self) -> f64 {
        self.after.f1() - self.before.f1()
    }
}

/// Adds up sentences.
#[derive(Default)]
pub struct Changes {
    sentences: u64,
    all: (ChangedRow, Patterns<2>),
    relations: BTreeMap<RelationId, (ChangedRow, Patterns<2>)>,
}

impl Changes {
    /// One sentence, aligned with the same labels before and after; returns what changed.
    pub fn add(&mut self, before: &Alignment, after: &Alignment) -> Vec<(Triple, Change)> {
        self.sentences += 1;
        let ((all_before, of_before), (all_after, of_after)) =
            (sentence_counts(before), sentence_counts(after));
        add_counts(&mut self.all, [all_before, all_after]);
        let mut both: BTreeMap<RelationId, [Counts; 2]> = BTreeMap::new();
        for (relation, counts) in of_before {
            both.entry(relation).or_default()[0] = counts;
        }
        for (relation, counts) in of_after {
            both.entry(relation).or_default()[1] = counts;
        }
        for (relation, counts) in both {
            add_counts(self.relations.entry(relation).or_default(), counts);
        }
        let changed = changed(before, after);
        for (triple, change) in &changed {
            let of_relation = self.relations.entry(triple.relation).or_default();
            for (row, _) in [&mut self.all, of_relation] {
                match change {
                    Change::Fixed => row.fixed += 1,
                    Change::Broken => row.broken += 1,
                }
            }
        }
        changed
    }

    pub fn sentences(&self) -> u64 {
        self.sentences
    }

    /// All together, and relation by relation, the largest change of F1 first.
    pub fn finish(self) -> (ChangedRow, Vec<(RelationId, ChangedRow)>) {
        let measured = |(row, patterns): (ChangedRow, Patterns<2>), stream| ChangedRow {
            gain: patterns.gain(self.sentences, stream),
            ..row
        };
        let relations = self.relations.into_iter();
        let mut rows: Vec<(RelationId, ChangedRow)> = relations
            .map(|(relation, of)| (relation, measured(of, u64::from(relation.0) + 1)))
            .collect();
        rows.sort_by(|(a, x), (b, y)| {
            let by_change = y.f1_gain().abs().total_cmp(&x.f1_gain().abs());
            by_change.then(a.cmp(b))
        });
        (measured(self.all, 0), rows)
    }
}

fn add_counts((row, patterns): &mut (ChangedRow, Patterns<2>), counts: [Counts; 2]) {
    row.before.add(counts[0]);
    row.after.add(counts[1]);
    if counts != [Counts::default(); 2] {
        patterns.add(counts);
    }
}

#[cfg(test)]
mod tests {
    use super::super::align::{EntityKinds, align};
    use super::*;
    use crate::domain::TokenSpan;

    #[test]
    fn what_is_fixed_and_broken_adds_up_to_the_change_of_the_errors() {
        let word = |h: usize, r: u16, t: usize| Triple {
            head: TokenSpan::new(h, h + 1).unwrap(),
            relation: RelationId(r),
            tail: TokenSpan::new(t, t + 1).unwrap(),
        };
        let none = EntityKinds::default();
        let gold = [word(0, 0, 1), word(2, 0, 3), word(4, 1, 5)];
        let of = |predicted: &[Triple]| align(&gold, &none, predicted, &none);
        let before = of(&[word(0, 0, 1), word(6, 1, 7), word(8, 0, 9)]);
        let after = of(&[word(2, 0, 3), word(4, 1, 5), word(8, 0, 9), word(9, 1, 8)]);
        let mut changes = Changes::default();
        let changed = changes.add(&before, &after);
        assert_eq!(
            changed,
            [
                (word(0, 0, 1), Change::Broken),
                (word(2, 0, 3), Change::Fixed),
                (word(4, 1, 5), Change::Fixed),
                (word(6, 1, 7), Change::Fixed),
                (word(9, 1, 8), Change::Broken),
            ]
        );
        for _ in 0..9 {
            changes.add(&before, &after);
        }
        let (all, rows) = changes.finish();
        assert_eq!((all.fixed, all.broken), (30, 20));
        let errors = |c: Counts| c.false_positives() + c.false_negatives();
        assert_eq!(
            errors(all.before) - errors(all.after),
            all.fixed - all.broken
        );
        assert_eq!(
            (rows[0].0, rows[0].1.fixed, rows[0].1.broken),
            (RelationId(1), 20, 10)
        );
        // Every sentence is the same, so no sample differs.
        let gain = rows[0].1.f1_gain();
        assert!((rows[0].1.gain.low - gain).abs() < 1e-12 && rows[0].1.gain.excludes_zero());
    }
}
