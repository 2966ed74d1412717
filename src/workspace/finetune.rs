//! Corrections → a better model, and what changed, measured on the same sentences before and after ([`gains`]).
//!
//! A handful of corrections must not move what they say nothing about. So uncorrected sentences are seen again, drawn from the
//! whole corpus; where model and label part there and nobody has judged, neither is taught; rates are small; the threshold stays unless there are curated
//! sentences to choose it on ([`threshold`]);
//! and the epoch is selected on dev. A model that is worse all the same, on curated sentences where there are enough and on
//! dev else, is offered as such.

mod choose;
pub mod gains;
mod threshold;

use super::convert::THRESHOLDS;
use super::evaluate::HEADLINE;
use super::messages::{FineTuneReport, Judgements};
use super::models::ModelChoice;
use super::training::{
    Around, Data, SelectBy, Start, TrainConfig, TrainEvent, TrainOptions, dev_report, initial,
    predict_dev, run_fit, snapshot, trainer,
};
use super::view::Viewed;
use super::{Workspace, now_ms};
use crate::analysis::{Report, compare};
use crate::domain::{
    Annotation, DecisionRule, Prediction, RelationId, RelationSchema, Sentence, Triple, Verdict,
};
use crate::model::bags::BagBank;
use crate::model::files::{self, Precision};
use crate::model::labels::LabelMap;
use crate::model::mutual::MutualBank;
use crate::model::sentence::{Loaded, SentenceModel, save};
use crate::store::Reader;
use crate::train::checkpoint::RunRecord;
use crate::train::examples::Example;
use crate::train::fit::{Ended, FitOptions};
use crate::train::sentence::{SentenceRates, SentenceTrainer};
use anyhow::{Result, bail};
use candle_core::Device;
use choose::{Chosen, Held, choose};
use gains::{CURATED_SAY, Gains, measure};
use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

pub struct FineTuneOptions {
    pub from: ModelChoice,
    /// Directory that the new model's own directory goes into.
    pub models: PathBuf,
    pub device: Device,
}

/// Corrected sentences are shown again within an epoch until they make up this share of it, or this often.
const CORRECTED_SHARE: f64 = 0.25;
const SHOWN_MOST: usize = 2;
/// How the new model's weights are stored.
const PRECISION: Precision = Precision::F16;

/// Small steps: the model is trained already, and what the corrections say is little beside what made it.
fn gentle() -> TrainConfig {
    TrainConfig {
        fit: FitOptions {
            epochs: 4,
            batch: 8,
            warmup: 0.1,
            patience: 2,
            ..FitOptions::default()
        },
        rates: SentenceRates {
            encoder: 1e-5,
            heads: 1e-4,
            ..SentenceRates::default()
        },
        ..TrainConfig::default()
    }
}

/// `None` when cancelled. Corrected sentences of the train split are trained on with their verdicts.
pub fn fine_tune(
    reader: &Reader,
    options: &FineTuneOptions,
    around: &mut Around,
) -> Result<Option<FineTuneReport>> {
    let loaded = options.from.read()?;
    let before = SentenceModel::from_loaded(&loaded, &options.device)?;
    let schema = reader.schema()?;
    let rule = before.rule(&schema);
    let chosen = choose(reader)?;
    if let Some(why) = chosen.lacks() {
        bail!(why);
    }
    let numbers = (chosen.corrected.len(), chosen.others.len());
    let (data, corrected, held) = teach(chosen, &before, schema)?;
    (around.observe)(TrainEvent::Said(format!(
        "{} corrected sentences, {} others, {} dev sentences; {} corrected ones of dev and test kept out",
        numbers.0,
        numbers.1,
        data.dev.len(),
        held.kept_out
    )));
    let dev_before = predict_dev(&before, &data)?;
    let met_before = met(&corrected, &before, &data.schema)?;
    // Under a threshold that will be chosen anew the old one selects no epoch.
    let select_by = match held.curated.cases.len() as u64 >= CURATED_SAY {
        true => SelectBy::BestRule,
        false => SelectBy::Rule(rule.clone()),
    };
    let Some(mut learned) = learn(&loaded, options, &data, select_by, around)? else {
        return Ok(None);
    };
    let after = snapshot(&learned.trainer)?;
    let dev_after = predict_dev(&after, &data)?;
    let (mut gains, new_rule) = measure(
        &data,
        &held,
        [&dev_before, &dev_after],
        [&before, &after],
        &rule,
    )?;
    let stored = &mut learned.trainer.config.rules.rule;
    (stored.kernel, stored.rin) = (new_rule.kernel, new_rule.rin);
    let judgements = Judgements {
        all: corrected.iter().map(|c| c.judged().count()).sum(),
        met_before,
        met_after: met(&corrected, &snapshot(&learned.trainer)?, &data.schema)?,
    };
    let started: Value = serde_json::from_slice(&loaded.card).unwrap_or_default();
    gains.start_saw_dev = saw_dev(&started);
    let on_dev = |predictions, rule| dev_report(&data, predictions, rule);
    let report = report(
        [on_dev(&dev_before, &rule), on_dev(&dev_after, &new_rule)],
        data.dev.len(),
        judgements,
        gains,
        numbers.0,
        options.models.join(format!("fine-tuned-{}", now_ms())),
    );
    let card = card(&learned, &report, &data, numbers.1, &started);
    write(&learned.trainer, options, &card, &report.model_dir)?;
    Ok(Some(report))
}

