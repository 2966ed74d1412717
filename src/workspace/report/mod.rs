//! `redress report`: what curation has found, what the labels are worth before and after, what the model gained, and what a decision cost.
//!
//! [`GainReport::collect`] reads the workspace; [`markdown`](GainReport::markdown) and [`html`](GainReport::html) only write what it found.
//! What each number means, and what it does not say, stands in the report itself.

mod charts;
mod collect;
mod fine_tunes;
mod html;
mod markdown;

pub use collect::{Curator, GainReport, Labels, Missing, RelationGain, Shares};
pub use fine_tunes::{FineTuned, record};

/// What the figures mean, for every form of the report; [`GAIN`] where a fine-tuning was measured.
const METHOD: [&str; 4] = [LABELS, QUALITY, MISSING, TIME];

const LABELS: &str = "Labels are those of the corpus; inspected: a curator judged, removed, relabelled or reversed them. Unsure ones are in neither side of the quality.";

const QUALITY: &str = "Quality is the share of labels that are right, before (all) and after (those that stand). It is estimated from labels in an order of chance, a hash \
     that has nothing to do with them: the control rows of the queues come in that order, and the sample is its beginning as far as every label is \
     judged. The interval is Wilson's, 95 %, kept within what was found for certain. It holds as far as the curators are right.";

const MISSING: &str = "Missing relations are estimated the same way from the random rows of their queue: coarse, as most of those are not missing. It is of the pairs and relations \
     that the queue asks about: entities that nobody marked are in neither side. Completeness takes the right labels at their estimate.";

const GAIN: &str = "The model's gain is its F1 after fine-tuning less its F1 before, on the same sentences. The interval is of a paired bootstrap over \
     sentences, 95 %: one that holds zero does not tell the change from chance. Dev has labels that nobody corrected, noise and all, and the epoch was selected \
     on it, which flatters. Curated sentences are those of dev and test that curators finished: not trained on, and their labels are the best there are, but they are those that somebody chose to curate. \
     From 30 on they choose the new model's threshold, each half of them that under which the other half is measured.";

const TIME: &str = "Time per decision is the median time between a curator's decisions; gaps of two minutes or more are cut, and a bulk edit counts once.";
