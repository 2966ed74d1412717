//! Opening `workspace.db`: what is looked at before SQLite may touch the file, and how connections are set up.

use super::error::Failure;
use super::layout::{APPLICATION_ID, FILE_NAME, PAGE_SIZE, SCHEMA_VERSION, TABLES};
use super::{StoreError, lock::Lock};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a connection waits for another one's transaction.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that knows its file, so that every error names it.
pub(super) struct Database {
    pub connection: Connection,
    pub path: Arc<Path>,
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    /// Imports and predictions: safe against a crash of the program; a power cut may take the last seconds, whole.
    Bulk,
    /// Corrections: flushed to the disk before a commit returns.
    Edits,
}

impl Database {
    pub fn run<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        work(&self.connection).map_err(|failure| self.place(doing, failure))
    }

    /// All of `work` is committed, or none of it.
    pub fn transaction<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Transaction) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let path = self.path.clone();
        let result = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Failure::from)
            .and_then(|transaction| {
                let value = work(&transaction)?;
                transaction.commit()?;
                Ok(value)
            });
        result.map_err(|failure| place(&path, doing, failure))
    }

    pub fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::damaged(&self.path, what)
    }

    fn place(&self, doing: &'static str, failure: Failure) -> StoreError {
        place(&self.path, doing, failure)
    }

    /// Opens one more connection to a file that [`inspect`] has let pass.
    pub fn connect(path: &Path, purpose: Use) -> Result<Self, StoreError> {
        let access = match purpose {
            Use::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Use::Bulk | Use::Edits => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let connection =
            Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                .map_err(|e| StoreError::database(path, "opening it", e))?;
        Self::set_up(connection, path, purpose)
    }

    /// For a directory that nobody can write: WAL readers would have to make their shared-memory file there.
    fn connect_immutable(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(immutable_uri(path), flags)
            .map_err(|e| StoreError::database(path, "opening it read-only", e))?;
        Self::set_up(connection, path, Use::Read)
    }

    fn set_up(connection: Connection, path: &Path, purpose: Use) -> Result<Self, StoreError> {
        let database = Self {
            connection,
            path: path.into(),
        };
        database.run("opening it", |connection| {
            connection.busy_timeout(PATIENCE)?;
            connection.set_prepared_statement_cache_capacity(64);
            connection.execute_batch(match purpose {
                Use::Read => "PRAGMA cache_size = -8192; PRAGMA query_only = ON;",
                Use::Bulk => {
                    "PRAGMA cache_size = -32768; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000; \
                     PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;"
                }
                Use::Edits => {
                    "PRAGMA cache_size = -4096; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; \
                     PRAGMA wal_autocheckpoint = 4000;"
                }
            })?;
            // Again by SQLite's eyes: the newest header may still be in the write-ahead log.
            let mark = |name: &str| connection.pragma_query_value(None, name, |row| row.get(0));
            check_marks(path, mark("application_id")?, mark("user_version")?)?;
            Ok(())
        })?;
        Ok(database)
    }
}

fn place(path: &Path, doing: &'static str, failure: Failure) -> StoreError {
    match failure {
        Failure::Sql(error) => StoreError::database(path, doing, error),
        Failure::Store(error) => error,
    }
}

/// `file:` with everything escaped that an URI gives a meaning.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                uri.push(char::from(*byte));
            }
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// Makes an empty workspace in `dir` (made if missing). Under another name first: a kill half-way leaves no half
/// workspace behind.
pub(super) fn create(dir: &Path) -> Result<(PathBuf, Lock), StoreError> {
    std::fs::create_dir_all(dir).map_err(StoreError::io(dir))?;
    let lock = Lock::take(dir)?;
    let path = dir.join(FILE_NAME);
    if path.symlink_metadata().is_ok() {
        return Err(StoreError::AlreadyThere(dir.to_owned()));
    }
    let unfinished = dir.join("workspace.db.new");
    let _ = std::fs::remove_file(&unfinished);
    let doing = "making the workspace";
    let in_place = |e| StoreError::database(&path, doing, e);
    let connection = Connection::open(&unfinished).map_err(in_place)?;
    connection
        .execute_batch(&format!(
            "PRAGMA page_size = {PAGE_SIZE}; PRAGMA application_id = {APPLICATION_ID}; \
             PRAGMA user_version = {SCHEMA_VERSION}; BEGIN; {TABLES} \
             INSERT INTO meta VALUES ('workspace', random()), ('session', random()), ('revision', 0), \
             ('sentences', 0), ('kb_revision', 0); COMMIT; PRAGMA journal_mode = WAL;"
        ))
        .map_err(in_place)?;
    connection.close().map_err(|(_, e)| in_place(e))?;
    for leftover in ["workspace.db-wal", "workspace.db-shm"] {
        // Of a database that is gone: SQLite would replay it into the new one.
        let _ = std::fs::remove_file(dir.join(leftover));
    }
    std::fs::rename(&unfinished, &path).map_err(StoreError::io(&path))?;
    sync_directory(dir);
    Ok((path, lock))
}

