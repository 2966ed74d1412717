//! The runs whose predictions a workspace keeps, and what changed from one to another.

use super::pass::Pages;
use super::study::PROTOCOL;
use super::{PAGE, Tell, Workspace, rules_of_run, stored_rule};
use crate::analysis::{Change, ChangedRow, Changes, align_sentence};
use crate::domain::{DecisionRule, RunId, Split, Triple};
use crate::store::Reader;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::collections::HashMap;

/// Runs whose predictions are kept: the current one and those that were current last. Those of older runs are dropped when a new run
/// becomes current; its model can predict them again.
pub const KEPT: usize = 3;
const RECENT: &str = "recent runs";

/// A run on record.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RunRow {
    pub run: String,
    pub current: bool,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub systems: String,
    /// Sentences with a prediction that is kept, and its bytes.
    pub predicted: u64,
    pub bytes: u64,
}

/// Every run on record, the latest first.
pub fn runs(reader: &Reader) -> Result<Vec<RunRow>> {
    let current = reader.current_run()?;
    let mut rows = Vec::new();
    for run in reader.runs()?.into_iter().rev() {
        let (predicted, bytes) = reader.kept_of_run(run.id)?;
        let card: serde_json::Value = serde_json::from_str(&run.model).unwrap_or_default();
        rows.push(RunRow {
            run: run.id.to_string(),
            current: current == Some(run.id),
            at_ms: run.at_ms,
            systems: card["systems"].as_str().unwrap_or("unknown").to_owned(),
            predicted,
            bytes,
        });
    }
    Ok(rows)
}

/// The run whose name begins so, if one does and no other.
pub fn run_named(reader: &Reader, name: &str) -> Result<RunId> {
    let known = reader.runs()?.into_iter().map(|r| r.id);
    let mut fitting = known.filter(|id| id.to_string().starts_with(name));
    match (fitting.next(), fitting.next()) {
        (Some(run), None) => Ok(run),
        (None, _) => bail!("no run begins with `{name}`; `redress compare --runs` lists them"),
        (Some(_), Some(_)) => bail!("several runs begin with `{name}`; give more of the name"),
    }
}

