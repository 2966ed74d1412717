//! Splits a stream of JSON into records without reading it whole.
//!
//! Three layouts, told apart by the first byte. In an *array* (`[`) each element is a record, however it is broken into
//! lines. After a digit (no JSON record starts so) the file is text, and *paragraphs* between blank lines are records.
//! Otherwise each *line* is a record, except that a line holding only `{` opens a record that runs to its
//! closing brace (pretty-printed objects, one after another). A broken line therefore costs one record and no more.
//! Only brackets and strings are looked at here; whether a record is JSON is for the caller to say.

use std::io::{self, BufRead};

/// Bytes of one record and where they start. `line` and `record` are 1-based.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub bytes: Vec<u8>,
    pub line: u32,
    pub record: u32,
    pub end: RecordEnd,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordEnd {
    /// As far as brackets tell.
    Complete,
    /// The input ended inside it (or, with no bytes, inside the array).
    Cut,
    /// Longer than the limit; `bytes` is its beginning.
    TooLong,
    /// Not a record: text after the array's end.
    Stray,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    NotYetKnown,
    Lines,
    Paragraphs,
    Array,
    Ended,
}

/// Reads records of at most `limit` bytes.
pub struct Records {
    input: Box<dyn BufRead + Send>,
    limit: usize,
    layout: Layout,
    is_array: bool,
    line: u32,
    record: u32,
}

/// Bracket depth and string state, carried over chunks.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    fn step(&mut self, byte: u8) {
        if self.escaped {
            self.escaped = false;
        } else if self.in_string {
            match byte {
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }
    fn open(&self) -> bool {
        self.depth > 0 || self.in_string
    }
}

/// Where the scan of one record stands after a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    More,
    /// The byte is the record's last.
    Last,
    /// The byte is no longer the record's.
    Past,
}

impl Records {
    pub fn new(input: Box<dyn BufRead + Send>, limit: usize) -> Self {
        Self {
            input,
            limit,
            layout: Layout::NotYetKnown,
            is_array: false,
            line: 1,
            record: 0,
        }
    }

    /// Whether records are the elements of an array; known after the first record.
    pub fn is_array(&self) -> bool {
        self.is_array
    }

    /// Line that would be read next.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The next record; `None` at the end. After an error, reading is over.
    pub fn read(&mut self) -> io::Result<Option<Record>> {
        if self.layout == Layout::NotYetKnown {
            self.skip_byte_order_mark()?;
            self.layout = match self.skip(u8::is_ascii_whitespace)? {
                Some(b'[') => {
                    self.input.consume(1);
                    self.is_array = true;
                    Layout::Array
                }
                Some(b'0'..=b'9') => Layout::Paragraphs,
                _ => Layout::Lines,
            };
        }
        let result = match self.layout {
            Layout::Array => self.element(),
            Layout::Lines => self.line_record(),
            Layout::Paragraphs => self.paragraph(),
            Layout::NotYetKnown | Layout::Ended => Ok(None),
        };
        let goes_on = matches!(&result, Ok(Some(record)) if record.end != RecordEnd::Cut);
        if !goes_on {
            self.layout = Layout::Ended;
        }
        result
    }

    fn line_record(&mut self) -> io::Result<Option<Record>> {
        if self.skip(u8::is_ascii_whitespace)?.is_none() {
            return Ok(None);
        }
        let mut scan = Scan::default();
        let mut opening = Opening::default();
        self.collect(|byte| {
            opening.step(byte);
            scan.step(byte);
            if opening.pretty {
                if scan.open() { Step::More } else { Step::Last }
            } else if byte == b'\n' {
                Step::Past
            } else {
                Step::More
            }
        })
        .map(|mut record| {
            // A last line without a line feed is whole; what it lacks, if anything, the JSON parser says.
            if record.end == RecordEnd::Cut && !scan.open() {
                record.end = RecordEnd::Complete;
            }
            Some(record)
        })
    }

