//! What can go wrong with a workspace file, and what to do about it.

use crate::domain::{RunId, SchemaError, SentenceId};
use std::path::{Path, PathBuf};

#[derive(thiserror::Error, Debug)]
pub enum StoreError {
    #[error("{}: no workspace here; make one with `redress import FILE --workspace DIR`", .0.display())]
    NotThere(PathBuf),
    #[error("{}: there is a workspace here already; open it, or choose another directory", .0.display())]
    AlreadyThere(PathBuf),
    #[error("{}: not a redress workspace ({found}); it was not touched", path.display())]
    Foreign { path: PathBuf, found: String },
    #[error(
        "{}: written by a newer redress (layout {found}, this program knows up to {supported}); it was not touched; \
         use the newer program",
        path.display()
    )]
    Newer {
        path: PathBuf,
        found: i64,
        supported: i64,
    },
    #[error(
        "{}: cut short: {expected} bytes expected, {found} found; restore it from a copy",
        path.display()
    )]
    Cut {
        path: PathBuf,
        expected: u64,
        found: u64,
    },
    #[error("{}: damaged ({what}); restore it from a copy", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error(
        "{}: in use by {holder}; close the other redress first, or work in a copy of the directory",
        path.display()
    )]
    InUse { path: PathBuf, holder: String },
    #[error(
        "{}: the disk is full while {doing}; nothing that was saved before is lost; free some space and do it again",
        path.display()
    )]
    DiskFull { path: PathBuf, doing: &'static str },
    #[error("{}: cannot be written ({what}); check the permissions, or copy the directory", path.display())]
    ReadOnly { path: PathBuf, what: String },
    /// After a failed flush nobody knows what is on disk, so no later edit may be acknowledged.
    #[error(
        "{}: an earlier write failed, so edits can no longer be promised to be safe; close and open the workspace again",
        .0.display()
    )]
    Poisoned(PathBuf),
    #[error("{file} line {line}: sentence {id} cannot be stored: {what}")]
    BadSentence {
        id: SentenceId,
        file: String,
        line: u32,
        what: String,
    },
    #[error("sentence {0} is not in this workspace")]
    UnknownSentence(SentenceId),
    #[error(
        "correction {0} is not in this workspace, or belongs to another sentence: it cannot be undone here"
    )]
    UnknownCorrection(u64),
    #[error("model run {0} is not in this workspace")]
    UnknownRun(RunId),
    #[error("the workspace holds as many sentences as it can (4,294,967,295)")]
    TooManySentences,
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}: failed while {doing}: {source}", path.display())]
    Database {
        path: PathBuf,
        doing: &'static str,
        #[source]
        source: rusqlite::Error,
    },
}

impl StoreError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| match source.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly {
                    path: path.to_owned(),
                    what: source.to_string(),
                }
            }
            std::io::ErrorKind::StorageFull => Self::DiskFull {
                path: path.to_owned(),
                doing: "preparing the workspace",
            },
            _ => Self::Io {
                path: path.to_owned(),
                source,
            },
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            what: what.into(),
        }
    }

    pub(super) fn database(path: &Path, doing: &'static str, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(Code::DiskFull) => Self::DiskFull { path, doing },
            Some(Code::ReadOnly | Code::PermissionDenied) => Self::ReadOnly {
                path,
                what: source.to_string(),
            },
            Some(Code::DatabaseCorrupt) => Self::Damaged {
                path,
                what: source.to_string(),
            },
            Some(Code::NotADatabase) => Self::Foreign {
                path,
                found: source.to_string(),
            },
            _ => Self::Database {
                path,
                doing,
                source,
            },
        }
    }

    /// The bytes may or may not have reached the disk.
    pub(super) fn leaves_disk_unknown(&self) -> bool {
        matches!(self, Self::Database { source, .. }
            if source.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure))
    }
}

/// Inside a database call: either SQLite's error, still without its place, or one of ours.
pub(super) enum Failure {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
impl From<SchemaError> for Failure {
    fn from(error: SchemaError) -> Self {
        Self::Store(error.into())
    }
}
