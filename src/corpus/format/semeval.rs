//! SemEval-2010 Task 8: four lines a sentence, not JSON.
//!
//! ```text
//! 1<TAB>"The <e1>cause</e1> of the <e2>delay</e2>."
//! Cause-Effect(e1,e2)
//! Comment: ...
//! <blank>
//! ```
//! The direction is in the label: `Cause-Effect(e2,e1)` has the second entity as its head. `Other` says that none of the
//! nine relations holds: it is counted and not imported, and the pair stays a negative.

use super::super::problem::{ProblemKind, excerpt};
use super::super::tokenize::tokenize;
use super::{Context, Draft, EntityList, TripleList};
use crate::domain::{ByteSpan, TokenSpan, Triple};

/// Whether a record that is not JSON looks like one of this format.
pub fn looks_like(record: &str) -> bool {
    let number = record.split_once('\t').map(|(number, _)| number);
    number.is_some_and(is_number) && record.contains("<e1>") && record.contains("</e2>")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

pub fn read(record: &str, context: &mut Context<'_>) -> Option<Draft> {
    let mut lines = record.lines().map(str::trim_end);
    let first = lines.next().unwrap_or_default();
    let Some((number, quoted)) = first.split_once('\t').filter(|(n, _)| is_number(n)) else {
        let expected = "a number, a tab and a sentence in quotes";
        context.problem(ProblemKind::WrongShape, expected, excerpt(first));
        return None;
    };
    let sentence = quoted.trim();
    let sentence = sentence.strip_prefix('"').unwrap_or(sentence);
    let sentence = sentence.strip_suffix('"').unwrap_or(sentence);
    let Some(marked) = Marked::new(sentence) else {
        let expected = "one <e1>..</e1> and one <e2>..</e2> with words inside";
        context.problem(ProblemKind::WrongShape, expected, excerpt(sentence));
        return None;
    };
    let tokens = marked.tokens();
    if !context.within_limits(tokens.len(), 2, 1) {
        return None;
    }
    let spans = marked.entities.map(|entity| tokens_of(entity, &tokens));
    let [Some(e1), Some(e2)] = spans else {
        let expected = "entities made of words";
        context.problem(ProblemKind::WrongShape, expected, excerpt(sentence));
        return None;
    };
    let mut entities = EntityList::default();
    entities.add(e1, None, context);
    entities.add(e2, None, context);
    let mut gold = TripleList::default();
    if let Some(triple) = labelled(lines.next().unwrap_or_default(), e1, e2, context)? {
        gold.add(triple, context);
    }
    Some(Draft {
        native_id: Some(number.to_owned()),
        entities: entities.sorted(),
        gold: gold.into_gold(),
        tokens,
        text: marked.text,
        ..Draft::default()
    })
}

/// The triple of a label line; `Some(None)` for `Other`, `None` for what is no label.
fn labelled(
    line: &str,
    e1: TokenSpan,
    e2: TokenSpan,
    context: &mut Context<'_>,
) -> Option<Option<Triple>> {
    if line == "Other" {
        context.summary.none_labels += 1;
        return Some(None);
    }
    let parts = line
        .strip_suffix(')')
        .and_then(|l| l.split_once('('))
        .and_then(|(name, order)| match order {
            "e1,e2" => Some((name, e1, e2)),
            "e2,e1" => Some((name, e2, e1)),
            _ => None,
        });
    let Some((name, head, tail)) = parts else {
        let expected = "a label like Cause-Effect(e1,e2), or Other";
        context.problem(ProblemKind::WrongShape, expected, excerpt(line));
        return None;
    };
    let relation = context.relation(name)?;
    Some(Some(Triple {
        head,
        relation,
        tail,
    }))
}

/// A sentence without its marks, and where the two entities stand in it (bytes).
struct Marked {
    text: String,
    entities: [ByteSpan; 2],
}

impl Marked {
    fn new(marked: &str) -> Option<Self> {
        let mut text = String::with_capacity(marked.len());
        let mut borders = [0; 4];
        let mut rest = marked;
        // The second entity may stand first.
        let mut marks = [("<e1>", 0), ("</e1>", 1), ("<e2>", 2), ("</e2>", 3)].to_vec();
        while !marks.is_empty() {
            let places = marks.iter().enumerate();
            let places = places.filter_map(|(i, (mark, _))| Some((rest.find(mark)?, i)));
            let (at, i) = places.min()?;
            let (mark, border) = marks.remove(i);
            text.push_str(&rest[..at]);
            borders[border] = text.len();
            rest = &rest[at + mark.len()..];
        }
        text.push_str(rest);
        let entities = [
            trimmed(&text, borders[0], borders[1])?,
            trimmed(&text, borders[2], borders[3])?,
        ];
        Some(Self { text, entities })
    }

    /// Words of the text; where an entity begins or ends inside a word, the word is cut there.
    fn tokens(&self) -> Vec<ByteSpan> {
        let borders = self.entities.iter().flat_map(|e| [e.start(), e.end()]);
        let borders: Vec<usize> = borders.collect();
        let mut tokens = Vec::new();
        for token in tokenize(&self.text) {
            let mut cuts: Vec<usize> = borders.clone();
            cuts.retain(|b| token.contains(*b) && *b != token.start());
            cuts.push(token.end());
            cuts.sort_unstable();
            cuts.dedup();
            let mut start = token.start();
            for cut in cuts {
                tokens.extend(ByteSpan::new(start, cut));
                start = cut;
            }
        }
        tokens
    }
}

/// `start..end` without white space at its ends; `None` if nothing is left.
fn trimmed(text: &str, start: usize, end: usize) -> Option<ByteSpan> {
    let inside = text.get(start..end)?;
    let before = inside.len() - inside.trim_start().len();
    ByteSpan::new(start + before, start + inside.trim_end().len())
}

/// The tokens inside `entity`.
fn tokens_of(entity: ByteSpan, tokens: &[ByteSpan]) -> Option<TokenSpan> {
    let inside = |t: &ByteSpan| t.start() >= entity.start() && t.end() <= entity.end();
    let first = tokens.iter().position(inside)?;
    let n = tokens[first..].iter().take_while(|t| inside(t)).count();
    TokenSpan::new(first, first + n)
}

#[cfg(test)]
mod tests {
    use crate::corpus::{CorpusReader, Item};
    use crate::domain::RelationSchema;
    use std::io::Cursor;

    /// (triples or "-", problem kinds), a record after the other.
    fn read(text: &str) -> Vec<String> {
        let bytes = Cursor::new(text.as_bytes().to_vec());
        let mut reader = CorpusReader::from_reader("TRAIN_FILE.TXT", bytes, None, None).unwrap();
        let mut schema = RelationSchema::default();
        let mut found = Vec::new();
        while let Some(item) = reader.next(&mut schema) {
            found.push(match item {
                Item::Problem(p) => format!("{} line {}", p.kind.name(), p.line),
                Item::Sentence(imported) => {
                    let s = imported.sentence;
                    let gold = s.gold.iter().map(|g| {
                        let name = schema.name(g.triple.relation);
                        let (head, tail) = (s.surface(g.triple.head), s.surface(g.triple.tail));
                        format!("{head}|{name}|{tail}")
                    });
                    let gold: Vec<String> = gold.collect();
                    let id = s.native_id.as_deref().unwrap_or_default();
                    format!("{id} {} {}", s.entities.len(), gold.join(";"))
                }
            });
        }
        found
    }

    #[test]
    fn direction_other_crossed_marks_and_broken_records() {
        let text = "1\t\"The <e1>fall</e1> came from the <e2>rain gauge</e2>s.\"\r\nCause-Effect(e2,e1)\r\nComment: x\r\n\r\n\
            7\t\"A <e2>cradle</e2> held the <e1> child</e1>.\"\nOther\nComment:\n\n\
            8\t\"Of <e1>one</e1> mark.\"\nOther\n\n\
            9\t\"A <e1>a</e1>-<e2>b</e2> pair.\"\nNot a label\n\n\
            10\t\"A <e1>a</e1>-<e2>b</e2> pair.\"\nIn(e1,e2)\nComment: the file ends here";
        let expected = [
            "1 2 rain gauge|Cause-Effect|fall",
            "7 2 ",
            "wrong-shape line 9",
            "wrong-shape line 12",
            "10 2 a|In|b",
        ];
        assert_eq!(read(text), expected);
    }
}
