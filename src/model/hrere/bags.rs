//! Which sentences make a bag (as in HRERE's released code). Pure; entities and sentences are the caller's numbers.

use crate::domain::TokenSpan;
use std::collections::{BTreeMap, BTreeSet};

/// One sentence with one linked, ordered pair marked in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PairMention {
    /// The caller's number of the sentence.
    pub sentence: usize,
    pub head_span: TokenSpan,
    pub tail_span: TokenSpan,
    /// Entities that the spans are linked to.
    pub head: u32,
    pub tail: u32,
    /// Classes that hold between the two in this sentence, NA (0) never among them; empty = none.
    pub relations: Vec<u32>,
}

/// Up to T mentions of one pair under one class.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Bag {
    /// Class; 0 = NA.
    pub relation: u32,
    pub head: u32,
    pub tail: u32,
    /// Indices of mentions, repetition allowed.
    pub mentions: Vec<usize>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BagSet {
    /// Ordered by (relation, head, tail), then by chunk.
    pub bags: Vec<Bag>,
    /// Mentions without a relation whose pair has one elsewhere: they show neither the fact nor its absence, and are in
    /// no bag.
    pub left_out: usize,
}

/// Training bags of exactly `t` mentions: grouped by (relation, head, tail); a group smaller than `t` is repeated
/// cyclically, a larger one cut into consecutive chunks with its last `t` as the final chunk (which may overlap the one
/// before). A pair with two relations makes two groups. NA bags are pairs without any relation in these mentions.
pub fn training_bags(mentions: &[PairMention], t: usize) -> BagSet {
    let with_fact: BTreeSet<(u32, u32)> = mentions
        .iter()
        .filter(|m| !m.relations.is_empty())
        .map(|m| (m.head, m.tail))
        .collect();
    let mut groups: BTreeMap<(u32, u32, u32), Vec<usize>> = BTreeMap::new();
    let mut left_out = 0;
    for (index, mention) in mentions.iter().enumerate() {
        let pair = (mention.head, mention.tail);
        if mention.relations.is_empty() {
            if with_fact.contains(&pair) {
                left_out += 1;
            } else {
                groups.entry((0, pair.0, pair.1)).or_default().push(index);
            }
        }
        let classes: BTreeSet<u32> = mention.relations.iter().copied().collect();
        for class in classes {
            let group = groups.entry((class, pair.0, pair.1)).or_default();
            group.push(index);
        }
    }
    let bags = groups
        .into_iter()
        .flat_map(|((relation, head, tail), group)| {
            chunks(&group, t).into_iter().map(move |mentions| Bag {
                relation,
                head,
                tail,
                mentions,
            })
        })
        .collect();
    BagSet { bags, left_out }
}

/// One bag a mention, as HRERE tests: T copies give beta = 1/T and v = tanh(s), which is what one place gives, so the copy
/// is not made (golden `attention_repeat`). A mention with several relations makes one bag for its first; its other
/// relations are the caller's to count.
pub fn sentence_bags(mentions: &[PairMention]) -> Vec<Bag> {
    mentions
        .iter()
        .enumerate()
        .map(|(index, mention)| Bag {
            relation: mention.relations.first().copied().unwrap_or(0),
            head: mention.head,
            tail: mention.tail,
            mentions: vec![index],
        })
        .collect()
}

/// All mentions of each ordered pair, in chunks of at most `t` (the last `t` as the final chunk), without repetition: what
/// the program shows of a pair. `relation` is 0 throughout: these bags are asked, not taught.
pub fn pair_bags(mentions: &[PairMention], t: usize) -> Vec<Bag> {
    let mut groups: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
    for (index, mention) in mentions.iter().enumerate() {
        let group = groups.entry((mention.head, mention.tail)).or_default();
        group.push(index);
    }
    let bags = groups.into_iter().flat_map(|((head, tail), group)| {
        let pieces = if group.len() <= t {
            vec![group]
        } else {
            chunks(&group, t)
        };
        pieces.into_iter().map(move |mentions| Bag {
            relation: 0,
            head,
            tail,
            mentions,
        })
    });
    bags.collect()
}

fn chunks(group: &[usize], t: usize) -> Vec<Vec<usize>> {
    let t = t.max(1);
    if group.len() <= t {
        return vec![group.iter().copied().cycle().take(t).collect()];
    }
    let mut out: Vec<Vec<usize>> = group.chunks_exact(t).map(<[usize]>::to_vec).collect();
    if !group.len().is_multiple_of(t) {
        out.push(group[group.len() - t..].to_vec());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mention(head: u32, tail: u32, relations: &[u32]) -> PairMention {
        PairMention {
            sentence: 0,
            head_span: TokenSpan::new(0, 1).unwrap(),
            tail_span: TokenSpan::new(1, 2).unwrap(),
            head,
            tail,
            relations: relations.to_vec(),
        }
    }

    #[test]
    fn groups_are_repeated_or_cut_to_t() {
        for (n, expected) in [
            (1, vec![vec![0, 0, 0]]),
            (2, vec![vec![0, 1, 0]]),
            (3, vec![vec![0, 1, 2]]),
            (5, vec![vec![0, 1, 2], vec![2, 3, 4]]),
            (6, vec![vec![0, 1, 2], vec![3, 4, 5]]),
        ] {
            let mentions = vec![mention(1, 2, &[7]); n];
            let found: Vec<_> = training_bags(&mentions, 3).bags;
            let found: Vec<_> = found.into_iter().map(|b| b.mentions).collect();
            assert_eq!(found, expected, "{n} mentions");
        }
    }

    #[test]
    fn a_pair_has_one_group_a_relation_and_na_only_without_any() {
        let mentions = [
            mention(1, 2, &[4, 3, 4]),
            mention(1, 2, &[]),
            mention(2, 1, &[]),
            mention(1, 2, &[3]),
        ];
        let set = training_bags(&mentions, 2);
        let found: Vec<_> = set
            .bags
            .iter()
            .map(|b| (b.relation, b.head, b.tail, b.mentions.clone()))
            .collect();
        assert_eq!(
            found,
            [
                (0, 2, 1, vec![2, 2]),
                (3, 1, 2, vec![0, 3]),
                (4, 1, 2, vec![0, 0]),
            ]
        );
        assert_eq!(set.left_out, 1);
    }

    #[test]
    fn asked_bags_are_not_repeated() {
        let mentions = vec![mention(1, 2, &[3]), mention(5, 6, &[]), mention(1, 2, &[])];
        let pairs: Vec<_> = pair_bags(&mentions, 5)
            .into_iter()
            .map(|b| b.mentions)
            .collect();
        assert_eq!(pairs, [vec![0, 2], vec![1]]);
        assert_eq!(pair_bags(&mentions, 1).len(), 3);
        let sentences = sentence_bags(&mentions);
        assert_eq!(
            sentences.iter().map(|b| b.relation).collect::<Vec<_>>(),
            [3, 0, 0]
        );
    }
}
