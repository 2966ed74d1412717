//! Tags and anchor cells <-> entity spans and triples (specs/rin sections 1, 2 and 7).
//!
//! RIN names a pair of entities by one word each, the anchor. To show whole entities, the tags are read strictly
//! (S, or B I* E) and an anchor is mapped to the span that ends (or starts) there. Nothing here runs a model.

use crate::domain::TokenSpan;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Numbers of the five tags, in the released code's order.
pub const O: u32 = 0;
pub const B: u32 = 1;
pub const I: u32 = 2;
pub const E: u32 = 3;
pub const S: u32 = 4;
pub const N_TAGS: usize = 5;
/// Words of a span that [`likely_spans`] proposes, at most.
const LONGEST: usize = 32;

/// Which word of an entity stands for it in RIN's pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// What the released data mark.
    #[default]
    Last,
    /// What the slides say.
    First,
}

impl Anchor {
    pub fn of(self, span: TokenSpan) -> usize {
        match self {
            Anchor::Last => span.last(),
            Anchor::First => span.start(),
        }
    }
}

/// May a word be related to itself? `Allow` for corpora that mark entities by their last word: nested entities share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Diagonal {
    Allow,
    #[default]
    Drop,
}

/// Strict reading: S, or B I* E; everything else is dropped. Spans in the order of their ends.
pub fn bioes_spans(tags: &[u32]) -> Vec<TokenSpan> {
    let mut spans = Vec::new();
    let mut start = None;
    for (i, &tag) in tags.iter().enumerate() {
        match tag {
            S => {
                spans.extend(TokenSpan::new(i, i + 1));
                start = None;
            }
            B => start = Some(i),
            I => {}
            E => spans.extend(start.take().and_then(|first| TokenSpan::new(first, i + 1))),
            _ => start = None,
        }
    }
    spans
}

/// Spans that the tag probabilities allow, likeliest first (of equals the earlier): at most `most`, each with the lowest
/// tag probability inside it, which is `least` or more. Read as strictly as [`bioes_spans`], but each tag may be any
/// that is likely enough, so spans overlap. `probabilities`: of O, B, I, E, S, word by word.
pub fn likely_spans(
    probabilities: &[[f32; N_TAGS]],
    least: f32,
    most: usize,
) -> Vec<(TokenSpan, f32)> {
    let p = |word: usize, tag: u32| probabilities[word][tag as usize];
    let mut found = Vec::new();
    for start in 0..probabilities.len() {
        if p(start, S) >= least {
            found.extend(TokenSpan::new(start, start + 1).map(|span| (span, p(start, S))));
        }
        let mut lowest = p(start, B);
        for end in start + 1..probabilities.len().min(start + LONGEST) {
            if lowest < least {
                break;
            }
            let score = lowest.min(p(end, E));
            if score >= least {
                found.extend(TokenSpan::new(start, end + 1).map(|span| (span, score)));
            }
            lowest = lowest.min(p(end, I));
        }
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    found.truncate(most);
    found
}

/// Tags of a sentence and the entities that one tag a word could not express.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BioesTags {
    pub tags: Vec<u32>,
    /// Indices into the given spans: each overlaps a longer one (of equals, the earlier wins).
    pub overlapping: Vec<usize>,
    /// Indices into the given spans: each reaches beyond `n_words`.
    pub beyond: Vec<usize>,
}

/// Tags for `spans` over `n_words` words. Equal spans count once and are not reported.
pub fn bioes_tags(n_words: usize, spans: &[TokenSpan]) -> BioesTags {
    let mut out = BioesTags {
        tags: vec![O; n_words],
        ..BioesTags::default()
    };
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(spans[i].len()), spans[i].start(), i));
    let mut kept: Vec<Option<TokenSpan>> = vec![None; n_words];
    for i in order {
        let span = spans[i];
        let Some(owners) = kept.get_mut(span.range()) else {
            out.beyond.push(i);
            continue;
        };
        if owners.iter().any(Option::is_some) {
            if owners[0] != Some(span) {
                out.overlapping.push(i);
            }
            continue;
        }
        owners.fill(Some(span));
        let tags = &mut out.tags[span.range()];
        match tags {
            [only] => *only = S,
            [first, inner @ .., last] => {
                (*first, *last) = (B, E);
                inner.fill(I);
            }
            [] => {}
        }
    }
    out.overlapping.sort_unstable();
    out.beyond.sort_unstable();
    out
}