/// A model that has learned.
struct Learned {
    trainer: SentenceTrainer,
    /// What it started from, for the card.
    source: String,
    record: RunRecord,
}

/// `None` when cancelled.
fn learn(
    loaded: &Loaded,
    options: &FineTuneOptions,
    data: &Data,
    select_by: SelectBy,
    around: &mut Around,
) -> Result<Option<Learned>> {
    let train_options = TrainOptions {
        out: PathBuf::new(),
        start: Start::Model(options.from.clone()),
        rin: loaded.config.rin.is_some(),
        kernel: loaded.config.kernel.is_some(),
        spans: loaded.config.spans.is_some(),
        config: gentle(),
        precision: PRECISION,
        resume: false,
        device: options.device.clone(),
    };
    let mut start = initial(&train_options, data)?;
    start.config.rules = loaded.config.rules.clone();
    let source = start.source.clone();
    let trainer = trainer(start, data, &train_options.config)?;
    let fit_options = &train_options.config.fit;
    let (ended, record) = run_fit(&trainer, data, fit_options, select_by, None, around)?;
    Ok((ended != Ended::Stopped).then_some(Learned {
        trainer,
        source,
        record,
    }))
}

fn card(
    learned: &Learned,
    report: &FineTuneReport,
    data: &Data,
    n_others: usize,
    started: &Value,
) -> Value {
    let (judged, dev) = (&report.judgements, report.gains.dev);
    let mut card = serde_json::json!({
        "systems": learned.trainer.config.systems(),
        "started_from": learned.source,
        "fine_tuned_on": {"corrected_sentences": report.n_corrected, "other_sentences": n_others,
            DEV_KEPT_OUT: !report.gains.start_saw_dev},
        "judgements": {"all": judged.all, "met_before": judged.met_before, "met_after": judged.met_after},
        "dev": {"source": data.dev_source, "sentences": data.dev.len(), "protocol": HEADLINE.to_string(),
                "f1_before": dev.map(|g| g.f1_before), "f1_after": dev.map(|g| g.f1_after)},
        "gains": report.gains,
        "curve": learned.record,
    });
    // The rules stay, so whose thresholds they hold does too.
    if let Some(kept) = started.get(THRESHOLDS) {
        card[THRESHOLDS] = kept.clone();
    }
    card
}

/// In a card, of this model and of those it comes from: none was fine-tuned on dev sentences, as older versions did.
const DEV_KEPT_OUT: &str = "dev_kept_out";

fn saw_dev(card: &Value) -> bool {
    let tuned = &card["fine_tuned_on"];
    tuned.is_object() && tuned[DEV_KEPT_OUT] != true
}

