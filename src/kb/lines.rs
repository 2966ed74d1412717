//! Opening KB files (gzip accepted), reading their lines within bounds, and keeping the problems found on the way.

use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A longer line is a problem and is skipped, so that a binary file cannot fill the memory.
const MAX_LINE_BYTES: usize = 1 << 20;
/// A longer id or name is a problem.
pub(super) const MAX_FIELD_BYTES: usize = 4096;
/// Problems beyond this many are counted but not kept.
const MAX_PROBLEMS_KEPT: usize = 200;

#[derive(thiserror::Error, Debug)]
pub enum KbError {
    #[error("cannot open {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{file}: reading stopped after line {line}: {source}; is the file complete?")]
    Read {
        file: Arc<str>,
        line: u64,
        source: io::Error,
    },
    #[error("{file}: none of {lines} lines could be used; the first problem: {first}")]
    NothingUsable {
        file: Arc<str>,
        lines: u64,
        first: Problem,
    },
    #[error("{file}: no facts: the file is empty")]
    Empty { file: Arc<str> },
}

/// One line that was left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    pub file: Arc<str>,
    /// 1-based; the number of the entry in a JSON file.
    pub line: u64,
    /// What was expected, what was found, what to do.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// All problems of one file are counted; the first ones are kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problems {
    pub count: u64,
    pub kept: Vec<Problem>,
}

impl Problems {
    pub(super) fn push(&mut self, file: &Arc<str>, line: u64, message: impl Into<String>) {
        self.count += 1;
        if self.kept.len() < MAX_PROBLEMS_KEPT {
            self.kept.push(Problem {
                file: file.clone(),
                line,
                message: message.into(),
            });
        }
    }
}

/// File name for messages: never the whole path.
pub(super) fn file_name(path: &Path) -> Arc<str> {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into()
}

pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, KbError> {
    let failed = |source| KbError::Open {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    unpack(file).map_err(failed)
}

/// Gzip is told by its first two bytes, not by the file's name.
pub(super) fn unpack(input: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    if input.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        let unpacked = MultiGzDecoder::new(input);
        Ok(Box::new(BufReader::with_capacity(1 << 16, unpacked)))
    } else {
        Ok(Box::new(input))
    }
}

pub(super) enum Line<'a> {
    Text(&'a str),
    /// Why the line cannot be used.
    Bad(String),
}

/// Lines of a text file: without line ends, byte order mark and more than [`MAX_LINE_BYTES`] of memory.
pub(super) struct Lines<'a> {
    pub file: Arc<str>,
    /// Number of the line that [`Lines::next`] gave last.
    pub number: u64,
    input: &'a mut dyn BufRead,
    buffer: Vec<u8>,
}

impl<'a> Lines<'a> {
    pub fn new(file: Arc<str>, input: &'a mut dyn BufRead) -> Self {
        Self {
            file,
            number: 0,
            input,
            buffer: Vec::new(),
        }
    }

    /// `None` at the end of the file. Empty lines are skipped.
    pub fn next(&mut self) -> Result<Option<Line<'_>>, KbError> {
        loop {
            self.buffer.clear();
            let (n_read, too_long) = self.fill().map_err(|source| KbError::Read {
                file: self.file.clone(),
                line: self.number,
                source,
            })?;
            if n_read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if too_long {
                return Ok(Some(Line::Bad(format!(
                    "a line of more than {MAX_LINE_BYTES} bytes; is this a text file?"
                ))));
            }
            while self
                .buffer
                .last()
                .is_some_and(|b| matches!(b, b'\n' | b'\r'))
            {
                self.buffer.pop();
            }
            if self.number == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
                self.buffer.drain(..3);
            }
            if !self.buffer.is_empty() {
                break;
            }
        }
        Ok(Some(match std::str::from_utf8(&self.buffer) {
            Ok(text) => Line::Text(text),
            Err(e) => Line::Bad(format!(
                "not UTF-8 from byte {} of the line; convert the file to UTF-8",
                e.valid_up_to() + 1
            )),
        }))
    }

    /// Reads up to and with the next line end; returns bytes consumed and whether some were thrown away.
    fn fill(&mut self) -> io::Result<(usize, bool)> {
        let (mut consumed, mut too_long) = (0, false);
        loop {
            let available = match self.input.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let end = available.iter().position(|&b| b == b'\n');
            let used = end.map_or(available.len(), |i| i + 1);
            if self.buffer.len() + used <= MAX_LINE_BYTES {
                self.buffer.extend_from_slice(&available[..used]);
            } else {
                too_long = true;
            }
            self.input.consume(used);
            consumed += used;
            if end.is_some() || used == 0 {
                return Ok((consumed, too_long));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};

    fn read(bytes: Vec<u8>) -> Vec<(u64, Result<String, String>)> {
        let mut input = unpack(Cursor::new(bytes)).unwrap();
        let mut lines = Lines::new("f".into(), &mut input);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let line = match line {
                Line::Text(t) => Ok(t.to_owned()),
                Line::Bad(why) => Err(why),
            };
            seen.push((lines.number, line));
        }
        seen
    }

    #[test]
    fn line_ends_marks_and_empty_lines_are_dropped() {
        let seen = read(b"\xef\xbb\xbfa\tb\r\n\n\nc".to_vec());
        assert_eq!(seen, [(1, Ok("a\tb".into())), (4, Ok("c".into()))]);
    }

    #[test]
    fn long_and_foreign_lines_are_problems_not_failures() {
        let mut bytes = vec![b'x'; MAX_LINE_BYTES + 10];
        bytes.extend_from_slice(b"\n\xff\xfe\ngood\n");
        let seen = read(bytes);
        assert!(seen[0].1.as_ref().is_err_and(|e| e.contains("more than")));
        assert!(seen[1].1.as_ref().is_err_and(|e| e.contains("not UTF-8")));
        assert_eq!(seen[2], (3, Ok("good".into())));
    }

    #[test]
    fn gzip_is_read_and_a_cut_one_is_an_error() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let text: String = (0..5000).map(|i| format!("{i}\t{}\n", i * 7919)).collect();
        encoder.write_all(text.as_bytes()).unwrap();
        let bytes = encoder.finish().unwrap();
        assert_eq!(read(bytes.clone()).len(), 5000);
        let mut input = unpack(Cursor::new(bytes[..bytes.len() / 2].to_vec())).unwrap();
        let mut lines = Lines::new("cut.gz".into(), &mut input);
        let error = loop {
            match lines.next() {
                Ok(Some(_)) => continue,
                Ok(None) => panic!("a cut file must not look complete"),
                Err(e) => break e.to_string(),
            }
        };
        assert!(
            error.contains("cut.gz") && error.contains("complete?"),
            "{error}"
        );
    }
}