    fn paragraph(&mut self) -> io::Result<Option<Record>> {
        if self.skip(u8::is_ascii_whitespace)?.is_none() {
            return Ok(None);
        }
        let mut blank = false;
        let mut record = self.collect(|byte| match byte {
            b'\n' if blank => Step::Past,
            b'\n' => {
                blank = true;
                Step::More
            }
            b' ' | b'\t' | b'\r' => Step::More,
            _ => {
                blank = false;
                Step::More
            }
        })?;
        // A last paragraph without a blank line after it is whole.
        if record.end == RecordEnd::Cut {
            record.end = RecordEnd::Complete;
        }
        Ok(Some(record))
    }

    fn element(&mut self) -> io::Result<Option<Record>> {
        let first = self.skip(|b| b.is_ascii_whitespace() || *b == b',')?;
        match first {
            None => {
                self.layout = Layout::Ended;
                Ok(Some(self.empty(RecordEnd::Cut)))
            }
            Some(b']') => {
                self.input.consume(1);
                let stray = self.skip(u8::is_ascii_whitespace)?.is_some();
                self.layout = Layout::Ended;
                Ok(stray.then(|| self.empty(RecordEnd::Stray)))
            }
            Some(_) => {
                let mut scan = Scan::default();
                let mut bracketed = None;
                self.collect(|byte| {
                    let bracketed = *bracketed.get_or_insert(matches!(byte, b'{' | b'[' | b'"'));
                    if !bracketed
                        && matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n')
                    {
                        return Step::Past;
                    }
                    scan.step(byte);
                    if bracketed && !scan.open() {
                        Step::Last
                    } else {
                        Step::More
                    }
                })
                .map(Some)
            }
        }
    }

    fn empty(&self, end: RecordEnd) -> Record {
        Record {
            bytes: Vec::new(),
            line: self.line,
            record: self.record,
            end,
        }
    }

    /// Gathers one record's bytes until `step` says that it is over. At least one byte is taken.
    fn collect(&mut self, mut step: impl FnMut(u8) -> Step) -> io::Result<Record> {
        let (line, limit) = (self.line, self.limit);
        self.record = self.record.saturating_add(1);
        let mut bytes = Vec::new();
        let mut end = RecordEnd::Cut;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                break;
            }
            let mut taken = chunk.len();
            let mut over = false;
            let mut line_feeds = 0;
            for (i, &byte) in chunk.iter().enumerate() {
                match step(byte) {
                    Step::More => line_feeds += u32::from(byte == b'\n'),
                    Step::Last => (taken, over) = (i + 1, true),
                    Step::Past => (taken, over) = (i.max(usize::from(bytes.is_empty())), true),
                }
                if over {
                    break;
                }
            }
            let room = limit.saturating_sub(bytes.len()).min(taken);
            bytes.extend(chunk.iter().take(room));
            let too_long = room < taken;
            self.line = self.line.saturating_add(line_feeds);
            self.input.consume(taken);
            if too_long {
                end = RecordEnd::TooLong;
            }
            if over {
                if end == RecordEnd::Cut {
                    end = RecordEnd::Complete;
                }
                break;
            }
        }
        Ok(Record {
            bytes,
            line,
            record: self.record,
            end,
        })
    }

    /// Consumes bytes while `skip` holds, counting lines; the byte it stops at, or `None` at the end.
    fn skip(&mut self, skip: impl Fn(&u8) -> bool) -> io::Result<Option<u8>> {
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                return Ok(None);
            }
            let n = chunk.iter().take_while(|b| skip(b)).count();
            let stop = chunk.get(n).copied();
            let line_feeds = chunk.iter().take(n).filter(|b| **b == b'\n').count();
            self.line = self
                .line
                .saturating_add(u32::try_from(line_feeds).unwrap_or(u32::MAX));
            self.input.consume(n);
            if stop.is_some() {
                return Ok(stop);
            }
        }
    }

    fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        let marked = self.input.fill_buf()?.starts_with(b"\xef\xbb\xbf");
        if marked {
            self.input.consume(3);
        }
        Ok(())
    }
}

/// Whether the first line of a record is a lone `{`.
#[derive(Default)]
struct Opening {
    pretty: bool,
    decided: bool,
    brace_seen: bool,
}

