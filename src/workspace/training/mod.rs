//! Labels that stand → a trained model directory.

mod command;
mod data;
mod progress;
mod start;

use super::bags::BagSettings;
use super::evaluate::{Evaluator, HEADLINE};
use super::models::ModelChoice;
use super::mutual::MutualSettings;
use super::tuning::{DevCase, tune};
use crate::analysis::Report;
use crate::domain::{DecisionRule, Prediction, RunId, Sentence, Split};
use crate::model::files::{Precision, short_hash};
use crate::model::kernel::KernelConfig;
use crate::model::params::{Missing, Params};
use crate::model::rin::{RinConfig, Variant};
use crate::model::sentence::{Heads, SentenceModel, save};
use crate::model::spans::SpanConfig;
use crate::store::Reader;
use crate::train::checkpoint::{Checkpoint, RunRecord};
use crate::train::fit::{Ended, FitEvent, FitOptions, Surroundings, fit};
use crate::train::sentence::{LossWeights, SentenceRates, SentenceTrainer};
use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use command::{TrainCommand, beside, place_is_free, run};
use data::data_hash;
pub use data::{Data, collect, types_of};
pub use progress::{TrainProgress, in_words};
pub use start::{Initial, initial, trainer};

/// Everything a training run can be told beyond its data; a TOML file with these tables (docs/model.md).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    pub fit: FitOptions,
    pub rates: SentenceRates,
    pub losses: LossWeights,
    pub rin: RinConfig,
    pub kernel: KernelConfig,
    pub spans: SpanConfig,
    /// A published encoder that ignores case is given the shape of each word.
    pub word_shapes: bool,
    /// Pieces of the BiLSTM's own vocabulary.
    pub bilstm_pieces: usize,
    /// ComplEx and HRERE.
    pub bags: BagSettings,
    /// Proximity graph, LINE and the mutual-relation systems.
    pub mutual: MutualSettings,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            fit: FitOptions {
                epochs: 6,
                ..FitOptions::default()
            },
            rates: SentenceRates::default(),
            losses: LossWeights::default(),
            rin: RinConfig {
                variant: Variant::Emnlp,
                rounds: 2,
                width: Some(64),
                ..RinConfig::default()
            },
            kernel: KernelConfig::default(),
            spans: SpanConfig::default(),
            word_shapes: true,
            bilstm_pieces: 8000,
            bags: BagSettings::default(),
            mutual: MutualSettings::default(),
        }
    }
}

/// What the encoder starts from.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// A Hugging Face directory.
    HuggingFace(PathBuf),
    /// A BiLSTM from nothing, with its own WordPiece trained on the text.
    BiLstm,
    /// A redress model: heads too, where the relations are the same.
    Model(ModelChoice),
}

#[derive(Clone, Debug)]
pub struct TrainOptions {
    pub out: PathBuf,
    pub start: Start,
    pub rin: bool,
    pub kernel: bool,
    pub spans: bool,
    pub config: TrainConfig,
    pub precision: Precision,
    pub resume: bool,
    pub device: Device,
}

impl TrainOptions {
    fn heads(&self) -> Heads {
        Heads {
            rin: self.rin.then(|| self.config.rin.clone()),
            kernel: self.kernel.then(|| self.config.kernel.clone()),
            spans: self.spans.then(|| self.config.spans.clone()),
        }
    }
}

/// What a run reports as it goes.
#[derive(Clone, Debug)]
pub enum TrainEvent {
    /// Data and model, in one line each.
    Said(String),
    Fit(FitEvent),
}

/// The world around a training run.
pub struct Around<'a> {
    pub observe: &'a mut dyn FnMut(TrainEvent),
    pub cancelled: &'a dyn Fn() -> bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct TrainReport {
    pub out: PathBuf,
    pub finished: bool,
    pub record: RunRecord,
    pub card: serde_json::Value,
}

/// Dev sentences as `model` sees them.
pub fn predict_dev(model: &SentenceModel, data: &Data) -> Result<Vec<Prediction>> {
    let map = model.config.label_map(&data.schema);
    let sentences: Vec<&Sentence> = data.dev.iter().map(|(s, _)| s).collect();
    let mut predictions = Vec::with_capacity(sentences.len());
    for chunk in sentences.chunks(512) {
        predictions.extend(model.predict(chunk, &map)?);
    }
    Ok(predictions)
}

