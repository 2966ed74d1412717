//! From a labelled workspace to a [`BagBank`]: facts without the text's pairs -> ComplEx -> base, naive and full.
//!
//! ComplEx must not know a label: every pair of entities that some sentence names together (any split, either order)
//! leaves the facts first, and the report counts them (Xu & Barbosa 2019, section 4.1; specs: hrere 3).

use super::mentions::{EntityNumbers, MentionCounts, Mentions, Negatives, collect, standing_page};
use crate::domain::{RelationSchema, Sentence, SentenceIdx, Split};
use crate::kb::{Direction, KnowledgeBase, RelationMap, pairs_in_text};
use crate::model::bags::{BagBank, BankConfig, NA};
use crate::model::complex::link::{KnownFacts, filtered_quality};
use crate::model::complex::pretrain::{self, pretrain};
use crate::model::complex::{ComplexConfig, ComplexTables, Fact, TableInit};
use crate::model::hrere::bags::{sentence_bags, training_bags};
use crate::model::hrere::{Bag, BagSource, HrereConfig, System};
use crate::model::sentence::SentenceModel;
use crate::model::words::{PieceVectors, SentenceVectors};
use crate::store::Reader;
use crate::train::bags::{BagData, BagEvent, BagOptions, BagSurroundings, train_all};
use crate::train::checkpoint::{Checkpoint, RunRecord};
use crate::train::fit::{Ended, FitError, FitOptions};
use crate::workspace::knowledge::Knowledge;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;

/// Facts held out of ComplEx at most, whatever the share (the released code's number).
const MAX_HELD_OUT: f64 = 10_000.0;
/// Held-out facts that are ranked: each costs two passes over all entities.
const MAX_RANKED: usize = 1000;

/// Settings of a run, as tables of a TOML file. The default is [`BagSettings::demo`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BagSettings {
    /// NA mentions a positive mention; see [`super::mentions`].
    pub negatives: f64,
    /// Share of the facts that ComplEx does not see, for its report.
    pub held_out: f64,
    /// Knowledge bases of more entities get joint tables for the entities of the text only.
    pub max_joint_entities: usize,
    /// `word_dim` is taken from the sentence model, whatever stands here.
    pub hrere: HrereConfig,
    /// `None`: [`ComplexConfig::for_facts`] of the facts that are left.
    pub complex: Option<ComplexConfig>,
    pub train: BagOptions,
}

impl Default for BagSettings {
    fn default() -> Self {
        Self::demo()
    }
}

impl BagSettings {
    /// Smaller and faster than the paper's: BiLSTM of 128 units, batches of 32 at rate 1e-3 with a clip.
    pub fn demo() -> Self {
        let paper = Self::paper();
        Self {
            hrere: HrereConfig {
                hidden: 128,
                dense: 96,
                ..paper.hrere
            },
            train: BagOptions {
                fit: FitOptions {
                    epochs: 20,
                    batch: 32,
                    clip: 5.0,
                    patience: 4,
                    ..paper.train.fit
                },
                text_rate: 1e-3,
                ..paper.train
            },
            ..paper
        }
    }

    /// Sizes and rates of Xu & Barbosa (2019).
    pub fn paper() -> Self {
        Self {
            negatives: 2.0,
            held_out: 0.05,
            max_joint_entities: 50_000,
            hrere: HrereConfig::default(),
            complex: None,
            train: BagOptions::default(),
        }
    }

    /// `demo` or `paper`.
    pub fn preset(name: &str) -> Result<Self> {
        match name {
            "demo" => Ok(Self::demo()),
            "paper" => Ok(Self::paper()),
            other => bail!("there are no bag settings named {other:?}; expected `demo` or `paper`"),
        }
    }

    /// Sets the seed of every random choice.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.train.fit.seed = seed;
        if let Some(complex) = &mut self.complex {
            complex.seed = seed;
        }
        self
    }

    fn seed(&self) -> u64 {
        self.train.fit.seed
    }
}

/// What the caller hears while a bank is trained.
#[derive(Clone, Debug)]
pub enum BagProgress {
    /// One line for the log: what was gathered, what ComplEx reached.
    Note(String),
    Complex(pretrain::Progress),
    Bags(BagEvent),
}

