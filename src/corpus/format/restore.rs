//! The edits that lead from a sentence's gold labels to a given annotation.

use crate::domain::{Annotation, Edit, Entity, Origin, Sentence, TokenSpan, Verdict};
use std::collections::HashSet;

/// Edits that, applied in order to the gold labels of `sentence`, give `wanted`, and whether they give all of it.
///
/// The order matters: relations are made first, entities that `wanted` lacks are taken away while nothing that stands
/// uses them, and only then do verdicts get their last value.
pub fn edits_towards(sentence: &Sentence, wanted: &Annotation) -> (Vec<Edit>, bool) {
    let mut path = Path {
        at: Annotation::from_gold(sentence),
        edits: Vec::new(),
    };
    for triple in &wanted.triples {
        match triple.origin {
            Origin::Curator => path.take(Edit::Add {
                triple: triple.triple,
            }),
            Origin::Model => path.take(Edit::Judge {
                triple: triple.triple,
                verdict: triple.verdict,
            }),
            Origin::Gold(_) => {}
        }
    }
    path.remove_entities(wanted);
    for triple in &wanted.triples {
        path.take(Edit::Judge {
            triple: triple.triple,
            verdict: triple.verdict,
        });
        for &tag in &triple.tags {
            path.take(Edit::Tag {
                triple: triple.triple,
                tag,
                set: true,
            });
        }
    }
    path.take(Edit::Note {
        text: wanted.note.clone(),
    });
    path.take(Edit::Done { done: wanted.done });
    let complete = same(&path.at, wanted);
    (path.edits, complete)
}

struct Path {
    at: Annotation,
    edits: Vec<Edit>,
}

impl Path {
    /// Takes the edit if it is possible and changes something.
    fn take(&mut self, edit: Edit) {
        if let Ok(next) = self.at.apply(&edit) {
            self.at = next;
            self.edits.push(edit);
        }
    }

    fn remove_entities(&mut self, wanted: &Annotation) {
        let kept: HashSet<TokenSpan> = wanted.entities.iter().map(|e| e.span).collect();
        let extra: Vec<TokenSpan> = self
            .at
            .entities
            .iter()
            .map(|e| e.span)
            .filter(|s| !kept.contains(s))
            .collect();
        if extra.is_empty() {
            return;
        }
        let in_the_way: Vec<_> = self
            .at
            .standing()
            .map(|t| t.triple)
            .filter(|t| extra.contains(&t.head) || extra.contains(&t.tail))
            .collect();
        for triple in in_the_way {
            self.take(Edit::Judge {
                triple,
                verdict: Some(Verdict::Reject),
            });
        }
        for span in extra {
            self.take(Edit::RemoveEntity { span });
        }
    }
}

/// Equal but for the order of entities and relations, which says nothing.
fn same(a: &Annotation, b: &Annotation) -> bool {
    let triples = |x: &Annotation| {
        let mut all = x.triples.clone();
        all.sort_by_key(|t| t.triple);
        all
    };
    let entities = |x: &Annotation| -> Vec<Entity> {
        let mut all = x.entities.clone();
        all.sort_by_key(|e| e.span);
        all
    };
    (a.n_tokens, &a.note, a.done) == (b.n_tokens, &b.note, b.done)
        && triples(a) == triples(b)
        && entities(a) == entities(b)
}
