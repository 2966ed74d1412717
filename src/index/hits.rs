//! Which triples of a found sentence the query is about: `fp:place_lived` finds sentences, but asks after triples.
//!
//! Terms about triples (relations, outcomes, verdicts, tags, heads, tails, scores) are held against each triple by the
//! same keys and words that are indexed. Terms about the sentence (words, state, file) and what is left out by `-` point
//! at no triple.

use super::Query;
use super::doc::{DocTriple, special, terms_for, triple_keys};
use super::pattern::words;
use super::query::{Comparison, Leaf, Match, NumberField, TextField, Value};
use crate::domain::RelationSchema;
use std::collections::BTreeSet;

/// How many terms of the query hold of this very triple; 0 when it is not what is looked for.
/// `predicted`: the current run has seen the sentence.
pub fn strength(
    query: &Query,
    triple: &DocTriple,
    predicted: bool,
    schema: &RelationSchema,
) -> usize {
    let keys = triple_keys(triple, predicted, schema);
    count(query, &|leaf| holds(leaf, triple, &keys))
}

/// Whether the query is about triples and this one satisfies it as a whole: all of its terms about triples that must hold
/// together hold of this very one. A bulk edit goes by this.
pub fn asks_for(
    query: &Query,
    triple: &DocTriple,
    predicted: bool,
    schema: &RelationSchema,
) -> bool {
    let keys = triple_keys(triple, predicted, schema);
    let leaf = |leaf: &Leaf| about_triples(leaf).then(|| holds(leaf, triple, &keys));
    satisfies(query, &leaf) == Some(true)
}

/// Whether the query says what it asks of triples: [`asks_for`] holds of none otherwise.
pub fn is_about_triples(query: &Query) -> bool {
    let leaf = |leaf: &Leaf| about_triples(leaf).then_some(true);
    satisfies(query, &leaf).is_some()
}

/// `None` where nothing is said of triples.
fn satisfies(query: &Query, leaf: &dyn Fn(&Leaf) -> Option<bool>) -> Option<bool> {
    let said = |parts: &[Query]| -> Vec<bool> {
        parts.iter().filter_map(|p| satisfies(p, leaf)).collect()
    };
    match query {
        // A sentence that was found has no triple of which a term with `-` holds.
        Query::All | Query::Not(_) => None,
        Query::And(parts) => {
            let said = said(parts);
            (!said.is_empty()).then(|| said.iter().all(|holds| *holds))
        }
        Query::Or(parts) => {
            let said = said(parts);
            (!said.is_empty()).then(|| said.iter().any(|holds| *holds))
        }
        Query::Leaf(found) => leaf(found),
    }
}

fn about_triples(leaf: &Leaf) -> bool {
    match leaf {
        Leaf::Key { field, value } => {
            !matches!(
                *field,
                "type" | "overlap" | "linked" | "state" | "split" | "file" | "note"
            ) && matches!(value, Value::Named(_) | Value::Any)
        }
        Leaf::Words { field, .. } => matches!(field, TextField::Head | TextField::Tail),
        Leaf::Number { field, .. } => {
            matches!(field, NumberField::Score | NumberField::GoldScore)
        }
        Leaf::Id(_) => false,
    }
}

fn count(query: &Query, holds: &dyn Fn(&Leaf) -> bool) -> usize {
    match query {
        Query::All | Query::Not(_) => 0,
        Query::And(parts) | Query::Or(parts) => parts.iter().map(|p| count(p, holds)).sum(),
        Query::Leaf(leaf) => usize::from(holds(leaf)),
    }
}

fn holds(leaf: &Leaf, triple: &DocTriple, keys: &BTreeSet<String>) -> bool {
    match leaf {
        Leaf::Key { field, value } => match value {
            Value::Named(name) => terms_for(field, name).iter().any(|t| keys.contains(t)),
            Value::Any => keys.contains(&special(field, "any")),
            Value::None | Value::Unknown => false,
        },
        Leaf::Words {
            field,
            text,
            matching,
        } => match field {
            _ if !triple.gold && !triple.predicted => false,
            TextField::Head => has_words(&triple.head, text, *matching),
            TextField::Tail => has_words(&triple.tail, text, *matching),
            TextField::Text | TextField::Note => false,
        },
        Leaf::Id(_) => false,
        Leaf::Number {
            field,
            comparison,
            value,
        } => {
            let asked = match field {
                NumberField::Score => triple.predicted,
                NumberField::GoldScore => triple.gold,
                _ => false,
            };
            let score = triple.score.filter(|_| asked).map(f64::from);
            score.is_some_and(|score| compares(*comparison, score, *value))
        }
    }
}

