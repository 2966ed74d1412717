//! Losses against the golden file, properties of the whole model, and that it can learn.

use super::golden_tests::{close, golden, indices, tensor, values};
use super::loss::{KbLogits, losses, mix, squares};
use super::*;
use crate::domain::TokenSpan;
use crate::model::complex::{ComplexTables, EntityForm, TableInit, softmax};
use crate::model::mode::Mode;
use crate::model::params::Params;
use candle_core::{DType, Device, Result, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;

#[test]
fn losses_and_their_gradients_match_the_golden_file() -> Result<()> {
    let g = golden("hrere_losses");
    let (given, out) = (&g["in"], &g["out"]);
    let z_text = Var::from_tensor(&tensor(&given["z_text"])?)?;
    let z_kb = Var::from_tensor(&tensor(&given["z_kb"])?)?;
    let gold: Vec<u32> = indices(&given["y"]).iter().map(|&y| y as u32).collect();
    let kb = KbLogits {
        logits: z_kb.as_tensor().clone(),
        bags: vec![0, 1, 2],
    };
    let run = |system, form| losses(&z_text, Some(&kb), &gold, system, form);
    let scalar = |name: &str| vec![out[name].as_f64().unwrap()];
    for (system, name) in [
        (System::Base, "J_base"),
        (System::Naive, "J_naive"),
        (System::Full, "J_full"),
    ] {
        let found = run(system, Dissimilarity::Single)?;
        close(name, &found.total, &scalar(name), 1e-9)?;
    }
    let full = run(System::Full, Dissimilarity::Single)?;
    let j_d = full.j_d.as_ref().unwrap();
    close("J_L", &full.j_l, &scalar("J_L"), 1e-9)?;
    close("J_G", full.j_g.as_ref().unwrap(), &scalar("J_G"), 1e-9)?;
    close("J_D", j_d, &scalar("J_D"), 1e-9)?;
    let r_star: Vec<usize> = full.r_star.iter().map(|&r| r as usize).collect();
    assert_eq!(r_star, indices(&out["r_star"]));
    assert_eq!(full.na_share(), Some(1.0 / 3.0));
    let double = run(System::Full, Dissimilarity::DoubleSoftmax)?
        .j_d
        .unwrap();
    close("J_D double", &double, &scalar("J_D_double_softmax"), 1e-9)?;

    let grads = full.total.backward()?;
    let of = |var: &Var| grads.get(var).unwrap();
    close(
        "dz_text",
        of(&z_text),
        &values(&out["d_full_d_z_text"]),
        1e-8,
    )?;
    close("dz_kb", of(&z_kb), &values(&out["d_full_d_z_kb"]), 1e-8)?;
    let grads = j_d.backward()?;
    close(
        "dJ_D",
        grads.get(&z_text).unwrap(),
        &values(&out["d_JD_d_z_text"]),
        1e-8,
    )?;
    assert!(grads.get(&z_kb).is_none(), "J_D must not reach the KB side");

    let weights = given["l2_weights"].as_array().unwrap();
    let weights: Vec<Tensor> = weights.iter().map(tensor).collect::<Result<_>>()?;
    let l2 = (squares(&weights)?.unwrap() * given["lam"].as_f64().unwrap())?;
    close("l2", &l2, &scalar("l2"), 1e-9)?;
    close(
        "with l2",
        &(&full.total + l2)?,
        &scalar("J_full_with_l2"),
        1e-9,
    )
}

#[test]
fn the_mixture_matches_the_golden_file_and_has_its_ends() -> Result<()> {
    let g = golden("hrere_losses");
    let rows = |name: &str| -> Result<Vec<Vec<f32>>> {
        tensor(&g["in"][name])?.to_dtype(DType::F32)?.to_vec2()
    };
    let (text, kb) = (rows("z_text")?, rows("z_kb")?);
    for (rule, name) in [
        (Mix::Prob { alpha: 0.6 }, "mix_prob"),
        (Mix::Logit { alpha: 0.9 }, "mix_logit_code"),
    ] {
        let p: Vec<f32> = text
            .iter()
            .zip(&kb)
            .flat_map(|(z, k)| mix(z, Some(k), rule).p)
            .collect();
        let p = Tensor::from_vec(p, 12, &Device::Cpu)?;
        close(name, &p, &values(&g["out"][name]), 1e-5)?;
    }
    for (z, k) in text.iter().zip(&kb) {
        for rule in [|alpha| Mix::Prob { alpha }, |alpha| Mix::Logit { alpha }] {
            assert_eq!(mix(z, Some(k), rule(1.0)).p, softmax(z));
            assert_eq!(mix(z, Some(k), rule(0.0)).p, softmax(k));
        }
        let unknown = mix(z, None, Mix::Prob { alpha: 0.6 });
        assert_eq!(
            unknown,
            Mixed {
                p: softmax(z),
                kb_used: false
            }
        );
        let shifted: Vec<f32> = k.iter().map(|v| v + 5.0).collect();
        let (a, b) = (
            mix(z, Some(k), Mix::Prob { alpha: 0.6 }).p,
            mix(z, Some(&shifted), Mix::Prob { alpha: 0.6 }).p,
        );
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6));
    }
    Ok(())
}

