//! From corpus files to [`crate::domain::Sentence`]s.
//!
//! Every reader streams: a file of any size is read record by record, in bounded memory, and every oddity becomes a
//! [`Problem`] with file and line; nothing is shifted or dropped in silence. Nothing here writes a file, trains, or
//! knows a screen or a database.
//!
//! Read next: [`reader`] (the one entry point), [`records`] (bytes to JSON records), [`locate`] (mention to token
//! span), then one file per wire format under `format/`. What users see is in docs/formats.md.

mod format;
mod identity;
mod input;
pub mod locate;
mod plain;
mod problem;
pub mod reader;
pub mod records;
mod summary;
mod tokenize;
mod types;

pub use format::Format;
pub use identity::{again, single};
pub use input::open_bytes;
pub use plain::{InputLine, parse_line, plain_sentence};
pub use problem::{CorpusError, Problem, ProblemKind, Severity, excerpt};
pub use reader::{CorpusReader, Imported, Item};
pub use summary::{AnnotationStyle, Summary};
pub use tokenize::tokenize;
pub use types::{TypeNames, TypesError};

/// Longest record (a line or an array element) that is read, in bytes; longer ones are problems.
pub const MAX_RECORD_BYTES: usize = 8 << 20;
/// Most tokens of one sentence.
pub const MAX_TOKENS: usize = 50_000;
/// Most relations, and half the most entities, of one sentence.
pub const MAX_TRIPLES: usize = 4_096;
