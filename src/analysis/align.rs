//! One outcome for every gold and every predicted triple of a sentence, with the counterpart it was compared to.

use crate::domain::{
    Annotation, DecisionRule, EntityTypeId, Outcome, Prediction, RelationId, TokenSpan, Triple,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aligned {
    pub triple: Triple,
    pub outcome: Outcome,
    /// The triple of the other side; `None` for `Missed` and `Spurious` only. Partners point at each other.
    pub partner: Option<Triple>,
}

/// Both sides, sorted by triple, without duplicates. A gold triple is never `Spurious`, a predicted one never `Missed`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Alignment {
    pub gold: Vec<Aligned>,
    pub predicted: Vec<Aligned>,
}

impl Alignment {
    /// Outcome of a triple: as a prediction if it is one, else as gold.
    pub fn outcome(&self, triple: Triple) -> Option<Outcome> {
        let find = |side: &[Aligned]| {
            let found = side.binary_search_by_key(&triple, |a| a.triple);
            found.ok().map(|i| side[i].outcome)
        };
        find(&self.predicted).or_else(|| find(&self.gold))
    }

    /// Gold and predicted relation of a triple that has a partner under another relation.
    pub fn confused(&self, triple: Triple) -> Option<(RelationId, RelationId)> {
        let find = |side: &[Aligned]| {
            let found = side.binary_search_by_key(&triple, |a| a.triple);
            found
                .ok()
                .map(|i| side[i])
                .filter(|a| a.outcome == Outcome::WrongRelation)
        };
        let partner = |a: Aligned| a.partner.map(|p| p.relation);
        if let Some(predicted) = find(&self.predicted) {
            return Some((partner(predicted)?, triple.relation));
        }
        Some((triple.relation, partner(find(&self.gold)?)?))
    }

    /// Gold and predicted triples that are not `Correct`; a pair of partners counts once.
    pub fn n_disagreements(&self) -> usize {
        let wrong = |side: &[Aligned]| {
            let wrong = side.iter().filter(|a| a.outcome != Outcome::Correct);
            wrong.count()
        };
        let paired = |a: &&Aligned| a.outcome != Outcome::Correct && a.partner.is_some();
        wrong(&self.gold) + wrong(&self.predicted) - self.gold.iter().filter(paired).count()
    }
}

/// Entity types by span, as one side knows them. An unknown type agrees with every type.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EntityKinds(HashMap<TokenSpan, EntityTypeId>);

impl EntityKinds {
    pub fn new(entities: impl IntoIterator<Item = (TokenSpan, Option<EntityTypeId>)>) -> Self {
        let known = entities.into_iter();
        Self(
            known
                .filter_map(|(span, kind)| Some((span, kind?)))
                .collect(),
        )
    }

    fn agree(&self, other: &Self, span: TokenSpan) -> bool {
        match (self.0.get(&span), other.0.get(&span)) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
    }
}

/// Pairs gold and predicted triples, each with at most one partner, in this order:
///
/// 1. the same triple: `Correct`, or `WrongType` when an argument's type is known on both sides and differs;
/// 2. the same ordered pair, another relation: `WrongRelation`, in order of the relations;
/// 3. the same relation with head and tail exchanged: `Reversed`;
/// 4. the same relation, both spans overlapping: `Boundary`, the largest overlap (intersection over union, summed over
///    both ends) first, ties in order of the triples.
///
/// What is left is `Missed` or `Spurious`. The order of the inputs does not matter and duplicates collapse.
pub fn align(
    gold: &[Triple],
    gold_kinds: &EntityKinds,
    predicted: &[Triple],
    predicted_kinds: &EntityKinds,
) -> Alignment {
    let mut matcher = Matcher {
        gold: gold.iter().copied().collect(),
        predicted: predicted.iter().copied().collect(),
        result: Alignment::default(),
    };
    matcher.same(|t| {
        [t.head, t.tail]
            .iter()
            .all(|&span| gold_kinds.agree(predicted_kinds, span))
    });
    matcher.wrong_relation();
    matcher.reversed();
    matcher.boundary();
    matcher.finish()
}

/// The labels that stand against what the rule accepts.
pub fn align_sentence(
    annotation: &Annotation,
    prediction: &Prediction,
    rule: &DecisionRule,
) -> Alignment {
    let gold: Vec<Triple> = annotation.standing().map(|t| t.triple).collect();
    align(
        &gold,
        &EntityKinds::new(annotation.entities.iter().map(|e| (e.span, e.kind))),
        &predicted_triples(prediction, rule),
        &EntityKinds::new(prediction.entities.iter().map(|e| (e.span, e.kind))),
    )
}

/// Scored triples that the rule accepts, in the prediction's order.
pub fn predicted_triples(prediction: &Prediction, rule: &DecisionRule) -> Vec<Triple> {
    let accepted = prediction.accepted(rule).into_iter();
    accepted.map(|t| t.triple).collect()
}

/// What has no partner yet, and the pairs made so far.
struct Matcher {
    gold: BTreeSet<Triple>,
    predicted: BTreeSet<Triple>,
    result: Alignment,
}

