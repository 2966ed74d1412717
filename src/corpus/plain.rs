//! Sentences that come without labels: the prediction filter's input.

use super::format::{Bounded, Context, NativeId, Place, joined_tokens, redress};
use super::identity::single;
use super::problem::{Problem, ProblemKind};
use super::summary::Summary;
use super::tokenize::tokenize;
use crate::domain::{RelationSchema, Sentence, Split};
use serde::Deserialize;
use std::sync::Arc;

/// A sentence of plain text, without entities or labels.
pub fn plain_sentence(
    text: String,
    native_id: Option<String>,
    file: &Arc<str>,
    line: u32,
) -> Sentence {
    Sentence {
        id: single(&text, native_id.as_deref()),
        native_id,
        tokens: tokenize(&text),
        text,
        entities: Vec::new(),
        gold: Vec::new(),
        split: Split::Test,
        file: file.clone(),
        line,
    }
}

#[derive(Deserialize)]
struct Wire {
    schema: Option<String>,
    text: Option<String>,
    tokens: Option<Bounded<String>>,
    id: Option<NativeId>,
}

/// One input line of the prediction filter.
#[derive(Clone, Debug)]
pub struct InputLine {
    pub sentence: Sentence,
    /// A line of the program's own export: its id is a workspace's, and it brings entities and labels.
    pub exported: bool,
}

/// Reads a JSON object with `text` (tokenized here) or, without it, `tokens`; `id` is kept, other fields are not looked at.
/// An object with `schema` is a line of the program's own export and read whole; its names are interned in `schema`.
pub fn parse_line(
    bytes: &[u8],
    schema: &mut RelationSchema,
    file: &Arc<str>,
    line: u32,
) -> Result<InputLine, Problem> {
    let mut summary = Summary::default();
    let mut context = Context {
        place: Place {
            file: file.clone(),
            line,
            record: line,
            sentence_line: line,
        },
        schema,
        summary: &mut summary,
        problems: Vec::new(),
    };
    match read(bytes, &mut context) {
        Some(line) => Ok(line),
        None => Err(context.problems.pop().unwrap_or(Problem {
            file: file.clone(),
            line,
            record: line,
            kind: ProblemKind::WrongShape,
            expected: "an object with a field `text`".into(),
            found: "none".into(),
        })),
    }
}

fn read(bytes: &[u8], context: &mut Context<'_>) -> Option<InputLine> {
    let json = context.utf8(bytes)?;
    let wire: Wire = context.parse(json)?;
    if wire.schema.is_some() {
        return exported(json, context);
    }
    let native_id = wire.id.map(NativeId::into_text);
    let (file, line) = (context.place.file.clone(), context.place.line);
    let sentence = match (wire.text, wire.tokens) {
        (Some(text), _) => plain_sentence(text, native_id, &file, line),
        (None, Some(words)) => {
            let Some((text, tokens)) = joined_tokens(&words.kept) else {
                context.problem(
                    ProblemKind::WrongShape,
                    "tokens that are not empty",
                    "an empty one",
                );
                return None;
            };
            Sentence {
                tokens,
                ..plain_sentence(text, native_id, &file, line)
            }
        }
        (None, None) => return None,
    };
    let fits = context.within_limits(sentence.tokens.len(), 0, 0);
    fits.then_some(InputLine {
        sentence,
        exported: false,
    })
}

fn exported(json: &str, context: &mut Context<'_>) -> Option<InputLine> {
    let draft = redress::read(json, context)?;
    let native_id = draft.native_id;
    let sentence = Sentence {
        id: draft
            .id
            .unwrap_or_else(|| single(&draft.text, native_id.as_deref())),
        native_id,
        text: draft.text,
        tokens: draft.tokens,
        entities: draft.entities,
        gold: draft.gold,
        split: draft.split.unwrap_or(Split::Test),
        file: context.place.file.clone(),
        line: context.place.line,
    };
    Some(InputLine {
        sentence,
        exported: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_sentence_or_a_problem() {
        let check = |line: &[u8], expected: Result<&str, ProblemKind>| {
            let got = parse_line(line, &mut RelationSchema::default(), &"-".into(), 4);
            let got = got.map(|l| l.sentence.words().collect::<Vec<_>>().join("|"));
            assert_eq!(
                got.as_deref().map_err(|p| (p.kind, p.line)),
                expected.map_err(|k| (k, 4)),
                "{}",
                String::from_utf8_lossy(line)
            );
        };
        check(br#"{"text": "Ada's here."}"#, Ok("Ada|'s|here|."));
        check(br#"{"tokens": ["a b", "c."], "id": 7}"#, Ok("a b|c."));
        check(br#"{"text": ""}"#, Err(ProblemKind::EmptyText));
        check(br#"{"tokens": [""]}"#, Err(ProblemKind::WrongShape));
        check(
            br#"{"schema": "redress/1", "text": "a  b", "tokens": ["a", "b"]}"#,
            Ok("a|b"),
        );
        check(
            br#"{"schema": "redress/99", "text": "a", "tokens": ["a"]}"#,
            Err(ProblemKind::NewerVersion),
        );
        check(br#"{"words": "x"}"#, Err(ProblemKind::WrongShape));
        check(br#"{"text": 3}"#, Err(ProblemKind::WrongShape));
        check(br#"{"text": "#, Err(ProblemKind::BadJson));
        check(b"plain words", Err(ProblemKind::BadJson));
        check(b"{\"text\": \"\xff\"}", Err(ProblemKind::NotUtf8));
    }
}
