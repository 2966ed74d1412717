//! From a labelled workspace to a [`MutualBank`]: proximity graph -> vectors -> base, PA-T, PA-MR, PA-TMR.

use super::entities::EntityBook;
use super::graphs::vectors;
use super::held_out::HeldOut;
use crate::domain::{RelationSchema, Sentence, Split};
use crate::kb::TypesByName;
use crate::model::bags::NA;
use crate::model::files::short_hash;
use crate::model::hrere::bags::training_bags;
use crate::model::hrere::{Bag, BagSource, PairMention};
use crate::model::mutual::bank::{KnownPair, MutualBank, MutualBankConfig};
use crate::model::mutual::{EntityFacts, EntityVectors, MutualConfig, Sizes, System, VectorRows};
use crate::model::params::{Missing, Params};
use crate::model::sentence::SentenceModel;
use crate::model::words::{BagSentence, PieceVectors, SentenceVectors};
use crate::store::Reader;
use crate::train::checkpoint::RunRecord;
use crate::train::fit::{Ended, FitEvent};
use crate::train::mutual::{
    AskedPair, MutualData, MutualOptions, MutualSurroundings, TrainedMutual, asked_pairs,
    train_mutual,
};
use crate::workspace::bags::mentions::{MentionCounts, Mentions, Negatives, collect_by};
use crate::workspace::bags::resume::BagWork;
use crate::workspace::bags::training::Keep;
use crate::workspace::graph::{GraphConfig, GraphReport, LineConfig};
use anyhow::{Context, Result, bail};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Pairs kept for "pairs that stand like this one".
const MAX_PAIRS: usize = 100_000;

/// Settings of a run, as tables of a TOML file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MutualSettings {
    /// NA mentions a positive mention; see [`crate::workspace::bags::mentions`].
    pub negatives: f64,
    /// Of a graph that is made for this run: a file of `redress graph build` keeps its own.
    pub graph: GraphConfig,
    pub line: LineConfig,
    /// Leave dev sentences out of a graph that is made for this run.
    pub leave_out_dev: bool,
    /// Parts of the training sentences, each of which is learned from with a graph that does not count it (see
    /// [`super::held_out`]). 0: with the whole graph. Of a graph that `redress train --graph` names nothing is left out.
    pub parts: usize,
    /// `word_dim` is taken from the sentence model, whatever stands here.
    pub model: MutualConfig,
    pub train: MutualOptions,
}

impl Default for MutualSettings {
    fn default() -> Self {
        Self {
            negatives: 2.0,
            graph: GraphConfig::default(),
            line: LineConfig::default(),
            leave_out_dev: true,
            parts: 10,
            model: MutualConfig::default(),
            train: MutualOptions::default(),
        }
    }
}

impl MutualSettings {
    /// Sets the seed of every random choice.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.train.fit.seed = seed;
        self.line.seed = seed;
        self
    }
}

/// What goes in and who listens.
pub struct MutualTraining<'a> {
    pub reader: &'a Reader,
    pub workspace: &'a Path,
    /// Its piece table makes the word vectors; it is not changed.
    pub model: &'a SentenceModel,
    pub settings: &'a MutualSettings,
    /// A graph file; `None`: the workspace's own if it has one, else one is made.
    pub graph: Option<&'a Path>,
    pub types: Option<&'a TypesByName>,
    /// Where an interrupted run's work is kept; `None` keeps none.
    pub keep: Option<Keep<'a>>,
    pub say: &'a mut dyn FnMut(String),
    pub step: &'a mut dyn FnMut(FitEvent),
    pub cancelled: &'a dyn Fn() -> bool,
}

/// What training saw and reached, for the model card.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MutualReport {
    /// "made for this run", or the file's settings.
    pub graph: String,
    pub made: Option<GraphReport>,
    /// For each part of the training sentences, the mean cosine between an entity's vectors with and without it; empty where nothing was
    /// left out.
    pub parts: Vec<f64>,
    pub vectors: usize,
    pub classes: Vec<String>,
    pub types: Vec<String>,
    pub train: MentionCounts,
    pub dev: MentionCounts,
    /// Training bags; those that are NA; those whose entities both have vectors, and both a type.
    pub bags: usize,
    pub na_bags: usize,
    pub bags_with_vectors: usize,
    pub bags_with_types: usize,
    /// The same bags, each once for every part that has sentences of it; those whose entities both have vectors without that part.
    pub held_out_bags: usize,
    pub held_out_bags_with_vectors: usize,
    /// Dev pairs, and those whose entities both have vectors.
    pub dev_pairs: usize,
    pub dev_pairs_with_vectors: usize,
    pub systems: Vec<(String, RunRecord)>,
}

