//! Gold labels and corrections → new weights.

pub mod examples;
pub mod optim;
