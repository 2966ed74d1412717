//! What the labels of the whole corpus say of one candidate: counts, taken once before the candidates are made. They are of what the corpus gives, verdicts
//! or not, so that a verdict changes no other candidate's signals; but what a curator said of a sentence she said of its duplicates too.

use crate::analysis::noise::log_odds;
use crate::domain::{EntityTypeId, RelationId, SentenceId};
use crate::workspace::duplicates::Duplicates;
use std::collections::HashMap;

/// How often the corpus gives a pair two relations.
#[derive(Default)]
pub struct Together {
    pairs: f32,
    single: HashMap<RelationId, f32>,
    /// (a relation, another that the pair has too)
    both: HashMap<(RelationId, RelationId), f32>,
}

impl Together {
    pub fn add(&mut self, gold: &[RelationId]) {
        self.pairs += f32::from(u8::from(!gold.is_empty()));
        for a in gold {
            *self.single.entry(*a).or_default() += 1.0;
            for b in gold.iter().filter(|b| *b != a) {
                *self.both.entry((*a, *b)).or_default() += 1.0;
            }
        }
    }

    /// By how much the likeliest of the labels `others` raises the log odds of `relation` over its share of all labelled pairs: as many of those
    /// with that label have it too, one more pair counted that is like all. `None` without other labels.
    pub fn implied(&self, others: &[RelationId], relation: RelationId) -> Option<f32> {
        let n = |relation| self.single.get(&relation).copied().unwrap_or(0.0);
        let share = (n(relation) / self.pairs.max(1.0)).clamp(1e-3, 0.999);
        let lift = |other: &RelationId| {
            let both = self.both.get(&(*other, relation)).copied();
            let p = (both.unwrap_or(0.0) + share) / (n(*other) + 1.0);
            log_odds(p) - log_odds(share)
        };
        others.iter().map(lift).reduce(f32::max)
    }
}

/// Types of head and tail, as far as the corpus gives them.
pub type PairTypes = [Option<EntityTypeId>; 2];

/// How often labels of a relation have a head, and a tail, of a type.
#[derive(Default)]
pub struct TypeCounts {
    of_type: HashMap<(RelationId, usize, EntityTypeId), f32>,
    typed: HashMap<(RelationId, usize), f32>,
}

impl TypeCounts {
    pub fn add(&mut self, gold: &[RelationId], types: PairTypes) {
        for relation in gold {
            for (side, kind) in types.iter().enumerate() {
                if let Some(kind) = kind {
                    *self.of_type.entry((*relation, side, *kind)).or_default() += 1.0;
                    *self.typed.entry((*relation, side)).or_default() += 1.0;
                }
            }
        }
    }

    /// The smaller of the shares of the relation's labels whose head, and whose tail, is of this type; `labelled`: the candidate is one of those
    /// labels, and is not asked of itself. `None` where neither end has a type or no other label's end has one.
    pub fn usual(&self, relation: RelationId, types: PairTypes, labelled: bool) -> Option<f32> {
        let own = f32::from(u8::from(labelled));
        let share = |(side, kind): (usize, &Option<EntityTypeId>)| {
            let kind = (*kind)?;
            let typed = self.typed.get(&(relation, side)).copied().unwrap_or(0.0) - own;
            let same = self.of_type.get(&(relation, side, kind)).copied();
            (typed > 0.0).then(|| (same.unwrap_or(0.0) - own).max(0.0) / typed)
        };
        types.iter().enumerate().filter_map(share).reduce(f32::min)
    }
}

/// In each group of sentences that say the same: pairs with the same names, and which relations stand between them.
#[derive(Default)]
pub struct DuplicateCounts {
    group_of: HashMap<SentenceId, usize>,
    pairs: HashMap<(usize, usize), f32>,
    standing: HashMap<(usize, usize, RelationId), f32>,
}

impl DuplicateCounts {
    /// Of the groups that were found last, if any.
    pub fn new(found: Option<&Duplicates>) -> Self {
        let groups = found.iter().flat_map(|d| d.groups.iter().enumerate());
        let members = groups.flat_map(|(n, group)| group.ids().map(move |id| (id, n)));
        Self {
            group_of: members.collect(),
            ..Self::default()
        }
    }

