use super::*;
use crate::model::encoded::BatchLayout;
use crate::model::gold::Gold;
use crate::model::golden::{Golden, assert_close, assert_number};
use crate::model::params::{Missing, Params};
use crate::model::test_support::{Adam, alone, encoded};
use candle_core::{Device, Var};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

fn span(start: usize, end: usize) -> TokenSpan {
    TokenSpan::new(start, end).unwrap()
}

fn pair(sentence: usize, head: TokenSpan, tail: TokenSpan, relations: &[usize]) -> KernelPair {
    KernelPair {
        sentence,
        head,
        tail,
        relations: relations.to_vec(),
        ignore: Vec::new(),
    }
}

fn head(config: &KernelConfig, h: usize, n_relations: usize) -> Result<(Params, Kernel)> {
    let params = Params::new(&Device::Cpu, 3);
    let kernel = Kernel::new(&params.root().pp("ker"), config, h, n_relations)?;
    Ok((params, kernel))
}

/// The paper's form: neither bias nor scale.
fn paper() -> KernelConfig {
    KernelConfig {
        scale: Scale::None,
        bias: false,
        ..KernelConfig::default()
    }
}

fn configs() -> [KernelConfig; 3] {
    let low_rank = KernelConfig {
        rank: Some(2),
        ..KernelConfig::default()
    };
    [paper(), KernelConfig::default(), low_rank]
}

/// The golden sentence: [CLS], four words of one piece, [SEP]; three entities. Spans count words, so the file's less one.
struct Case {
    golden: Golden,
    encoded: Encoded,
    low: Var,
    spans: Vec<TokenSpan>,
    gold: Vec<KernelPair>,
    negative: Vec<KernelPair>,
}

fn golden_case() -> Result<Case> {
    let golden = Golden::load("kernel_head");
    let low = Var::from_tensor(&golden.tensor("/in/E_w"))?;
    let layout = BatchLayout {
        word_starts: vec![0, 4],
        piece_starts: vec![0, 6],
        word_pieces: (1..5).map(|piece| piece..piece + 1).collect(),
    };
    let encoded = Encoded {
        layout: Arc::new(layout),
        words: golden.tensor("/in/E_p").narrow(0, 1, 4)?,
        piece_low: low.as_tensor().clone(),
        piece_top: golden.tensor("/in/E_p"),
        sent: golden.tensor("/in/E_a").unsqueeze(0)?,
    };
    let spans: Vec<(usize, usize)> = golden.parse("/in/spans_inclusive");
    let spans: Vec<TokenSpan> = spans.iter().map(|(a, b)| span(a - 1, *b)).collect();
    let gold: Vec<(usize, usize, usize)> = golden.parse("/in/gold");
    let negative: Vec<(usize, usize)> = golden.parse("/in/neg_pairs");
    Ok(Case {
        gold: gold
            .iter()
            .map(|&(x, y, r)| pair(0, spans[x], spans[y], &[r]))
            .collect(),
        negative: negative
            .iter()
            .map(|&(x, y)| pair(0, spans[x], spans[y], &[]))
            .collect(),
        golden,
        encoded,
        low,
        spans,
    })
}

fn golden_kernel(case: &Case, config: &KernelConfig) -> Result<(Params, Kernel)> {
    let names = [("wh", "W_h"), ("wt", "W_t"), ("bh", "b_h"), ("bt", "b_t")];
    let tensors = names.iter().map(|(name, at)| {
        (
            format!("ker.{name}"),
            case.golden.tensor(&format!("/in/{at}")),
        )
    });
    let params = Params::from_tensors(tensors, &Device::Cpu, Missing::Fail)?;
    let kernel = Kernel::new(&params.root().pp("ker"), config, 4, 3)?;
    Ok((params, kernel))
}

#[test]
fn golden_kernel_head_scores() -> Result<()> {
    let case = golden_case()?;
    for (config, logits, p, means) in [
        (paper(), "S", "P", "pair_prob"),
        (
            KernelConfig::default(),
            "S_code",
            "P_code",
            "pair_prob_code",
        ),
    ] {
        let (_, kernel) = golden_kernel(&case, &config)?;
        let all = Grid {
            sentence: 0,
            heads: (0..6).collect(),
            tails: (0..6).collect(),
        };
        let found = kernel.logits(&case.encoded, &[all])?.reshape(((), 6, 6))?;
        assert_close(
            &found,
            &case.golden.tensor(&format!("/out/{logits}")),
            logits,
        );
        assert_close(
            &sigmoid(&found)?,
            &case.golden.tensor(&format!("/out/{p}")),
            p,
        );

        let scores = &kernel
            .scorer()?
            .score_pairs(&case.encoded, std::slice::from_ref(&case.spans))?[0];
        let mut emitted = Vec::new();
        for x in 0..3 {
            for y in (0..3).filter(|y| *y != x) {
                let at = format!("/out/{means}/{x}->{y}");
                let found = Tensor::new(scores.pair(x, y), &Device::Cpu)?;
                assert_close(&found, &case.golden.tensor(&at), &at);
                let above = (0..3).filter(|r| scores.pair(x, y)[*r] > 0.5);
                emitted.extend(above.map(|r| vec![x, y, r]));
            }
        }
        if means == "pair_prob" {
            assert_eq!(
                emitted,
                case.golden
                    .parse::<Vec<Vec<usize>>>("/out/predicted_gt_0_5")
            );
        }
    }
    Ok(())
}

