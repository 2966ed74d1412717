//! Implicit mutual relations (Kuang et al. 2019, "PA-TMR"): what the company of two entities says about their relation.
//!
//! ```text
//! sentences -> co-occurrence -> proximity graph -> LINE (first, second order) -> U      MR = U_tail - U_head
//! bag of one pair -> PCNN + selective attention -> z_RE \
//! MR    -> scorer                               -> z_MR  > combination -> p over R + 1 classes, class 0 = NA
//! types -> scorer                               -> z_T  /
//! ```
//!
//! Graph and LINE are trained once and then frozen. Four separate checkpoints are four systems: base (text alone), PA-T,
//! PA-MR and PA-TMR. Each output is a distribution of one bag; it is never added to or averaged with sentence-level
//! probabilities. The paper's body was not at hand: what is reconstructed is a setting (specs: imr).
//!
//! Reading order: [`graph`], [`mod@line`], [`mod@align`], [`vectors`]; then [`config`], [`text`], [`attention`], [`addons`], [`model`], [`bank`].

pub mod addons;
mod alias;
pub mod align;
pub mod attention;
pub mod bank;
pub mod config;
pub mod graph;
pub mod line;
pub mod model;
mod pool;
mod shards;
pub mod text;
pub mod vectors;

pub use addons::{class_weights, weighted_cross_entropy};
pub use bank::{MutualBank, MutualBankConfig};
pub use config::{Combine, MutualConfig, TextBase};
pub use graph::{CoOccurrence, EdgeWeight, GraphConfig, ProximityGraph, Vertex};
pub use line::{LineConfig, LineProgress, embed};
pub use model::{EntityFacts, MutualAnswer, MutualBatch, MutualModel, Sizes, System};
pub use vectors::{EntityVectors, VectorRows};

#[derive(Debug, thiserror::Error)]
pub enum MutualError {
    #[error("{what} is {found}; expected {expected}")]
    Config {
        what: &'static str,
        found: String,
        expected: &'static str,
    },
    #[error(
        "the proximity graph has no edge: no two entities stand together in a sentence often enough; import more sentences or lower graph.threshold"
    )]
    NoEdges,
    #[error("{place}: {reason}; expected a file that `redress graph build` wrote")]
    Vectors { place: String, reason: String },
}
