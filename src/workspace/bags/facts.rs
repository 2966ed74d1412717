//! Facts as numbered rows, and ComplEx tables learned from them: for the bag systems and for `redress kb train`.

use crate::domain::{Sentence, SentenceIdx};
use crate::kb::{Direction, KnowledgeBase, RelationMap, pairs_in_text};
use crate::model::complex::link::{KnownFacts, LinkQuality, filtered_quality};
use crate::model::complex::one_vs_all::{self, EpochRecord, Heard, OneVsAllConfig, Validation};
use crate::model::complex::pretrain::{self, pretrain};
use crate::model::complex::saved::SavedTables;
use crate::model::complex::{ComplexConfig, ComplexTables, Fact};
use crate::model::files::short_hash;
use crate::store::Reader;
use crate::workspace::bags::mentions::standing_page;
use crate::workspace::knowledge::Knowledge;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::time::Instant;

/// Facts held out of ComplEx at most, whatever the share (the released code's number).
const MAX_HELD_OUT: f64 = 10_000.0;

/// How ComplEx learns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KbLearner {
    /// Softmax over all entities, reciprocal relations, N3.
    #[default]
    OneVsAll,
    /// As HRERE's authors did (Xu & Barbosa 2019).
    NegativeSampling,
}

/// Settings of ComplEx, as a table of a TOML file.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KbSettings {
    pub learner: KbLearner,
    /// `None`: [`OneVsAllConfig::for_facts`].
    pub one_vs_all: Option<OneVsAllConfig>,
    /// `None`: [`ComplexConfig::for_facts`].
    pub negative_sampling: Option<ComplexConfig>,
}

impl KbSettings {
    /// `one-vs-all`, or `negative-sampling`: the settings of the paper.
    pub fn preset(name: &str) -> Result<Self> {
        let learner = match name {
            "one-vs-all" => KbLearner::OneVsAll,
            "negative-sampling" => KbLearner::NegativeSampling,
            other => bail!(
                "there are no ComplEx settings named {other:?}; expected `one-vs-all` or `negative-sampling`"
            ),
        };
        Ok(Self {
            learner,
            ..Self::default()
        })
    }
}

/// What the caller hears while tables are learned.
#[derive(Clone, Debug)]
pub enum KbProgress {
    Step {
        step: usize,
        steps: usize,
        loss: f32,
    },
    Epoch(EpochRecord),
}

/// Facts to learn from. Rows must exist.
#[derive(Clone, Copy)]
pub struct FactData<'a> {
    pub facts: &'a [Fact],
    pub n_entities: usize,
    pub n_relations: usize,
    /// Selects the epoch of 1-vs-all.
    pub valid: &'a [Fact],
    /// Left out of the ranks of `valid`.
    pub known: &'a KnownFacts,
}

/// Tables and how they came about.
#[derive(Clone, Debug)]
pub struct LearnedTables {
    pub tables: ComplexTables,
    pub run: KbRun,
}

/// One run of ComplEx, for the card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KbRun {
    pub learner: KbLearner,
    pub settings: serde_json::Value,
    /// Empty for negative sampling, which knows no epochs.
    pub curve: Vec<EpochRecord>,
    /// Counts from 1; 0 for negative sampling.
    pub best_epoch: usize,
    pub seconds: f64,
    /// Of the selected epoch on the validation facts; `None` without any.
    pub valid: Option<LinkQuality>,
}

