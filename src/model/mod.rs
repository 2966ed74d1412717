//! Sentence → prediction: encoders, heads, knowledge-base embedding, and the bank that runs them together.
//!
//! One file a system, each with its equations and source. Nothing here reads a corpus file or knows a screen.

pub mod assemble;
pub mod batch;
pub mod complex;
pub mod encoded;
pub mod encoder;
pub mod files;
pub mod hrere;
pub mod mode;
mod ops;
pub mod params;
pub mod tokens;

mod bce;
pub mod decode;
pub mod gold;
pub mod kernel;
pub mod rin;
pub mod sentence;

#[cfg(test)]
pub(crate) mod golden;
#[cfg(test)]
pub(crate) mod test_support;
