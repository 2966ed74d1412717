//! Heads' outputs of one sentence → [`Prediction`]: candidate spans, scored triples, runner-ups.
//!
//! Pure: no tensor. Candidate spans are those that RIN's tags propose, the sentence's own entities, and single words that RIN
//! relates with p >= 0.5 without a span (specs/bank section 1), so that every label the corpus brought gets its score. With a
//! span head the tags propose generously and the head decides; without one the likeliest tags decide.

use super::decode::{Anchor, bioes_spans, likely_spans};
use super::labels::LabelMap;
use super::rin::RinSentence;
use super::spans::SpanScore;
use crate::domain::prediction::KEEP_SCORE;
use crate::domain::{
    DecisionRule, Prediction, RelationId, RunId, ScoredEntity, ScoredTriple, Scores, SentenceId,
    TokenSpan, Triple,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// At most this many triples a sentence are kept besides gold: an untrained model would keep all of them.
const MAX_TRIPLES: usize = 512;
/// At most this many spans are paired; pairs grow with the square.
pub const MAX_SPANS: usize = 64;
/// At most this many spans are looked at, paired or not.
const MAX_CANDIDATES: usize = 256;

/// Tag probability from which on a span is proposed to the span head.
pub const PROPOSE: f32 = 0.02;
/// Spans proposed to the span head at most.
pub const MAX_PROPOSED: usize = 48;

/// What is known of a sentence before its pairs are scored.
#[derive(Default)]
pub struct Candidates {
    /// Sorted, distinct, inside the covered words.
    pub spans: Vec<TokenSpan>,
    /// Of the spans, those that the sentence itself brought.
    pub own: BTreeSet<TokenSpan>,
    /// What the span head says of each span; empty without one.
    pub scores: BTreeMap<TokenSpan, SpanScore>,
    /// The spans that the model itself proposes.
    pub entities: Vec<ScoredEntity>,
}

/// Who decides about a proposed span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposals {
    /// The likeliest tags, read strictly.
    Tags,
    /// The span head, later: [`Candidates::decide`].
    SpanHead,
}

impl Candidates {
    /// Candidate spans of a sentence: `own` are its entities, `rin` what RIN said (if there is a RIN head), `n_words` what the encoder saw.
    pub fn new(
        own: &[TokenSpan],
        rin: Option<&RinSentence>,
        anchor: Anchor,
        n_words: usize,
        proposals: Proposals,
    ) -> Self {
        let own: BTreeSet<TokenSpan> = own.iter().copied().filter(|s| s.end() <= n_words).collect();
        let proposed = rin.map_or_else(Vec::new, |rin| proposed(rin, proposals));
        let mut spans = own.clone();
        spans.extend(proposed.iter().map(|(span, _)| *span));
        if let Some(rin) = rin {
            let anchors: HashSet<usize> = spans.iter().map(|s| anchor.of(*s)).collect();
            for (cell, p) in &rin.cells {
                for word in [cell.head, cell.tail] {
                    if *p >= 0.5 && !anchors.contains(&word) {
                        spans.extend(TokenSpan::new(word, word + 1));
                    }
                }
            }
        }
        let entities = proposed.into_iter().map(|(span, score)| ScoredEntity {
            span,
            kind: None,
            score,
        });
        Self {
            spans: spans.into_iter().collect(),
            own,
            scores: BTreeMap::new(),
            entities: entities.collect(),
        }
        .within(match proposals {
            Proposals::Tags => MAX_SPANS,
            Proposals::SpanHead => MAX_CANDIDATES,
        })
    }

    /// Takes the span head's scores, one for each of `spans`: unlikely spans go, likely ones are the entities.
    pub fn decide(mut self, scores: &[SpanScore], map: &LabelMap) -> Self {
        self.scores = self
            .spans
            .iter()
            .copied()
            .zip(scores.iter().copied())
            .collect();
        let (own, scores) = (&self.own, &self.scores);
        self.spans
            .retain(|s| own.contains(s) || scores[s].p >= KEEP_SCORE);
        self.entities.retain_mut(|entity| {
            let Some(score) = scores.get(&entity.span) else {
                return false;
            };
            entity.score = score.p;
            entity.kind = score.kind.and_then(|k| map.entity_type(k));
            score.p >= KEEP_SCORE
        });
        self.entities.sort_by_key(|e| e.span);
        self.within(MAX_SPANS)
    }

    /// At most `most` spans; the sentence's own stay longest, then the likeliest.
    fn within(mut self, most: usize) -> Self {
        if self.spans.len() > most {
            let (own, scores) = (&self.own, &self.scores);
            let p = |s: &TokenSpan| scores.get(s).map_or(0.0, |score| score.p);
            let is_own = |s: &TokenSpan| own.contains(s);
            self.spans.sort_by(|a, b| {
                let own_first = is_own(b).cmp(&is_own(a));
                own_first.then(p(b).total_cmp(&p(a))).then(a.cmp(b))
            });
            self.spans.truncate(most);
            self.spans.sort_unstable();
        }
        self
    }

