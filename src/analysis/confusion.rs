//! Which relation is taken for which: gold relation against predicted relation of partners, and what has no partner.

use super::align::Alignment;
use crate::domain::{Outcome, RelationId};
use std::collections::{BTreeMap, BTreeSet};

/// Sums of many sentences' alignments.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Confusion {
    /// Of gold and its partner. The diagonal holds every partner of the same relation, also reversed ones and those with another
    /// boundary or type.
    pairs: BTreeMap<(RelationId, RelationId), u64>,
    missed: BTreeMap<RelationId, u64>,
    spurious: BTreeMap<RelationId, u64>,
}

impl Confusion {
    pub fn add(&mut self, alignment: &Alignment) {
        for gold in &alignment.gold {
            let relation = gold.triple.relation;
            match gold.partner {
                Some(p) => *self.pairs.entry((relation, p.relation)).or_default() += 1,
                None => *self.missed.entry(relation).or_default() += 1,
            }
        }
        let alone = alignment.predicted.iter();
        for spurious in alone.filter(|p| p.outcome == Outcome::Spurious) {
            *self.spurious.entry(spurious.triple.relation).or_default() += 1;
        }
    }

    pub fn pair(&self, gold: RelationId, predicted: RelationId) -> u64 {
        self.pairs.get(&(gold, predicted)).copied().unwrap_or(0)
    }
    pub fn missed(&self, gold: RelationId) -> u64 {
        self.missed.get(&gold).copied().unwrap_or(0)
    }
    pub fn spurious(&self, predicted: RelationId) -> u64 {
        self.spurious.get(&predicted).copied().unwrap_or(0)
    }

    /// Relations that occur; those most often taken for others, or others for them, first, then those most often missed or
    /// spurious; ties by id.
    pub fn relations(&self) -> Vec<RelationId> {
        let ends = self.pairs.keys().flat_map(|(g, p)| [*g, *p]);
        let alone = self.missed.keys().chain(self.spurious.keys()).copied();
        let all: BTreeSet<RelationId> = ends.chain(alone).collect();
        let mut confused: BTreeMap<RelationId, u64> = BTreeMap::new();
        for ((gold, predicted), n) in self.pairs.iter().filter(|((g, p), _)| g != p) {
            *confused.entry(*gold).or_default() += n;
            *confused.entry(*predicted).or_default() += n;
        }
        let mut all: Vec<RelationId> = all.into_iter().collect();
        all.sort_by_key(|r| {
            let mixed = confused.get(r).copied().unwrap_or(0);
            std::cmp::Reverse((mixed, self.missed(*r) + self.spurious(*r)))
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::align::{EntityKinds, align};
    use super::*;
    use crate::domain::{TokenSpan, Triple};

    #[test]
    fn every_gold_and_every_predicted_triple_is_in_one_cell() {
        let word = |h: usize, r: u16, t: usize| Triple {
            head: TokenSpan::new(h, h + 1).unwrap(),
            relation: RelationId(r),
            tail: TokenSpan::new(t, t + 1).unwrap(),
        };
        let none = EntityKinds::default();
        let gold = [word(0, 0, 1), word(1, 0, 2), word(5, 2, 6), word(7, 3, 8)];
        let predicted = [word(0, 0, 1), word(1, 1, 2), word(6, 2, 5), word(8, 1, 9)];
        let mut confusion = Confusion::default();
        confusion.add(&align(&gold, &none, &predicted, &none));
        let r = RelationId;
        assert_eq!(confusion.pair(r(0), r(0)), 1);
        assert_eq!(confusion.pair(r(0), r(1)), 1);
        assert_eq!(confusion.pair(r(1), r(0)), 0);
        // Reversed, but the right relation.
        assert_eq!(confusion.pair(r(2), r(2)), 1);
        assert_eq!((confusion.missed(r(3)), confusion.spurious(r(1))), (1, 1));
        assert_eq!(confusion.relations(), [r(1), r(0), r(3), r(2)]);
    }
}
