//! Both encoders: what heads rely on. The BERT's oracle is candle-transformers' padded, inference-only model.

use super::*;
use crate::model::files::{Precision, decode_tensors, encode_tensors, holds_codes};
use crate::model::nudge::Nudge;
use crate::model::params::{Missing, Params};
use crate::model::tokens::WordPieces;
use crate::model::tokens::tests::{bert as tokens, bert_json};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::BertModel;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

fn hf() -> Value {
    json!({
        "model_type": "bert", "vocab_size": 22, "hidden_size": 24, "num_hidden_layers": 3,
        "num_attention_heads": 3, "intermediate_size": 40, "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 16, "type_vocab_size": 2, "initializer_range": 0.3,
        "layer_norm_eps": 1e-12, "pad_token_id": 0,
    })
}

const SENTENCES: [&[&str]; 4] = [
    &["Marie", "was", "born", "in", "Paris", "."],
    &["Paris"],
    &[
        "a",
        "town",
        "in",
        "France-Paris",
        "unseen",
        "\u{1}",
        "was",
        "abab",
        "to",
    ],
    &["Paris", "."],
];

fn batch(sentences: &[&[&str]], tokens: &WordPieces, max_pieces: usize) -> Batch {
    let words = sentences.iter().map(|s| s.iter().copied());
    Batch::new(words, tokens, max_pieces)
}

/// Both kinds, new, with their tokenizers.
fn both() -> Result<Vec<(Encoder, WordPieces, Params)>> {
    let trained = WordPieces::train(SENTENCES.concat().repeat(3), 120).unwrap();
    let mut small = BiLstmConfig::new(trained.n_ids());
    (small.piece_width, small.width) = (6, 8);
    let kinds = [
        (EncoderConfig::Bert(BertConfig::new(hf())), tokens()),
        (EncoderConfig::BiLstm(small), trained),
    ];
    kinds
        .into_iter()
        .map(|(config, tokens)| {
            let params = Params::new(&Device::Cpu, 7);
            Ok((Encoder::new(&config, &params.root())?, tokens, params))
        })
        .collect()
}

fn assert_near(what: &str, got: &Tensor, expected: &Tensor, tolerance: f32) -> Result<()> {
    assert_eq!(got.dims(), expected.dims(), "{what}");
    let worst = (got - expected)?
        .abs()?
        .flatten_all()?
        .max(0)?
        .to_scalar::<f32>()?;
    let scale = expected.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    assert!(
        worst <= tolerance * scale.max(1.0),
        "{what}: off by {worst} of {scale}"
    );
    Ok(())
}

/// candle-transformers' last hidden states [B, l, h] of the first `n_layers` layers on the padded batch.
fn oracle(params: &Params, config: &BertConfig, n_layers: usize, batch: &Batch) -> Result<Tensor> {
    let mut sizes = config.sizes().unwrap();
    sizes.num_hidden_layers = n_layers;
    let tensors: HashMap<String, Tensor> = params
        .all()
        .into_iter()
        .map(|(name, v)| {
            (
                name.trim_start_matches("enc.").to_owned(),
                v.as_detached_tensor(),
            )
        })
        .collect();
    let model = BertModel::load(
        VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu),
        &sizes,
    )?;
    let starts = &batch.layout.piece_starts;
    let longest = starts.windows(2).map(|s| s[1] - s[0]).max().unwrap();
    let shape = (batch.n_sentences(), longest);
    let (mut ids, mut mask) = (vec![0u32; shape.0 * longest], vec![0u32; shape.0 * longest]);
    for (b, s) in starts.windows(2).enumerate() {
        let row = b * longest..b * longest + s[1] - s[0];
        ids[row.clone()].copy_from_slice(&batch.ids[s[0]..s[1]]);
        mask[row].fill(1);
    }
    let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
    let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
    model.forward(&ids, &ids.zeros_like()?, Some(&mask))
}

fn check_parity(config: &BertConfig, params: &Params, batch: &Batch) -> Result<()> {
    check_products(config, params, batch, Products::F32)
}

