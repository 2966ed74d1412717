//! The one way into a corpus file: opens it, tells its format, and hands out sentences and problems in file order.

use super::MAX_RECORD_BYTES;
use super::format::{Context, Draft, Format, Place, field_names, hint_for, semeval, spert};
use super::identity::Identities;
use super::input::Input;
use super::problem::{CorpusError, Problem, ProblemKind, excerpt};
use super::records::{Record, RecordEnd, Records};
use super::summary::Summary;
use crate::domain::{Edit, RelationSchema, Sentence, Split};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a corpus file holds, in its order.
#[derive(Clone, Debug)]
pub enum Item {
    Sentence(Box<Imported>),
    Problem(Problem),
}

/// A sentence and, from the program's own export, what a curator had decided about it, in order.
#[derive(Clone, Debug)]
pub struct Imported {
    pub sentence: Sentence,
    pub edits: Vec<Edit>,
}

/// Reads one corpus file. Names are interned in the schema that is passed to [`CorpusReader::next`]; pass the same one
/// throughout.
pub struct CorpusReader {
    records: Records,
    format: Format,
    split: Option<Split>,
    split_of_file: Split,
    file: Arc<str>,
    read: Arc<AtomicU64>,
    total: Option<u64>,
    /// Records that were read to tell the format.
    ahead: VecDeque<Record>,
    items: VecDeque<Item>,
    identities: Identities,
    summary: Summary,
    symmetric: Vec<String>,
    ended: bool,
}

/// Records looked at before a file's format is called unknown.
const MOST_LOOKED_AT: usize = 16;

impl CorpusReader {
    /// Opens a file, gzip or not; `-` is standard input. `format` and `split` override what the content and the file
    /// name say.
    pub fn open(
        path: &Path,
        format: Option<Format>,
        split: Option<Split>,
    ) -> Result<Self, CorpusError> {
        let name = if path.as_os_str() == "-" {
            "standard input".into()
        } else {
            path.file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy()
        };
        let mut reader = Self::new(&name, Input::open(path)?, format, split)?;
        if reader.format == Format::Spert {
            reader.symmetric = spert::symmetric_relations(path);
        }
        Ok(reader)
    }

    /// Reads any stream; `name` stands for the file's name.
    pub fn from_reader(
        name: &str,
        source: impl Read + Send + 'static,
        format: Option<Format>,
        split: Option<Split>,
    ) -> Result<Self, CorpusError> {
        let input = Input::new(source, None).map_err(|source| CorpusError::Io {
            file: excerpt(name),
            source,
        })?;
        Self::new(name, input, format, split)
    }

    fn new(
        name: &str,
        mut input: Input,
        format: Option<Format>,
        split: Option<Split>,
    ) -> Result<Self, CorpusError> {
        let file = excerpt(name);
        let failed = |source| CorpusError::Io {
            file: excerpt(name),
            source,
        };
        let start = input.bytes.fill_buf().map_err(failed)?;
        let encoding = match start.get(..2) {
            Some([0xff, 0xfe]) => Some("UTF-16LE"),
            Some([0xfe, 0xff]) => Some("UTF-16BE"),
            _ => None,
        };
        if let Some(encoding) = encoding {
            return Err(CorpusError::Encoding { file, encoding });
        }
        let mut records = Records::new(input.bytes, MAX_RECORD_BYTES);
        let (format, ahead) = look_ahead(&mut records, format, &file)?;
        Ok(Self {
            records,
            format,
            split,
            split_of_file: split_of_name(name),
            file: file.into(),
            read: input.read,
            total: input.total,
            ahead,
            items: VecDeque::new(),
            identities: Identities::default(),
            summary: Summary::default(),
            symmetric: Vec::new(),
            ended: false,
        })
    }

    pub fn format(&self) -> Format {
        self.format
    }
    /// Name of the file, as in problems and [`Sentence::file`].
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }
    /// Bytes of the source (compressed, if it is) read so far: for progress.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
    /// Bytes of the source, when it is a regular file.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total
    }
    /// Counts over everything handed out so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The next sentence or problem; `None` at the end. Problems of a record come before its sentence.
    pub fn next(&mut self, schema: &mut RelationSchema) -> Option<Item> {
        spert::mark_symmetric(&std::mem::take(&mut self.symmetric), schema);
        loop {
            if let Some(item) = self.items.pop_front() {
                return Some(item);
            }
            if self.ended {
                return None;
            }
            let record = match self.ahead.pop_front() {
                Some(record) => Ok(Some(record)),
                None => self.records.read(),
            };
            match record {
                Ok(Some(record)) => self.convert(&record, schema),
                Ok(None) => self.ended = true,
                Err(error) => self.stop(&error),
            }
        }
    }

    /// Queues what one record gives.
    fn convert(&mut self, record: &Record, schema: &mut RelationSchema) {
        let sentence_line = if self.records.is_array() {
            record.record
        } else {
            record.line
        };
        let mut context = Context {
            place: Place {
                file: self.file.clone(),
                line: record.line,
                record: record.record,
                sentence_line,
            },
            schema,
            summary: &mut self.summary,
            problems: Vec::new(),
        };
        let draft = read_record(record, self.format, &mut context);
        let problems = context.problems;
        for problem in problems {
            self.summary.add_problem(&problem);
            self.items.push_back(Item::Problem(problem));
        }
        if let Some(draft) = draft {
            self.finish(draft, sentence_line);
        }
    }

    fn finish(&mut self, draft: Draft, line: u32) {
        let (computed, ordinal) = self
            .identities
            .assign(&draft.text, draft.native_id.as_deref());
        self.summary.repeated_sentences += usize::from(ordinal > 0);
        let sentence = Sentence {
            id: draft.id.unwrap_or(computed),
            native_id: draft.native_id,
            text: draft.text,
            tokens: draft.tokens,
            entities: draft.entities,
            gold: draft.gold,
            split: self.split.or(draft.split).unwrap_or(self.split_of_file),
            file: self.file.clone(),
            line,
        };
        debug_assert_eq!(sentence.check(), Ok(()));
        self.summary.add_sentence(&sentence);
        self.items.push_back(Item::Sentence(Box::new(Imported {
            sentence,
            edits: draft.edits,
        })));
    }

    /// Reading failed: the rest of the file is out of reach.
    fn stop(&mut self, error: &io::Error) {
        self.ended = true;
        let kind = match error.kind() {
            io::ErrorKind::UnexpectedEof => ProblemKind::CutFile,
            _ => ProblemKind::ReadFailed,
        };
        let problem = Problem {
            file: self.file.clone(),
            line: self.records.line(),
            record: 0,
            kind,
            expected: "more of the file".into(),
            found: excerpt(&error.to_string()),
        };
        self.summary.add_problem(&problem);
        self.items.push_back(Item::Problem(problem));
    }
}

