//! Labels that stand → a trained model directory.

use super::bags::resume::BagWork;
use super::bags::{
    BagProgress, BagSettings, BagTraining, KbProgress, Keep, TrainedBank, train_bags,
};
use super::evaluate::{Evaluator, HEADLINE};
use super::models::ModelChoice;
use super::mutual::{MutualInputs, MutualSettings, add_mutual};
use super::tuning::{DevCase, tune};
use super::view::Viewed;
use super::{page_of_views, stored_rule};
use crate::analysis::Report;
use crate::domain::{
    Annotation, DecisionRule, Prediction, RelationSchema, RunId, Sentence, SentenceIdx, Split,
};
use crate::kb::RelationMap;
use crate::model::encoder::bilstm::BiLstmConfig;
use crate::model::encoder::{EncoderConfig, import_hf};
use crate::model::files::{CONFIG, Precision, replace_dir, short_hash};
use crate::model::grow::grow;
use crate::model::kernel::KernelConfig;
use crate::model::labels::LabelMap;
use crate::model::mutual;
use crate::model::params::{Missing, Params};
use crate::model::rin::{RinConfig, Variant};
use crate::model::sentence::{Heads, Loaded, ModelConfig, SentenceModel, model_files, save};
use crate::model::spans::SpanConfig;
use crate::model::tokens::WordPieces;
use crate::store::Reader;
use crate::train::bags::BagEvent;
use crate::train::checkpoint::{Checkpoint, RunRecord};
use crate::train::examples::Example;
use crate::train::fit::{Ended, FitEvent, FitOptions, Surroundings, fit};
use crate::train::sentence::{SentenceRates, SentenceTrainer};
use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything a training run can be told beyond its data; a TOML file with these tables (docs/model.md).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    pub fit: FitOptions,
    pub rates: SentenceRates,
    pub rin: RinConfig,
    pub kernel: KernelConfig,
    pub spans: SpanConfig,
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
            rin: RinConfig {
                variant: Variant::Emnlp,
                rounds: 2,
                width: Some(64),
                ..RinConfig::default()
            },
            kernel: KernelConfig::default(),
            spans: SpanConfig::default(),
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

/// Sentences to train on and to select by.
pub struct Data {
    pub train: Vec<Example>,
    pub dev: Vec<(Sentence, Annotation)>,
    pub labels: Vec<String>,
    /// Names of the entity types that occur in train.
    pub entity_types: Vec<String>,
    pub schema: RelationSchema,
    /// Where dev came from, for the card.
    pub dev_source: String,
    /// Positive triples of train.
    pub n_positives: usize,
    /// Hardly any pair of spans of a training sentence has two labels, either way round.
    pub one_per_pair: bool,
}

/// Training labels as they stand. Without a dev split every tenth training sentence (by id) is held out.
pub fn collect(reader: &Reader) -> Result<Data> {
    let schema = reader.schema()?;
    let rule = stored_rule(reader)?;
    let (mut train, mut dev) = (Vec::new(), Vec::new());
    let mut next = Some(SentenceIdx(0));
    while let Some(from) = next {
        let (page, after) = page_of_views(reader, &rule, from)?;
        for (_, viewed) in page {
            match viewed.sentence.split {
                Split::Train => train.push(viewed),
                Split::Dev => dev.push((viewed.sentence, viewed.annotation)),
                Split::Test => {}
            }
        }
        next = after;
    }
    let mut dev_source = "dev split".to_owned();
    if dev.is_empty() {
        dev_source = "every tenth train sentence, held out".to_owned();
        let (held, rest): (Vec<Viewed>, Vec<Viewed>) =
            train.into_iter().partition(|v| v.sentence.id.0 % 10 == 0);
        train = rest;
        dev = held
            .into_iter()
            .map(|v| (v.sentence, v.annotation))
            .collect();
    }
    let used: BTreeSet<_> = train
        .iter()
        .flat_map(|v| v.annotation.standing().map(|t| t.triple.relation))
        .collect();
    let labels: Vec<String> = used.iter().map(|r| schema.name(*r).to_owned()).collect();
    if labels.is_empty() {
        bail!(
            "no label stands in the train split; import labelled sentences or run `redress label` first"
        );
    }
    let entity_types = types_of(&schema, train.iter().map(|v| &v.annotation));
    let map = LabelMap::new(&schema, &labels, &entity_types);
    let examples: Vec<Example> = train
        .iter()
        .map(|v| Example::new(&v.sentence, &v.annotation, &map).0)
        .collect();
    let n_positives = examples.iter().map(|e| e.positives.len()).sum();
    // A few doubly labelled pairs are slips; distant labels with inverse relations have many.
    let doubled = examples
        .iter()
        .filter(|e| !e.has_one_label_a_pair())
        .count();
    let one_per_pair = doubled * 200 <= examples.len();
    Ok(Data {
        train: examples,
        dev,
        labels,
        entity_types,
        schema,
        dev_source,
        n_positives,
        one_per_pair,
    })
}

