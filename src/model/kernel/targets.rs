//! Gold entities and triples -> the pairs that the kernel head is trained on.

use super::NegPairs;
use crate::domain::TokenSpan;
use crate::model::gold::{Gold, SpanTriple};
use rand::Rng;
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet};

/// An ordered pair of word spans of one sentence of a batch. Its rectangle is in the mask, positive for `relations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelPair {
    pub sentence: usize,
    pub head: TokenSpan,
    pub tail: TokenSpan,
    pub relations: Vec<usize>,
    /// Relations for which this pair is left out of the mask (judged Unsure); one that is also in `relations` stays in.
    pub ignore: Vec<usize>,
}

/// Targets of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelTargets {
    pub pairs: Vec<KernelPair>,
    /// Sentences added so far.
    pub n_sentences: usize,
    /// Positive triples that no pair can hold: beyond the words the encoder saw, or head = tail.
    pub lost: usize,
}

#[derive(Default)]
struct Labels {
    relations: BTreeSet<usize>,
    ignore: BTreeSet<usize>,
}

impl KernelTargets {
    /// Adds the next sentence of the batch; `n_words` are the words that the encoder saw of it.
    pub fn push(&mut self, n_words: usize, gold: Gold, negatives: NegPairs, rng: &mut impl Rng) {
        let sentence = self.n_sentences;
        self.n_sentences += 1;
        let fits = |span: &TokenSpan| span.end() <= n_words;
        let pair = |&(head, _, tail): &SpanTriple| {
            (fits(&head) && fits(&tail) && head != tail).then_some((head, tail))
        };
        let mut pairs: BTreeMap<(TokenSpan, TokenSpan), Labels> = BTreeMap::new();
        for triple in gold.triples {
            match pair(triple) {
                Some(key) => _ = pairs.entry(key).or_default().relations.insert(triple.1),
                None => self.lost += 1,
            }
        }
        for triple in gold.unsure {
            if let Some(key) = pair(triple) {
                pairs.entry(key).or_default().ignore.insert(triple.1);
            }
        }
        for key in gold.rejected.iter().filter_map(pair) {
            pairs.entry(key).or_default();
        }
        let others = unrelated(gold, n_words, &pairs);
        for key in chosen(others, negatives, rng) {
            pairs.entry(key).or_default();
        }
        self.pairs
            .extend(pairs.into_iter().map(|((head, tail), labels)| KernelPair {
                sentence,
                head,
                tail,
                relations: labels.relations.into_iter().collect(),
                ignore: labels.ignore.into_iter().collect(),
            }));
    }
}

/// Ordered pairs of distinct spans of a sentence that are not in `pairs`.
fn unrelated(
    gold: Gold,
    n_words: usize,
    pairs: &BTreeMap<(TokenSpan, TokenSpan), Labels>,
) -> Vec<(TokenSpan, TokenSpan)> {
    let of_pairs = pairs.keys().flat_map(|&(head, tail)| [head, tail]);
    let given = gold.entities.iter().chain(gold.distractors).copied();
    let spans: BTreeSet<TokenSpan> = given
        .chain(of_pairs)
        .filter(|span| span.end() <= n_words)
        .collect();
    let mut others = Vec::new();
    for &head in &spans {
        let tails = spans.iter().filter(|tail| **tail != head);
        others.extend(
            tails
                .map(|&tail| (head, tail))
                .filter(|key| !pairs.contains_key(key)),
        );
    }
    others
}

fn chosen(
    mut others: Vec<(TokenSpan, TokenSpan)>,
    negatives: NegPairs,
    rng: &mut impl Rng,
) -> Vec<(TokenSpan, TokenSpan)> {
    match negatives {
        NegPairs::None => Vec::new(),
        NegPairs::All => others,
        NegPairs::Sample(k) => others.partial_shuffle(rng, k).0.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn pairs_follow_the_choice_of_negatives() {
        let span = |start, end| TokenSpan::new(start, end).unwrap();
        let (a, b, c, far) = (span(0, 1), span(1, 3), span(3, 4), span(3, 9));
        let gold = Gold {
            entities: &[a, b, far],
            triples: &[(a, 1, b), (a, 0, b), (a, 0, b), (a, 0, far), (b, 0, b)],
            unsure: &[(b, 2, a)],
            rejected: &[(c, 0, a)],
            distractors: &[c],
        };
        let check = |negatives, expected: &[(TokenSpan, TokenSpan, &[usize], &[usize])], n| {
            let mut targets = KernelTargets::default();
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            targets.push(4, Gold::default(), negatives, &mut rng);
            targets.push(4, gold, negatives, &mut rng);
            assert_eq!((targets.lost, targets.pairs.len()), (2, n), "{negatives:?}");
            for &(head, tail, relations, ignore) in expected {
                let pair = KernelPair {
                    sentence: 1,
                    head,
                    tail,
                    relations: relations.to_vec(),
                    ignore: ignore.to_vec(),
                };
                assert!(targets.pairs.contains(&pair), "{negatives:?} {pair:?}");
            }
        };
        let always: [(_, _, &[usize], &[usize]); 3] =
            [(a, b, &[0, 1], &[]), (b, a, &[], &[2]), (c, a, &[], &[])];
        check(NegPairs::None, &always, 3);
        check(NegPairs::Sample(2), &always, 5);
        check(NegPairs::Sample(99), &always, 6);
        check(NegPairs::All, &always, 6);
        check(
            NegPairs::All,
            &[(b, c, &[], &[]), (c, b, &[], &[]), (a, c, &[], &[])],
            6,
        );
    }
}
