//! The queue behind a list: the list holds what nobody has judged since, in the queue's order. How a query asks for one:
//! [`super::Asked`].

use crate::analysis::noise::{Case, Kind, Scored};
use crate::domain::annotation::{Change, undone_seqs};
use crate::domain::{Edit, RelationId, RunId, SentenceId, SentenceIdx, Triple, Verdict};
use crate::store::Reader;
use crate::workspace::compare::{self, Compared};
use crate::workspace::duplicates::duplicates_file;
use crate::workspace::noise::control::{Tallies, chance};
use crate::workspace::noise::finding::{Finding, findings};
use crate::workspace::noise::folds::folds_file;
use crate::workspace::noise::queue::{
    Candidate, Listed, Order, QueueKind, QueueOptions, Tally, listed, reasons,
};
use crate::workspace::noise::standing::Standing;
use crate::workspace::relation_rules::RuleBook;
use crate::workspace::{Tell, runs};
use anyhow::Result;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Corrections after which a queue is ranked anew when it is listed.
const RERANK: u64 = 25;
/// Corrections that are looked through for what was decided since: more than [`RERANK`], as a list that is in sight stays.
const DECIDED: usize = 10_000;
/// Candidates from the cursor on over which precision is expected.
pub const AHEAD: usize = 20;
/// Missing labels of one sentence are asked about one after the other where so many candidates hold them.
const TOGETHER: usize = 100;

/// The latest queue, shared by the lanes that list, open and explain.
#[derive(Default)]
pub struct Queues {
    latest: Mutex<Option<Arc<Ranked>>>,
    /// The runs that were compared last, on the page of runs or for a list.
    compared: Mutex<Option<Arc<Compared>>>,
}

/// A queue as it was ranked.
pub struct Ranked {
    kind: QueueKind,
    order: Order,
    /// Corrections there were.
    corrections: u64,
    /// What else it looked at: folds, groups of duplicates, rules.
    made_from: String,
    made: Made,
    /// Its candidates in each sentence, the first of the order first: places in `made.asks`.
    in_sentence: HashMap<SentenceId, Vec<usize>>,
}

/// Candidates in order, and what there is to say of all of them.
struct Made {
    asks: Vec<Ask>,
    tallies: Tallies,
    /// Candidates in the order of chance, as far as all of it is listed: what comes first of the others has the number `beyond`.
    by_chance: Vec<(u64, usize)>,
    beyond: Option<u64>,
    calibrated: bool,
    folds: bool,
}

/// One candidate of a queue.
struct Ask {
    candidate: Candidate,
    why: Why,
}

enum Why {
    Signals(Box<(Scored, Case)>),
    Said(String),
}

impl Ask {
    fn score(&self) -> f32 {
        match &self.why {
            Why::Signals(signals) => signals.0.score,
            Why::Said(_) => 0.0,
        }
    }
}

