//! Opens the bytes of a corpus: a file, standard input or any reader, gzip or not, counted for progress.

use super::problem::CorpusError;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const BUFFER_BYTES: usize = 64 << 10;

/// A decompressed byte stream and how far its source has been read.
pub struct Input {
    pub bytes: Box<dyn BufRead + Send>,
    /// Bytes of the source (compressed, if it is) read so far.
    pub read: Arc<AtomicU64>,
    /// Bytes of the source, when it is a regular file.
    pub total: Option<u64>,
}

/// A file's bytes, unpacked if it is gzip; `-` is standard input.
pub fn open_bytes(path: &Path) -> Result<Box<dyn BufRead + Send>, CorpusError> {
    Ok(Input::open(path)?.bytes)
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl Input {
    /// `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, CorpusError> {
        let name = path.to_string_lossy();
        let failed = |source| CorpusError::Io {
            file: name.to_string(),
            source,
        };
        if path.as_os_str() == "-" {
            return Self::new(io::stdin(), None).map_err(failed);
        }
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(CorpusError::Folder(path.to_owned()));
        }
        let total = metadata.is_file().then_some(metadata.len());
        Self::new(file, total).map_err(failed)
    }

    pub fn new(source: impl Read + Send + 'static, total: Option<u64>) -> io::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            inner: source,
            read: read.clone(),
        };
        let mut plain = BufReader::with_capacity(BUFFER_BYTES, counted);
        let is_gzip = plain.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let bytes: Box<dyn BufRead + Send> = if is_gzip {
            Box::new(BufReader::with_capacity(
                BUFFER_BYTES,
                MultiGzDecoder::new(plain),
            ))
        } else {
            Box::new(plain)
        };
        Ok(Self { bytes, read, total })
    }
}
