//! `queue:wrong` and `queue:missing` in a query, with `order:`: the list holds what nobody has judged, the most suspicious first.

use crate::analysis::noise::Kind;
use crate::domain::annotation::{Change, undone_seqs};
use crate::domain::{Edit, RelationId, RelationSchema, SentenceId, SentenceIdx, Triple, Verdict};
use crate::store::Reader;
use crate::workspace::noise::control::add;
use crate::workspace::noise::folds::folds_file;
use crate::workspace::noise::queue::{Candidate, Listed, Order, QueueOptions, listed, reasons};
use crate::workspace::noise::standing::Standing;
use anyhow::Result;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// Corrections after which a queue is ranked anew when it is listed.
const RERANK: u64 = 25;
/// Candidates from the cursor on over which precision is expected.
pub const AHEAD: usize = 20;

/// A query with its terms about a queue taken out, every other character in its place.
#[derive(Debug)]
pub struct Asked {
    pub kind: Option<Kind>,
    pub order: Order,
    pub rest: String,
}

impl Asked {
    pub fn read(query: &str) -> Self {
        let kinds = [Kind::Wrong, Kind::Missing];
        let named = |k: &Kind| format!("queue:{}", k.name());
        let kind = kinds
            .into_iter()
            .find_map(|k| Some((k, without(query, &named(&k))?)));
        let Some((kind, rest)) = kind else {
            return Self {
                kind: None,
                order: Order::Suspicious,
                rest: query.to_owned(),
            };
        };
        let named = |o: &Order| format!("order:{}", o.name());
        let orders = Order::ALL.into_iter();
        let order = orders.filter_map(|o| Some((o, without(&rest, &named(&o))?)));
        let (order, rest) = order
            .into_iter()
            .next()
            .unwrap_or((Order::Suspicious, rest.clone()));
        Self {
            kind: Some(kind),
            order,
            rest,
        }
    }
}

/// `query` with blanks for its term `term`; `None` where it has none.
fn without(query: &str, term: &str) -> Option<String> {
    let space = |c: Option<char>| c.is_none_or(char::is_whitespace);
    let mut places = query.match_indices(term).map(|(at, _)| at);
    let at = places.find(|at| {
        space(query[..*at].chars().next_back()) && space(query[at + term.len()..].chars().next())
    })?;
    let blank = " ".repeat(term.len());
    Some(format!(
        "{}{blank}{}",
        &query[..at],
        &query[at + term.len()..]
    ))
}

impl Asked {
    /// Relations that the rest of the query names, as a label or at all: the queue then asks about no others.
    pub fn relations(&self, schema: &RelationSchema) -> Vec<RelationId> {
        let names = self.rest.split_whitespace().filter_map(|term| {
            let name = term
                .strip_prefix("rel:")
                .or_else(|| term.strip_prefix("gold:"))?;
            Some(name.trim_matches('"'))
        });
        names
            .filter_map(|name| schema.find_relation(name))
            .collect()
    }
}

/// The latest queue, shared by the lanes that list, open and explain.
#[derive(Default)]
pub struct Queues {
    latest: Mutex<Option<Arc<Ranked>>>,
}

/// A queue as it was ranked.
pub struct Ranked {
    kind: Kind,
    order: Order,
    /// Corrections there were.
    corrections: u64,
    /// When the folds that it looked at were made.
    folds: Option<SystemTime>,
    listed: Listed,
    /// Its candidates in each sentence, the first of the order first: places in `listed`.
    in_sentence: HashMap<SentenceId, Vec<usize>>,
}

impl Queues {
    /// The queue that was ranked last, if it is of this kind.
    pub fn latest(&self, kind: Kind) -> Option<Arc<Ranked>> {
        let latest = self.latest.lock().ok()?;
        latest.clone().filter(|r| r.kind == kind)
    }

    /// The queue, ranked anew where there are [`RERANK`] more corrections than when it was ranked, other folds, or another order is wanted.
    pub fn ranked(
        &self,
        dir: &Path,
        reader: &Reader,
        kind: Kind,
        order: Order,
    ) -> Result<Arc<Ranked>> {
        let corrections = reader.correction_count()?;
        let folds = folds_made(dir);
        if let Some(known) = self.latest(kind)
            && known.order == order
            && corrections < known.corrections + RERANK
            && folds == known.folds
        {
            return Ok(known);
        }
        let listed = listed(dir, reader, &QueueOptions::for_screen(kind, order))?;
        let mut in_sentence: HashMap<SentenceId, Vec<usize>> = HashMap::new();
        for (at, (_, (candidate, ..))) in listed.rows.iter().enumerate() {
            in_sentence.entry(candidate.id).or_default().push(at);
        }
        let ranked = Arc::new(Ranked {
            kind,
            order,
            corrections,
            folds,
            listed,
            in_sentence,
        });
        if let Ok(mut latest) = self.latest.lock() {
            *latest = Some(Arc::clone(&ranked));
        }
        Ok(ranked)
    }
}

