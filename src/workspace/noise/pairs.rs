//! The ordered pairs of a sentence that labels are about.

use crate::domain::{Annotation, Origin, RelationId, Sentence, TokenSpan, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Unlabelled pairs looked at in one sentence; pairs grow with the square of its entities.
const MAX_UNLABELLED: usize = 64;

/// An ordered pair of mentions and what is said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pair {
    pub head: TokenSpan,
    pub tail: TokenSpan,
    /// What the corpus gives it, rejected or not, in order.
    pub gold: Vec<RelationId>,
    /// What stands now.
    pub standing: Vec<RelationId>,
    /// Curators' verdicts, on labels of the corpus and on others.
    pub verdicts: BTreeMap<RelationId, Verdict>,
}

/// Every pair with a label or a verdict, and those pairs of entities that the corpus labels in neither direction. A pair that is labelled one way
/// round is not asked after the other way: who labels by facts has decided its direction. Which pairs there are does not depend on verdicts:
/// what they are a sample of would change with them.
pub fn pairs(annotation: &Annotation) -> Vec<Pair> {
    let mut found: BTreeMap<(TokenSpan, TokenSpan), Pair> = BTreeMap::new();
    for t in &annotation.triples {
        let (head, tail) = (t.triple.head, t.triple.tail);
        let pair = found
            .entry((head, tail))
            .or_insert_with(|| empty(head, tail));
        let relation = t.triple.relation;
        if matches!(t.origin, Origin::Gold(_)) {
            pair.gold.push(relation);
        }
        if t.stands() {
            pair.standing.push(relation);
        }
        if let Some(verdict) = t.verdict {
            pair.verdicts.insert(relation, verdict);
        }
    }
    for pair in found.values_mut() {
        pair.gold.sort();
        pair.standing.sort();
    }
    let spans: BTreeSet<TokenSpan> = annotation.entities.iter().map(|e| e.span).collect();
    let apart = |a: TokenSpan, b: TokenSpan| a.end() <= b.start() || b.end() <= a.start();
    let labelled = |a, b| found.get(&(a, b)).is_some_and(|p| !p.gold.is_empty());
    let open: Vec<(TokenSpan, TokenSpan)> = spans
        .iter()
        .flat_map(|a| spans.iter().map(move |b| (*a, *b)))
        .filter(|(a, b)| apart(*a, *b))
        .filter(|(a, b)| !labelled(*a, *b) && !labelled(*b, *a))
        .take(MAX_UNLABELLED)
        .collect();
    for (head, tail) in open {
        found
            .entry((head, tail))
            .or_insert_with(|| empty(head, tail));
    }
    found.into_values().collect()
}

fn empty(head: TokenSpan, tail: TokenSpan) -> Pair {
    Pair {
        head,
        tail,
        gold: Vec::new(),
        standing: Vec::new(),
        verdicts: BTreeMap::new(),
    }
}

/// An entity's link where it has one, else its lower-cased name: what makes two mentions the same.
pub fn entity_key(annotation: &Annotation, sentence: &Sentence, span: TokenSpan) -> String {
    let link = annotation.entity(span).and_then(|e| e.link.as_deref());
    link.map_or_else(|| sentence.surface(span).to_lowercase(), str::to_owned)
}
