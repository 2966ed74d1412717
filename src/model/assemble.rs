//! Heads' outputs of one sentence → [`Prediction`]: candidate spans, scored triples, runner-ups.
//!
//! Pure: no tensor. Candidate spans are the predicted ones, the sentence's own entities, and single words that RIN relates with
//! p >= 0.5 without a span (specs/bank section 1), so that every label the corpus brought gets its score.

use super::decode::{Anchor, bioes_spans};
use super::rin::RinSentence;
use crate::domain::prediction::KEEP_SCORE;
use crate::domain::{
    DecisionRule, Prediction, RelationId, RunId, ScoredEntity, ScoredTriple, Scores, SentenceId,
    TokenSpan, Triple,
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// At most this many triples a sentence are kept besides gold: an untrained model would keep all of them.
const MAX_TRIPLES: usize = 512;
/// At most this many candidate spans; pairs grow with the square.
pub const MAX_SPANS: usize = 64;

/// What is known of a sentence before its pairs are scored.
pub struct Candidates {
    /// Sorted, distinct, inside the covered words.
    pub spans: Vec<TokenSpan>,
    /// The predicted spans among them, with the lowest tag probability inside each.
    pub entities: Vec<ScoredEntity>,
}

/// Candidate spans of a sentence: `own` are its entities, `rin` what RIN said (if there is a RIN head), `n_words` what the encoder saw.
pub fn candidates(
    own: &[TokenSpan],
    rin: Option<&RinSentence>,
    anchor: Anchor,
    n_words: usize,
) -> Candidates {
    let mut spans: BTreeSet<TokenSpan> = BTreeSet::new();
    let mut entities = Vec::new();
    if let Some(rin) = rin {
        for span in bioes_spans(&rin.tags) {
            let probability = |i: usize| rin.tag_probabilities[i][rin.tags[i] as usize];
            let score = span.range().map(probability).fold(1.0, f32::min);
            entities.push(ScoredEntity {
                span,
                kind: None,
                score,
            });
            spans.insert(span);
        }
    }
    spans.extend(own.iter().filter(|s| s.end() <= n_words));
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
    Candidates {
        spans: spans.into_iter().take(MAX_SPANS).collect(),
        entities,
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

/// `relation` maps a model label to the workspace's schema; labels it does not know are left out.
pub fn assemble(parts: Parts, relation: impl Fn(usize) -> Option<RelationId>) -> Prediction {
    let spans = &parts.candidates.spans;
    let cells = rin_cells(parts.rin);
    let n_labels = parts.kernel.as_ref().map(|k| k.n_labels);
    let gold: HashSet<Triple> = parts.gold.iter().copied().collect();
    let mut triples = Vec::new();
    for (h, head) in spans.iter().enumerate() {
        for (t, tail) in spans.iter().enumerate().filter(|(t, _)| *t != h) {
            let at = (parts.anchor.of(*head), parts.anchor.of(*tail));
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
                        relation(label)?,
                        Scores {
                            rin,
                            kernel,
                            ..Scores::default()
                        },
                    ))
                })
                .collect();
            push_pair(&mut triples, (*head, *tail), &scored, &gold, &parts.rule);
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

fn push_pair(
    triples: &mut Vec<ScoredTriple>,
    (head, tail): (TokenSpan, TokenSpan),
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
        let best = scores.rin.unwrap_or(0.0).max(scores.kernel.unwrap_or(0.0));
        if best < KEEP_SCORE && !gold.contains(&triple) {
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