    /// Probability that both are entities; `None` without a span head.
    fn both(&self, head: TokenSpan, tail: TokenSpan) -> Option<f32> {
        Some(self.scores.get(&head)?.p * self.scores.get(&tail)?.p)
    }
}

/// Proposed spans with the lowest tag probability inside each.
fn proposed(rin: &RinSentence, proposals: Proposals) -> Vec<(TokenSpan, f32)> {
    match proposals {
        Proposals::SpanHead => likely_spans(&rin.tag_probabilities, PROPOSE, MAX_PROPOSED),
        Proposals::Tags => bioes_spans(&rin.tags)
            .into_iter()
            .map(|span| {
                let probability = |i: usize| rin.tag_probabilities[i][rin.tags[i] as usize];
                (span, span.range().map(probability).fold(1.0, f32::min))
            })
            .collect(),
    }
}

/// Probabilities of the kernel head for every ordered pair of candidate spans: `p[(head * n + tail) * n_labels + label]`.
pub struct PairTable<'a> {
    pub p: &'a [f32],
    pub n_labels: usize,
}

/// Everything that [`assemble`] needs about one sentence.
pub struct Parts<'a> {
    pub sentence: SentenceId,
    pub run: RunId,
    pub covered: usize,
    pub candidates: Candidates,
    pub rin: Option<&'a RinSentence>,
    pub anchor: Anchor,
    pub kernel: Option<PairTable<'a>>,
    /// Kept whatever their score.
    pub gold: &'a [Triple],
    pub rule: DecisionRule,
}

/// `map`: the model's labels in the workspace's schema; those it does not know are left out.
pub fn assemble(parts: Parts, map: &LabelMap) -> Prediction {
    let spans = &parts.candidates.spans;
    let cells = rin_cells(parts.rin);
    let n_labels = parts.kernel.as_ref().map(|k| k.n_labels);
    let gold: HashSet<Triple> = parts.gold.iter().copied().collect();
    let mut triples = Vec::new();
    for (h, head) in spans.iter().enumerate() {
        for (t, tail) in spans.iter().enumerate().filter(|(t, _)| *t != h) {
            let at = (parts.anchor.of(*head), parts.anchor.of(*tail));
            let both = parts.candidates.both(*head, *tail);
            let rin_of = |label: usize| cells.get(&(at.0, at.1, label)).copied();
            let labels: Vec<usize> = match n_labels {
                Some(n) => (0..n).collect(),
                None => cells
                    .keys()
                    .filter(|k| (k.0, k.1) == at)
                    .map(|k| k.2)
                    .collect(),
            };
            let scored: Vec<(RelationId, Scores)> = labels
                .into_iter()
                .filter_map(|label| {
                    let kernel = parts
                        .kernel
                        .as_ref()
                        .map(|k| k.p[(h * spans.len() + t) * k.n_labels + label]);
                    // A cell RIN did not keep is below the keep score; for the screen that is "no evidence", 0.
                    let rin = parts.rin.map(|_| rin_of(label).unwrap_or(0.0));
                    Some((
                        map.relation(label)?,
                        Scores {
                            rin,
                            kernel,
                            spans: both,
                            ..Scores::default()
                        },
                    ))
                })
                .collect();
            let own = &parts.candidates.own;
            let pair = Pair {
                head: *head,
                tail: *tail,
                is_own: own.contains(head) && own.contains(tail),
            };
            push_pair(&mut triples, pair, &scored, &gold, &parts.rule);
        }
    }
    keep_best(&mut triples, &gold, &parts.rule);
    Prediction {
        sentence: parts.sentence,
        run: parts.run,
        covered: parts.covered as u32,
        entities: parts.candidates.entities,
        triples,
    }
}

fn rin_cells(rin: Option<&RinSentence>) -> HashMap<(usize, usize, usize), f32> {
    let Some(rin) = rin else {
        return HashMap::new();
    };
    let kept = rin.cells.iter().map(|(c, p)| (c, *p));
    let watched = rin
        .watched
        .iter()
        .filter_map(|(c, rounds)| Some((c, *rounds.last()?)));
    kept.chain(watched)
        .map(|(c, p)| ((c.head, c.tail, c.relation), p))
        .collect()
}

struct Pair {
    head: TokenSpan,
    tail: TokenSpan,
    /// Both spans came with the sentence: how likely they are entities does not matter.
    is_own: bool,
}

