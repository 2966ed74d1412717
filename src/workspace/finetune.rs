//! Corrections → a better model, and what changed, measured on the same dev sentences before and after.
//!
//! A handful of corrections must not move what they say nothing about. So uncorrected sentences are seen again, drawn from the
//! whole corpus; where model and label part there and nobody has judged, neither is taught; rates are small; thresholds stay;
//! and the epoch is selected on dev. A model that is worse on dev all the same is offered as such.

use super::messages::{FineTuneReport, Judgements};
use super::models::ModelChoice;
use super::pass::Pages;
use super::training::{
    Around, Data, SelectBy, Start, TrainConfig, TrainEvent, TrainOptions, dev_report, initial,
    predict_dev, run_fit, snapshot, trainer,
};
use super::view::Viewed;
use super::{Workspace, now_ms, stored_rule, viewed};
use crate::analysis::{Report, compare};
use crate::domain::{
    Annotation, DecisionRule, Prediction, RelationId, RelationSchema, Sentence, Split, Triple,
    Verdict,
};
use crate::model::bags::BagBank;
use crate::model::files::{self, Precision};
use crate::model::labels::LabelMap;
use crate::model::mutual::MutualBank;
use crate::model::sentence::{SentenceModel, save};
use crate::store::Reader;
use crate::train::examples::Example;
use crate::train::fit::{Ended, FitOptions};
use crate::train::sentence::SentenceRates;
use anyhow::{Result, bail};
use candle_core::Device;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

pub struct FineTuneOptions {
    pub from: ModelChoice,
    /// Directory that the new model's own directory goes into.
    pub models: PathBuf,
    pub device: Device,
}

/// Uncorrected training sentences seen again for each corrected one, so that the rest is not forgotten.
const REPLAY: usize = 4;
const REPLAY_LEAST: usize = 128;
const REPLAY_MOST: usize = 1024;
/// Corrected sentences are shown again within an epoch until they make up this share of it, or this often.
const CORRECTED_SHARE: f64 = 0.25;
const SHOWN_MOST: usize = 2;
/// Dev sentences measured; more add minutes, not knowledge.
const DEV_MOST: usize = 500;

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

/// `None` when cancelled. Corrected sentences (test excepted) are trained on with their verdicts, and left out of dev.
pub fn fine_tune(
    reader: &Reader,
    options: &FineTuneOptions,
    around: &mut Around,
) -> Result<Option<FineTuneReport>> {
    let loaded = options.from.read()?;
    let before = SentenceModel::from_loaded(&loaded, &options.device)?;
    let rule = before.rule();
    let chosen = choose(reader)?;
    if chosen.corrected.is_empty() {
        bail!("there is nothing to learn from yet: judge or correct some sentences first");
    }
    let (n_corrected, n_others) = (chosen.corrected.len(), chosen.others.len());
    let (data, corrected) = teach(chosen, &before, reader.schema()?)?;
    (around.observe)(TrainEvent::Said(format!(
        "{n_corrected} corrected sentences, {n_others} others, {} dev sentences",
        data.dev.len()
    )));
    let before_report = dev_report(&data, &predict_dev(&before, &data)?, &rule);
    let met_before = met(&corrected, &before, &data.schema)?;
    let train_options = TrainOptions {
        out: PathBuf::new(),
        start: Start::Model(options.from.clone()),
        rin: loaded.config.rin.is_some(),
        kernel: loaded.config.kernel.is_some(),
        spans: loaded.config.spans.is_some(),
        config: gentle(),
        precision: Precision::F16,
        resume: false,
        device: options.device.clone(),
    };
    let mut start = initial(&train_options, &data)?;
    start.config.rules = loaded.config.rules;
    let source = start.source.clone();
    let trainer = trainer(start, &data, train_options.config.rates.clone())?;
    let fit_options = &train_options.config.fit;
    let select_by = SelectBy::Rule(rule.clone());
    let (ended, record) = run_fit(&trainer, &data, fit_options, select_by, None, around)?;
    if ended == Ended::Stopped {
        return Ok(None);
    }
    let after = snapshot(&trainer)?;
    let after_report = dev_report(&data, &predict_dev(&after, &data)?, &rule);
    let judgements = Judgements {
        all: corrected.iter().map(|c| c.judged().count()).sum(),
        met_before,
        met_after: met(&corrected, &after, &data.schema)?,
    };
    let card = serde_json::json!({
        "systems": trainer.config.systems(),
        "started_from": source,
        "fine_tuned_on": {"corrected_sentences": n_corrected, "other_sentences": n_others},
        "judgements": {"all": judgements.all, "met_before": judgements.met_before, "met_after": judgements.met_after},
        "dev": {"source": data.dev_source, "sentences": data.dev.len(), "protocol": before_report.protocol.to_string(),
                "f1_before": before_report.micro.f1(), "f1_after": after_report.micro.f1()},
        "curve": record,
    });
    let model_dir = options.models.join(format!("fine-tuned-{}", now_ms()));
    save(
        &model_dir,
        &trainer.config,
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
    Ok(Some(report(
        (&before_report, &after_report),
        &data,
        judgements,
        n_corrected,
        model_dir,
    )))
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
pub fn as_json(dir: &Path, report: &FineTuneReport) -> Result<serde_json::Value> {
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
        "relations": report.per_relation.iter().map(relation).collect::<Vec<_>>(),
    }))
}

