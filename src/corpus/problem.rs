//! What can be wrong with a corpus file, said so that a person can act on it: file, line, what was expected, what was
//! found, what to do. Text of the corpus that is quoted here is cut and freed of control characters.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a file cannot be read at all. Everything less is a [`Problem`] and reading goes on.
#[derive(thiserror::Error, Debug)]
pub enum CorpusError {
    #[error("{file}: cannot read: {source}")]
    Io {
        file: String,
        source: std::io::Error,
    },
    #[error("{0}: this is a folder; name the corpus files in it")]
    Folder(PathBuf),
    #[error("{file}: no records; expected a JSON array of sentences, or one JSON object a line")]
    Empty { file: String },
    #[error(
        "{file}: text is {encoding}, expected UTF-8; convert it first: iconv -f {encoding} -t UTF-8"
    )]
    Encoding {
        file: String,
        encoding: &'static str,
    },
    #[error(
        "{file}: unknown format: {found}; expected casrel (text, triple_list), mentions (sentText, relationMentions), \
         spert (tokens, entities or tags, relations), semeval (numbered sentences with <e1> and <e2>) or redress (schema, text, tokens); {hint}"
    )]
    UnknownFormat {
        file: String,
        found: String,
        hint: &'static str,
    },
}

/// Whether something of the input is missing from what was imported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// All is there, but a person should look.
    Note,
    /// A record, a relation or an entity was not imported.
    Lost,
}

macro_rules! kinds {
    ($($variant:ident = $name:literal, $severity:ident, $hint:literal;)+) => {
        /// The kinds of [`Problem`]; docs/formats.md explains each.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum ProblemKind { $($variant),+ }
        impl ProblemKind {
            pub const ALL: &'static [ProblemKind] = &[$(ProblemKind::$variant),+];
            /// Stable name, as in `--json` output.
            pub fn name(self) -> &'static str {
                match self { $(ProblemKind::$variant => $name),+ }
            }
            pub fn severity(self) -> Severity {
                match self { $(ProblemKind::$variant => Severity::$severity),+ }
            }
            /// What to do about it.
            pub fn hint(self) -> &'static str {
                match self { $(ProblemKind::$variant => $hint),+ }
            }
        }
    };
}
kinds! {
    CutFile = "cut-file", Lost, "the file ends early; fetch or write it again";
    ReadFailed = "read-failed", Lost, "reading stopped here; check the disk or the compressed file, then import again";
    NotUtf8 = "not-utf8", Lost, "convert the file to UTF-8; the record was not imported";
    BadJson = "bad-json", Lost, "one record a line, or a JSON array; the record was not imported";
    WrongShape = "wrong-shape", Lost, "see docs/formats.md for the fields of this format";
    RecordTooLong = "record-too-long", Lost, "split the record into sentences; it was not imported";
    SentenceTooLong = "sentence-too-long", Lost, "split the text into sentences; it was not imported";
    EmptyText = "empty-text", Lost, "the record has no words; it was not imported";
    MentionMissing = "mention-missing", Lost, "its relations were not imported; correct the mention or the text";
    SpanOutOfRange = "span-out-of-range", Lost, "it and its relations were not imported; are the ends exclusive?";
    NoSuchEntity = "no-such-entity", Lost, "the relation was not imported; does it count entities from 0?";
    TokensMisaligned = "tokens-misaligned", Lost, "tokens must spell the text, in order; the record was not imported";
    UnknownWord = "unknown-word", Lost, "see docs/formats.md for the allowed words";
    NewerVersion = "newer-version", Lost, "written by a newer redress; update this one";
    SchemaFull = "too-many-names", Lost, "is this the right field? names of relations and types should be few";
    NotRestored = "not-restored", Lost, "a decision of the export contradicts itself and was left out";
    AmbiguousMention = "ambiguous", Note, "placed at the first one; move the span if that is wrong";
    NormalisedMention = "normalised", Note, "placed where the text says the same but for accents or case";
    EntityConflict = "entity-conflict", Note, "the first one was kept";
    TagSequence = "tag-sequence", Note, "read as the start of an entity";
}

/// One thing wrong with, or odd about, an input file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    pub file: Arc<str>,
    /// 1-based line of the file where the record starts (for broken JSON: where it breaks).
    pub line: u32,
    /// 1-based number of the record; in an array written on one line, the only useful place.
    pub record: u32,
    pub kind: ProblemKind,
    pub expected: String,
    pub found: String,
}

impl Problem {
    pub fn hint(&self) -> &'static str {
        self.kind.hint()
    }
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{} (record {}): {}: expected {}, found {}; {}",
            self.file,
            self.line,
            self.record,
            self.kind.name(),
            self.expected,
            self.found,
            self.hint()
        )
    }
}

/// At most 80 characters of corpus text, fit for a terminal: control and direction characters are escaped.
pub fn excerpt(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == LONGEST {
            out.push('…');
            break;
        }
        if is_unprintable(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_short_and_harmless() {
        let check = |text: &str, expected: &str| assert_eq!(excerpt(text), expected);
        check("Bogotá", "Bogotá");
        check("\u{1b}[2J", "\\u{1b}[2J");
        check("a\u{202e}b", "a\\u{202e}b");
        assert_eq!(excerpt(&"é".repeat(1000)).chars().count(), 81);
    }

    #[test]
    fn a_problem_says_where_what_and_what_to_do() {
        let problem = Problem {
            file: "a.json".into(),
            line: 3,
            record: 2,
            kind: ProblemKind::MentionMissing,
            expected: "a mention of the text".into(),
            found: "\"Haiti\"".into(),
        };
        let text = problem.to_string();
        for part in [
            "a.json:3",
            "record 2",
            "mention-missing",
            "\"Haiti\"",
            problem.hint(),
        ] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
        assert_eq!(problem.severity(), Severity::Lost);
    }

    #[test]
    fn kinds_have_distinct_names() {
        let names: std::collections::HashSet<_> =
            ProblemKind::ALL.iter().map(|k| k.name()).collect();
        assert_eq!(names.len(), ProblemKind::ALL.len());
    }

    #[test]
    fn the_documentation_lists_every_kind_with_its_severity() {
        let page = include_str!("../../docs/formats.md");
        for kind in ProblemKind::ALL {
            let severity = match kind.severity() {
                Severity::Lost => "lost",
                Severity::Note => "note",
            };
            let row = format!("| `{}` | {severity} |", kind.name());
            assert!(page.contains(&row), "docs/formats.md lacks {row}");
        }
    }
}