/// Learns tables; `None` when stopped.
pub fn learn(
    data: FactData,
    settings: &KbSettings,
    seed: u64,
    observe: &mut dyn FnMut(KbProgress),
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<LearnedTables>> {
    let began = Instant::now();
    let go_on = || {
        if cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let (n_entities, n_relations) = (data.n_entities, data.n_relations);
    let mut run = KbRun {
        learner: settings.learner,
        ..KbRun::default()
    };
    let (tables, ended) = match settings.learner {
        KbLearner::OneVsAll => {
            let mut config = settings.one_vs_all.clone();
            let config = config.get_or_insert_with(|| OneVsAllConfig::for_facts(data.facts.len()));
            config.seed = seed;
            run.settings = serde_json::to_value(&config)?;
            let valid = Validation {
                facts: data.valid,
                known: data.known,
            };
            let valid = (!data.valid.is_empty()).then_some(valid);
            let mut hear = |heard: Heard| {
                observe(match heard {
                    Heard::Step { step, steps, loss } => KbProgress::Step { step, steps, loss },
                    Heard::Epoch(record) => KbProgress::Epoch(*record),
                });
                go_on()
            };
            let learned = one_vs_all::train(
                data.facts,
                n_entities,
                n_relations,
                config,
                valid,
                &mut hear,
            )?;
            (run.curve, run.best_epoch) = (learned.curve, learned.best_epoch);
            (learned.tables, learned.ended)
        }
        KbLearner::NegativeSampling => {
            let mut config = settings.negative_sampling.clone();
            let config = config.get_or_insert_with(|| ComplexConfig::for_facts(data.facts.len()));
            config.seed = seed;
            run.settings = serde_json::to_value(&config)?;
            let mut hear = |p: pretrain::Progress| {
                observe(KbProgress::Step {
                    step: p.step,
                    steps: p.steps,
                    loss: p.loss,
                });
                go_on()
            };
            pretrain(data.facts, n_entities, n_relations, config, &mut hear)?
        }
    };
    if ended != pretrain::Ended::Complete {
        return Ok(None);
    }
    run.seconds = began.elapsed().as_secs_f64();
    if !data.valid.is_empty() {
        run.valid = Some(filtered_quality(&tables, data.valid, data.known));
    }
    Ok(Some(LearnedTables { tables, run }))
}

/// Hash of named facts, whatever their order.
pub fn facts_hash<E: AsRef<str>, R: AsRef<str>>(
    facts: &[Fact],
    entities: &[E],
    relations: &[R],
) -> String {
    let mut lines: Vec<[&str; 3]> = facts
        .iter()
        .map(|f| {
            [
                entities[f.head as usize].as_ref(),
                relations[f.relation as usize].as_ref(),
                entities[f.tail as usize].as_ref(),
            ]
        })
        .collect();
    lines.sort_unstable();
    let parts = lines
        .iter()
        .flatten()
        .flat_map(|part| [part.as_bytes(), b"\n"]);
    format!("{:016x}", short_hash(parts))
}

/// ComplEx and its facts, for the model card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FactsReport {
    /// In the knowledge base.
    pub known: usize,
    /// Pairs of the text, and facts between them, that were taken out; either direction.
    pub dropped_pairs: usize,
    pub dropped_facts: usize,
    /// Facts learned from, after the relation map.
    pub learned: usize,
    /// Facts held out, which select the epoch and are ranked, tail and head.
    pub held_out: usize,
    pub run: KbRun,
}

/// Facts as rows: entities by the knowledge base's order, relations by name.
pub struct FactRows {
    kb: KnowledgeBase,
    pub relations: Vec<String>,
    /// Row and direction for each relation of the knowledge base.
    targets: Vec<Vec<(u32, Direction)>>,
    report: FactsReport,
}

impl FactRows {
    /// The workspace's facts without those between entities that some sentence names together.
    pub fn new(reader: &Reader, knowledge: &Knowledge, map: &RelationMap) -> Result<Self> {
        let mut pairs = HashSet::new();
        let mut next = Some(SentenceIdx(0));
        while let Some(from) = next {
            let page = standing_page(reader, from)?;
            let sentences: Vec<&Sentence> = page.sentences.iter().map(|(s, _)| s).collect();
            pairs.extend(pairs_in_text(sentences, &knowledge.kb, &knowledge.linker));
            next = page.next;
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

    /// Ids of the entity rows.
    pub fn entities(&self) -> Vec<&str> {
        self.kb.entities().map(|e| &**self.kb.id(e)).collect()
    }

    /// Row of each class; `None` for a class without facts, NA always.
    pub fn class_rows(&self, classes: &[String]) -> Vec<Option<u32>> {
        let row = |class: &String| self.relations.binary_search(class).ok().map(|r| r as u32);
        classes.iter().map(row).collect()
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

    /// Hash of all facts that may be learned or held out.
    pub fn hash(&self) -> String {
        let facts = self.rows(self.kb.facts());
        facts_hash(&facts, &self.entities(), &self.relations)
    }

    /// Learns tables, holding out `share` of the facts; `None` when stopped.
    pub fn learn(
        &self,
        knowledge: &Knowledge,
        share: f64,
        settings: &KbSettings,
        seed: u64,
        observe: &mut dyn FnMut(KbProgress),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<(ComplexTables, FactsReport)>> {
        let share = share.min(MAX_HELD_OUT / self.kb.n_facts().max(1) as f64);
        let split = self.kb.hold_out(share, seed);
        let facts = self.rows(split.rest.facts());
        if facts.is_empty() {
            bail!(
                "all {} facts of the knowledge base are between entities that the text names together; ComplEx has nothing to learn from, add a larger knowledge base",
                self.report.known
            );
        }
        let learned: HashSet<Fact> = facts.iter().copied().collect();
        let mut held_out = self.rows(&split.held_out);
        held_out.retain(|f| !learned.contains(f)); // two relations of the base may have one target
        let known: KnownFacts = self.rows(knowledge.kb.facts()).into_iter().collect();
        let mut report = FactsReport {
            learned: facts.len(),
            held_out: held_out.len(),
            ..self.report.clone()
        };
        let data = FactData {
            facts: &facts,
            n_entities: self.kb.n_entities(),
            n_relations: self.relations.len(),
            valid: &held_out,
            known: &known,
        };
        let learned = learn(data, settings, seed, observe, cancelled)?;
        Ok(learned.map(|learned| {
            report.run = learned.run;
            (learned.tables, report)
        }))
    }

    /// Tables with the names of their rows, for [`FactRows::take`] of a later run.
    pub fn saved(&self, tables: ComplexTables, report: &FactsReport) -> Result<SavedTables> {
        let entities = self.entities().into_iter().map(str::to_owned).collect();
        let card = serde_json::to_value(report)?;
        let facts = (report.learned + report.held_out, self.hash());
        Ok(SavedTables::new(
            tables,
            entities,
            self.relations.clone(),
            facts,
            card,
        ))
    }

    /// Tables that were learned from exactly these facts earlier; `place` names them.
    pub fn take(&self, saved: &SavedTables, place: &str) -> Result<(ComplexTables, FactsReport)> {
        if saved.config.facts_hash != self.hash() {
            bail!(
                "{place}: these tables were learned from other facts than this workspace's without the pairs that its text names, so they may know the labels; make them with `redress kb train --workspace DIR --out {place}`"
            );
        }
        let Some(tables) = saved.in_order(&self.entities(), &self.relations) else {
            bail!("{place}: an entity or a relation of this workspace has no row");
        };
        let report = serde_json::from_value(saved.config.card.clone())
            .with_context(|| format!("{place}: its card is not one of a workspace's tables"))?;
        Ok((tables, report))
    }

    pub fn report(&self) -> &FactsReport {
        &self.report
    }
}
