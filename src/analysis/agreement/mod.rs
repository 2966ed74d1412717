//! More than one curator: who decided what, where they differ, and how well they agree.
//!
//! [`Decisions`] walks the records of one sentence and knows each curator's latest word on everything that can be decided;
//! [`kappa`] and [`alpha`] are the coefficients; [`items()`] lays the curators' verdicts side by side. Pure.

mod coefficients;
mod decisions;
mod items;

pub use coefficients::{Kappa, alpha, kappa};
pub use decisions::{Decided, Decisions, Dispute, Slot, Value, says};
pub use items::{Item, Matching as SpanMatching, SentenceVotes, items};
