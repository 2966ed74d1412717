//! Signals of many cases → probabilities, by what the verdicts teach; [`super::before`] is where they start.

use super::before::{N, NOTHING_KNOWN, Scored, sigmoid};
use super::logistic::{Link, LogisticError, Regression, RegressionOptions, Term, Terms};
use super::signals::{Case, Kind, SignalSet, log_odds};

/// The fixed weights count as much as this many verdicts. Of missing labels they say less.
fn prior_verdicts(kind: Kind) -> f32 {
    match kind {
        Kind::Wrong => 100.0,
        Kind::Missing => 60.0,
    }
}
/// Above this many relations, pairs of relations get no weights of their own: they would be more than verdicts.
const MAX_CROSSED: usize = 40;
/// Above this many, the text is weighed alike for all relations.
const MAX_WITH_TEXT: usize = 64;
/// Deviation that the coordinates of the text are given: a penalty on their many weights that is heavier than on the signals'.
const TEXT_SCALE: f32 = 0.5;
const OPTIONS: RegressionOptions = RegressionOptions {
    l2: 1.0,
    iterations: 60,
    link: Link::Independent,
};

/// A case with a curator's answer.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    pub case: &'a Case,
    /// The suspicion was right: the label is wrong, or the relation is missing.
    pub yes: bool,
}

/// A logistic regression on the signals, the relation, the other labels of the pair and how the sentence speaks of it.
pub struct Combiner {
    design: Design,
    fitted: Regression,
    n_verdicts: usize,
}

impl Combiner {
    /// `None` until both answers have occurred. `all`: every case of the queue, judged or not; relations count from 0 to `n_relations`.
    pub fn fit(
        kind: Kind,
        all: &[Case],
        judged: &[Judged],
        n_relations: usize,
        signals: SignalSet,
    ) -> Result<Option<Self>, LogisticError> {
        let n_yes = judged.iter().filter(|j| j.yes).count();
        if n_yes == 0 || n_yes == judged.len() {
            return Ok(None);
        }
        let design = Design::new(kind, all, n_relations, signals);
        let terms = Terms::new(judged.iter().map(|j| design.terms(j.case)), design.width());
        let targets: Vec<f32> = judged.iter().map(|j| f32::from(u8::from(j.yes))).collect();
        let fitted = Regression::fit_terms(&terms, &targets, 1, OPTIONS)?;
        Ok(Some(Self {
            design,
            fitted,
            n_verdicts: judged.len(),
        }))
    }

    pub fn n_verdicts(&self) -> usize {
        self.n_verdicts
    }

    /// The case's probability to be what the queue looks for; `before` is its score by [`super::before_verdicts`], which counts less the more
    /// verdicts there are.
    pub fn score(&self, case: &Case, before: &Scored) -> Scored {
        let terms = self.design.terms(case);
        let learned = self.fitted.probabilities_of(terms.iter().copied())[0];
        let prior = prior_verdicts(self.design.kind);
        let trust = prior / (prior + self.n_verdicts as f32);
        let logit = (1.0 - trust) * log_odds(learned) + trust * before.log_odds;
        let mut scored = Scored {
            score: sigmoid(logit),
            log_odds: logit,
            parts: before.parts.map(|part| trust * part),
            ..NOTHING_KNOWN
        };
        let text_starts = self.design.text_starts();
        for (j, value) in terms {
            let j = j as usize;
            let place = match j {
                // A signal's value, and that it is there.
                _ if j < 2 * N => &mut scored.parts[j % N],
                _ if j < text_starts => &mut scored.labels,
                _ => &mut scored.text,
            };
            *place += (1.0 - trust) * self.fitted.share(j, value, 0);
        }
        scored
    }
}

fn moments(values: impl Iterator<Item = f32>) -> (f32, f32) {
    let (mut n, mut sum, mut squares) = (0f64, 0f64, 0f64);
    for v in values {
        let v = f64::from(v);
        (n, sum, squares) = (n + 1.0, sum + v, squares + v * v);
    }
    let mean = sum / n.max(1.0);
    let variance = (squares / n.max(1.0) - mean * mean).max(0.0);
    let scale = if variance > 1e-12 {
        1.0 / variance.sqrt()
    } else {
        0.0
    };
    (mean as f32, scale as f32)
}

/// What of a case becomes which feature: the signals, scaled; whether each is there; the relation; the other labels; in the queue of
/// missing labels, each pair of the two: what "founder" implies is learned for itself. Last, how the sentence speaks of the pair, for
/// each relation apart: what says "founder" does not say "born in".
struct Design {
    kind: Kind,
    n_relations: usize,
    /// Mean and 1 / deviation of each signal over all cases.
    moments: [(f32, f32); N],
    /// Coordinates of the text; 0 where no case has any.
    n_text: usize,
    signals: SignalSet,
}

