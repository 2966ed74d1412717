//! From a labelled workspace to a [`BagBank`]: facts without the text's pairs -> ComplEx -> base, naive and full.
//!
//! ComplEx must not know a label: every pair of entities that some sentence names together (any split, either order)
//! leaves the facts first, and the report counts them (Xu & Barbosa 2019, section 4.1; specs: hrere 3).

use super::facts::{FactRows, FactsReport, KbLearner, KbProgress, KbSettings};
use super::mentions::{EntityNumbers, MentionCounts, Negatives, collect};
use super::resume::BagWork;
use crate::domain::Split;
use crate::kb::{KnowledgeBase, RelationMap};
use crate::model::bags::{BagBank, BankConfig, NA};
use crate::model::complex::one_vs_all::OneVsAllConfig;
use crate::model::complex::saved::SavedTables;
use crate::model::complex::{ComplexTables, TableInit};
use crate::model::files::short_hash;
use crate::model::hrere::bags::{sentence_bags, training_bags};
use crate::model::hrere::{Bag, BagSource, HrereConfig, PairMention, System};
use crate::model::params::{Missing, Params};
use crate::model::sentence::SentenceModel;
use crate::model::words::{BagSentence, PieceVectors, SentenceVectors};
use crate::store::Reader;
use crate::train::bags::{
    BagData, BagEvent, BagOptions, BagSurroundings, KbEntities, train_system,
};
use crate::train::checkpoint::RunRecord;
use crate::train::fit::{Ended, FitOptions};
use crate::train::kb_start::{KbExample, KbStart, fit_relations};
use crate::workspace::knowledge::Knowledge;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

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
    /// ComplEx.
    pub kb: KbSettings,
    /// Relation rows of the joint model.
    pub kb_start: KbStart,
    pub train: BagOptions,
}

impl Default for BagSettings {
    fn default() -> Self {
        Self::demo()
    }
}

impl BagSettings {
    /// Smaller and faster than the paper's: BiLSTM of 128 units, batches of 32 at rate 1e-3 with a clip. The knowledge-base
    /// side starts from 1-vs-all tables with fitted relation rows, and entity rows stay fixed.
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
                    epochs: 8,
                    batch: 32,
                    clip: 5.0,
                    patience: 4,
                    ..paper.train.fit
                },
                text_rate: 1e-3,
                kb_rate: 1e-3,
                kb_entities: KbEntities::Fixed,
                ..paper.train
            },
            kb: KbSettings {
                one_vs_all: Some(OneVsAllConfig {
                    dim: 64,
                    epochs: 10,
                    ..OneVsAllConfig::default()
                }),
                ..KbSettings::default()
            },
            kb_start: KbStart::Fitted {
                steps: 300,
                rate: 0.02,
                l2: 0.1,
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
            kb: KbSettings {
                learner: KbLearner::NegativeSampling,
                ..KbSettings::default()
            },
            kb_start: KbStart::Drawn,
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
    Complex(KbProgress),
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
    /// ComplEx tables of `redress kb train`; `None`: they are learned here.
    pub kb_model: Option<&'a Path>,
    /// Where an interrupted run is kept, and a finished one until the caller has its result on disk ([`BagWork::remove`]);
    /// `None` keeps none.
    pub keep: Option<Keep<'a>>,
    pub observe: &'a mut dyn FnMut(BagProgress),
    pub cancelled: &'a dyn Fn() -> bool,
}

/// A folder for an interrupted run, and whether to continue the one that is there.
#[derive(Clone, Copy)]
pub struct Keep<'a> {
    pub dir: &'a Path,
    pub resume: bool,
}

/// How training ended.
pub enum TrainedBank {
    Finished(Box<(BagBank, BagReport)>),
    /// Stopped on request. What [`BagTraining::keep`] holds continues it, to the same bits.
    Stopped,
}

/// What training saw and reached, for the model card.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BagReport {
    pub facts: FactsReport,
    pub classes: Vec<String>,
    pub train: MentionCounts,
    pub dev: MentionCounts,
    /// Training bags, those of them that are NA, and those whose entities both have vectors.
    pub bags: usize,
    pub na_bags: usize,
    pub bags_with_vectors: usize,
    pub systems: Vec<(String, RunRecord)>,
}

