//! Gold entities and triples -> what RIN is trained on, with a count of what its table cannot express.

use crate::model::decode::{Anchor, Cell, bioes_tags};
use crate::model::gold::{Gold, SpanTriple};
use std::collections::HashSet;

/// Targets of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RinTargets {
    /// Packed words.
    pub tags: Vec<u32>,
    pub cells: Vec<Cell>,
    /// Left out of the loss: triples judged Unsure.
    pub ignore_cells: Vec<Cell>,
    /// Sentences added so far.
    pub n_sentences: usize,
}

/// What did not fit RIN's targets. Report it: these are recall that no training can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Entities that overlap a longer one.
    pub overlapping_entities: usize,
    /// Entities that reach beyond the words the encoder saw.
    pub entities_beyond: usize,
    /// Triples with an anchor beyond the words the encoder saw.
    pub triples_beyond: usize,
    /// Triples whose cell another triple of the sentence has.
    pub merged_triples: usize,
}

impl std::ops::AddAssign for Lost {
    fn add_assign(&mut self, other: Self) {
        self.overlapping_entities += other.overlapping_entities;
        self.entities_beyond += other.entities_beyond;
        self.triples_beyond += other.triples_beyond;
        self.merged_triples += other.merged_triples;
    }
}

impl RinTargets {
    /// Adds the next sentence of the batch; `n_words` are the words that the encoder saw of it.
    pub fn push(&mut self, n_words: usize, gold: Gold, anchor: Anchor) -> Lost {
        let sentence = self.n_sentences;
        self.n_sentences += 1;
        let tags = bioes_tags(n_words, gold.entities);
        self.tags.extend(&tags.tags);
        let mut lost = Lost {
            overlapping_entities: tags.overlapping.len(),
            entities_beyond: tags.beyond.len(),
            ..Lost::default()
        };
        let cell = |&(head, relation, tail): &SpanTriple| {
            let (head, tail) = (anchor.of(head), anchor.of(tail));
            (head < n_words && tail < n_words).then_some(Cell {
                sentence,
                head,
                tail,
                relation,
            })
        };
        let mut seen = HashSet::new();
        for triple in gold.triples {
            match cell(triple) {
                None => lost.triples_beyond += 1,
                Some(cell) if seen.insert(cell) => self.cells.push(cell),
                Some(_) => lost.merged_triples += 1,
            }
        }
        self.ignore_cells
            .extend(gold.unsure.iter().filter_map(cell));
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TokenSpan;

    #[test]
    fn what_the_table_cannot_hold_is_counted() {
        let span = |start, end| TokenSpan::new(start, end).unwrap();
        let (york, new_york, far) = (span(1, 2), span(0, 2), span(5, 7));
        let mut targets = RinTargets::default();
        targets.push(2, Gold::default(), Anchor::Last);
        let gold = Gold {
            entities: &[york, new_york, far],
            triples: &[
                (york, 0, span(3, 4)),
                (new_york, 0, span(3, 4)),
                (york, 1, far),
            ],
            unsure: &[(span(3, 4), 1, new_york), (far, 0, york)],
            ..Gold::default()
        };
        let lost = targets.push(4, gold, Anchor::Last);
        let expected = Lost {
            overlapping_entities: 1,
            entities_beyond: 1,
            triples_beyond: 1,
            merged_triples: 1,
        };
        assert_eq!(lost, expected);
        let cell = |head, tail, relation| Cell {
            sentence: 1,
            head,
            tail,
            relation,
        };
        assert_eq!(targets.cells, [cell(1, 3, 0)]);
        assert_eq!(targets.ignore_cells, [cell(3, 1, 1)]);
        assert_eq!(targets.tags, [0, 0, 1, 3, 0, 0]);
        // The first word tells the two apart.
        let lost = RinTargets::default().push(4, gold, Anchor::First);
        assert_eq!(lost.merged_triples, 0);
    }
}
