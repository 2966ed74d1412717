//! Mutual-relation systems over a workspace: training them, their cell in predictions, and why they say so.
//!
//! A pair is two mentions; an entity is its link where it has one, else its lower-cased name, so no knowledge base is
//! needed. Order of reading: [`entities`], `held_out`, `graphs`, [`training`], [`scoring`], [`explaining`], [`evaluating`]. The models are
//! [`crate::model::mutual`]'s.

mod adding;
pub mod entities;
pub mod evaluating;
pub mod explaining;
mod graphs;
mod held_out;
pub mod scoring;
pub mod training;

#[cfg(test)]
mod tests;

pub use adding::{MutualInputs, add_mutual};
pub use evaluating::{MutualEvaluation, evaluate_mutual};
pub use explaining::explain_mutual;
pub use scoring::MutualScorer;
pub use training::MutualSettings;
