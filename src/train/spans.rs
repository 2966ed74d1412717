//! What the span head is trained on: gold entities, the wrong spans that RIN proposes, and spans drawn at random.

use super::examples::Example;
use crate::domain::TokenSpan;
use crate::model::spans::{BatchSpan, SpanConfig, SpanTarget};
use rand::Rng;
use std::collections::BTreeSet;

/// Words of a random span at most.
const LONGEST: usize = 6;

/// Targets of a batch.
#[derive(Default)]
pub struct SpanTargets {
    pub spans: Vec<BatchSpan>,
    pub targets: Vec<SpanTarget>,
    n_sentences: usize,
}

impl SpanTargets {
    /// Adds the next sentence of the batch; `n_words` are the words that the encoder saw of it, `wrong` its proposed spans
    /// that are no entities, likeliest first.
    pub fn push(
        &mut self,
        n_words: usize,
        example: &Example,
        wrong: &[TokenSpan],
        config: &SpanConfig,
        rng: &mut impl Rng,
    ) {
        let sentence = self.n_sentences;
        self.n_sentences += 1;
        let mut add = |span, target| {
            self.spans.push(BatchSpan { sentence, span });
            self.targets.push(target);
        };
        let gold = example.entities.iter().zip(&example.kinds);
        let gold: Vec<_> = gold.filter(|(span, _)| span.end() <= n_words).collect();
        for (span, kind) in &gold {
            add(**span, kind.map_or(SpanTarget::Entity, SpanTarget::Type));
        }
        let mut negatives: BTreeSet<TokenSpan> = BTreeSet::new();
        negatives.extend(wrong.iter().take(config.hard_negatives));
        for i in 0..config.random_negatives {
            let moved = match gold.is_empty() {
                false if i % 2 == 0 => moved(*gold[rng.random_range(0..gold.len())].0, rng),
                _ => drawn(n_words, rng),
            };
            negatives.extend(moved);
        }
        for span in negatives {
            if span.end() <= n_words && example.entities.binary_search(&span).is_err() {
                add(span, SpanTarget::None);
            }
        }
    }
}

/// The span with one of its borders one or two words off.
fn moved(span: TokenSpan, rng: &mut impl Rng) -> Option<TokenSpan> {
    let by = rng.random_range(1..=2);
    match rng.random_range(0..4) {
        0 => TokenSpan::new(span.start().checked_sub(by)?, span.end()),
        1 => TokenSpan::new(span.start() + by, span.end()),
        2 => TokenSpan::new(span.start(), span.end().checked_sub(by)?),
        _ => TokenSpan::new(span.start(), span.end() + by),
    }
}

fn drawn(n_words: usize, rng: &mut impl Rng) -> Option<TokenSpan> {
    let start = (n_words > 0).then(|| rng.random_range(0..n_words))?;
    TokenSpan::new(start, start + rng.random_range(1..=LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SentenceId;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn gold_keeps_its_type_and_no_negative_is_gold_or_outside() {
        let span = |start, end| TokenSpan::new(start, end).unwrap();
        let example = Example {
            id: SentenceId(1),
            words: vec!["w".to_owned(); 8],
            entities: vec![span(0, 2), span(3, 4), span(6, 8)],
            kinds: vec![Some(1), None, Some(0)],
            positives: Vec::new(),
            masked: Vec::new(),
        };
        let config = SpanConfig {
            hard_negatives: 2,
            random_negatives: 40,
            ..SpanConfig::default()
        };
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut targets = SpanTargets::default();
            let empty = Example {
                words: Vec::new(),
                entities: Vec::new(),
                kinds: Vec::new(),
                ..example.clone()
            };
            targets.push(0, &empty, &[], &config, &mut rng);
            let wrong = [span(0, 1), span(2, 3), span(4, 6)];
            // The encoder saw 7 words: the last entity is beyond.
            targets.push(7, &example, &wrong, &config, &mut rng);
            let all: Vec<_> = targets.spans.iter().zip(&targets.targets).collect();
            assert!(
                all.iter()
                    .all(|(s, _)| s.sentence == 1 && s.span.end() <= 7)
            );
            assert_eq!(
                (all[0].0.span, *all[0].1, all[1].0.span, *all[1].1),
                (
                    span(0, 2),
                    SpanTarget::Type(1),
                    span(3, 4),
                    SpanTarget::Entity
                )
            );
            let negatives = &all[2..];
            assert!(negatives.iter().all(|(_, t)| **t == SpanTarget::None));
            let is_gold = |s: &TokenSpan| example.entities.contains(s);
            assert!(!negatives.iter().any(|(s, _)| is_gold(&s.span)));
            for hard in &wrong[..2] {
                assert!(negatives.iter().any(|(s, _)| s.span == *hard), "{hard:?}");
            }
        }
    }
}
