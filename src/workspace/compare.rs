//! Two runs on the same sentences: what the later one decides better, and what worse. For the command line in words, for the
//! screen by relation, and triple by triple as the queues `fixed` and `broken`.

use super::noise::finding::Finding;
use super::noise::queue::Candidate;
use super::pass::Pages;
use super::study::PROTOCOL;
use super::{PAGE, Tell, rules_of_run, runs, stored_rule};
use crate::analysis::{Change, ChangedRow, Changes, align_sentence};
use crate::domain::{DecisionRule, RelationId, RunId, Split};
use crate::store::Reader;
use anyhow::Result;
use serde::Serialize;
use std::collections::HashMap;

/// Changed decisions of each kind that a screen and a queue list.
pub const LISTED: usize = 20_000;

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

/// Two runs compared.
#[derive(Clone, Debug)]
pub struct Compared {
    pub before: RunId,
    pub after: RunId,
    /// Sentences that both have predicted.
    pub sentences: u64,
    pub all: ChangedRow,
    /// The largest change of F1 first.
    pub relations: Vec<(RelationId, ChangedRow)>,
    pub notes: Vec<String>,
    /// In corpus order, as many of each kind as were asked for.
    pub decisions: Vec<Decision>,
    /// Corrections there were.
    pub corrections: u64,
    /// [`identity`] of the two when they were compared.
    pub identity: String,
}

/// A changed decision of a sentence.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    pub candidate: Candidate,
    pub change: Change,
    /// The triple is a label that stands.
    pub label: bool,
}

impl Compared {
    /// Its changed decisions of one kind, each with what was decided.
    pub fn findings(&self, change: Change) -> Vec<Finding> {
        let of_kind = self.decisions.iter().filter(|d| d.change == change);
        let finding = |d: &Decision| {
            let what = if d.label { "a label" } else { "no label" };
            // A label is decided rightly where it is predicted, another triple where it is not.
            let (by, not_by) = match d.label == (change == Change::Fixed) {
                true => (self.after, self.before),
                false => (self.before, self.after),
            };
            Finding {
                candidate: d.candidate,
                why: format!("{what}; predicted by run {by}, not by run {not_by}"),
            }
        };
        of_kind.map(finding).collect()
    }
}

/// Two runs on the sentences that both have predicted, each by its own rule, against the labels that stand; at most `most` changed
/// decisions of each kind are kept. `None` when `tell` stopped it.
pub fn compared(
    reader: &Reader,
    (before, after): (RunId, RunId),
    split: Option<Split>,
    most: usize,
    tell: Tell,
) -> Result<Option<Compared>> {
    let corrections = reader.correction_count()?;
    let mut notes = Vec::new();
    let rules = rules_of_both(reader, (before, after), &mut notes)?;
    let [old, new] = &rules;
    let (mut changes, mut decisions) = (Changes::default(), Vec::new());
    let mut kept = [0; 2];
    let total = u64::from(reader.sentence_count()?);
    let (mut done, mut pages) = (0, Pages::start());
    while let Some(page) = pages.next(reader, new)? {
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
            if split.is_some_and(|s| s != viewed.sentence.split) {
                continue;
            }
            let aligned = |prediction, rule| align_sentence(&viewed.annotation, prediction, rule);
            for (triple, change) in changes.add(&aligned(&p, old), &aligned(&q, new)) {
                let n = &mut kept[usize::from(change == Change::Fixed)];
                if *n < most {
                    *n += 1;
                    let (idx, id) = (*idx, viewed.sentence.id);
                    decisions.push(Decision {
                        candidate: Candidate { idx, id, triple },
                        change,
                        label: viewed.annotation.standing().any(|s| s.triple == triple),
                    });
                }
            }
        }
    }
    let sentences = changes.sentences();
    let (all, relations) = changes.finish();
    Ok(Some(Compared {
        before,
        after,
        sentences,
        all,
        relations,
        notes,
        decisions,
        corrections,
        identity: identity_by((before, after), &rules),
    }))
}

/// For the command line: the same, decisions with their names.
pub fn compare_runs(
    reader: &Reader,
    runs: (RunId, RunId),
    split: Option<Split>,
    listed: usize,
    tell: Tell,
) -> Result<Option<RunComparison>> {
    let Some(found) = compared(reader, runs, split, listed, tell)? else {
        return Ok(None);
    };
    let schema = reader.schema()?;
    let named = |decision: &Decision| -> Result<ChangedDecision> {
        let Candidate { id, triple, .. } = decision.candidate;
        let sentence = reader.sentence(id)?;
        Ok(ChangedDecision {
            sentence: id.to_string(),
            native_id: sentence.native_id.as_ref().map(ToString::to_string),
            change: match decision.change {
                Change::Fixed => "fixed",
                Change::Broken => "broken",
            },
            head: sentence.surface(triple.head).to_owned(),
            relation: schema.name(triple.relation).to_owned(),
            tail: sentence.surface(triple.tail).to_owned(),
            label: decision.label,
        })
    };
    let of = |change| -> Result<Vec<_>> {
        let decisions = found.decisions.iter().filter(|d| d.change == change);
        decisions.map(named).collect()
    };
    let relations = found.relations.iter();
    Ok(Some(RunComparison {
        protocol: format!("{PROTOCOL}, {BY_WHAT}"),
        before: found.before.to_string(),
        after: found.after.to_string(),
        sentences: found.sentences,
        all: in_words("all relations, micro", &found.all),
        relations: relations
            .map(|(id, row)| in_words(schema.name(*id), row))
            .collect(),
        fixed: of(Change::Fixed)?,
        broken: of(Change::Broken)?,
        notes: found.notes,
    }))
}

/// What the figures of a comparison are taken by, beside the protocol.
pub const BY_WHAT: &str = "standing labels, each run by its own thresholds";

/// Changes with the runs compared and with their thresholds.
pub fn identity(reader: &Reader, (before, after): (RunId, RunId)) -> Result<String> {
    let rules = rules_of_both(reader, (before, after), &mut Vec::new())?;
    Ok(identity_by((before, after), &rules))
}

fn identity_by((before, after): (RunId, RunId), rules: &[DecisionRule; 2]) -> String {
    format!("{before} {after} {rules:?}")
}

/// What the queue of fixed or broken decisions lists without a screen: the run before against the current one; an error where
/// there are no two. `None` when `tell` stopped it.
pub fn findings(reader: &Reader, change: Change, tell: Tell) -> Result<Option<Vec<Finding>>> {
    let chosen = runs::chosen(reader, None, None)?;
    let found = compared(reader, chosen, None, LISTED, tell)?;
    Ok(found.map(|c| c.findings(change)))
}

fn rules_of_both(
    reader: &Reader,
    (before, after): (RunId, RunId),
    notes: &mut Vec<String>,
) -> Result<[DecisionRule; 2]> {
    Ok([
        rule_of(reader, before, notes)?,
        rule_of(reader, after, notes)?,
    ])
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
