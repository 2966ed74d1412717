use super::*;
use crate::model::decode::Cell;
use crate::model::encoded::BatchLayout;
use crate::model::golden::{Golden, assert_close, assert_number};
use crate::model::params::{Missing, Params};
use crate::model::test_support::{Adam, alone, encoded};
use candle_core::{Device, Var};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;
use std::sync::Arc;

const VARIANTS: [Variant; 2] = [Variant::Slides, Variant::Emnlp];

fn config(variant: Variant, rounds: usize) -> RinConfig {
    RinConfig {
        variant,
        rounds,
        ..RinConfig::default()
    }
}

/// A head whose every parameter must be in the golden file, and the file's three real words.
fn golden_head(
    golden: &Golden,
    config: &RinConfig,
    names: &[(&str, &str)],
) -> Result<(Params, Rin, Encoded)> {
    let tensors = names
        .iter()
        .map(|(name, at)| (format!("rin.{name}"), golden.tensor(&format!("/in/{at}"))));
    let params = Params::from_tensors(tensors, &Device::Cpu, Missing::Fail)?;
    let rin = Rin::new(&params.root().pp("rin"), config, 3, 2)?;
    let mut encoded = encoded(&[3], 3, 0);
    encoded.words = golden.tensor("/in/H").narrow(0, 0, 3)?;
    Ok((params, rin, encoded))
}

/// The real part of a [4, ..] tensor of the file, whose last word is padding.
fn real(golden: &Golden, at: &str) -> Tensor {
    golden.tensor(at).narrow(0, 0, 3).unwrap()
}

/// The real part of a [4, 4, 2] tensor, as packed cells.
fn real_cells(golden: &Golden, at: &str) -> Tensor {
    let cells = real(golden, at).narrow(1, 0, 3).unwrap();
    cells.contiguous().unwrap().reshape((9, 2)).unwrap()
}

fn golden_targets(golden: &Golden, cells: &[(usize, usize, usize)]) -> RinTargets {
    let mut tags: Vec<u32> = golden.parse("/in/tags");
    tags.truncate(3);
    RinTargets {
        tags,
        cells: cells
            .iter()
            .map(|&(head, tail, relation)| cell(0, head, tail, relation))
            .collect(),
        ..RinTargets::default()
    }
}

fn cell(sentence: usize, head: usize, tail: usize, relation: usize) -> Cell {
    Cell {
        sentence,
        head,
        tail,
        relation,
    }
}

fn probabilities(rin: &Rin, state: &State, cells: &CellLayout) -> Result<Tensor> {
    sigmoid(&rin.pair.all(&rin.pair.sides(&state.relation)?, cells)?)
}