/// Names of the entity types that these sentences use, in the schema's order.
pub fn types_of<'a>(
    schema: &RelationSchema,
    annotations: impl Iterator<Item = &'a Annotation>,
) -> Vec<String> {
    let used: BTreeSet<_> = annotations
        .flat_map(|a| a.entities.iter().filter_map(|e| e.kind))
        .collect();
    used.iter()
        .map(|k| schema.type_name(*k).to_owned())
        .collect()
}

/// A model about to be trained.
pub struct Initial {
    pub config: ModelConfig,
    pub params: Params,
    pub tokens: Arc<WordPieces>,
    /// For the card.
    pub source: String,
}

/// Encoder and heads to start from.
pub fn initial(options: &TrainOptions, data: &Data) -> Result<Initial> {
    let missing = Missing::Init {
        seed: options.config.fit.seed,
    };
    let heads = options.heads();
    let fresh = |encoder| {
        let mut config = ModelConfig::new(encoder, data.labels.clone(), heads.clone());
        if config.spans.is_some() {
            config.entity_types = data.entity_types.clone();
        }
        config
    };
    match &options.start {
        Start::HuggingFace(dir) => {
            let hf = import_hf(dir)?;
            let params = Params::from_tensors(hf.tensors, &options.device, missing)?;
            let name = dir
                .file_name()
                .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            Ok(Initial {
                config: fresh(EncoderConfig::Bert(hf.config)),
                params,
                tokens: Arc::new(hf.tokens),
                source: format!("Hugging Face encoder {name}"),
            })
        }
        Start::BiLstm => {
            let words = data
                .train
                .iter()
                .flat_map(|e| e.words.iter().map(String::as_str));
            let tokens = WordPieces::train(words, options.config.bilstm_pieces)?;
            Ok(Initial {
                config: fresh(EncoderConfig::BiLstm(BiLstmConfig::new(tokens.n_ids()))),
                params: Params::new(&options.device, options.config.fit.seed),
                tokens: Arc::new(tokens),
                source: "BiLSTM from nothing".to_owned(),
            })
        }
        Start::Model(choice) => {
            let loaded = choice.read()?;
            let params = Params::from_tensors(loaded.tensors.clone(), &options.device, missing)?;
            let config = fresh(loaded.config.encoder.clone());
            let seed = options.config.fit.seed;
            continued(&loaded, params, config, data, seed)
        }
    }
}

