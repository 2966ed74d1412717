//! Sentence → prediction: encoders, heads, knowledge-base embedding, and the bank that runs them together.
//!
//! One file a system, each with its equations and source. Nothing here reads a corpus file or knows a screen.

pub mod device;
pub mod encoded;
pub mod files;
pub mod masked;
pub mod mode;
pub mod params;

pub mod batch;
pub mod encoder;
pub mod layers;
pub mod ops;
pub mod shapes;
pub mod tokens;

pub mod assemble;
pub mod decode;
pub mod gold;
pub mod grow;
pub mod kernel;
pub mod labels;
pub mod rin;
pub mod rules;
pub mod sentence;
pub mod spans;

pub mod bags;
pub mod complex;
pub mod hrere;
pub mod mutual;
pub mod nudge;
pub mod words;

#[cfg(test)]
pub(crate) mod golden;
#[cfg(test)]
pub(crate) mod test_support;