/// What was decided of triples since a queue was ranked: that it was right, wrong, or (`None`) that it cannot be told.
pub type Decided = HashMap<(SentenceId, Triple), Option<bool>>;

impl Ranked {
    pub fn decided(&self, reader: &Reader) -> Result<Decided> {
        decided_since(reader, self.corrections)
    }

    /// Sentences in the queue's order, each once, without those of which every candidate is among the `decided`. With `relations`, only by
    /// candidates of those.
    pub fn sentences(&self, decided: &Decided, relations: &[RelationId]) -> Vec<SentenceIdx> {
        let mut seen = HashSet::new();
        let open = self.listed.rows.iter().map(|(_, (c, ..))| c);
        let open = open.filter(|c| !decided.contains_key(&(c.id, c.triple)));
        let open = open.filter(|c| relations.is_empty() || relations.contains(&c.triple.relation));
        open.filter(|c| seen.insert(c.id)).map(|c| c.idx).collect()
    }

    /// The candidates of a sentence, the first of the order first; with `relations`, those of them.
    pub fn triples(&self, id: SentenceId, relations: &[RelationId]) -> Vec<Triple> {
        let triples = self
            .places(id)
            .iter()
            .map(|at| self.listed.rows[*at].1.0.triple);
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
        let from = *self.places(id).first().filter(|_| self.listed.calibrated)?;
        let rows = self.listed.rows[from..]
            .iter()
            .map(|(_, (c, s, _))| (c.triple.relation, s.score));
        let ahead = rows.filter(|(r, _)| relations.is_empty() || relations.contains(r));
        let scores: Vec<f32> = ahead.take(AHEAD).map(|(_, score)| score).collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f32>() / scores.len() as f32)
    }

    /// Why a triple stands where it stands, line by line, for its evidence; empty where it is no candidate. It does not say which rows were drawn at
    /// random: they are to be judged as any other.
    pub fn reason(&self, id: SentenceId, triple: Triple) -> Vec<String> {
        let mut rows = self.places(id).iter().map(|at| &self.listed.rows[*at].1);
        let Some((_, scored, case)) = rows.find(|(c, ..)| c.triple == triple) else {
            return Vec::new();
        };
        let (what, unit) = match self.listed.calibrated {
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
        let tallies = &self.listed.tallies;
        let (mut tally, only) = match relations {
            [one] => (tallies.of.get(one).copied().unwrap_or_default(), Some(*one)),
            _ => (tallies.all, None),
        };
        let of = |c: &Candidate| only.is_none_or(|r| c.triple.relation == r);
        for (_, (candidate, scored, _)) in self.listed.rows.iter().filter(|(_, (c, ..))| of(c)) {
            if let Some(answer) = decided.get(&(candidate.id, candidate.triple)) {
                tally.left = tally.left.saturating_sub(1);
                tally.expected -= scored.score;
                if let Some(right) = answer {
                    tally.judge(self.suspected(*right));
                }
            }
        }
        // Control rows stand in the order of chance; the sample goes on as far as they are decided without a gap.
        let control = self
            .listed
            .rows
            .iter()
            .filter(|(control, (c, ..))| *control && of(c));
        let walked = control.map_while(|(_, (c, ..))| decided.get(&(c.id, c.triple)));
        for right in walked.flatten() {
            add(&mut tally.sample, self.suspected(*right));
        }
        Standing {
            kind: self.kind.name(),
            order: self.order,
            tally,
            calibrated: self.listed.calibrated,
            folds: self.listed.folds,
        }
    }

    /// Whether the suspicion was right of a triple that is right, or not.
    fn suspected(&self, right: bool) -> bool {
        right == (self.kind == Kind::Missing)
    }
}

fn folds_made(dir: &Path) -> Option<SystemTime> {
    std::fs::metadata(folds_file(dir))
        .and_then(|m| m.modified())
        .ok()
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
        let check = |query: &str, kind: Option<Kind>, rest: &str| {
            let asked = Asked::read(query);
            assert_eq!((asked.kind, asked.rest.as_str()), (kind, rest), "{query:?}");
        };
        check("", None, "");
        check("born", None, "born");
        check("queue:wrong", Some(Kind::Wrong), "           ");
        check(
            "né queue:missing x",
            Some(Kind::Missing),
            "né               x",
        );
        check("queue:wrongly", None, "queue:wrongly");
        check("-queue:wrong", None, "-queue:wrong");
        check("queue:none", None, "queue:none");
        check("order:random x", None, "order:random x");
        check(
            "queue:wrong x order:uncertain",
            Some(Kind::Wrong),
            "            x                ",
        );
        assert_eq!(
            Asked::read("order:document queue:missing").order,
            Order::Document
        );
    }
}