fn report(
    (before, after): (&Report, &Report),
    data: &Data,
    judgements: Judgements,
    n_corrected: usize,
    model_dir: PathBuf,
) -> FineTuneReport {
    // The two are of the same sentences, so there is a comparison.
    let per_relation = compare(before, after).map_or_else(Vec::new, |c| c.relations);
    FineTuneReport {
        protocol: format!("{}, {} dev sentences", before.protocol, data.dev.len()),
        n_corrected,
        judgements,
        before_f1: before.micro.f1() as f32,
        after_f1: after.micro.f1() as f32,
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
    let rule = model.rule();
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

/// Corrected sentences, some others to be seen again, and dev.
struct Chosen {
    corrected: Vec<Viewed>,
    others: Vec<Viewed>,
    dev: Vec<(Sentence, Annotation)>,
}

/// Half of the others hold a label of a relation that was corrected: ten rejected labels of a relation must not teach
/// that there is no such relation.
fn choose(reader: &Reader) -> Result<Chosen> {
    let rule = stored_rule(reader)?;
    let relations = corrected_relations(reader, &rule)?;
    let alike = |v: &Viewed| {
        let mut triples = v.annotation.standing();
        triples.any(|t| relations.contains(&t.triple.relation))
    };
    let (mut corrected, mut dev) = (Vec::new(), Vec::new());
    // Of the corrected relations, and the rest.
    let mut others: [Vec<Viewed>; 2] = Default::default();
    let mut pages = Pages::start();
    while let Some(page) = pages.next(reader, &rule)? {
        for (_, viewed) in page {
            match (viewed.n_edits > 0, viewed.sentence.split) {
                (_, Split::Test) => {}
                (true, _) => corrected.push(viewed),
                (false, Split::Dev) if dev.len() < DEV_MOST => {
                    dev.push((viewed.sentence, viewed.annotation))
                }
                (false, Split::Train) => others[usize::from(!alike(&viewed))].push(viewed),
                (false, _) => {}
            }
        }
        for some in &mut others {
            // An id is a hash, so the smallest are a draw from the whole corpus, the same one each time.
            some.sort_by_key(|v| v.sentence.id);
            some.truncate(REPLAY_MOST);
        }
    }
    let wanted = (corrected.len() * REPLAY).clamp(REPLAY_LEAST, REPLAY_MOST);
    let [mut alike, mut rest] = others;
    alike.truncate((wanted / 2).max(wanted.saturating_sub(rest.len())));
    rest.truncate(wanted - alike.len());
    alike.append(&mut rest);
    Ok(Chosen {
        corrected,
        others: alike,
        dev,
    })
}

/// Relations of triples that a curator judged or added.
fn corrected_relations(reader: &Reader, rule: &DecisionRule) -> Result<HashSet<RelationId>> {
    let mut relations = HashSet::new();
    for id in reader.corrected_since(0)? {
        let annotation = viewed(reader, rule, None, id)?.annotation;
        let judged = annotation.triples.iter().filter(|t| t.verdict.is_some());
        relations.extend(judged.map(|t| t.triple.relation));
    }
    Ok(relations)
}

/// Examples in the model's labels and those of the corrections that it does not have yet.
fn teach(
    chosen: Chosen,
    model: &SentenceModel,
    schema: RelationSchema,
) -> Result<(Data, Vec<Corrected>)> {
    let Chosen {
        corrected,
        others,
        dev,
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
    let mut train = Vec::new();
    for (viewed, times) in [(&corrected, shown.clamp(1, SHOWN_MOST)), (&others, 1)] {
        let predictions = predict(model, viewed.iter().map(|v| &v.sentence), &schema)?;
        for (v, prediction) in viewed.iter().zip(&predictions) {
            let settled = settled(v, &accepted(prediction, &model.rule()), &known);
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
    Ok((data, corrected))
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
