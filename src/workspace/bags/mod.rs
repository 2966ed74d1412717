//! Bag systems over a workspace: which pairs make bags, training them, their cells in predictions, and why they say so.
//!
//! A pair is two mentions whose entities are linked to the knowledge base (`redress label`). Order of reading:
//! [`mentions`], [`facts`], [`training`], [`resume`], [`scoring`], [`explaining`], [`evaluating`]. The models are
//! [`crate::model::hrere`]'s; what a checkpoint holds is [`crate::model::bags::BagBank`].

pub mod cases;
pub mod evaluating;
pub mod explaining;
pub mod facts;
pub mod mentions;
pub mod resume;
pub mod scoring;
pub mod training;

#[cfg(test)]
pub(in crate::workspace) mod tests;

pub use evaluating::{BagEvaluation, BagScores, evaluate_bags};
pub use explaining::{Corpus, explain};
pub use facts::{KbProgress, KbSettings};
pub use scoring::BagScorer;
pub use training::{
    BagProgress, BagReport, BagSettings, BagTraining, Keep, TrainedBank, train_bags,
};
