//! `queue:wrong` and the other queues in a query, with `order:` and `about:`: the list holds what nobody has judged since, in the
//! queue's order.

use super::curators::Terms;
use super::terms::without;
use crate::analysis::noise::{Case, Kind, Scored};
use crate::domain::annotation::{Change, undone_seqs};
use crate::domain::{
    Edit, RelationId, RelationSchema, RunId, SentenceId, SentenceIdx, Triple, Verdict,
};
use crate::store::Reader;
use crate::workspace::compare::{self, Compared};
use crate::workspace::duplicates::duplicates_file;
use crate::workspace::noise::control::{Tallies, chance};
use crate::workspace::noise::finding::{Finding, findings};
use crate::workspace::noise::folds::folds_file;
use crate::workspace::noise::queue::{
    Candidate, Listed, Order, QueueKind, QueueOptions, listed, reasons,
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
/// Candidates from the cursor on over which precision is expected.
pub const AHEAD: usize = 20;

/// A query with its terms about a queue taken out, every other character in its place.
#[derive(Debug)]
pub struct Asked {
    pub kind: Option<QueueKind>,
    pub order: Order,
    /// Names of relations, as typed after `about:`.
    about: Vec<String>,
    /// Its terms about curators.
    pub curators: Terms,
    pub rest: String,
}

impl Asked {
    pub fn read(query: &str) -> Self {
        let (curators, rest) = Terms::take(query);
        Self {
            curators,
            ..Self::of_queue(&rest)
        }
    }

    fn of_queue(query: &str) -> Self {
        let (mut kind, mut order, mut about) = (None, None, Vec::new());
        let mut first = |term: &str| match term.split_once(':') {
            Some(("queue", name)) if kind.is_none() => {
                kind = QueueKind::from_name(name);
                kind.is_some()
            }
            Some(("order", name)) if order.is_none() => {
                order = Order::from_name(name);
                order.is_some()
            }
            Some(("about", name)) => {
                about.push(name.trim_matches('"').replace("\\\"", "\""));
                true
            }
            _ => false,
        };
        let rest = without(query, &mut first);
        Self {
            // An order without a queue is no order: the query's own words.
            rest: if kind.is_some() {
                rest
            } else {
                query.to_owned()
            },
            order: kind.and(order).unwrap_or(Order::Suspicious),
            kind,
            about,
            curators: Terms::default(),
        }
    }

    /// What the query asks a queue about and the schema does not know.
    pub fn unknown_relation(&self, schema: &RelationSchema) -> Option<&str> {
        let unknown = |name: &&String| self.kind.is_some() && schema.find_relation(name).is_none();
        self.about.iter().find(unknown).map(String::as_str)
    }

    /// Relations that the query asks the queue about, or names as a label or at all: the queue then asks about no others.
    pub fn relations(&self, schema: &RelationSchema) -> Vec<RelationId> {
        let about = self.about.iter().map(String::as_str);
        let names = self.rest.split_whitespace().filter_map(|term| {
            let name = term
                .strip_prefix("rel:")
                .or_else(|| term.strip_prefix("gold:"))?;
            Some(name.trim_matches('"'))
        });
        let names = about.chain(names);
        names
            .filter_map(|name| schema.find_relation(name))
            .collect()
    }
}

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
        let triples = self
            .places(id)
            .iter()
            .map(|at| self.made.asks[*at].candidate.triple);
        triples
            .filter(|t| relations.is_empty() || relations.contains(&t.relation))
            .collect()
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
        let (what, unit) = match self.made.calibrated {
            true => ("p", "log odds"),
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

    /// Where the queue stands, with what was decided since it was ranked; of one relation where the query names one.
    pub fn standing(&self, decided: &Decided, relations: &[RelationId]) -> Standing {
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
        Standing {
            kind: self.kind,
            order: self.order,
            tally,
            calibrated: self.made.calibrated,
            folds: self.made.folds,
        }
    }

    /// Whether the suspicion was right of a triple that is right, or not.
    fn suspected(&self, right: bool) -> bool {
        right == (self.kind == QueueKind::Noise(Kind::Missing))
    }
}

/// Of triples that corrections after the first `from` are about; what was undone among them counts for nothing.
fn decided_since(reader: &Reader, from: u64) -> Result<Decided> {
    let corrections = reader.corrections_after(from, RERANK as usize)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_term_is_taken_out_and_columns_stay() {
        let check = |query: &str, kind: Option<QueueKind>, rest: &str| {
            let asked = Asked::read(query);
            assert_eq!((asked.kind, asked.rest.as_str()), (kind, rest), "{query:?}");
        };
        check("", None, "");
        check("born", None, "born");
        check(
            "queue:wrong",
            Some(QueueKind::Noise(Kind::Wrong)),
            "           ",
        );
        check(
            "né queue:missing x",
            Some(QueueKind::Noise(Kind::Missing)),
            "né               x",
        );
        check("queue:rules", Some(QueueKind::Rules), "           ");
        check("queue:wrongly", None, "queue:wrongly");
        check("-queue:wrong", None, "-queue:wrong");
        check("queue:none", None, "queue:none");
        check("order:random x", None, "order:random x");
        check(
            "queue:wrong x order:uncertain",
            Some(QueueKind::Noise(Kind::Wrong)),
            "            x                ",
        );
        assert_eq!(
            Asked::read("order:document queue:missing").order,
            Order::Document
        );
    }
}
