//! The fields of the Tantivy index, and a [`Doc`] as a Tantivy document.
//!
//! Words are lower-cased and stripped of accents, at letters and digits only, in the index and in queries alike.
//! Everything exact is one field of terms `name=value` ([`super::doc::keys`]). Numbers are fast fields; `facts` holds
//! one number a triple, so that all counts per relation come from a single column.

use super::doc::{Doc, DocTriple, keys};
use super::query::NumberField;
use crate::domain::RelationSchema;
use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{AsciiFoldingFilter, LowerCaser, SimpleTokenizer, TextAnalyzer};

/// Raise when fields, terms or the meaning of `facts` change: an older index is then made anew.
pub(super) const LAYOUT: u32 = 4;

pub(super) const ANALYZER: &str = "redress_words";
pub(super) const IDX: &str = "idx";
pub(super) const FACTS: &str = "facts";

#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub id: Field,
    idx: Field,
    pub text: Field,
    pub head: Field,
    pub tail: Field,
    pub note: Field,
    pub key: Field,
    facts: Field,
    numbers: [Field; NumberField::ALL.len()],
}

impl Fields {
    pub fn build() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let words = TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer(ANALYZER)
                .set_index_option(IndexRecordOption::WithFreqsAndPositions),
        );
        let fields = Self {
            id: schema.add_u64_field("id", INDEXED),
            idx: schema.add_u64_field(IDX, FAST),
            text: schema.add_text_field("text", words.clone()),
            head: schema.add_text_field("head", words.clone()),
            tail: schema.add_text_field("tail", words.clone()),
            note: schema.add_text_field("note", words),
            key: schema.add_text_field("key", STRING),
            facts: schema.add_u64_field(FACTS, FAST),
            numbers: NumberField::ALL.map(|n| schema.add_f64_field(n.name(), FAST)),
        };
        (schema.build(), fields)
    }

    pub fn number(&self, number: NumberField) -> Field {
        self.numbers[number as usize]
    }

    pub fn document(&self, doc: &Doc, schema: &RelationSchema) -> TantivyDocument {
        let mut out = TantivyDocument::default();
        out.add_u64(self.id, doc.id.0);
        out.add_u64(self.idx, doc.idx.0.into());
        out.add_text(self.text, &doc.text);
        out.add_text(self.note, &doc.note);
        for key in keys(doc, schema) {
            out.add_text(self.key, key);
        }
        for triple in doc.triples.iter().filter(|t| t.gold || t.predicted) {
            out.add_text(self.head, &triple.head);
            out.add_text(self.tail, &triple.tail);
        }
        for triple in &doc.triples {
            out.add_u64(self.facts, Fact::of(triple, doc.predicted).0);
        }
        for number in NumberField::ALL {
            if let Some(value) = value(doc, number) {
                out.add_f64(self.number(number), value);
            }
        }
        out
    }
}

/// `None` where the number does not exist: no score without a prediction.
fn value(doc: &Doc, number: NumberField) -> Option<f64> {
    let count =
        |is: &dyn Fn(&DocTriple) -> bool| Some(doc.triples.iter().filter(|t| is(t)).count() as f64);
    let scores = |is: fn(&DocTriple) -> bool| {
        let scored = doc.triples.iter().filter(move |t| is(t));
        scored.filter_map(|t| t.score).map(f64::from)
    };
    match number {
        NumberField::Score => scores(|t| t.predicted).reduce(f64::max),
        NumberField::GoldScore => scores(|t| t.gold).reduce(f64::min),
        NumberField::Disagreements => {
            count(&|t| t.false_positive() || t.false_negative(doc.predicted))
        }
        NumberField::Tokens => Some(doc.n_tokens as f64),
        NumberField::Distance => doc.distance.map(|n| n as f64),
        NumberField::NGold => count(&|t| t.gold),
        NumberField::NPred => count(&|t| t.predicted),
    }
}

/// A triple as the counts see it: relation and five flags in one number.
#[derive(Clone, Copy)]
pub(super) struct Fact(pub u64);

impl Fact {
    pub const GOLD: u64 = 1;
    pub const PREDICTED: u64 = 2;
    pub const FALSE_POSITIVE: u64 = 4;
    pub const FALSE_NEGATIVE: u64 = 8;
    pub const REVIEWED: u64 = 16;

    fn of(triple: &DocTriple, predicted: bool) -> Self {
        let flag = |is: bool, bit: u64| if is { bit } else { 0 };
        Self(
            u64::from(triple.relation.0) << 8
                | flag(triple.gold, Self::GOLD)
                | flag(triple.predicted, Self::PREDICTED)
                | flag(triple.false_positive(), Self::FALSE_POSITIVE)
                | flag(triple.false_negative(predicted), Self::FALSE_NEGATIVE)
                | flag(triple.verdict.is_some(), Self::REVIEWED),
        )
    }
    pub fn relation(self) -> usize {
        (self.0 >> 8) as usize
    }
    /// 1 if the flag is set, else 0.
    pub fn count(self, flag: u64) -> u32 {
        u32::from(self.0 & flag != 0)
    }
}

pub(super) fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build()
}