impl MutualReport {
    pub(super) fn of_file(vectors: &EntityVectors) -> Result<Self> {
        Ok(Self {
            graph: serde_json::to_string(&vectors.about)?,
            vectors: vectors.n_entities(),
            ..Self::default()
        })
    }

    pub(super) fn of_graph(vectors: &EntityVectors, made: GraphReport) -> Self {
        Self {
            graph: "made for this run".to_owned(),
            vectors: vectors.n_entities(),
            made: Some(made),
            ..Self::default()
        }
    }
}

/// Trains the four systems; `None` when stopped. Errors say what the workspace lacks.
pub fn train_systems(training: MutualTraining) -> Result<Option<(MutualBank, MutualReport)>> {
    let MutualTraining {
        reader,
        workspace,
        model,
        settings,
        graph,
        types,
        keep,
        say,
        step,
        cancelled,
    } = training;
    let scale = PieceVectors::natural_scale(model)?;
    let words = PieceVectors::new(model, scale);
    let config = MutualConfig {
        word_dim: words.width(),
        ..settings.model.clone()
    };
    config
        .check()
        .context("settings of the mutual-relation models")?;
    if settings.parts == 1 {
        bail!(
            "mutual.parts is 1, which leaves every training sentence out; expected 0 or at least 2"
        );
    }
    let Some((vectors, held_out, mut report)) =
        vectors(reader, workspace, graph, settings, say, cancelled)?
    else {
        return Ok(None);
    };
    let schema = reader.schema()?;
    let mut bank = MutualBankConfig::new(config.clone(), scale, vec![NA.to_owned()]);
    add_types(&mut bank, types, &schema);
    let mut data = gather(reader, &vectors, &held_out, &mut bank, &schema, settings)?;
    data.describe(&mut report);
    report.classes = bank.classes.clone();
    report.types = bank.types.clone();
    say(in_words(&report));
    let sentence_vectors = SentenceVectors {
        vectors: &words,
        sentences: &data.sentences,
    };
    let to_learn = MutualData {
        source: BagSource {
            mentions: &data.mentions,
            vectors: &sentence_vectors,
            kb_rows: &HashMap::new(),
        },
        entities: &data.facts,
        vectors: held_out.table(),
        train: &data.train,
        dev: &data.dev,
        sizes: Sizes {
            n_classes: bank.classes.len(),
            n_types: bank.types.len(),
            vector_width: vectors.table().width(),
        },
    };
    let work = match keep {
        Some(keep) => {
            let fingerprint = fingerprint(settings, &bank, held_out.table(), &data)?;
            Some(BagWork::open(keep.dir, fingerprint, keep.resume)?)
        }
        None => None,
    };
    let mut learning = Learning {
        config: &config,
        data: to_learn,
        held_out: &data.held_out,
        options: &settings.train,
        device: words.device(),
        work,
        say,
        step,
        cancelled,
    };
    let mut trained = Vec::new();
    for system in System::ALL {
        match learning.system(system)? {
            Some(done) => trained.push(done),
            None => return Ok(None),
        }
    }
    let named = |t: &TrainedMutual| (t.system.name().to_owned(), t.record.clone());
    report.systems = trained.iter().map(named).collect();
    bank.pairs = std::mem::take(&mut data.pairs);
    let parts: Vec<_> = trained.iter().map(|t| (t.system, &t.params)).collect();
    let bank = MutualBank::from_trained(bank, vectors, &parts, words.device())?;
    Ok(Some((bank, report)))
}

/// What each system is trained on and reports to.
struct Learning<'a> {
    config: &'a MutualConfig,
    data: MutualData<'a>,
    /// Training bags of the systems that read the graph.
    held_out: &'a [Bag],
    options: &'a MutualOptions,
    device: &'a Device,
    work: Option<BagWork>,
    say: &'a mut dyn FnMut(String),
    step: &'a mut dyn FnMut(FitEvent),
    cancelled: &'a dyn Fn() -> bool,
}

