//! A published BERT directory (config.json, tokenizer.json, model.safetensors) -> config, tokenizer and named tensors.
//!
//! Names become those of [`super::bert`] under `enc.`: with or without the `bert.` prefix, and with TensorFlow's
//! gamma and beta for layer norms. Only a missing pooler is forgiven: many sentence encoders are published without, and
//! the parameter store draws it. Nothing is downloaded.

use super::bert::BertConfig;
use crate::model::tokens::{Frame, TokenError, WordPieces};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{dir}: no {file} in this folder; {hint}")]
    Missing {
        dir: PathBuf,
        file: &'static str,
        hint: &'static str,
    },
    #[error("{path}: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error(transparent)]
    Tokenizer(#[from] TokenError),
    #[error(
        "{path}: the tokenizer numbers pieces up to {found}, but config.json's vocab_size is {expected}"
    )]
    Vocabulary {
        path: PathBuf,
        expected: usize,
        found: usize,
    },
    #[error("{path}: no tensor `{name}` (nor `bert.{name}`): not a complete BERT encoder")]
    NoTensor { path: PathBuf, name: String },
    #[error("{path}: tensor `{name}` has shape {found:?}, but config.json makes it {expected:?}")]
    Shape {
        path: PathBuf,
        name: String,
        expected: Vec<usize>,
        found: Vec<usize>,
    },
}

/// What [`import_hf`] found.
pub struct Imported {
    pub config: BertConfig,
    pub tokens: WordPieces,
    /// `enc.` names. Give them to `Params::from_tensors` with `Missing::Init`: the pooler may be absent.
    pub tensors: BTreeMap<String, Tensor>,
}

/// Reads a Hugging Face BERT directory.
pub fn import_hf(dir: &Path) -> Result<Imported, ImportError> {
    let config_path = file(dir, "config.json", "it holds the encoder's sizes")?;
    let tokenizer_path = file(
        dir,
        "tokenizer.json",
        "a vocab.txt alone is not enough: save the fast tokenizer with `save_pretrained`",
    )?;
    let weights_path = file(
        dir,
        "model.safetensors",
        "a pytorch_model.bin must be converted with `save_pretrained(.., safe_serialization=True)`",
    )?;
    let unreadable = |path: &Path, reason: String| ImportError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(&config_path)
        .map_err(|e| unreadable(&config_path, e.to_string()))?;
    let hf = serde_json::from_str(&text).map_err(|e| unreadable(&config_path, e.to_string()))?;
    let config = BertConfig::new(hf);
    let sizes = config.sizes().map_err(|e| unreadable(&config_path, e))?;
    let tokens = WordPieces::from_file(&tokenizer_path, Frame::ClsSep)?;
    if tokens.n_ids() > sizes.vocab_size {
        return Err(ImportError::Vocabulary {
            path: tokenizer_path,
            expected: sizes.vocab_size,
            found: tokens.n_ids() - 1,
        });
    }
    let found = candle_core::safetensors::load(&weights_path, &Device::Cpu)
        .map_err(|e| unreadable(&weights_path, e.to_string()))?;
    let mut by_name: BTreeMap<String, Tensor> = found
        .into_iter()
        .map(|(name, t)| (our_name(&name), t))
        .collect();
    let mut tensors = BTreeMap::new();
    for (name, expected) in expected_tensors(&sizes) {
        match by_name.remove(&name) {
            Some(tensor) if tensor.dims() == expected => {
                tensors.insert(format!("enc.{name}"), tensor);
            }
            Some(tensor) => {
                return Err(ImportError::Shape {
                    path: weights_path,
                    name,
                    expected,
                    found: tensor.dims().to_vec(),
                });
            }
            None if name.starts_with("pooler.") => {}
            None => {
                return Err(ImportError::NoTensor {
                    path: weights_path,
                    name,
                });
            }
        }
    }
    Ok(Imported {
        config,
        tokens,
        tensors,
    })
}

fn file(dir: &Path, file: &'static str, hint: &'static str) -> Result<PathBuf, ImportError> {
    let path = dir.join(file);
    if path.is_file() {
        return Ok(path);
    }
    Err(ImportError::Missing {
        dir: dir.to_owned(),
        file,
        hint,
    })
}

fn our_name(published: &str) -> String {
    let name = published.strip_prefix("bert.").unwrap_or(published);
    match name.rsplit_once('.') {
        Some((layer, "gamma")) => format!("{layer}.weight"),
        Some((layer, "beta")) => format!("{layer}.bias"),
        _ => name.to_owned(),
    }
}

/// Every tensor of the encoder with its shape.
fn expected_tensors(
    sizes: &candle_transformers::models::bert::Config,
) -> Vec<(String, Vec<usize>)> {
    let (h, wide) = (sizes.hidden_size, sizes.intermediate_size);
    let mut all = Vec::new();
    let embedding =
        |name: &str, n: usize| (format!("embeddings.{name}_embeddings.weight"), vec![n, h]);
    all.push(embedding("word", sizes.vocab_size));
    all.push(embedding("position", sizes.max_position_embeddings));
    all.push(embedding("token_type", sizes.type_vocab_size));
    let mut add = |name: String, weight: Vec<usize>| {
        all.push((format!("{name}.bias"), vec![weight[0]]));
        all.push((format!("{name}.weight"), weight));
    };
    add("embeddings.LayerNorm".to_owned(), vec![h]);
    add("pooler.dense".to_owned(), vec![h, h]);
    for i in 0..sizes.num_hidden_layers {
        let parts = [
            ("attention.self.query", vec![h, h]),
            ("attention.self.key", vec![h, h]),
            ("attention.self.value", vec![h, h]),
            ("attention.output.dense", vec![h, h]),
            ("attention.output.LayerNorm", vec![h]),
            ("intermediate.dense", vec![wide, h]),
            ("output.dense", vec![h, wide]),
            ("output.LayerNorm", vec![h]),
        ];
        for (name, weight) in parts {
            add(format!("encoder.layer.{i}.{name}"), weight);
        }
    }
    all
}
