//! The adjudicator's queue.

use crate::analysis::agreement::{Decisions, Value};
use crate::domain::{Edit, Record, Sentence, SentenceId, SharedChange, Triple, Verdict};
use crate::store::{Incoming, Reader, correction_key};
use crate::workspace::{Workspace, now_ms};
use anyhow::{Result, bail};

/// One curator's verdict in a dispute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Side {
    pub by: String,
    pub at_ms: i64,
    pub verdict: Verdict,
    /// Kept without effect.
    pub held: bool,
}

/// A triple on which curators differ.
#[derive(Clone, Debug)]
pub struct Disputed {
    pub sentence: Sentence,
    pub triple: Triple,
    /// At least two, of at least two verdicts; the one that stands first.
    pub sides: Vec<Side>,
    /// The sentence's note, for what curators wrote to each other.
    pub note: String,
}

/// Sentences with a dispute, by id.
pub fn disputed_sentences(reader: &Reader) -> Result<Vec<SentenceId>> {
    let mut found = Vec::new();
    for id in reader.sentences_of_several()? {
        if !Decisions::of(&reader.records(id)?).disputes().is_empty() {
            found.push(id);
        }
    }
    Ok(found)
}

/// The first `limit` disputes in corpus order, and how many there are.
pub fn disputed(reader: &Reader, limit: usize) -> Result<(Vec<Disputed>, usize)> {
    let mut places = Vec::new();
    for id in reader.sentences_of_several()? {
        places.push((reader.idx_of(id)?, id));
    }
    places.sort_unstable();
    let (mut found, mut total) = (Vec::new(), 0);
    for (_, id) in places {
        let disputes = Decisions::of(&reader.records(id)?).disputes();
        total += disputes.len();
        for dispute in disputes {
            if found.len() == limit {
                break;
            }
            let sentence = reader.sentence(id)?;
            let n = sentence.tokens.len();
            if dispute.triple.head.end() > n || dispute.triple.tail.end() > n {
                // Of another tokenisation; there is nothing to show.
                total -= 1;
                continue;
            }
            let sides = dispute.sides.iter().filter_map(|d| match d.value {
                Value::Verdict(verdict) => Some(Side {
                    by: d.by.clone(),
                    at_ms: d.at_ms,
                    verdict,
                    held: d.held,
                }),
                _ => None,
            });
            let annotation =
                crate::domain::Annotation::fold(&sentence, &reader.corrections(id)?).annotation;
            found.push(Disputed {
                triple: dispute.triple,
                sides: sides.collect(),
                note: annotation.note,
                sentence,
            });
        }
    }
    Ok((found, total))
}

/// Records the adjudicator's verdict on a disputed triple: a correction like others that names the decisions it settles. Returns once
/// it is on disk.
pub fn settle(
    workspace: &mut Workspace,
    id: SentenceId,
    triple: Triple,
    verdict: Verdict,
    by: &str,
) -> Result<()> {
    let records = workspace.read().records(id)?;
    let disputes = Decisions::of(&records).disputes();
    let Some(dispute) = disputes.into_iter().find(|d| d.triple == triple) else {
        bail!("nobody disputes this triple any more");
    };
    let change = SharedChange::Edit(Edit::Judge {
        triple,
        verdict: Some(verdict),
    });
    let (at_ms, schema) = (now_ms(), workspace.schema().clone());
    // Two equal ones within a millisecond are told apart by their copy.
    let key_of = |copy| correction_key(id, at_ms, by, &change, copy, &schema);
    let copies = (0u32..).take_while(|n| records.iter().any(|r| r.key == key_of(*n)));
    let copy = copies.count() as u32;
    let settling = Incoming {
        record: Record {
            key: key_of(copy),
            copy,
            seq: None,
            at_ms,
            by: by.to_owned(),
            sentence: id,
            seen: workspace.read().current_run()?,
            settles: dispute.sides.iter().map(|d| d.key).collect(),
            change,
        },
        hold: false,
        target: None,
    };
    workspace.merge(&[settling], schema)
}
