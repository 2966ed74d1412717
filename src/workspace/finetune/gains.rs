//! What a fine-tuning gained: F1 of the model before and after on the same sentences, one kind of sentences after the other, each
//! change with its interval. None of these sentences is trained on; the epoch is selected on dev alone. Where there are enough curated sentences they choose
//! the new model's threshold, and are themselves measured half by half under the threshold of the other half.

use super::choose::{Drawn, Held};
use super::threshold::{Case, chosen_on, crossed};
use super::{Data, predict};
use crate::analysis::{Changes, align_sentence};
use crate::domain::{Annotation, DecisionRule, Prediction};
use crate::model::sentence::SentenceModel;
use crate::workspace::evaluate::own_findings;
use anyhow::Result;
use serde::{Deserialize, Serialize};

/// The model before and after on one kind of sentences, under the protocol of the report.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Gain {
    /// Sentences measured, and how many of the kind there are.
    pub sentences: u64,
    pub of: u64,
    /// Labels that stand in those measured.
    pub labels: u64,
    pub f1_before: f64,
    pub f1_after: f64,
    /// 95 % interval of F1 after less F1 before, by paired bootstrap over sentences.
    pub interval: [f64; 2],
}

impl Gain {
    pub fn change(&self) -> f64 {
        self.f1_after - self.f1_before
    }
}

/// The kinds of sentences; `None` of one without any.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Gains {
    /// Dev sentences without corrections.
    pub dev: Option<Gain>,
    /// The test split; of its corrected sentences, the labels that stand.
    pub test: Option<Gain>,
    /// Sentences of dev and test that are done.
    pub curated: Option<Gain>,
    /// Corrected sentences of dev and test, done or not.
    pub kept_out: u64,
    /// Where curated sentences chose one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
    /// The model that this started from was fine-tuned by a version that still learned from corrected dev sentences.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub start_saw_dev: bool,
}

/// From so many curated sentences on, they choose the new model's threshold and say whether it is worse, and not the labels as they came: a model that learned
/// which of these are wrong disagrees with them.
pub const CURATED_SAY: u64 = 30;

/// The threshold of all relations that have none of their own.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Threshold {
    pub before: f32,
    pub after: f32,
    /// F1 of the model before on the curated sentences, had its threshold been chosen the same way: what it has more was learned.
    pub old_model_f1: f64,
}

/// One kind of sentences in words.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Kind {
    pub name: &'static str,
    /// What its labels are and what they were used for.
    pub what: &'static str,
    /// The same for a narrow column.
    pub short: &'static str,
    /// Said where there is nothing to measure.
    pub none: &'static str,
    pub gain: Option<Gain>,
}

/// For curated figures after [`Gains::start_saw_dev`].
const SAW_DEV: &str =
    "older versions taught this model on corrected dev sentences: curated figures may flatter";

impl Gains {
    /// Dev, test, curated.
    pub fn kinds(&self) -> [Kind; 3] {
        [
            Kind {
                name: "dev",
                what: "labels that nobody has corrected; the epoch was selected on them",
                short: "uncorrected, selects the epoch",
                none: "there is no dev sentence without corrections",
                gain: self.dev,
            },
            Kind {
                name: "test",
                what: "labels that stand; never trained on nor selected on",
                short: "labels that stand",
                none: "the workspace has no test split",
                gain: self.test,
            },
            Kind {
                name: "curated",
                what: "dev and test sentences marked done; not trained on",
                short: "dev and test, done",
                none: "no dev or test sentence is done, so nothing is measured on curated labels",
                gain: self.curated,
            },
        ]
    }

    /// "F1 of dev 0.610 → 0.660, test 0.602 → 0.641, no curated sentence"
    pub fn summary(&self) -> String {
        let of = |kind: Kind| match kind.gain {
            Some(g) => format!("{} {:.3} → {:.3}", kind.name, g.f1_before, g.f1_after),
            None => format!("no {} sentence", kind.name),
        };
        format!("F1 of {}", self.kinds().map(of).join(", "))
    }

    /// What to know of the figures, a line each.
    pub fn notes(&self) -> Vec<String> {
        let threshold = self.threshold.map(|t| {
            format!(
                "threshold {:.2} → {:.2}, each half by the other's; the old model likewise: F1 {:.3}",
                t.before, t.after, t.old_model_f1
            )
        });
        let saw_dev = (self.start_saw_dev && self.curated.is_some()).then(|| SAW_DEV.to_owned());
        threshold.into_iter().chain(saw_dev).collect()
    }