impl Design {
    fn new(kind: Kind, all: &[Case], n_relations: usize, signals: SignalSet) -> Self {
        let n_text = all
            .iter()
            .filter_map(|c| Some(c.text.as_ref()?.len()))
            .max();
        Self {
            kind,
            n_relations,
            moments: std::array::from_fn(|j| {
                moments(all.iter().filter_map(|c| signals.value(j, c)))
            }),
            n_text: n_text.filter(|_| signals.text).unwrap_or(0),
            signals,
        }
    }

    fn is_crossed(&self) -> bool {
        self.kind == Kind::Missing && self.n_relations <= MAX_CROSSED
    }

    /// Relations that have weights of their own for the text; 1: all together.
    fn texts(&self) -> usize {
        match self.n_relations <= MAX_WITH_TEXT {
            true => self.n_relations,
            false => 1,
        }
    }

    fn text_starts(&self) -> usize {
        let crossed = if self.is_crossed() {
            self.n_relations
        } else {
            0
        };
        2 * N + (2 + crossed) * self.n_relations
    }

    fn width(&self) -> usize {
        self.text_starts() + self.texts() * self.n_text
    }

    /// The features that are not zero.
    fn terms(&self, case: &Case) -> Vec<Term> {
        let mut terms = Vec::with_capacity(2 * N + 2 + 2 * case.others.len() + self.n_text);
        let mut add = |j: usize, value: f32| terms.push((j as u32, value));
        for (j, (mean, scale)) in self.moments.iter().enumerate() {
            if let Some(value) = self.signals.value(j, case) {
                add(j, (value - mean) * scale);
                add(N + j, 1.0);
            }
        }
        let (n, relation) = (self.n_relations, case.relation.index());
        // One that came after the schema was read has no place.
        if relation >= n {
            return terms;
        }
        if self.signals.labels {
            add(2 * N + relation, 1.0);
            for other in case.others.iter().map(|o| o.index()).filter(|o| *o < n) {
                add(2 * N + n + other, 1.0);
                if self.is_crossed() {
                    add(2 * N + 2 * n + relation * n + other, 1.0);
                }
            }
        }
        if let Some(text) = case.text.as_ref().filter(|_| self.n_text > 0) {
            let block = if self.texts() > 1 { relation } else { 0 };
            let from = self.text_starts() + block * self.n_text;
            for (i, value) in text.iter().take(self.n_text).enumerate() {
                add(from + i, TEXT_SCALE * value);
            }
        }
        terms
    }
}

#[cfg(test)]
mod tests {
    use super::super::before::before_verdicts;
    use super::super::before::tests::case;
    use super::*;
    use crate::analysis::noise::Signal;

    #[test]
    fn verdicts_turn_the_order() {
        // What matters here is the relation alone, which the fixed weights do not look at.
        let cases: Vec<Case> = (0..200).map(|i| case(i % 2, &[], Some(0.5), 3)).collect();
        let before = before_verdicts(&cases, Kind::Wrong, &SignalSet::default());
        let judged = |n: usize| -> Vec<Judged> {
            let of = |c| Judged {
                case: c,
                yes: c.relation.0 == 1,
            };
            cases[..n].iter().map(of).collect()
        };
        assert!(
            Combiner::fit(Kind::Wrong, &cases, &judged(1), 2, SignalSet::default())
                .unwrap()
                .is_none()
        );
        let fitted = Combiner::fit(Kind::Wrong, &cases, &judged(50), 2, SignalSet::default())
            .unwrap()
            .unwrap();
        let score = |c: &Combiner, i: usize| c.score(&cases[i], &before[i]);
        let (right, wrong) = (score(&fitted, 100), score(&fitted, 101));
        assert!(
            wrong.score > 0.6 && right.score < 0.4,
            "{wrong:?} {right:?}"
        );
        assert!(wrong.labels > 0.0);
        let more = Combiner::fit(Kind::Wrong, &cases, &judged(200), 2, SignalSet::default())
            .unwrap()
            .unwrap();
        assert!(score(&more, 101).score > wrong.score);
    }

