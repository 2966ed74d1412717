//! The curators' verdicts side by side: one item for every relation of a pair that anybody decided about.

use crate::domain::{RelationId, TokenSpan, Triple, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// When two curators speak of the same relation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Matching {
    /// Same relation, same head and tail tokens.
    Exact,
    /// Same relation, heads share a token and tails share a token. What is linked so, directly or through others, is one item.
    Overlap,
}

/// What the curators say of one sentence.
#[derive(Clone, Debug, Default)]
pub struct SentenceVotes {
    /// Explicit verdicts, by curator (an index of the caller's).
    pub votes: BTreeMap<usize, Vec<(Triple, Verdict)>>,
    /// Curators who marked the sentence done: what they did not touch they saw and left.
    pub done: BTreeSet<usize>,
    /// Labels of the corpus file.
    pub gold: Vec<Triple>,
}

/// One thing to agree about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    pub relation: RelationId,
    pub verdicts: BTreeMap<usize, Verdict>,
}

/// The items of a sentence. Who marked it done and said nothing of an item has accepted it where the corpus file has it, and
/// rejected it otherwise.
pub fn items(sentence: &SentenceVotes, matching: Matching) -> Vec<Item> {
    let voted = sentence.votes.values().flatten().map(|(t, _)| *t);
    let mut triples: BTreeSet<Triple> = voted.collect();
    if !sentence.done.is_empty() {
        triples.extend(&sentence.gold);
    }
    let mut items = Vec::new();
    for group in groups(triples.into_iter().collect(), matching) {
        let mut verdicts = BTreeMap::new();
        for (curator, votes) in &sentence.votes {
            let said = votes.iter().filter(|(t, _)| group.contains(t));
            // Of several spellings of one relation the one that was accepted counts.
            if let Some(verdict) = said.map(|(_, v)| *v).min() {
                verdicts.insert(*curator, verdict);
            }
        }
        let labelled = sentence
            .gold
            .iter()
            .any(|g| group.iter().any(|t| linked(*g, *t, matching)));
        let unsaid = match labelled {
            true => Verdict::Accept,
            false => Verdict::Reject,
        };
        for curator in &sentence.done {
            verdicts.entry(*curator).or_insert(unsaid);
        }
        items.push(Item {
            relation: group[0].relation,
            verdicts,
        });
    }
    items
}

/// Connected triples, each group in order.
fn groups(triples: Vec<Triple>, matching: Matching) -> Vec<Vec<Triple>> {
    let mut groups: Vec<Vec<Triple>> = Vec::new();
    for triple in triples {
        let (mut joined, apart): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|g| g.iter().any(|t| linked(*t, triple, matching)));
        groups = apart;
        joined.push(vec![triple]);
        groups.push(joined.concat());
    }
    groups
}

fn linked(a: Triple, b: Triple, matching: Matching) -> bool {
    let share = |a: TokenSpan, b: TokenSpan| a.start() < b.end() && b.start() < a.end();
    match matching {
        Matching::Exact => a == b,
        Matching::Overlap => {
            a.relation == b.relation && share(a.head, b.head) && share(a.tail, b.tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Accept, Reject};

    fn triple(relation: u16, head: (usize, usize), tail: (usize, usize)) -> Triple {
        let span = |(start, end)| TokenSpan::new(start, end).unwrap();
        Triple {
            head: span(head),
            relation: RelationId(relation),
            tail: span(tail),
        }
    }

    fn verdicts(items: &[Item]) -> Vec<(u16, Vec<(usize, Verdict)>)> {
        let of = |i: &Item| {
            (
                i.relation.0,
                i.verdicts.iter().map(|(c, v)| (*c, *v)).collect(),
            )
        };
        items.iter().map(of).collect()
    }

    #[test]
    fn spans_that_overlap_are_one_item_where_that_is_asked() {
        let (short, long) = (triple(0, (0, 1), (4, 5)), triple(0, (0, 2), (4, 5)));
        let (other, apart) = (triple(1, (0, 1), (4, 5)), triple(0, (2, 3), (4, 5)));
        let votes = BTreeMap::from([
            (0, vec![(short, Accept), (apart, Reject)]),
            (1, vec![(long, Accept), (short, Reject), (other, Accept)]),
        ]);
        let sentence = SentenceVotes {
            votes,
            ..SentenceVotes::default()
        };
        assert_eq!(
            verdicts(&items(&sentence, Matching::Exact)),
            [
                (0, vec![(0, Accept), (1, Reject)]),
                (1, vec![(1, Accept)]),
                (0, vec![(1, Accept)]),
                (0, vec![(0, Reject)]),
            ]
        );
        assert_eq!(
            verdicts(&items(&sentence, Matching::Overlap)),
            [
                (1, vec![(1, Accept)]),
                (0, vec![(0, Accept), (1, Accept)]),
                (0, vec![(0, Reject)]),
            ]
        );
    }

    #[test]
    fn a_done_mark_speaks_for_what_was_left() {
        let (label, added) = (triple(0, (0, 1), (4, 5)), triple(1, (0, 1), (4, 5)));
        let sentence = SentenceVotes {
            votes: BTreeMap::from([(0, vec![(added, Accept)])]),
            done: BTreeSet::from([0, 1]),
            gold: vec![label],
        };
        let found = verdicts(&items(&sentence, Matching::Exact));
        assert_eq!(
            found,
            [
                (0, vec![(0, Accept), (1, Accept)]),
                (1, vec![(0, Accept), (1, Reject)]),
            ]
        );
    }
}
