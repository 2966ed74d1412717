//! Lines of another workspace into this one, in memory; the caller writes the result at once.

use super::Wire;
use crate::analysis::agreement::{Decided, Decisions, Slot, Value};
use crate::corpus::excerpt;
use crate::domain::{
    CorrectionKey, Edit, Record, RelationSchema, Sentence, SentenceId, SharedChange, Triple,
};
use crate::store::{Incoming, Reader, correction_key, edit_from_json};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// A seq of a correction that has none yet.
const COMING: u64 = 0;

/// What another curator decided differently, and what stands meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Line of the file, from 1.
    pub line: u64,
    pub sentence: String,
    /// The triple in words, or what else it is about.
    pub about: String,
    pub stands: Side,
    pub held: Side,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    pub by: String,
    pub at_ms: i64,
    pub decision: String,
}

/// A merge as far as it has been read.
pub struct Merge<'a> {
    reader: &'a Reader,
    /// The workspace's names, and those that came with the lines.
    pub schema: RelationSchema,
    sentences: HashMap<SentenceId, (Sentence, Vec<Record>)>,
    pub incoming: Vec<Incoming>,
    /// Corrections with effect, by what they do.
    pub applied: BTreeMap<String, u64>,
    pub known: u64,
    pub held: u64,
    pub conflicts: Vec<Conflict>,
}

impl<'a> Merge<'a> {
    pub fn new(reader: &'a Reader, schema: RelationSchema) -> Self {
        Self {
            reader,
            schema,
            sentences: HashMap::new(),
            incoming: Vec::new(),
            applied: BTreeMap::new(),
            known: 0,
            held: 0,
            conflicts: Vec::new(),
        }
    }

    /// Takes one line; `Err` says why it cannot be taken.
    pub fn line(&mut self, n: u64, bytes: &[u8]) -> Result<(), String> {
        let wire: Wire = serde_json::from_slice(bytes).map_err(|e| {
            let found = excerpt(&e.to_string());
            format!(
                "expected a correction with sentence, by, at_ms and edit or undoes, found {found}"
            )
        })?;
        if wire.by.trim().is_empty() {
            return Err("expected a name in `by`".to_owned());
        }
        let id = wire.sentence()?;
        self.load(id)?;
        let key = parse_key(&wire.correction, "correction")?;
        let settles = wire.settles.iter().map(|k| parse_key(k, "settles"));
        let record = Record {
            key,
            copy: wire.copy,
            seq: None,
            at_ms: wire.at_ms,
            by: wire.by.clone(),
            sentence: id,
            seen: wire.seen()?,
            change: self.change(&wire, key)?,
            settles: settles.collect::<Result<_, _>>()?,
        };
        self.take(n, record)
    }

    fn load(&mut self, id: SentenceId) -> Result<(), String> {
        if self.sentences.contains_key(&id) {
            return Ok(());
        }
        if self.reader.idx_of(id).is_err() {
            return Err(format!("no sentence {id} in this workspace"));
        }
        let sentence = self.reader.sentence(id).map_err(|e| e.to_string())?;
        let records = self.reader.records(id).map_err(|e| e.to_string())?;
        self.sentences.insert(id, (sentence, records));
        Ok(())
    }

    /// What the line does, once its key has shown that the line is as it was written.
    fn change(&mut self, wire: &Wire, key: CorrectionKey) -> Result<SharedChange, String> {
        let id = wire.sentence()?;
        let check = |change: &SharedChange, schema: &RelationSchema| {
            let found = correction_key(id, wire.at_ms, &wire.by, change, wire.copy, schema);
            let why =
                "its key does not fit what it says: the line was changed since it was exported";
            (found == key).then_some(()).ok_or_else(|| why.to_owned())
        };
        match (&wire.edit, &wire.undoes) {
            (Some(json), None) => {
                let text = json.to_string();
                let mut schema = None;
                let edit = match edit_from_json(&text, &self.schema) {
                    Ok(edit) => edit,
                    Err(_) => {
                        let known = schema.insert(with_names(&self.schema, json)?);
                        edit_from_json(&text, known).map_err(str::to_owned)?
                    }
                };
                let change = SharedChange::Edit(edit);
                check(&change, schema.as_ref().unwrap_or(&self.schema))?;
                if let Some(schema) = schema {
                    self.schema = schema;
                }
                Ok(change)
            }
            (None, Some(target)) => {
                let change = SharedChange::Undo(parse_key(target, "undoes")?);
                check(&change, &self.schema)?;
                Ok(change)
            }
            _ => Err("expected either `edit` or `undoes`".to_owned()),
        }
    }

