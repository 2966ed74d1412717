//! Gold labels and corrections → new weights.

pub mod optim;