/// One cell of RIN's table: words of sentence `sentence`, subject first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    pub sentence: usize,
    pub head: usize,
    pub tail: usize,
    pub relation: usize,
}

/// The entity at an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AnchoredSpan {
    pub span: TokenSpan,
    /// False when no predicted span has this anchor: `span` is the single word, to be marked "span not confirmed".
    pub confirmed: bool,
}

/// A triple that RIN's table gives, with whole entities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RinTriple {
    pub head: AnchoredSpan,
    pub relation: usize,
    pub tail: AnchoredSpan,
    pub p: f32,
}

/// Anchor -> entity span of one sentence.
#[derive(Clone, Debug)]
pub struct Anchors {
    spans: HashMap<usize, TokenSpan>,
}

impl Anchors {
    /// Of several spans with one anchor the longest is kept.
    pub fn new(spans: &[TokenSpan], anchor: Anchor) -> Self {
        let mut map: HashMap<usize, TokenSpan> = HashMap::new();
        for &span in spans {
            let known = map.entry(anchor.of(span)).or_insert(span);
            if span.len() > known.len() {
                *known = span;
            }
        }
        Self { spans: map }
    }

    /// `None` only when `word + 1` does not fit a span.
    pub fn at(&self, word: usize) -> Option<AnchoredSpan> {
        match self.spans.get(&word) {
            Some(&span) => Some(AnchoredSpan {
                span,
                confirmed: true,
            }),
            None => TokenSpan::new(word, word + 1).map(|span| AnchoredSpan {
                span,
                confirmed: false,
            }),
        }
    }
}

