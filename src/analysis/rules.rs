//! Rules between relations: what else must hold of a pair that has a label, and what must not.
//!
//! A rule says something of labels and changes none: [`check`] lists what a curator should look at. [`propose`] learns rules from the labels of a
//! corpus and from verdicts, with the counts behind each; whether one is kept is for a curator to say.

use crate::analysis::Sample;
use crate::domain::{EntityTypeId, RelationId, Triple};
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rule {
    /// r(a, b), so r(b, a).
    Symmetric(RelationId),
    /// r(a, b), so not r(b, a).
    Antisymmetric(RelationId),
    /// r(a, b), so s(a, b).
    Implies(RelationId, RelationId),
    /// r(a, b), so s(b, a). An inverse is two of these.
    ImpliesReversed(RelationId, RelationId),
    /// The head is of one of these types.
    HeadTypes(RelationId, Vec<EntityTypeId>),
    TailTypes(RelationId, Vec<EntityTypeId>),
}

impl Rule {
    pub fn relation(&self) -> RelationId {
        match self {
            Rule::Symmetric(r)
            | Rule::Antisymmetric(r)
            | Rule::Implies(r, _)
            | Rule::ImpliesReversed(r, _)
            | Rule::HeadTypes(r, _)
            | Rule::TailTypes(r, _) => *r,
        }
    }

    /// What the rule says holds too.
    fn consequence(&self, triple: Triple) -> Option<Triple> {
        if triple.relation != self.relation() {
            return None;
        }
        match self {
            Rule::Symmetric(_) => Some(triple.reversed()),
            Rule::Implies(_, relation) => Some(Triple {
                relation: *relation,
                ..triple
            }),
            Rule::ImpliesReversed(_, relation) => Some(Triple {
                relation: *relation,
                ..triple.reversed()
            }),
            _ => None,
        }
    }
}

/// Why a triple is to be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Breach {
    /// No label, but the rule asks for one, starting from this label.
    Missing {
        from: Triple,
    },
    /// Labelled both ways round.
    BothWays,
    /// The head, or the tail, is of another type.
    HeadType,
    TailType,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken {
    pub triple: Triple,
    /// Its place among the rules.
    pub rule: usize,
    pub breach: Breach,
}

/// All that rules add to a set of labels, and what they add to that in turn: each with the rule and the label that it comes from at first.
pub fn consequences(
    rules: &[Rule],
    labels: &BTreeSet<Triple>,
) -> BTreeMap<Triple, (usize, Triple)> {
    let mut found: BTreeMap<Triple, (usize, Triple)> = BTreeMap::new();
    let mut open: Vec<Triple> = labels.iter().copied().collect();
    while let Some(triple) = open.pop() {
        for (n, rule) in rules.iter().enumerate() {
            let Some(next) = rule.consequence(triple) else {
                continue;
            };
            if next.head == next.tail || labels.contains(&next) || found.contains_key(&next) {
                continue;
            }
            found.insert(next, (n, triple));
            open.push(next);
        }
    }
    found
}

/// What the rules find in the labels of one sentence; `type_of` gives the type of the entity at a span, where it has one.
pub fn check(
    rules: &[Rule],
    labels: &BTreeSet<Triple>,
    type_of: &dyn Fn(crate::domain::TokenSpan) -> Option<EntityTypeId>,
) -> Vec<Broken> {
    let mut broken: Vec<Broken> = Vec::new();
    for triple in labels {
        for (rule, r) in rules.iter().enumerate() {
            if r.relation() != triple.relation {
                continue;
            }
            let other = |span, types: &[EntityTypeId]| {
                type_of(span).is_some_and(|found| !types.contains(&found))
            };
            let breach = match r {
                Rule::Antisymmetric(_) if labels.contains(&triple.reversed()) => Breach::BothWays,
                Rule::HeadTypes(_, types) if other(triple.head, types) => Breach::HeadType,
                Rule::TailTypes(_, types) if other(triple.tail, types) => Breach::TailType,
                _ => continue,
            };
            broken.push(Broken {
                triple: *triple,
                rule,
                breach,
            });
        }
    }
    let missing = consequences(rules, labels).into_iter();
    broken.extend(missing.map(|(triple, (rule, from))| Broken {
        triple,
        rule,
        breach: Breach::Missing { from },
    }));
    broken
}