impl Queues {
    /// Whoever ranks waits until this is dropped.
    #[cfg(test)]
    pub fn hold(&self) -> std::sync::MutexGuard<'_, Option<Arc<Ranked>>> {
        self.latest.lock().unwrap()
    }

    /// The queue that was ranked last, if it is of this kind.
    pub fn latest(&self, kind: QueueKind) -> Option<Arc<Ranked>> {
        let latest = self.latest.lock().ok()?;
        latest.clone().filter(|r| r.kind == kind)
    }

    /// `None` when `tell` stopped it. The queue, ranked anew where there are [`RERANK`] more corrections than when it was ranked, other folds, groups or rules, or another order is wanted.
    pub fn ranked(
        &self,
        dir: &Path,
        reader: &Reader,
        kind: QueueKind,
        order: Order,
        tell: Tell,
    ) -> Result<Option<Arc<Ranked>>> {
        let corrections = reader.correction_count()?;
        let made_from = self.made_from(dir, reader, kind)?;
        if let Some(known) = self.latest(kind)
            && known.order == order
            && corrections < known.corrections + RERANK
            && made_from == known.made_from
        {
            return Ok(Some(known));
        }
        let made = match kind {
            QueueKind::Noise(noise) => {
                let options = QueueOptions::for_screen(noise, order);
                listed(dir, reader, &options, tell)?.map(Made::of)
            }
            QueueKind::Changed(change) => {
                let compared = self.compared(reader, corrections, tell)?;
                compared.map(|c| Made::of_findings(c.findings(change)))
            }
            _ => findings(dir, reader, kind, tell)?.map(Made::of_findings),
        };
        let Some(made) = made else {
            return Ok(None);
        };
        let mut in_sentence: HashMap<SentenceId, Vec<usize>> = HashMap::new();
        for (at, ask) in made.asks.iter().enumerate() {
            in_sentence.entry(ask.candidate.id).or_default().push(at);
        }
        let ranked = Ranked {
            kind,
            order,
            corrections,
            made_from,
            made,
            in_sentence,
        };
        let ranked = Arc::new(ranked);
        if let Ok(mut latest) = self.latest.lock() {
            *latest = Some(Arc::clone(&ranked));
        }
        Ok(Some(ranked))
    }

    /// Lists of changes are of these runs from now on.
    pub fn keep_compared(&self, found: Arc<Compared>) {
        if let Ok(mut compared) = self.compared.lock() {
            *compared = Some(found);
        }
    }

    /// The runs that were compared last, if one of them is the current one; else the run before and the current one.
    fn changed_runs(&self, reader: &Reader) -> Result<(RunId, RunId)> {
        let known = self.compared.lock().ok().and_then(|c| c.clone());
        match known.filter(|c| reader.current_run().is_ok_and(|run| run == Some(c.after))) {
            Some(known) => Ok((known.before, known.after)),
            None => runs::chosen(reader, None, None),
        }
    }

    fn compared(
        &self,
        reader: &Reader,
        corrections: u64,
        tell: Tell,
    ) -> Result<Option<Arc<Compared>>> {
        let runs = self.changed_runs(reader)?;
        let known = self.compared.lock().ok().and_then(|c| c.clone());
        let identity = compare::identity(reader, runs)?;
        let holds =
            |c: &Arc<Compared>| c.identity == identity && corrections < c.corrections + RERANK;
        if let Some(known) = known.filter(holds) {
            return Ok(Some(known));
        }
        let found = compare::compared(reader, runs, None, compare::LISTED, tell)?.map(Arc::new);
        if let Some(found) = &found {
            self.keep_compared(Arc::clone(found));
        }
        Ok(found)
    }

    /// Changes when what a queue is made from, besides labels and verdicts, changes.
    fn made_from(&self, dir: &Path, reader: &Reader, kind: QueueKind) -> Result<String> {
        let changed = |file: &Path| {
            let time = std::fs::metadata(file).and_then(|m| m.modified());
            format!("{:?}", time.ok())
        };
        Ok(match kind {
            QueueKind::Noise(_) => changed(&folds_file(dir)),
            QueueKind::Duplicates => changed(&duplicates_file(dir)),
            QueueKind::Rules => format!("{:?}", RuleBook::read(reader)?.accepted),
            QueueKind::Changed(_) => compare::identity(reader, self.changed_runs(reader)?)?,
        })
    }
}

impl Made {
    fn of(listed: Listed) -> Self {
        let mut by_chance: Vec<(u64, usize)> = (listed.rows.iter().enumerate())
            .map(|(at, (_, (candidate, ..)))| (chance(candidate), at))
            .filter(|(number, _)| listed.beyond.is_none_or(|beyond| *number < beyond))
            .collect();
        by_chance.sort_unstable();
        let ask = |(_, (candidate, scored, case))| Ask {
            candidate,
            why: Why::Signals(Box::new((scored, case))),
        };
        Self {
            asks: listed.rows.into_iter().map(ask).collect(),
            tallies: listed.tallies,
            by_chance,
            beyond: listed.beyond,
            calibrated: listed.calibrated,
            folds: listed.folds,
        }
    }

    fn of_findings(findings: Vec<Finding>) -> Self {
        let open = findings.iter().map(|f| (&f.candidate, 0.0));
        let tallies = Tallies::count(open, &[]);
        let ask = |finding: Finding| Ask {
            candidate: finding.candidate,
            why: Why::Said(finding.why),
        };
        Self {
            asks: findings.into_iter().map(ask).collect(),
            tallies,
            by_chance: Vec::new(),
            beyond: None,
            calibrated: false,
            folds: true,
        }
    }
}