fn check_products(
    config: &BertConfig,
    params: &Params,
    batch: &Batch,
    products: Products,
) -> Result<()> {
    let mut encoder = Encoder::new(&EncoderConfig::Bert(config.clone()), &params.root())?;
    encoder.set_products(products);
    // The left side of an integer product is rounded too.
    let near = if products == Products::F32 {
        1e-4
    } else {
        1e-3
    };
    let encoded = encoder.forward(batch, Mode::Infer)?;
    let n_layers = config.sizes().unwrap().num_hidden_layers;
    let low = oracle(params, config, n_layers - 1, batch)?;
    let top = oracle(params, config, n_layers, batch)?;
    for (b, s) in batch.layout.piece_starts.windows(2).enumerate() {
        for (what, ours, theirs) in [
            ("layer L-1", &encoded.piece_low, &low),
            ("layer L", &encoded.piece_top, &top),
        ] {
            let ours = ours.narrow(0, s[0], s[1] - s[0])?;
            let theirs = theirs.get(b)?.narrow(0, 0, s[1] - s[0])?;
            assert_near(&format!("{what} of sentence {b}"), &ours, &theirs, near)?;
        }
        let cls = top.get(b)?.narrow(0, 0, 1)?;
        let (w, bias) = ("enc.pooler.dense.weight", "enc.pooler.dense.bias");
        let (w, bias) = (params.get(w).unwrap(), params.get(bias).unwrap());
        let pooled = cls.matmul(&w.t()?)?.broadcast_add(&bias)?.tanh()?;
        assert_near("pooled", &encoded.sent.narrow(0, b, 1)?, &pooled, near)?;
        for word in 0..batch.layout.n_words(b) {
            let word = batch.layout.word_starts[b] + word;
            let piece = batch.layout.word_pieces[word].start;
            let expected = encoded.piece_top.get(piece)?;
            assert_near("first piece", &encoded.words.get(word)?, &expected, 0.0)?;
        }
    }
    Ok(())
}

#[test]
fn packed_bert_equals_the_padded_oracle() -> Result<()> {
    for act in ["gelu", "gelu_new", "relu"] {
        let mut hf = hf();
        hf["hidden_act"] = json!(act);
        let config = BertConfig::new(hf);
        let params = Params::new(&Device::Cpu, 3);
        let mut batch = batch(&SENTENCES, &tokens(), 12);
        // The oracle needs the parameters; making the encoder draws them.
        Encoder::new(&EncoderConfig::Bert(config.clone()), &params.root())?;
        check_parity(&config, &params, &batch)?;
        batch.ids[1] = 4;
        check_parity(&config, &params, &batch)?;
        // Frozen layers run in the form that they have for inference.
        params.freeze("");
        check_parity(&config, &params, &batch)?;
    }
    Ok(())
}

/// Weights stored at 8 bits are multiplied as integers; the oracle multiplies the same weights as floats.
#[test]
fn products_of_8_bits_equal_the_oracle_on_the_stored_weights() -> Result<()> {
    let config = BertConfig::new(hf());
    let drawn = Params::new(&Device::Cpu, 3);
    Encoder::new(&EncoderConfig::Bert(config.clone()), &drawn.root())?;
    let named = drawn.all().into_iter();
    let tensors = named
        .map(|(name, var)| (name, var.as_tensor().clone()))
        .collect();
    let bytes = encode_tensors(&tensors, Precision::Int8)?;
    assert!(holds_codes(&bytes));
    let stored = decode_tensors(&bytes, "test").unwrap();
    let params = Params::from_tensors(stored, &Device::Cpu, Missing::Fail)?;
    params.freeze("");
    let batch = batch(&SENTENCES, &tokens(), 12);
    check_products(&config, &params, &batch, Products::Int8)?;
    // Not the same computation under another name.
    let mut encoder = Encoder::new(&EncoderConfig::Bert(config), &params.root())?;
    let of = |encoder: &Encoder| {
        encoder
            .forward(&batch, Mode::Infer)?
            .piece_top
            .flatten_all()?
            .to_vec1::<f32>()
    };
    let floats = of(&encoder)?;
    encoder.set_products(Products::Int8);
    assert_ne!(floats, of(&encoder)?);
    Ok(())
}

