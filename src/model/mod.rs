//! Sentence → prediction: encoders, heads, knowledge-base embedding, and the bank that runs them together.
//!
//! One file a system, each with its equations and source. Nothing here reads a corpus file or knows a screen.

pub mod encoded;
pub mod mode;
pub mod params;

pub mod batch;
pub mod device;
pub mod encoder;
pub mod layers;
pub mod ops;
pub mod tokens;