    /// From enough curated sentences on, their figures; see [`CURATED_SAY`].
    pub fn curated_say(&self) -> Option<Gain> {
        self.curated.filter(|c| c.sentences >= CURATED_SAY)
    }
}

impl Kind {
    /// "test F1 0.612 -> 0.634, +0.022 (95 % interval -0.004 to +0.049), 800 sentences: labels that stand; ..", or why there is none.
    pub fn line(&self) -> String {
        let Some(gain) = self.gain else {
            return format!("{}: {}", self.name, self.none);
        };
        let [low, high] = gain.interval;
        format!(
            "{} F1 {:.3} -> {:.3}, {:+.3} (95 % interval {low:+.3} to {high:+.3}), {} sentences: {}",
            self.name,
            gain.f1_before,
            gain.f1_after,
            gain.change(),
            gain.measured(),
            self.what
        )
    }
}

impl Gain {
    /// "800", "1000 of 5000"
    pub fn measured(&self) -> String {
        match (self.sentences, self.of) {
            (n, of) if n == of => n.to_string(),
            (n, of) => format!("{n} of {of}"),
        }
    }
}

/// The model before under its rule, and the one after under the rule that comes with the answer, on everything that is measured.
pub(super) fn measure(
    data: &Data,
    held: &Held,
    dev: [&[Prediction]; 2],
    models: [&SentenceModel; 2],
    rule: &DecisionRule,
) -> Result<(Gains, DecisionRule)> {
    let both = |drawn: &Drawn| -> Result<[Vec<Prediction>; 2]> {
        let sentences = || drawn.cases.iter().map(|(s, _)| s);
        let of = |model| predict(model, sentences(), &data.schema);
        Ok([of(models[0])?, of(models[1])?])
    };
    let [before, after] = both(&held.curated)?;
    let cases =
        |predictions| -> Vec<Case> { held.curated.annotations().zip(predictions).collect() };
    let enough = held.curated.cases.len() as u64 >= CURATED_SAY;
    let twice = |rule: &DecisionRule| [rule.clone(), rule.clone()];
    let same = || twice(rule);
    let (new_rule, halves) = match enough {
        true => {
            let cases = cases(&after);
            (
                chosen_on(cases.iter().copied(), rule),
                crossed(&cases, rule),
            )
        }
        false => (rule.clone(), same()),
    };
    let curated = |sides: [(&[Prediction], [DecisionRule; 2]); 2]| {
        gain(held.curated.annotations(), sides, held.curated.of)
    };
    let old_model = enough.then(|| {
        let halves = crossed(&cases(&before), rule);
        curated([(&before, same()), (&before, halves)])
    });
    let [test_before, test_after] = both(&held.test)?;
    let gains = Gains {
        dev: gain(
            data.dev.iter().map(|(_, a)| a),
            [(dev[0], same()), (dev[1], twice(&new_rule))],
            held.n_dev,
        ),
        test: gain(
            held.test.annotations(),
            [(&test_before, same()), (&test_after, twice(&new_rule))],
            held.test.of,
        ),
        curated: curated([(&before, same()), (&after, halves)]),
        kept_out: held.kept_out,
        threshold: old_model.flatten().map(|old| Threshold {
            before: rule.kernel,
            after: new_rule.kernel,
            old_model_f1: old.f1_after,
        }),
        start_saw_dev: false,
    };
    Ok((gains, new_rule))
}

