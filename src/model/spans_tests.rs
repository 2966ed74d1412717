use super::*;
use crate::model::mode::Mode;
use crate::model::params::Params;
use crate::model::test_support::{Adam, alone, encoded};
use candle_core::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;

fn span(start: usize, end: usize) -> TokenSpan {
    TokenSpan::new(start, end).unwrap()
}

fn at(sentence: usize, start: usize, end: usize) -> BatchSpan {
    BatchSpan {
        sentence,
        span: span(start, end),
    }
}

fn head(d: usize, n_types: usize) -> Result<(Params, Spans)> {
    let params = Params::new(&Device::Cpu, 7);
    let config = SpanConfig {
        hidden: 16,
        dropout: 0.0,
        ..SpanConfig::default()
    };
    let head = Spans::new(&params.root(), &config, d, n_types)?;
    Ok((params, head))
}

#[test]
fn a_span_does_not_see_its_batch() -> Result<()> {
    let (_, head) = head(6, 3)?;
    let all = encoded(&[5, 1, 7], 6, 1);
    let spans = [at(0, 0, 2), at(1, 0, 1), at(2, 3, 7), at(2, 6, 7)];
    let together = head.predict(&all, &spans)?;
    for (span, expected) in spans.iter().zip(together) {
        let single = BatchSpan {
            sentence: 0,
            ..*span
        };
        let found = head.predict(&alone(&all, span.sentence)?, &[single])?[0];
        assert!((found.p - expected.p).abs() < 1e-6 && found.kind == expected.kind);
    }
    assert_eq!(head.predict(&all, &[])?, []);
    Ok(())
}

#[test]
fn the_loss_is_the_negative_log_of_what_the_target_allows() -> Result<()> {
    let (_, head) = head(6, 2)?;
    let all = encoded(&[5], 6, 1);
    let spans = [at(0, 1, 3)];
    let logits: Vec<Vec<f32>> = head.logits(&all, &spans, Mode::Infer)?.to_vec2()?;
    let total: f32 = logits[0].iter().map(|x| x.exp()).sum();
    let p: Vec<f32> = logits[0].iter().map(|x| x.exp() / total).collect();
    for (target, allowed) in [
        (SpanTarget::None, p[0]),
        (SpanTarget::Type(1), p[2]),
        (SpanTarget::Entity, p[1] + p[2]),
        // A type that the model does not know is still an entity.
        (SpanTarget::Type(9), p[1] + p[2]),
    ] {
        let loss: f32 = head
            .loss(&all, &spans, &[target], Mode::Infer)?
            .to_scalar()?;
        assert!((loss + allowed.ln()).abs() < 1e-5, "{target:?}");
    }
    let score = head.predict(&all, &spans)?[0];
    assert!((score.p - (1.0 - p[0])).abs() < 1e-6);
    assert_eq!(score.kind, Some(usize::from(p[2] > p[1])));
    Ok(())
}

#[test]
fn a_model_without_types_names_none() -> Result<()> {
    let (_, head) = head(4, 0)?;
    let all = encoded(&[3], 4, 2);
    assert_eq!(head.predict(&all, &[at(0, 0, 1)])?[0].kind, None);
    Ok(())
}

#[test]
fn eight_sentences_are_learnt_by_heart() -> Result<()> {
    let (params, head) = head(12, 3)?;
    let all = encoded(&[4, 5, 3, 6, 4, 5, 3, 6], 12, 5);
    let mut spans = Vec::new();
    let mut targets = Vec::new();
    for b in 0..8 {
        for (i, (start, end)) in [(0, 1), (0, 2), (1, 3), (2, 3)].into_iter().enumerate() {
            spans.push(at(b, start, end));
            targets.push(match (b + i) % 4 {
                0 => SpanTarget::None,
                kind => SpanTarget::Type(kind - 1),
            });
        }
    }
    let vars = params.all().into_iter().map(|(_, v)| v).collect();
    let mut adam = Adam::new(vars, 0.02)?;
    let rng = RefCell::new(ChaCha8Rng::seed_from_u64(1));
    for _ in 0..300 {
        let loss = head.loss(&all, &spans, &targets, Mode::Train(&rng))?;
        adam.step(&loss.backward()?)?;
    }
    for (score, target) in head.predict(&all, &spans)?.iter().zip(&targets) {
        match target {
            SpanTarget::Type(kind) => assert!(score.p > 0.5 && score.kind == Some(*kind)),
            _ => assert!(score.p < 0.5),
        }
    }
    Ok(())
}