#[test]
fn golden_rin_slides_step() -> Result<()> {
    let golden = Golden::load("rin_slides_step");
    let names = [
        ("fr.weight", "W_r1"),
        ("fr.bias", "b_r1"),
        ("fe.weight", "W_e"),
        ("fe.bias", "b_e"),
        ("tag.weight", "W_g"),
        ("tag.bias", "b_g"),
        ("pair.head.weight", "W_m"),
        ("pair.tail.weight", "W_r2"),
        ("pair.out.weight", "W_p"),
        ("pair.out.bias", "b_p"),
        ("int.weight", "W_a"),
        ("int.bias", "b_a"),
        ("gru_re.z", "Wz_re"),
        ("gru_re.u", "Wu_re"),
        ("gru_re.o", "Wo_re"),
        ("gru_ner.z", "Wz_ner"),
        ("gru_ner.u", "Wu_ner"),
        ("gru_ner.o", "Wo_ner"),
    ];
    let config = RinConfig {
        pair_width: Some(2),
        ..config(Variant::Slides, 2)
    };
    let (params, rin, encoded) = golden_head(&golden, &config, &names)?;
    let cells = CellLayout::new(&encoded.layout);
    let mut state = rin.start(&encoded.words)?;
    for k in 0..2 {
        let check = |actual: &Tensor, name: &str| {
            let at = format!("/out/steps/{k}/{name}");
            assert_close(actual, &real(&golden, &at), &at);
        };
        check(&state.relation, "H_tilde");
        check(&state.entity, "H_bar");
        check(&softmax(&rin.tag.forward(&state.entity)?, 1)?, "y_bar");
        let sides = rin.pair.sides(&state.relation)?;
        check(&rin.evidence(&sides, &cells)?, "y_hat");
        let p = probabilities(&rin, &state, &cells)?;
        assert_close(&p, &real_cells(&golden, &format!("/out/steps/{k}/p")), "p");
        state = rin.round(&state, &cells)?;
        let check = |actual: &Tensor, name: &str| {
            let at = format!("/out/steps/{k}/{name}");
            assert_close(actual, &real(&golden, &at), &at);
        };
        check(&state.relation, "H_tilde_new");
        check(&state.entity, "H_bar_new");
    }

    let output = rin.forward(&encoded, Mode::Infer)?;
    let tags = softmax(&output.tag_logits, 1)?;
    assert_close(&tags, &real(&golden, "/out/final/y_bar"), "final y_bar");
    let p = sigmoid(&output.cell_logits)?;
    assert_close(&p, &real_cells(&golden, "/out/final/p"), "final p");

    let loss = output.loss(&golden_targets(&golden, &[(1, 2, 0), (2, 1, 1)]))?;
    assert_number(&loss.tags, golden.number("/out/L_ner"), "L_ner");
    assert_number(&loss.cells, golden.number("/out/L_re"), "L_re");
    assert_number(&loss.per_sentence()?, golden.number("/out/L"), "L");
    assert_number(&loss.per_word()?, golden.number("/out/L") / 3.0, "per word");
    let grads = loss.per_sentence()?.backward()?;
    let w_a = params.get("rin.int.weight").unwrap();
    assert_close(
        grads.get(&w_a).unwrap(),
        &golden.tensor("/out/dL_dW_a"),
        "dL_dW_a",
    );

    let request = RinRequest {
        keep: 0.5,
        max_cells: 100,
        watch: &[cell(0, 1, 2, 1)],
    };
    let sentence = &rin.predict(&encoded, &request)?[0];
    let decoded: Vec<_> = sentence
        .cells
        .iter()
        .map(|(c, _)| (c.head, c.tail, c.relation))
        .collect();
    assert_eq!(
        decoded,
        golden.parse::<Vec<(usize, usize, usize)>>("/out/final/decoded_ge_0_5")
    );
    let at = |pointer: &str| {
        real_cells(&golden, pointer)
            .get(5)?
            .get(1)?
            .to_scalar::<f32>()
    };
    let expected = [
        at("/out/steps/0/p")?,
        at("/out/steps/1/p")?,
        at("/out/final/p")?,
    ];
    for (p, expected) in sentence.watched[0].1.iter().zip(expected) {
        assert!(
            (p - expected).abs() < 1e-5,
            "watched {p}, expected {expected}"
        );
    }
    Ok(())
}

#[test]
fn golden_rin_slides_pair() -> Result<()> {
    let golden = Golden::load("rin_slides_pair");
    let read = |name: &str| golden.tensor(&format!("/in/{name}"));
    let pair = PairModel::Slides {
        head: read("W_m"),
        tail: read("W_r2"),
        out: read("W_p"),
        bias: read("b_p"),
    };
    let words = Tensor::stack(&[read("h"), read("h2")], 0)?;
    let sides = pair.sides(&words)?;
    let word = |i: u32| Tensor::new(&[i], &Device::Cpu);
    let logits = pair.at(&sides, &word(0)?, &word(1)?)?.get(0)?;
    let reversed = pair.at(&sides, &word(1)?, &word(0)?)?.get(0)?;
    assert_close(&logits, &golden.tensor("/out/logits"), "logits");
    assert_close(&sigmoid(&logits)?, &golden.tensor("/out/p"), "p");
    assert_close(
        &sigmoid(&reversed)?,
        &golden.tensor("/out/p_reversed"),
        "p_reversed",
    );
    Ok(())
}