/// The latest other run than the current one with predictions.
pub fn previous_run(reader: &Reader) -> Result<Option<RunId>> {
    let current = reader.current_run()?;
    let recent = recent(reader)?.into_iter();
    let recorded = reader.runs()?.into_iter().rev().map(|r| r.id);
    for run in recent.chain(recorded).filter(|r| Some(*r) != current) {
        if reader.kept_of_run(run)?.0 > 0 {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// Runs that were current, the latest first.
fn recent(reader: &Reader) -> Result<Vec<RunId>> {
    let text = reader.setting(RECENT)?.unwrap_or_default();
    let ids = text
        .split(' ')
        .filter_map(|id| u64::from_str_radix(id, 16).ok());
    Ok(ids.map(RunId).collect())
}

impl Workspace {
    /// Notes that `run` is current from now on, and drops the predictions of runs beyond [`KEPT`].
    pub(super) fn note_current(&mut self, run: RunId) -> Result<()> {
        let mut order = recent(self.read())?;
        // What an older version of the program left is in no list.
        if let Some(before) = self.read().current_run()?
            && !order.contains(&before)
        {
            order.insert(0, before);
        }
        order.retain(|r| *r != run);
        order.insert(0, run);
        order.truncate(KEPT);
        let names: Vec<String> = order.iter().map(|r| format!("{:x}", r.0)).collect();
        self.store.set_setting(RECENT, &names.join(" "))?;
        for old in self.read().runs()? {
            if !order.contains(&old.id) && self.read().kept_of_run(old.id)?.0 > 0 {
                self.store.drop_predictions(old.id)?;
            }
        }
        Ok(())
    }

    /// Drops a run's predictions; those of the current run stay.
    pub fn drop_run(&mut self, run: RunId) -> Result<u64> {
        if self.read().current_run()? == Some(run) {
            bail!("{run} is the current run; make another model current first");
        }
        let (n, _) = self.read().kept_of_run(run)?;
        self.store.drop_predictions(run)?;
        self.store.flush()?;
        Ok(n)
    }
}

/// A decision that changed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ChangedDecision {
    pub sentence: String,
    pub native_id: Option<String>,
    /// `fixed` or `broken`.
    pub change: &'static str,
    pub head: String,
    pub relation: String,
    pub tail: String,
    /// The triple is a label that stands.
    pub label: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct RelationChanged {
    pub relation: String,
    pub gold: u64,
    pub f1_before: f64,
    pub f1_after: f64,
    pub gain: f64,
    /// 95 % interval of the gain, by paired bootstrap over sentences.
    pub interval: [f64; 2],
    pub fixed: u64,
    pub broken: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct RunComparison {
    pub protocol: String,
    pub before: String,
    pub after: String,
    /// Sentences that both runs have predicted.
    pub sentences: u64,
    pub all: RelationChanged,
    /// The largest change of F1 first.
    pub relations: Vec<RelationChanged>,
    /// The first of them, in corpus order.
    pub fixed: Vec<ChangedDecision>,
    pub broken: Vec<ChangedDecision>,
    /// What to know of these figures.
    pub notes: Vec<String>,
}

/// Two runs on the sentences that both have predicted, each by its own rule, against the labels that stand. At most `listed` changed
/// decisions of each kind are named. `None` when `tell` stopped it.
pub fn compare_runs(
    reader: &Reader,
    (before, after): (RunId, RunId),
    split: Option<Split>,
    listed: usize,
    tell: Tell,
) -> Result<Option<RunComparison>> {
    let schema = reader.schema()?;
    let mut notes = Vec::new();
    let old = rule_of(reader, before, &mut notes)?;
    let new = rule_of(reader, after, &mut notes)?;
    let mut changes = Changes::default();
    let mut lists: [Vec<ChangedDecision>; 2] = Default::default();
    let total = u64::from(reader.sentence_count()?);
    let (mut done, mut pages) = (0, Pages::start());
    while let Some(page) = pages.next(reader, &new)? {
        if !tell(done, total) {
            return Ok(None);
        }
        done += page.len() as u64;
        let Some((from, _)) = page.first() else {
            continue;
        };
        let of = |run| -> Result<HashMap<_, _>> {
            Ok(reader
                .predictions(run, *from, PAGE as u32)?
                .into_iter()
                .collect())
        };
        let (mut of_before, mut of_after) = (of(before)?, of(after)?);
        for (idx, viewed) in &page {
            let (Some(p), Some(q)) = (of_before.remove(idx), of_after.remove(idx)) else {
                continue;
            };
            let sentence = &viewed.sentence;
            if split.is_some_and(|s| s != sentence.split) {
                continue;
            }
            let aligned = |prediction, rule| align_sentence(&viewed.annotation, prediction, rule);
            for (triple, change) in changes.add(&aligned(&p, &old), &aligned(&q, &new)) {
                let (list, name) = match change {
                    Change::Fixed => (&mut lists[0], "fixed"),
                    Change::Broken => (&mut lists[1], "broken"),
                };
                if list.len() < listed {
                    let is_label =
                        |t: &Triple| viewed.annotation.standing().any(|s| s.triple == *t);
                    list.push(ChangedDecision {
                        sentence: sentence.id.to_string(),
                        native_id: sentence.native_id.as_ref().map(ToString::to_string),
                        change: name,
                        head: sentence.surface(triple.head).to_owned(),
                        relation: schema.name(triple.relation).to_owned(),
                        tail: sentence.surface(triple.tail).to_owned(),
                        label: is_label(&triple),
                    });
                }
            }
        }
    }
    let sentences = changes.sentences();
    let (all, relations) = changes.finish();
    let [fixed, broken] = lists;
    let named = |(id, row): (_, ChangedRow)| in_words(schema.name(id), &row);
    Ok(Some(RunComparison {
        protocol: format!("{PROTOCOL}, labels that stand, each run by its own thresholds"),
        before: before.to_string(),
        after: after.to_string(),
        sentences,
        all: in_words("all relations, micro", &all),
        relations: relations.into_iter().map(named).collect(),
        fixed,
        broken,
        notes,
    }))
}

fn rule_of(reader: &Reader, run: RunId, notes: &mut Vec<String>) -> Result<DecisionRule> {
    if let Some(rules) = rules_of_run(reader, run)? {
        return Ok(rules.predicted);
    }
    if reader.current_run()? != Some(run) {
        notes.push(format!(
            "the thresholds of run {run} were not kept by the version that made it; the current ones stand in"
        ));
    }
    stored_rule(reader)
}

fn in_words(name: &str, row: &ChangedRow) -> RelationChanged {
    RelationChanged {
        relation: name.to_owned(),
        gold: row.after.gold,
        f1_before: row.before.f1(),
        f1_after: row.after.f1(),
        gain: row.f1_gain(),
        interval: [row.gain.low, row.gain.high],
        fixed: row.fixed,
        broken: row.broken,
    }
}

/// The runs to compare in a workspace: those named, else the previous one and the current one.
pub fn chosen(
    reader: &Reader,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<(RunId, RunId)> {
    let after = match after {
        Some(name) => run_named(reader, name)?,
        None => reader
            .current_run()?
            .context("nothing is predicted here yet; run `redress predict`")?,
    };
    let before = match before {
        Some(name) => run_named(reader, name)?,
        None => previous_run(reader)?.context(
            "only one run has predictions here; predict with another model, or fine-tune, then compare",
        )?,
    };
    if before == after {
        bail!("both are run {after}; name another with --before");
    }
    for run in [before, after] {
        if reader.kept_of_run(run)?.0 == 0 {
            bail!(
                "the predictions of run {run} are not kept any more; predict with its model again"
            );
        }
    }
    Ok((before, after))
}