    fn take(&mut self, n: u64, mut record: Record) -> Result<(), String> {
        let Some((sentence, records)) = self.sentences.get_mut(&record.sentence) else {
            return Err("the sentence was not read".to_owned());
        };
        if records.iter().any(|r| r.key == record.key) {
            self.known += 1;
            return Ok(());
        }
        let mut target = None;
        let (hold, what) = match &record.change {
            SharedChange::Edit(edit) => {
                let decisions = Decisions::of(records);
                let against = decisions.contradicted(&record.by, edit, &record.settles);
                let conflict = |(slot, stands): &(Slot, &Decided)| Conflict {
                    line: n,
                    sentence: record.sentence.to_string(),
                    about: about(*slot, sentence, &self.schema),
                    stands: side(&stands.by, stands.at_ms, &stands.value),
                    held: side(&record.by, record.at_ms, &value_on(edit, *slot)),
                };
                self.conflicts.extend(against.iter().map(conflict));
                (!against.is_empty(), word(edit))
            }
            SharedChange::Undo(key) => {
                let undone = records.iter().find(|r| r.key == *key).ok_or(
                    "it takes back a correction that is neither here nor earlier in this file",
                )?;
                target = undone.seq;
                // What another curator takes back is taken back in her own workspace; here it is her word against the author's.
                (undone.seq.is_none() || undone.by != record.by, "undo")
            }
        };
        self.incoming.push(Incoming {
            record: record.clone(),
            hold,
            target: target.filter(|seq| *seq != COMING),
        });
        if hold {
            self.held += 1;
        } else {
            *self.applied.entry(what.to_owned()).or_default() += 1;
            record.seq = Some(COMING);
        }
        records.push(record);
        Ok(())
    }
}

fn parse_key(text: &str, field: &str) -> Result<CorrectionKey, String> {
    text.parse()
        .map_err(|_| format!("expected a key of 32 hex digits in `{field}`"))
}

/// The schema with the names that an edit brings.
fn with_names(schema: &RelationSchema, edit: &serde_json::Value) -> Result<RelationSchema, String> {
    let mut schema = schema.clone();
    let name = |at: &str| edit.pointer(at).and_then(serde_json::Value::as_str);
    for relation in ["/triple/relation", "/relation"]
        .into_iter()
        .filter_map(name)
    {
        schema
            .intern_relation(relation)
            .map_err(|e| e.to_string())?;
    }
    if let Some(kind) = name("/kind") {
        schema.intern_type(kind).map_err(|e| e.to_string())?;
    }
    Ok(schema)
}

fn side(by: &str, at_ms: i64, value: &Value) -> Side {
    let decision = match value {
        Value::Verdict(verdict) => verdict.name().to_owned(),
        Value::Flag(true) => "yes".to_owned(),
        Value::Flag(false) => "no".to_owned(),
        Value::Kind(Some(_)) => "another type".to_owned(),
        Value::Kind(None) => "no type".to_owned(),
        Value::Moved(to) => format!("tokens {}..{}", to.start(), to.end()),
        Value::Text(text) => excerpt(text),
        Value::Nothing => "taken back".to_owned(),
    };
    Side {
        by: by.to_owned(),
        at_ms,
        decision,
    }
}

fn value_on(edit: &Edit, slot: Slot) -> Value {
    let mut said = crate::analysis::agreement::says(edit).into_iter();
    said.find(|(s, _)| *s == slot)
        .map_or(Value::Nothing, |(_, value)| value)
}

fn about(slot: Slot, sentence: &Sentence, schema: &RelationSchema) -> String {
    let mention = |span: crate::domain::TokenSpan| match span.end() <= sentence.tokens.len() {
        true => sentence.surface(span).to_owned(),
        false => format!("tokens {}..{}", span.start(), span.end()),
    };
    let triple = |t: Triple| {
        let (head, tail) = (mention(t.head), mention(t.tail));
        format!("{head} — {} → {tail}", schema.short(t.relation))
    };
    match slot {
        Slot::Triple(t) => triple(t),
        Slot::Tag(t, tag) => format!("{} on {}", tag.name(), triple(t)),
        Slot::Type(span) => format!("the type of {}", mention(span)),
        Slot::Entity(span) => format!("the entity {}", mention(span)),
        Slot::Note => "the note".to_owned(),
        Slot::Done => "the done mark".to_owned(),
    }
}

/// An edit in a word.
fn word(edit: &Edit) -> &'static str {
    match edit {
        Edit::Judge { verdict, .. } => verdict.map_or("clear", |v| v.name()),
        Edit::Add { .. } => "add",
        Edit::Remove { .. } => "remove",
        Edit::Relabel { .. } => "relabel",
        Edit::Reverse { .. } => "reverse",
        Edit::MoveSpan { .. } => "move span",
        Edit::SetType { .. } => "type",
        Edit::AddEntity { .. } => "add entity",
        Edit::RemoveEntity { .. } => "remove entity",
        Edit::Tag { .. } => "tag",
        Edit::Note { .. } => "note",
        Edit::Done { .. } => "done",
    }
}