impl Matcher {
    fn pair(&mut self, gold: Triple, predicted: Triple, outcome: Outcome) {
        self.gold.remove(&gold);
        self.predicted.remove(&predicted);
        let aligned = |triple, partner| Aligned {
            triple,
            outcome,
            partner: Some(partner),
        };
        self.result.gold.push(aligned(gold, predicted));
        self.result.predicted.push(aligned(predicted, gold));
    }

    fn same(&mut self, types_agree: impl Fn(Triple) -> bool) {
        let both: Vec<Triple> = self.gold.intersection(&self.predicted).copied().collect();
        for triple in both {
            let outcome = if types_agree(triple) {
                Outcome::Correct
            } else {
                Outcome::WrongType
            };
            self.pair(triple, triple, outcome);
        }
    }

    fn wrong_relation(&mut self) {
        let by_pair = |side: &BTreeSet<Triple>| {
            let mut groups: BTreeMap<(TokenSpan, TokenSpan), Vec<Triple>> = BTreeMap::new();
            for &t in side {
                groups.entry((t.head, t.tail)).or_default().push(t);
            }
            groups
        };
        let predicted = by_pair(&self.predicted);
        for (ends, gold) in by_pair(&self.gold) {
            let others = predicted.get(&ends).map(Vec::as_slice).unwrap_or_default();
            for (g, p) in gold.into_iter().zip(others) {
                self.pair(g, *p, Outcome::WrongRelation);
            }
        }
    }

    fn reversed(&mut self) {
        let golds: Vec<Triple> = self.gold.iter().copied().collect();
        for gold in golds {
            if self.predicted.contains(&gold.reversed()) {
                self.pair(gold, gold.reversed(), Outcome::Reversed);
            }
        }
    }

    fn boundary(&mut self) {
        let mut candidates = Vec::new();
        for &gold in &self.gold {
            for &predicted in &self.predicted {
                if gold.relation == predicted.relation
                    && gold.head.overlaps(predicted.head)
                    && gold.tail.overlaps(predicted.tail)
                {
                    let overlap =
                        overlap(gold.head, predicted.head) + overlap(gold.tail, predicted.tail);
                    // An integer, so that equal overlaps are equal in any order of the sum.
                    candidates.push((Reverse((overlap * 1e6).round() as u64), gold, predicted));
                }
            }
        }
        candidates.sort_unstable();
        for (_, gold, predicted) in candidates {
            if self.gold.contains(&gold) && self.predicted.contains(&predicted) {
                self.pair(gold, predicted, Outcome::Boundary);
            }
        }
    }

    fn finish(mut self) -> Alignment {
        let alone = |outcome| {
            move |triple| Aligned {
                triple,
                outcome,
                partner: None,
            }
        };
        let missed = std::mem::take(&mut self.gold).into_iter();
        let spurious = std::mem::take(&mut self.predicted).into_iter();
        self.result.gold.extend(missed.map(alone(Outcome::Missed)));
        self.result
            .predicted
            .extend(spurious.map(alone(Outcome::Spurious)));
        self.result.gold.sort_by_key(|a| a.triple);
        self.result.predicted.sort_by_key(|a| a.triple);
        self.result
    }
}

