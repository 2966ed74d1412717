//! The mutual-relation systems of one checkpoint: base, PA-T, PA-MR and PA-TMR, and the frozen vectors they read.
//!
//! They lie in the directory of a sentence model as three more files: [`CONFIG`], [`WEIGHTS`] and [`vectors::FILE`]; a model
//! without them has no such systems. Tensors are named `base.imr.*`, `pa_t.imr.*`, `pa_mr.imr.*`, `pa_tmr.imr.*`. Words come in
//! as [`crate::model::words`] vectors of that sentence model. Nothing here reads a corpus or links a mention.

use super::MutualError;
use super::config::MutualConfig;
use super::model::{EntityFacts, MutualAnswer, MutualBatch, MutualModel, Sizes, System};
use super::vectors::{self, EntityVectors};
use crate::domain::RunId;
use crate::model::bags::NA;
use crate::model::files::{
    FilesError, Precision, Source, decode_tensors, encode_tensors, short_hash,
};
use crate::model::params::{Missing, Params};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

pub const CONFIG: &str = "mutual.json";
pub const WEIGHTS: &str = "mutual.safetensors";
/// Every file of these systems.
pub const FILES: [&str; 3] = [CONFIG, WEIGHTS, vectors::FILE];
/// Version of mutual.json that this program writes and the newest it reads.
const VERSION: u32 = 1;

#[derive(thiserror::Error, Debug)]
pub enum MutualBankError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    Mutual(#[from] MutualError),
    #[error("{place}: {reason}; expected the mutual.json of a redress model")]
    Config { place: String, reason: String },
    #[error(
        "{place} was written by a newer redress (version {found}, this program reads up to {VERSION}); update the program"
    )]
    Newer { place: String, found: u64 },
    #[error("the mutual-relation models and their weights do not fit: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// A training pair with a relation and a mutual relation, for "pairs that stand like this one".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct KnownPair {
    /// Rows of the vectors.
    pub head: u32,
    pub tail: u32,
    pub class: u32,
}

/// mutual.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MutualBankConfig {
    pub version: u32,
    pub model: MutualConfig,
    /// Factor on the piece vectors; see [`crate::model::words`].
    pub vector_scale: f32,
    /// Class names in the order of the outputs, [`NA`] first.
    pub classes: Vec<String>,
    /// Names of the type table's rows.
    pub types: Vec<String>,
    /// Types of entities by lower-cased name, as rows of `types`.
    pub typed: BTreeMap<String, Vec<u32>>,
    pub pairs: Vec<KnownPair>,
}

impl MutualBankConfig {
    pub fn new(model: MutualConfig, vector_scale: f32, classes: Vec<String>) -> Self {
        Self {
            version: VERSION,
            model,
            vector_scale,
            classes,
            types: Vec::new(),
            typed: BTreeMap::new(),
            pairs: Vec::new(),
        }
    }

    fn check(&self, n_vectors: usize) -> Result<(), String> {
        self.model.check().map_err(|e| e.to_string())?;
        if self.classes.first().map(String::as_str) != Some(NA) {
            return Err(format!("the first class is not {NA}"));
        }
        let beyond = |p: &&KnownPair| {
            p.head.max(p.tail) as usize >= n_vectors || p.class as usize >= self.classes.len()
        };
        match self.pairs.iter().find(beyond) {
            Some(pair) => Err(format!("the pair {pair:?} has no vectors or no class")),
            None => Ok(()),
        }
    }

    /// Rows of the type table for an entity: of its kind in the corpus, and of its name.
    pub fn types_of(&self, name: &str, kind: Option<&str>) -> Vec<u32> {
        let mut rows = self.typed.get(&name.to_lowercase()).cloned();
        if let Some(row) = kind.and_then(|k| self.types.iter().position(|t| t == k)) {
            let rows = rows.get_or_insert_default();
            if !rows.contains(&(row as u32)) {
                rows.push(row as u32);
            }
        }
        rows.unwrap_or_default()
    }
}

/// Models that predict. Shared between threads; holds no mutable state.
pub struct MutualBank {
    config: MutualBankConfig,
    vectors: EntityVectors,
    /// In the order of [`System::ALL`].
    models: Vec<MutualModel>,
    tensors: BTreeMap<String, Tensor>,
    class_rows: HashMap<Box<str>, u32>,
    hash: u64,
}

impl MutualBank {
    /// A bank of what training left in `trained` (all four systems).
    pub fn from_trained(
        config: MutualBankConfig,
        vectors: EntityVectors,
        trained: &[(System, &Params)],
        device: &Device,
    ) -> Result<Self, MutualBankError> {
        let mut tensors = BTreeMap::new();
        for (system, params) in trained {
            for (name, var) in params.all() {
                let name = format!("{}.{name}", system.prefix());
                tensors.insert(name, var.as_tensor().detach());
            }
        }
        let hash = hash(
            &config,
            &encode_tensors(&tensors, Precision::F32)?,
            &vectors,
        )?;
        Self::build(config, vectors, tensors, hash, device, "the trained models")
    }

    /// `None` when the model has no mutual-relation systems.
    pub fn load(source: Source, device: &Device) -> Result<Option<Self>, MutualBankError> {
        let Some(json) = source.read_optional(CONFIG)? else {
            return Ok(None);
        };
        let place = format!("{}/{CONFIG}", source.describe());
        let bad = |e: serde_json::Error| MutualBankError::Config {
            place: place.clone(),
            reason: e.to_string(),
        };
        let raw: serde_json::Value = serde_json::from_slice(&json).map_err(bad)?;
        let found = raw["version"].as_u64().unwrap_or(0);
        if found > u64::from(VERSION) {
            return Err(MutualBankError::Newer { place, found });
        }
        let config: MutualBankConfig = serde_json::from_value(raw).map_err(bad)?;
        let weights = source.read(WEIGHTS)?;
        let tensors = decode_tensors(&weights, &format!("{}/{WEIGHTS}", source.describe()))?;
        let file = format!("{}/{}", source.describe(), vectors::FILE);
        let vectors = EntityVectors::read(&source.read(vectors::FILE)?, &file)?;
        let hash = hash(&config, &weights, &vectors)?;
        Self::build(config, vectors, tensors, hash, device, &place).map(Some)
    }

