//! `redress apply`: verdicts and edits from a file, or another workspace's corrections, as one step to undo.

use crate::corpus::{excerpt, open_bytes};
use crate::domain::annotation::Change;
use crate::domain::{
    Annotation, Edit, ErrorTag, RelationSchema, SentenceId, TokenSpan, Triple, Verdict,
};
use crate::store::NewCorrection;
use crate::workspace::exchange::{Conflict, Merge};
use crate::workspace::filter::next_line;
use crate::workspace::{Workspace, now_ms};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Problems listed; more are counted.
const LISTED: usize = 20;

/// One line of the file; docs/formats.md gives the fields.
#[derive(Deserialize)]
struct Line {
    sentence: Option<String>,
    id: Option<serde_json::Value>,
    head: Option<Span>,
    relation: Option<String>,
    tail: Option<Span>,
    verdict: Option<String>,
    edit: Option<String>,
    to: Option<String>,
    tag: Option<String>,
    note: Option<String>,
}

/// `{"start": 0, "end": 2}` or `[0, 2]`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Span {
    Object { start: usize, end: usize },
    Pair(usize, usize),
}

impl Span {
    fn read(&self) -> Result<TokenSpan, String> {
        let (start, end) = match *self {
            Span::Object { start, end } | Span::Pair(start, end) => (start, end),
        };
        TokenSpan::new(start, end).ok_or_else(|| format!("a span {start}..{end}"))
    }
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct ApplyReport {
    pub lines: u64,
    /// Edits that were (or, on a dry run, would be) made, by what they do.
    pub applied: BTreeMap<String, u64>,
    /// Already so.
    pub known: u64,
    /// Somebody decided otherwise; left as it is unless told. Of another workspace's corrections: held.
    pub conflicts: u64,
    pub problems: u64,
    /// Another workspace's corrections that are kept without effect: those in conflict, and what others took back.
    pub held: u64,
    /// Every conflict with another workspace's corrections.
    pub disputed: Vec<Conflict>,
    /// The first [`LISTED`] conflicts and problems.
    pub listed: Vec<String>,
    pub dry_run: bool,
}

impl ApplyReport {
    pub fn n_applied(&self) -> u64 {
        self.applied.values().sum()
    }
}

#[derive(Clone, Debug)]
pub struct ApplyOptions {
    pub by: String,
    pub dry_run: bool,
    /// Later verdicts win over those that stand.
    pub overwrite: bool,
}

struct Apply<'a> {
    workspace: &'a Workspace,
    options: &'a ApplyOptions,
    /// Annotations as they are after the lines so far.
    annotations: HashMap<SentenceId, Annotation>,
    /// Sentences of a native id; made when a line first asks.
    native: Option<HashMap<String, Vec<SentenceId>>>,
    corrections: Vec<NewCorrection>,
    applied: BTreeMap<String, u64>,
    known: u64,
}