/// Intersection over union of two spans that overlap, in tokens.
fn overlap(a: TokenSpan, b: TokenSpan) -> f64 {
    let shared = a
        .end()
        .min(b.end())
        .saturating_sub(a.start().max(b.start()));
    shared as f64 / (a.len() + b.len() - shared) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn triple((h, hl): (usize, usize), relation: u16, (t, tl): (usize, usize)) -> Triple {
        Triple {
            head: TokenSpan::new(h, h + hl).unwrap(),
            relation: RelationId(relation),
            tail: TokenSpan::new(t, t + tl).unwrap(),
        }
    }

    /// One-word mentions.
    fn word(head: usize, relation: u16, tail: usize) -> Triple {
        triple((head, 1), relation, (tail, 1))
    }

    fn untyped(gold: &[Triple], predicted: &[Triple]) -> Alignment {
        let none = EntityKinds::default();
        align(gold, &none, predicted, &none)
    }

    #[test]
    fn each_kind_of_error_has_its_outcome() {
        let check = |gold: &[Triple],
                     predicted: &[Triple],
                     of_gold: &[Outcome],
                     of_predicted: &[Outcome]| {
            let found = untyped(gold, predicted);
            let outcomes = |side: &[Aligned]| side.iter().map(|a| a.outcome).collect::<Vec<_>>();
            assert_eq!(
                (outcomes(&found.gold), outcomes(&found.predicted)),
                (of_gold.to_vec(), of_predicted.to_vec())
            );
        };
        use Outcome::*;
        check(
            &[word(0, 0, 1)],
            &[word(0, 0, 1), word(0, 0, 1)],
            &[Correct],
            &[Correct],
        );
        check(
            &[word(0, 0, 1)],
            &[word(0, 1, 1)],
            &[WrongRelation],
            &[WrongRelation],
        );
        check(&[word(0, 0, 1)], &[word(1, 0, 0)], &[Reversed], &[Reversed]);
        check(
            &[triple((0, 2), 0, (4, 1))],
            &[triple((1, 1), 0, (4, 1))],
            &[Boundary],
            &[Boundary],
        );
        check(&[word(0, 0, 1)], &[], &[Missed], &[]);
        check(&[], &[word(0, 0, 1)], &[], &[Spurious]);
        // Another relation and other spans: two errors, not one.
        check(
            &[triple((0, 2), 0, (4, 1))],
            &[triple((1, 1), 1, (4, 1))],
            &[Missed],
            &[Spurious],
        );
        // Two gold relations of a pair, three predicted: the right one is right, one is a wrong relation, one too many.
        check(
            &[word(0, 0, 1), word(0, 2, 1)],
            &[word(0, 1, 1), word(0, 2, 1), word(0, 3, 1)],
            &[WrongRelation, Correct],
            &[WrongRelation, Correct, Spurious],
        );
    }

    #[test]
    fn a_type_is_wrong_only_when_both_sides_know_it() {
        let t = word(0, 0, 1);
        let kinds = |kind: Option<u16>| EntityKinds::new([(t.head, kind.map(EntityTypeId))]);
        let check = |gold, predicted, expected| {
            let found = align(&[t], &kinds(gold), &[t], &kinds(predicted));
            assert_eq!(
                (found.gold[0].outcome, found.outcome(t)),
                (expected, Some(expected))
            );
        };
        check(Some(1), Some(1), Outcome::Correct);
        check(Some(1), Some(2), Outcome::WrongType);
        check(Some(1), None, Outcome::Correct);
        check(None, None, Outcome::Correct);
    }

    #[test]
    fn the_largest_overlap_is_the_partner() {
        let gold = triple((0, 4), 0, (8, 1));
        let (near, far) = (triple((0, 3), 0, (8, 1)), triple((3, 3), 0, (8, 1)));
        let found = untyped(&[gold], &[far, near]);
        assert_eq!(found.gold[0].partner, Some(near));
        assert_eq!(found.outcome(far), Some(Outcome::Spurious));
        assert_eq!(found.n_disagreements(), 2);
        assert_eq!(found.outcome(word(9, 9, 9)), None);
    }

    fn triples() -> impl Strategy<Value = Vec<Triple>> {
        let span = || (0usize..5, 1usize..4);
        proptest::collection::vec(
            (span(), 0u16..3, span()).prop_map(|(h, r, t)| triple(h, r, t)),
            0..12,
        )
    }

    proptest! {
        #[test]
        fn every_triple_lands_in_exactly_one_outcome(gold in triples(), predicted in triples()) {
            let found = untyped(&gold, &predicted);
            let set = |list: &[Triple]| list.iter().copied().collect::<BTreeSet<_>>();
            let side = |list: &[Aligned]| list.iter().map(|a| a.triple).collect::<Vec<_>>();
            prop_assert_eq!(side(&found.gold), set(&gold).into_iter().collect::<Vec<_>>());
            prop_assert_eq!(side(&found.predicted), set(&predicted).into_iter().collect::<Vec<_>>());
            prop_assert!(found.gold.iter().all(|a| a.outcome != Outcome::Spurious));
            prop_assert!(found.predicted.iter().all(|a| a.outcome != Outcome::Missed));
            for a in &found.gold {
                prop_assert_eq!(a.partner.is_none(), a.outcome == Outcome::Missed);
                if let Some(partner) = a.partner {
                    let back = found.predicted.iter().find(|p| p.triple == partner).unwrap();
                    prop_assert_eq!((back.partner, back.outcome), (Some(a.triple), a.outcome));
                }
            }
            for a in &found.predicted {
                prop_assert_eq!(a.partner.is_none(), a.outcome == Outcome::Spurious);
            }
        }

        #[test]
        fn the_order_of_the_inputs_does_not_matter(gold in triples(), predicted in triples()) {
            let found = untyped(&gold, &predicted);
            let reversed = |list: &[Triple]| list.iter().rev().copied().collect::<Vec<_>>();
            prop_assert_eq!(&untyped(&reversed(&gold), &reversed(&predicted)), &found);
            let twice = |list: &[Triple]| [list, list].concat();
            prop_assert_eq!(&untyped(&twice(&gold), &twice(&predicted)), &found);
        }

        #[test]
        fn exchanging_the_sides_exchanges_the_outcomes(gold in triples(), predicted in triples()) {
            let count = |side: &[Aligned], o: Outcome| side.iter().filter(|a| a.outcome == o).count();
            let (there, back) = (untyped(&gold, &predicted), untyped(&predicted, &gold));
            prop_assert_eq!(count(&there.gold, Outcome::Correct), count(&back.gold, Outcome::Correct));
            prop_assert_eq!(count(&there.gold, Outcome::WrongRelation), count(&back.gold, Outcome::WrongRelation));
            prop_assert_eq!(there.n_disagreements() == 0, back.n_disagreements() == 0);
        }
    }
}
