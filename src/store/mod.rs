//! A workspace on disk: one SQLite file that holds sentences, runs, predictions, corrections and the knowledge base.
//!
//! What it promises:
//! - [`Store::append`] returns after the corrections are on disk, not before; they are append-only, by trigger.
//! - One process writes ([`Store`]), any number read ([`Reader`]); a second writer is told who holds the workspace.
//! - Names go to disk, never dense ids: the file numbers its own relation and type names, in the order in which it
//!   first saw them, and those numbers are the ids of [`Reader::schema`].
//!
//! What it never does: touch a file that is not a workspace, write to a file the user gave it, judge labels, or
//! import anything but `domain`. Read [`layout`] for the tables, then [`sentences`], then [`corrections`].

mod bytes;
mod corrections;
mod database;
mod error;
mod exchange;
mod history;
mod kb;
mod layout;
mod lock;
mod names;
mod predictions;
mod reader;
mod sentence_bytes;
mod sentences;
mod summaries;
mod wire;
mod writer;

#[cfg(test)]
mod tests;

pub use corrections::NewCorrection;
pub use error::StoreError;
pub use exchange::{Incoming, correction_key};
pub use history::Step;
pub use kb::{KbAdded, KbRows};
pub use layout::SCHEMA_VERSION;
pub use predictions::RunInfo;
pub use reader::{Check, Reader};
pub use sentences::{Added, InputFile, NewGold, Page};
pub use summaries::{Row, Summary};
pub use wire::{EditNames, edit_from_json, edit_to_json};
pub use writer::{Stamp, Store};