    fn build(
        config: MutualBankConfig,
        vectors: EntityVectors,
        tensors: BTreeMap<String, Tensor>,
        hash: u64,
        device: &Device,
        place: &str,
    ) -> Result<Self, MutualBankError> {
        config
            .check(vectors.n_entities())
            .map_err(|reason| MutualBankError::Config {
                place: place.to_owned(),
                reason,
            })?;
        let sizes = Sizes {
            n_classes: config.classes.len(),
            n_types: config.types.len(),
            vector_width: vectors.table().width(),
        };
        let mut kept = BTreeMap::new();
        let mut model = |system: System| -> candle_core::Result<MutualModel> {
            let prefix = format!("{}.", system.prefix());
            let own = tensors.iter().filter_map(|(name, tensor)| {
                Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone()))
            });
            let params = Params::from_tensors(own, device, Missing::Fail)?;
            params.freeze("");
            for (name, var) in params.all() {
                kept.insert(format!("{prefix}{name}"), var.as_tensor().detach());
            }
            MutualModel::new(&params, &config.model, sizes, system)
        };
        let models = System::ALL
            .iter()
            .map(|s| model(*s))
            .collect::<candle_core::Result<_>>()?;
        let numbered = (0u32..).zip(&config.classes);
        Ok(Self {
            class_rows: numbered
                .map(|(c, name)| (name.as_str().into(), c))
                .collect(),
            models,
            vectors,
            tensors: kept,
            config,
            hash,
        })
    }

    /// The files, for writing beside a sentence model. The entities' vectors stay f32 at every precision.
    pub fn files(
        &self,
        precision: Precision,
    ) -> Result<Vec<(&'static str, Vec<u8>)>, MutualBankError> {
        Ok(vec![
            (CONFIG, config_bytes(&self.config)?),
            (WEIGHTS, encode_tensors(&self.tensors, precision)?),
            (vectors::FILE, vector_bytes(&self.vectors)?),
        ])
    }

    /// The run of predictions that are made with this bank too.
    pub fn run(&self, others: RunId) -> RunId {
        let parts = [others.0.to_le_bytes(), self.hash.to_le_bytes()];
        RunId(short_hash(parts.iter().map(|p| p.as_slice())))
    }

    pub fn config(&self) -> &MutualBankConfig {
        &self.config
    }
    pub fn vectors(&self) -> &EntityVectors {
        &self.vectors
    }
    /// Class of a relation name; `None` for [`NA`] and for a relation that these systems do not know.
    pub fn class(&self, relation: &str) -> Option<u32> {
        self.class_rows.get(relation).copied().filter(|c| *c != 0)
    }
    /// What is known of an entity by its link, its name, and the name of its type.
    pub fn facts(&self, link: Option<&str>, name: &str, kind: Option<&str>) -> EntityFacts {
        EntityFacts {
            row: self.vectors.find(link, name),
            types: self.config.types_of(name, kind),
        }
    }

    /// What one system says of a batch.
    pub fn predict(
        &self,
        system: System,
        batch: &MutualBatch,
    ) -> candle_core::Result<Vec<MutualAnswer>> {
        match self.models.iter().find(|m| m.system() == system) {
            Some(model) => model.predict(batch),
            None => candle_core::bail!("there is no system {}", system.name()),
        }
    }

    /// The `n` training pairs whose mutual relation points most nearly like that of (head, tail), with the cosine; best
    /// first, the pair itself left out.
    pub fn nearest_pairs(&self, head: u32, tail: u32, n: usize) -> Vec<(KnownPair, f32)> {
        let own = self.vectors.table().mutual_relation(head, tail);
        let length = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
        let own_length = length(&own);
        let others = self.config.pairs.iter();
        let mut near: Vec<(KnownPair, f32)> = others
            .filter(|p| (p.head, p.tail) != (head, tail))
            .filter_map(|pair| {
                let other = self.vectors.table().mutual_relation(pair.head, pair.tail);
                let product: f32 = own.iter().zip(&other).map(|(a, b)| a * b).sum();
                let lengths = own_length * length(&other);
                (lengths > 0.0).then(|| (*pair, product / lengths))
            })
            .collect();
        near.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        near.truncate(n);
        near
    }
}

fn config_bytes(config: &MutualBankConfig) -> Result<Vec<u8>, MutualBankError> {
    Ok(serde_json::to_vec(config).map_err(candle_core::Error::wrap)?)
}

fn vector_bytes(vectors: &EntityVectors) -> Result<Vec<u8>, MutualBankError> {
    let mut bytes = Vec::new();
    vectors
        .write(&mut bytes)
        .map_err(candle_core::Error::wrap)?;
    Ok(bytes)
}

fn hash(
    config: &MutualBankConfig,
    weights: &[u8],
    vectors: &EntityVectors,
) -> Result<u64, MutualBankError> {
    let (config, vectors) = (config_bytes(config)?, vector_bytes(vectors)?);
    Ok(short_hash([&config[..], weights, &vectors[..]]))
}

#[cfg(test)]
#[path = "bank_tests.rs"]
mod tests;