impl Opening {
    fn step(&mut self, byte: u8) {
        if self.decided {
            return;
        }
        match byte {
            b'{' if !self.brace_seen => self.brace_seen = true,
            b' ' | b'\t' | b'\r' if self.brace_seen => {}
            b'\n' if self.brace_seen => (self.pretty, self.decided) = (true, true),
            _ => self.decided = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{BufReader, Cursor};

    /// Each record as `line:end:bytes`, read through a buffer of `chunk` bytes.
    fn read(text: &[u8], limit: usize, chunk: usize) -> Vec<String> {
        let input = BufReader::with_capacity(chunk, Cursor::new(text.to_vec()));
        let mut records = Records::new(Box::new(input), limit);
        let mut out = Vec::new();
        while let Some(r) = records.read().unwrap() {
            let bytes = String::from_utf8_lossy(&r.bytes).into_owned();
            out.push(format!("{}:{:?}:{bytes}", r.line, r.end));
        }
        out
    }

    #[test]
    fn each_layout_splits_into_records() {
        let check = |text: &str, expected: &[&str]| {
            for chunk in [3, 4096] {
                assert_eq!(
                    read(text.as_bytes(), 24, chunk),
                    expected,
                    "{text:?} in {chunk}s"
                );
            }
        };
        check("", &[]);
        check(" \n\n", &[]);
        check("[]", &[]);
        check("\u{feff}[ ]\n", &[]);
        check(
            "{\"a\":1}\n\n{\"b\":2}",
            &["1:Complete:{\"a\":1}", "3:Complete:{\"b\":2}"],
        );
        check(
            "{\"a\":\n{\"b\":2}\r\n",
            &["1:Complete:{\"a\":", "2:Complete:{\"b\":2}\r"],
        );
        check(
            "{\n \"a\": [\n 1]\n}\n{\n}\n",
            &["1:Complete:{\n \"a\": [\n 1]\n}", "5:Complete:{\n}"],
        );
        check("{\n \"a\": 1", &["1:Cut:{\n \"a\": 1"]);
        check("x\n{}", &["1:Complete:x", "2:Complete:{}"]);
        check(
            "[{\"a\":\"]\\\"}\"},\n[1],2 ,\"x,\"]",
            &[
                "1:Complete:{\"a\":\"]\\\"}\"}",
                "2:Complete:[1]",
                "2:Complete:2",
                "2:Complete:\"x,\"",
            ],
        );
        check(
            "[{\"a\":1},{\"b\"",
            &["1:Complete:{\"a\":1}", "1:Cut:{\"b\""],
        );
        check("[{\"a\":1},", &["1:Complete:{\"a\":1}", "1:Cut:"]);
        check("[1] x", &["1:Complete:1", "1:Stray:"]);
        check("[}]", &["1:Complete:}"]);
        let long = format!("[\"{}\",1]", "x".repeat(40));
        check(
            &long,
            &["1:TooLong:\"xxxxxxxxxxxxxxxxxxxxxxx", "1:Complete:1"],
        );
        let long = format!("{}\n{{}}", "x".repeat(25));
        check(
            &long,
            &["1:TooLong:xxxxxxxxxxxxxxxxxxxxxxxx", "2:Complete:{}"],
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end_and_hold_the_limit(text in proptest::collection::vec(
            prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'),
                        Just(b'\n'), Just(b','), Just(b' '), any::<u8>()], 0..200), limit in 1usize..30, chunk in 1usize..9) {
            let input = BufReader::with_capacity(chunk, Cursor::new(text.clone()));
            let mut records = Records::new(Box::new(input), limit);
            let mut n = 0;
            while let Some(record) = records.read().unwrap() {
                n += 1;
                prop_assert!(record.bytes.len() <= limit && n <= text.len() + 1);
            }
        }

        #[test]
        fn an_array_and_its_lines_give_the_same_records(values in proptest::collection::vec("[a-z\\]\\[{}\",\n]{0,9}", 1..6)) {
            let objects: Vec<String> = values.iter().map(|v| serde_json::json!({ "t": v }).to_string()).collect();
            let strip = |records: Vec<String>| -> Vec<String> {
                records.iter().map(|r| r.split_once(':').unwrap().1.to_owned()).collect()
            };
            let lines = strip(read(objects.join("\n").as_bytes(), 1000, 7));
            let array = strip(read(format!("[{}]", objects.join(", ")).as_bytes(), 1000, 7));
            prop_assert_eq!(&lines, &array);
            prop_assert_eq!(lines.len(), values.len());
        }
    }
}
