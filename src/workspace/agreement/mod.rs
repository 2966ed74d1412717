//! More than one curator on one corpus: who works on which sentences, how well they agree, and what is disputed.
//!
//! [`assign()`] parts the corpus by hash, so that every copy of a workspace parts it alike; [`measure()`] computes the coefficients of
//! [`crate::analysis::agreement`] over the whole history; [`disputes`] is the adjudicator's queue. Nothing here decides.

mod assign;
mod disputes;
mod measure;

pub use assign::{Assignment, Part, assign, assignment, parts};
pub use disputes::{Disputed, Side, disputed, disputed_sentences, settle};
pub use measure::{AgreementReport, Measured, measure};