fn push_pair(
    triples: &mut Vec<ScoredTriple>,
    Pair { head, tail, is_own }: Pair,
    scored: &[(RelationId, Scores)],
    gold: &HashSet<Triple>,
    rule: &DecisionRule,
) {
    let score = |s: &Scores| rule.score(s).unwrap_or(0.0);
    let mut order: Vec<(RelationId, f32)> = scored.iter().map(|(r, s)| (*r, score(s))).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    for (relation, scores) in scored {
        let triple = Triple {
            head,
            relation: *relation,
            tail,
        };
        let given = Scores {
            spans: scores.spans.filter(|_| !is_own),
            ..*scores
        };
        if !given.is_own_finding() && !gold.contains(&triple) {
            continue;
        }
        let runner_up = order.iter().find(|(r, _)| r != relation).copied();
        triples.push(ScoredTriple {
            triple,
            scores: *scores,
            runner_up,
        });
    }
}

/// Falling score, ties by position; gold is never cut.
fn keep_best(triples: &mut Vec<ScoredTriple>, gold: &HashSet<Triple>, rule: &DecisionRule) {
    let score = |t: &ScoredTriple| rule.score(&t.scores).unwrap_or(0.0);
    triples.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.triple.cmp(&b.triple)));
    let mut n = 0;
    triples.retain(|t| {
        n += 1;
        n <= MAX_TRIPLES || gold.contains(&t.triple)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RelationSchema;
    use crate::model::decode::{B, E, N_TAGS, O, S};

    fn span(start: usize, end: usize) -> TokenSpan {
        TokenSpan::new(start, end).unwrap()
    }

    /// Five words: the tags read strictly give 0..2; 1..2 and 3..4 are possible, the last less likely.
    fn rin() -> RinSentence {
        let word = |tags: &[(u32, f32)]| {
            let mut p = [0.0; N_TAGS];
            for (tag, value) in tags {
                p[*tag as usize] = *value;
            }
            p
        };
        let tag_probabilities = vec![
            word(&[(B, 0.9), (O, 0.1)]),
            word(&[(E, 0.8), (S, 0.2)]),
            word(&[(O, 1.0)]),
            word(&[(O, 0.9), (S, 0.1)]),
            word(&[(O, 0.99), (S, 0.01)]),
        ];
        RinSentence {
            tags: vec![B, E, O, O, O],
            tag_probabilities,
            cells: Vec::new(),
            watched: Vec::new(),
        }
    }

    #[test]
    fn the_span_head_decides_about_generous_proposals_but_never_drops_the_sentences_own() {
        let mut schema = RelationSchema::from_names(["r"]);
        let kind = schema.intern_type("place").unwrap();
        let map = LabelMap::new(&schema, &["r".to_owned()], &["place".to_owned()]);
        let (rin, own) = (rin(), [span(4, 5), span(3, 9)]);
        let tags = Candidates::new(&own, Some(&rin), Anchor::Last, 5, Proposals::Tags);
        assert_eq!(tags.spans, [span(0, 2), span(4, 5)]);
        let found = Candidates::new(&own, Some(&rin), Anchor::Last, 5, Proposals::SpanHead);
        let proposed = [span(0, 2), span(1, 2), span(3, 4), span(4, 5)];
        assert_eq!(found.spans, proposed);
        let score = |p| SpanScore { p, kind: Some(0) };
        let scores = [score(0.9), score(0.01), score(0.4), score(0.02)];
        let decided = found.decide(&scores, &map);
        assert_eq!(decided.spans, [span(0, 2), span(3, 4), span(4, 5)]);
        let entities: Vec<_> = decided
            .entities
            .iter()
            .map(|e| (e.span, e.kind, e.score))
            .collect();
        assert_eq!(
            entities,
            [(span(0, 2), Some(kind), 0.9), (span(3, 4), Some(kind), 0.4)]
        );
        assert_eq!(decided.both(span(0, 2), span(3, 4)), Some(0.9 * 0.4));
        assert_eq!(tags.both(span(0, 2), span(4, 5)), None);
    }

    #[test]
    fn unlikely_spans_lose_their_triples_unless_the_sentence_brought_them() {
        let schema = RelationSchema::from_names(["r"]);
        let map = LabelMap::new(&schema, &["r".to_owned()], &[]);
        let scores = |p| SpanScore { p, kind: None };
        let kept = |own: &[TokenSpan]| {
            let rin = rin();
            let found = Candidates::new(own, Some(&rin), Anchor::Last, 5, Proposals::SpanHead);
            let n = found.spans.len();
            let candidates = found.decide(&vec![scores(0.1); n], &map);
            let n = candidates.spans.len();
            let p = vec![0.9; n * n];
            let parts = Parts {
                sentence: SentenceId(1),
                run: RunId(1),
                covered: 5,
                candidates,
                rin: None,
                anchor: Anchor::Last,
                kernel: Some(PairTable { p: &p, n_labels: 1 }),
                gold: &[],
                rule: DecisionRule::default(),
            };
            assemble(parts, &map).triples.len()
        };
        assert_eq!(kept(&[]), 0);
        assert_eq!(kept(&[span(0, 2), span(3, 4)]), 2);
    }
}