/// What was decided of triples since a queue was ranked: that it was right, wrong, or (`None`) that it cannot be told.
pub type Decided = HashMap<(SentenceId, Triple), Option<bool>>;

impl Ranked {
    /// It lists what a run changed, whatever was judged before.
    pub fn is_of_changes(&self) -> bool {
        matches!(self.kind, QueueKind::Changed(_))
    }

    pub fn decided(&self, reader: &Reader) -> Result<Decided> {
        decided_since(reader, self.corrections)
    }

    /// Sentences in the queue's order, each once, without those of which every candidate is among the `decided`. With `relations`, only by
    /// candidates of those.
    pub fn sentences(&self, decided: &Decided, relations: &[RelationId]) -> Vec<SentenceIdx> {
        let mut seen = HashSet::new();
        let open = self.made.asks.iter().map(|a| &a.candidate);
        let open = open.filter(|c| !decided.contains_key(&(c.id, c.triple)));
        let open = open.filter(|c| relations.is_empty() || relations.contains(&c.triple.relation));
        open.filter(|c| seen.insert(c.id)).map(|c| c.idx).collect()
    }

    /// The candidates of a sentence, the first of the order first; with `relations`, those of them.
    pub fn triples(&self, id: SentenceId, relations: &[RelationId]) -> Vec<Triple> {
        let placed = self.placed(id, relations);
        placed.map(|(_, triple)| triple).collect()
    }

    /// Those of a sentence's candidates that are asked about now, the first of the order first: the `open` ones. Of what is missing a sentence
    /// brings dozens, nearly all of them far down: there only those that come within the next [`TOGETHER`] candidates.
    pub fn questions(
        &self,
        id: SentenceId,
        relations: &[RelationId],
        open: impl Fn(&Triple) -> bool,
    ) -> Vec<Triple> {
        let mut open = self
            .placed(id, relations)
            .filter(|(_, t)| open(t))
            .peekable();
        let first = open.peek().map_or(0, |(place, _)| *place);
        let until = match self.kind {
            QueueKind::Noise(Kind::Missing) => first + TOGETHER,
            _ => usize::MAX,
        };
        let near = open.take_while(|(place, _)| *place < until);
        near.map(|(_, triple)| triple).collect()
    }

    fn placed(
        &self,
        id: SentenceId,
        relations: &[RelationId],
    ) -> impl Iterator<Item = (usize, Triple)> {
        let places = self.places(id).iter();
        let placed = places.map(|at| (*at, self.made.asks[*at].candidate.triple));
        placed.filter(|(_, t)| relations.is_empty() || relations.contains(&t.relation))
    }

    fn places(&self, id: SentenceId) -> &[usize] {
        self.in_sentence.get(&id).map_or(&[], Vec::as_slice)
    }

