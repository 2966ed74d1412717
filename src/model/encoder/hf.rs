//! A Hugging Face directory → configuration, tokenizer and named tensors.

use super::bert::BertConfig;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(thiserror::Error, Debug)]
pub enum HfError {
    #[error(
        "{path}: {source}; expected a Hugging Face BERT directory with config.json, tokenizer.json and model.safetensors"
    )]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: {reason}; expected the config.json of a BERT-family encoder")]
    Config { path: PathBuf, reason: String },
    #[error("{path}: {source}; expected safetensors weights")]
    Weights {
        path: PathBuf,
        source: candle_core::Error,
    },
    #[error("{path} holds no BERT weights: no tensor is named embeddings.word_embeddings.weight")]
    NotBert { path: PathBuf },
}

/// An encoder read from disk; tensor names start with `enc.`.
pub struct Imported {
    pub config: BertConfig,
    /// Bytes of tokenizer.json.
    pub tokenizer: Vec<u8>,
    pub tensors: BTreeMap<String, Tensor>,
}

/// Reads config.json, tokenizer.json and model.safetensors. Names with or without the `bert.` prefix and the old
/// `gamma`/`beta` spelling are accepted; heads of other tasks are left behind.
pub fn import(dir: &Path) -> Result<Imported, HfError> {
    let read = |name: &str| {
        let path = dir.join(name);
        std::fs::read(&path).map_err(|source| HfError::Read { path, source })
    };
    let config = serde_json::from_slice(&read("config.json")?).map_err(|e| HfError::Config {
        path: dir.join("config.json"),
        reason: e.to_string(),
    })?;
    let path = dir.join("model.safetensors");
    let weights = candle_core::safetensors::load_buffer(&read("model.safetensors")?, &Device::Cpu)
        .map_err(|source| HfError::Weights {
            path: path.clone(),
            source,
        })?;
    let mut tensors = BTreeMap::new();
    for (name, tensor) in weights {
        let name = name.strip_prefix("bert.").unwrap_or(&name);
        if !["embeddings.", "encoder.", "pooler."]
            .iter()
            .any(|p| name.starts_with(p))
            || name.ends_with("position_ids")
        {
            continue;
        }
        let name = name
            .replace("LayerNorm.gamma", "LayerNorm.weight")
            .replace("LayerNorm.beta", "LayerNorm.bias");
        tensors.insert(format!("enc.{name}"), tensor);
    }
    if !tensors.contains_key("enc.embeddings.word_embeddings.weight") {
        return Err(HfError::NotBert { path });
    }
    Ok(Imported {
        config,
        tokenizer: read("tokenizer.json")?,
        tensors,
    })
}
