//! A search from the command line, with another redress at work on the same workspace or not.

use super::asking::matching;
use super::{Workspace, index_stamp};
use crate::index::{Freshness, Index};
use crate::store::Reader;
use anyhow::Result;
use serde::Serialize;
use std::path::Path;

/// Characters of a sentence that are shown.
const SNIPPET: usize = 300;

/// Sentences that a query found.
#[derive(Clone, Debug, Serialize)]
pub struct Hits {
    pub total: usize,
    pub rows: Vec<Hit>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Hit {
    pub id: String,
    pub text: String,
}

/// A query that does not parse; `column` is 0-based, in characters.
#[derive(Clone, Debug)]
pub struct BadQuery {
    pub column: usize,
    pub message: String,
}

/// The first `limit` sentences that a query finds in the workspace in `dir`, in the order of the screen's list, or what is wrong with the
/// query. Only an index that is behind needs the workspace for itself, to bring it up to date.
pub fn search(dir: &Path, query: &str, limit: usize) -> Result<Result<Hits, BadQuery>> {
    with_index(dir, &mut |reader, index| {
        find(dir, reader, index, query, limit)
    })
}

/// Does `work` with an index that is up to date. Only one that is behind needs the workspace for itself.
pub(super) fn with_index<T>(
    dir: &Path,
    work: &mut dyn FnMut(&Reader, &Index) -> Result<T>,
) -> Result<T> {
    let reader = Reader::open(dir)?;
    let index = Index::open(&dir.join("index"))?;
    if index.freshness(&index_stamp(&reader.stamp()?)) == Freshness::Current {
        return work(&reader, &index);
    }
    drop(index);
    let mut workspace = Workspace::open(dir)?;
    workspace.refresh_index(&mut |_, _| true)?;
    work(workspace.read(), &workspace.index)
}

fn find(
    dir: &Path,
    reader: &Reader,
    index: &Index,
    query: &str,
    limit: usize,
) -> Result<Result<Hits, BadQuery>> {
    let found = match matching((dir, reader), &index.searcher(), query)? {
        Ok(found) => found,
        Err(error) => {
            return Ok(Err(BadQuery {
                column: error.column,
                message: error.to_string(),
            }));
        }
    };
    let rows = reader.rows(&found[..limit.min(found.len())], SNIPPET)?;
    let hit = |row: crate::store::Row| Hit {
        id: row.id.to_string(),
        text: row.snippet,
    };
    Ok(Ok(Hits {
        total: found.len(),
        rows: rows.into_iter().map(hit).collect(),
    }))
}