/// Counts as the report's protocol does: what a label brought is not the model's own finding. Each side with its rules, of even and of odd sentences.
fn gain<'a>(
    annotations: impl Iterator<Item = &'a Annotation>,
    [(before, old_rules), (after, new_rules)]: [(&[Prediction], [DecisionRule; 2]); 2],
    of: u64,
) -> Option<Gain> {
    let mut changes = Changes::default();
    for (i, ((annotation, before), after)) in annotations.zip(before).zip(after).enumerate() {
        let aligned = |p, rules: &[DecisionRule; 2]| {
            align_sentence(annotation, &own_findings(p), &rules[i % 2])
        };
        changes.add(&aligned(before, &old_rules), &aligned(after, &new_rules));
    }
    let sentences = changes.sentences();
    if sentences == 0 {
        return None;
    }
    let (row, _) = changes.finish();
    Some(Gain {
        sentences,
        of,
        labels: row.after.gold,
        f1_before: row.before.f1(),
        f1_after: row.after.f1(),
        interval: [row.gain.low, row.gain.high],
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::{
        RelationId, RunId, ScoredEntity, ScoredTriple, Scores, Sentence, TokenSpan, Triple,
    };

    pub fn sentence(labelled: bool) -> (Annotation, Triple) {
        let mut sentence: Sentence =
            crate::corpus::plain_sentence("a b".to_owned(), None, &"t".into(), 1);
        let span = |i| TokenSpan::new(i, i + 1).unwrap();
        let triple = Triple {
            head: span(0),
            relation: RelationId(0),
            tail: span(1),
        };
        if labelled {
            sentence.gold.push(crate::domain::GoldTriple {
                triple,
                source: crate::domain::GoldSource::Distant,
                line: 1,
            });
        }
        (Annotation::from_gold(&sentence), triple)
    }

    /// `entities`: the model proposes the triple's spans itself.
    pub fn predicted(triple: Triple, kernel: f32, entities: bool) -> Prediction {
        let entity = |span| ScoredEntity {
            span,
            kind: None,
            score: 1.0,
        };
        let spans = [triple.head, triple.tail].into_iter();
        Prediction {
            sentence: crate::domain::SentenceId(1),
            run: RunId(0),
            covered: 2,
            entities: spans.filter(|_| entities).map(entity).collect(),
            triples: vec![ScoredTriple {
                triple,
                scores: Scores {
                    kernel: Some(kernel),
                    ..Scores::default()
                },
                runner_up: None,
            }],
        }
    }

    /// 40 sentences, of which the model before finds the first 20 labels and the one after 30, and neither what it did not propose.
    #[test]
    fn a_gain_counts_what_the_models_found_themselves_and_has_an_interval() {
        let cases: Vec<(Annotation, Triple)> = (0..40).map(|_| sentence(true)).collect();
        let by = |found: usize| -> Vec<Prediction> {
            let of = |(i, (_, triple)): (usize, &(Annotation, Triple))| {
                let kernel = if i < found { 0.9 } else { 0.1 };
                predicted(*triple, kernel, i != 0)
            };
            cases.iter().enumerate().map(of).collect()
        };
        let annotations = || cases.iter().map(|(a, _)| a);
        let rules = || [DecisionRule::default(), DecisionRule::default()];
        let measured = |before: &[Prediction], after: &[Prediction], of| {
            gain(annotations(), [(before, rules()), (after, rules())], of)
        };
        let found = measured(&by(20), &by(30), 90).unwrap();
        assert_eq!((found.sentences, found.of, found.labels), (40, 90, 40));
        // Nothing predicted wrongly: F1 is 2 c / (c + 40).
        assert!((found.f1_before - 38.0 / 59.0).abs() < 1e-12, "{found:?}");
        assert!((found.f1_after - 58.0 / 69.0).abs() < 1e-12, "{found:?}");
        let [low, high] = found.interval;
        assert!(0.0 < low && low < found.change(), "{found:?}");
        assert!(found.change() < high && high < 0.4, "{found:?}");
        let same = measured(&by(20), &by(20), 40).unwrap();
        assert_eq!((same.change(), same.interval), (0.0, [0.0; 2]));
        assert_eq!(
            gain([].into_iter(), [(&[], rules()), (&[], rules())], 0),
            None
        );
    }

    #[test]
    fn a_kind_without_sentences_is_a_plain_line_and_no_figure() {
        let gain = Gain {
            sentences: 2,
            of: 3,
            labels: 2,
            f1_before: 0.5,
            f1_after: 0.625,
            interval: [-0.05, 0.25],
        };
        let mut gains = Gains {
            test: Some(gain),
            ..Gains::default()
        };
        let [dev, test, curated] = gains.kinds().map(|k| k.line());
        assert_eq!(dev, "dev: there is no dev sentence without corrections");
        assert_eq!(
            test,
            "test F1 0.500 -> 0.625, +0.125 (95 % interval -0.050 to +0.250), 2 of 3 sentences: labels that stand; never trained on nor selected on"
        );
        assert!(
            curated.contains("no dev or test sentence is done"),
            "{curated}"
        );
        assert_eq!(
            gains.summary(),
            "F1 of no dev sentence, test 0.500 → 0.625, no curated sentence"
        );
        // What an older version taught matters where there is a curated figure.
        gains.start_saw_dev = true;
        assert!(gains.notes().is_empty());
        gains.curated = Some(gain);
        assert_eq!(gains.notes().len(), 1);
    }
}
