//! What a row of the sentence list shows, kept so that no list needs a fold or a prediction.

use super::error::Failure;
use super::reader::idx_of;
use super::sentence_bytes::decode_text;
use super::{Reader, Store, StoreError};
use crate::domain::{RunId, SentenceId, SentenceIdx};
use rusqlite::params;

/// Numbers of one sentence, derived from its annotation and one run's prediction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// The run they were made with. When another run is current they are out of date.
    pub run: Option<RunId>,
    /// Labels that stand.
    pub n_gold: u16,
    pub n_predicted: u16,
    /// Gold and predicted triples that are not `Correct`.
    pub n_disagreements: u16,
    /// Something was judged or edited.
    pub touched: bool,
    pub done: bool,
}

/// A sentence as a list shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    pub idx: SentenceIdx,
    pub id: SentenceId,
    /// The first characters of the text, as they are: may hold control characters and line breaks.
    pub snippet: String,
    /// `None` until one was written.
    pub summary: Option<Summary>,
}

impl Store {
    /// Writes summaries over older ones, in one transaction.
    pub fn put_summaries(&mut self, summaries: &[(SentenceId, Summary)]) -> Result<(), StoreError> {
        self.bulk.transaction("saving summaries", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO summaries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for (id, summary) in summaries {
                insert.execute(params![
                    idx_of(transaction, *id)?.0,
                    summary.run.map(|run| run.0 as i64),
                    summary.n_gold,
                    summary.n_predicted,
                    summary.n_disagreements,
                    summary.touched,
                    summary.done
                ])?;
            }
            Ok(())
        })
    }
}

impl Reader {
    /// List rows in the order asked for, snippets cut to `max_chars`; a sentence that does not exist is left out.
    pub fn rows(&self, idxs: &[SentenceIdx], max_chars: usize) -> Result<Vec<Row>, StoreError> {
        self.database.run("reading list rows", |connection| {
            let mut select = connection.prepare_cached(
                "SELECT s.id, substr(s.payload, 1, ?2), v.idx, v.run, v.gold, v.predicted, v.disagreements, \
                 v.touched, v.done FROM sentences s LEFT JOIN summaries v ON v.idx = s.idx WHERE s.idx = ?1",
            )?;
            // A character has at most 4 bytes; 12 more for the version and the length before the text.
            let max_bytes = max_chars.saturating_mul(4).saturating_add(12).min(1 << 30);
            let mut rows = Vec::with_capacity(idxs.len());
            for idx in idxs {
                let mut found = select.query(params![idx.0, max_bytes as i64])?;
                let Some(row) = found.next()? else { continue };
                let head: Vec<u8> = row.get(1)?;
                let mut snippet = decode_text(&head)
                    .map_err(|what| Failure::Store(self.database.damaged(what)))?;
                if let Some((end, _)) = snippet.char_indices().nth(max_chars) {
                    snippet.truncate(end);
                }
                let summary = match row.get::<_, Option<u32>>(2)? {
                    None => None,
                    Some(_) => Some(Summary {
                        run: row.get::<_, Option<i64>>(3)?.map(|run| RunId(run as u64)),
                        n_gold: row.get(4)?,
                        n_predicted: row.get(5)?,
                        n_disagreements: row.get(6)?,
                        touched: row.get(7)?,
                        done: row.get(8)?,
                    }),
                };
                rows.push(Row {
                    idx: *idx,
                    id: SentenceId(row.get::<_, i64>(0)? as u64),
                    snippet,
                    summary,
                });
            }
            Ok(rows)
        })
    }
}
