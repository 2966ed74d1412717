//! `redress kb train`: ComplEx tables from files of triples, or from a workspace's facts for its bag systems.

use super::bags::facts::{FactData, FactRows, KbRun, KbSettings, LearnedTables, facts_hash, learn};
pub use super::bags::{KbProgress, facts::KbLearner};
use super::knowledge::{ColumnOrder, Knowledge, relation_map};
use super::training::place_is_free;
use crate::kb::{KnowledgeBase, KnowledgeBaseBuilder, read_triples};
use crate::model::complex::Fact;
pub use crate::model::complex::link::LinkQuality;
use crate::model::complex::link::{KnownFacts, filtered_quality};
use crate::model::complex::saved::{self, SavedTables};
use crate::store::Reader;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

/// Where the facts come from.
#[derive(Clone, Debug)]
pub enum FactSource {
    Files {
        triples: Vec<PathBuf>,
        valid: Option<PathBuf>,
        /// Asked for explicitly; looked at once, at the end.
        test: Option<PathBuf>,
        /// Known facts that are left out of ranks, and neither learned nor ranked.
        filter: Vec<PathBuf>,
        order: ColumnOrder,
    },
    /// A workspace's knowledge base, without the pairs that its text names; a share is held out as validation.
    Workspace { dir: PathBuf, map: String },
}

#[derive(Clone, Debug)]
pub struct KbTrainCommand {
    pub source: FactSource,
    pub out: Option<PathBuf>,
    /// See [`KbSettings::preset`].
    pub preset: String,
    /// A file's name and its TOML text: tables of [`KbSettings`].
    pub settings: Option<(PathBuf, String)>,
    pub dim: Option<usize>,
    pub epochs: Option<usize>,
    pub seed: u64,
}

/// What was learned and how well it ranks.
#[derive(Clone, Debug, Serialize)]
pub struct KbTrainReport {
    /// False: stopped, and nothing was written.
    pub finished: bool,
    pub out: Option<PathBuf>,
    pub facts: usize,
    pub entities: usize,
    pub relations: usize,
    pub protocol: &'static str,
    /// Facts that are left out of ranks: all of these files.
    pub filtered_by: Vec<String>,
    pub run: KbRun,
    /// Median time of an epoch, without validation.
    pub seconds_per_epoch: Option<f64>,
    pub valid: Option<LinkQuality>,
    pub test: Option<LinkQuality>,
}

pub const PROTOCOL: &str = "each fact is asked for its tail and for its head among all entities that the files name; \
    filtered: other known answers are left out; rank = 1 + higher + half of the equal ones";

/// The share of a workspace's facts that is held out.
const HELD_OUT: f64 = 0.05;

/// Runs a [`KbTrainCommand`].
pub fn run(
    command: &KbTrainCommand,
    observe: &mut dyn FnMut(KbProgress),
    cancelled: &dyn Fn() -> bool,
) -> Result<KbTrainReport> {
    let settings = settings(command)?;
    if let Some(out) = &command.out {
        place_is_free(out, saved::CONFIG)?;
    }
    match &command.source {
        FactSource::Files {
            triples,
            valid,
            test,
            filter,
            order,
        } => {
            let held = [valid.as_deref(), test.as_deref()];
            let files = Files::read(triples, held, filter, *order)?;
            files.train(command, &settings, observe, cancelled)
        }
        FactSource::Workspace { dir, map } => {
            of_workspace(command, (dir, map), &settings, observe, cancelled)
        }
    }
}

fn settings(command: &KbTrainCommand) -> Result<KbSettings> {
    let preset = KbSettings::preset(&command.preset)?;
    let mut settings = match &command.settings {
        Some((file, text)) => {
            let read: KbSettings = toml::from_str(text).with_context(|| {
                format!(
                    "{}: these settings do not fit; docs/model.md lists what there is",
                    file.display()
                )
            })?;
            KbSettings {
                learner: preset.learner,
                ..read
            }
        }
        None => preset,
    };
    if settings.learner == KbLearner::NegativeSampling {
        if command.dim.is_some() || command.epochs.is_some() {
            bail!(
                "--dim and --epochs are settings of one-vs-all; give negative-sampling its own in --config FILE, table [negative_sampling]"
            );
        }
    } else if command.dim.is_some() || command.epochs.is_some() {
        let mut own = settings.one_vs_all.take().unwrap_or_default();
        own.dim = command.dim.unwrap_or(own.dim);
        own.epochs = command.epochs.unwrap_or(own.epochs);
        settings.one_vs_all = Some(own);
    }
    Ok(settings)
}

fn of_workspace(
    command: &KbTrainCommand,
    (dir, map): (&Path, &str),
    settings: &KbSettings,
    observe: &mut dyn FnMut(KbProgress),
    cancelled: &dyn Fn() -> bool,
) -> Result<KbTrainReport> {
    let reader = Reader::open(dir)?;
    let Some(knowledge) = Knowledge::load(&reader)? else {
        bail!(
            "{}: this workspace has no knowledge base; add one with `redress kb import TRIPLES --names FILE`",
            dir.display()
        );
    };
    let rows = FactRows::new(&reader, &knowledge, &relation_map(map)?)?;
    let mut report = KbTrainReport {
        finished: false,
        out: None,
        facts: rows.report().known,
        entities: rows.entities().len(),
        relations: rows.relations.len(),
        protocol: PROTOCOL,
        filtered_by: vec![format!("knowledge base of {}", dir.display())],
        run: KbRun::default(),
        seconds_per_epoch: None,
        valid: None,
        test: None,
    };
    let learned = rows.learn(
        &knowledge,
        HELD_OUT,
        settings,
        command.seed,
        observe,
        cancelled,
    )?;
    let Some((tables, facts)) = learned else {
        return Ok(report);
    };
    report.facts = facts.learned;
    report.take(facts.run.clone());
    if let Some(out) = &command.out {
        rows.saved(tables, &facts)?.save(out)?;
        report.out = Some(out.clone());
    }
    Ok(report)
}

