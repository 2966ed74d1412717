//! What is wrong in a settings file, and where. A file is read to its end, so that every problem is told at once.

use std::fmt;
use toml::de::{DeTable, DeValue};

/// One problem in one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Path of the file, or the name of a built-in one.
    pub file: String,
    /// 1-based; 0 when the file as a whole is meant.
    pub line: usize,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// Every problem found in the settings; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "{} problem{plural} in the settings", self.0.len())?;
        self.0.iter().try_for_each(|p| write!(f, "\n  {p}"))
    }
}
impl std::error::Error for Problems {}

/// One value of a TOML file with its place.
pub struct Item<'a> {
    /// The table it stands in; empty at the top level.
    pub table: &'a str,
    pub key: &'a str,
    pub value: &'a DeValue<'a>,
    pub line: usize,
}

/// Calls `each` for every value at the top level and in the tables below it; collects what `each` refuses together
/// with what is no TOML.
pub fn read(
    file: &str,
    text: &str,
    mut each: impl FnMut(Item<'_>) -> Result<(), String>,
) -> Vec<Problem> {
    let line_of = |offset: usize| 1 + text.bytes().take(offset).filter(|b| *b == b'\n').count();
    let problem = |line, message| Problem {
        file: file.to_owned(),
        line,
        message,
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|e| {
            problem(
                e.span().map_or(0, |s| line_of(s.start)),
                e.message().to_owned(),
            )
        })
        .collect();
    let mut items = Vec::new();
    for (key, value) in document.get_ref() {
        match value.get_ref() {
            DeValue::Table(table) => {
                items.extend(table.iter().map(|(k, v)| (key.get_ref().as_ref(), k, v)));
            }
            _ => items.push(("", key, value)),
        }
    }
    // In the order of the file: of two that clash, the later one is to blame.
    items.sort_by_key(|(_, key, _)| key.span().start);
    for (table, key, value) in items {
        let line = line_of(key.span().start);
        let item = Item {
            table,
            key: key.get_ref(),
            value: value.get_ref(),
            line,
        };
        if let Err(message) = each(item) {
            problems.push(problem(line, message));
        }
    }
    problems.sort_by_key(|p| p.line);
    problems
}
