//! The program's own format: one sentence a line, every label with what was decided about it.
//!
//! The full view can be imported into a new workspace without loss. The train view says of each relation whether it
//! is positive, negative or masked; what nobody looked at is never written as a negative.

use super::{ExportRecord, ExportReport, Exporter, Tally, View, write_json};
use crate::domain::{
    AnnotatedTriple, GoldSource, Origin, RelationSchema, Scores, TokenSpan, Triple, Verdict,
};
use serde::{Serialize, Serializer};
use std::collections::HashMap;
use std::io::{self, Write};

/// Raised when a reader of the older version would misunderstand a line.
pub const SCHEMA: &str = "redress/1";

pub struct RedressExporter {
    view: View,
    tally: Tally,
}

impl RedressExporter {
    pub fn new(view: View) -> Self {
        Self {
            view,
            tally: Tally::default(),
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<&'static str>,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    native_id: Option<&'a str>,
    split: &'static str,
    text: &'a str,
    tokens: Vec<&'a str>,
    entities: Vec<WireEntity<'a>>,
    relations: Vec<WireRelation<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<bool>,
    provenance: Provenance<'a>,
}

#[derive(Serialize)]
struct WireEntity<'a> {
    id: usize,
    start: usize,
    end: usize,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    /// Not an entity; listed so that a relation can name its span.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    argument_only: bool,
}

#[derive(Serialize)]
struct WireRelation<'a> {
    id: usize,
    head: usize,
    tail: usize,
    #[serde(rename = "type")]
    name: &'a str,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<WireScores>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<&'static str>,
}

/// Only the systems that gave a score.
struct WireScores(Scores);

impl Serialize for WireScores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let s = &self.0;
        let all = [
            ("rin", s.rin),
            ("kernel", s.kernel),
            ("base", s.base),
            ("naive", s.naive),
            ("full", s.full),
            ("kb", s.kb),
            ("mutual", s.mutual),
        ];
        serializer.collect_map(all.into_iter().filter_map(|(name, p)| Some((name, p?))))
    }
}

#[derive(Serialize)]
struct Provenance<'a> {
    input: &'a str,
    line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    edits: usize,
}

impl Exporter for RedressExporter {
    fn name(&self) -> &'static str {
        "redress"
    }

    fn begin(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn write(
        &mut self,
        record: &ExportRecord<'_>,
        schema: &RelationSchema,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut entities = Entities::of(record, schema);
        let relations = self.relations(record, schema, &mut entities);
        self.tally.sentences += 1;
        self.tally.relations += relations.len();
        let (sentence, annotation) = (record.sentence, record.annotation);
        let full = self.view == View::Full;
        if !full {
            self.tally
                .lose("notes", usize::from(!annotation.note.is_empty()));
            self.tally.lose("done marks", usize::from(annotation.done));
        }
        let line = Line {
            schema: SCHEMA,
            view: (!full).then_some(self.view.name()),
            id: sentence.id.to_string(),
            native_id: sentence.native_id.as_deref(),
            split: sentence.split.name(),
            text: &sentence.text,
            tokens: sentence.words().collect(),
            entities: entities.listed,
            relations,
            note: if full { &annotation.note } else { "" },
            done: full.then_some(annotation.done),
            provenance: Provenance {
                input: &sentence.file,
                line: sentence.line,
                model: record.model.filter(|_| full),
                run: record
                    .prediction
                    .filter(|_| full)
                    .map(|p| p.run.to_string()),
                edits: record.n_edits,
            },
        };
        write_json(&line, out)?;
        out.write_all(b"\n")
    }

    fn finish(&mut self, _out: &mut dyn Write) -> io::Result<ExportReport> {
        Ok(self.tally.report())
    }
}

