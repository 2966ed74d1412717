//! A sentence and what its curators decided, in the terms of a model's own label list.

use crate::domain::{Annotation, Sentence, SentenceId, TokenSpan, Triple, Verdict};
use crate::model::labels::LabelMap;
use std::collections::{BTreeMap, BTreeSet};

/// A triple whose relation is a position in the model's label list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LabelledPair {
    pub head: TokenSpan,
    pub tail: TokenSpan,
    pub label: usize,
}

/// One training sentence.
#[derive(Clone, PartialEq, Debug)]
pub struct Example {
    pub id: SentenceId,
    pub words: Vec<String>,
    /// Sorted, distinct.
    pub entities: Vec<TokenSpan>,
    /// Type of each entity, a position in the model's list; `None` where the corpus or the model names none.
    pub kinds: Vec<Option<usize>>,
    /// Labels that stand: accepted, or gold that nobody judged. Sorted, distinct.
    pub positives: Vec<LabelledPair>,
    /// Judged unsure: neither positive nor negative.
    pub masked: Vec<LabelledPair>,
}

impl Example {
    /// Whether no two positives are about the same two spans, either way round.
    pub fn has_one_label_a_pair(&self) -> bool {
        let mut seen = BTreeSet::new();
        self.positives
            .iter()
            .all(|p| seen.insert((p.head.min(p.tail), p.head.max(p.tail))))
    }

    /// The example of a sentence as it stands, and how many of its triples the model has no label for. Explicit negatives need no list of
    /// their own: every pair of entities that is neither positive nor masked is a negative, and the entities of a rejected triple stay.
    pub fn new(sentence: &Sentence, annotation: &Annotation, labels: &LabelMap) -> (Self, usize) {
        let mut unknown = 0;
        let mut pair = |triple: &Triple| {
            let label = labels.label(triple.relation);
            unknown += usize::from(label.is_none());
            label.map(|label| LabelledPair {
                head: triple.head,
                tail: triple.tail,
                label,
            })
        };
        let mut positives: Vec<_> = annotation
            .standing()
            .filter_map(|t| pair(&t.triple))
            .collect();
        let mut masked: Vec<_> = annotation
            .with_verdict(Verdict::Unsure)
            .filter_map(|t| pair(&t.triple))
            .collect();
        for list in [&mut positives, &mut masked] {
            list.sort();
            list.dedup();
        }
        let mut typed: BTreeMap<TokenSpan, Option<usize>> = BTreeMap::new();
        for entity in &annotation.entities {
            let kind = entity.kind.and_then(|k| labels.kind(k));
            let known = typed.entry(entity.span).or_default();
            *known = known.or(kind);
        }
        let (entities, kinds) = typed.into_iter().unzip();
        let words = sentence.words().map(str::to_owned).collect();
        (
            Self {
                id: sentence.id,
                words,
                entities,
                kinds,
                positives,
                masked,
            },
            unknown,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ByteSpan, Edit, Entity, EntityTypeId, GoldSource, GoldTriple, RelationId, RelationSchema,
        Split,
    };

    #[test]
    fn rejected_is_negative_unsure_is_masked_and_unknown_relations_are_counted() {
        let span = |i: usize| TokenSpan::new(i, i + 1).unwrap();
        let triple = |h, r, t| Triple {
            head: span(h),
            relation: RelationId(r),
            tail: span(t),
        };
        let gold = |t| GoldTriple {
            triple: t,
            source: GoldSource::Distant,
            line: 1,
        };
        let sentence = Sentence {
            id: SentenceId(1),
            native_id: None,
            text: "a b c".into(),
            tokens: (0..3)
                .map(|i| ByteSpan::new(2 * i, 2 * i + 1).unwrap())
                .collect(),
            entities: (0..3)
                .map(|i| Entity {
                    span: span(i),
                    kind: (i < 2).then_some(EntityTypeId(i as u16)),
                    link: None,
                })
                .collect(),
            gold: vec![
                gold(triple(0, 0, 1)),
                gold(triple(0, 1, 2)),
                gold(triple(1, 2, 2)),
                gold(triple(2, 1, 0)),
            ],
            split: Split::Train,
            file: "t".into(),
            line: 1,
        };
        let mut schema = RelationSchema::from_names(["a", "b", "not-in-model"]);
        schema.intern_type("place").unwrap();
        schema.intern_type("person").unwrap();
        let labels = LabelMap::new(
            &schema,
            &["b".to_owned(), "a".to_owned(), "elsewhere".to_owned()],
            &["person".to_owned()],
        );
        let judge = |triple, verdict| Edit::Judge {
            triple,
            verdict: Some(verdict),
        };
        let annotation = Annotation::from_gold(&sentence)
            .apply(&judge(triple(0, 1, 2), Verdict::Reject))
            .and_then(|a| a.apply(&judge(triple(2, 1, 0), Verdict::Unsure)))
            .unwrap();
        let (example, unknown) = Example::new(&sentence, &annotation, &labels);
        let pair = |h, label, t| LabelledPair {
            head: span(h),
            tail: span(t),
            label,
        };
        assert_eq!(example.positives, [pair(0, 1, 1)]);
        assert_eq!(example.masked, [pair(2, 0, 0)]);
        assert_eq!((example.entities.len(), unknown), (3, 1));
        assert_eq!(example.kinds, [None, Some(0), None]);
        assert_eq!(labels.relation(2), None);
    }
}
