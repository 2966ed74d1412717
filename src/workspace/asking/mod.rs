//! What a query asks for beyond what the index knows: the order of a queue, what curators dispute, what is assigned to one of
//! them. The screen, `redress search` and the slices share it.
//!
//! [`Asked`] takes these terms out of a query; the index answers the rest; [`Asked::arrange`] narrows and orders the answer.

mod asked;
mod curators;
mod queue;
mod terms;

pub use asked::Asked;
pub use queue::{Decided, Queues, Ranked};

use crate::domain::{RelationId, RelationSchema, SentenceIdx};
use crate::index::{QueryError, Searcher, query};
use crate::store::Reader;
use crate::workspace::Tell;
use anyhow::{Result, bail};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// The queue whose order a list has.
pub struct InQueue {
    pub ranked: Arc<Ranked>,
    /// Those that the query names.
    pub relations: Vec<RelationId>,
    /// Before the list was made: its rows ask about nothing of this.
    pub decided: Decided,
}

/// Sentences in their order, and the queue that it is of.
pub type Arranged = (Vec<SentenceIdx>, Option<InQueue>);

impl Asked {
    /// Whether there are the relations and curators that its terms name.
    pub fn check(&self, reader: &Reader) -> Result<()> {
        self.check_relations(&reader.schema()?)?;
        self.curators.narrow(reader, &mut Vec::new())
    }

    fn check_relations(&self, schema: &RelationSchema) -> Result<()> {
        match self.unknown_relation(schema) {
            Some(name) => bail!("there is no relation {name} here"),
            None => Ok(()),
        }
    }

    /// Of the sentences that the rest of the query found, those that its terms leave, in the queue's order if there is one. `workspace` is a
    /// directory with a reader of it. An error says what cannot be listed; `None`: `tell` stopped the ranking.
    pub fn arrange(
        &self,
        mut found: Vec<SentenceIdx>,
        workspace: (&Path, &Reader),
        queues: &Queues,
        tell: Tell,
    ) -> Result<Option<Arranged>> {
        let (dir, reader) = workspace;
        let schema = reader.schema()?;
        self.check_relations(&schema)?;
        if !self.curators.is_empty() {
            self.curators.narrow(reader, &mut found)?;
        }
        let Some(kind) = self.kind else {
            return Ok(Some((found, None)));
        };
        let Some(ranked) = queues.ranked(dir, reader, kind, self.order, tell)? else {
            return Ok(None);
        };
        let relations = self.relations(&schema);
        let decided = ranked.decided(reader)?;
        let found: HashSet<SentenceIdx> = found.into_iter().collect();
        let mut rows = ranked.sentences(&decided, &relations);
        rows.retain(|idx| found.contains(idx));
        let queue = InQueue {
            ranked,
            relations,
            decided,
        };
        Ok(Some((rows, Some(queue))))
    }
}

/// Every sentence that a query finds, in its order; the inner error is of a query that does not parse.
pub fn matching(
    (dir, reader): (&Path, &Reader),
    searcher: &Searcher,
    text: &str,
) -> Result<Result<Vec<SentenceIdx>, QueryError>> {
    let asked = Asked::read(text);
    let query = match query::parse(&asked.rest, &reader.schema()?) {
        Ok(query) => query,
        Err(error) => return Ok(Err(error)),
    };
    let found = searcher.matching(&query)?;
    let queues = Queues::default();
    let arranged = asked.arrange(found, (dir, reader), &queues, &mut |_, _| true)?;
    Ok(Ok(arranged.map(|(rows, _)| rows).unwrap_or_default()))
}