impl Learning<'_> {
    /// The system as an interrupted run left it, else trained now and kept; `None` when stopped.
    fn system(&mut self, system: System) -> Result<Option<TrainedMutual>> {
        let work = self.work.as_ref();
        let name = system.prefix();
        if let Some((tensors, record)) = work.map(|w| w.done(name)).transpose()?.flatten() {
            return Ok(Some(TrainedMutual {
                system,
                params: Params::from_tensors(tensors, self.device, Missing::Fail)?,
                record,
                ended: Ended::Finished,
            }));
        }
        let (say, step) = (&mut *self.say, &mut *self.step);
        let mut observe = |event: FitEvent| match epoch_in_words(system, &event) {
            Some(text) => say(text),
            None => step(event),
        };
        let around = MutualSurroundings {
            observe: &mut observe,
            cancelled: self.cancelled,
            checkpoint: work.map(|w| w.checkpoint(name)).transpose()?,
        };
        let (config, mut data) = (self.config, self.data);
        if system.uses_mutual() {
            data.train = self.held_out;
        }
        let trained = train_mutual(system, config, data, self.options, self.device, around)?;
        if trained.ended == Ended::Stopped {
            return Ok(None);
        }
        if let Some(work) = work {
            let all = trained.params.all().into_iter();
            let tensors = all.map(|(name, var)| (name, var.as_tensor().detach()));
            work.keep_done(name, &tensors.collect(), &trained.record)?;
        }
        Ok(Some(trained))
    }
}

fn epoch_in_words(system: System, event: &FitEvent) -> Option<String> {
    let FitEvent::Epoch {
        epoch,
        loss,
        score,
        seconds,
        ..
    } = event
    else {
        return None;
    };
    let score = score.map_or(String::new(), |s| format!(", dev {s:.4}"));
    let name = system.name();
    Some(format!(
        "{name} epoch {epoch}: loss {loss:.4}{score}, {seconds:.0} s"
    ))
}

/// Which run this is: settings, classes and types, vectors, bags.
fn fingerprint(
    settings: &MutualSettings,
    bank: &MutualBankConfig,
    vectors: &VectorRows,
    data: &Gathered,
) -> Result<u64> {
    let values: Vec<u8> = vectors
        .values()
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let bags = format!(
        "{:?}{:?}{:?}{:?}",
        data.train, data.held_out, data.dev, data.facts
    );
    Ok(short_hash([
        &serde_json::to_vec(settings)?[..],
        &serde_json::to_vec(bank)?[..],
        &values[..],
        bags.as_bytes(),
    ]))
}

/// The types that the corpus knows and those of a file.
fn add_types(bank: &mut MutualBankConfig, file: Option<&TypesByName>, schema: &RelationSchema) {
    let mut names: BTreeSet<&String> = schema.entity_types().iter().collect();
    names.extend(file.iter().flat_map(|f| f.types.values().flatten()));
    bank.types = names.into_iter().cloned().collect();
    let row = |name: &String| bank.types.binary_search(name).ok().map(|r| r as u32);
    let typed = file.iter().flat_map(|f| &f.types);
    bank.typed = typed
        .map(|(name, types)| (name.clone(), types.iter().filter_map(row).collect()))
        .collect();
}

/// Train and dev under one list of classes.
struct Gathered {
    /// Of train, then of dev.
    sentences: Vec<BagSentence>,
    mentions: Vec<PairMention>,
    /// See [`HeldOut::facts`].
    facts: Vec<EntityFacts>,
    train: Vec<Bag>,
    /// The same by part of the sentences, for systems that read the graph.
    held_out: Vec<Bag>,
    dev: Vec<AskedPair>,
    pairs: Vec<KnownPair>,
    counts: [MentionCounts; 2],
}

