//! A correction as it travels between workspaces: without numbers of its own, under a name that is the same everywhere.

use super::{Edit, RunId, SentenceId};
use std::fmt;
use std::str::FromStr;

/// Identity of a correction in every workspace that has it: a hash of what was done to which sentence, by whom and when.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CorrectionKey(pub u128);

impl fmt::Display for CorrectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for CorrectionKey {
    type Err = std::num::ParseIntError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(s, 16).map(Self)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SharedChange {
    Edit(Edit),
    Undo(CorrectionKey),
}

/// One correction of a workspace, in the order in which it came there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub key: CorrectionKey,
    /// How many corrections of the same content came before it (a script may do the same twice within a millisecond).
    pub copy: u32,
    /// Its place in this workspace's history; `None` where it is held: kept, and without effect here.
    pub seq: Option<u64>,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub by: String,
    pub sentence: SentenceId,
    pub seen: Option<RunId>,
    pub change: SharedChange,
    /// The decisions that this one settles as an adjudicator's; empty for all others.
    pub settles: Vec<CorrectionKey>,
}