impl KbTrainReport {
    fn take(&mut self, run: KbRun) {
        let mut seconds: Vec<f64> = run.curve.iter().map(|e| e.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        self.seconds_per_epoch = seconds.get(seconds.len() / 2).copied();
        self.valid = run.valid;
        self.run = run;
        self.finished = true;
    }
}

/// Facts of several files under one numbering.
struct Files {
    entities: Vec<String>,
    relations: Vec<String>,
    facts: Vec<Fact>,
    valid: Vec<Fact>,
    test: Vec<Fact>,
    filter: Vec<Fact>,
    names: Vec<String>,
}

impl Files {
    fn read(
        triples: &[PathBuf],
        [valid, test]: [Option<&Path>; 2],
        filter: &[PathBuf],
        order: ColumnOrder,
    ) -> Result<Self> {
        let base = |files: &[PathBuf]| -> Result<KnowledgeBase> {
            let mut builder = KnowledgeBaseBuilder::default();
            for file in files {
                let report = read_triples(file, order, &mut builder)?;
                if let Some(problem) = report.problems.kept.first() {
                    bail!(
                        "{problem} ({} such lines); a measurement needs all of its facts",
                        report.problems.count
                    );
                }
            }
            Ok(builder.build().0)
        };
        let one = |file: Option<&Path>| file.into_iter().map(Path::to_owned).collect();
        let groups: [Vec<PathBuf>; 4] = [triples.to_vec(), one(valid), one(test), filter.to_vec()];
        let bases = groups
            .iter()
            .map(|files| base(files))
            .collect::<Result<Vec<_>>>()?;
        let ids: BTreeSet<&str> = bases
            .iter()
            .flat_map(|kb| kb.entities().map(|e| &**kb.id(e)))
            .collect();
        let relations: BTreeSet<&str> = bases
            .iter()
            .flat_map(|kb| kb.relations().iter().map(String::as_str))
            .collect();
        let (ids, relations): (Vec<&str>, Vec<&str>) =
            (ids.into_iter().collect(), relations.into_iter().collect());
        let place = |names: &[&str], name: &str| names.binary_search(&name).unwrap_or(0) as u32; // always found
        let rows = |kb: &KnowledgeBase| -> Vec<Fact> {
            let facts = kb.facts().iter().map(|f| Fact {
                head: place(&ids, kb.id(f.head)),
                relation: place(&relations, kb.relation_name(f.relation)),
                tail: place(&ids, kb.id(f.tail)),
            });
            facts.collect()
        };
        let [facts, valid_facts, test_facts, filter_facts] =
            [0, 1, 2, 3].map(|group| rows(&bases[group]));
        let learned: HashSet<Fact> = facts.iter().copied().collect();
        for (what, held) in [("--valid", &valid_facts), ("--test", &test_facts)] {
            let n = held.iter().filter(|f| learned.contains(f)).count();
            if n > 0 {
                bail!(
                    "{n} facts of {what} are among the facts to learn from; a measurement on them says nothing"
                );
            }
        }
        let names = groups.iter().flatten().map(|f| f.display().to_string());
        Ok(Self {
            names: names.collect(),
            entities: ids.into_iter().map(str::to_owned).collect(),
            relations: relations.into_iter().map(str::to_owned).collect(),
            facts,
            valid: valid_facts,
            test: test_facts,
            filter: filter_facts,
        })
    }

    fn train(
        &self,
        command: &KbTrainCommand,
        settings: &KbSettings,
        observe: &mut dyn FnMut(KbProgress),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<KbTrainReport> {
        let held = self.valid.iter().chain(&self.test);
        let all = self.facts.iter().chain(held).chain(&self.filter);
        let known: KnownFacts = all.copied().collect();
        let mut report = KbTrainReport {
            finished: false,
            out: None,
            facts: self.facts.len(),
            entities: self.entities.len(),
            relations: self.relations.len(),
            protocol: PROTOCOL,
            filtered_by: self.names.clone(),
            run: KbRun::default(),
            seconds_per_epoch: None,
            valid: None,
            test: None,
        };
        let data = FactData {
            facts: &self.facts,
            n_entities: self.entities.len(),
            n_relations: self.relations.len(),
            valid: &self.valid,
            known: &known,
        };
        let learned = learn(data, settings, command.seed, observe, cancelled)?;
        let Some(LearnedTables { tables, run }) = learned else {
            return Ok(report);
        };
        report.take(run);
        if !self.test.is_empty() {
            report.test = Some(filtered_quality(&tables, &self.test, &known));
        }
        if let Some(out) = &command.out {
            report.out = Some(out.clone());
            let hash = facts_hash(&self.facts, &self.entities, &self.relations);
            let (entities, relations) = (self.entities.clone(), self.relations.clone());
            let card = serde_json::to_value(&report)?;
            SavedTables::new(tables, entities, relations, (self.facts.len(), hash), card)
                .save(out)?;
        }
        Ok(report)
    }
}
