//! Triples that a rule, a duplicate or a change between runs speaks of: no score, a reason in words.

use super::queue::{Candidate, Mention, QueueKind};
use crate::store::Reader;
use crate::workspace::{Tell, compare, duplicates, relation_rules, stored_rule};
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    pub candidate: Candidate,
    pub why: String,
}

/// What a queue of rules, duplicates or changes lists, in its order; of other queues nothing. `None` when stopped.
pub fn findings(
    dir: &Path,
    reader: &Reader,
    kind: QueueKind,
    tell: Tell,
) -> Result<Option<Vec<Finding>>> {
    match kind {
        QueueKind::Noise(_) => Ok(Some(Vec::new())),
        QueueKind::Rules => relation_rules::findings(reader, tell),
        QueueKind::Duplicates => match duplicates::read_duplicates(dir, reader)? {
            Some(found) => duplicates::findings(reader, &stored_rule(reader)?, &found, tell),
            // Nobody has looked yet.
            None => Ok(Some(Vec::new())),
        },
        QueueKind::Changed(change) => compare::findings(reader, change, tell),
    }
}

/// A finding for a program or a person.
#[derive(Clone, Debug, Serialize)]
pub struct FindingRow {
    pub rank: usize,
    /// The corpus file's id, else the workspace's.
    pub id: String,
    pub sentence: String,
    pub head: Mention,
    pub relation: String,
    pub tail: Mention,
    pub why: String,
    pub text: String,
}

/// Findings with their sentences, of one relation where asked, and how many there are; `None` when stopped.
pub fn finding_rows(
    dir: &Path,
    kind: QueueKind,
    relation: Option<&str>,
    limit: usize,
    tell: Tell,
) -> Result<Option<(Vec<FindingRow>, usize)>> {
    let reader = &Reader::open(dir)?;
    let Some(findings) = findings(dir, reader, kind, tell)? else {
        return Ok(None);
    };
    let schema = reader.schema()?;
    let only = relation.map(|name| {
        schema
            .find_relation(name)
            .with_context(|| format!("no relation {name} in this workspace"))
    });
    let only = only.transpose()?;
    let of = |f: &&Finding| only.is_none_or(|r| f.candidate.triple.relation == r);
    let total = findings.iter().filter(of).count();
    let chosen = findings.iter().filter(of).take(limit);
    let rows = chosen.enumerate().map(|(n, finding)| {
        let Candidate { id, triple, .. } = finding.candidate;
        let sentence = reader.sentence(id)?;
        Ok(FindingRow {
            rank: n + 1,
            id: sentence.native_id.clone().unwrap_or_else(|| id.to_string()),
            sentence: id.to_string(),
            head: Mention::of(&sentence, triple.head),
            relation: schema.name(triple.relation).to_owned(),
            tail: Mention::of(&sentence, triple.tail),
            why: finding.why.clone(),
            text: sentence.text,
        })
    });
    Ok(Some((rows.collect::<Result<_>>()?, total)))
}
