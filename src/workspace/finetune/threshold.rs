//! The common threshold of a model that has learned, chosen on curated sentences: it learned mostly what is wrong, so its scores are lower than those for which
//! the old threshold was chosen, on labels as they came.

use crate::analysis::best_threshold;
use crate::domain::{Annotation, DecisionRule, Prediction, Triple};
use crate::workspace::evaluate::own_findings;
use std::collections::HashSet;

/// A sentence as a curator left it, and as the model sees it.
pub type Case<'a> = (&'a Annotation, &'a Prediction);

/// `rule` with the common threshold that gives the highest F1 on `cases`, own findings, exact match; relations with a threshold of their own keep it and do not
/// count. As it is where no right triple has a score.
pub fn chosen_on<'a>(cases: impl Iterator<Item = Case<'a>>, rule: &DecisionRule) -> DecisionRule {
    let common = |t: &Triple| rule.own_threshold(t.relation).is_none();
    let any = with_threshold(rule, 0.0);
    let (mut scored, mut n_gold) = (Vec::new(), 0);
    for (annotation, prediction) in cases {
        let gold: HashSet<Triple> = annotation.standing().map(|t| t.triple).collect();
        n_gold += gold.iter().filter(|t| common(t)).count() as u64;
        let own = own_findings(prediction);
        let found = own.accepted(&any).into_iter();
        scored.extend(found.filter(|t| common(&t.triple)).filter_map(|t| {
            let score = rule.score(&t.scores)?;
            Some((score, gold.contains(&t.triple)))
        }));
    }
    match best_threshold(&scored, n_gold) {
        Some(choice) => with_threshold(rule, choice.threshold),
        None => rule.clone(),
    }
}

fn with_threshold(rule: &DecisionRule, threshold: f32) -> DecisionRule {
    DecisionRule {
        rin: threshold,
        kernel: threshold,
        ..rule.clone()
    }
}

/// For each of two halves, every other case, the rule chosen on the other half: what is measured did not choose.
pub fn crossed(cases: &[Case], rule: &DecisionRule) -> [DecisionRule; 2] {
    [1, 0].map(|other| chosen_on(cases.iter().copied().skip(other).step_by(2), rule))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::finetune::gains::tests::{predicted, sentence};

    #[test]
    fn halves_choose_for_each_other() {
        // Even cases: right at .3; odd ones: right at .6, wrong at .4.
        let cases: Vec<(Annotation, Prediction)> = (0..8)
            .map(|i| {
                let (annotation, triple) = sentence(i % 4 != 3);
                let score = [0.3, 0.6, 0.3, 0.4][i % 4];
                (annotation, predicted(triple, score, true))
            })
            .collect();
        let cases: Vec<Case> = cases.iter().map(|(a, p)| (a, p)).collect();
        let rule = DecisionRule {
            kernel: 0.9,
            ..DecisionRule::default()
        };
        let [even, odd] = crossed(&cases, &rule);
        assert!((0.4..=0.6).contains(&even.kernel), "{even:?}");
        assert!(odd.kernel <= 0.3, "{odd:?}");
        assert_eq!(even.rin, even.kernel);
        // Without a right triple it stays.
        assert_eq!(chosen_on(std::iter::empty(), &rule), rule);
        // A relation with its own threshold chooses nothing.
        let own = DecisionRule {
            own: vec![(crate::domain::RelationId(0), 0.2)],
            ..rule
        };
        assert_eq!(chosen_on(cases.iter().copied(), &own), own);
    }
}
