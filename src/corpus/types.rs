//! A list of names and their entity types, for corpora whose entities have none.
//!
//! One name a line: `name<TAB>TYPE`, or counts of several types, `name<TAB>TYPE:3<TAB>TYPE:1`. A name counts as the type that
//! most of its counts give; where two lead together it stays untyped, since a wrong type teaches more harm than none.

use super::problem::excerpt;
use crate::domain::{RelationSchema, SchemaError, Sentence};
use std::collections::HashMap;
use std::io::{self, BufRead};

/// Types by exact name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeNames {
    of_name: HashMap<String, String>,
    /// Names whose leading types are tied.
    pub undecided: usize,
}

#[derive(thiserror::Error, Debug)]
pub enum TypesError {
    #[error("{file}: {source}")]
    Io { file: String, source: io::Error },
    #[error(
        "{file}, line {line}: expected a name, a tab and a type (or TYPE:count), found {found}"
    )]
    Line {
        file: String,
        line: usize,
        found: String,
    },
}

impl TypeNames {
    /// Reads a list; `file` names it in errors. Empty lines are passed over.
    pub fn read(input: impl BufRead, file: &str) -> Result<Self, TypesError> {
        let mut names = Self::default();
        for (i, line) in input.lines().enumerate() {
            let line = line.map_err(|source| TypesError::Io {
                file: file.to_owned(),
                source,
            })?;
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                continue;
            }
            let Some((name, counts)) = parse(line) else {
                return Err(TypesError::Line {
                    file: file.to_owned(),
                    line: i + 1,
                    found: excerpt(line),
                });
            };
            match leading(&counts) {
                Some(kind) => _ = names.of_name.insert(name.to_owned(), kind.to_owned()),
                None => names.undecided += 1,
            }
        }
        Ok(names)
    }

    /// Fills in the types of a sentence's untyped entities; returns how many.
    pub fn fill(
        &self,
        sentence: &mut Sentence,
        schema: &mut RelationSchema,
    ) -> Result<usize, SchemaError> {
        let mut filled = 0;
        for i in 0..sentence.entities.len() {
            let entity = &sentence.entities[i];
            if entity.kind.is_some() {
                continue;
            }
            if let Some(kind) = self.of_name.get(sentence.surface(entity.span)) {
                sentence.entities[i].kind = Some(schema.intern_type(kind)?);
                filled += 1;
            }
        }
        Ok(filled)
    }
}

/// Name and (type, count) pairs of a line.
fn parse(line: &str) -> Option<(&str, Vec<(&str, u64)>)> {
    let mut fields = line.split('\t');
    let name = fields.next().filter(|n| !n.is_empty())?;
    let counted = |field: &'_ str| -> Option<u64> { field.parse().ok() };
    let counts = fields.map(|field| match field.rsplit_once(':') {
        Some((kind, count)) if !kind.is_empty() => Some((kind, counted(count)?)),
        _ => (!field.is_empty()).then_some((field, 1)),
    });
    let counts: Vec<_> = counts.collect::<Option<_>>()?;
    (!counts.is_empty()).then_some((name, counts))
}

/// The type with the highest count; `None` if two share it.
fn leading<'a>(counts: &[(&'a str, u64)]) -> Option<&'a str> {
    let highest = counts.iter().map(|c| c.1).max()?;
    let mut leaders = counts.iter().filter(|c| c.1 == highest);
    let leader = leaders.next()?.0;
    leaders.next().is_none().then_some(leader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::plain_sentence;
    use crate::domain::{Entity, TokenSpan};

    #[test]
    fn the_leading_type_is_taken_and_a_tie_is_not() {
        let text = "Paris\tLOCATION:3\tPERSON:1\nBologna\tLOCATION:2\tORGANIZATION:2\r\n\nAnn Lee\tPERSON\n";
        let names = TypeNames::read(text.as_bytes(), "types.tsv").unwrap();
        assert_eq!(names.undecided, 1);
        let mut sentence = plain_sentence(
            "Ann Lee left Bologna for Paris".to_owned(),
            None,
            &"t".into(),
            1,
        );
        let spans = [(0, 2), (3, 4), (5, 6), (1, 2)];
        sentence.entities = spans
            .iter()
            .map(|(start, end)| Entity {
                span: TokenSpan::new(*start, *end).unwrap(),
                kind: None,
                link: None,
            })
            .collect();
        let mut schema = RelationSchema::default();
        assert_eq!(names.fill(&mut sentence, &mut schema).unwrap(), 2);
        let kinds = sentence.entities.iter();
        let kinds: Vec<_> = kinds.map(|e| e.kind.map(|k| schema.type_name(k))).collect();
        assert_eq!(kinds, [Some("PERSON"), None, Some("LOCATION"), None]);
        // What has a type keeps it.
        assert_eq!(names.fill(&mut sentence, &mut schema).unwrap(), 0);
    }

    #[test]
    fn a_bad_line_is_named() {
        for text in [
            "a\tX\nno tab\n",
            "a\tX\nb\tY:many\n",
            "a\tX\nb\t\n",
            "a\tX\n\tX\n",
        ] {
            let error = TypeNames::read(text.as_bytes(), "t.tsv").unwrap_err();
            assert!(
                error.to_string().starts_with("t.tsv, line 2: expected"),
                "{error}"
            );
        }
    }
}