#[test]
fn golden_rin_emnlp_step() -> Result<()> {
    let golden = Golden::load("rin_emnlp_step");
    let names = [
        ("tag.weight", "W_e"),
        ("tag.bias", "b_e"),
        ("pair.hidden.weight", "W_m"),
        ("pair.hidden.bias", "b_m"),
        ("pair.out.weight", "W_r"),
        ("pair.out.bias", "b_r"),
        ("gru_re.weight_ih", "w_ih_re"),
        ("gru_re.weight_hh", "w_hh_re"),
        ("gru_re.bias_ih", "b_ih_re"),
        ("gru_re.bias_hh", "b_hh_re"),
        ("gru_ner.weight_ih", "w_ih_ner"),
        ("gru_ner.weight_hh", "w_hh_ner"),
        ("gru_ner.bias_ih", "b_ih_ner"),
        ("gru_ner.bias_hh", "b_hh_ner"),
    ];
    let (_, rin, encoded) = golden_head(&golden, &config(Variant::Emnlp, 2), &names)?;
    let cells = CellLayout::new(&encoded.layout);
    let mut state = rin.start(&encoded.words)?;
    for k in 0..2 {
        let p = probabilities(&rin, &state, &cells)?;
        let evidence = rin.evidence(&rin.pair.sides(&state.relation)?, &cells)?;
        let tags = softmax(&rin.tag.forward(&state.entity)?, 1)?;
        state = rin.round(&state, &cells)?;
        assert_close(&p, &real_cells(&golden, &format!("/out/steps/{k}/p")), "p");
        for (actual, name) in [
            (&tags, "y_ner"),
            (&evidence, "y_re"),
            (&state.entity, "H_ner"),
            (&state.relation, "H_re"),
            (&state.shared, "H_shared"),
        ] {
            let at = format!("/out/steps/{k}/{name}");
            assert_close(actual, &real(&golden, &at), &at);
        }
    }
    let output = rin.forward(&encoded, Mode::Infer)?;
    let expected = real(&golden, "/out/final/y_ner_logits");
    assert_close(&output.tag_logits, &expected, "final tags");
    let p = sigmoid(&output.cell_logits)?;
    assert_close(&p, &real_cells(&golden, "/out/final/p"), "final p");
    let loss = output.loss(&golden_targets(&golden, &[(1, 2, 0)]))?;
    assert_number(&loss.tags, golden.number("/out/L_ner"), "L_ner");
    assert_number(&loss.cells, golden.number("/out/L_re"), "L_re");
    assert_number(&loss.per_sentence()?, golden.number("/out/L"), "L");
    Ok(())
}

fn head(config: &RinConfig, d: usize, l: usize) -> Result<(Params, Rin)> {
    let params = Params::new(&Device::Cpu, 7);
    let rin = Rin::new(&params.root().pp("rin"), config, d, l)?;
    Ok((params, rin))
}

/// Every variant, cell and evidence, with two rounds.
fn all_configs() -> Vec<RinConfig> {
    let mut all = Vec::new();
    for variant in VARIANTS {
        for gru in [GruKind::Paper, GruKind::Code] {
            for evidence in [Evidence::Rows, Evidence::BothAxes] {
                all.push(RinConfig {
                    gru: Some(gru),
                    evidence,
                    ..config(variant, 2)
                });
            }
        }
    }
    all
}

#[test]
fn a_sentence_does_not_see_its_batch() -> Result<()> {
    let lengths = [4, 1, 7, 2];
    let batch = encoded(&lengths, 6, 1);
    for config in all_configs() {
        let (_, rin) = head(&config, 6, 3)?;
        let all = rin.forward(&batch, Mode::Infer)?;
        for (b, &n) in lengths.iter().enumerate() {
            let one = rin.forward(&alone(&batch, b)?, Mode::Infer)?;
            let start = batch.layout.word_starts[b];
            let tags = all.tag_logits.narrow(0, start, n)?;
            assert_close(&tags, &one.tag_logits, &format!("{config:?} tags of {b}"));
            let start = all.cells.index(b, 0, 0).unwrap();
            let cells = all.cell_logits.narrow(0, start, n * n)?;
            assert_close(
                &cells,
                &one.cell_logits,
                &format!("{config:?} cells of {b}"),
            );
        }
    }
    Ok(())
}

#[test]
fn evidence_is_the_best_pair() -> Result<()> {
    let batch = encoded(&[5, 3], 6, 2);
    for variant in VARIANTS {
        let config = RinConfig {
            evidence: Evidence::BothAxes,
            ..config(variant, 1)
        };
        let (_, rin) = head(&config, 6, 2)?;
        let cells = CellLayout::new(&batch.layout);
        let state = rin.start(&batch.words)?;
        let p: Vec<Vec<f32>> = probabilities(&rin, &state, &cells)?.to_vec2()?;
        let evidence: Vec<Vec<f32>> = rin
            .evidence(&rin.pair.sides(&state.relation)?, &cells)?
            .to_vec2()?;
        for (b, n, start) in [(0, 5, 0), (1, 3, 5)] {
            for w in 0..n {
                for t in 0..2 {
                    let best = |at: &dyn Fn(usize) -> usize| {
                        (0..n).map(|other| p[at(other)][t]).fold(0.0, f32::max)
                    };
                    let as_head = best(&|other| cells.index(b, w, other).unwrap());
                    let as_tail = best(&|other| cells.index(b, other, w).unwrap());
                    assert!(
                        (evidence[start + w][t] - as_head).abs() < 1e-6,
                        "{variant:?}"
                    );
                    assert!(
                        (evidence[start + w][2 + t] - as_tail).abs() < 1e-6,
                        "{variant:?}"
                    );
                }
            }
        }
    }
    Ok(())
}

