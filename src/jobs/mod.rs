//! Threads that do one kind of work each, how they are told to stop, and how far they are.
//!
//! Lanes serve the screen: Compute owns the model, Query and Explain answer only the latest question of a kind, Disk keeps
//! order and is never cancelled. What runs on a lane is the caller's matter; nothing here knows the domain.

mod cancel;
mod lane;
mod priority;
mod progress;

pub use cancel::Cancel;
pub use lane::{Lane, spawn_background, spawn_latest, spawn_ordered};
pub use priority::lower;
pub use progress::Progress;
