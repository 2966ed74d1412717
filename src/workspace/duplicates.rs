//! Sentences of a workspace that say the same, and the labels on which they disagree.
//!
//! `redress duplicates`, or `g d` on the screen, looks for them once and keeps the groups in the workspace's directory; which labels disagree is asked of
//! the store each time, so verdicts count at once. How likeness is told: [`crate::analysis::duplicates`].

use crate::analysis::duplicates::{BANDS, Sketch, groups, shingles, sketch, words};
use crate::domain::{
    DecisionRule, Edit, RelationId, SentenceId, SentenceIdx, TokenSpan, Triple, Verdict,
};
use crate::export::{Overwrite, write_atomically};
use crate::store::Reader;
use crate::workspace::messages::DuplicateRow;
use crate::workspace::noise::finding::Finding;
use crate::workspace::noise::queue::Candidate;
use crate::workspace::view::Viewed;
use crate::workspace::{PAGE, Tell, stored_rule, viewed};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file in a workspace's directory.
const FILE: &str = "duplicates.json";
const VERSION: u32 = 1;
/// Least share of runs of three words that near duplicates have in common.
pub const SIMILARITY: f64 = 0.8;

/// Characters of a sentence that evidence shows.
const SNIPPET: usize = 300;

/// Tokens of a name that is looked for where it is no entity.
const LONGEST_NAME: usize = 8;

/// Groups of sentences that are alike, each in the corpus's order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Duplicates {
    version: u32,
    /// Sentences that were looked at.
    pub sentences: u32,
    pub similarity: f64,
    pub groups: Vec<Alike>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alike {
    /// Ids, in hexadecimal.
    pub sentences: Vec<String>,
    /// All have the same words.
    pub exact: bool,
}

impl Alike {
    pub fn ids(&self) -> impl Iterator<Item = SentenceId> {
        self.sentences.iter().filter_map(|id| id.parse().ok())
    }
}

pub fn duplicates_file(workspace: &Path) -> PathBuf {
    workspace.join(FILE)
}

/// Looks at every sentence, and writes the file whole or not at all; `None` when stopped.
pub fn find_duplicates(dir: &Path, similarity: f64, tell: Tell) -> Result<Option<Duplicates>> {
    if !(0.0..=1.0).contains(&similarity) {
        bail!("expected a similarity from 0 to 1, found {similarity}");
    }
    let reader = Reader::open(dir)?;
    let n = reader.sentence_count()?;
    // Bands are told as so many more sentences: both take about as long.
    let total = 2 * u64::from(n);
    let (mut sketches, mut ids) = (Vec::new(), Vec::new());
    for page in reader.pages(PAGE) {
        if !tell(sketches.len() as u64, total) {
            return Ok(None);
        }
        for (_, sentence) in page?.sentences {
            ids.push(sentence.id);
            let sketch: Option<Sketch> = sketch(&words(&sentence.text));
            sketches.push(sketch);
        }
    }
    let mut runs = |i: usize| -> Result<Vec<u64>> {
        let sentence = reader.sentence(ids[i])?;
        Ok(shingles(&words(&sentence.text)))
    };
    let each = u64::from(n) / BANDS as u64;
    let mut on = |band: usize| tell(u64::from(n) + band as u64 * each, total);
    let Some(groups) = groups(&sketches, similarity, &mut runs, &mut on)? else {
        return Ok(None);
    };
    let named = |i: &usize| ids[*i].to_string();
    let found = Duplicates {
        version: VERSION,
        sentences: n,
        similarity,
        groups: groups
            .iter()
            .map(|g| Alike {
                sentences: g.members.iter().map(named).collect(),
                exact: g.exact,
            })
            .collect(),
    };
    let bytes = serde_json::to_vec(&found)?;
    write_atomically(&duplicates_file(dir), Overwrite::Replace, |out| {
        out.write_all(&bytes)
    })?;
    Ok(Some(found))
}

/// The groups that were found last; `None` where nobody looked, or sentences came since.
pub fn read_duplicates(dir: &Path, reader: &Reader) -> Result<Option<Duplicates>> {
    let file = duplicates_file(dir);
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let found: Duplicates = serde_json::from_slice(&bytes).with_context(|| {
        format!(
            "{}: cannot be read; make it anew with `redress duplicates`",
            file.display()
        )
    })?;
    let current = found.version == VERSION && found.sentences == reader.sentence_count()?;
    Ok(current.then_some(found))
}

#[cfg(test)]
impl Duplicates {
    pub fn of_groups(groups: Vec<Alike>) -> Self {
        Self {
            version: VERSION,
            sentences: groups.iter().map(|g| g.sentences.len() as u32).sum(),
            similarity: SIMILARITY,
            groups,
        }
    }
}

/// A fact that some sentences of a group say and others, which name both its entities, do not.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// Lower-cased names.
    pub head: String,
    pub tail: String,
    pub relation: RelationId,
    /// One a sentence that names both, in the group's order.
    pub places: Vec<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub candidate: Candidate,
    /// The label stands there.
    pub stands: bool,
    pub verdict: Option<Verdict>,
}