fn compares(comparison: Comparison, score: f64, value: f64) -> bool {
    match comparison {
        Comparison::Less => score < value,
        Comparison::AtMost => score <= value,
        Comparison::Equal => score == value,
        Comparison::AtLeast => score >= value,
        Comparison::More => score > value,
    }
}

/// Whether the words of `wanted` stand one after the other in `text`, both cut as the index cuts them.
fn has_words(text: &str, wanted: &str, matching: Match) -> bool {
    let (text, wanted) = (words(text), words(wanted));
    match (wanted.as_slice(), matching) {
        ([], _) => false,
        ([start], Match::Prefix) => text.iter().any(|word| word.starts_with(start.as_str())),
        (wanted, _) => text.windows(wanted.len()).any(|run| run == wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::{ArgumentOrder, Between};
    use super::super::query::parse;
    use super::*;
    use crate::domain::{Outcome, RelationId, Verdict};

    #[test]
    fn a_query_is_about_the_triples_that_its_terms_name() {
        let schema = RelationSchema::from_names(["/p/place_lived", "/p/born_in"]);
        let triple = |relation, gold, predicted, score: f32| DocTriple {
            relation: RelationId(relation),
            head: "Zoë Quiñones".into(),
            tail: if gold { "São Paulo" } else { "New York" }.into(),
            head_entity: "/m/0Z".into(),
            tail_entity: if gold { "são paulo" } else { "new york" }.into(),
            between: gold.then(|| Between {
                order: ArgumentOrder::HeadFirst,
                words: "was born in".into(),
            }),
            gold,
            predicted,
            score: Some(score),
            outcome: match (gold, predicted) {
                (true, true) => Some(Outcome::Correct),
                (true, false) => Some(Outcome::Missed),
                (false, true) => Some(Outcome::Spurious),
                (false, false) => None,
            },
            confused: None,
            verdict: (relation == 1 && gold).then_some(Verdict::Accept),
            tags: Vec::new(),
        };
        let triples = [
            triple(0, true, true, 0.9),
            triple(0, false, true, 0.6),
            triple(1, true, false, 0.2),
        ];
        let check = |text: &str, expected: [usize; 3]| {
            let query = parse(text, &schema).unwrap();
            let found = [0, 1, 2].map(|i: usize| strength(&query, &triples[i], true, &schema));
            assert_eq!(found, expected, "{text}");
        };
        check("fp:place_lived", [0, 1, 0]);
        check("fn:born_in", [0, 0, 1]);
        check("gold:place_lived", [1, 0, 0]);
        check("rel:place_lived", [1, 1, 0]);
        check("pred:any", [1, 1, 0]);
        check("outcome:spurious rel:place_lived", [1, 2, 0]);
        check("tail:\"new york\"", [0, 1, 0]);
        check("tail:pau*", [1, 0, 1]);
        check("head:quinones", [1, 1, 1]);
        check("score>0.7", [1, 0, 0]);
        check("goldscore<0.5", [0, 0, 1]);
        check("verdict:accepted or fp:any", [0, 1, 1]);
        let asked = |text: &str, expected: [bool; 3]| {
            let query = parse(text, &schema).unwrap();
            assert!(is_about_triples(&query) || expected == [false; 3], "{text}");
            let found = [0, 1, 2].map(|i: usize| asks_for(&query, &triples[i], true, &schema));
            assert_eq!(found, expected, "{text}");
        };
        asked("fp:place_lived state:todo -tag:any", [false, true, false]);
        asked("outcome:spurious rel:place_lived", [false, true, false]);
        asked("gold:place_lived tail:york", [false, false, false]);
        asked("fp:any or fn:any zoe", [false, true, true]);
        asked("zoe state:todo", [false, false, false]);
        asked(
            "rel:place_lived between:\"was born in\"",
            [true, false, false],
        );
        asked("between:\"born in\"", [false, false, false]);
        asked("head-is:/m/0Z tail-is:\"São Paulo\"", [true, false, true]);
        asked("head-is:/m/0z", [false, false, false]);
        asked("tail-is:paulo", [false, false, false]);
        asked("between-back:\"was born in\"", [false, false, false]);
        // About sentences, or about what is not there.
        for text in [
            "",
            "zoe",
            "state:todo",
            "gold:none",
            "-fp:place_lived",
            "pred:unknown",
        ] {
            check(text, [0, 0, 0]);
            assert!(!is_about_triples(&parse(text, &schema).unwrap()), "{text}");
        }
    }
}