#[test]
fn no_rounds_means_the_heads_on_the_encoder_output() -> Result<()> {
    let batch = encoded(&[3], 4, 3);
    for variant in VARIANTS {
        let (params, rin) = head(&config(variant, 0), 4, 2)?;
        let output = rin.forward(&batch, Mode::Infer)?;
        let get = |name: &str| params.get(&format!("rin.{name}")).unwrap();
        let apply = |x: &Tensor, name: &str| -> Result<Tensor> {
            x.matmul(&get(&format!("{name}.weight")).t()?)?
                .broadcast_add(&get(&format!("{name}.bias")))
        };
        let entity = match variant {
            Variant::Slides => apply(&batch.words, "fe")?.relu()?,
            Variant::Emnlp => batch.words.clone(),
        };
        assert_close(&output.tag_logits, &apply(&entity, "tag")?, "tags");
        // Pair by pair, as printed.
        for (i, j) in [(0, 0), (0, 2), (2, 1)] {
            let word = |w: usize, x: &Tensor| x.narrow(0, w, 1);
            let hidden = match variant {
                Variant::Slides => {
                    let x = apply(&batch.words, "fr")?.relu()?;
                    let side = |w, name: &str| word(w, &x)?.matmul(&get(name).t()?);
                    Tensor::cat(
                        &[side(i, "pair.head.weight")?, side(j, "pair.tail.weight")?],
                        1,
                    )?
                }
                Variant::Emnlp => {
                    let both = [word(i, &batch.words)?, word(j, &batch.words)?];
                    apply(&Tensor::cat(&both, 1)?, "pair.hidden")?
                }
            };
            let expected = apply(&hidden.relu()?, "pair.out")?.get(0)?;
            let index = output.cells.index(0, i, j).unwrap();
            assert_close(&output.cell_logits.get(index)?, &expected, "cell");
        }
    }
    Ok(())
}

#[test]
fn relations_have_no_order() -> Result<()> {
    let batch = encoded(&[4, 2], 5, 4);
    let order = Tensor::new(&[2u32, 0, 1], &Device::Cpu)?;
    for variant in VARIANTS {
        let (params, rin) = head(&config(variant, 2), 5, 3)?;
        let output = rin.forward(&batch, Mode::Infer)?;
        // Permute what reads or writes relations: the last layer of pairs, and the first columns after the evidence.
        let permuted = Params::new(&Device::Cpu, 0);
        for (name, var) in params.all() {
            let value = match name.as_str() {
                "rin.pair.out.weight" | "rin.pair.out.bias" => var.index_select(&order, 0)?,
                "rin.int.weight" | "rin.gru_re.weight_ih" => {
                    let rest = var.dim(1)? - 3;
                    let relations = var.narrow(1, 0, 3)?.contiguous()?.index_select(&order, 1)?;
                    if rest == 0 {
                        relations
                    } else {
                        Tensor::cat(&[relations, var.narrow(1, 3, rest)?], 1)?
                    }
                }
                _ => var.as_tensor().clone(),
            };
            permuted.insert(&name, &value)?;
        }
        let other = Rin::new(&permuted.root().pp("rin"), &config(variant, 2), 5, 3)?;
        let other = other.forward(&batch, Mode::Infer)?;
        let expected = output.cell_logits.index_select(&order, 1)?;
        assert_close(&other.cell_logits, &expected, "cells");
        assert_close(&other.tag_logits, &output.tag_logits, "tags");
    }
    Ok(())
}

