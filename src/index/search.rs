//! Asking the index. A [`Searcher`] is cheap to clone and goes to any thread; it sees the newest commit.

use super::collect::{Collected, RelationTally, Sort};
use super::evaluate::{Plan, Scored};
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
        let searcher = self.reader.searcher();
        let scored = match sort {
            Sort::Relevance => Scored::Yes,
            _ => Scored::No,
        };
        let plan = Plan::new(query, &self.fields, &searcher, scored)?;
        let mut collected = Collected::new(sort, rows.end, n_relations);
        for segment in searcher.segment_readers() {
            let matches = plan.matches(segment)?;
            let mut scores = Vec::new();
            if scored == Scored::Yes {
                scores.resize(segment.max_doc() as usize, 0.0);
                plan.score(segment, &mut scores)?;
            }
            collected.collect(segment, matches.iter(), &scores)?;
        }
        Ok(Found {
            total: collected.total,
            relations: std::mem::take(&mut collected.relations),
            rows: collected
                .rows()
                .into_iter()
                .skip(rows.start)
                .map(SentenceIdx)
                .collect(),
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
