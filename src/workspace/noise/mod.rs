//! Probably wrong and probably missing labels of a workspace, and repairs from a file.
//!
//! `folds` hides the names and asks models that never saw a pair (a job of minutes, kept beside the workspace's database);
//! `queue` ranks what nobody has judged, by those and by cheap signals, and learns from the verdicts there are; `apply` takes
//! verdicts and edits from a file, as one step to undo. `control` draws the random rows, `standing` says where a queue stands;
//! `finding` is what rules and duplicates put into a queue; `counts` is what the labels of the whole corpus say of one candidate.

pub mod apply;
mod candidates;
pub mod control;
mod counts;
pub mod finding;
pub mod folds;
pub mod pairs;
pub mod queue;
pub mod standing;