/// What a file holds; all its lines are of one kind.
enum Kind<'a> {
    Verdicts(Box<Apply<'a>>),
    Corrections(Box<Merge<'a>>),
}

/// Whether a line is of another workspace's history.
#[derive(Deserialize)]
struct Marked {
    correction: Option<serde::de::IgnoredAny>,
}

fn is_correction(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Marked>(bytes).is_ok_and(|m| m.correction.is_some())
}

/// Reads the file to its end first; all its edits are one batch, written at once. The same file twice changes nothing.
pub fn apply(
    workspace: &mut Workspace,
    file: &Path,
    options: &ApplyOptions,
) -> Result<ApplyReport> {
    let mut input = open_bytes(file)?;
    let name = file.display().to_string();
    let mut report = ApplyReport {
        dry_run: options.dry_run,
        ..ApplyReport::default()
    };
    let mut kind: Option<Kind> = None;
    let mut n = 0_u64;
    while let Some(line) = next_line(&mut *input)? {
        n += 1;
        if line.as_ref().is_ok_and(Vec::is_empty) {
            continue;
        }
        report.lines += 1;
        let done = line.map_err(Refused::Problem).and_then(|bytes| {
            let kind = kind.get_or_insert_with(|| Kind::of(&bytes, workspace, options));
            kind.line(n, &bytes)
        });
        let (count, why) = match done {
            Ok(()) => continue,
            Err(Refused::Conflict(why)) => (&mut report.conflicts, why),
            Err(Refused::Problem(why)) => (&mut report.problems, why),
        };
        *count += 1;
        if report.listed.len() < LISTED {
            report.listed.push(format!("{name}:{n}: {why}"));
        }
    }
    match kind {
        None => {}
        Some(Kind::Verdicts(apply)) => {
            let Apply {
                corrections,
                applied,
                known,
                ..
            } = *apply;
            (report.applied, report.known) = (applied, known);
            if !options.dry_run && !corrections.is_empty() {
                workspace.append(&corrections)?;
                workspace.refresh_index(&mut |_, _| true)?;
            }
        }
        Some(Kind::Corrections(merge)) => {
            let Merge {
                incoming,
                schema,
                applied,
                known,
                held,
                conflicts,
                ..
            } = *merge;
            list_conflicts(&name, &conflicts, &mut report);
            (report.applied, report.known, report.held) = (applied, known, held);
            report.conflicts = conflicts.len() as u64;
            report.disputed = conflicts;
            if !options.dry_run && !incoming.is_empty() {
                workspace.merge(&incoming, schema)?;
                workspace.refresh_index(&mut |_, _| true)?;
            }
        }
    }
    Ok(report)
}

fn list_conflicts(name: &str, conflicts: &[Conflict], report: &mut ApplyReport) {
    let room = LISTED.saturating_sub(report.listed.len());
    for c in conflicts.iter().take(room) {
        report.listed.push(format!(
            "{name}:{}: {}: {} says {}, {} says {}; the first stands until it is settled",
            c.line, c.about, c.stands.by, c.stands.decision, c.held.by, c.held.decision
        ));
    }
}

impl<'a> Kind<'a> {
    fn of(first: &[u8], workspace: &'a Workspace, options: &'a ApplyOptions) -> Self {
        if is_correction(first) {
            let schema = workspace.schema().clone();
            return Kind::Corrections(Box::new(Merge::new(workspace.read(), schema)));
        }
        Kind::Verdicts(Box::new(Apply {
            workspace,
            options,
            annotations: HashMap::new(),
            native: None,
            corrections: Vec::new(),
            applied: BTreeMap::new(),
            known: 0,
        }))
    }

    fn line(&mut self, n: u64, bytes: &[u8]) -> Result<(), Refused> {
        match self {
            Kind::Corrections(merge) => Ok(merge.line(n, bytes)?),
            Kind::Verdicts(_) if is_correction(bytes) => Err(Refused::Problem(
                "a correction of another workspace in a file of verdicts; give it a file of its own"
                    .to_owned(),
            )),
            Kind::Verdicts(apply) => apply.line(bytes),
        }
    }
}

enum Refused {
    Conflict(String),
    Problem(String),
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Refused::Problem(why)
    }
}

impl Apply<'_> {
    fn line(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let line: Line = serde_json::from_slice(bytes).map_err(|e| {
            let found = excerpt(&e.to_string());
            format!("expected an object with a sentence and a verdict or an edit, found {found}")
        })?;
        let id = self.sentence(&line)?;
        let (what, edit) = edit(&line, self.workspace.schema())?;
        let now = match self.annotations.get(&id) {
            Some(annotation) => annotation.clone(),
            None => self.annotation(id).map_err(|e| format!("{e:#}"))?,
        };
        if !self.options.overwrite
            && let Some(stands) = contradicted(&now, &edit)
        {
            return Err(Refused::Conflict(format!(
                "{what}: somebody decided {} already; --overwrite takes this file's word",
                stands.name()
            )));
        }
        let next = match now.apply(&edit) {
            Ok(next) => next,
            Err(crate::domain::EditError::NoChange | crate::domain::EditError::AlreadyThere) => {
                self.known += 1;
                self.annotations.insert(id, now);
                return Ok(());
            }
            Err(error) => return Err(Refused::Problem(format!("{what}: {error}"))),
        };
        self.annotations.insert(id, next);
        *self.applied.entry(what).or_default() += 1;
        self.corrections.push(NewCorrection {
            at_ms: now_ms(),
            by: self.options.by.clone(),
            sentence: id,
            seen: None,
            change: Change::Edit(edit),
        });
        Ok(())
    }

    fn annotation(&self, id: SentenceId) -> Result<Annotation> {
        let reader = self.workspace.read();
        let sentence = reader.sentence(id)?;
        Ok(Annotation::fold(&sentence, &reader.corrections(id)?).annotation)
    }

    /// By the workspace's id, else by the corpus file's.
    fn sentence(&mut self, line: &Line) -> Result<SentenceId, String> {
        if let Some(id) = &line.sentence {
            let id: SentenceId = id.parse().map_err(|_| "expected an id of 16 hex digits")?;
            return match self.workspace.read().idx_of(id) {
                Ok(_) => Ok(id),
                Err(_) => Err(format!("no sentence {id} in this workspace")),
            };
        }
        let native = match &line.id {
            Some(serde_json::Value::String(id)) => id.clone(),
            Some(serde_json::Value::Number(id)) => id.to_string(),
            _ => return Err("expected a sentence: `sentence` or `id`".to_owned()),
        };
        if self.native.is_none() {
            self.native = Some(native_ids(self.workspace).map_err(|e| format!("{e:#}"))?);
        }
        let found = self.native.as_ref().and_then(|n| n.get(&native));
        match found.map(Vec::as_slice) {
            Some([id]) => Ok(*id),
            Some(ids) => Err(format!(
                "{} sentences have the id {}; name it by `sentence`",
                ids.len(),
                excerpt(&native)
            )),
            None => Err(format!("no sentence has the id {}", excerpt(&native))),
        }
    }
}