impl Gathered {
    fn describe(&self, report: &mut MutualReport) {
        let facts = |entity: u32| &self.facts[entity as usize];
        let both = |bag: &&Bag, has: fn(&EntityFacts) -> bool| {
            has(facts(bag.head)) && has(facts(bag.tail))
        };
        let with = |bags: &[&Bag], has| bags.iter().filter(|b| both(b, has)).count();
        let train: Vec<&Bag> = self.train.iter().collect();
        let dev: Vec<&Bag> = self.dev.iter().map(|p| &p.bag).collect();
        report.bags = train.len();
        report.na_bags = train.iter().filter(|b| b.relation == 0).count();
        let held_out: Vec<&Bag> = self.held_out.iter().collect();
        report.held_out_bags = held_out.len();
        report.held_out_bags_with_vectors = with(&held_out, |f| f.row.is_some());
        report.bags_with_vectors = with(&train, |f| f.row.is_some());
        report.bags_with_types = with(&train, |f| !f.types.is_empty());
        report.dev_pairs = dev.len();
        report.dev_pairs_with_vectors = with(&dev, |f| f.row.is_some());
        [report.train, report.dev] = self.counts;
    }
}

fn in_words(r: &MutualReport) -> String {
    format!(
        "{} classes with NA, {} types; train: {} positive and {} NA mentions in {} bags, {} of them with vectors, {} with types; \
         by parts {} bags, {} with vectors; \
         dev: {} pairs, {} with vectors",
        r.classes.len(),
        r.types.len(),
        r.train.positives,
        r.train.negatives,
        r.bags,
        r.bags_with_vectors,
        r.bags_with_types,
        r.held_out_bags,
        r.held_out_bags_with_vectors,
        r.dev_pairs,
        r.dev_pairs_with_vectors
    )
}

/// Bags of train and pairs of dev; `bank.classes` is filled.
fn gather(
    reader: &Reader,
    vectors: &EntityVectors,
    held_out: &HeldOut,
    bank: &mut MutualBankConfig,
    schema: &RelationSchema,
    settings: &MutualSettings,
) -> Result<Gathered> {
    let (max_words, bag_size) = (bank.model.max_words, bank.model.bag_size);
    let seen = bank.clone();
    let mut book = EntityBook::new(vectors, &seen, schema);
    let mut parts = HashMap::new();
    let mut of = |split, negatives| -> Result<Mentions> {
        let mut number = |s: &Sentence, e: &_| {
            parts.insert(s.id, held_out.part_of(s));
            Some(book.number(s, e))
        };
        collect_by(reader, split, &mut number, max_words, negatives)
    };
    let sampled = Negatives::PerPositive {
        ratio: settings.negatives,
        seed: settings.train.fit.seed,
    };
    let (mut train, mut dev) = (of(Split::Train, sampled)?, of(Split::Dev, Negatives::All)?);
    let relations = train.relations();
    if relations.is_empty() {
        bail!(
            "no sentence of the train split has a label between two mentions; import labelled sentences or run `redress label`"
        );
    }
    let names = relations.iter().map(|r| schema.name(*r).to_owned());
    bank.classes.extend(names);
    let class = |relation| Some(relations.binary_search(&relation).ok()? as u32 + 1);
    train.renumber(class);
    dev.renumber(class);
    let mut bags = training_bags(&train.mentions, bag_size).bags;
    for bag in &mut bags {
        // A pair's sentences as they are: repetition would weigh the first ones more.
        bag.mentions.sort_unstable();
        bag.mentions.dedup();
    }
    let part = |mention: usize| {
        let sentence = train.mentions.get(mention)?.sentence;
        *parts.get(&train.sentences.get(sentence)?.id)?
    };
    let by_part = held_out.split(&bags, book.facts.len(), part);
    let (n_sentences, n_mentions) = (train.sentences.len(), train.mentions.len());
    let mut asked = asked_pairs(&dev.mentions);
    for place in asked.iter_mut().flat_map(|pair| &mut pair.bag.mentions) {
        *place += n_mentions;
    }
    for mention in &mut dev.mentions {
        mention.sentence += n_sentences;
    }
    train.sentences.append(&mut dev.sentences);
    train.mentions.append(&mut dev.mentions);
    let facts = book.facts;
    let known = bags.iter().filter(|b| b.relation != 0).filter_map(|b| {
        Some(KnownPair {
            head: facts[b.head as usize].row?,
            tail: facts[b.tail as usize].row?,
            class: b.relation,
        })
    });
    let known: BTreeSet<KnownPair> = known.collect();
    Ok(Gathered {
        pairs: known.into_iter().take(MAX_PAIRS).collect(),
        sentences: train.sentences,
        mentions: train.mentions,
        facts: held_out.facts(facts),
        train: bags,
        held_out: by_part,
        dev: asked,
        counts: [train.counts, dev.counts],
    })
}