/// Trains the three systems. Errors say what the workspace lacks.
pub fn train_bags(mut training: BagTraining) -> Result<TrainedBank> {
    let (reader, model, settings) = (training.reader, training.model, training.settings);
    let Some(knowledge) = Knowledge::load(reader)? else {
        bail!(
            "bag systems need a knowledge base; add one with `redress kb import TRIPLES --names FILE`, then `redress label`"
        );
    };
    let scale = PieceVectors::natural_scale(model)?;
    let vectors = PieceVectors::new(model, scale);
    let hrere = HrereConfig {
        word_dim: vectors.width(),
        ..settings.hrere.clone()
    };
    hrere.check().context("settings of the bag models")?;
    let data = gather(reader, &knowledge.kb, &hrere, settings)?;
    training.note(data.describe());
    let rows = FactRows::new(reader, &knowledge, training.map)?;
    let work = match training.keep {
        Some(keep) => {
            let fingerprint = fingerprint(&data, &rows, settings, &hrere, scale)?;
            Some(BagWork::open(keep.dir, fingerprint, keep.resume)?)
        }
        None => None,
    };
    let Some((tables, facts)) = training.tables(&rows, &knowledge, work.as_ref())? else {
        return Ok(TrainedBank::Stopped);
    };
    let joint = joint_rows(&knowledge.kb, &data, settings);
    let kb_rows: HashMap<u32, u32> = (0u32..).zip(&joint).map(|(row, e)| (*e, row)).collect();
    let initial = tables.restrict(
        &joint,
        &rows.class_rows(&data.classes),
        TableInit::Uniform01,
        settings.seed(),
    );
    let start = Start {
        initial: training.fitted(initial, &data.kb_examples(&kb_rows))?,
        kb_rows,
        vectors: &vectors,
        hrere: &hrere,
    };
    let Some(trained) = training.systems(&data, &start, work.as_ref())? else {
        return Ok(TrainedBank::Stopped);
    };
    let report = data.report(facts, &start.kb_rows, &trained);
    let entities = knowledge.kb.entities();
    let ids = entities.map(|e| knowledge.kb.id(e).to_string()).collect();
    let names = rows.relations;
    let config = BankConfig::new(
        hrere.clone(),
        scale,
        data.classes,
        names,
        ids,
        joint,
        &tables,
    );
    let config = match settings.train.kb_entities {
        KbEntities::Fixed => config.sharing_entities(),
        KbEntities::Trained => config,
    };
    let parts: Vec<_> = trained.iter().map(|t| (t.system, &t.params)).collect();
    let bank = BagBank::from_trained(config, &tables, &parts, vectors.device())?;
    Ok(TrainedBank::Finished(Box::new((bank, report))))
}

impl BagTraining<'_> {
    fn note(&mut self, text: String) {
        (self.observe)(BagProgress::Note(text));
    }

    /// ComplEx: as learned earlier, else learned now and kept; `None` when stopped.
    fn tables(
        &mut self,
        rows: &FactRows,
        knowledge: &Knowledge,
        work: Option<&BagWork>,
    ) -> Result<Option<(ComplexTables, FactsReport)>> {
        let kept = work.map(BagWork::tables).transpose()?.flatten();
        let found = match (kept, self.kb_model) {
            (Some(kept), _) => Some((kept, "the interrupted run".to_owned())),
            (None, Some(dir)) => Some((SavedTables::load(dir)?, dir.display().to_string())),
            (None, None) => None,
        };
        let learned = match found {
            Some((saved, place)) => Some(rows.take(&saved, &place)?),
            None => {
                let (settings, seed) = (&self.settings.kb, self.settings.seed());
                let share = self.settings.held_out;
                let known = rows.report();
                (self.observe)(BagProgress::Note(format!(
                    "{} facts; {} of {} pairs in the text taken out",
                    known.known, known.dropped_facts, known.dropped_pairs
                )));
                let observe = &mut *self.observe;
                let mut hear = |progress| observe(BagProgress::Complex(progress));
                rows.learn(knowledge, share, settings, seed, &mut hear, self.cancelled)?
            }
        };
        let Some((tables, report)) = learned else {
            return Ok(None);
        };
        if let Some(work) = work {
            work.keep_tables(&rows.saved(tables.clone(), &report)?)?;
        }
        let quality = report.run.valid.map_or(String::new(), |q| {
            format!(
                ": filtered MRR {:.3}, hits@10 {:.3} on {} held-out facts",
                q.mrr, q.hits_at_10, report.held_out
            )
        });
        let learned = report.learned;
        self.note(format!("ComplEx of {learned} facts{quality}"));
        Ok(Some((tables, report)))
    }

    /// Relation rows fitted to the training bags, where the settings say so.
    fn fitted(&mut self, initial: ComplexTables, examples: &[KbExample]) -> Result<ComplexTables> {
        let KbStart::Fitted { steps, rate, l2 } = self.settings.kb_start else {
            return Ok(initial);
        };
        let (fitted, loss) = fit_relations(&initial, examples, (steps, rate, l2))?;
        self.note(format!(
            "relation rows fitted to {} training bags with vectors: J_G {loss:.3}",
            examples.len()
        ));
        Ok(fitted)
    }

    /// base, naive, full, each from the same seed and tables; `None` when stopped.
    fn systems(
        &mut self,
        data: &Gathered,
        start: &Start,
        work: Option<&BagWork>,
    ) -> Result<Option<Vec<TrainedSystem>>> {
        let words = SentenceVectors {
            vectors: start.vectors,
            sentences: &data.sentences,
        };
        let bags = BagData {
            source: BagSource {
                mentions: &data.mentions,
                vectors: &words,
                kb_rows: &start.kb_rows,
            },
            train: &data.train_bags,
            dev: &data.dev_bags,
            n_classes: data.classes.len(),
            tables: &start.initial,
        };
        let device = start.vectors.device();
        let mut out = Vec::new();
        for system in System::ALL {
            if let Some((tensors, record)) =
                work.map(|w| w.done(system.name())).transpose()?.flatten()
            {
                let params = Params::from_tensors(tensors, device, Missing::Fail)?;
                out.push(TrainedSystem {
                    system,
                    params,
                    record,
                });
                continue;
            }
            let observe = &mut *self.observe;
            let mut around = BagSurroundings {
                observe: &mut |event| observe(BagProgress::Bags(event)),
                cancelled: self.cancelled,
                checkpoint: &|system| Ok(work.map(|w| w.checkpoint(system.name())).transpose()?),
            };
            let options = &self.settings.train;
            let trained = train_system(system, start.hrere, bags, options, device, &mut around)?;
            if trained.ended == Ended::Stopped {
                return Ok(None);
            }
            let (params, record) = (trained.params, trained.record);
            if let Some(work) = work {
                let all = params.all().into_iter();
                let tensors = all.map(|(name, var)| (name, var.as_tensor().detach()));
                work.keep_done(system.name(), &tensors.collect(), &record)?;
            }
            out.push(TrainedSystem {
                system,
                params,
                record,
            });
        }
        Ok(Some(out))
    }
}

