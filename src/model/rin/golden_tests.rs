//! RIN against the worked numbers of tests/golden.

use super::tests::{cell, config, probabilities};
use super::*;
use crate::model::golden::{Golden, assert_close, assert_number};
use crate::model::params::{Missing, Params};
use crate::model::test_support::encoded;
use candle_core::Device;

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

fn slides_head(golden: &Golden) -> Result<(Params, Rin, Encoded)> {
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
    golden_head(golden, &config, &names)
}

#[test]
fn golden_rin_slides_step_rounds() -> Result<()> {
    let golden = Golden::load("rin_slides_step");
    let (_, rin, encoded) = slides_head(&golden)?;
    let cells = CellLayout::new(&encoded.layout);
    let mut state = rin.start(&encoded.words)?;
    for k in 0..2 {
        let check = |actual: &Tensor, name: &str| {
            let at = format!("/out/steps/{k}/{name}");
            assert_close(actual, &real(&golden, &at), &at);
        };
        check(&state.relation, "H_tilde");
        check(&state.entity, "H_bar");
        check(&softmax(&rin.tag.apply(&state.entity)?)?, "y_bar");
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
    Ok(())
}

#[test]
fn golden_rin_slides_step_loss() -> Result<()> {
    let golden = Golden::load("rin_slides_step");
    let (params, rin, encoded) = slides_head(&golden)?;
    let output = rin.forward(&encoded, Mode::Infer)?;
    let tags = softmax(&output.tag_logits)?;
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
    Ok(())
}

#[test]
fn golden_rin_slides_step_predictions() -> Result<()> {
    let golden = Golden::load("rin_slides_step");
    let (_, rin, encoded) = slides_head(&golden)?;
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
        let tags = softmax(&rin.tag.apply(&state.entity)?)?;
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