fn tiny(text: TextSide) -> HrereConfig {
    HrereConfig {
        text,
        word_dim: 6,
        position_dim: 2,
        hidden: 8,
        dense: 8,
        bag_size: 3,
        dropout_input: 0.0,
        dropout_hidden: 0.0,
        dropout_dense: 0.0,
        ..HrereConfig::default()
    }
}

/// Sentences of 3 to 6 random words, marked at fixed places.
fn sentences(n: usize, seed: u64) -> Result<(Tensor, Vec<MarkedSentence>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let words: Vec<f32> = (0..n * 6 * 6)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    let marked = (0..n).map(|i| MarkedSentence {
        n_words: 3 + i % 4,
        head: TokenSpan::new(0, 1).unwrap(),
        tail: TokenSpan::new(2, 3).unwrap(),
    });
    Ok((
        Tensor::from_vec(words, (n, 6, 6), &Device::Cpu)?,
        marked.collect(),
    ))
}

fn bag(sentences: &[usize], pair: Option<(u32, u32)>) -> BagRows {
    BagRows {
        sentences: sentences.to_vec(),
        pair,
    }
}

fn tables() -> ComplexTables {
    ComplexTables::init(
        16,
        4,
        5,
        EntityForm::Tanh,
        TableInit::Normal { std: 0.5 },
        2,
    )
}

fn model(system: System, config: &HrereConfig, params: &Params) -> Result<JointModel> {
    if system != System::Base {
        insert_tables(params, &tables())?;
    }
    JointModel::new(params, config, 4, system, KbShape::of(&tables()))
}

#[track_caller]
fn near(what: &str, a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "{what}");
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < 1e-5, "{what}: {a} and {b}");
    }
}

#[test]
fn a_bag_does_not_depend_on_order_padding_or_company() -> Result<()> {
    for text in [TextSide::Bilstm, TextSide::Shared] {
        let params = Params::new(&Device::Cpu, 3);
        let model = model(System::Full, &tiny(text), &params)?;
        let (words, marked) = sentences(4, 1)?;
        let pair = Some((3, 5));
        let ask = |words: &Tensor, marked: &[MarkedSentence], bags: Vec<BagRows>| {
            let batch = BagBatch::new(words.clone(), marked.to_vec(), bags).unwrap();
            model.predict(&batch)
        };
        let one = &ask(&words, &marked, vec![bag(&[0, 1, 2], pair)])?[0];
        let p = one.mixed(Mix::Prob { alpha: 0.6 }).p;
        near("sums to one", &[p.iter().sum()], &[1.0]);

        let shuffled = &ask(
            &words,
            &marked,
            vec![bag(&[3], None), bag(&[2, 0, 1], pair)],
        )?[1];
        near("order", &one.z_text, &shuffled.z_text);
        near(
            "KB",
            one.z_kb.as_ref().unwrap(),
            shuffled.z_kb.as_ref().unwrap(),
        );
        near(
            "beta",
            &one.sentence_weights[..1],
            &shuffled.sentence_weights[1..2],
        );
        near("alpha", &one.word_weights[0], &shuffled.word_weights[1]);

        let noise = Tensor::full(1e6f32, (4, 3, 6), &Device::Cpu)?;
        let longer = Tensor::cat(&[&words, &noise], 1)?;
        let padded = &ask(&longer, &marked, vec![bag(&[0, 1, 2], pair)])?[0];
        near("padding", &one.z_text, &padded.z_text);

        let copies = &ask(
            &words,
            &marked,
            vec![bag(&[1, 1, 1], pair), bag(&[1], None)],
        )?;
        near("uniform", &copies[0].sentence_weights, &[1.0 / 3.0; 3]);
        near("a copy adds nothing", &copies[0].z_text, &copies[1].z_text);
        assert_eq!(copies[1].z_kb, None);
        assert_eq!(copies[0].p_kb().map(|p| p.len()), Some(4));
        assert_eq!(copies[0].word_weights[2].len(), marked[1].n_words);
    }
    Ok(())
}

