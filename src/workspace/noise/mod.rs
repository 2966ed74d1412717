//! Probably wrong and probably missing labels of a workspace, and repairs from a file.
//!
//! `folds` hides the names and asks models that never saw a pair (a job of minutes, kept beside the workspace's database);
//! `queue` ranks what nobody has judged, by those and by cheap signals, and learns from the verdicts there are; `apply` takes
//! verdicts and edits from a file, as one step to undo.

pub mod apply;
mod candidates;
pub mod folds;
mod pairs;
pub mod queue;
