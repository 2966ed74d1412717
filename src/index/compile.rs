//! A parsed query as a Tantivy query: what each form of the language means.

use super::doc::{named, special};
use super::fields::{Fields, analyzer};
use super::query::{Comparison, Leaf, Match, Query, TextField, Value};
use std::ops::Bound;
use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, EmptyQuery, FuzzyTermQuery, Occur, PhraseQuery, Query as TantivyQuery,
    RangeQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

pub(super) fn compile(query: &Query, fields: &Fields) -> Box<dyn TantivyQuery> {
    match query {
        Query::All => Box::new(AllQuery),
        Query::And(parts) => Box::new(conjunction(parts, fields)),
        Query::Or(parts) => {
            let parts = parts.iter().map(|p| (Occur::Should, compile(p, fields)));
            Box::new(BooleanQuery::new(parts.collect()))
        }
        // Tantivy takes exclusions only from something.
        Query::Not(inner) => Box::new(BooleanQuery::new(vec![
            (Occur::Must, Box::new(AllQuery)),
            (Occur::MustNot, compile(inner, fields)),
        ])),
        Query::Leaf(leaf) => compile_leaf(leaf, fields),
    }
}

fn conjunction(parts: &[Query], fields: &Fields) -> BooleanQuery {
    let mut clauses: Vec<_> = parts
        .iter()
        .map(|part| match part {
            Query::Not(inner) => (Occur::MustNot, compile(inner, fields)),
            other => (Occur::Must, compile(other, fields)),
        })
        .collect();
    if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
        clauses.push((Occur::Must, Box::new(AllQuery)));
    }
    BooleanQuery::new(clauses)
}

fn compile_leaf(leaf: &Leaf, fields: &Fields) -> Box<dyn TantivyQuery> {
    match leaf {
        Leaf::Words {
            field,
            text,
            matching,
        } => {
            let field = match field {
                TextField::Text => fields.text,
                TextField::Head => fields.head,
                TextField::Tail => fields.tail,
                TextField::Note => fields.note,
            };
            words(field, text, *matching)
        }
        Leaf::Key { field, value } => {
            let term = match value {
                Value::Any => special(field, "any"),
                Value::None => special(field, "none"),
                Value::Unknown => special(field, "unknown"),
                Value::Named(name) => named(field, name),
            };
            exact(Term::from_field_text(fields.key, &term))
        }
        Leaf::Id(id) => exact(Term::from_field_u64(fields.id, id.0)),
        Leaf::Number {
            field,
            comparison,
            value,
        } => {
            let term = Term::from_field_f64(fields.number(*field), *value);
            let (low, high) = match comparison {
                Comparison::Less => (Bound::Unbounded, Bound::Excluded(term)),
                Comparison::AtMost => (Bound::Unbounded, Bound::Included(term)),
                Comparison::Equal => (Bound::Included(term.clone()), Bound::Included(term)),
                Comparison::AtLeast => (Bound::Included(term), Bound::Unbounded),
                Comparison::More => (Bound::Excluded(term), Bound::Unbounded),
            };
            Box::new(RangeQuery::new(low, high))
        }
    }
}

fn exact(term: Term) -> Box<dyn TantivyQuery> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

/// Words one after the other, cut as the text was cut.
fn words(field: Field, text: &str, matching: Match) -> Box<dyn TantivyQuery> {
    let mut terms = Vec::new();
    let mut analyzer = analyzer();
    let mut tokens = analyzer.token_stream(text);
    while let Some(token) = tokens.next() {
        terms.push((token.position, Term::from_field_text(field, &token.text)));
    }
    match (terms.len(), matching) {
        (0, _) => Box::new(EmptyQuery),
        (1, Match::Prefix) => Box::new(FuzzyTermQuery::new_prefix(terms.remove(0).1, 0, true)),
        (1, Match::Whole) => Box::new(TermQuery::new(
            terms.remove(0).1,
            IndexRecordOption::WithFreqs,
        )),
        _ => Box::new(PhraseQuery::new_with_offset(terms)),
    }
}