/// Central differences of the loss in f64 against the backward pass, for one parameter of each part.
#[test]
fn gradients_agree_with_differences() -> Result<()> {
    let mut batch = encoded(&[3, 2], 3, 5);
    batch.words = batch.words.to_dtype(candle_core::DType::F64)?;
    let targets = RinTargets {
        tags: vec![1, 3, 0, 4, 0],
        cells: vec![cell(0, 1, 2, 0), cell(1, 0, 1, 1)],
        ignore_cells: vec![cell(0, 2, 1, 1), cell(0, 1, 2, 0)],
        n_sentences: 2,
    };
    for config in all_configs() {
        let (drawn, _) = head(&config, 3, 2)?;
        let params = Params::new(&Device::Cpu, 0);
        for (name, var) in drawn.all() {
            params.insert(&name, &var.to_dtype(candle_core::DType::F64)?)?;
        }
        let rin = Rin::new(&params.root().pp("rin"), &config, 3, 2)?;
        let loss = || {
            rin.forward(&batch, Mode::Infer)?
                .loss(&targets)?
                .per_sentence()
        };
        let grads = loss()?.backward()?;
        for (name, var) in params.all() {
            let gradient: Vec<f64> = grads.get(&var).expect(&name).flatten_all()?.to_vec1()?;
            let at = gradient.len() / 2;
            let original = var.copy()?;
            let moved = |by: f64| -> Result<f64> {
                let mut values: Vec<f64> = original.flatten_all()?.to_vec1()?;
                values[at] += by;
                var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?;
                loss()?.to_scalar()
            };
            let slope = (moved(1e-6)? - moved(-1e-6)?) / 2e-6;
            var.set(&original)?;
            let near = (slope - gradient[at]).abs() < 1e-6 * (1.0 + slope.abs());
            assert!(
                near,
                "{config:?} {name}: {} by backward, {slope} by differences",
                gradient[at]
            );
        }
    }
    Ok(())
}

#[test]
fn ignored_cells_do_not_count_and_positives_win() -> Result<()> {
    let batch = encoded(&[3], 4, 6);
    let (_, rin) = head(&config(Variant::Slides, 1), 4, 2)?;
    let output = rin.forward(&batch, Mode::Infer)?;
    let sum = |cells: &[Cell], ignore: &[Cell]| -> Result<f32> {
        let targets = RinTargets {
            tags: vec![0; 3],
            cells: cells.to_vec(),
            ignore_cells: ignore.to_vec(),
            n_sentences: 1,
        };
        output.loss(&targets)?.cells.to_scalar()
    };
    let (a, b) = (cell(0, 0, 1, 0), cell(0, 2, 1, 1));
    let logit = |c: Cell| -> Result<f32> {
        let index = output.cells.index(0, c.head, c.tail).unwrap();
        output.cell_logits.get(index)?.get(c.relation)?.to_scalar()
    };
    let softplus = |s: f32| (1.0 + s.exp()).ln();
    let near = |x: f32, y: f32| assert!((x - y).abs() < 1e-5, "{x} {y}");
    near(sum(&[a], &[b])?, sum(&[a], &[])? - softplus(logit(b)?));
    near(sum(&[a], &[a])?, sum(&[a], &[])?);
    near(sum(&[a, a], &[])?, sum(&[], &[])? - logit(a)?);
    for outside in [cell(0, 3, 0, 0), cell(1, 0, 0, 0), cell(0, 0, 0, 2)] {
        assert!(sum(&[outside], &[]).is_err(), "{outside:?}");
        assert!(sum(&[], &[outside]).is_err(), "{outside:?}");
    }
    Ok(())
}

#[test]
fn predict_agrees_with_forward_in_any_grouping() -> Result<()> {
    let batch = encoded(&[3, 0, 5, 1, 0], 4, 8);
    for variant in VARIANTS {
        let (_, rin) = head(&config(variant, 2), 4, 2)?;
        let output = rin.forward(&batch, Mode::Infer)?;
        let p: Vec<Vec<f32>> = sigmoid(&output.cell_logits)?.to_vec2()?;
        let request = RinRequest {
            keep: 0.0,
            max_cells: 20,
            watch: &[cell(3, 0, 0, 1), cell(0, 2, 1, 0)],
        };
        let sentences = rin.predict(&batch, &request)?;
        let kept: Vec<usize> = sentences.iter().map(|s| s.cells.len()).collect();
        assert_eq!(kept, [18, 0, 20, 2, 0]);
        for (c, found) in sentences.iter().flat_map(|s| &s.cells) {
            let index = output.cells.index(c.sentence, c.head, c.tail).unwrap();
            assert!((p[index][c.relation] - found).abs() < 1e-6, "{c:?}");
        }
        let least = |s: &RinSentence| s.cells.iter().map(|c| c.1).fold(1.0, f32::min);
        let above = p[9..34]
            .iter()
            .flatten()
            .filter(|x| **x > least(&sentences[2]) + 1e-6);
        assert_eq!(above.count(), 19);
        for (b, c) in [(3, cell(3, 0, 0, 1)), (0, cell(0, 2, 1, 0))] {
            let (found, rounds) = &sentences[b].watched[0];
            assert_eq!((*found, rounds.len()), (c, 3));
            let index = output.cells.index(b, c.head, c.tail).unwrap();
            assert!((rounds[2] - p[index][c.relation]).abs() < 1e-6);
        }
        let outside = RinRequest {
            watch: &[cell(1, 0, 0, 0)],
            ..request
        };
        assert!(rin.predict(&batch, &outside).is_err());
    }
    Ok(())
}