    #[test]
    fn a_signal_that_is_not_heard_changes_nothing() {
        let near = [case(0, &[], Some(0.9), 1), case(0, &[1], Some(0.1), 1)];
        let far = [case(0, &[], Some(0.9), 50), case(0, &[1], Some(0.1), 2)];
        let deaf = SignalSet::without(&[Signal::Gap]);
        let of = |cases: &[Case], set| before_verdicts(cases, Kind::Wrong, &set);
        assert_eq!(of(&near, deaf), of(&far, deaf));
        assert_ne!(
            of(&near, SignalSet::default()),
            of(&far, SignalSet::default())
        );
        let gap = of(&far, SignalSet::only(&[Signal::Gap]));
        assert!(gap[0].score > gap[1].score);
        // Without the relations, what a verdict says of one says nothing of another.
        let cases: Vec<Case> = (0..100).map(|i| case(i % 2, &[], Some(0.5), 3)).collect();
        let judged: Vec<Judged> = cases
            .iter()
            .map(|case| Judged {
                case,
                yes: case.relation.0 == 1,
            })
            .collect();
        let all = SignalSet {
            labels: false,
            ..SignalSet::default()
        };
        let fitted = Combiner::fit(Kind::Wrong, &cases, &judged, 2, all)
            .unwrap()
            .unwrap();
        let before = before_verdicts(&cases, Kind::Wrong, &all);
        let score = |i: usize| fitted.score(&cases[i], &before[i]).score;
        assert_eq!(score(0), score(1));
    }

    #[test]
    fn an_implied_relation_is_learned() {
        // A pair with relation 0 lacks relation 1 as a rule; one with relation 2 does not.
        let cases: Vec<Case> = (0..120)
            .map(|i| case(1 + (i % 2) as u16 * 2, &[[0, 2][i / 2 % 2]], None, 3))
            .collect();
        let judged: Vec<Judged> = cases
            .iter()
            .map(|case| Judged {
                case,
                yes: case.relation.0 == 1 && case.others[0].0 == 0,
            })
            .collect();
        let before = before_verdicts(&cases, Kind::Missing, &SignalSet::default());
        let fitted = Combiner::fit(Kind::Missing, &cases, &judged, 4, SignalSet::default())
            .unwrap()
            .unwrap();
        let p: Vec<f32> = (0..4)
            .map(|i| fitted.score(&cases[i], &before[i]).score)
            .collect();
        assert!(p[0] > 0.5, "{p:?}");
        assert!(p[1..].iter().all(|q| *q < 0.4), "{p:?}");
    }

    #[test]
    fn what_a_sentence_says_is_learned_for_each_relation_apart() {
        // The same words mean yes for relation 0 and no for relation 1.
        let cases: Vec<Case> = (0..480u16)
            .map(|i| {
                let side = if i / 2 % 2 == 0 { 1.0 } else { -1.0 };
                Case {
                    text: Some([side, 0.3].into()),
                    ..case(i % 2, &[], None, 3)
                }
            })
            .collect();
        let yes = |c: &Case| (c.text.as_ref().unwrap()[0] > 0.0) == (c.relation.0 == 0);
        let judged: Vec<Judged> = cases
            .iter()
            .map(|case| Judged {
                case,
                yes: yes(case),
            })
            .collect();
        for kind in [Kind::Wrong, Kind::Missing] {
            let before = before_verdicts(&cases, kind, &SignalSet::default());
            let fit = |n, set| {
                Combiner::fit(kind, &cases, &judged, n, set)
                    .unwrap()
                    .unwrap()
            };
            let fitted = fit(2, SignalSet::default());
            for (case, before) in cases.iter().zip(&before).take(4) {
                let scored = fitted.score(case, before);
                assert_eq!(scored.score > 0.5, yes(case), "{scored:?}");
                assert_eq!(scored.text > 0.0, yes(case), "{scored:?}");
            }
            // Not heard, and with too many relations to tell them apart, it says nothing here.
            let deaf = SignalSet {
                text: false,
                ..SignalSet::default()
            };
            for fitted in [fit(2, deaf), fit(MAX_WITH_TEXT + 1, SignalSet::default())] {
                let scored = fitted.score(&cases[0], &before[0]);
                assert!(scored.text.abs() < 0.05, "{scored:?}");
            }
            // A case of before there was text.
            let old = case(0, &[], None, 3);
            assert_eq!(fitted.score(&old, &before[0]).text, 0.0);
        }
    }

    #[test]
    fn relations_that_came_later_do_no_harm() {
        let cases: Vec<Case> = (0..10).map(|i| case(i % 2, &[], None, 3)).collect();
        let of = |case| Judged {
            case,
            yes: case.relation.0 == 0,
        };
        let judged: Vec<Judged> = cases.iter().map(of).collect();
        let fitted = Combiner::fit(Kind::Missing, &cases, &judged, 2, SignalSet::default())
            .unwrap()
            .unwrap();
        let new = case(9, &[8], None, 3);
        let before = before_verdicts(
            std::slice::from_ref(&new),
            Kind::Missing,
            &SignalSet::default(),
        );
        assert!(fitted.score(&new, &before[0]).score.is_finite());
    }
}