#[test]
fn golden_kernel_head_folding() -> Result<()> {
    let case = golden_case()?;
    let (_, kernel) = golden_kernel(&case, &paper())?;
    let folded = kernel
        .head
        .weight
        .matmul(&kernel.tail.weight.transpose(1, 2)?)?;
    assert_close(&folded, &case.golden.tensor("/out/folded_W"), "folded_W");
    Ok(())
}

#[test]
fn golden_kernel_head_losses() -> Result<()> {
    let case = golden_case()?;
    let eq9 = KernelConfig {
        loss: KernelLoss::Eq9,
        ..paper()
    };
    let with_negatives = [case.gold.clone(), case.negative.clone()].concat();
    for (config, pairs, at) in [
        (paper(), &case.gold, "loss_mask_mean"),
        (paper(), &with_negatives, "loss_mask_mean_with_neg"),
        (eq9, &case.gold, "loss_eq9"),
        (KernelConfig::default(), &case.gold, "loss_code_variant"),
    ] {
        let (_, kernel) = golden_kernel(&case, &config)?;
        let loss = kernel.loss(&case.encoded, pairs)?.unwrap();
        assert_number(&loss, case.golden.number(&format!("/out/{at}")), at);
    }
    let (params, kernel) = golden_kernel(&case, &paper())?;
    let grads = kernel
        .loss(&case.encoded, &case.gold)?
        .unwrap()
        .backward()?;
    let gradient = |of: &Tensor| grads.get(of).unwrap().clone();
    let wh = params.get("ker.wh").unwrap();
    assert_close(
        &gradient(&wh),
        &case.golden.tensor("/out/dloss_dW_h"),
        "dloss_dW_h",
    );
    assert_close(
        &gradient(&case.low),
        &case.golden.tensor("/out/dloss_dE_w"),
        "dloss_dE_w",
    );
    Ok(())
}

/// Every ordered pair of these spans, with its heat map.
fn by_heat(
    kernel: &Kernel,
    encoded: &Encoded,
    b: usize,
    spans: &[TokenSpan],
    relation: usize,
) -> Result<Vec<Heat>> {
    let mut heats = Vec::new();
    for &head in spans {
        for &tail in spans {
            heats.push(kernel.heat(encoded, b, head, tail, relation)?);
        }
    }
    Ok(heats)
}

