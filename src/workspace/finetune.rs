//! Corrections → a better model, and what changed, measured on the same dev sentences before and after.

use super::evaluate::{Evaluator, HEADLINE};
use super::messages::FineTuneReport;
use super::models::ModelChoice;
use super::training::{
    Around, Data, Start, TrainConfig, TrainEvent, TrainOptions, initial, pairs, predict_dev,
    run_fit, snapshot, trainer,
};
use super::tuning::tune;
use super::{now_ms, page_of_views, stored_rule};
use crate::analysis::Report;
use crate::domain::{DecisionRules, Prediction, RelationId, SentenceIdx, Split};
use crate::model::bags::BagBank;
use crate::model::files::{self, Precision};
use crate::model::labels::LabelMap;
use crate::model::mutual::MutualBank;
use crate::model::sentence::{ModelConfig, SentenceModel, save};
use crate::store::Reader;
use crate::train::examples::Example;
use crate::train::fit::{Ended, FitOptions};
use crate::train::sentence::SentenceRates;
use anyhow::{Result, bail};
use candle_core::Device;
use std::collections::BTreeSet;
use std::path::PathBuf;

pub struct FineTuneOptions {
    pub from: ModelChoice,
    /// Directory that the new model's own directory goes into.
    pub models: PathBuf,
    pub device: Device,
}

/// Uncorrected training sentences seen again for each corrected one, so that the rest is not forgotten.
const REPLAY: usize = 4;
const REPLAY_LEAST: usize = 64;
const REPLAY_MOST: usize = 1024;
/// Dev sentences measured; more add minutes, not knowledge.
const DEV_MOST: usize = 500;

/// `None` when cancelled. Corrected sentences (test excepted) are trained on with their verdicts, and left out of dev.
pub fn fine_tune(
    reader: &Reader,
    options: &FineTuneOptions,
    around: &mut Around,
) -> Result<Option<FineTuneReport>> {
    let loaded = options.from.read()?;
    let (data, n_corrected) = corrected(reader, &loaded.config)?;
    if n_corrected == 0 {
        bail!("there is nothing to learn from yet: judge or correct some sentences first");
    }
    (around.observe)(TrainEvent::Said(format!(
        "{n_corrected} corrected sentences, {} others, {} dev sentences",
        data.train.len() - n_corrected,
        data.dev.len()
    )));
    let before = SentenceModel::from_loaded(&loaded, &options.device)?;
    let before_predictions = predict_dev(&before, &data)?;
    let before_report = report(&data, &before_predictions, before.config.rules());
    let config = TrainConfig {
        fit: FitOptions {
            epochs: 3,
            batch: 8,
            warmup: 0.1,
            ..FitOptions::default()
        },
        rates: SentenceRates {
            encoder: 3e-5,
            heads: 3e-4,
            ..SentenceRates::default()
        },
        ..TrainConfig::default()
    };
    let train_options = TrainOptions {
        out: PathBuf::new(),
        start: Start::Model(options.from.clone()),
        rin: loaded.config.rin.is_some(),
        kernel: loaded.config.kernel.is_some(),
        spans: loaded.config.spans.is_some(),
        config,
        precision: Precision::F16,
        resume: false,
        device: options.device.clone(),
    };
    let start = initial(&train_options, &data)?;
    let source = start.source.clone();
    let trainer = trainer(start, &data, train_options.config.rates.clone())?;
    let (ended, record) = run_fit(&trainer, &data, &train_options.config.fit, None, around)?;
    if ended == Ended::Stopped {
        return Ok(None);
    }
    let after_predictions = predict_dev(&snapshot(&trainer)?, &data)?;
    let rules = if data.dev.is_empty() {
        before.config.rules()
    } else {
        tune(
            &pairs(&data, &after_predictions),
            loaded.config.rule.one_per_pair,
        )
        .0
    };
    let after_report = report(&data, &after_predictions, rules);
    let mut config = trainer.config.clone();
    config.set_rules(rules);
    let card = serde_json::json!({
        "systems": config.systems(),
        "started_from": source,
        "fine_tuned_on": {"corrected_sentences": n_corrected, "other_sentences": data.train.len() - n_corrected},
        "dev": {"source": data.dev_source, "sentences": data.dev.len(), "protocol": HEADLINE.to_string(),
                "f1_before": before_report.micro.f1(), "f1_after": after_report.micro.f1()},
        "curve": record,
    });
    let model_dir = options.models.join(format!("fine-tuned-{}", now_ms()));
    save(
        &model_dir,
        &config,
        &trainer.tokens,
        &trainer.tensors(),
        &card,
        train_options.precision,
    )?;
    // The bag systems read the encoder's piece table, which fine-tuning leaves alone: they come along as they are.
    if let Some(bank) = BagBank::load(options.from.source(), &options.device)? {
        bank.save(&model_dir, train_options.precision)?;
    }
    if let Some(bank) = MutualBank::load(options.from.source(), &options.device)? {
        let more = bank.files(train_options.precision)?;
        files::add_to_dir(&model_dir, files::CONFIG, more)?;
    }
    Ok(Some(FineTuneReport {
        protocol: format!("{HEADLINE}, {} dev sentences", data.dev.len()),
        n_corrected,
        before_f1: before_report.micro.f1() as f32,
        after_f1: after_report.micro.f1() as f32,
        per_relation: per_relation(&before_report, &after_report),
        model_dir,
    }))
}

