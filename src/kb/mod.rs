//! Knowledge base: facts, names, the entity linker and the distant-supervision labeller.
//!
//! The data's way: [`read_triples`] and [`read_names`] fill a [`KnowledgeBaseBuilder`]; [`KnowledgeBaseBuilder::build`]
//! gives a [`KnowledgeBase`]; a [`Linker`] finds its entities in mentions; a [`Labeller`] turns its facts into labels
//! through a [`RelationMap`]. Everything is in memory and deterministic: the same facts give the same ids in whatever
//! order the files were read.
//!
//! Nothing here writes a file, knows the store or a model, or lets a label influence a link. Formats, linking rules and
//! the noise to expect are in docs/kb.md.

mod base;
mod label;
mod lines;
mod link;
mod map;
mod names;
mod normalise;
mod subset;
mod triples;
mod types;

#[cfg(test)]
mod real_data_tests;

pub use base::{
    Added, BuildCounts, Fact, KbEntity, KbRelation, KnowledgeBase, KnowledgeBaseBuilder,
};
pub use label::{Labelled, Labeller, LabellingCounts, MAX_LABELS_PER_SENTENCE};
pub use lines::{KbError, Problem, Problems};
pub use link::{Link, LinkCounts, Linker, MatchedName, Matching, pairs_in_text};
pub use map::{Direction, MapError, RelationMap, Target, Unlisted};
pub use names::{NameScope, NamesReport, read_names, read_names_from};
pub use subset::{DroppedPairs, EntityPair, HeldOut};
pub use triples::{
    ColumnOrder, Columns, Confidence, OrderDecision, TriplesReport, read_triples, read_triples_from,
};
pub use types::{TypesByName, read_types};
