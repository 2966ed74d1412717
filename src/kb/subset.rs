//! Parts of a knowledge base that keep its ids: without the pairs that the text mentions, and split for validation.
//!
//! HRERE (Xu & Barbosa 2019, section 4.1) drops from the base every entity pair that occurs in the text, train or test,
//! before ComplEx is trained, so that its vectors cannot know a label; and holds some facts out for validation.

use super::base::{Fact, KbEntity, KnowledgeBase};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::HashSet;

/// Two entities in no order: `a <= b`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntityPair {
    a: KbEntity,
    b: KbEntity,
}

impl EntityPair {
    pub fn new(a: KbEntity, b: KbEntity) -> Self {
        Self {
            a: a.min(b),
            b: a.max(b),
        }
    }
    pub fn entities(self) -> (KbEntity, KbEntity) {
        (self.a, self.b)
    }
}

/// What [`KnowledgeBase::without_pairs`] took out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DroppedPairs {
    pub facts: usize,
    /// Pairs, in either order, that had such facts.
    pub pairs: usize,
}

/// A base and facts that it no longer has.
#[derive(Clone, Debug)]
pub struct HeldOut {
    pub rest: KnowledgeBase,
    /// Sorted.
    pub held_out: Vec<Fact>,
}

impl KnowledgeBase {
    /// The base without the facts of `pairs`, in both directions. Entities and relations keep their ids, also those
    /// left without facts.
    pub fn without_pairs(&self, pairs: &HashSet<EntityPair>) -> (KnowledgeBase, DroppedPairs) {
        let mut dropped = HashSet::new();
        let keep = |fact: &&Fact| {
            let pair = EntityPair::new(fact.head, fact.tail);
            let found = pairs.contains(&pair);
            if found {
                dropped.insert(pair);
            }
            !found
        };
        let facts: Vec<Fact> = self.facts().iter().filter(keep).copied().collect();
        let counts = DroppedPairs {
            facts: self.n_facts() - facts.len(),
            pairs: dropped.len(),
        };
        (self.with_facts(facts), counts)
    }

    /// Holds out `share` of the facts (0..=1, rounded down), the same ones for the same seed and facts. A fact that is
    /// the last one of its head, tail or relation stays: a vector that was never trained cannot be validated. So fewer
    /// may be held out than asked for.
    pub fn hold_out(&self, share: f64, seed: u64) -> HeldOut {
        let wanted = (self.n_facts() as f64 * share.clamp(0.0, 1.0)) as usize;
        let mut of_entity: Vec<usize> = self.entities().map(|e| self.degree(e)).collect();
        let mut of_relation = vec![0usize; self.n_relations()];
        for fact in self.facts() {
            of_relation[fact.relation.index()] += 1;
        }
        let mut order: Vec<usize> = (0..self.n_facts()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut is_out = vec![false; self.n_facts()];
        let mut held_out = Vec::with_capacity(wanted);
        for position in order {
            if held_out.len() == wanted {
                break;
            }
            let fact = self.facts()[position];
            let (h, r, t) = (fact.head.index(), fact.relation.index(), fact.tail.index());
            let uses = if h == t { 2 } else { 1 };
            if of_entity[h] > uses && of_entity[t] > uses && of_relation[r] > 1 {
                of_entity[h] -= 1;
                of_entity[t] -= 1;
                of_relation[r] -= 1;
                is_out[position] = true;
                held_out.push(fact);
            }
        }
        held_out.sort();
        let stays = self.facts().iter().zip(&is_out).filter(|(_, out)| !**out);
        HeldOut {
            rest: self.with_facts(stays.map(|(f, _)| *f).collect()),
            held_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::base::tests::base;
    use super::*;

    #[test]
    fn pairs_of_the_text_leave_in_both_directions() {
        let kb = base(
            &[
                ("a", "r", "b"),
                ("b", "s", "a"),
                ("a", "r", "c"),
                ("c", "s", "c"),
            ],
            &[],
        );
        let [a, b, c] = ["a", "b", "c"].map(|id| kb.entity(id).unwrap());
        let pairs = HashSet::from([EntityPair::new(b, a), EntityPair::new(b, c)]);
        let (rest, dropped) = kb.without_pairs(&pairs);
        assert_eq!((dropped.facts, dropped.pairs), (2, 1));
        assert_eq!(
            (rest.n_facts(), rest.n_entities(), rest.entity("b")),
            (2, 3, Some(b))
        );
        assert_eq!(rest.facts_of_pair(a, b).count(), 0);
        assert_eq!((rest.degree(b), rest.degree(c)), (0, 3));
    }

    #[test]
    fn held_out_facts_are_testable_and_the_same_for_a_seed() {
        let rows: Vec<(String, String, String)> = (0..200)
            .map(|i| {
                (
                    format!("e{}", i % 23),
                    format!("r{}", i % 3),
                    format!("e{}", i * 5 % 31),
                )
            })
            .chain([("lonely".into(), "rare".into(), "e1".into())])
            .collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|(h, r, t)| (h.as_str(), r.as_str(), t.as_str()))
            .collect();
        let kb = base(&rows, &[]);
        let split = kb.hold_out(0.1, 7);
        assert_eq!(split.held_out.len(), kb.n_facts() / 10);
        assert_eq!(split.rest.n_facts() + split.held_out.len(), kb.n_facts());
        for fact in &split.held_out {
            assert!(!split.rest.contains(*fact));
            assert!(split.rest.degree(fact.head) > 0 && split.rest.degree(fact.tail) > 0);
            assert!(
                split
                    .rest
                    .facts()
                    .iter()
                    .any(|f| f.relation == fact.relation)
            );
        }
        assert_eq!(kb.hold_out(0.1, 7).held_out, split.held_out);
        assert_ne!(kb.hold_out(0.1, 8).held_out, split.held_out);
        let all = kb.hold_out(1.0, 7).rest;
        assert!(
            all.entities().all(|e| all.degree(e) > 0),
            "no entity is left without facts"
        );
        assert!(kb.hold_out(f64::NAN, 7).held_out.is_empty());
    }
}
