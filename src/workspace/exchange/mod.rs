//! Corrections from one workspace to another: a file of JSON lines, and the merge that reads it.
//!
//! What two workspaces exchange is a set: every correction has a key that is the same everywhere ([`crate::store::correction_key`]), so a
//! file read twice, or two files that share corrections, add each once. What stands is decided here: a decision of another curator that
//! contradicts one that stands is held, that is, kept, exported and shown, and without effect until somebody adjudicates.
//! docs/formats.md describes the lines.

mod merge;
mod write;

pub use merge::{Conflict, Merge, Side};
pub use write::{CORRECTIONS, CorrectionsReport, to_file, to_writer};

use crate::domain::{RunId, SentenceId};
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Serialize, Deserialize)]
struct Wire {
    /// The key.
    correction: String,
    sentence: String,
    /// The corpus file's own id, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    by: String,
    at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edit: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undoes: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    settles: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    copy: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Wire {
    fn sentence(&self) -> Result<SentenceId, String> {
        let id = self.sentence.parse();
        id.map_err(|_| "expected a sentence's id of 16 hex digits".to_owned())
    }
    fn seen(&self) -> Result<Option<RunId>, String> {
        let run = self.seen.as_deref().map(str::parse).transpose();
        run.map_err(|_| "expected a run of 16 hex digits in `seen`".to_owned())
    }
}

#[cfg(test)]
mod tests;
