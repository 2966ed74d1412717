//! Two passes over the sentences and one over the history.

use super::fine_tunes::{self, FineTuned};
use crate::analysis::gain::{FEWEST, IDLE_MS, Judged, Pace, Quality, pace, quality, sample};
use crate::analysis::noise::Kind;
use crate::analysis::{Estimate, Sample};
use crate::domain::annotation::{Change, undone_seqs};
use crate::domain::{AnnotatedTriple, Correction, Edit, Origin, RelationSchema, Verdict};
use crate::store::Reader;
use crate::workspace::noise::control::number;
use crate::workspace::noise::queue::{Tally, tally};
use crate::workspace::pass::each_view;
use crate::workspace::view::Viewed;
use crate::workspace::{Tell, now_ms, stored_rule};
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Points of the curve.
const POINTS: usize = 200;

#[derive(Clone, Debug, Serialize)]
pub struct GainReport {
    pub workspace: String,
    pub made_at_ms: i64,
    pub sentences: u64,
    pub labels: Labels,
    /// Relations with a label or an addition, most inspected first.
    pub relations: Vec<RelationGain>,
    /// `None` with fewer than ten labels in the sample.
    pub quality: Option<Shares>,
    /// Labels of the random sample, and those of them that were wrong.
    pub sample: Drawn,
    pub missing: Missing,
    pub fine_tunes: Vec<FineTuned>,
    pub curators: Vec<Curator>,
    /// Verdicts so far, and labels or predictions rejected by them, in the order in which they came; at most 200 points.
    pub found: Vec<(usize, usize)>,
    pub method: Vec<&'static str>,
}

/// Counts of labels; `added` are relations that the corpus lacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Labels {
    pub labels: usize,
    pub inspected: usize,
    pub right: usize,
    pub wrong: usize,
    pub unsure: usize,
    pub added: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct RelationGain {
    pub relation: String,
    #[serde(flatten)]
    pub labels: Labels,
}

/// Share of labels that are right: estimate, low and high end of the 95 % interval.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Shares {
    pub before: [f64; 3],
    pub after: [f64; 3],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Drawn {
    pub labels: usize,
    pub wrong: usize,
}

/// What the labels lack, of pairs and relations that the queue of missing labels asks about.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Missing {
    pub candidates: usize,
    pub judged: usize,
    /// Confirmed by a curator.
    pub found: usize,
    /// Candidates of the random sample, and those of them that are missing.
    pub sample: [usize; 2],
    /// All that are missing, found ones too, and those that nobody has found: estimate, low and high end of the 95 % interval. `None`
    /// with fewer than ten candidates in the sample.
    pub all: Option<[f64; 3]>,
    pub to_find: Option<[f64; 3]>,
    /// Of the relations that hold, the share that stands in the corpus. `None` without an estimate of both sides.
    pub completeness: Option<Shares>,
}

impl Missing {
    /// `right`: labels that are right, found so or not.
    fn new(tally: &Tally, right: Option<f64>) -> Self {
        let candidates = tally.left + tally.judged;
        let (found, sample) = (tally.confirmed as f64, tally.sample);
        let enough = sample.judged >= FEWEST || tally.left == 0;
        let share = sample.share().filter(|_| enough);
        let known = found..=found + tally.left as f64;
        let of = |share: f64| (share * candidates as f64).clamp(*known.start(), *known.end());
        let all = share.map(|share| share.map(of));
        let completeness = all.zip(right).map(|(all, right)| {
            // The more are missing, the less complete.
            let shares = |known: f64| {
                let share = |n: f64| known / (right + n).max(f64::MIN_POSITIVE);
                [share(all.value), share(all.high), share(all.low)]
            };
            Shares {
                before: shares(right),
                after: shares(right + found),
            }
        });
        Self {
            candidates,
            judged: tally.judged,
            found: tally.confirmed,
            sample: [sample.judged, sample.hits],
            all: all.map(three),
            to_find: all.map(|all| three(all.map(|n| n - found))),
            completeness,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Curator {
    pub name: String,
    pub edits: usize,
    /// Decisions; a bulk edit is one.
    pub decisions: usize,
    pub median_seconds: Option<f64>,
    pub hours: f64,
    pub idle_gaps: usize,
}

impl GainReport {
    /// Streams the workspace in `dir` twice; `None` when stopped.
    pub fn collect(dir: &Path, reader: &Reader, name: &str, tell: Tell) -> Result<Option<Self>> {
        let schema = reader.schema()?;
        let total = u64::from(reader.sentence_count()?);
        let Some((labels, mut drawn)) = count(reader, &schema, tell)? else {
            return Ok(None);
        };
        let Some(missing) = tally(dir, reader, Kind::Missing, tell)? else {
            return Ok(None);
        };
        drawn.sort_unstable_by_key(|(chance, _)| *chance);
        let sample = sample(drawn.into_iter().map(|(_, wrong)| wrong));
        let all = labels.values().fold(Labels::default(), |a, b| a.plus(b));
        let (found, curators) = history(reader)?;
        let quality = quality(all.judged(), sample);
        let fine_tunes = fine_tunes::read(reader)?;
        let right = quality.map(|q| q.before.value * all.judged().labels as f64);
        Ok(Some(Self {
            workspace: name.to_owned(),
            made_at_ms: now_ms(),
            sentences: total,
            labels: all,
            relations: by_relation(labels, &schema),
            quality: quality.map(shares),
            sample: drawn_of(sample),
            missing: Missing::new(&missing, right),
            method: method(&fine_tunes),
            fine_tunes,
            curators,
            found,
        }))
    }
}

fn method(fine_tunes: &[FineTuned]) -> Vec<&'static str> {
    let mut method = super::METHOD.to_vec();
    if fine_tunes.iter().any(|f| f.gains.is_some()) {
        method.push(super::GAIN);
    }
    method
}

impl Labels {
    fn plus(self, other: &Self) -> Self {
        Self {
            labels: self.labels + other.labels,
            inspected: self.inspected + other.inspected,
            right: self.right + other.right,
            wrong: self.wrong + other.wrong,
            unsure: self.unsure + other.unsure,
            added: self.added + other.added,
        }
    }

    /// Labels that nobody was unsure about.
    fn judged(&self) -> Judged {
        Judged {
            labels: self.labels - self.unsure,
            right: self.right,
            wrong: self.wrong,
        }
    }

    fn take(&mut self, t: &AnnotatedTriple) {
        if !matches!(t.origin, Origin::Gold(_)) {
            self.added += usize::from(t.stands());
            return;
        }
        self.labels += 1;
        self.inspected += usize::from(t.verdict.is_some());
        match t.verdict {
            Some(Verdict::Accept) => self.right += 1,
            Some(Verdict::Reject) => self.wrong += 1,
            Some(Verdict::Unsure) => self.unsure += 1,
            None => {}
        }
    }
}

type ByRelation = BTreeMap<u16, Labels>;
/// A label's place in the order of chance, and whether it is wrong where somebody judged it.
type Draws = Vec<(u64, Option<bool>)>;

fn count(
    reader: &Reader,
    schema: &RelationSchema,
    tell: Tell,
) -> Result<Option<(ByRelation, Draws)>> {
    let rule = stored_rule(reader)?;
    let (mut labels, mut drawn) = (ByRelation::new(), Draws::new());
    let whole = each_view(reader, &rule, tell, |_, viewed| {
        for t in known(viewed, schema) {
            labels.entry(t.triple.relation.0).or_default().take(t);
            let unsure = t.verdict == Some(Verdict::Unsure);
            if matches!(t.origin, Origin::Gold(_)) && !unsure {
                let wrong = t.verdict.map(|v| v == Verdict::Reject);
                drawn.push((number(viewed.sentence.id, t.triple), wrong));
            }
        }
        Ok(())
    })?;
    Ok(whole.then_some((labels, drawn)))
}

fn known<'a>(
    viewed: &'a Viewed,
    schema: &'a RelationSchema,
) -> impl Iterator<Item = &'a AnnotatedTriple> {
    let triples = viewed.annotation.triples.iter();
    triples.filter(|t| t.triple.relation.index() < schema.n_relations())
}