/// Triples of the cells with p >= `threshold` (not >, as in the released code), in the cells' order.
pub fn decode_triples(
    cells: impl IntoIterator<Item = (Cell, f32)>,
    anchors: &Anchors,
    threshold: f32,
    diagonal: Diagonal,
) -> Vec<RinTriple> {
    cells
        .into_iter()
        .filter(|(cell, p)| {
            *p >= threshold && (diagonal == Diagonal::Allow || cell.head != cell.tail)
        })
        .filter_map(|(cell, p)| {
            Some(RinTriple {
                head: anchors.at(cell.head)?,
                relation: cell.relation,
                tail: anchors.at(cell.tail)?,
                p,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::Golden;

    fn span(start: usize, end: usize) -> TokenSpan {
        TokenSpan::new(start, end).unwrap()
    }

    fn cell(head: usize, tail: usize, relation: usize) -> Cell {
        Cell {
            sentence: 0,
            head,
            tail,
            relation,
        }
    }

    #[test]
    fn likely_spans_hold_the_strict_reading_and_come_likeliest_first() {
        let word = |p: [f32; N_TAGS]| p;
        let p = [
            word([0.1, 0.9, 0.0, 0.0, 0.0]),
            word([0.0, 0.0, 0.6, 0.4, 0.0]),
            word([0.0, 0.0, 0.3, 0.7, 0.0]),
            word([0.95, 0.0, 0.0, 0.0, 0.05]),
        ];
        let check = |least, most, expected: &[(usize, usize, f32)]| {
            let found: Vec<_> = likely_spans(&p, least, most)
                .into_iter()
                .map(|(s, score)| (s.start(), s.end(), score))
                .collect();
            assert_eq!(found, expected, "{least} {most}");
        };
        check(0.5, 9, &[(0, 3, 0.6)]);
        check(0.04, 9, &[(0, 3, 0.6), (0, 2, 0.4), (3, 4, 0.05)]);
        check(0.04, 2, &[(0, 3, 0.6), (0, 2, 0.4)]);
        check(1.1, 9, &[]);
        assert_eq!(likely_spans(&[], 0.0, 9), []);
    }

    #[test]
    fn golden_rin_decode() {
        let golden = Golden::load("rin_decode");
        let spans_at = |tags: &str, expected: &str| {
            let tags: Vec<u32> = golden.parse(tags);
            let expected: Vec<(usize, usize)> = golden.parse(expected);
            let spans = bioes_spans(&tags);
            let inclusive: Vec<_> = spans.iter().map(|s| (s.start(), s.last())).collect();
            assert_eq!(inclusive, expected);
            spans
        };
        let gold_spans = spans_at("/in/gold_tags", "/out/gold_spans");
        let predicted_spans = spans_at("/in/pred_tags", "/out/pred_spans");
        for (anchor, at) in [
            (Anchor::First, "/out/first_word_anchors"),
            (Anchor::Last, "/out/last_word_anchors"),
        ] {
            let anchors: Vec<usize> = gold_spans.iter().map(|s| anchor.of(*s)).collect();
            assert_eq!(anchors, golden.parse::<Vec<usize>>(at));
        }
        // Exact match: the anchors agree and so do the confirmed spans behind them.
        let triples = |at: &str, spans: &[TokenSpan]| {
            let cells: Vec<(usize, usize, usize)> = golden.parse(at);
            let cells = cells.into_iter().map(|(h, t, r)| (cell(h, t, r), 0.5));
            decode_triples(
                cells,
                &Anchors::new(spans, Anchor::Last),
                0.5,
                Diagonal::Drop,
            )
        };
        let gold = triples("/in/gold", &gold_spans);
        let predicted = triples("/in/pred", &predicted_spans);
        let ends = |t: &RinTriple| (t.head.span.last(), t.tail.span.last(), t.relation);
        let partial: Vec<_> = predicted
            .iter()
            .map(ends)
            .filter(|p| gold.iter().any(|g| ends(g) == *p))
            .collect();
        let exact: Vec<_> = predicted
            .iter()
            .filter(|p| gold.contains(p))
            .map(ends)
            .collect();
        assert_eq!(
            partial,
            golden.parse::<Vec<(usize, usize, usize)>>("/out/partial_correct")
        );
        assert_eq!(
            exact,
            golden.parse::<Vec<(usize, usize, usize)>>("/out/exact_correct")
        );
    }

    #[test]
    fn only_whole_entities_are_read() {
        let check = |tags: &[u32], expected: &[(usize, usize)]| {
            let spans: Vec<_> = bioes_spans(tags)
                .iter()
                .map(|s| (s.start(), s.end()))
                .collect();
            assert_eq!(spans, expected, "{tags:?}");
        };
        check(&[], &[]);
        check(&[B, I, I, E], &[(0, 4)]);
        check(&[I, E], &[]);
        check(&[B, O, E], &[]);
        check(&[B, B, E, E], &[(1, 3)]);
        check(&[B, S, E], &[(1, 2)]);
        check(&[B, 9, E], &[]);
    }

    #[test]
    fn tags_express_the_longest_of_overlapping_entities() {
        let check =
            |n, spans: &[TokenSpan], tags: &[u32], overlapping: &[usize], beyond: &[usize]| {
                let expected = BioesTags {
                    tags: tags.to_vec(),
                    overlapping: overlapping.to_vec(),
                    beyond: beyond.to_vec(),
                };
                assert_eq!(bioes_tags(n, spans), expected, "{spans:?}");
            };
        check(3, &[span(0, 1), span(1, 3)], &[S, B, E], &[], &[]);
        check(4, &[span(2, 3), span(0, 3)], &[B, I, E, O], &[0], &[]);
        check(3, &[span(1, 3), span(0, 2)], &[B, E, O], &[0], &[]);
        check(2, &[span(0, 2), span(0, 2)], &[B, E], &[], &[]);
        check(2, &[span(1, 3), span(5, 6)], &[O, O], &[], &[0, 1]);
        check(0, &[], &[], &[], &[]);
    }

    #[test]
    fn thresholds_diagonal_and_unconfirmed_spans() {
        let anchors = Anchors::new(&[span(0, 2), span(3, 4)], Anchor::Last);
        let cells = [
            (cell(1, 3, 0), 0.5),
            (cell(1, 2, 0), 0.499),
            (cell(3, 3, 1), 0.9),
            (cell(2, 1, 1), 0.6),
        ];
        let check = |diagonal, expected: &[(TokenSpan, bool, TokenSpan, bool)]| {
            let found: Vec<_> = decode_triples(cells, &anchors, 0.5, diagonal)
                .iter()
                .map(|t| (t.head.span, t.head.confirmed, t.tail.span, t.tail.confirmed))
                .collect();
            assert_eq!(found, expected);
        };
        let (pair, broken) = (
            (span(0, 2), true, span(3, 4), true),
            (span(2, 3), false, span(0, 2), true),
        );
        check(Diagonal::Drop, &[pair, broken]);
        check(
            Diagonal::Allow,
            &[pair, (span(3, 4), true, span(3, 4), true), broken],
        );
    }
}
