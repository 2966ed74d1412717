//! The query language: its tree, and the tree as text. docs/query.md describes it to users.
//!
//! A query is parsed against the names of one workspace, so a misspelt relation is an error with a column and a
//! suggestion, not an empty list. `Display` writes a query that parses back to the same tree.

mod parse;
mod suggest;
mod vocabulary;

#[cfg(test)]
mod tests;

pub use parse::{QueryError, parse};
pub use vocabulary::{FIELDS, FieldInfo, Kind, NumberField, TextField};

use crate::domain::SentenceId;
use std::fmt::{self, Display, Formatter, Write};

#[derive(Clone, PartialEq, Debug)]
pub enum Query {
    /// Every sentence: the empty query.
    All,
    /// At least two.
    And(Vec<Query>),
    /// At least two.
    Or(Vec<Query>),
    Not(Box<Query>),
    Leaf(Leaf),
}

#[derive(Clone, PartialEq, Debug)]
pub enum Leaf {
    /// Words one after the other.
    Words {
        field: TextField,
        text: String,
        matching: Match,
    },
    /// An exact name in a field of [`FIELDS`].
    Key {
        field: &'static str,
        value: Value,
    },
    Id(SentenceId),
    Number {
        field: NumberField,
        comparison: Comparison,
        value: f64,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Match {
    Whole,
    /// `colleg*`: words that begin so. One word.
    Prefix,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    Any,
    None,
    /// Not predicted yet.
    Unknown,
    /// Full name of a relation, or the name of a type, file, state, ...
    Named(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

impl Comparison {
    pub const ALL: [Comparison; 5] = [
        Comparison::AtMost,
        Comparison::AtLeast,
        Comparison::Less,
        Comparison::More,
        Comparison::Equal,
    ];
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Equal => "=",
            Comparison::AtLeast => ">=",
            Comparison::More => ">",
        }
    }
}

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Query::All => Ok(()),
            Query::And(parts) => join(f, parts, " ", |part| {
                matches!(part, Query::And(_) | Query::Or(_))
            }),
            Query::Or(parts) => join(f, parts, " or ", |part| matches!(part, Query::Or(_))),
            Query::Not(inner) if matches!(**inner, Query::Leaf(_)) => write!(f, "-{inner}"),
            Query::Not(inner) => write!(f, "-({inner})"),
            Query::Leaf(leaf) => leaf.fmt(f),
        }
    }
}

fn join(
    f: &mut Formatter<'_>,
    parts: &[Query],
    between: &str,
    needs_parentheses: impl Fn(&Query) -> bool,
) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        if needs_parentheses(part) {
            write!(f, "({part})")?;
        } else {
            part.fmt(f)?;
        }
    }
    Ok(())
}

impl Display for Leaf {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Leaf::Words {
                field,
                text,
                matching,
            } => {
                if *field != TextField::Text {
                    write!(f, "{}:", field.name())?;
                }
                match matching {
                    Match::Prefix => write!(f, "{text}*"),
                    Match::Whole => write_value(f, text),
                }
            }
            Leaf::Key { field, value } => {
                write!(f, "{field}:")?;
                match value {
                    Value::Any => f.write_str("any"),
                    Value::None => f.write_str("none"),
                    Value::Unknown => f.write_str("unknown"),
                    Value::Named(name) => write_value(f, name),
                }
            }
            Leaf::Id(id) => write!(f, "id:{id}"),
            Leaf::Number {
                field,
                comparison,
                value,
            } => write!(f, "{}{}{value}", field.name(), comparison.sign()),
        }
    }
}

/// Bare where that reads back as the same value, else in quotes.
fn write_value(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | '-');
    let bare = text.starts_with(|c: char| c.is_alphanumeric() || c == '/')
        && text.chars().all(plain)
        && !vocabulary::RESERVED
            .iter()
            .any(|w| text.eq_ignore_ascii_case(w));
    if bare {
        return f.write_str(text);
    }
    f.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}