    /// For what share of the next [`AHEAD`] candidates from this sentence on the suspicion should be right; `None` where scores are
    /// not probabilities.
    pub fn expected(&self, id: SentenceId, relations: &[RelationId]) -> Option<f32> {
        let from = *self.places(id).first().filter(|_| self.made.calibrated)?;
        let rows = self.made.asks[from..].iter();
        let rows = rows.map(|a| (a.candidate.triple.relation, a.score()));
        let ahead = rows.filter(|(r, _)| relations.is_empty() || relations.contains(r));
        let scores: Vec<f32> = ahead.take(AHEAD).map(|(_, score)| score).collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f32>() / scores.len() as f32)
    }

    /// Why a triple stands where it stands, line by line, for its evidence; empty where it is no candidate. It does not say which rows were drawn at
    /// random: they are to be judged as any other.
    pub fn reason(&self, id: SentenceId, triple: Triple) -> Vec<String> {
        let mut asks = self.places(id).iter().map(|at| &self.made.asks[*at]);
        let Some(ask) = asks.find(|a| a.candidate.triple == triple) else {
            return Vec::new();
        };
        let (scored, case) = match &ask.why {
            Why::Said(why) => return vec![why.clone()],
            Why::Signals(signals) => (&signals.0, &signals.1),
        };
        let missing = self.kind == QueueKind::Noise(Kind::Missing);
        let (what, unit) = match self.made.calibrated {
            true => ("p", "log odds"),
            false if missing => ("score", "log odds"),
            false => ("rank score", "of the score"),
        };
        let (kind, score) = (self.kind.name(), scored.score);
        let first = format!("probably {kind}? {what} {score:.2}");
        let why = reasons(scored, case);
        let signals = why.iter().take(4).map(|r| {
            let signal = r.signal.replace('_', " ");
            format!("{:+.2} {unit}: {signal}", r.weight)
        });
        [first].into_iter().chain(signals).collect()
    }

    /// Where the queue stands now; of one relation where the query names one.
    pub fn standing(&self, reader: &Reader, relations: &[RelationId]) -> Result<Standing> {
        let decided = &self.decided(reader)?;
        let since = reader.correction_count()?.saturating_sub(self.corrections);
        Ok(Standing {
            kind: self.kind,
            order: self.order,
            tally: self.tally(decided, relations),
            calibrated: self.made.calibrated,
            folds: self.made.folds,
            anew_in: Some(RERANK.saturating_sub(since)),
        })
    }

    fn tally(&self, decided: &Decided, relations: &[RelationId]) -> Tally {
        let tallies = &self.made.tallies;
        let (mut tally, only) = match relations {
            [one] => (tallies.of.get(one).copied().unwrap_or_default(), Some(*one)),
            _ => (tallies.all, None),
        };
        let answer = |c: &Candidate| decided.get(&(c.id, c.triple)).copied();
        let of = |a: &&Ask| only.is_none_or(|r| a.candidate.triple.relation == r);
        for ask in self.made.asks.iter().filter(of) {
            if let Some(answer) = answer(&ask.candidate) {
                tally.left = tally.left.saturating_sub(1);
                tally.expected -= ask.score();
                if let Some(right) = answer {
                    tally.judge(self.suspected(right));
                }
            }
        }
        // The sample goes on, in the order of chance, as far as candidates are decided without a gap.
        let mut until = self.made.beyond;
        for (number, at) in &self.made.by_chance {
            let ask = &self.made.asks[*at];
            if !of(&ask) {
                continue;
            }
            match answer(&ask.candidate) {
                None => {
                    until = Some(*number);
                    break;
                }
                Some(None) => {}
                Some(Some(right)) => tally.sample.add(self.suspected(right)),
            }
        }
        let before = tally.until;
        let reached = tallies.later.iter().filter(|a| {
            let is_of = only.is_none_or(|r| a.candidate.triple.relation == r);
            let is_new = before.is_some_and(|before| before <= a.chance());
            is_of && is_new && until.is_none_or(|until| a.chance() < until)
        });
        for answered in reached {
            tally.sample.add(answered.yes);
        }
        tally.until = until;
        tally
    }

    /// Whether the suspicion was right of a triple that is right, or not.
    fn suspected(&self, right: bool) -> bool {
        right == (self.kind == QueueKind::Noise(Kind::Missing))
    }
}

/// Of triples that corrections after the first `from` are about; what was undone among them counts for nothing.
fn decided_since(reader: &Reader, from: u64) -> Result<Decided> {
    let corrections = reader.corrections_after(from, DECIDED)?;
    let undone = undone_seqs(&corrections);
    let mut decided = Decided::new();
    for correction in corrections {
        let Change::Edit(edit) = correction.change else {
            continue;
        };
        if undone.contains(&correction.seq) {
            continue;
        }
        let of = |triple| (correction.sentence, triple);
        match edit {
            Edit::Judge {
                triple,
                verdict: None,
            } => {
                decided.remove(&of(triple));
            }
            Edit::Judge {
                triple,
                verdict: Some(verdict),
            } => {
                let right = (verdict != Verdict::Unsure).then_some(verdict == Verdict::Accept);
                decided.insert(of(triple), right);
            }
            Edit::Add { triple } => {
                decided.insert(of(triple), Some(true));
            }
            Edit::Remove { triple } => {
                decided.insert(of(triple), Some(false));
            }
            Edit::Relabel { triple, relation } => {
                decided.insert(of(triple), Some(false));
                decided.insert(of(Triple { relation, ..triple }), Some(true));
            }
            Edit::Reverse { triple } => {
                decided.insert(of(triple), Some(false));
                decided.insert(of(triple.reversed()), Some(true));
            }
            _ => {}
        }
    }
    Ok(decided)
}