/// Dev under the headline protocol.
pub fn dev_report(data: &Data, predictions: &[Prediction], rule: &DecisionRule) -> Report {
    let mut evaluator = Evaluator::new(rule.clone().into());
    for (annotation, prediction) in pairs(data, predictions) {
        evaluator.add(annotation, prediction);
    }
    evaluator.headline()
}

/// Dev sentences with their predictions.
fn pairs<'a>(data: &'a Data, predictions: &'a [Prediction]) -> Vec<DevCase<'a>> {
    data.dev.iter().map(|(_, a)| a).zip(predictions).collect()
}

/// A copy of the weights as they are now, ready to predict.
pub fn snapshot(trainer: &SentenceTrainer) -> Result<SentenceModel> {
    let tensors = trainer
        .params
        .all()
        .into_iter()
        .map(|(n, v)| Ok((n, v.as_tensor().copy()?)));
    let tensors: Vec<(String, Tensor)> = tensors.collect::<candle_core::Result<_>>()?;
    let params = Params::from_tensors(tensors, trainer.params.device(), Missing::Fail)?;
    Ok(SentenceModel::from_params(
        &params,
        trainer.config.clone(),
        Arc::clone(&trainer.tokens),
        RunId(0),
    )?)
}

/// By which dev F1 (headline protocol) an epoch is selected.
#[derive(Clone, Debug, PartialEq)]
pub enum SelectBy {
    /// The highest that any threshold gives.
    BestRule,
    /// What this rule gives: the model goes on under the thresholds it had.
    Rule(DecisionRule),
}

/// Trains in place, selecting the epoch by dev F1.
pub fn run_fit(
    trainer: &SentenceTrainer,
    data: &Data,
    fit_options: &FitOptions,
    select_by: SelectBy,
    checkpoint: Option<Checkpoint>,
    around: &mut Around,
) -> Result<(Ended, RunRecord)> {
    let mut dev = || -> Result<f64, String> {
        let score = snapshot(trainer).and_then(|model| {
            let predictions = predict_dev(&model, data)?;
            Ok(match &select_by {
                SelectBy::BestRule => tune(&pairs(data, &predictions), data.one_per_pair).1.f1,
                SelectBy::Rule(rule) => dev_report(data, &predictions, rule).micro.f1(),
            })
        });
        score.map_err(|e| crate::workspace::in_words(&e))
    };
    let observe = &mut *around.observe;
    let mut surroundings = Surroundings {
        dev: if data.dev.is_empty() {
            None
        } else {
            Some(&mut dev)
        },
        observe: &mut |event| observe(TrainEvent::Fit(event)),
        cancelled: around.cancelled,
        checkpoint,
    };
    Ok(fit(trainer, fit_options, &mut surroundings)?)
}

/// Trains on the labels that stand in the workspace and writes `options.out`. When stopped, a checkpoint beside it holds
/// everything and nothing is written at `out`.
pub fn train(reader: &Reader, options: &TrainOptions, around: &mut Around) -> Result<TrainReport> {
    if !options.rin && !options.kernel {
        bail!("nothing to train: name at least one of rin, kernel");
    }
    let data = collect(reader)?;
    let start = initial(options, &data)?;
    let say = |around: &mut Around, text: String| (around.observe)(TrainEvent::Said(text));
    say(
        around,
        format!(
            "{} train sentences, {} triples, {} relations; {} dev sentences ({})",
            data.train.len(),
            data.n_positives,
            start.config.labels.len(),
            data.dev.len(),
            data.dev_source
        ),
    );
    let fingerprint = fingerprint(options, &data, &start)?;
    let checkpoint_dir = beside(&options.out, "training");
    let checkpoint = if options.resume {
        Checkpoint::resume(&checkpoint_dir, fingerprint)?
    } else {
        Checkpoint::begin(&checkpoint_dir, fingerprint)?
    };
    let source = start.source.clone();
    let trainer = trainer(start, &data, &options.config).with_context(|| match &options.start {
        Start::Model(choice) => choice.cannot(),
        _ => format!("cannot set up a model from {source}"),
    })?;
    let lost = trainer.lost();
    say(
        around,
        format!(
            "{} from {source}; not expressible in RIN's table: {lost:?}",
            trainer.config.systems()
        ),
    );
    let (ended, record) = run_fit(
        &trainer,
        &data,
        &options.config.fit,
        SelectBy::BestRule,
        Some(checkpoint.clone()),
        around,
    )?;
    let mut report = TrainReport {
        out: options.out.clone(),
        finished: ended == Ended::Finished,
        record,
        card: serde_json::Value::Null,
    };
    if ended == Ended::Finished {
        report.card = finish(&trainer, &data, options, &source, &report.record)
            .with_context(|| unsaved(&checkpoint_dir))?;
        // Only now: a disk that is full when the model is written must not cost the run.
        checkpoint.remove()?;
    }
    Ok(report)
}