impl Conflict {
    pub fn n_standing(&self) -> usize {
        self.places.iter().filter(|p| p.stands).count()
    }

    fn why(&self) -> String {
        let n = |v: Verdict| self.places.iter().filter(|p| p.verdict == Some(v)).count();
        format!(
            "duplicates disagree: labelled in {} of {} that name both; accepted in {}, rejected in {}",
            self.n_standing(),
            self.places.len(),
            n(Verdict::Accept),
            n(Verdict::Reject)
        )
    }
}

/// What the labels of one group disagree on.
pub fn conflicts_of(reader: &Reader, rule: &DecisionRule, group: &Alike) -> Result<Vec<Conflict>> {
    let run = reader.current_run()?;
    let mut members = Vec::new();
    let mut facts: BTreeMap<(String, RelationId, String), ()> = BTreeMap::new();
    for id in group.ids() {
        let view = viewed(reader, rule, run, id)?;
        for t in view.annotation.standing() {
            let [head, tail] = [t.triple.head, t.triple.tail].map(|span| name(&view, span));
            facts.insert((head, t.triple.relation, tail), ());
        }
        members.push((reader.idx_of(id)?, view));
    }
    let conflicts = facts.into_keys().filter_map(|(head, relation, tail)| {
        let places = members.iter();
        let places = places.filter_map(|(idx, view)| place(*idx, view, &head, relation, &tail));
        let conflict = Conflict {
            places: places.collect(),
            head,
            tail,
            relation,
        };
        let standing = conflict.n_standing();
        (0 < standing && standing < conflict.places.len()).then_some(conflict)
    });
    Ok(conflicts.collect())
}

fn name(view: &Viewed, span: TokenSpan) -> String {
    view.sentence.surface(span).to_lowercase()
}

/// Where the words of a name stand in a sentence, entity or not: many corpora give only the entities that have a label.
fn named_in(view: &Viewed, wanted: &str) -> Vec<TokenSpan> {
    let sentence = &view.sentence;
    if !sentence.text.to_lowercase().contains(wanted) {
        return Vec::new();
    }
    let n = sentence.tokens.len();
    let spans =
        (0..n).flat_map(|from| (from + 1..=n.min(from + LONGEST_NAME)).map(move |to| (from, to)));
    let spans = spans.filter_map(|(from, to)| TokenSpan::new(from, to));
    spans.filter(|span| name(view, *span) == wanted).collect()
}

/// Where a sentence says the fact, or else could: its label, or its first mentions of both.
fn place(
    idx: SentenceIdx,
    view: &Viewed,
    head: &str,
    relation: RelationId,
    tail: &str,
) -> Option<Place> {
    let is = |t: &Triple| {
        t.relation == relation && name(view, t.head) == head && name(view, t.tail) == tail
    };
    let labels = view.annotation.triples.iter().filter(|t| is(&t.triple));
    let label = labels.max_by_key(|t| t.stands());
    let at = |triple| Candidate {
        idx,
        id: view.sentence.id,
        triple,
    };
    if let Some(label) = label {
        return Some(Place {
            candidate: at(label.triple),
            stands: label.stands(),
            verdict: label.verdict,
        });
    }
    let spans = |wanted: &str| -> Vec<TokenSpan> {
        let entities = view.annotation.entities.iter().map(|e| e.span);
        let known: Vec<TokenSpan> = entities.filter(|s| name(view, *s) == wanted).collect();
        if known.is_empty() {
            named_in(view, wanted)
        } else {
            known
        }
    };
    let apart = |a: TokenSpan, b: TokenSpan| a.end() <= b.start() || b.end() <= a.start();
    let (heads, tails) = (spans(head), spans(tail));
    let pairs = heads
        .iter()
        .flat_map(|h| tails.iter().map(move |t| (*h, *t)));
    let (head, tail) = pairs.into_iter().find(|(h, t)| apart(*h, *t))?;
    Some(Place {
        candidate: at(Triple {
            head,
            relation,
            tail,
        }),
        stands: false,
        verdict: None,
    })
}

/// Unjudged places of all conflicts, group by group: what `queue:duplicates` lists. `tell` hears of groups.
pub fn findings(
    reader: &Reader,
    rule: &DecisionRule,
    found: &Duplicates,
    tell: Tell,
) -> Result<Option<Vec<Finding>>> {
    let mut list = Vec::new();
    for (n, group) in found.groups.iter().enumerate() {
        if !tell(n as u64, found.groups.len() as u64) {
            return Ok(None);
        }
        for conflict in conflicts_of(reader, rule, group)? {
            let why = conflict.why();
            let open = conflict.places.iter().filter(|p| p.verdict.is_none());
            list.extend(open.map(|p| Finding {
                candidate: p.candidate,
                why: why.clone(),
            }));
        }
    }
    Ok(Some(list))
}

/// Sentences of a group that evidence shows.
const SHOWN: usize = 50;