/// The verdict that stands against what an edit says of the same triple.
fn contradicted(now: &Annotation, edit: &Edit) -> Option<Verdict> {
    let (triple, wanted) = match edit {
        Edit::Judge { triple, verdict } => (triple, *verdict),
        Edit::Add { triple } => (triple, Some(Verdict::Accept)),
        Edit::Remove { triple } | Edit::Relabel { triple, .. } | Edit::Reverse { triple } => {
            (triple, Some(Verdict::Reject))
        }
        _ => return None,
    };
    let stands = now.find(*triple)?.verdict?;
    (wanted != Some(stands)).then_some(stands)
}

/// What a line asks for, in a word and as an edit.
fn edit(line: &Line, schema: &RelationSchema) -> Result<(String, Edit), String> {
    let relation = |name: &Option<String>, field: &str| {
        let name = name
            .as_deref()
            .ok_or_else(|| format!("expected `{field}`"))?;
        schema
            .find_relation(name)
            .ok_or_else(|| format!("no relation {} in this workspace", excerpt(name)))
    };
    let span = |s: &Option<Span>, field: &str| {
        s.as_ref()
            .ok_or_else(|| format!("expected `{field}`"))?
            .read()
    };
    let triple = || {
        Ok::<_, String>(Triple {
            head: span(&line.head, "head")?,
            relation: relation(&line.relation, "relation")?,
            tail: span(&line.tail, "tail")?,
        })
    };
    if let Some(word) = &line.verdict {
        let verdict = match word.as_str() {
            "clear" => None,
            word => Some(Verdict::from_name(word).ok_or_else(|| {
                format!(
                    "expected verdict accept, reject, unsure or clear, found {}",
                    excerpt(word)
                )
            })?),
        };
        let triple = triple()?;
        return Ok((word.clone(), Edit::Judge { triple, verdict }));
    }
    let word = line.edit.as_deref().ok_or("expected `verdict` or `edit`")?;
    let edit = match word {
        "add" => Edit::Add { triple: triple()? },
        "remove" => Edit::Remove { triple: triple()? },
        "reverse" => Edit::Reverse { triple: triple()? },
        "relabel" => Edit::Relabel {
            triple: triple()?,
            relation: relation(&line.to, "to")?,
        },
        "tag" => {
            let name = line.tag.as_deref().unwrap_or_default();
            Edit::Tag {
                triple: triple()?,
                tag: ErrorTag::from_name(name)
                    .ok_or_else(|| format!("no error tag {}", excerpt(name)))?,
                set: true,
            }
        }
        "note" => Edit::Note {
            text: line.note.clone().ok_or("expected `note`")?,
        },
        "done" => Edit::Done { done: true },
        other => {
            return Err(format!(
                "expected edit add, remove, relabel, reverse, tag, note or done, found {}",
                excerpt(other)
            ));
        }
    };
    Ok((word.to_owned(), edit))
}

fn native_ids(workspace: &Workspace) -> Result<HashMap<String, Vec<SentenceId>>> {
    let mut found: HashMap<String, Vec<SentenceId>> = HashMap::new();
    for page in workspace.read().pages(crate::workspace::PAGE) {
        for (_, sentence) in page?.sentences {
            if let Some(native) = sentence.native_id {
                found.entry(native).or_default().push(sentence.id);
            }
        }
    }
    Ok(found)
}