/// A rule that the corpus suggests.
#[derive(Clone, PartialEq, Debug)]
pub struct Proposal {
    pub rule: Rule,
    /// Facts to which it applies, and those of them that keep it.
    pub corpus: Sample,
    /// The same among pairs of mentions of which curators judged both labels; of rules about types and directions none.
    pub verdicts: Sample,
}

/// A rule is proposed from so many facts.
const FACTS: usize = 10;
/// ... or so many verdicts.
const VERDICTS: usize = 5;
/// Least share of facts, or lower end of the verdicts' interval, that keeps an implication.
const IMPLIED: f64 = 0.7;
const VERDICTS_SURE: f64 = 0.6;
/// A relation is taken for symmetric where so many of its facts are labelled both ways.
const SYMMETRIC: f64 = 0.5;
/// ... and for one-way, of [`ONE_WAY_FACTS`] at least, where so few are.
const ONE_WAY: f64 = 0.01;
const ONE_WAY_FACTS: usize = 50;
/// A type belongs to an argument where so large a share of the relation's facts has it.
const TYPE: f64 = 0.02;

/// What a corpus says of pairs of entities: by numbers that stand for their names.
#[derive(Default)]
pub struct Facts {
    of_pair: HashMap<(u64, u64), BTreeSet<RelationId>>,
    head_types: BTreeMap<RelationId, BTreeMap<EntityTypeId, usize>>,
    tail_types: BTreeMap<RelationId, BTreeMap<EntityTypeId, usize>>,
    /// (a label judged right, another that was judged, the other way round or not): how that went.
    judged: BTreeMap<(RelationId, RelationId, bool), Sample>,
}

impl Facts {
    /// A label that stands.
    pub fn add(
        &mut self,
        pair: (u64, u64),
        relation: RelationId,
        types: [Option<EntityTypeId>; 2],
    ) {
        self.of_pair.entry(pair).or_default().insert(relation);
        let counts = [&mut self.head_types, &mut self.tail_types];
        for (counts, kind) in counts.into_iter().zip(types) {
            if let Some(kind) = kind {
                *counts.entry(relation).or_default().entry(kind).or_default() += 1;
            }
        }
    }

    /// `relation` was judged right, and of the same mentions `other` was judged: right or not.
    pub fn judge(&mut self, relation: RelationId, other: RelationId, reversed: bool, right: bool) {
        let sample = self.judged.entry((relation, other, reversed)).or_default();
        sample.add(right);
    }

    /// (relation, another, reversed) with the facts of the first that are facts of the second too.
    fn together(&self) -> BTreeMap<(RelationId, RelationId, bool), usize> {
        let mut together: BTreeMap<_, usize> = BTreeMap::new();
        for ((head, tail), relations) in &self.of_pair {
            let back = self.of_pair.get(&(*tail, *head));
            for a in relations {
                for b in relations.iter().filter(|b| *b != a) {
                    *together.entry((*a, *b, false)).or_default() += 1;
                }
                for b in back.into_iter().flatten() {
                    *together.entry((*a, *b, true)).or_default() += 1;
                }
            }
        }
        together
    }

    fn counts(&self) -> BTreeMap<RelationId, usize> {
        let mut counts = BTreeMap::new();
        for relation in self.of_pair.values().flatten() {
            *counts.entry(*relation).or_default() += 1;
        }
        counts
    }
}