fn unsaved(checkpoint: &Path) -> String {
    format!(
        "the model is trained but not saved; {} keeps it. Make room and run the same command with --resume",
        checkpoint.display()
    )
}

/// Tunes thresholds on dev, measures, writes the model with its card.
fn finish(
    trainer: &SentenceTrainer,
    data: &Data,
    options: &TrainOptions,
    source: &str,
    record: &RunRecord,
) -> Result<serde_json::Value> {
    let mut config = trainer.config.clone();
    let mut scores = serde_json::Value::Null;
    if !data.dev.is_empty() {
        let predictions = predict_dev(&snapshot(trainer)?, data)?;
        let pairs = pairs(data, &predictions);
        let (rules, _) = tune(&pairs, data.one_per_pair);
        config.rules = rules.clone().into();
        let mut evaluator = Evaluator::new(rules);
        for (annotation, prediction) in pairs {
            evaluator.add(annotation, prediction);
        }
        let evaluation = evaluator.finish(&data.schema, Some(Split::Dev), None);
        let short = |r: &super::evaluate::ProtocolReport| serde_json::json!({"protocol": r.protocol, "precision": r.micro.precision, "recall": r.micro.recall, "f1": r.micro.f1, "macro_f1": r.macro_f1});
        scores = serde_json::json!({
            "relations": evaluation.protocols.iter().map(short).collect::<Vec<_>>(),
            "entities": {"protocol": evaluation.entity_protocol, "f1": evaluation.entities.f1},
            "typed_entities": evaluation.typed_entities.map(|s| serde_json::json!({"protocol": evaluation.typed_entity_protocol, "f1": s.f1})),
        });
    }
    let card = serde_json::json!({
        "systems": config.systems(),
        "started_from": source,
        "data": {
            "train_sentences": data.train.len(), "train_triples": data.n_positives, "dev_sentences": data.dev.len(),
            "dev": data.dev_source, "hash": format!("{:016x}", data_hash(data)),
        },
        "seed": options.config.fit.seed,
        "settings": serde_json::to_value(&options.config)?,
        "selected_by": format!("dev micro F1, {HEADLINE}, best threshold"),
        "curve": record,
        "dev_scores": scores,
        "rule": config.rules.rule,
        "given": config.rules.given,
        "device": format!("{:?}", options.device.location()),
        "stored_as": options.precision,
    });
    save(
        &options.out,
        &config,
        &trainer.tokens,
        &trainer.tensors(),
        &card,
        options.precision,
    )?;
    Ok(card)
}

/// Which run this is: data, settings and starting weights.
fn fingerprint(options: &TrainOptions, data: &Data, start: &Initial) -> Result<u64> {
    let settings = serde_json::to_vec(&(&options.config, &start.config)).context("settings")?;
    let first: Vec<u8> = match start.params.all().first() {
        Some((name, var)) => {
            let values: Vec<f32> = var.as_tensor().flatten_all()?.to_vec1()?;
            name.bytes()
                .chain(values.iter().flat_map(|v| v.to_le_bytes()))
                .collect()
        }
        None => Vec::new(),
    };
    Ok(short_hash([
        &settings[..],
        &data_hash(data).to_le_bytes(),
        start.source.as_bytes(),
        &first,
    ]))
}
