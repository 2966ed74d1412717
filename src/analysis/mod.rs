//! Gold against predicted: what is right, what is wrong and how, and the numbers that say so.
//!
//! Pure functions of the domain: nothing here reads a file, runs a model or knows a screen. [`align()`] gives every gold and
//! every predicted triple exactly one outcome; [`Scorer`] counts under a named [`Protocol`]; [`Ranking`] scores bags;
//! [`best_threshold`] and [`tune_rule`] choose decisions on dev data.
//!
//! A score without its protocol means nothing, so every report carries one, and its name is printed beside it.

mod align;
mod bootstrap;
mod calibrate;
mod changes;
mod classes;
mod compare;
mod confusion;
mod errors;
mod mix;
mod ranking;
mod sample;
mod score;
mod study;
mod threshold;

pub mod agreement;
pub mod curve;
pub mod duplicates;
pub mod gain;
pub mod noise;
pub mod rules;

pub use align::{Aligned, Alignment, EntityKinds, align, align_sentence, predicted_triples};
pub use bootstrap::{Interval, Patterns, RESAMPLES};
pub use calibrate::{Calibration, ReliabilityBin};
pub use changes::{Change, ChangedRow, Changes, changed};
pub use classes::{SentenceClass, SentenceClasses, classes, number_bucket};
pub use compare::{Comparison, RelationChange, compare};
pub use confusion::Confusion;
pub use errors::{ErrorRow, ErrorTable};
pub use mix::mix;
pub use ranking::{Candidate, CurvePoint, PrecisionAt, Ranking};
pub use sample::{Estimate, Sample};
pub use score::{
    Averaging, Candidates, Case, Counts, EntityMatching, Matching, Prf, Protocol, Report, Scorer,
    score_entities,
};
pub use study::{Against, Measured, MeasuredRow, Side, Study, contenders, sentence_counts};
pub use threshold::{Choice, ScoredCase, SpanUse, Tuning, best_threshold, tune_rule};