impl Context<'_> {
    /// The record as text, or a problem that names the line of the first bad byte.
    pub fn utf8<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b str> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let bad = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
                let line_feeds = good.iter().filter(|b| **b == b'\n').count();
                let column = good.iter().rev().take_while(|b| **b != b'\n').count() + 1;
                let line = self.place.line;
                self.place.line = line.saturating_add(u32::try_from(line_feeds).unwrap_or(0));
                self.problem(
                    ProblemKind::NotUtf8,
                    "UTF-8",
                    format!("byte {bad:#04x} at column {column} of the record"),
                );
                self.place.line = line;
                None
            }
        }
    }
}

fn read_record(record: &Record, format: Format, context: &mut Context<'_>) -> Option<Draft> {
    match record.end {
        RecordEnd::TooLong => {
            let expected = format!("a record of at most {} MB", MAX_RECORD_BYTES >> 20);
            context.problem(ProblemKind::RecordTooLong, expected, "a longer one");
            return None;
        }
        RecordEnd::Cut => {
            context.problem(
                ProblemKind::CutFile,
                "the end of the record or the array",
                "the end of the file",
            );
            return None;
        }
        RecordEnd::Stray => {
            context.problem(ProblemKind::BadJson, "nothing after the array", "more text");
            return None;
        }
        RecordEnd::Complete => {}
    }
    let json = context.utf8(&record.bytes)?;
    let draft = format.read(json, context);
    if draft.is_some() {
        let known = format.known_fields();
        for name in field_names(json).unwrap_or_default() {
            if !known.contains(&name.as_str()) {
                context.summary.add_ignored_field(&name);
            }
        }
    }
    draft
}

/// Reads until a record tells the format. All records read are returned, to be read again.
fn look_ahead(
    records: &mut Records,
    told: Option<Format>,
    file: &str,
) -> Result<(Format, VecDeque<Record>), CorpusError> {
    let mut ahead = VecDeque::new();
    let mut unknown = None;
    while ahead.len() < MOST_LOOKED_AT {
        let record = match records.read() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(source) => {
                let file = file.to_owned();
                return Err(CorpusError::Io { file, source });
            }
        };
        let text = std::str::from_utf8(&record.bytes).ok();
        let fields = text.and_then(field_names);
        let semeval = text.filter(|t| semeval::looks_like(t));
        let semeval = semeval.map(|_| Format::SemEval);
        let detected = semeval.or_else(|| fields.as_deref().and_then(Format::detect));
        unknown = unknown.or(fields);
        let nothing = record.bytes.is_empty();
        ahead.push_back(record);
        if let Some(format) = told.or(detected) {
            return if nothing && ahead.len() == 1 {
                Err(CorpusError::Empty { file: file.into() })
            } else {
                Ok((format, ahead))
            };
        }
    }
    if ahead.iter().all(|r| r.bytes.is_empty()) {
        return Err(CorpusError::Empty { file: file.into() });
    }
    let (found, hint) = match unknown {
        Some(fields) => {
            let names: Vec<String> = fields.iter().take(12).map(|f| excerpt(f)).collect();
            (
                format!("records with the fields {}", names.join(", ")),
                hint_for(&fields),
            )
        }
        None => (
            "no JSON object in the first records".to_owned(),
            "is this the right file? is it cut?",
        ),
    };
    Err(CorpusError::UnknownFormat {
        file: file.into(),
        found,
        hint,
    })
}

/// `nyt_dev.json`, `valid.jsonl.gz`, `test2.json`: by the words of the name; train otherwise.
fn split_of_name(name: &str) -> Split {
    let words = name
        .split(|c: char| !c.is_alphanumeric())
        .map(|w| w.trim_end_matches(char::is_numeric).to_lowercase());
    for word in words {
        match word.as_str() {
            "dev" | "devel" | "development" | "devset" | "valid" | "validation" | "val" => {
                return Split::Dev;
            }
            "test" | "testing" | "testset" => return Split::Test,
            _ => {}
        }
    }
    Split::Train
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