/// What goes in and who listens.
pub struct BagTraining<'a> {
    pub reader: &'a Reader,
    /// Its piece table makes the word vectors; it is not changed.
    pub model: &'a SentenceModel,
    /// From the relations of the knowledge base to those of the schema; facts without a target keep their own relation.
    pub map: &'a RelationMap,
    pub settings: &'a BagSettings,
    pub observe: &'a mut dyn FnMut(BagProgress),
    pub cancelled: &'a dyn Fn() -> bool,
    /// Where each system's checkpoint goes; `&|_| Ok(None)` keeps none.
    pub checkpoint: &'a dyn Fn(System) -> Result<Option<Checkpoint>, FitError>,
}

/// How training ended.
pub enum TrainedBank {
    Finished(Box<(BagBank, BagReport)>),
    /// Stopped on request. Checkpoints, if any were kept, continue it: the earlier steps are made anew, to the same bits.
    Stopped,
}

/// What training saw and reached, for the model card.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BagReport {
    pub facts: FactsReport,
    pub classes: Vec<String>,
    pub train: MentionCounts,
    pub dev: MentionCounts,
    /// Training bags, and those of them that are NA.
    pub bags: usize,
    pub na_bags: usize,
    pub systems: Vec<(String, RunRecord)>,
}

/// ComplEx and its facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FactsReport {
    /// In the knowledge base.
    pub known: usize,
    /// Pairs of the text, and facts between them, that were taken out; either direction.
    pub dropped_pairs: usize,
    pub dropped_facts: usize,
    /// Facts learned from, after the relation map.
    pub learned: usize,
    pub held_out: usize,
    /// Held-out facts that were ranked, tail and head.
    pub ranked: usize,
    pub filtered_mrr: f64,
    pub hits_at_1: f64,
    pub hits_at_10: f64,
}

/// Trains the three systems. Errors say what the workspace lacks.
pub fn train_bags(training: BagTraining) -> Result<TrainedBank> {
    let BagTraining {
        reader,
        model,
        map,
        settings,
        observe,
        cancelled,
        checkpoint,
    } = training;
    let Some(knowledge) = Knowledge::load(reader)? else {
        bail!(
            "bag systems need a knowledge base; add one with `redress kb import TRIPLES --names FILE`, then `redress label`"
        );
    };
    let scale = PieceVectors::natural_scale(model)?;
    let vectors = PieceVectors::new(model, scale);
    let config = HrereConfig {
        word_dim: vectors.width(),
        ..settings.hrere.clone()
    };
    config.check().context("settings of the bag models")?;
    let schema = reader.schema()?;
    let data = gather(reader, &knowledge.kb, &schema, &config, settings)?;
    observe(BagProgress::Note(data.describe()));
    let rows = FactRows::new(reader, &knowledge, map)?;
    let mut report = BagReport {
        facts: rows.report.clone(),
        classes: data.classes.clone(),
        train: data.train.counts,
        dev: data.dev.counts,
        bags: data.train_bags.len(),
        na_bags: data.train_bags.iter().filter(|b| b.relation == 0).count(),
        systems: Vec::new(),
    };
    let learned = learn_facts(&rows, &knowledge, settings, observe, cancelled)?;
    let Some((tables, facts)) = learned else {
        return Ok(TrainedBank::Stopped);
    };
    report.facts = facts;
    let joint = joint_rows(&knowledge.kb, &data, settings);
    let class_rows: Vec<Option<u32>> = data.classes.iter().map(|c| rows.relation(c)).collect();
    let unknown = TableInit::Uniform01; // as in the released code
    let initial = tables.restrict(&joint, &class_rows, unknown, settings.seed());
    let kb_rows = (0u32..).zip(&joint).map(|(row, e)| (*e, row)).collect();
    let sentences = [data.train.sentences, data.dev.sentences].concat();
    let words = SentenceVectors {
        vectors: &vectors,
        sentences: &sentences,
    };
    let mentions = [data.train.mentions, data.dev.mentions].concat();
    let bag_data = BagData {
        source: BagSource {
            mentions: &mentions,
            vectors: &words,
            kb_rows: &kb_rows,
        },
        train: &data.train_bags,
        dev: &data.dev_bags,
        n_classes: data.classes.len(),
        tables: &initial,
    };
    let mut hear = |event: BagEvent| observe(BagProgress::Bags(event));
    let mut around = BagSurroundings {
        observe: &mut hear,
        cancelled,
        checkpoint,
    };
    let device = vectors.device();
    let trained = train_all(&config, bag_data, &settings.train, device, &mut around)?;
    if trained.len() < System::ALL.len() || trained.iter().any(|t| t.ended == Ended::Stopped) {
        return Ok(TrainedBank::Stopped);
    }
    let named =
        |t: &crate::train::bags::TrainedBags| (t.system.name().to_owned(), t.record.clone());
    report.systems = trained.iter().map(named).collect();
    let entities = knowledge.kb.entities();
    let bank_config = BankConfig::new(
        config,
        scale,
        data.classes,
        rows.relations,
        entities.map(|e| knowledge.kb.id(e).to_string()).collect(),
        joint,
        &tables,
    );
    let parts: Vec<_> = trained.iter().map(|t| (t.system, &t.params)).collect();
    let bank = BagBank::from_trained(bank_config, &tables, &parts, device)?;
    Ok(TrainedBank::Finished(Box::new((bank, report))))
}