/// Rules that the facts keep, in the order of the rules.
pub fn propose(facts: &Facts) -> Vec<Proposal> {
    let counts = facts.counts();
    let together = facts.together();
    let mut proposals = Vec::new();
    let keys: BTreeSet<_> = together
        .keys()
        .chain(facts.judged.keys())
        .copied()
        .collect();
    for (a, b, reversed) in keys {
        let corpus = Sample {
            judged: counts.get(&a).copied().unwrap_or(0),
            hits: together.get(&(a, b, reversed)).copied().unwrap_or(0),
        };
        let verdicts = facts
            .judged
            .get(&(a, b, reversed))
            .copied()
            .unwrap_or_default();
        let rule = match (a == b, reversed) {
            (true, true) => Rule::Symmetric(a),
            (true, false) => continue,
            (false, true) => Rule::ImpliesReversed(a, b),
            (false, false) => Rule::Implies(a, b),
        };
        let enough = if a == b { SYMMETRIC } else { IMPLIED };
        let by_corpus = corpus.hits >= FACTS && share(corpus) >= enough;
        let sure = verdicts.share().is_some_and(|s| s.low >= VERDICTS_SURE);
        if by_corpus || verdicts.judged >= VERDICTS && sure {
            proposals.push(Proposal {
                rule,
                corpus,
                verdicts,
            });
        }
    }
    for (relation, n) in &counts {
        let both = together
            .get(&(*relation, *relation, true))
            .copied()
            .unwrap_or(0);
        let corpus = Sample {
            judged: *n,
            hits: n - both.min(*n),
        };
        if *n >= ONE_WAY_FACTS && 1.0 - share(corpus) <= ONE_WAY {
            proposals.push(Proposal {
                rule: Rule::Antisymmetric(*relation),
                corpus,
                verdicts: Sample::default(),
            });
        }
    }
    proposals.extend(of_types(&facts.head_types, Rule::HeadTypes));
    proposals.extend(of_types(&facts.tail_types, Rule::TailTypes));
    proposals.sort_by(|a, b| a.rule.cmp(&b.rule));
    proposals
}

fn share(sample: Sample) -> f64 {
    sample.hits as f64 / sample.judged.max(1) as f64
}

