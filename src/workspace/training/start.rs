//! What a run starts from: encoder, heads, examples in the starting model's labels.

use super::data::Data;
use super::{Start, TrainConfig, TrainOptions};
use crate::model::encoder::bilstm::BiLstmConfig;
use crate::model::encoder::{EncoderConfig, import_hf};
use crate::model::grow::grow;
use crate::model::labels::LabelMap;
use crate::model::params::{Missing, Params};
use crate::model::sentence::{Loaded, ModelConfig};
use crate::model::tokens::WordPieces;
use crate::train::sentence::SentenceTrainer;
use anyhow::Result;
use std::sync::Arc;

/// A model about to be trained.
pub struct Initial {
    pub config: ModelConfig,
    pub params: Params,
    pub tokens: Arc<WordPieces>,
    /// For the card.
    pub source: String,
}

/// Encoder and heads to start from.
pub fn initial(options: &TrainOptions, data: &Data) -> Result<Initial> {
    let missing = Missing::Init {
        seed: options.config.fit.seed,
    };
    let heads = options.heads();
    let fresh = |encoder| {
        let mut config = ModelConfig::new(encoder, data.labels.clone(), heads.clone());
        if let Some(kernel) = &mut config.kernel {
            kernel.rank = kernel.rank.or_else(|| usual_rank(data.labels.len()));
        }
        if config.spans.is_some() {
            config.entity_types = data.entity_types.clone();
        }
        config
    };
    match &options.start {
        Start::HuggingFace(dir) => {
            let mut hf = import_hf(dir)?;
            hf.config.word_shapes = options.config.word_shapes && hf.tokens.ignores_case();
            let params = Params::from_tensors(hf.tensors, &options.device, missing)?;
            let name = dir
                .file_name()
                .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            Ok(Initial {
                config: fresh(EncoderConfig::Bert(hf.config)),
                params,
                tokens: Arc::new(hf.tokens),
                source: format!("Hugging Face encoder {name}"),
            })
        }
        Start::BiLstm => {
            let words = data
                .train
                .iter()
                .flat_map(|e| e.words.iter().map(String::as_str));
            let tokens = WordPieces::train(words, options.config.bilstm_pieces)?;
            Ok(Initial {
                config: fresh(EncoderConfig::BiLstm(BiLstmConfig::new(tokens.n_ids()))),
                params: Params::new(&options.device, options.config.fit.seed),
                tokens: Arc::new(tokens),
                source: "BiLSTM from nothing".to_owned(),
            })
        }
        Start::Model(choice) => {
            let loaded = choice.read()?;
            let params = Params::from_tensors(loaded.tensors.clone(), &options.device, missing)?;
            let config = fresh(loaded.config.encoder.clone());
            let seed = options.config.fit.seed;
            continued(&loaded, params, config, data, seed)
        }
    }
}

/// Up to so many relations have kernels of full rank.
const FULL_RANK_RELATIONS: usize = 64;
/// Rank of the kernels of more.
const LOW_RANK: usize = 64;

/// Rank of the kernels where the settings name none: two full ones a relation would outgrow the encoder, in memory and in time
/// (170 relations on MiniLM: 50 million values beside 22 million, docs/performance.md).
fn usual_rank(n_relations: usize) -> Option<usize> {
    (n_relations > FULL_RANK_RELATIONS).then_some(LOW_RANK)
}

/// Goes on from a model: heads whose outputs mean the same stay, relation heads get room for relations that come after
/// theirs, the others start anew.
fn continued(
    loaded: &Loaded,
    params: Params,
    fresh: ModelConfig,
    data: &Data,
    seed: u64,
) -> Result<Initial> {
    let old = &loaded.config;
    let knows = |known: &[String], wanted: &[String]| wanted.iter().all(|w| known.contains(w));
    let has_heads = (fresh.rin.is_none() || old.rin.is_some())
        && (fresh.kernel.is_none() || old.kernel.is_some());
    let known = knows(&old.labels, &data.labels);
    let mut config = fresh;
    let mut new = Vec::new();
    if has_heads && (known || data.labels.starts_with(&old.labels)) {
        config.rin = old.rin.clone();
        config.kernel = old.kernel.clone();
        config.labels = old.labels.clone();
        if !known {
            let n_new = data.labels.len() - old.labels.len();
            grow(&params, &config, n_new, seed)?;
            config.labels.clone_from(&data.labels);
            new.push(format!("heads with {n_new} more relations"));
        }
    } else {
        params.forget("rin.");
        params.forget("ker.");
        new.push("relation heads new".to_owned());
    }
    if old.spans.is_some() && knows(&old.entity_types, &data.entity_types) {
        config.spans = old.spans.clone();
        config.entity_types = old.entity_types.clone();
    } else if config.spans.is_some() {
        params.forget("span.");
        new.push("span head new".to_owned());
    }
    let new: String = new.iter().map(|n| format!(", {n}")).collect();
    Ok(Initial {
        config,
        params,
        tokens: Arc::clone(&loaded.tokens),
        source: format!("redress model {}{new}", loaded.run),
    })
}

/// Examples in the starting model's own labels.
pub fn trainer(start: Initial, data: &Data, config: &TrainConfig) -> Result<SentenceTrainer> {
    // Examples were made for the data's own lists; a model that keeps its heads has longer ones.
    let own = LabelMap::new(&data.schema, &data.labels, &data.entity_types);
    let map = start.config.label_map(&data.schema);
    let relabel = |label: usize| own.relation(label).and_then(|r| map.label(r));
    let retype = |kind: usize| own.entity_type(kind).and_then(|k| map.kind(k));
    let examples = data.train.iter().map(|e| {
        let mut e = e.clone();
        for list in [&mut e.positives, &mut e.masked] {
            list.retain_mut(|p| match relabel(p.label) {
                Some(label) => {
                    p.label = label;
                    true
                }
                None => false,
            });
            list.sort();
        }
        for kind in &mut e.kinds {
            *kind = kind.and_then(retype);
        }
        e
    });
    Ok(SentenceTrainer::new(
        start.config,
        start.params,
        start.tokens,
        examples.collect(),
        config.rates.clone(),
        config.losses.clone(),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_relations_get_kernels_of_low_rank() {
        assert_eq!(usual_rank(FULL_RANK_RELATIONS), None);
        assert_eq!(usual_rank(FULL_RANK_RELATIONS + 1), Some(LOW_RANK));
    }
}