fn write(
    trainer: &SentenceTrainer,
    options: &FineTuneOptions,
    card: &Value,
    model_dir: &Path,
) -> Result<()> {
    let (config, tokens) = (&trainer.config, &trainer.tokens);
    save(
        model_dir,
        config,
        tokens,
        &trainer.tensors(),
        card,
        PRECISION,
    )?;
    // The bag systems read the encoder's piece table, which fine-tuning leaves alone: they come along as they are.
    if let Some(bank) = BagBank::load(options.from.source(), &options.device)? {
        bank.save(model_dir, PRECISION)?;
    }
    if let Some(bank) = MutualBank::load(options.from.source(), &options.device)? {
        files::add_to_dir(model_dir, files::CONFIG, bank.files(PRECISION)?)?;
    }
    Ok(())
}

/// [`fine_tune`] of the model that the workspace in `dir` uses, or of `model`.
pub fn fine_tune_workspace(
    dir: &Path,
    model: Option<&Path>,
    device: Device,
    around: &mut Around,
) -> Result<Option<FineTuneReport>> {
    let reader = Reader::open(dir)?;
    let options = FineTuneOptions {
        from: ModelChoice::resolve(model, reader.setting("model")?.as_deref()),
        models: dir.join("models"),
        device,
    };
    fine_tune(&reader, &options, around)
}

/// Makes a fine-tuned model the one that the workspace in `dir` uses.
pub fn accept(dir: &Path, report: &FineTuneReport) -> Result<()> {
    let model = std::fs::canonicalize(&report.model_dir)?;
    let mut workspace = Workspace::open(dir)?;
    workspace.set_model(&model.display().to_string())?;
    crate::workspace::report::record(&mut workspace, report)
}

/// The report for a program.
pub fn as_json(dir: &Path, report: &FineTuneReport) -> Result<Value> {
    let schema = Reader::open(dir)?.schema()?;
    let relation = |c: &crate::analysis::RelationChange| {
        serde_json::json!({"relation": schema.name(c.relation), "gold": c.support,
            "f1_before": c.before.f1, "f1_after": c.after.f1})
    };
    Ok(serde_json::json!({
        "model": report.model_dir, "protocol": report.protocol, "worse": report.is_worse(),
        "f1_before": report.before_f1, "f1_after": report.after_f1,
        "corrected_sentences": report.n_corrected,
        "judgements": {"all": report.judgements.all, "met_before": report.judgements.met_before,
            "met_after": report.judgements.met_after},
        "gains": report.gains,
        "relations": report.per_relation.iter().map(relation).collect::<Vec<_>>(),
    }))
}

fn report(
    [before, after]: [Report; 2],
    n_dev: usize,
    judgements: Judgements,
    gains: Gains,
    n_corrected: usize,
    model_dir: PathBuf,
) -> FineTuneReport {
    // The two are of the same sentences, so there is a comparison.
    let per_relation = compare(&before, &after).map_or_else(Vec::new, |c| c.relations);
    FineTuneReport {
        protocol: format!("{}, {n_dev} dev sentences", before.protocol),
        n_corrected,
        judgements,
        before_f1: before.micro.f1() as f32,
        after_f1: after.micro.f1() as f32,
        gains,
        per_relation,
        model_dir,
    }
}

/// A corrected sentence and what its curators decided.
struct Corrected {
    sentence: Sentence,
    annotation: Annotation,
}

impl Corrected {
    /// Triples that a curator judged, and whether they were judged right.
    fn judged(&self) -> impl Iterator<Item = (Triple, bool)> {
        let triples = self.annotation.triples.iter();
        triples.filter_map(|t| match t.verdict {
            Some(Verdict::Accept) => Some((t.triple, true)),
            Some(Verdict::Reject) => Some((t.triple, false)),
            Some(Verdict::Unsure) | None => None,
        })
    }
}

/// Judgements that the model agrees with.
fn met(corrected: &[Corrected], model: &SentenceModel, schema: &RelationSchema) -> Result<usize> {
    let rule = model.rule(schema);
    let predictions = predict(model, corrected.iter().map(|c| &c.sentence), schema)?;
    let of = |(c, p): (&Corrected, &Prediction)| {
        let accepted = accepted(p, &rule);
        c.judged()
            .filter(|(triple, right)| accepted.contains(triple) == *right)
            .count()
    };
    Ok(corrected.iter().zip(&predictions).map(of).sum())
}