fn report(data: &Data, predictions: &[Prediction], rules: DecisionRules) -> Report {
    let mut evaluator = Evaluator::new(rules);
    for ((_, annotation), prediction) in data.dev.iter().zip(predictions) {
        evaluator.add(annotation, prediction);
    }
    // The first protocol is the headline.
    evaluator
        .reports()
        .next()
        .cloned()
        .unwrap_or_else(|| unreachable!("there are protocols"))
}

fn per_relation(before: &Report, after: &Report) -> Vec<(RelationId, f32, f32)> {
    let relations: BTreeSet<RelationId> = before
        .per_relation
        .keys()
        .chain(after.per_relation.keys())
        .copied()
        .collect();
    let f1 = |r: &Report, id: &RelationId| r.per_relation.get(id).map_or(0.0, |c| c.f1() as f32);
    relations
        .iter()
        .map(|id| (*id, f1(before, id), f1(after, id)))
        .collect()
}

/// Corrected sentences, some others to be seen again, and dev; the number of corrected ones.
fn corrected(reader: &Reader, model: &ModelConfig) -> Result<(Data, usize)> {
    let rule = stored_rule(reader)?;
    let schema = reader.schema()?;
    let (mut touched, mut others, mut dev) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = Some(SentenceIdx(0));
    while let Some(from) = next {
        let (page, after) = page_of_views(reader, &rule, from)?;
        for (_, viewed) in page {
            match (viewed.n_edits > 0, viewed.sentence.split) {
                (_, Split::Test) => {}
                (true, _) => touched.push(viewed),
                (false, Split::Dev) if dev.len() < DEV_MOST => {
                    dev.push((viewed.sentence, viewed.annotation))
                }
                (false, Split::Train) if others.len() < REPLAY_MOST => others.push(viewed),
                (false, _) => {}
            }
        }
        next = after;
    }
    let n_corrected = touched.len();
    others.truncate((n_corrected * REPLAY).max(REPLAY_LEAST));
    // The model's labels, and those of the corrections that it does not have yet.
    let mut labels: Vec<String> = model.labels.clone();
    for relation in touched
        .iter()
        .flat_map(|v| v.annotation.standing().map(|t| t.triple.relation))
    {
        let name = schema.name(relation);
        if !labels.iter().any(|l| l == name) {
            labels.push(name.to_owned());
        }
    }
    let entity_types = model.entity_types.clone();
    let map = LabelMap::new(&schema, &labels, &entity_types);
    let train: Vec<Example> = touched
        .iter()
        .chain(&others)
        .map(|v| Example::new(&v.sentence, &v.annotation, &map).0)
        .collect();
    let n_positives = train.iter().map(|e| e.positives.len()).sum();
    let dev_source = "dev split without corrected sentences".to_owned();
    Ok((
        Data {
            train,
            dev,
            labels,
            entity_types,
            schema,
            dev_source,
            n_positives,
            one_per_pair: model.rule.one_per_pair,
        },
        n_corrected,
    ))
}
