//! Gold labels and corrections → new weights.

pub mod bags;
pub mod checkpoint;
pub mod examples;
pub mod fit;
pub mod kb_start;
pub mod mutual;
pub mod optim;
pub mod sentence;
pub mod spans;