/// Train and dev bags under one list of classes. Dev mentions and sentences are numbered after those of train.
struct Gathered {
    classes: Vec<String>,
    train: Mentions,
    dev: Mentions,
    train_bags: Vec<Bag>,
    dev_bags: Vec<Bag>,
}

impl Gathered {
    fn describe(&self) -> String {
        let (train, dev) = (&self.train.counts, &self.dev.counts);
        format!(
            "{} classes with NA; train: {} positive and {} NA mentions in {} bags; dev: {} and {}; {} labels of unlinked pairs",
            self.classes.len(),
            train.positives,
            train.negatives,
            self.train_bags.len(),
            dev.positives,
            dev.negatives,
            train.unlinked
        )
    }
}

fn gather(
    reader: &Reader,
    kb: &KnowledgeBase,
    schema: &RelationSchema,
    config: &HrereConfig,
    settings: &BagSettings,
) -> Result<Gathered> {
    let mut entities = EntityNumbers::new(kb);
    let negatives = Negatives::PerPositive {
        ratio: settings.negatives,
        seed: settings.seed(),
    };
    let mut of = |split| collect(reader, split, &mut entities, config.max_words, negatives);
    let (mut train, mut dev) = (of(Split::Train)?, of(Split::Dev)?);
    let relations = train.relations();
    if relations.is_empty() {
        bail!(
            "no sentence of the train split has a label between two linked mentions; run `redress label` (the knowledge base must know the corpus's entities)"
        );
    }
    let mut classes = vec![NA.to_owned()];
    classes.extend(relations.iter().map(|r| schema.name(*r).to_owned()));
    let class = |relation| {
        let at = relations.binary_search(&relation).ok()?;
        Some(at as u32 + 1)
    };
    train.renumber(class);
    dev.renumber(class);
    let (sentences, mentions) = (train.sentences.len(), train.mentions.len());
    for mention in &mut dev.mentions {
        mention.sentence += sentences;
    }
    let mut dev_bags = sentence_bags(&dev.mentions);
    for place in dev_bags.iter_mut().flat_map(|bag| &mut bag.mentions) {
        *place += mentions;
    }
    Ok(Gathered {
        classes,
        train_bags: training_bags(&train.mentions, config.bag_size).bags,
        dev_bags,
        train,
        dev,
    })
}

/// Facts as rows: entities by the knowledge base's order, relations by name.
struct FactRows {
    kb: KnowledgeBase,
    relations: Vec<String>,
    /// Row and direction for each relation of the knowledge base.
    targets: Vec<Vec<(u32, Direction)>>,
    report: FactsReport,
}

impl FactRows {
    fn new(reader: &Reader, knowledge: &Knowledge, map: &RelationMap) -> Result<Self> {
        let mut pairs = HashSet::new();
        let mut next = Some(SentenceIdx(0));
        while let Some(from) = next {
            let (page, after) = standing_page(reader, from)?;
            let sentences: Vec<&Sentence> = page.iter().map(|(s, _)| s).collect();
            pairs.extend(pairs_in_text(sentences, &knowledge.kb, &knowledge.linker));
            next = after;
        }
        let (kb, dropped) = knowledge.kb.without_pairs(&pairs);
        let named: Vec<Vec<(String, Direction)>> = kb
            .relations()
            .iter()
            .map(|own| {
                let targets = map.targets(own);
                if targets.is_empty() {
                    return vec![(own.clone(), Direction::Same)];
                }
                targets
                    .into_iter()
                    .map(|t| (t.relation, t.direction))
                    .collect()
            })
            .collect();
        let names: BTreeSet<&String> = named.iter().flatten().map(|(name, _)| name).collect();
        let relations: Vec<String> = names.into_iter().cloned().collect();
        let row = |name: &String| relations.binary_search(name).unwrap_or(0) as u32; // always found
        let targets = named
            .iter()
            .map(|of| of.iter().map(|(name, d)| (row(name), *d)).collect())
            .collect();
        let report = FactsReport {
            known: knowledge.kb.n_facts(),
            dropped_pairs: dropped.pairs,
            dropped_facts: dropped.facts,
            ..FactsReport::default()
        };
        Ok(Self {
            kb,
            relations,
            targets,
            report,
        })
    }