#[test]
fn words_beyond_the_limit_are_not_read() -> Result<()> {
    let params = Params::new(&Device::Cpu, 3);
    let config = HrereConfig {
        max_words: 4,
        ..tiny(TextSide::Bilstm)
    };
    let model = model(System::Base, &config, &params)?;
    let (words, mut marked) = sentences(1, 1)?;
    marked[0].n_words = 6;
    marked[0].tail = TokenSpan::new(900, 901).unwrap();
    let ask = |marked: &[MarkedSentence]| {
        let batch = BagBatch::new(words.clone(), marked.to_vec(), vec![bag(&[0], None)]);
        model.predict(&batch.unwrap())
    };
    let long = ask(&marked)?;
    marked[0].n_words = 4;
    assert_eq!(long, ask(&marked)?);
    assert_eq!(long[0].word_weights[0].len(), 4);
    Ok(())
}

#[test]
fn a_batch_that_does_not_fit_the_model_is_refused() -> Result<()> {
    let params = Params::new(&Device::Cpu, 3);
    let config = tiny(TextSide::Shared);
    let model = model(System::Naive, &config, &params)?;
    let (words, marked) = sentences(2, 1)?;
    let step = |words: &Tensor, pair, gold: &[u32]| {
        let batch = BagBatch::new(words.clone(), marked.clone(), vec![bag(&[0, 1], pair)]);
        joint_step(&model, &batch.unwrap(), gold, Mode::Infer)
    };
    let narrow = words.narrow(2, 0, 5)?;
    for (result, expected) in [
        (step(&narrow, None, &[1]), "width 5, expected 6"),
        (step(&words, Some((0, 16)), &[1]), "entity row 16 of 16"),
        (step(&words, None, &[4]), "class 4 of 4"),
        (step(&words, None, &[1, 1]), "1 bags, 2 gold"),
    ] {
        let message = result.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message.contains(expected), "{message} lacks {expected}");
    }
    Ok(())
}

#[test]
fn an_unknown_pair_neither_learns_from_nor_teaches_the_kb() -> Result<()> {
    let params = Params::new(&Device::Cpu, 3);
    let config = HrereConfig {
        lambda: 0.0,
        ..tiny(TextSide::Shared)
    };
    let model = model(System::Full, &config, &params)?;
    let (words, marked) = sentences(2, 1)?;
    let run = |pairs: [Option<(u32, u32)>; 2]| {
        let bags = vec![bag(&[0], pairs[0]), bag(&[1], pairs[1])];
        let batch = BagBatch::new(words.clone(), marked.clone(), bags).unwrap();
        joint_step(&model, &batch, &[1, 2], Mode::Infer)
    };
    let (loss, terms) = run([None, None])?;
    assert!(terms.j_g.is_none() && terms.j_d.is_none() && terms.na_share().is_none());
    let of = |grads: &candle_core::backprop::GradStore, name: &str| {
        grads.get(&params.get(name).unwrap()).cloned()
    };
    assert!(of(&loss.backward()?, "kb.ent_re").is_none());
    let (loss, terms) = run([None, Some((3, 4))])?;
    assert_eq!(terms.r_star.len(), 1);
    let rows: Vec<Vec<f32>> = of(&loss.backward()?, "kb.ent_re").unwrap().to_vec2()?;
    let touched: Vec<usize> = (0..16)
        .filter(|&r| rows[r].iter().any(|x| *x != 0.0))
        .collect();
    assert_eq!(touched, [3, 4]);
    // J_D alone: nothing at all reaches the KB side.
    let grads = terms.j_d.unwrap().backward()?;
    for name in ["kb.ent_re", "kb.ent_im", "kb.rel_re", "kb.rel_im"] {
        assert!(of(&grads, name).is_none(), "{name}");
    }
    assert!(of(&grads, "hrere.mlp.dense2.weight").is_some());
    Ok(())
}

#[test]
fn every_weight_gets_a_gradient_and_no_statistic_does() -> Result<()> {
    for (text, positions) in [
        (TextSide::Bilstm, Positions::Trained),
        (TextSide::Shared, Positions::Fixed),
    ] {
        let params = Params::new(&Device::Cpu, 3);
        let config = HrereConfig {
            positions,
            ..tiny(text)
        };
        let model = model(System::Full, &config, &params)?;
        let (words, marked) = sentences(4, 1)?;
        let bags = vec![bag(&[0, 1], Some((0, 1))), bag(&[2, 3], Some((2, 3)))];
        let batch = BagBatch::new(words, marked, bags).unwrap();
        let rng = RefCell::new(ChaCha8Rng::seed_from_u64(1));
        let (loss, _) = joint_step(&model, &batch, &[1, 2], Mode::Train(&rng))?;
        let grads = loss.backward()?;
        for (name, var) in params.all() {
            let fixed = name.contains("running_")
                || (positions == Positions::Fixed && name.starts_with("hrere.pos."));
            assert_eq!(grads.get(&var).is_none(), fixed, "{name}");
        }
    }
    Ok(())
}