fn by_relation(labels: ByRelation, schema: &RelationSchema) -> Vec<RelationGain> {
    let named = labels.into_iter().map(|(id, labels)| RelationGain {
        relation: schema.name(crate::domain::RelationId(id)).to_owned(),
        labels,
    });
    let mut relations: Vec<RelationGain> = named.collect();
    relations.sort_by_key(|r| std::cmp::Reverse((r.labels.inspected, r.labels.labels)));
    relations
}

fn shares(q: Quality) -> Shares {
    Shares {
        before: three(q.before),
        after: three(q.after),
    }
}

fn three(e: Estimate) -> [f64; 3] {
    [e.value, e.low, e.high]
}

fn drawn_of(sample: Sample) -> Drawn {
    Drawn {
        labels: sample.judged,
        wrong: sample.hits,
    }
}

/// Verdicts so far and rejections among them.
type Curve = Vec<(usize, usize)>;

/// The curve of what was found, and everybody's pace.
fn history(reader: &Reader) -> Result<(Curve, Vec<Curator>)> {
    let corrections: Vec<Correction> = reader.all_corrections().collect::<Result<_, _>>()?;
    let undone = undone_seqs(&corrections);
    let (mut verdicts, mut rejected) = (0, 0);
    let mut curve = vec![(0, 0)];
    let mut times: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for correction in &corrections {
        let Change::Edit(edit) = &correction.change else {
            continue;
        };
        times
            .entry(&correction.by)
            .or_default()
            .push(correction.at_ms);
        if let (Some(no), false) = (rejects(edit), undone.contains(&correction.seq)) {
            verdicts += 1;
            rejected += usize::from(no);
            curve.push((verdicts, rejected));
        }
    }
    let step = curve.len().div_ceil(POINTS).max(1);
    let last = curve.last().copied();
    let mut points: Curve = curve.into_iter().step_by(step).collect();
    if points.last().copied() != last {
        points.extend(last);
    }
    let mut curators: Vec<Curator> = times
        .into_iter()
        .map(|(n, t)| curator(n, pace(t)))
        .collect();
    curators.sort_by_key(|c| std::cmp::Reverse(c.edits));
    Ok((points, curators))
}

fn curator(name: &str, pace: Pace) -> Curator {
    debug_assert_eq!(IDLE_MS, 120_000, "TIME says two minutes");
    Curator {
        name: name.to_owned(),
        edits: pace.edits,
        decisions: pace.strokes,
        median_seconds: pace.median_ms.map(|ms| ms as f64 / 1000.0),
        hours: pace.worked_ms as f64 / 3_600_000.0,
        idle_gaps: pace.idle_gaps,
    }
}

/// Whether an edit is a verdict, and one against its triple.
fn rejects(edit: &Edit) -> Option<bool> {
    match edit {
        Edit::Judge { verdict, .. } => verdict.map(|v| v == Verdict::Reject),
        Edit::Remove { .. } | Edit::Relabel { .. } | Edit::Reverse { .. } => Some(true),
        _ => None,
    }
}
