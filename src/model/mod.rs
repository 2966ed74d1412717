//! Sentence → prediction: encoders, heads, knowledge-base embedding, and the bank that runs them together.
//!
//! One file a system, each with its equations and source. Nothing here reads a corpus file or knows a screen.

pub mod complex;
pub mod encoded;
pub mod files;
pub mod hrere;
pub mod mode;
pub mod params;