fn predict<'a>(
    model: &SentenceModel,
    sentences: impl Iterator<Item = &'a Sentence>,
    schema: &RelationSchema,
) -> Result<Vec<Prediction>> {
    let sentences: Vec<&Sentence> = sentences.collect();
    Ok(model.predict(&sentences, &model.config.label_map(schema))?)
}

fn accepted(prediction: &Prediction, rule: &DecisionRule) -> HashSet<Triple> {
    let triples = prediction.accepted(rule).into_iter();
    triples.map(|t| t.triple).collect()
}

/// Examples in the model's labels and those of the corrections that it does not have yet.
fn teach(
    chosen: Chosen,
    model: &SentenceModel,
    schema: RelationSchema,
) -> Result<(Data, Vec<Corrected>, Held)> {
    let Chosen {
        corrected,
        others,
        dev,
        held,
    } = chosen;
    let mut labels = model.config.labels.clone();
    for viewed in &corrected {
        for triple in viewed.annotation.standing() {
            let name = schema.name(triple.triple.relation);
            if !labels.iter().any(|l| l == name) {
                labels.push(name.to_owned());
            }
        }
    }
    let entity_types = model.config.entity_types.clone();
    let map = LabelMap::new(&schema, &labels, &entity_types);
    let shown = others.len() as f64 * CORRECTED_SHARE / (1.0 - CORRECTED_SHARE);
    let shown = (shown / corrected.len().max(1) as f64).round() as usize;
    let known = |relation: RelationId| {
        let name = schema.name(relation);
        model.config.labels.iter().any(|l| l == name)
    };
    let rule = model.rule(&schema);
    let mut train = Vec::new();
    for (viewed, times) in [(&corrected, shown.clamp(1, SHOWN_MOST)), (&others, 1)] {
        let predictions = predict(model, viewed.iter().map(|v| &v.sentence), &schema)?;
        for (v, prediction) in viewed.iter().zip(&predictions) {
            let settled = settled(v, &accepted(prediction, &rule), &known);
            let example = Example::new(&v.sentence, &settled, &map).0;
            train.extend(std::iter::repeat_n(example, times));
        }
    }
    let corrected = corrected.into_iter().map(|v| Corrected {
        sentence: v.sentence,
        annotation: v.annotation,
    });
    let corrected = corrected.collect();
    let n_positives = train.iter().map(|e| e.positives.len()).sum();
    let data = Data {
        train,
        dev,
        labels,
        entity_types,
        schema,
        dev_source: "dev split without corrected sentences".to_owned(),
        n_positives,
        one_per_pair: model.config.rules.rule.one_per_pair,
    };
    Ok((data, corrected, held))
}

/// What a sentence teaches: where label and model (`accepted`) part and nobody has judged the triple or finished the
/// sentence, neither is known to be right, and the triple counts as unsure. Of a relation that the model does not
/// know yet, labels are all there is.
fn settled(
    viewed: &Viewed,
    accepted: &HashSet<Triple>,
    known: &dyn Fn(RelationId) -> bool,
) -> Annotation {
    let mut annotation = viewed.annotation.clone();
    if annotation.done {
        return annotation;
    }
    for entry in &mut annotation.triples {
        let disputed = !accepted.contains(&entry.triple) && known(entry.triple.relation);
        if entry.verdict.is_none() && disputed {
            entry.verdict = Some(Verdict::Unsure);
        }
    }
    for triple in accepted {
        let unlabelled = annotation.find(*triple).is_none();
        // What cannot be added, such as a span that is no entity here, is taught in no way either.
        if unlabelled && let Ok(next) = annotation.apply(&unsure(*triple)) {
            annotation = next;
        }
    }
    annotation
}

fn unsure(triple: Triple) -> crate::domain::Edit {
    crate::domain::Edit::Judge {
        triple,
        verdict: Some(Verdict::Unsure),
    }
}

#[cfg(test)]
#[path = "finetune_tests.rs"]
mod tests;