/// Where the three systems start.
struct Start<'a> {
    /// Tables of the joint model.
    initial: ComplexTables,
    kb_rows: HashMap<u32, u32>,
    vectors: &'a PieceVectors,
    hrere: &'a HrereConfig,
}

struct TrainedSystem {
    system: System,
    params: Params,
    record: RunRecord,
}

/// Which run this is: settings, bags, facts and word vectors.
fn fingerprint(
    data: &Gathered,
    rows: &FactRows,
    settings: &BagSettings,
    hrere: &HrereConfig,
    scale: f32,
) -> Result<u64> {
    let bags = format!("{:?}{:?}{:?}", data.classes, data.train_bags, data.dev_bags);
    Ok(short_hash([
        &serde_json::to_vec(&(settings, hrere))?[..],
        bags.as_bytes(),
        rows.hash().as_bytes(),
        &scale.to_le_bytes(),
    ]))
}

/// Train and dev bags under one list of classes.
struct Gathered {
    classes: Vec<String>,
    /// Of train, then of dev.
    sentences: Vec<BagSentence>,
    mentions: Vec<PairMention>,
    train: MentionCounts,
    dev: MentionCounts,
    train_bags: Vec<Bag>,
    dev_bags: Vec<Bag>,
}

impl Gathered {
    fn describe(&self) -> String {
        let (train, dev) = (&self.train, &self.dev);
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

    /// Training bags whose entities both have vectors.
    fn kb_examples(&self, kb_rows: &HashMap<u32, u32>) -> Vec<KbExample> {
        let row = |entity: u32| kb_rows.get(&entity).copied();
        let example = |bag: &Bag| {
            Some(KbExample {
                head: row(bag.head)?,
                tail: row(bag.tail)?,
                class: bag.relation,
            })
        };
        self.train_bags.iter().filter_map(example).collect()
    }

    fn report(
        &self,
        facts: FactsReport,
        kb_rows: &HashMap<u32, u32>,
        trained: &[TrainedSystem],
    ) -> BagReport {
        let named = |t: &TrainedSystem| (t.system.name().to_owned(), t.record.clone());
        BagReport {
            facts,
            classes: self.classes.clone(),
            train: self.train,
            dev: self.dev,
            bags: self.train_bags.len(),
            na_bags: self.train_bags.iter().filter(|b| b.relation == 0).count(),
            bags_with_vectors: self.kb_examples(kb_rows).len(),
            systems: trained.iter().map(named).collect(),
        }
    }
}

fn gather(
    reader: &Reader,
    kb: &KnowledgeBase,
    config: &HrereConfig,
    settings: &BagSettings,
) -> Result<Gathered> {
    let schema = reader.schema()?;
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
    let (n_sentences, n_mentions) = (train.sentences.len(), train.mentions.len());
    for mention in &mut dev.mentions {
        mention.sentence += n_sentences;
    }
    let mut dev_bags = sentence_bags(&dev.mentions);
    for place in dev_bags.iter_mut().flat_map(|bag| &mut bag.mentions) {
        *place += n_mentions;
    }
    let train_bags = training_bags(&train.mentions, config.bag_size).bags;
    train.sentences.append(&mut dev.sentences);
    train.mentions.append(&mut dev.mentions);
    Ok(Gathered {
        classes,
        sentences: train.sentences,
        mentions: train.mentions,
        train: train.counts,
        dev: dev.counts,
        train_bags,
        dev_bags,
    })
}

/// Entities that get a row in the joint tables, ascending.
fn joint_rows(kb: &KnowledgeBase, data: &Gathered, settings: &BagSettings) -> Vec<u32> {
    let n = kb.n_entities() as u32;
    if n as usize <= settings.max_joint_entities {
        return (0..n).collect();
    }
    let named: BTreeSet<u32> = data
        .mentions
        .iter()
        .flat_map(|m| [m.head, m.tail])
        .filter(|e| *e < n)
        .collect();
    named.into_iter().collect()
}
