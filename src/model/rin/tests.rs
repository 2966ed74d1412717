//! Properties of RIN that hold without worked numbers (specs/bank section 6).

use super::*;
use crate::model::decode::Cell;
use crate::model::encoded::BatchLayout;
use crate::model::golden::assert_close;
use crate::model::params::Params;
use crate::model::test_support::{Adam, alone, encoded};
use candle_core::{Device, Var};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;
use std::sync::Arc;

const VARIANTS: [Variant; 2] = [Variant::Slides, Variant::Emnlp];

pub(super) fn config(variant: Variant, rounds: usize) -> RinConfig {
    RinConfig {
        variant,
        rounds,
        ..RinConfig::default()
    }
}

pub(super) fn cell(sentence: usize, head: usize, tail: usize, relation: usize) -> Cell {
    Cell {
        sentence,
        head,
        tail,
        relation,
    }
}

pub(super) fn probabilities(rin: &Rin, state: &State, cells: &CellLayout) -> Result<Tensor> {
    sigmoid(&rin.pair.all(&rin.pair.sides(&state.relation)?, cells)?)
}

fn head(config: &RinConfig, d: usize, l: usize) -> Result<(Params, Rin)> {
    let params = Params::new(&Device::Cpu, 7);
    let rin = Rin::new(&params.root().pp("rin"), config, d, l)?;
    Ok((params, rin))
}

/// Every variant, cell and evidence with two rounds, and a width of its own.
fn all_configs() -> Vec<RinConfig> {
    let mut all = Vec::new();
    for variant in VARIANTS {
        all.push(RinConfig {
            width: Some(2),
            ..config(variant, 2)
        });
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
fn prediction_records_no_operations() -> Result<()> {
    let batch = encoded(&[3], 4, 8);
    for config in all_configs() {
        let (_, rin) = head(&config, 4, 2)?;
        let output = rin.detached().forward(&batch, Mode::Infer)?;
        let tracked = output.tag_logits.track_op() || output.cell_logits.track_op();
        assert!(!tracked, "{config:?}");
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
