//! A relation between two spans of one sentence.

use super::{RelationId, TokenSpan};

/// The triple is its own key. It holds spans, not entity indices, so an edit of the entity list never leaves it dangling.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Triple {
    pub head: TokenSpan,
    pub relation: RelationId,
    pub tail: TokenSpan,
}

impl Triple {
    /// Head and tail exchanged.
    pub fn reversed(self) -> Self {
        Self {
            head: self.tail,
            relation: self.relation,
            tail: self.head,
        }
    }
}

/// Where a gold label comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GoldSource {
    /// Made by `redress label`: a knowledge base has the fact.
    Distant,
    /// Read from a redress export in which a curator had decided.
    Human,
    /// Read from any other corpus file.
    Imported,
}

/// A label that came with the corpus. `line` is the input line it came from (1-based; 0 when made by the labeller).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoldTriple {
    pub triple: Triple,
    pub source: GoldSource,
    pub line: u32,
}
