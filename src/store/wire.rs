//! An edit as JSON, relations and types by name: readable with any SQLite browser, and it outlives every number.

use super::bytes::Malformed;
use super::names::Names;
use crate::domain::{
    Edit, EntityTypeId, ErrorTag, RelationId, RelationSchema, TokenSpan, Triple, Verdict,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Start and end, tokens, half-open.
type Span = [usize; 2];

#[derive(Serialize, Deserialize)]
struct WireTriple<'a> {
    head: Span,
    #[serde(borrow)]
    relation: Cow<'a, str>,
    tail: Span,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case")]
enum WireEdit<'a> {
    Judge {
        #[serde(borrow)]
        triple: WireTriple<'a>,
        verdict: Option<Cow<'a, str>>,
    },
    Add {
        #[serde(borrow)]
        triple: WireTriple<'a>,
    },
    Remove {
        #[serde(borrow)]
        triple: WireTriple<'a>,
    },
    Relabel {
        #[serde(borrow)]
        triple: WireTriple<'a>,
        relation: Cow<'a, str>,
    },
    Reverse {
        #[serde(borrow)]
        triple: WireTriple<'a>,
    },
    MoveSpan {
        from: Span,
        to: Span,
    },
    SetType {
        span: Span,
        kind: Option<Cow<'a, str>>,
    },
    AddEntity {
        span: Span,
        kind: Option<Cow<'a, str>>,
    },
    RemoveEntity {
        span: Span,
    },
    Tag {
        #[serde(borrow)]
        triple: WireTriple<'a>,
        tag: Cow<'a, str>,
        set: bool,
    },
    Note {
        text: Cow<'a, str>,
    },
    Done {
        done: bool,
    },
}

/// An edit as it is stored and exchanged. Panics on an id of another schema, like indexing.
pub fn edit_to_json(edit: &Edit, schema: &RelationSchema) -> String {
    let span = |s: TokenSpan| [s.start(), s.end()];
    let triple = |t: Triple| WireTriple {
        head: span(t.head),
        relation: schema.name(t.relation).into(),
        tail: span(t.tail),
    };
    let kind = |k: Option<EntityTypeId>| k.map(|k| schema.type_name(k).into());
    let wire = match edit {
        Edit::Judge { triple: t, verdict } => WireEdit::Judge {
            triple: triple(*t),
            verdict: verdict.map(|v| v.name().into()),
        },
        Edit::Add { triple: t } => WireEdit::Add { triple: triple(*t) },
        Edit::Remove { triple: t } => WireEdit::Remove { triple: triple(*t) },
        Edit::Relabel {
            triple: t,
            relation,
        } => WireEdit::Relabel {
            triple: triple(*t),
            relation: schema.name(*relation).into(),
        },
        Edit::Reverse { triple: t } => WireEdit::Reverse { triple: triple(*t) },
        Edit::MoveSpan { from, to } => WireEdit::MoveSpan {
            from: span(*from),
            to: span(*to),
        },
        Edit::SetType { span: s, kind: k } => WireEdit::SetType {
            span: span(*s),
            kind: kind(*k),
        },
        Edit::AddEntity { span: s, kind: k } => WireEdit::AddEntity {
            span: span(*s),
            kind: kind(*k),
        },
        Edit::RemoveEntity { span: s } => WireEdit::RemoveEntity { span: span(*s) },
        Edit::Tag {
            triple: t,
            tag,
            set,
        } => WireEdit::Tag {
            triple: triple(*t),
            tag: tag.name().into(),
            set: *set,
        },
        Edit::Note { text } => WireEdit::Note {
            text: text.as_str().into(),
        },
        Edit::Done { done } => WireEdit::Done { done: *done },
    };
    // Strings, numbers and booleans under string keys: serialising them cannot fail.
    serde_json::to_string(&wire).unwrap_or_default()
}

/// What an edit's names mean to whoever reads it.
pub trait EditNames {
    fn relation(&self, name: &str) -> Option<RelationId>;
    fn entity_type(&self, name: &str) -> Option<EntityTypeId>;
}

impl EditNames for Names {
    fn relation(&self, name: &str) -> Option<RelationId> {
        Names::relation(self, name)
    }
    fn entity_type(&self, name: &str) -> Option<EntityTypeId> {
        Names::entity_type(self, name)
    }
}

impl EditNames for RelationSchema {
    fn relation(&self, name: &str) -> Option<RelationId> {
        RelationSchema::relation(self, name)
    }
    fn entity_type(&self, name: &str) -> Option<EntityTypeId> {
        RelationSchema::entity_type(self, name)
    }
}

/// The edit, ids of `names`; an error says what is wrong in a few words.
pub fn edit_from_json(json: &str, names: &impl EditNames) -> Result<Edit, Malformed> {
    let wire: WireEdit = serde_json::from_str(json).map_err(|_| "a correction is not readable")?;
    let relation = |name: &str| -> Result<RelationId, Malformed> {
        names
            .relation(name)
            .ok_or("a correction names a relation that is not in the workspace")
    };
    let triple = |t: &WireTriple| -> Result<Triple, Malformed> {
        Ok(Triple {
            head: span(t.head)?,
            relation: relation(&t.relation)?,
            tail: span(t.tail)?,
        })
    };
    let kind = |name: Option<Cow<str>>| -> Result<Option<EntityTypeId>, Malformed> {
        name.map(|name| {
            names
                .entity_type(&name)
                .ok_or("a correction names an entity type that is not in the workspace")
        })
        .transpose()
    };
    Ok(match wire {
        WireEdit::Judge { triple: t, verdict } => Edit::Judge {
            triple: triple(&t)?,
            verdict: verdict
                .map(|name| Verdict::from_name(&name).ok_or("a correction has an unknown verdict"))
                .transpose()?,
        },
        WireEdit::Add { triple: t } => Edit::Add {
            triple: triple(&t)?,
        },
        WireEdit::Remove { triple: t } => Edit::Remove {
            triple: triple(&t)?,
        },
        WireEdit::Relabel {
            triple: t,
            relation: name,
        } => Edit::Relabel {
            triple: triple(&t)?,
            relation: relation(&name)?,
        },
        WireEdit::Reverse { triple: t } => Edit::Reverse {
            triple: triple(&t)?,
        },
        WireEdit::MoveSpan { from, to } => Edit::MoveSpan {
            from: span(from)?,
            to: span(to)?,
        },
        WireEdit::SetType { span: s, kind: k } => Edit::SetType {
            span: span(s)?,
            kind: kind(k)?,
        },
        WireEdit::AddEntity { span: s, kind: k } => Edit::AddEntity {
            span: span(s)?,
            kind: kind(k)?,
        },
        WireEdit::RemoveEntity { span: s } => Edit::RemoveEntity { span: span(s)? },
        WireEdit::Tag {
            triple: t,
            tag,
            set,
        } => Edit::Tag {
            triple: triple(&t)?,
            tag: ErrorTag::from_name(&tag).ok_or("a correction has an unknown tag")?,
            set,
        },
        WireEdit::Note { text } => Edit::Note {
            text: text.into_owned(),
        },
        WireEdit::Done { done } => Edit::Done { done },
    })
}

fn span([start, end]: Span) -> Result<TokenSpan, Malformed> {
    TokenSpan::new(start, end).ok_or("a correction has an empty span")
}
