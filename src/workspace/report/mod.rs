//! `redress report`: what curation has found, what the labels are worth before and after, what the model gained, and what a decision cost.
//!
//! [`GainReport::collect`] reads the workspace once; [`markdown`](GainReport::markdown) and [`html`](GainReport::html) only write what it found.
//! What each number means, and what it does not say, stands in the report itself.

mod charts;
mod collect;
mod fine_tunes;
mod html;
mod markdown;

pub use collect::{Curator, GainReport, Labels, RelationGain, Shares};
pub use fine_tunes::{FineTuned, record};

/// What the figures mean, for every form of the report.
const METHOD: [&str; 4] = [
    "Labels are those of the corpus; inspected: a curator judged, removed, relabelled or reversed them. Unsure ones are in neither side of the quality.",
    "Quality is the share of labels that are right, before (all) and after (those that stand). It is estimated from labels in an order of chance, a hash \
     that has nothing to do with them: the control rows of the queues come in that order, and the sample is its beginning as far as every label is \
     judged. The interval is Wilson's, 95 %, kept within what was found for certain. It holds as far as the curators are right.",
    "Missing relations found have no such estimate: a pair and relation drawn at random is almost never missing.",
    "Time per decision is the median time between a curator's decisions; gaps of two minutes or more are cut, and a bulk edit counts once.",
];
