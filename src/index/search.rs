//! Asking the index. A [`Searcher`] is cheap to clone and goes to any thread; it sees the newest commit.

use super::collect::{RelationTally, RowsAndCounts, Sort};
use super::compile::compile;
use super::fields::Fields;
use super::{IndexError, Query};
use crate::domain::SentenceIdx;
use std::ops::Range;
use tantivy::IndexReader;

#[derive(Clone)]
pub struct Searcher {
    pub(super) reader: IndexReader,
    pub(super) fields: Fields,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Matching sentences in all.
    pub total: usize,
    /// The wanted rows, in order.
    pub rows: Vec<SentenceIdx>,
    /// One per relation of the schema, over all matching sentences.
    pub relations: Vec<RelationTally>,
}

impl Searcher {
    /// The `rows` of all sentences that match, in the order of `sort`, and counts for relations `0..n_relations`, in
    /// one pass. Time grows with the number of matches, memory with `rows.end`.
    pub fn search(
        &self,
        query: &Query,
        sort: Sort,
        rows: Range<usize>,
        n_relations: usize,
    ) -> Result<Found, IndexError> {
        let collector = RowsAndCounts {
            sort,
            want: rows.end,
            n_relations,
        };
        let found = self
            .reader
            .searcher()
            .search(&*compile(query, &self.fields), &collector)?;
        Ok(Found {
            total: found.total,
            rows: found
                .rows
                .iter()
                .skip(rows.start)
                .map(|(_, idx)| SentenceIdx(*idx))
                .collect(),
            relations: found.relations,
        })
    }

    /// Every matching sentence, in corpus order.
    pub fn matching(&self, query: &Query) -> Result<Vec<SentenceIdx>, IndexError> {
        Ok(self.search(query, Sort::Corpus, 0..usize::MAX, 0)?.rows)
    }

    /// Sentences in the index.
    pub fn len(&self) -> u64 {
        self.reader.searcher().num_docs()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
