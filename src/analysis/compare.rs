//! Two reports of one protocol on the same sentences: what a new model changed, relation by relation.

use super::score::{Prf, Protocol, Report};
use crate::domain::RelationId;
use std::collections::BTreeSet;

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RelationChange {
    pub relation: RelationId,
    /// Gold triples in the sentences compared.
    pub support: u64,
    pub before: Prf,
    pub after: Prf,
}

impl RelationChange {
    pub fn f1_gain(&self) -> f64 {
        self.after.f1 - self.before.f1
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    pub protocol: Protocol,
    /// Micro, over all relations.
    pub before: Prf,
    pub after: Prf,
    /// Relations in gold or predicted before or after; the largest change of F1 first, ties by id.
    pub relations: Vec<RelationChange>,
}

/// `None` when the two were not measured alike: other protocols, or other numbers of sentences or gold triples.
pub fn compare(before: &Report, after: &Report) -> Option<Comparison> {
    let measured = |r: &Report| (r.protocol, r.sentences, r.micro.gold);
    if measured(before) != measured(after) {
        return None;
    }
    let relations: BTreeSet<RelationId> = before
        .per_relation
        .keys()
        .chain(after.per_relation.keys())
        .copied()
        .collect();
    let mut changes: Vec<RelationChange> = relations
        .into_iter()
        .map(|relation| {
            let counts = |r: &Report| r.per_relation.get(&relation).copied().unwrap_or_default();
            RelationChange {
                relation,
                support: counts(after).gold,
                before: counts(before).prf(),
                after: counts(after).prf(),
            }
        })
        .collect();
    changes.sort_by(|a, b| {
        let by_change = b.f1_gain().abs().total_cmp(&a.f1_gain().abs());
        by_change.then(a.relation.cmp(&b.relation))
    });
    Some(Comparison {
        protocol: before.protocol,
        before: before.micro.prf(),
        after: after.micro.prf(),
        relations: changes,
    })
}

#[cfg(test)]
mod tests {
    use super::super::score::{Candidates, Case, Matching, Scorer};
    use super::*;
    use crate::domain::{TokenSpan, Triple};

    #[test]
    fn the_largest_change_comes_first_and_unlike_reports_are_refused() {
        let word = |h: usize, r: u16, t: usize| Triple {
            head: TokenSpan::new(h, h + 1).unwrap(),
            relation: RelationId(r),
            tail: TokenSpan::new(t, t + 1).unwrap(),
        };
        let gold = [word(0, 0, 1), word(1, 1, 2), word(2, 1, 3)];
        let report = |matching, predicted: &[Triple]| {
            let mut scorer = Scorer::new(Protocol {
                matching,
                candidates: Candidates::PredictedEntities,
            });
            scorer.add(Case {
                gold: &gold,
                gold_entities: &[],
                predicted,
                mistyped: &[],
            });
            scorer.into_report()
        };
        let before = report(Matching::Exact, &[word(1, 1, 2)]);
        let after = report(
            Matching::Exact,
            &[word(0, 0, 1), word(1, 1, 2), word(2, 1, 3), word(4, 2, 5)],
        );
        let comparison = compare(&before, &after).unwrap();
        let shown: Vec<_> = comparison
            .relations
            .iter()
            .map(|c| (c.relation.0, c.support, c.f1_gain()))
            .collect();
        assert_eq!(shown[0], (0, 1, 1.0));
        assert_eq!((shown[1].0, shown[2]), (1, (2, 0, 0.0)));
        assert!(comparison.after.f1 > comparison.before.f1);
        assert_eq!(compare(&before, &report(Matching::Partial, &[])), None);
    }
}