impl RedressExporter {
    fn relations<'a>(
        &mut self,
        record: &ExportRecord<'_>,
        schema: &'a RelationSchema,
        entities: &mut Entities<'_>,
    ) -> Vec<WireRelation<'a>> {
        let scores: HashMap<Triple, Scores> = record
            .prediction
            .iter()
            .flat_map(|p| &p.triples)
            .map(|t| (t.triple, t.scores))
            .collect();
        let mut relations = Vec::new();
        for entry in &record.annotation.triples {
            match self.view {
                View::Full => {
                    let mut relation = wire(
                        relations.len(),
                        entry.triple,
                        entry.verdict,
                        schema,
                        entities,
                    );
                    relation.origin = Some(origin(entry.origin));
                    relation.tags = entry.tags.iter().map(|t| t.name()).collect();
                    relation.scores = scores.get(&entry.triple).copied().map(WireScores);
                    relations.push(relation);
                }
                View::Train => {
                    self.tally.lose("error tags", entry.tags.len());
                    let Some(label) = label(entry) else {
                        self.tally
                            .lose("added relations whose verdict was taken back", 1);
                        continue;
                    };
                    let mut relation = wire(
                        relations.len(),
                        entry.triple,
                        entry.verdict,
                        schema,
                        entities,
                    );
                    relation.label = Some(label);
                    relations.push(relation);
                }
            }
        }
        if self.view == View::Full {
            predicted_only(record, schema, entities, &mut relations);
        }
        relations
    }
}

/// Predicted relations that nobody judged: in the file for people to see, never labels.
fn predicted_only<'a>(
    record: &ExportRecord<'_>,
    schema: &'a RelationSchema,
    entities: &mut Entities<'_>,
    relations: &mut Vec<WireRelation<'a>>,
) {
    let accepted = record
        .prediction
        .iter()
        .flat_map(|p| p.accepted(record.rule));
    for scored in accepted {
        if record.annotation.find(scored.triple).is_none() {
            let mut relation = wire(relations.len(), scored.triple, None, schema, entities);
            relation.origin = Some(origin(Origin::Model));
            relation.scores = Some(WireScores(scored.scores));
            relations.push(relation);
        }
    }
}

fn wire<'a>(
    id: usize,
    triple: Triple,
    verdict: Option<Verdict>,
    schema: &'a RelationSchema,
    entities: &mut Entities<'_>,
) -> WireRelation<'a> {
    WireRelation {
        id,
        head: entities.id(triple.head),
        tail: entities.id(triple.tail),
        name: schema.name(triple.relation),
        decision: match verdict {
            Some(Verdict::Accept) => "accepted",
            Some(Verdict::Reject) => "rejected",
            Some(Verdict::Unsure) => "unsure",
            None => "unjudged",
        },
        label: None,
        origin: None,
        scores: None,
        tags: Vec::new(),
    }
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Gold(GoldSource::Imported) => "gold",
        Origin::Gold(GoldSource::Human) => "human",
        Origin::Gold(GoldSource::Distant) => "kb",
        Origin::Model => "model",
        Origin::Curator => "curator",
    }
}

/// `None` for an added relation whose verdict was taken back: neither a label nor a negative.
fn label(entry: &AnnotatedTriple) -> Option<&'static str> {
    match entry.verdict {
        _ if entry.stands() => Some("positive"),
        Some(Verdict::Reject) => Some("negative"),
        Some(Verdict::Unsure) => Some("masked"),
        Some(Verdict::Accept) | None => None,
    }
}

/// The entities of a line; spans that only a relation uses are added as they are asked for.
struct Entities<'a> {
    listed: Vec<WireEntity<'a>>,
    ids: HashMap<TokenSpan, usize>,
}

impl<'a> Entities<'a> {
    fn of(record: &ExportRecord<'a>, schema: &'a RelationSchema) -> Self {
        let mut entities = Self {
            listed: Vec::new(),
            ids: HashMap::new(),
        };
        for entity in &record.annotation.entities {
            entities.push(
                entity.span,
                entity.kind.map(|k| schema.type_name(k)),
                entity.link.as_deref(),
            );
        }
        entities
    }

    fn push(&mut self, span: TokenSpan, kind: Option<&'a str>, link: Option<&'a str>) -> usize {
        let id = self.listed.len();
        self.ids.insert(span, id);
        self.listed.push(WireEntity {
            id,
            start: span.start(),
            end: span.end(),
            kind,
            link,
            argument_only: false,
        });
        id
    }

    fn id(&mut self, span: TokenSpan) -> usize {
        if let Some(&id) = self.ids.get(&span) {
            return id;
        }
        let id = self.push(span, None, None);
        if let Some(entity) = self.listed.last_mut() {
            entity.argument_only = true;
        }
        id
    }
}