/// By hand: `REDRESS_TEST_ENCODER=dir cargo test published_encoder -- --ignored`.
#[test]
#[ignore = "needs a published encoder in $REDRESS_TEST_ENCODER"]
fn a_published_encoder_equals_the_oracle() -> Result<()> {
    let dir = std::env::var("REDRESS_TEST_ENCODER").expect("REDRESS_TEST_ENCODER");
    let imported = import_hf(Path::new(&dir)).unwrap();
    let missing = Missing::Init { seed: 0 };
    let params = Params::from_tensors(imported.tensors, &Device::Cpu, missing)?;
    Encoder::new(
        &EncoderConfig::Bert(imported.config.clone()),
        &params.root(),
    )?;
    check_parity(
        &imported.config,
        &params,
        &batch(&SENTENCES, &imported.tokens, 256),
    )
}

#[test]
fn gradients_reach_every_parameter() -> Result<()> {
    for (encoder, tokens, params) in both()? {
        let rng = RefCell::new(ChaCha8Rng::seed_from_u64(1));
        let encoded = encoder.forward(&batch(&SENTENCES, &tokens, 12), Mode::Train(&rng))?;
        let mut loss = Tensor::zeros((), DType::F32, &Device::Cpu)?;
        for part in [
            &encoded.words,
            &encoded.piece_low,
            &encoded.piece_top,
            &encoded.sent,
        ] {
            // Squares of unequal weight: plain sums of layer-normed rows have no gradient.
            let n = part.elem_count();
            let weights = Tensor::arange(0f32, n as f32, &Device::Cpu)?.reshape(part.shape())?;
            loss = (loss + (part.sqr()? * (weights / n as f64)?)?.sum_all()?)?;
        }
        let grads = loss.backward()?;
        for (name, var) in params.all() {
            let grad = grads
                .get(&var)
                .unwrap_or_else(|| panic!("{name}: no gradient"));
            let size = grad.abs()?.sum_all()?.to_scalar::<f32>()?;
            // Softmax does not change when all keys move alike: the key bias has gradient 0, up to rounding.
            let least = if name.ends_with("key.bias") {
                0.0
            } else {
                1e-4
            };
            assert!(
                size >= least && size.is_finite(),
                "{name}: gradient of size {size}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_batch_equals_its_singles() -> Result<()> {
    for (encoder, tokens, _) in both()? {
        let together = encoder.forward(&batch(&SENTENCES, &tokens, 12), Mode::Infer)?;
        for b in 0..SENTENCES.len() {
            let alone = encoder.forward(&batch(&SENTENCES[b..=b], &tokens, 12), Mode::Infer)?;
            let (words, pieces) = (&together.layout.word_starts, &together.layout.piece_starts);
            let (word, piece) = (words[b], pieces[b]);
            let (n_words, n_pieces) = (words[b + 1] - word, pieces[b + 1] - piece);
            for (what, got, expected) in [
                (
                    "words",
                    together.words.narrow(0, word, n_words)?,
                    &alone.words,
                ),
                (
                    "low",
                    together.piece_low.narrow(0, piece, n_pieces)?,
                    &alone.piece_low,
                ),
                (
                    "top",
                    together.piece_top.narrow(0, piece, n_pieces)?,
                    &alone.piece_top,
                ),
                ("sent", together.sent.narrow(0, b, 1)?, &alone.sent),
            ] {
                assert_near(&format!("{what} of sentence {b}"), &got, expected, 1e-5)?;
            }
        }
        assert_eq!(together.words.dim(1)?, encoder.width());
    }
    Ok(())
}

#[test]
fn an_empty_sentence_may_stand_in_a_batch_but_not_make_it() -> Result<()> {
    for (encoder, tokens, _) in both()? {
        let encoded = encoder.forward(&batch(&[&[], &["Paris"], &[]], &tokens, 12), Mode::Infer)?;
        assert_eq!(encoded.sent.dims(), [3, encoder.width()]);
        assert_eq!(encoded.words.dims(), [1, encoder.width()]);
        assert!(!encoded.sent.abs()?.sum_all()?.to_scalar::<f32>()?.is_nan());
        assert!(
            encoder
                .forward(&batch(&[&[]], &tokens, 12), Mode::Infer)
                .is_err()
        );
    }
    Ok(())
}

/// A lower-casing vocabulary gives both spellings the same pieces: only the shapes' table tells them apart.
#[test]
fn shapes_of_words_are_seen_by_every_form_of_the_layers() -> Result<()> {
    let mut config = BertConfig::new(hf());
    config.word_shapes = true;
    let params = Params::new(&Device::Cpu, 3);
    let encoder = Encoder::new(&EncoderConfig::Bert(config.clone()), &params.root())?;
    let (big, small) = (&[&["Paris", "WAS"][..]][..], &[&["paris", "was"][..]][..]);
    let (big, small) = (batch(big, &tokens(), 12), batch(small, &tokens(), 12));
    assert_eq!(big.ids, small.ids);
    let top = |encoder: &Encoder, batch| {
        Ok::<_, candle_core::Error>(encoder.forward(batch, Mode::Infer)?.piece_top)
    };
    // As drawn, the table is zero: the encoder as published.
    check_parity(&BertConfig::new(hf()), &params, &big)?;
    assert_near(
        "zero table",
        &top(&encoder, &big)?,
        &top(&encoder, &small)?,
        0.0,
    )?;

    let table = params.get("enc.shapes.weight").unwrap();
    table.set(&Tensor::randn(0f32, 1.0, table.shape(), &Device::Cpu)?)?;
    let recorded = top(&encoder, &big)?;
    let apart = (&recorded - top(&encoder, &small)?)?
        .abs()?
        .sum_all()?
        .to_scalar::<f32>()?;
    assert!(apart > 0.1, "{apart}");
    params.freeze("");
    let frozen = Encoder::new(&EncoderConfig::Bert(config), &params.root())?;
    assert_near("frozen", &top(&frozen, &big)?, &recorded, 1e-4)
}

#[test]
fn inferring_keeps_no_graph_and_training_repeats_with_its_seed() -> Result<()> {
    for (encoder, tokens, _) in both()? {
        let batch = batch(&SENTENCES, &tokens, 12);
        let infer = encoder.forward(&batch, Mode::Infer)?;
        for part in [
            &infer.words,
            &infer.piece_low,
            &infer.piece_top,
            &infer.sent,
        ] {
            assert!(!part.track_op());
        }
        let train = |seed| -> Result<Vec<Vec<f32>>> {
            let rng = RefCell::new(ChaCha8Rng::seed_from_u64(seed));
            let out = encoder.forward(&batch, Mode::Train(&rng))?;
            assert!(out.words.track_op());
            out.words.to_vec2()
        };
        assert_eq!(train(1)?, train(1)?);
        assert_ne!(train(1)?, train(2)?);
        assert_ne!(train(1)?, infer.words.to_vec2::<f32>()?);
    }
    Ok(())
}

#[test]
fn configs_round_trip_and_name_what_they_refuse() {
    let mut bilstm = BiLstmConfig::new(50);
    bilstm.dropout = 0.25;
    for config in [
        EncoderConfig::Bert(BertConfig::new(hf())),
        EncoderConfig::BiLstm(bilstm),
    ] {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(
            serde_json::from_str::<EncoderConfig>(&text).unwrap(),
            config
        );
        assert!(
            text.starts_with("{\"bert\":") || text.starts_with("{\"bilstm\":"),
            "{text}"
        );
    }
    let refused = |key: &str, value: Value| {
        let mut hf = hf();
        hf[key] = value;
        BertConfig::new(hf).sizes().unwrap_err()
    };
    assert!(refused("model_type", json!("roberta")).contains("roberta"));
    assert!(refused("num_attention_heads", json!(5)).contains("num_attention_heads 5"));
    assert!(refused("hidden_act", json!("swish")).contains("swish"));
    assert!(refused("num_hidden_layers", json!(0)).contains("num_hidden_layers"));
}

/// A published directory made of a new encoder's parameters, under `rename`d names.
fn publish(dir: &Path, rename: impl Fn(&str) -> Option<String>) -> Result<Params> {
    let params = Params::new(&Device::Cpu, 5);
    Encoder::new(&EncoderConfig::Bert(BertConfig::new(hf())), &params.root())?;
    let tensors: HashMap<String, Tensor> = params
        .all()
        .into_iter()
        .filter_map(|(name, v)| Some((rename(name.strip_prefix("enc.")?)?, v.as_detached_tensor())))
        .collect();
    candle_core::safetensors::save(&tensors, dir.join("model.safetensors"))?;
    std::fs::write(dir.join("config.json"), hf().to_string())?;
    std::fs::write(dir.join("tokenizer.json"), bert_json())?;
    Ok(params)
}

#[test]
fn importing_knows_every_way_names_are_published() -> Result<()> {
    let old = |name: &str| {
        let name = name
            .replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta");
        (!name.starts_with("pooler")).then(|| format!("bert.{name}"))
    };
    let new = |name: &str| Some(name.to_owned());
    for rename in [&old as &dyn Fn(&str) -> Option<String>, &new] {
        let dir = tempfile::tempdir()?;
        let params = publish(dir.path(), rename)?;
        let imported = import_hf(dir.path()).unwrap();
        let has_pooler = imported.tensors.contains_key("enc.pooler.dense.weight");
        assert_eq!(
            imported.tensors.len() + if has_pooler { 0 } else { 2 },
            params.all().len()
        );
        for (name, tensor) in &imported.tensors {
            assert_near(name, tensor, &params.get(name).unwrap(), 0.0)?;
        }
        assert_eq!(imported.config, BertConfig::new(hf()));
        assert_eq!(imported.tokens.n_ids(), 22);
    }
    Ok(())
}

#[test]
fn importing_names_what_is_missing_or_wrong() -> Result<()> {
    let message = |spoil: &dyn Fn(&Path) -> Result<()>| -> Result<String> {
        let dir = tempfile::tempdir()?;
        publish(dir.path(), |name| Some(name.to_owned()))?;
        spoil(dir.path())?;
        Ok(import_hf(dir.path()).err().unwrap().to_string())
    };
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let absent = message(&|dir| Ok(std::fs::remove_file(dir.join(file))?))?;
        assert!(
            absent.contains(&format!("no {file} in this folder")),
            "{absent}"
        );
        let broken = message(&|dir| Ok(std::fs::write(dir.join(file), "{")?))?;
        assert!(broken.contains(file), "{broken}");
    }
    let lacking = message(&|dir| {
        publish(dir, |n| {
            (n != "encoder.layer.2.output.dense.bias").then(|| n.to_owned())
        })?;
        Ok(())
    })?;
    assert!(
        lacking.contains("`encoder.layer.2.output.dense.bias`"),
        "{lacking}"
    );
    let resized = |key: &str, value: usize| {
        message(&|dir| {
            let mut hf = hf();
            hf[key] = json!(value);
            Ok(std::fs::write(dir.join("config.json"), hf.to_string())?)
        })
    };
    let wide = resized("intermediate_size", 48)?;
    assert!(wide.contains("[40]") && wide.contains("[48]"), "{wide}");
    let small = resized("vocab_size", 20)?;
    assert!(small.contains("pieces up to 21"), "{small}");
    Ok(())
}

/// The sum of words weighted by their place, without dropout's chance: the same seed is drawn from each time.
fn moved_loss(encoder: &Encoder, batch: &Batch, nudge: &Nudge) -> Result<Tensor> {
    let rng = RefCell::new(ChaCha8Rng::seed_from_u64(1));
    let out = encoder.forward(batch, Mode::Adversarial(&rng, nudge))?;
    let n = out.words.elem_count();
    let weights = Tensor::arange(0f32, n as f32, &Device::Cpu)?.reshape(out.words.shape())?;
    (out.words.sqr()? * (weights / n as f64)?)?.sum_all()
}

#[test]
fn an_adversarial_move_raises_the_loss_as_fast_as_its_gradient_says() -> Result<()> {
    for (encoder, tokens, _) in both()? {
        let batch = batch(&SENTENCES, &tokens, 12);
        let nudge = Nudge::new(1e-3);
        let before = moved_loss(&encoder, &batch, &nudge)?;
        nudge.find(&mut before.backward()?)?;
        let after = moved_loss(&encoder, &batch, &nudge)?;
        let rise = |loss: &Tensor| -> Result<f64> {
            Ok(f64::from(
                loss.to_scalar::<f32>()? - before.to_scalar::<f32>()?,
            ))
        };
        let risen = rise(&after)?;
        assert!(risen > 0.0, "{risen}");
        // A move of twice the size raises it twice as much, to first order.
        let twice = Nudge::new(2e-3);
        let start = moved_loss(&encoder, &batch, &twice)?;
        twice.find(&mut start.backward()?)?;
        let ratio = rise(&moved_loss(&encoder, &batch, &twice)?)? / risen;
        assert!((1.8..2.2).contains(&ratio), "{ratio}");
    }
    Ok(())
}