/// What each sentence of the group says of a fact, in the corpus's order; the number of those beyond the first [`SHOWN`].
pub fn evidence(
    reader: &Reader,
    rule: &DecisionRule,
    found: &Duplicates,
    (id, triple): (SentenceId, Triple),
) -> Result<(Vec<DuplicateRow>, usize)> {
    let run = reader.current_run()?;
    let here = viewed(reader, rule, run, id)?;
    let [head, tail] = [triple.head, triple.tail].map(|span| name(&here, span));
    let members: Vec<SentenceId> = members(found, id).collect();
    let rows = members.iter().take(SHOWN).map(|id| {
        let view = viewed(reader, rule, run, *id)?;
        let place = place(reader.idx_of(*id)?, &view, &head, triple.relation, &tail);
        Ok(DuplicateRow {
            id: *id,
            place: format!("{}:{}", view.sentence.file, view.sentence.line),
            snippet: view.sentence.text.chars().take(SNIPPET).collect(),
            stands: place.map(|p| p.stands),
            verdict: place.and_then(|p| p.verdict),
        })
    });
    let beyond = members.len().saturating_sub(SHOWN);
    Ok((rows.collect::<Result<_>>()?, beyond))
}

/// The sentences that say the same as this one, itself among them.
fn members(found: &Duplicates, id: SentenceId) -> impl Iterator<Item = SentenceId> {
    let own = id.to_string();
    let groups = found.groups.iter();
    let groups = groups.filter(move |g| g.sentences.contains(&own));
    groups.flat_map(Alike::ids)
}

/// The same verdict on the same fact in the duplicates of a sentence, itself left out.
pub struct SameVerdict {
    pub edits: Vec<(SentenceId, Edit)>,
    /// Duplicates that name both.
    pub sentences: usize,
    /// Judged so already.
    pub settled: usize,
    /// Judged otherwise so far.
    pub otherwise: usize,
}

pub fn same_verdict(
    reader: &Reader,
    rule: &DecisionRule,
    found: &Duplicates,
    (id, triple): (SentenceId, Triple),
    verdict: Verdict,
) -> Result<SameVerdict> {
    let run = reader.current_run()?;
    let here = viewed(reader, rule, run, id)?;
    let [head, tail] = [triple.head, triple.tail].map(|span| name(&here, span));
    let mut same = SameVerdict {
        edits: Vec::new(),
        sentences: 0,
        settled: 0,
        otherwise: 0,
    };
    for other in members(found, id).filter(|other| *other != id) {
        let view = viewed(reader, rule, run, other)?;
        let idx = reader.idx_of(other)?;
        let Some(place) = place(idx, &view, &head, triple.relation, &tail) else {
            continue;
        };
        same.sentences += 1;
        if place.verdict == Some(verdict) {
            same.settled += 1;
            continue;
        }
        same.otherwise += usize::from(place.verdict.is_some());
        let edit = Edit::Judge {
            triple: place.candidate.triple,
            verdict: Some(verdict),
        };
        same.edits.push((other, edit));
    }
    Ok(same)
}

/// What was found, for a program or a person.
#[derive(Serialize, Default, Debug)]
pub struct DuplicatesReport {
    pub sentences: u32,
    pub similarity: f64,
    pub groups: usize,
    pub exact_groups: usize,
    pub sentences_in_groups: usize,
    /// Groups with a fact that some of their sentences say and others, which name both entities, do not.
    pub disagreeing_groups: usize,
    pub disagreements: usize,
    pub seconds: f64,
    pub list: Vec<GroupReport>,
}

#[derive(Serialize, Debug)]
pub struct GroupReport {
    pub exact: bool,
    pub sentences: Vec<String>,
    pub disagreements: Vec<FactReport>,
}

#[derive(Serialize, Debug)]
pub struct FactReport {
    pub head: String,
    pub relation: String,
    pub tail: String,
    pub labelled_in: Vec<String>,
    pub not_in: Vec<String>,
}

/// With every group, and the facts on which it disagrees now; `seconds` is the caller's to fill in.
pub fn report(dir: &Path, found: &Duplicates) -> Result<DuplicatesReport> {
    let reader = &Reader::open(dir)?;
    let rule = stored_rule(reader)?;
    let schema = reader.schema()?;
    let mut report = DuplicatesReport {
        sentences: found.sentences,
        similarity: found.similarity,
        groups: found.groups.len(),
        ..DuplicatesReport::default()
    };
    for group in &found.groups {
        report.exact_groups += usize::from(group.exact);
        report.sentences_in_groups += group.sentences.len();
        let conflicts = conflicts_of(reader, &rule, group)?;
        report.disagreeing_groups += usize::from(!conflicts.is_empty());
        report.disagreements += conflicts.len();
        let fact = |c: &Conflict| {
            let of = |stands: bool| {
                let places = c.places.iter().filter(|p| p.stands == stands);
                places.map(|p| p.candidate.id.to_string()).collect()
            };
            FactReport {
                head: c.head.clone(),
                relation: schema.name(c.relation).to_owned(),
                tail: c.tail.clone(),
                labelled_in: of(true),
                not_in: of(false),
            }
        };
        report.list.push(GroupReport {
            exact: group.exact,
            sentences: group.sentences.clone(),
            disagreements: conflicts.iter().map(fact).collect(),
        });
    }
    Ok(report)
}