    fn relation(&self, name: &str) -> Option<u32> {
        let found = self.relations.binary_search_by(|r| r.as_str().cmp(name));
        found.ok().map(|row| row as u32)
    }

    /// Distinct, sorted.
    fn rows<'a>(&self, facts: impl IntoIterator<Item = &'a crate::kb::Fact>) -> Vec<Fact> {
        let mut out = Vec::new();
        for fact in facts {
            for &(relation, direction) in &self.targets[fact.relation.index()] {
                let (head, tail) = match direction {
                    Direction::Same => (fact.head.0, fact.tail.0),
                    Direction::Inverse => (fact.tail.0, fact.head.0),
                };
                out.push(Fact {
                    head,
                    relation,
                    tail,
                });
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }
}

/// Tables, and the report with their quality; `None` when stopped.
fn learn_facts(
    rows: &FactRows,
    knowledge: &Knowledge,
    settings: &BagSettings,
    observe: &mut dyn FnMut(BagProgress),
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<(ComplexTables, FactsReport)>> {
    let share = settings
        .held_out
        .min(MAX_HELD_OUT / rows.kb.n_facts().max(1) as f64);
    let split = rows.kb.hold_out(share, settings.seed());
    let facts = rows.rows(split.rest.facts());
    if facts.is_empty() {
        bail!(
            "all {} facts of the knowledge base are between entities that the text names together; ComplEx has nothing to learn from, add a larger knowledge base",
            rows.report.known
        );
    }
    let config = settings.complex.clone().unwrap_or_else(|| ComplexConfig {
        seed: settings.seed(),
        ..ComplexConfig::for_facts(facts.len())
    });
    let mut report = FactsReport {
        learned: facts.len(),
        held_out: split.held_out.len(),
        ..rows.report.clone()
    };
    observe(BagProgress::Note(format!(
        "{} facts; {} of {} pairs in the text taken out; learning {}",
        report.known, report.dropped_facts, report.dropped_pairs, report.learned
    )));
    let mut hear = |progress| {
        observe(BagProgress::Complex(progress));
        if cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let n_entities = rows.kb.n_entities();
    let (tables, ended) = pretrain(&facts, n_entities, rows.relations.len(), &config, &mut hear)?;
    if ended != pretrain::Ended::Complete {
        return Ok(None);
    }
    let held_out = rows.rows(&split.held_out);
    let test = &held_out[..held_out.len().min(MAX_RANKED)];
    let known: KnownFacts = rows.rows(knowledge.kb.facts()).into_iter().collect();
    let quality = filtered_quality(&tables, test, &known);
    report.ranked = test.len();
    (report.filtered_mrr, report.hits_at_1, report.hits_at_10) =
        (quality.mrr, quality.hits_at_1, quality.hits_at_10);
    observe(BagProgress::Note(format!(
        "ComplEx: filtered MRR {:.3}, hits@10 {:.3} on {} held-out facts",
        quality.mrr, quality.hits_at_10, report.ranked
    )));
    Ok(Some((tables, report)))
}

/// Entities that get a row in the joint tables, ascending.
fn joint_rows(kb: &KnowledgeBase, data: &Gathered, settings: &BagSettings) -> Vec<u32> {
    let n = kb.n_entities() as u32;
    if n as usize <= settings.max_joint_entities {
        return (0..n).collect();
    }
    let mentions = data.train.mentions.iter().chain(&data.dev.mentions);
    let named: BTreeMap<u32, ()> = mentions
        .flat_map(|m| [(m.head, ()), (m.tail, ())])
        .filter(|(e, ())| *e < n)
        .collect();
    named.into_keys().collect()
}