/// Goes on from a model: heads whose outputs mean the same stay, relation heads get room for relations that come after
/// theirs, the others start anew.
fn continued(
    loaded: &Loaded,
    params: Params,
    fresh: ModelConfig,
    data: &Data,
    seed: u64,
) -> Result<Initial> {
    let old = &loaded.config;
    let knows = |known: &[String], wanted: &[String]| wanted.iter().all(|w| known.contains(w));
    let has_heads = (fresh.rin.is_none() || old.rin.is_some())
        && (fresh.kernel.is_none() || old.kernel.is_some());
    let known = knows(&old.labels, &data.labels);
    let mut config = fresh;
    let mut new = Vec::new();
    if has_heads && (known || data.labels.starts_with(&old.labels)) {
        config.rin = old.rin.clone();
        config.kernel = old.kernel.clone();
        config.labels = old.labels.clone();
        if !known {
            let n_new = data.labels.len() - old.labels.len();
            grow(&params, &config, n_new, seed)?;
            config.labels.clone_from(&data.labels);
            new.push(format!("heads with {n_new} more relations"));
        }
    } else {
        params.forget("rin.");
        params.forget("ker.");
        new.push("relation heads new".to_owned());
    }
    if old.spans.is_some() && knows(&old.entity_types, &data.entity_types) {
        config.spans = old.spans.clone();
        config.entity_types = old.entity_types.clone();
    } else if config.spans.is_some() {
        params.forget("span.");
        new.push("span head new".to_owned());
    }
    let new: String = new.iter().map(|n| format!(", {n}")).collect();
    Ok(Initial {
        config,
        params,
        tokens: Arc::clone(&loaded.tokens),
        source: format!("redress model {}{new}", loaded.run),
    })
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
pub fn dev_report(data: &Data, predictions: &[Prediction], rule: DecisionRule) -> Report {
    let mut evaluator = Evaluator::new(rule.into());
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
#[derive(Clone, Copy, Debug, PartialEq)]
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
            Ok(match select_by {
                SelectBy::BestRule => tune(&pairs(data, &predictions), data.one_per_pair).1.f1,
                SelectBy::Rule(rule) => dev_report(data, &predictions, rule).micro.f1(),
            })
        });
        score.map_err(|e| super::in_words(&e))
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
    let trainer = trainer(start, &data, options.config.rates.clone()).with_context(|| {
        match &options.start {
            Start::Model(choice) => choice.cannot(),
            _ => format!("cannot set up a model from {source}"),
        }
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

/// Examples in the starting model's own labels.
pub fn trainer(start: Initial, data: &Data, rates: SentenceRates) -> Result<SentenceTrainer> {
    // Examples were made for the data's own lists; a model that keeps its heads has longer ones.
    let own = LabelMap::new(&data.schema, &data.labels, &data.entity_types);
    let map = start.config.label_map(&data.schema);
    let relabel = |label: usize| own.relation(label).and_then(|r| map.label(r));
    let retype = |kind: usize| own.entity_type(kind).and_then(|k| map.kind(k));
    let examples = data.train.iter().map(|e| {
        let mut e = e.clone();
        for list in [&mut e.positives, &mut e.masked] {
            list.retain_mut(|p| match relabel(p.label) {
                Some(label) => {
                    p.label = label;
                    true
                }
                None => false,
            });
            list.sort();
        }
        for kind in &mut e.kinds {
            *kind = kind.and_then(retype);
        }
        e
    });
    Ok(SentenceTrainer::new(
        start.config,
        start.params,
        start.tokens,
        examples.collect(),
        rates,
    )?)
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
        config.rules = rules.into();
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

/// `models/news` → `models/news.training`.
pub fn beside(out: &Path, ending: &str) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{ending}"));
    out.with_file_name(name)
}

fn data_hash(data: &Data) -> u64 {
    let text: BTreeMap<String, String> = data
        .train
        .iter()
        .map(|e| {
            let labels = format!("{:?}{:?}{:?}", e.positives, e.masked, e.kinds);
            (e.id.to_string(), labels)
        })
        .collect();
    let dev: Vec<String> = data
        .dev
        .iter()
        .map(|(s, a)| format!("{}{:?}", s.id, a.triples))
        .collect();
    short_hash([
        format!("{text:?}").as_bytes(),
        format!("{dev:?}").as_bytes(),
    ])
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

/// Fails where no model could be put, before hours are spent on making one. `marker` is the file that a directory of the
/// kind has.
pub fn place_is_free(out: &Path, marker: &str) -> Result<()> {
    let other = "choose another place rather than lose what is there";
    if out.is_file() {
        bail!("{}: this is a file; {other}", out.display());
    }
    let holds_something = std::fs::read_dir(out).is_ok_and(|mut d| d.next().is_some());
    if holds_something && !out.join(marker).exists() {
        bail!("{}: a directory without {marker}; {other}", out.display());
    }
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent)
        .and_then(|()| tempfile::tempdir_in(parent).map(drop))
        .with_context(|| format!("{}: a model cannot be written here", out.display()))
}

/// A training run as the command line asks for it.
#[derive(Clone, Debug)]
pub struct TrainCommand {
    pub workspace: PathBuf,
    pub out: PathBuf,
    /// rin, kernel, spans, hrere, mutual
    pub systems: Vec<String>,
    /// For mutual: a graph file and a file of entity types.
    pub inputs: MutualInputs,
    /// A Hugging Face directory, or `bilstm`.
    pub encoder: Option<PathBuf>,
    pub from: Option<PathBuf>,
    pub epochs: Option<u32>,
    pub seed: u64,
    /// A file's name and its TOML text.
    pub settings: Option<(PathBuf, String)>,
    pub resume: bool,
    pub precision: String,
    /// ComplEx tables for the bag systems.
    pub kb_model: Option<PathBuf>,
    pub device: Device,
}

/// Runs a [`TrainCommand`].
pub fn run(command: &TrainCommand, around: &mut Around) -> Result<TrainReport> {
    let mut config: TrainConfig = match &command.settings {
        Some((file, text)) => toml::from_str(text).with_context(|| {
            format!(
                "{}: these settings do not fit; docs/model.md lists what there is",
                file.display()
            )
        })?,
        None => TrainConfig::default(),
    };
    config.fit.seed = command.seed;
    config.fit.epochs = command.epochs.unwrap_or(config.fit.epochs);
    for system in &command.systems {
        if !["rin", "kernel", "spans", "hrere", "mutual"].contains(&system.as_str()) {
            bail!("unknown system `{system}`; there are rin, kernel, spans, hrere and mutual");
        }
    }
    let wants = |name: &str| command.systems.iter().any(|s| s == name);
    let start = match (&command.encoder, &command.from) {
        (Some(dir), _) if dir.as_os_str() == "bilstm" => Start::BiLstm,
        (Some(dir), _) => Start::HuggingFace(dir.clone()),
        (None, from) => Start::Model(ModelChoice::resolve(from.as_deref(), None)),
    };
    let precision =
        <Precision as clap::ValueEnum>::from_str(&command.precision, true).map_err(|_| {
            anyhow::anyhow!(
                "unknown precision `{}`; there are f32, f16 and int8",
                command.precision
            )
        })?;
    let options = TrainOptions {
        out: command.out.clone(),
        start,
        rin: wants("rin"),
        kernel: wants("kernel"),
        spans: wants("spans"),
        config,
        precision,
        resume: command.resume,
        device: command.device.clone(),
    };
    let reader = Reader::open(&command.workspace)?;
    place_is_free(&command.out, CONFIG)?;
    let heads = options.rin || options.kernel;
    let keep = beside(&command.out, "bags-training");
    let mutual_keep = beside(&command.out, "mutual-training");
    // Interrupted in the last part: everything before it stands at `out`.
    let in_mutual = options.resume && BagWork::exists(&mutual_keep);
    let in_bags = options.resume && BagWork::exists(&keep);
    let heads_done = in_bags || in_mutual;
    let only_heads = !(wants("hrere") || wants("mutual"));
    let mut report = if (heads && !heads_done) || only_heads {
        train(&reader, &options, around)?
    } else {
        TrainReport {
            out: options.out.clone(),
            finished: true,
            record: RunRecord::default(),
            card: serde_json::Value::Null,
        }
    };
    // Each further system is added to the model that the one before it left.
    let mut base = match (heads, &options.start) {
        (true, _) => Some(ModelChoice::Dir(options.out.clone())),
        (false, Start::Model(choice)) => Some(choice.clone()),
        (false, _) => None,
    };
    for system in ["hrere", "mutual"] {
        if !wants(system) || !report.finished {
            continue;
        }
        if system == "hrere" && in_mutual {
            base = Some(ModelChoice::Dir(options.out.clone()));
            continue;
        }
        let Some(from) = &base else {
            bail!(
                "{system} alone starts from a redress model: name one with --from, or train rin,kernel,{system}"
            );
        };
        let added = match system {
            "hrere" => {
                let bags = BagPart {
                    base: from.clone(),
                    kb_model: command.kb_model.as_deref(),
                    keep: Keep {
                        dir: &keep,
                        resume: in_bags || (options.resume && !heads),
                    },
                };
                add_bags(&reader, &bags, &options, around)?
            }
            _ => {
                let workspace = &command.workspace;
                let keep = Keep {
                    dir: &mutual_keep,
                    resume: in_mutual || (options.resume && !heads && !wants("hrere")),
                };
                let inputs = &command.inputs;
                add_mutual(&reader, workspace, from, &options, inputs, keep, around)?
            }
        };
        match added {
            Some(card) => report.card = card,
            None => report.finished = false,
        }
        base = Some(ModelChoice::Dir(options.out.clone()));
    }
    Ok(report)
}

/// What the bag systems stand on.
struct BagPart<'a> {
    /// Its piece vectors are their words.
    base: ModelChoice,
    kb_model: Option<&'a Path>,
    keep: Keep<'a>,
}

/// Trains ComplEx and HRERE on word vectors of `bags.base` and writes both together at `options.out`; `None` when stopped.
fn add_bags(
    reader: &Reader,
    bags: &BagPart,
    options: &TrainOptions,
    around: &mut Around,
) -> Result<Option<serde_json::Value>> {
    let loaded = bags.base.read()?;
    let model = SentenceModel::from_loaded(&loaded, &options.device)?;
    let settings = options
        .config
        .bags
        .clone()
        .with_seed(options.config.fit.seed);
    let map = RelationMap::nyt24();
    let observe = &mut *around.observe;
    let trained = train_bags(BagTraining {
        reader,
        model: &model,
        map: &map,
        settings: &settings,
        kb_model: bags.kb_model,
        keep: Some(bags.keep),
        observe: &mut |event| match event {
            BagProgress::Note(text) => observe(TrainEvent::Said(text)),
            BagProgress::Bags(BagEvent::Fit(
                system,
                FitEvent::Epoch {
                    epoch, loss, score, ..
                },
            )) => {
                let score = score.map_or(String::new(), |s| format!(", dev {s:.4}"));
                observe(TrainEvent::Said(format!(
                    "{system:?} epoch {epoch}: loss {loss:.4}{score}"
                )));
            }
            BagProgress::Bags(BagEvent::Fit(_, event @ FitEvent::Step { .. })) => {
                observe(TrainEvent::Fit(event))
            }
            BagProgress::Bags(BagEvent::NaShare(system, share)) => {
                observe(TrainEvent::Said(format!(
                    "{system:?}: r* is NA in {:.0} % of bags",
                    100.0 * share
                )));
            }
            BagProgress::Complex(KbProgress::Epoch(record)) => {
                observe(TrainEvent::Said(format!("ComplEx {}", record.in_words())));
            }
            _ => {}
        },
        cancelled: around.cancelled,
    })?;
    let TrainedBank::Finished(trained) = trained else {
        return Ok(None);
    };
    let (bank, report) = *trained;
    let mut card: serde_json::Value =
        serde_json::from_slice(&loaded.card).unwrap_or_else(|_| serde_json::json!({}));
    card["bags"] = serde_json::to_value(&report)?;
    card["stored_as"] = serde_json::to_value(options.precision)?;
    let mut files = model_files(
        &loaded.config,
        &loaded.tokens,
        &loaded.tensors,
        &card,
        options.precision,
    )?;
    files.extend(bank.files(options.precision)?);
    files.extend(bags.base.source().read_those(&mutual::bank::FILES)?);
    replace_dir(&options.out, CONFIG, &files)?;
    BagWork::remove(bags.keep.dir)?;
    Ok(Some(card))
}

/// An event for a progress display.
pub enum TrainProgress {
    Line(String),
    Step { step: u64, total: u64, text: String },
}

pub fn in_words(event: &TrainEvent) -> TrainProgress {
    match event {
        TrainEvent::Said(text) => TrainProgress::Line(text.clone()),
        TrainEvent::Fit(FitEvent::Resumed { epoch, step }) => {
            TrainProgress::Line(format!("resumed after epoch {epoch}, step {step}"))
        }
        TrainEvent::Fit(FitEvent::Step {
            epoch,
            step,
            total,
            loss,
            items_per_second,
            ..
        }) => TrainProgress::Step {
            step: *step,
            total: *total,
            text: format!("epoch {epoch} · loss {loss:.3} · {items_per_second:.1} sentences/s"),
        },
        TrainEvent::Fit(FitEvent::Epoch {
            epoch,
            loss,
            score,
            best,
            seconds,
        }) => {
            let score = score.map_or(String::new(), |s| format!(", dev F1 {s:.4}"));
            let best = if *best { " (best so far)" } else { "" };
            TrainProgress::Line(format!(
                "epoch {epoch}: loss {loss:.4}{score}{best}, {seconds:.0} s"
            ))
        }
        TrainEvent::Fit(FitEvent::Saved { step }) => {
            TrainProgress::Line(format!("checkpoint at step {step}"))
        }
    }
}
