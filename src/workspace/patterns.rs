//! The words between head and tail of a label, as a query that finds the others with the same words.

use crate::domain::{Sentence, Triple};
use crate::index::query::{Leaf, Value};
use crate::index::{Between, MAX_WORDS};

/// `between:"was born in"`; else why there is no such term.
pub fn pattern_term(sentence: &Sentence, triple: Triple) -> Result<String, String> {
    let between = Between::of(sentence, triple.head, triple.tail).ok_or_else(|| {
        format!(
            "head and tail overlap, or more than {MAX_WORDS} words stand between them: no pattern"
        )
    })?;
    let leaf = Leaf::Key {
        field: between.field(),
        value: Value::Named(between.words),
    };
    Ok(leaf.to_string())
}
