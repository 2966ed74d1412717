//! Full-text and label search over a workspace, with counts per relation.
//!
//! The index is a cache. It carries a [`Stamp`] of what it was made from; when it is missing, damaged, foreign or made
//! by another version, it is made anew, and nobody sees an error. The truth is in the store.
//!
//! What it never does: read sentences, fold corrections, decide outcomes. The workspace fills a [`Doc`] for each
//! sentence. docs/query.md describes the query language to users; [`query`] is its syntax, `evaluate` its meaning.
//! Start with [`Doc`], then [`fields`], then [`Searcher::search`].

mod cache;
mod collect;
mod doc;
mod error;
mod evaluate;
mod fields;
mod hits;
mod pattern;
pub mod query;
mod search;

#[cfg(test)]
mod tests;

pub use cache::{Freshness, Index, Stamp};
pub use collect::{RelationTally, Sort};
pub use doc::{Doc, DocTriple, State};
pub use error::IndexError;
pub use hits::{asks_for, is_about_triples, strength};
pub use pattern::{ArgumentOrder, Between, MAX_WORDS};
pub use query::{Query, QueryError};
pub use search::{Found, Searcher};