/// So that the new name itself survives a power cut. Not every system can; none needs it to go on.
fn sync_directory(dir: &Path) {
    if let Ok(handle) = File::open(dir) {
        let _ = handle.sync_all();
    }
}

/// Opens for reading; a directory that cannot be written is read as it stands.
pub(super) fn open_for_reading(path: &Path) -> Result<Database, StoreError> {
    inspect(path)?;
    match Database::connect(path, Use::Read) {
        Err(StoreError::ReadOnly { .. } | StoreError::Database { .. }) if log_length(path) == 0 => {
            Database::connect_immutable(path)
        }
        other => other,
    }
}

/// Refuses what is not a whole workspace of this version, by the first 100 bytes and the length of the file, without
/// opening it as a database: SQLite may write to what it opens.
pub(super) fn inspect(path: &Path) -> Result<(), StoreError> {
    let dir = path.parent().unwrap_or(path);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(StoreError::NotThere(dir.to_owned()));
        }
        Err(e) => return Err(StoreError::io(path)(e)),
    };
    let foreign = |found: &str| StoreError::Foreign {
        path: path.to_owned(),
        found: found.into(),
    };
    let metadata = file.metadata().map_err(StoreError::io(path))?;
    if !metadata.is_file() {
        return Err(foreign("it is not a file"));
    }
    let mut header = [0; 100];
    if file.read_exact(&mut header).is_err() {
        return Err(foreign("it is shorter than 100 bytes"));
    }
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(foreign("it is not a SQLite database"));
    }
    let word = |at: usize| {
        header[at..at + 4]
            .iter()
            .fold(0, |word: u32, byte| word << 8 | u32::from(*byte))
    };
    check_marks(path, i64::from(word(68)), i64::from(word(60)))?;
    let page_size = match u64::from(header[16]) << 8 | u64::from(header[17]) {
        1 => 65536,
        size => size,
    };
    let expected = u64::from(word(28)) * page_size;
    // With a log the file may be behind its header; SQLite then repairs it.
    if metadata.len() < expected && log_length(path) == 0 {
        return Err(StoreError::Cut {
            path: path.to_owned(),
            expected,
            found: metadata.len(),
        });
    }
    Ok(())
}

fn check_marks(path: &Path, application: i64, version: i64) -> Result<(), StoreError> {
    if application != APPLICATION_ID {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
            found: "a SQLite database of another program".into(),
        });
    }
    match version {
        SCHEMA_VERSION => Ok(()),
        newer if newer > SCHEMA_VERSION => Err(StoreError::Newer {
            path: path.to_owned(),
            found: newer,
            supported: SCHEMA_VERSION,
        }),
        other => Err(StoreError::damaged(
            path,
            format!("layout {other} never existed"),
        )),
    }
}

/// Bytes in the write-ahead log; 0 when there is none.
fn log_length(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(0, |m| m.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_directory_that_cannot_be_written_is_read_as_it_stands() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a b%3f?#é");
        drop(Store::create(&odd).unwrap());
        let path = odd.join(FILE_NAME);
        let before = std::fs::read(&path).unwrap();
        let database = Database::connect_immutable(&path).unwrap();
        let n: i64 = database
            .connection
            .query_one("SELECT count(*) FROM sentences", [], |row| row.get(0))
            .unwrap();
        assert_eq!(n, 0);
        drop(database);
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(log_length(&path), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        // /proc refuses new files to everyone, root included.
        let error = Store::create(Path::new("/proc/redress-test")).err();
        let text = error.map(|e| e.to_string()).unwrap_or_default();
        assert!(text.starts_with("/proc/redress-test: "), "{text}");
    }
}
