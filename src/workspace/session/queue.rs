//! `queue:wrong` and `queue:missing` in a query: the list holds what nobody has judged, the most suspicious first.

use crate::analysis::noise::Kind;
use crate::domain::annotation::Change;
use crate::domain::{Edit, RelationId, RelationSchema, SentenceId, SentenceIdx, Triple};
use crate::store::Reader;
use crate::workspace::noise::folds::folds_file;
use crate::workspace::noise::queue::{Listed, QueueOptions, listed, reasons};
use anyhow::Result;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// Corrections after which a queue is ranked anew when it is listed.
const RERANK: u64 = 25;

/// A query with its `queue:` term taken out, every other character in its place.
#[derive(Debug)]
pub struct Asked {
    pub kind: Option<Kind>,
    pub rest: String,
}

impl Asked {
    pub fn read(query: &str) -> Self {
        for kind in [Kind::Wrong, Kind::Missing] {
            let term = format!("queue:{}", kind.name());
            for (at, _) in query.match_indices(&term) {
                let before = query[..at].chars().next_back();
                let after = query[at + term.len()..].chars().next();
                if before.is_none_or(char::is_whitespace) && after.is_none_or(char::is_whitespace) {
                    let blank = " ".repeat(term.len());
                    let rest = format!("{}{blank}{}", &query[..at], &query[at + term.len()..]);
                    return Self {
                        kind: Some(kind),
                        rest,
                    };
                }
            }
        }
        Self {
            kind: None,
            rest: query.to_owned(),
        }
    }
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
    /// Corrections there were.
    corrections: u64,
    /// When the folds that it looked at were made.
    folds: Option<SystemTime>,
    listed: Listed,
    /// Its candidates in each sentence, the most suspicious first: places in `listed`.
    in_sentence: HashMap<SentenceId, Vec<usize>>,
}

impl Queues {
    /// The queue that was ranked last, if it is of this kind.
    pub fn latest(&self, kind: Kind) -> Option<Arc<Ranked>> {
        let latest = self.latest.lock().ok()?;
        latest.clone().filter(|r| r.kind == kind)
    }

    /// The queue, ranked anew where there are [`RERANK`] more corrections than when it was ranked, or other folds.
    pub fn ranked(&self, dir: &Path, reader: &Reader, kind: Kind) -> Result<Arc<Ranked>> {
        let corrections = reader.correction_count()?;
        let folds = folds_made(dir);
        if let Some(known) = self.latest(kind)
            && corrections < known.corrections + RERANK
            && folds == known.folds
        {
            return Ok(known);
        }
        let listed = listed(dir, reader, &QueueOptions::for_screen(kind))?;
        let mut in_sentence: HashMap<SentenceId, Vec<usize>> = HashMap::new();
        for (at, (_, (candidate, ..))) in listed.rows.iter().enumerate() {
            in_sentence.entry(candidate.id).or_default().push(at);
        }
        let ranked = Arc::new(Ranked {
            kind,
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

impl Ranked {
    /// Sentences in the queue's order, each once, without those of which every candidate has been judged since. With `relations`, only by
    /// candidates of those.
    pub fn sentences(&self, reader: &Reader, relations: &[RelationId]) -> Result<Vec<SentenceIdx>> {
        let judged = judged_since(reader, self.corrections)?;
        let mut seen = HashSet::new();
        let open = self.listed.rows.iter().map(|(_, (c, ..))| c);
        let open = open.filter(|c| !judged.contains(&(c.id, c.triple)));
        let open = open.filter(|c| relations.is_empty() || relations.contains(&c.triple.relation));
        Ok(open.filter(|c| seen.insert(c.id)).map(|c| c.idx).collect())
    }

    /// The candidates of a sentence, the most suspicious first; with `relations`, those of them.
    pub fn triples(&self, id: SentenceId, relations: &[RelationId]) -> Vec<Triple> {
        let places = self.in_sentence.get(&id).map_or(&[][..], Vec::as_slice);
        let triples = places.iter().map(|at| self.listed.rows[*at].1.0.triple);
        triples
            .filter(|t| relations.is_empty() || relations.contains(&t.relation))
            .collect()
    }

    /// Why a triple stands where it stands, line by line, for its evidence; empty where it is no candidate.
    pub fn reason(&self, id: SentenceId, triple: Triple) -> Vec<String> {
        let places = self.in_sentence.get(&id).map_or(&[][..], Vec::as_slice);
        let mut rows = places.iter().map(|at| &self.listed.rows[*at]);
        let Some((control, (_, scored, case))) = rows.find(|(_, (c, ..))| c.triple == triple)
        else {
            return Vec::new();
        };
        let control = if *control { ", drawn at random" } else { "" };
        let (what, unit) = match self.listed.calibrated {
            true => ("p", "log odds"),
            false => ("rank score", "of the score"),
        };
        let (kind, score) = (self.kind.name(), scored.score);
        let first = format!("probably {kind}? {what} {score:.2}{control}");
        let why = reasons(scored, case);
        let signals = why.iter().take(4).map(|r| {
            let signal = r.signal.replace('_', " ");
            format!("{:+.2} {unit}: {signal}", r.weight)
        });
        [first].into_iter().chain(signals).collect()
    }

    /// One line on the whole queue.
    pub fn summary(&self) -> String {
        let l = &self.listed;
        let kind = self.kind.name();
        let mut text = format!(
            "{} candidates; {} judged, {} of them {kind}",
            l.left, l.judged, l.confirmed
        );
        if let Some(expected) = l.expected {
            text += &format!(", about {expected:.0} more expected");
        }
        if !l.folds {
            text += "; `redress folds` adds the strongest signal";
        }
        text
    }
}

fn folds_made(dir: &Path) -> Option<SystemTime> {
    std::fs::metadata(folds_file(dir))
        .and_then(|m| m.modified())
        .ok()
}

/// Triples that corrections after the first `from` are about.
fn judged_since(reader: &Reader, from: u64) -> Result<HashSet<(SentenceId, Triple)>> {
    let mut judged = HashSet::new();
    for correction in reader.corrections_after(from, RERANK as usize)? {
        let Change::Edit(edit) = correction.change else {
            continue;
        };
        match edit {
            Edit::Judge { triple, verdict } => {
                let key = (correction.sentence, triple);
                if verdict.is_some() {
                    judged.insert(key);
                } else {
                    judged.remove(&key);
                }
            }
            Edit::Add { triple }
            | Edit::Remove { triple }
            | Edit::Relabel { triple, .. }
            | Edit::Reverse { triple } => {
                judged.insert((correction.sentence, triple));
            }
            _ => {}
        }
    }
    Ok(judged)
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
    }
}
