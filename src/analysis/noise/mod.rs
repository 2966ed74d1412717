//! Which labels are probably wrong, and which are probably missing: signals of one candidate, and how they make a rank.
//!
//! A candidate is an ordered pair of entity mentions with a relation: one that the corpus labels (is it wrong?), or one
//! that it does not (is it missing?). Each signal is a pure function of a [`Case`], higher the more suspicious the case. Without any verdict
//! [`before_verdicts`] orders them; with verdicts a [`Combiner`] learns from all of them, leaning on that while they are few.
//!
//! Read next: [`signals`], [`before`], [`combine`], [`logistic`] (the one regression that both the combiner and the out-of-fold labels
//! use), [`folds`]. What random rows say of all: [`crate::analysis::Sample`]. docs/noise.md gives sources, costs and what each signal is worth.

pub mod before;
pub mod combine;
pub mod folds;
pub mod logistic;
pub mod signals;
pub mod subspace;

pub use before::{Scored, before_verdicts};
pub use combine::{Combiner, Judged};
pub use folds::{FoldModels, fold_of};
pub use logistic::{Link, LogisticError, Regression, RegressionOptions, Term, Terms};
pub use signals::log_odds;
pub use signals::{Case, Kind, OutOfFold, Signal, SignalSet};
pub use subspace::Subspace;
