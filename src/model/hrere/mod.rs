//! HRERE: bags of sentences about one entity pair, tied to a knowledge-base model (Xu & Barbosa 2019).
//!
//! ```text
//! words of a sentence -> h_i -> alpha -> s -> u = tanh(s) \
//! ...                                                      > beta -> v -> MLP -> z_L    p_L = softmax(z_L)
//! words of a sentence -> h_i -> alpha -> s -> u = tanh(s) /
//! (head, tail)        -> ComplEx against every class         -> z_G    p_G = softmax(z_G)
//! p = alpha p_L + (1 - alpha) p_G
//! ```
//!
//! Each output is a distribution over R + 1 classes, class 0 = NA, of one (head, tail, sentences); it is never added to
//! or averaged with sentence-level probabilities. Three separate checkpoints are three systems: base (text alone),
//! naive (J_L + J_G), full (J_L + J_G + J_D); KB-only is p_G of full.
//!
//! Reading order: [`config`], [`bags`] (which sentences make a bag), [`batch`], [`text`], [`loss`], [`joint`], [`row`].
//! Nothing here looks words up or knows a relation's name; [`crate::train`] owns the loop.

pub mod bags;
pub mod batch;
pub mod config;
pub mod joint;
pub mod layers;
pub mod loss;
pub mod lstm;
pub mod row;
pub mod text;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

pub use bags::{Bag, BagSet, PairMention};
pub use batch::{BagBatch, BagRows, BagSource, MarkedSentence, WordVectors};
pub use config::{Dissimilarity, HrereConfig, Mix, Positions, TextSide};
pub use joint::{BagDistribution, JointModel, KbShape, System, insert_tables, joint_step};
pub use loss::{Losses, Mixed, mix};
pub use row::{BagRow, bag_row};
pub use text::{TextModel, TextOutput};

#[derive(Debug, thiserror::Error)]
pub enum HrereError {
    #[error("{what} is {found}; expected {expected}")]
    Config {
        what: &'static str,
        found: String,
        expected: &'static str,
    },
    #[error(
        "word vectors of a batch have shape {found:?}; expected [{sentences}, words, width] and at least one sentence"
    )]
    Words { found: Vec<usize>, sentences: usize },
    #[error("sentence {row} of the batch has {found} words; expected 1 to {most}")]
    Length {
        row: usize,
        found: usize,
        most: usize,
    },
    #[error("a batch has no bags; expected at least one")]
    NoBags,
    #[error("bag {bag} of the batch {}; expected rows below {sentences}", match missing {
        Some(row) => format!("names sentence {row}"),
        None => "is empty".to_owned(),
    })]
    BagRows {
        bag: usize,
        missing: Option<usize>,
        sentences: usize,
    },
}