#[test]
fn groups_keep_the_budget_but_take_one_sentence_at_least() -> Result<()> {
    let (_, rin) = head(&config(Variant::Slides, 0), 2, 100)?;
    let starts = |lengths: &[usize]| {
        let mut starts = vec![0];
        lengths
            .iter()
            .for_each(|n| starts.push(starts[starts.len() - 1] + n));
        starts
    };
    assert_eq!(rin.group_end(&starts(&[500, 10, 10]), 0), 1);
    assert_eq!(rin.group_end(&starts(&[500, 10, 10]), 1), 3);
    assert_eq!(rin.group_end(&starts(&[200, 200, 200]), 0), 2);
    Ok(())
}

#[test]
fn every_variant_learns_eight_sentences_by_heart() -> Result<()> {
    let lengths = [4, 5, 6, 4, 5, 6, 4, 5];
    let batch = encoded(&lengths, 16, 9);
    let mut targets = RinTargets::default();
    for (b, &n) in lengths.iter().enumerate() {
        targets.n_sentences += 1;
        targets
            .tags
            .extend([vec![1, 3], vec![0; n - 3], vec![4]].concat());
        targets.cells.push(cell(b, 1, n - 1, b % 3));
        if b % 2 == 0 {
            targets.cells.push(cell(b, n - 1, 1, (b + 1) % 3));
        }
    }
    for variant in VARIANTS {
        let (params, rin) = head(&config(variant, 1), 16, 3)?;
        let vars: Vec<Var> = params.all().into_iter().map(|(_, var)| var).collect();
        let mut adam = Adam::new(vars, 0.01)?;
        let rng = RefCell::new(ChaCha8Rng::seed_from_u64(0));
        let request = RinRequest {
            keep: 0.5,
            max_cells: 1000,
            watch: &[],
        };
        let mut gold = targets.cells.clone();
        gold.sort_unstable();
        let mut learned = false;
        for step in 1..500 {
            let output = rin.forward(&batch, Mode::Train(&rng))?;
            adam.step(&output.loss(&targets)?.per_sentence()?.backward()?)?;
            if step % 10 == 0 {
                let found = rin.predict(&batch, &request)?;
                let tags: Vec<u32> = found.iter().flat_map(|s| s.tags.clone()).collect();
                let cells = found.iter().flat_map(|s| s.cells.iter().map(|c| c.0));
                learned = tags == targets.tags && cells.eq(gold.iter().copied());
            }
            if learned {
                break;
            }
        }
        assert!(learned, "{variant:?} has not learned in 500 steps");
    }
    Ok(())
}

#[test]
fn a_config_is_checked_by_name() {
    let check = |text: &str, expected: Option<RinConfig>| {
        assert_eq!(serde_json::from_str(text).ok(), expected, "{text}");
    };
    check("{}", Some(RinConfig::default()));
    let emnlp = RinConfig {
        gru: Some(GruKind::Paper),
        ..config(Variant::Emnlp, 4)
    };
    check(
        r#"{"variant":"emnlp","rounds":4,"gru":"paper"}"#,
        Some(emnlp),
    );
    check(r#"{"varient":"emnlp"}"#, None);
}

#[test]
fn a_layout_of_nothing_has_no_cells() {
    let empty = Arc::new(BatchLayout {
        word_starts: vec![0, 0],
        piece_starts: vec![0, 2],
        word_pieces: Vec::new(),
    });
    let cells = CellLayout::new(&empty);
    assert_eq!(
        (cells.total(), cells.index(0, 0, 0), cells.index(1, 0, 0)),
        (0, None, None)
    );
}