#[test]
fn folded_and_unfolded_agree_and_the_mean_lies_inside() -> Result<()> {
    let batch = encoded(&[6, 2, 0, 5], 8, 1);
    let spans = [
        vec![span(0, 2), span(1, 4), span(5, 6)],
        vec![span(0, 1)],
        vec![],
        vec![span(2, 5), span(0, 1)],
    ];
    for config in configs() {
        let (_, kernel) = head(&config, 8, 5)?;
        let scores = kernel.scorer()?.score_pairs(&batch, &spans)?;
        for (b, spans) in spans.iter().enumerate() {
            assert_eq!(
                (scores[b].n_spans, scores[b].values.len()),
                (spans.len(), spans.len() * spans.len() * 5)
            );
            for relation in 0..5 {
                let heats = by_heat(&kernel, &batch, b, spans, relation)?;
                for (i, heat) in heats.iter().enumerate() {
                    let p = scores[b].pair(i / spans.len(), i % spans.len())[relation];
                    let mean = heat.values.iter().sum::<f32>() / heat.values.len() as f32;
                    assert!((p - mean).abs() < 1e-5, "{config:?} {p} {mean}");
                    let low = heat.values.iter().copied().fold(1.0, f32::min);
                    let high = heat.values.iter().copied().fold(0.0, f32::max);
                    assert!(low - 1e-5 <= p && p <= high + 1e-5);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn heat_names_the_word_of_each_piece() -> Result<()> {
    let batch = encoded(&[2, 4], 4, 2);
    let (_, kernel) = head(&KernelConfig::default(), 4, 2)?;
    let heat = kernel.heat(&batch, 1, span(0, 2), span(3, 4), 1)?;
    assert_eq!(
        (heat.head_words, heat.tail_words, heat.values.len()),
        (vec![0, 1, 1], vec![3, 3], 6)
    );
    let single = kernel.heat(&batch, 1, span(0, 1), span(2, 3), 1)?;
    let spans = [vec![], vec![span(0, 1), span(2, 3)]];
    let scores = kernel.scorer()?.score_pairs(&batch, &spans)?;
    assert!((single.values[0] - scores[1].pair(0, 1)[1]).abs() < 1e-6);
    assert_ne!(scores[1].pair(0, 1), scores[1].pair(1, 0));
    for (sentence, head, relation) in [(1, span(3, 5), 0), (2, span(0, 1), 0), (0, span(0, 1), 2)] {
        assert!(
            kernel
                .heat(&batch, sentence, head, span(0, 1), relation)
                .is_err()
        );
    }
    assert!(
        kernel
            .scorer()?
            .score_pairs(&batch, &[vec![span(0, 3)], vec![]])
            .is_err()
    );
    assert!(kernel.scorer()?.score_pairs(&batch, &[]).is_err());
    Ok(())
}

#[test]
fn a_sentence_does_not_see_its_batch() -> Result<()> {
    let batch = encoded(&[4, 6, 3], 6, 3);
    let spans = [
        vec![span(0, 1), span(2, 4)],
        vec![span(1, 4), span(4, 5), span(5, 6)],
        vec![],
    ];
    for config in configs() {
        let (_, kernel) = head(&config, 6, 3)?;
        let all = kernel.scorer()?.score_pairs(&batch, &spans)?;
        let mut losses = 0.0;
        let mut pairs = Vec::new();
        for b in 0..2 {
            let one = alone(&batch, b)?;
            let scores = kernel.scorer()?.score_pairs(&one, &spans[b..=b])?;
            for (x, y) in scores[0].values.iter().zip(&all[b].values) {
                assert!((x - y).abs() < 1e-6, "{config:?}");
            }
            let of_sentence = [
                pair(0, spans[b][0], spans[b][1], &[1]),
                pair(0, spans[b][1], spans[b][0], &[]),
            ];
            losses += kernel
                .loss(&one, &of_sentence)?
                .unwrap()
                .to_scalar::<f32>()?;
            pairs.extend(of_sentence.map(|p| KernelPair { sentence: b, ..p }));
        }
        let loss = kernel.loss(&batch, &pairs)?.unwrap().to_scalar::<f32>()?;
        assert!((loss - losses / 2.0).abs() < 1e-5, "{config:?} {loss}");
    }
    Ok(())
}

#[test]
fn zero_kernels_know_nothing() -> Result<()> {
    let batch = encoded(&[4], 4, 4);
    let (params, _) = head(&KernelConfig::default(), 4, 3)?;
    for (name, var) in params.all() {
        params.insert(&name, &var.zeros_like()?)?;
    }
    let kernel = Kernel::new(&params.root().pp("ker"), &KernelConfig::default(), 4, 3)?;
    let scores = kernel
        .scorer()?
        .score_pairs(&batch, &[vec![span(0, 2), span(3, 4)]])?;
    assert!(scores[0].values.iter().all(|p| *p == 0.5));
    let loss = kernel.loss(&batch, &[pair(0, span(0, 2), span(3, 4), &[1])])?;
    assert_number(&loss.unwrap(), std::f64::consts::LN_2, "ln 2");
    Ok(())
}

#[test]
fn unsure_pairs_leave_the_mask_of_their_relation() -> Result<()> {
    let batch = encoded(&[6], 4, 5);
    let (_, kernel) = head(&KernelConfig::default(), 4, 2)?;
    let (a, b, c) = (span(0, 1), span(1, 3), span(4, 5));
    // Reference: a relation's mean over its own mask, from the heat maps.
    let mean = |relation: usize, mask: &[(TokenSpan, TokenSpan, f32)]| -> Result<f32> {
        let (mut sum, mut n) = (0.0, 0);
        for &(head, tail, gold) in mask {
            for p in kernel.heat(&batch, 0, head, tail, relation)?.values {
                sum -= (gold * p + (1.0 - gold) * (1.0 - p)).ln();
                n += 1;
            }
        }
        Ok(sum / n as f32)
    };
    let check = |pairs: &[KernelPair], expected: f32| -> Result<()> {
        let loss = kernel.loss(&batch, pairs)?.unwrap().to_scalar::<f32>()?;
        assert!(
            (loss - expected).abs() < 1e-5,
            "{loss}, expected {expected}: {pairs:?}"
        );
        Ok(())
    };
    let unsure = |head, tail, ignore: &[usize]| KernelPair {
        ignore: ignore.to_vec(),
        ..pair(0, head, tail, &[])
    };
    let gold = pair(0, a, b, &[1]);
    let both = (mean(0, &[(a, b, 0.0), (b, c, 0.0)])? + mean(1, &[(a, b, 1.0)])?) / 2.0;
    check(&[gold.clone(), unsure(b, c, &[1])], both)?;
    // A relation whose mask is empty is not averaged in.
    check(&[unsure(b, c, &[0])], mean(1, &[(b, c, 0.0)])?)?;
    // Repeated and overlapping pairs count once.
    check(&[gold.clone(), gold.clone(), unsure(b, c, &[1])], both)?;
    let label_stays = KernelPair {
        ignore: vec![1],
        ..gold
    };
    check(&[label_stays, unsure(b, c, &[1])], both)?;
    assert!(kernel.loss(&batch, &[unsure(b, c, &[0, 1])])?.is_none());
    assert!(kernel.loss(&batch, &[])?.is_none());
    for outside in [
        pair(0, a, span(5, 7), &[]),
        pair(1, a, b, &[]),
        pair(0, a, b, &[2]),
    ] {
        assert!(kernel.loss(&batch, &[outside]).is_err());
    }
    Ok(())
}

#[test]
fn every_form_learns_eight_sentences_by_heart() -> Result<()> {
    let batch = encoded(&[6; 8], 16, 6);
    let spans = vec![span(0, 2), span(3, 4), span(4, 6)];
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut targets = KernelTargets::default();
    let mut gold = Vec::new();
    for b in 0..8 {
        let mut triples = vec![
            (spans[0], b % 3, spans[1]),
            (spans[2], (b + 1) % 3, spans[0]),
        ];
        if b % 2 == 0 {
            triples.push((spans[0], (b + 1) % 3, spans[1]));
        }
        let sentence = Gold {
            entities: &spans,
            triples: &triples,
            ..Gold::default()
        };
        targets.push(6, sentence, NegPairs::All, &mut rng);
        gold.push(triples);
    }
    let low_rank = KernelConfig {
        rank: Some(8),
        ..KernelConfig::default()
    };
    for config in [KernelConfig::default(), low_rank] {
        let (params, kernel) = head(&config, 16, 3)?;
        let vars: Vec<Var> = params.all().into_iter().map(|(_, var)| var).collect();
        let mut adam = Adam::new(vars, 0.01)?;
        let mut learned = false;
        for step in 1..500 {
            let loss = kernel.loss(&batch, &targets.pairs)?.unwrap();
            adam.step(&loss.backward()?)?;
            if step % 10 == 0 {
                learned = found(&kernel, &batch, &spans)? == sorted(&gold);
            }
            if learned {
                break;
            }
        }
        assert!(learned, "{config:?} has not learned in 500 steps");
    }
    Ok(())
}

type Triples = Vec<Vec<(TokenSpan, usize, TokenSpan)>>;

fn sorted(triples: &Triples) -> Triples {
    let mut triples = triples.clone();
    triples.iter_mut().for_each(|t| t.sort_unstable());
    triples
}

/// Triples above one half, pairs of distinct spans only.
fn found(kernel: &Kernel, batch: &Encoded, spans: &[TokenSpan]) -> Result<Triples> {
    let scores = kernel
        .scorer()?
        .score_pairs(batch, &vec![spans.to_vec(); 8])?;
    let mut all = Vec::new();
    for scores in scores {
        let mut triples = Vec::new();
        for (x, &head) in spans.iter().enumerate() {
            for (y, &tail) in spans.iter().enumerate().filter(|(y, _)| *y != x) {
                let p = scores.pair(x, y);
                triples.extend(
                    (0..p.len())
                        .filter(|r| p[*r] > 0.5)
                        .map(|r| (head, r, tail)),
                );
            }
        }
        all.push(triples);
    }
    Ok(sorted(&all))
}

#[test]
fn a_config_is_checked_by_name() {
    let check = |text: &str, expected: Option<KernelConfig>| {
        assert_eq!(serde_json::from_str(text).ok(), expected, "{text}");
    };
    check("{}", Some(KernelConfig::default()));
    let sample = KernelConfig {
        neg_pairs: NegPairs::Sample(12),
        ..paper()
    };
    check(
        r#"{"scale":"none","bias":false,"neg_pairs":"sample:12"}"#,
        Some(sample.clone()),
    );
    check(&serde_json::to_string(&sample).unwrap(), Some(sample));
    check(r#"{"neg_pairs":"sample"}"#, None);
    check(r#"{"neg_pair":"all"}"#, None);
}
