//! CasRel: a JSON array of `{"text", "triple_list": [[subject, relation, object]]}`, labels that stand.
//!
//! The text is the tokens joined by single spaces. There are no offsets, so a mention is only words: a reader places it
//! where those words stand first.

use super::{Elements, ExportRecord, Tally};
use crate::domain::{RelationSchema, Sentence, TokenSpan};
use serde::Serialize;
use std::collections::HashSet;

#[derive(Default)]
pub struct CasRel;

#[derive(Serialize)]
pub struct Element<'a> {
    text: String,
    triple_list: Vec<(String, &'a str, String)>,
}

impl Elements for CasRel {
    const NAME: &'static str = "casrel";
    type Element<'a> = Element<'a>;

    fn element<'a>(
        record: &ExportRecord<'a>,
        schema: &'a RelationSchema,
        tally: &mut Tally,
    ) -> Element<'a> {
        count_losses(record, tally);
        let sentence = record.sentence;
        let mut triple_list = Vec::new();
        let mut seen = HashSet::new();
        for entry in record.annotation.standing() {
            let triple = entry.triple;
            let [head, tail] = [triple.head, triple.tail].map(|span| words(sentence, span));
            let row = (head, schema.name(triple.relation), tail);
            if seen.insert(row.clone()) {
                triple_list.push(row);
            } else {
                tally.lose("relations that another one equals word for word", 1);
            }
        }
        tally.relations += triple_list.len();
        let text = sentence.words().collect::<Vec<_>>().join(" ");
        Element { text, triple_list }
    }
}

fn count_losses(record: &ExportRecord<'_>, tally: &mut Tally) {
    let (sentence, annotation) = (record.sentence, record.annotation);
    let used: HashSet<TokenSpan> = annotation
        .standing()
        .flat_map(|t| [t.triple.head, t.triple.tail])
        .collect();
    let lone = annotation
        .entities
        .iter()
        .filter(|e| !used.contains(&e.span));
    tally.lose("entities without a relation", lone.count());
    let typed = annotation.entities.iter().filter(|e| e.kind.is_some());
    tally.lose("entity types", typed.count());
    let all: Vec<&str> = sentence.words().collect();
    let moved = used.iter().filter(|s| !stands_first(&all, **s));
    tally.lose(
        "mentions whose words stand earlier too: a reader places them there",
        moved.count(),
    );
    let spaced = sentence.words().any(|w| w.contains(char::is_whitespace));
    tally.lose(
        "sentences with white space inside a token: a reader splits it",
        usize::from(spaced),
    );
    tally.lose(
        "native ids: the sentences get other ids when read again",
        usize::from(sentence.native_id.is_some()),
    );
}

fn words(sentence: &Sentence, span: TokenSpan) -> String {
    sentence
        .words()
        .skip(span.start())
        .take(span.len())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether the words of `span` stand nowhere before it.
fn stands_first(words: &[&str], span: TokenSpan) -> bool {
    let wanted = words.get(span.range()).unwrap_or_default();
    words.windows(span.len()).position(|w| w == wanted) == Some(span.start())
}
