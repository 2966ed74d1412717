use super::bert::{Bert, BertConfig};
use super::*;
use crate::model::params::{Params, rng_for};
use crate::model::test_support::tiny_tokenizer;
use crate::model::tokens::WordPieces;
use candle_core::{DType, Device};
use std::cell::RefCell;
use std::collections::HashMap;

fn config() -> BertConfig {
    BertConfig {
        vocab_size: 30,
        hidden_size: 24,
        num_hidden_layers: 3,
        num_attention_heads: 3,
        intermediate_size: 40,
        hidden_act: "gelu".into(),
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        max_position_embeddings: 32,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
    }
}

const SENTENCES: [&[&str]; 3] = [&["a", "bcd", "ca"], &["d"], &["ab", "ab", "dcba", "c", "a"]];

fn batch(sentences: &[&[&str]], tokens: &WordPieces, max: usize) -> Batch {
    Batch::new(sentences.iter().map(|s| s.iter().copied()), tokens, max)
}

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

fn model() -> (Params, Bert, WordPieces) {
    let params = Params::new(&Device::Cpu, 5);
    let bert = Bert::new(&params.root().pp("enc"), &config()).unwrap();
    // Initial biases and norms are 0 and 1, which would hide a swapped pair; shake them.
    for (name, var) in params.all() {
        if var.dims().len() == 1 {
            let mut rng = rng_for(1, &name);
            use rand::Rng;
            let v: Vec<f32> = (0..var.elem_count())
                .map(|_| rng.random_range(0.3..1.2))
                .collect();
            var.set(&Tensor::from_vec(v, var.shape(), &Device::Cpu).unwrap())
                .unwrap();
        }
    }
    (params, bert, tiny_tokenizer())
}

#[test]
fn the_packed_encoder_agrees_with_candle_transformers_on_the_same_weights() {
    let (params, bert, tokens) = model();
    let b = batch(&SENTENCES, &tokens, 32);
    let ours = bert.forward(&b, Mode::Infer).unwrap();
    let weights: HashMap<String, Tensor> = params
        .all()
        .into_iter()
        .map(|(n, v)| {
            (
                n.trim_start_matches("enc.").to_owned(),
                v.as_tensor().detach(),
            )
        })
        .collect();
    let vb = candle_nn::VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
    let json = serde_json::to_value(config()).unwrap();
    let mut theirs: candle_transformers::models::bert::Config = serde_json::from_value(serde_json::json!({
        "vocab_size": 30, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 40,
        "hidden_act": "gelu", "hidden_dropout_prob": 0.0, "max_position_embeddings": 32, "type_vocab_size": 2,
        "initializer_range": 0.02, "layer_norm_eps": json["layer_norm_eps"], "pad_token_id": 0,
    }))
    .unwrap();
    theirs.hidden_dropout_prob = 0.0;
    let oracle = candle_transformers::models::bert::BertModel::load(vb, &theirs).unwrap();
    for s in 0..SENTENCES.len() {
        let range = b.layout.piece_starts[s]..b.layout.piece_starts[s + 1];
        // Padded by three pieces: what packing must not need.
        let mut ids = b.ids[range.clone()].to_vec();
        let n = ids.len();
        ids.extend([0; 3]);
        let mask: Vec<u32> = (0..n + 3).map(|i| u32::from(i < n)).collect();
        let ids = Tensor::from_vec(ids, (1, n + 3), &Device::Cpu).unwrap();
        let mask = Tensor::from_vec(mask, (1, n + 3), &Device::Cpu).unwrap();
        let want = oracle
            .forward(&ids, &ids.zeros_like().unwrap(), Some(&mask))
            .unwrap();
        let want = values(&want.narrow(1, 0, n).unwrap());
        let got = values(&ours.piece_top.narrow(0, range.start, n).unwrap());
        for (a, b) in got.iter().zip(&want) {
            assert!(
                (a - b).abs() <= 1e-4 * (1.0 + b.abs()),
                "sentence {s}: {a} against {b}"
            );
        }
    }
}

#[test]
fn a_batch_equals_its_singles_and_words_point_at_their_first_piece() {
    let (_, bert, tokens) = model();
    let together = bert
        .forward(&batch(&SENTENCES, &tokens, 32), Mode::Infer)
        .unwrap();
    for (s, sentence) in SENTENCES.iter().enumerate() {
        let alone = bert
            .forward(&batch(&[sentence], &tokens, 32), Mode::Infer)
            .unwrap();
        let first = together.layout.word_starts[s];
        let mine = together.words.narrow(0, first, sentence.len()).unwrap();
        for (a, b) in values(&mine).iter().zip(values(&alone.words)) {
            assert!((a - b).abs() < 1e-5);
        }
        let piece = alone.layout.word_pieces[1 % sentence.len()].start;
        assert_eq!(
            values(&alone.piece_top.get(piece).unwrap()),
            values(&alone.words.get(1 % sentence.len()).unwrap())
        );
    }
}

#[test]
fn gradients_reach_every_parameter_through_dropout() {
    let (params, bert, tokens) = model();
    let rng = RefCell::new(rng_for(1, "t"));
    let out = bert
        .forward(&batch(&SENTENCES, &tokens, 32), Mode::Train(&rng))
        .unwrap();
    let parts = [&out.words, &out.piece_low, &out.piece_top, &out.sent]
        .map(|t| (t * t).unwrap().sqr().unwrap().sum_all().unwrap());
    let loss = parts
        .iter()
        .skip(1)
        .fold(parts[0].clone(), |a, b| (a + b).unwrap());
    let grads = loss.backward().unwrap();
    for (name, var) in params.all() {
        let grad = grads
            .get(&var)
            .unwrap_or_else(|| panic!("{name} has no gradient"));
        assert!(
            values(grad).iter().any(|g| *g != 0.0),
            "{name} has a zero gradient"
        );
    }
}

#[test]
fn long_sentences_are_cut_between_words_and_odd_words_keep_a_piece() {
    let tokens = tiny_tokenizer();
    let b = batch(
        &[&["ab", "dcba", "c", "a"], &["\u{1}", "", "é"]],
        &tokens,
        7,
    );
    // [CLS] a ##b d ##c ##b .. does not fit: the second word would need pieces 3..7 and [SEP].
    assert!(
        b.layout.n_words(0) < 4 && b.layout.n_words(0) >= 1,
        "{:?}",
        b.layout
    );
    assert!(b.layout.piece_starts[1] <= 7);
    assert_eq!(b.layout.n_words(1), 3);
    assert!(
        b.ids[b.layout.piece_starts[1]..]
            .iter()
            .filter(|i| **i == tokens.unknown)
            .count()
            == 3
    );
    let none: [&[&str]; 1] = [&[]];
    assert_eq!(batch(&none, &tokens, 7).layout.n_words(0), 0);
}