/// The common types of an argument, where some label has another.
fn of_types(
    counts: &BTreeMap<RelationId, BTreeMap<EntityTypeId, usize>>,
    rule: fn(RelationId, Vec<EntityTypeId>) -> Rule,
) -> Vec<Proposal> {
    let proposals = counts.iter().filter_map(|(relation, types)| {
        let n: usize = types.values().sum();
        let common = types.iter().filter(|(_, k)| **k as f64 >= TYPE * n as f64);
        let (kept, hits): (Vec<EntityTypeId>, Vec<usize>) = common.map(|(t, k)| (*t, *k)).unzip();
        let corpus = Sample {
            judged: n,
            hits: hits.iter().sum(),
        };
        (n >= ONE_WAY_FACTS && corpus.hits < n).then(|| Proposal {
            rule: rule(*relation, kept),
            corpus,
            verdicts: Sample::default(),
        })
    });
    proposals.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TokenSpan;
    use proptest::prelude::*;

    const R: [RelationId; 4] = [RelationId(0), RelationId(1), RelationId(2), RelationId(3)];

    fn triple(head: usize, relation: u16, tail: usize) -> Triple {
        let span = |a| TokenSpan::new(a, a + 1).unwrap();
        Triple {
            head: span(head),
            relation: RelationId(relation),
            tail: span(tail),
        }
    }

    #[test]
    fn rules_find_what_is_missing_and_what_cannot_be() {
        let rules = [
            Rule::Symmetric(R[0]),
            Rule::Implies(R[1], R[2]),
            Rule::ImpliesReversed(R[2], R[3]),
            Rule::Antisymmetric(R[3]),
            Rule::HeadTypes(R[1], vec![EntityTypeId(0)]),
            Rule::TailTypes(R[1], vec![EntityTypeId(1)]),
        ];
        let none = |_| None;
        let found = |labels: &[Triple]| -> Vec<(Triple, usize, Breach)> {
            let labels = labels.iter().copied().collect();
            let found = check(&rules, &labels, &none).into_iter();
            found.map(|b| (b.triple, b.rule, b.breach)).collect()
        };
        let missing = |from| Breach::Missing { from };
        let spouse = triple(0, 0, 5);
        assert_eq!(found(&[spouse]), [(triple(5, 0, 0), 0, missing(spouse))]);
        assert_eq!(found(&[spouse, triple(5, 0, 0)]), []);
        // One rule's answer is the next one's question.
        let founder = triple(0, 1, 5);
        assert_eq!(
            found(&[founder]),
            [
                (triple(0, 2, 5), 1, missing(founder)),
                (triple(5, 3, 0), 2, missing(triple(0, 2, 5))),
            ]
        );
        let both = [triple(0, 3, 5), triple(5, 3, 0)];
        assert_eq!(
            found(&both),
            [
                (both[0], 3, Breach::BothWays),
                (both[1], 3, Breach::BothWays)
            ]
        );
        // A type that is not known breaks nothing.
        let types = |span: TokenSpan| (span.start() == 5).then_some(EntityTypeId(0));
        let labels = [founder, triple(0, 2, 5), triple(5, 3, 0)]
            .into_iter()
            .collect();
        let broken = check(&rules, &labels, &types);
        assert_eq!(broken.len(), 1);
        assert_eq!((broken[0].rule, broken[0].breach), (5, Breach::TailType));
    }

    #[test]
    fn proposals_come_with_their_counts() {
        let mut facts = Facts::default();
        let person = Some(EntityTypeId(0));
        // 60 facts of 0, 48 of them of 1 too; 1 both ways; one fact of 60 has another type.
        for n in 0..60 {
            let kind = if n == 59 {
                Some(EntityTypeId(1))
            } else {
                person
            };
            facts.add((n, n + 1_000), R[0], [kind, None]);
            if n < 48 {
                facts.add((n, n + 1_000), R[1], [None, None]);
                facts.add((n + 1_000, n), R[1], [None, None]);
            }
        }
        for n in 0..20 {
            facts.judge(R[0], R[2], false, n != 0);
            facts.judge(R[0], R[3], true, n % 2 == 0);
        }
        let found = propose(&facts);
        let of = |rule: &Rule| found.iter().find(|p| p.rule == *rule);
        let sample = |judged, hits| Sample { judged, hits };
        assert_eq!(
            of(&Rule::Implies(R[0], R[1])).unwrap().corpus,
            sample(60, 48)
        );
        assert_eq!(of(&Rule::Symmetric(R[1])).unwrap().corpus, sample(96, 96));
        assert_eq!(of(&Rule::Implies(R[1], R[0])), None, "48 of 96");
        let by_verdict = of(&Rule::Implies(R[0], R[2])).unwrap();
        assert_eq!(
            (by_verdict.corpus.hits, by_verdict.verdicts),
            (0, sample(20, 19))
        );
        assert_eq!(
            of(&Rule::ImpliesReversed(R[0], R[3])),
            None,
            "half of the verdicts"
        );
        assert_eq!(
            of(&Rule::Antisymmetric(R[0])).unwrap().corpus,
            sample(60, 60)
        );
        assert_eq!(of(&Rule::Antisymmetric(R[1])), None);
        let types = Rule::HeadTypes(R[0], vec![EntityTypeId(0)]);
        assert_eq!(of(&types).unwrap().corpus, sample(60, 59));
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let r = || (0..4usize).prop_map(|i| R[i]);
        prop_oneof![
            r().prop_map(Rule::Symmetric),
            (r(), r()).prop_map(|(a, b)| Rule::Implies(a, b)),
            (r(), r()).prop_map(|(a, b)| Rule::ImpliesReversed(a, b)),
        ]
    }
    fn any_labels() -> impl Strategy<Value = BTreeSet<Triple>> {
        let label = (0..3usize, 0..4u16, 0..3usize).prop_filter("two ends", |(h, _, t)| h != t);
        let label = label.prop_map(|(h, r, t)| triple(h, r, t));
        proptest::collection::btree_set(label, 0..8)
    }

    proptest! {
        /// With its consequences a set of labels breaks no rule, and with more labels nothing less follows.
        #[test]
        fn consequences_are_closed_and_grow(
            rules in proptest::collection::vec(any_rule(), 0..6), labels in any_labels(), more in any_labels(),
        ) {
            let closed = |labels: &BTreeSet<Triple>| -> BTreeSet<Triple> {
                labels.iter().copied().chain(consequences(&rules, labels).into_keys()).collect()
            };
            let all = closed(&labels);
            prop_assert!(consequences(&rules, &all).is_empty());
            let wider: BTreeSet<Triple> = labels.union(&more).copied().collect();
            prop_assert!(closed(&wider).is_superset(&all));
            for (triple, (rule, from)) in consequences(&rules, &labels) {
                prop_assert!(all.contains(&from));
                prop_assert_eq!(rules[rule].consequence(from), Some(triple));
            }
        }
    }
}
