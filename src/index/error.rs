//! What can go wrong with the index after it was opened. All of it is cured by making the index anew.

#[derive(thiserror::Error, Debug)]
pub enum IndexError {
    /// Another process writes this index.
    #[error("the search index is in use by another redress; close it, or search there")]
    Busy,
    #[error("the disk is full: the search index was not updated; nothing else is lost")]
    DiskFull,
    #[error("the search index is damaged ({0}); it will be made anew")]
    Broken(String),
}

impl From<tantivy::TantivyError> for IndexError {
    fn from(error: tantivy::TantivyError) -> Self {
        match &error {
            tantivy::TantivyError::LockFailure(..) => Self::Busy,
            tantivy::TantivyError::IoError(io) if io.kind() == std::io::ErrorKind::StorageFull => {
                Self::DiskFull
            }
            _ => Self::Broken(error.to_string()),
        }
    }
}