    /// A pair of the sentence; `names` is the same number for the same ends.
    pub fn add(&mut self, sentence: SentenceId, names: usize, standing: &[RelationId]) {
        let Some(group) = self.group_of.get(&sentence) else {
            return;
        };
        *self.pairs.entry((*group, names)).or_default() += 1.0;
        for relation in standing {
            *self.standing.entry((*group, names, *relation)).or_default() += 1.0;
        }
    }

    /// Of the group's other pairs with these names, the share between which the relation stands, 0..=1; `stands`: here it does. `None` where there is no
    /// other pair.
    pub fn agreeing(
        &self,
        sentence: SentenceId,
        names: usize,
        relation: RelationId,
        stands: bool,
    ) -> Option<f32> {
        let group = *self.group_of.get(&sentence)?;
        let others = self.pairs.get(&(group, names))? - 1.0;
        let with = self.standing.get(&(group, names, relation)).copied();
        let own = f32::from(u8::from(stands));
        (others > 0.0).then(|| (with.unwrap_or(0.0) - own) / others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::duplicates::Alike;

    const BORN: RelationId = RelationId(0);
    const DIED: RelationId = RelationId(1);

    #[test]
    fn implied_is_what_another_label_adds() {
        let mut together = Together::default();
        let lives = RelationId(2);
        for gold in [
            vec![BORN, DIED],
            vec![BORN],
            vec![BORN],
            vec![lives],
            vec![],
        ] {
            together.add(&gold);
        }
        // One of three that were born there died there, and one of all four.
        let close = |a: Option<f32>, p: f32, share: f32| {
            let b = log_odds(p) - log_odds(share);
            assert!((a.unwrap() - b).abs() < 1e-5, "{a:?} {b}");
        };
        close(together.implied(&[BORN], DIED), 1.25 / 4.0, 0.25);
        close(together.implied(&[lives], DIED), 0.25 / 2.0, 0.25);
        close(together.implied(&[lives, BORN], DIED), 1.25 / 4.0, 0.25);
        assert!(together.implied(&[DIED], BORN).unwrap() > 0.0);
        assert_eq!(together.implied(&[], BORN), None);
    }

    #[test]
    fn a_label_is_not_asked_of_itself() {
        let (person, place) = (Some(EntityTypeId(0)), Some(EntityTypeId(1)));
        let mut counts = TypeCounts::default();
        for _ in 0..4 {
            counts.add(&[BORN], [person, place]);
        }
        counts.add(&[BORN], [place, place]);
        assert_eq!(counts.usual(BORN, [person, place], true), Some(0.75));
        assert_eq!(counts.usual(BORN, [place, place], true), Some(0.0));
        assert_eq!(counts.usual(BORN, [place, place], false), Some(0.2));
        assert_eq!(counts.usual(BORN, [None, place], false), Some(1.0));
        assert_eq!(counts.usual(BORN, [None, None], false), None);
        assert_eq!(counts.usual(DIED, [person, place], false), None);
        // The only label of a relation has no other to be compared with.
        counts.add(&[DIED], [person, place]);
        assert_eq!(counts.usual(DIED, [person, place], true), None);
    }

    #[test]
    fn only_other_sentences_of_the_group_count() {
        let ids: Vec<SentenceId> = (1..=4).map(SentenceId).collect();
        let found = Duplicates::of_groups(vec![Alike {
            sentences: ids[..3].iter().map(ToString::to_string).collect(),
            exact: true,
        }]);
        let mut counts = DuplicateCounts::new(Some(&found));
        counts.add(ids[0], 7, &[BORN]);
        counts.add(ids[1], 7, &[BORN]);
        counts.add(ids[2], 7, &[]);
        counts.add(ids[3], 7, &[BORN]);
        let share = |sentence: usize, stands| counts.agreeing(ids[sentence], 7, BORN, stands);
        assert_eq!(share(0, true), Some(0.5));
        assert_eq!(share(2, false), Some(1.0));
        assert_eq!(share(3, true), None, "in no group");
        assert_eq!(counts.agreeing(ids[0], 8, BORN, false), None, "other names");
        assert_eq!(counts.agreeing(ids[2], 7, DIED, false), Some(0.0));
        assert_eq!(
            DuplicateCounts::new(None).agreeing(ids[0], 7, BORN, true),
            None
        );
    }
}
