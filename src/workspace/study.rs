//! Error analysis of a workspace: one pass over its predicted sentences.

use super::pass::each_view;
use super::view::Viewed;
use super::{Tell, stored_rule};
use crate::analysis::{
    Alignment, EntityKinds, SentenceClass, Side, Study, align, classes, contenders,
    predicted_triples,
};
use crate::domain::{AnnotatedTriple, Annotation, DecisionRule, ErrorTag, RelationId, Triple};
use crate::store::Reader;
use anyhow::Result;
use std::collections::BTreeMap;

/// What the figures of a [`Study`] mean, for printing beside them.
pub const PROTOCOL: &str = "sentences, known and predicted entities, exact match";

/// The current run's predictions against the labels, those that came and those that stand. Memory grows with the relations, not with
/// the sentences. `None` when `tell` stopped it.
pub fn study(reader: &Reader, tell: Tell) -> Result<Option<Study>> {
    let rule = stored_rule(reader)?;
    let mut adding = Adding::default();
    let whole = each_view(reader, &rule, tell, |_, viewed| {
        adding.add(viewed, &rule);
        Ok(())
    })?;
    Ok(whole.then(|| adding.finish()))
}

#[derive(Default)]
struct Adding {
    sentences: u64,
    not_predicted: u64,
    kernel: bool,
    curated: Side,
    original: Side,
    tags: BTreeMap<RelationId, [u64; 7]>,
}

impl Adding {
    fn add(&mut self, viewed: &Viewed, rule: &DecisionRule) {
        for triple in &viewed.annotation.triples {
            for tag in &triple.tags {
                let at = ErrorTag::ALL.iter().position(|t| t == tag).unwrap_or(0);
                self.tags.entry(triple.triple.relation).or_default()[at] += 1;
            }
        }
        let (Some(prediction), Some(curated)) = (&viewed.prediction, &viewed.alignment) else {
            self.not_predicted += 1;
            return;
        };
        self.sentences += 1;
        self.kernel |= prediction.triples.iter().any(|t| t.scores.kernel.is_some());
        let contenders = contenders(prediction, rule);
        self.curated.add(curated, &contenders);
        match viewed.n_edits {
            0 => self.original.add(curated, &contenders),
            _ => {
                let original = original_alignment(viewed, rule);
                self.original.add(&original, &contenders);
            }
        }
    }

    fn finish(self) -> Study {
        Study {
            sentences: self.sentences,
            not_predicted: self.not_predicted,
            kernel: self.kernel,
            curated: self.curated.measure(self.sentences),
            original: self.original.measure(self.sentences),
            tags: self.tags,
        }
    }
}

/// Most tokens between head and tail of a label that stands; 0 where they touch or overlap.
pub(super) fn distance(annotation: &Annotation) -> Option<usize> {
    let gap = |t: &AnnotatedTriple| {
        let (a, b) = (t.triple.head, t.triple.tail);
        let (first, second) = if a <= b { (a, b) } else { (b, a) };
        second.start().saturating_sub(first.end())
    };
    annotation.standing().map(gap).max()
}

/// Overlap classes of the labels that stand, as queries name them.
pub(super) fn overlap(annotation: &Annotation) -> Vec<&'static str> {
    let triples: Vec<Triple> = annotation.standing().map(|t| t.triple).collect();
    let name = |class| match class {
        SentenceClass::Normal => "normal",
        SentenceClass::EntityPairOverlap => "epo",
        SentenceClass::SingleEntityOverlap => "seo",
    };
    classes(&triples).iter().map(name).collect()
}

/// Whether heads and tails of the labels that stand are linked to the knowledge base, as queries name it.
pub(super) fn linked(annotation: &Annotation) -> Option<&'static str> {
    let ends = annotation
        .standing()
        .flat_map(|t| [t.triple.head, t.triple.tail]);
    let is_linked = |span| annotation.entity(span).is_some_and(|e| e.link.is_some());
    let linked: Vec<bool> = ends.map(is_linked).collect();
    let n = linked.iter().filter(|l| **l).count();
    match n {
        _ if linked.is_empty() => None,
        0 => Some("no"),
        n if n == linked.len() => Some("all"),
        _ => Some("some"),
    }
}

/// The labels as they came against what the rule accepts.
fn original_alignment(viewed: &Viewed, rule: &DecisionRule) -> Alignment {
    let Some(prediction) = &viewed.prediction else {
        return Alignment::default();
    };
    let gold: Vec<Triple> = viewed.sentence.gold.iter().map(|g| g.triple).collect();
    let entities = viewed.sentence.entities.iter();
    let proposed = prediction.entities.iter();
    align(
        &gold,
        &EntityKinds::new(entities.map(|e| (e.span, e.kind))),
        &predicted_triples(prediction, rule),
        &EntityKinds::new(proposed.map(|e| (e.span, e.kind))),
    )
}

#[cfg(test)]
#[path = "study_tests.rs"]
pub(crate) mod tests;
