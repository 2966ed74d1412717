//! CasRel: a JSON array of `{"text", "triple_list": [[subject, relation, object]]}`, labels that stand.
//!
//! The text is the tokens joined by single spaces. There are no offsets, so a mention is only words: a reader places it
//! where those words stand first.

use super::{ArrayWriter, ExportRecord, ExportReport, Exporter, Tally};
use crate::domain::{RelationSchema, Sentence, TokenSpan};
use serde::Serialize;
use std::collections::HashSet;
use std::io::{self, Write};

#[derive(Default)]
pub struct CasRelExporter {
    tally: Tally,
    array: ArrayWriter,
}

#[derive(Serialize)]
struct Element<'a> {
    text: String,
    triple_list: Vec<(String, &'a str, String)>,
}

impl Exporter for CasRelExporter {
    fn name(&self) -> &'static str {
        "casrel"
    }

    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.array.begin(out)
    }

    fn write(
        &mut self,
        record: &ExportRecord<'_>,
        schema: &RelationSchema,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.count_losses(record);
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
                self.tally
                    .lose("relations that another one equals word for word", 1);
            }
        }
        self.tally.sentences += 1;
        self.tally.relations += triple_list.len();
        let text = sentence.words().collect::<Vec<_>>().join(" ");
        self.array.element(&Element { text, triple_list }, out)
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<ExportReport> {
        self.array.finish(out)?;
        Ok(self.tally.report())
    }
}

impl CasRelExporter {
    fn count_losses(&mut self, record: &ExportRecord<'_>) {
        let (sentence, annotation) = (record.sentence, record.annotation);
        self.tally.lose_decisions(record);
        let used: HashSet<TokenSpan> = annotation
            .standing()
            .flat_map(|t| [t.triple.head, t.triple.tail])
            .collect();
        let lone = annotation
            .entities
            .iter()
            .filter(|e| !used.contains(&e.span));
        self.tally.lose("entities without a relation", lone.count());
        let typed = annotation.entities.iter().filter(|e| e.kind.is_some());
        self.tally.lose("entity types", typed.count());
        let all: Vec<&str> = sentence.words().collect();
        let moved = used.iter().filter(|s| !stands_first(&all, **s));
        self.tally.lose(
            "mentions whose words stand earlier too: a reader places them there",
            moved.count(),
        );
        let spaced = sentence.words().any(|w| w.contains(char::is_whitespace));
        self.tally.lose(
            "sentences with white space inside a token: a reader splits it",
            usize::from(spaced),
        );
        self.tally.lose(
            "native ids: the sentences get other ids when read again",
            usize::from(sentence.native_id.is_some()),
        );
    }
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
