//! The bag systems of one checkpoint: HRERE base, naive and full, and the ComplEx tables for link prediction.
//!
//! They lie in the directory of a sentence model as two more files, [`CONFIG`] and [`WEIGHTS`]; a model without them has
//! no bag systems. Tensors are named `base.hrere.*`, `naive.{hrere,kb}.*`, `full.{hrere,kb}.*`, `complex.*`. Words come in
//! as [`super::words`] vectors of that sentence model, so a bank belongs to the piece table it was trained with.
//!
//! Entities are numbered by their row of the ComplEx tables ([`BankConfig::entities`]); the joint tables of naive and full
//! may hold fewer ([`BankConfig::joint`]). Nothing here reads a corpus or links a mention.

use super::complex::saved::{self, TableShape};
use super::complex::{ComplexTables, EntityForm};
use super::files::{
    self, FilesError, Precision, Source, decode_tensors, encode_tensors, short_hash,
};
use super::hrere::{
    BagBatch, BagDistribution, BagRow, HrereConfig, JointModel, KbShape, System, bag_row,
};
use super::params::{Missing, Params};
use crate::domain::RunId;
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

pub const CONFIG: &str = "bags.json";
pub const WEIGHTS: &str = "bags.safetensors";
/// Name of class 0.
pub const NA: &str = "NA";
/// Prefix of the ComplEx tables' names.
const COMPLEX: &str = "complex.";
/// Version of bags.json that this program writes and the newest it reads.
const VERSION: u32 = 2;

#[derive(thiserror::Error, Debug)]
pub enum BankError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("{place}: {reason}; expected the bags.json of a redress model")]
    Config { place: String, reason: String },
    #[error(
        "{place} was written by a newer redress (bag version {found}, this program reads up to {VERSION}); update the program"
    )]
    Newer { place: String, found: u32 },
    #[error("the bag models and their weights do not fit: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// bags.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BankConfig {
    pub version: u32,
    pub hrere: HrereConfig,
    /// Factor on the piece vectors; see [`super::words`].
    pub vector_scale: f32,
    /// Class names in the order of the outputs, [`NA`] first.
    pub classes: Vec<String>,
    /// Width of each part of an entity's vector.
    pub dim: usize,
    pub entity: EntityForm,
    /// Relation names of the ComplEx tables' rows.
    pub relations: Vec<String>,
    /// Knowledge-base ids of the ComplEx tables' rows.
    pub entities: Vec<String>,
    /// Row of [`BankConfig::entities`] for each row of the joint tables, ascending.
    pub joint: Vec<u32>,
    /// Naive and full read the entity rows of ComplEx and store none of their own (version 2).
    #[serde(default)]
    pub shared_entities: bool,
}

impl BankConfig {
    pub fn new(
        hrere: HrereConfig,
        vector_scale: f32,
        classes: Vec<String>,
        relations: Vec<String>,
        entities: Vec<String>,
        joint: Vec<u32>,
        complex: &ComplexTables,
    ) -> Self {
        Self {
            version: 1,
            hrere,
            vector_scale,
            classes,
            dim: complex.dim,
            entity: complex.entity,
            relations,
            entities,
            joint,
            shared_entities: false,
        }
    }

    /// For joint models whose entity rows did not move from those of ComplEx.
    pub fn sharing_entities(self) -> Self {
        Self {
            version: 2,
            shared_entities: true,
            ..self
        }
    }

    /// Whether a joint model's parameter is stored with it.
    fn stores(&self, name: &str) -> bool {
        !(self.shared_entities && name.starts_with("kb.ent_"))
    }

    /// The first thing that cannot be, in words.
    fn check(&self) -> Result<(), String> {
        self.hrere.check().map_err(|e| e.to_string())?;
        if self.classes.first().map(String::as_str) != Some(NA) {
            return Err(format!("the first class is not {NA}"));
        }
        if !self.joint.is_sorted_by(|a, b| a < b) {
            return Err("the joint rows are not ascending".to_owned());
        }
        match self.joint.last() {
            Some(&last) if last as usize >= self.entities.len() => Err(format!(
                "joint row of entity {last}, but there are {} entities",
                self.entities.len()
            )),
            _ => Ok(()),
        }
    }
}

/// What the three checkpoints say of one bag.
#[derive(Clone, Debug, PartialEq)]
pub struct BagAnswer {
    pub base: BagDistribution,
    pub naive: BagDistribution,
    pub full: BagDistribution,
}

/// Bag models that predict. Shared between threads; holds no mutable state.
pub struct BagBank {
    config: BankConfig,
    complex: ComplexTables,
    base: JointModel,
    naive: JointModel,
    full: JointModel,
    /// As stored, by full name; the models share their storage.
    tensors: BTreeMap<String, Tensor>,
    entity_rows: HashMap<Box<str>, u32>,
    relation_rows: HashMap<Box<str>, u32>,
    class_rows: HashMap<Box<str>, u32>,
    joint_rows: HashMap<u32, u32>,
    hash: u64,
}

fn rows_of(names: &[String]) -> HashMap<Box<str>, u32> {
    let numbered = (0u32..).zip(names);
    numbered
        .map(|(row, name)| (name.as_str().into(), row))
        .collect()
}

impl BagBank {
    /// A bank of what training left in `trained` (all three systems).
    pub fn from_trained(
        config: BankConfig,
        complex: &ComplexTables,
        trained: &[(System, &Params)],
        device: &Device,
    ) -> Result<Self, BankError> {
        let mut tensors = BTreeMap::new();
        for (system, params) in trained {
            let own = params.all().into_iter();
            for (name, var) in own.filter(|(name, _)| config.stores(name)) {
                tensors.insert(
                    format!("{}.{name}", system.name()),
                    var.as_tensor().detach(),
                );
            }
        }
        tensors.extend(saved::tensors(complex, COMPLEX)?);
        let json = config_bytes(&config)?;
        let hash = short_hash([&*json, &*encode_tensors(&tensors, Precision::F32)?]);
        Self::build(config, tensors, hash, device, "the trained bag models")
    }

    /// `None` when the model has no bag systems.
    pub fn load(source: Source, device: &Device) -> Result<Option<Self>, BankError> {
        let Some(json) = source.read_optional(CONFIG)? else {
            return Ok(None);
        };
        let place = format!("{}/{CONFIG}", source.describe());
        let bad = |e: serde_json::Error| BankError::Config {
            place: place.clone(),
            reason: e.to_string(),
        };
        let raw: serde_json::Value = serde_json::from_slice(&json).map_err(bad)?;
        let found = raw["version"].as_u64().unwrap_or(0) as u32;
        if found > VERSION {
            return Err(BankError::Newer { place, found });
        }
        let config: BankConfig = serde_json::from_value(raw).map_err(bad)?;
        let weights = source.read(WEIGHTS)?;
        let tensors = decode_tensors(&weights, &format!("{}/{WEIGHTS}", source.describe()))?;
        let hash = short_hash([&*json, &*weights]);
        Self::build(config, tensors, hash, device, &place).map(Some)
    }

    fn build(
        config: BankConfig,
        tensors: BTreeMap<String, Tensor>,
        hash: u64,
        device: &Device,
        place: &str,
    ) -> Result<Self, BankError> {
        let refuse = |reason: String| BankError::Config {
            place: place.to_owned(),
            reason,
        };
        config.check().map_err(refuse)?;
        let of_complex = TableShape {
            n_entities: config.entities.len(),
            n_relations: config.relations.len(),
            dim: config.dim,
            entity: config.entity,
        };
        let complex = saved::from_tensors(&tensors, COMPLEX, of_complex)?;
        complex.check().map_err(|e| refuse(e.to_string()))?;
        let shape = KbShape {
            n_entities: config.joint.len(),
            dim: config.dim,
            entity: config.entity,
        };
        let mut kept: BTreeMap<String, Tensor> = tensors
            .iter()
            .filter(|(name, _)| name.starts_with(COMPLEX))
            .map(|(name, tensor)| (name.clone(), tensor.clone()))
            .collect();
        let shared = shared_entities(&config, &tensors)?;
        let mut model = |system: System| -> candle_core::Result<JointModel> {
            let prefix = format!("{}.", system.name());
            let own = tensors.iter().filter_map(|(name, tensor)| {
                Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone()))
            });
            let shared = shared.iter().filter(|_| system != System::Base).cloned();
            let params = Params::from_tensors(own.chain(shared), device, Missing::Fail)?;
            params.freeze("");
            let own = params.all().into_iter();
            for (name, var) in own.filter(|(name, _)| config.stores(name)) {
                kept.insert(format!("{prefix}{name}"), var.as_tensor().detach());
            }
            JointModel::new(&params, &config.hrere, config.classes.len(), system, shape)
        };
        let (base, naive, full) = (
            model(System::Base)?,
            model(System::Naive)?,
            model(System::Full)?,
        );
        Ok(Self {
            complex,
            base,
            naive,
            full,
            tensors: kept,
            entity_rows: rows_of(&config.entities),
            relation_rows: rows_of(&config.relations),
            class_rows: rows_of(&config.classes),
            joint_rows: (0u32..)
                .zip(&config.joint)
                .map(|(row, e)| (*e, row))
                .collect(),
            config,
            hash,
        })
    }

    /// The two files, for writing beside a sentence model. Vectors (batch norm's running statistics among them) stay f32
    /// at every precision.
    pub fn files(&self, precision: Precision) -> Result<Vec<(&'static str, Vec<u8>)>, BankError> {
        Ok(vec![
            (CONFIG, config_bytes(&self.config)?),
            (WEIGHTS, encode_tensors(&self.tensors, precision)?),
        ])
    }

    /// Adds the bag systems to the model directory `dir`, all or nothing.
    pub fn save(&self, dir: &Path, precision: Precision) -> Result<(), BankError> {
        Ok(files::add_to_dir(
            dir,
            files::CONFIG,
            self.files(precision)?,
        )?)
    }

    /// The same bank with joint tables for the entities `ids` only: a pair of others gets text-only answers.
    pub fn restrict_to(&self, ids: &HashSet<String>, device: &Device) -> Result<Self, BankError> {
        let keep: Vec<u32> = (0u32..)
            .zip(&self.config.joint)
            .filter(|(_, e)| ids.contains(&self.config.entities[**e as usize]))
            .map(|(row, _)| row)
            .collect();
        let joint = keep.iter().map(|row| self.config.joint[*row as usize]);
        let config = BankConfig {
            joint: joint.collect(),
            ..self.config.clone()
        };
        let mut tensors = self.tensors.clone();
        for (name, tensor) in &mut tensors {
            if name.contains(".kb.ent_") {
                let rows = Tensor::new(keep.as_slice(), tensor.device())?;
                *tensor = tensor.index_select(&rows, 0)?;
            }
        }
        let json = config_bytes(&config)?;
        let hash = short_hash([&*json, &*encode_tensors(&tensors, Precision::F32)?]);
        Self::build(config, tensors, hash, device, "the restricted bag models")
    }

    /// The run of predictions that a sentence model and this bank make together.
    pub fn run(&self, sentence_model: RunId) -> RunId {
        let parts = [sentence_model.0.to_le_bytes(), self.hash.to_le_bytes()];
        RunId(short_hash(parts.iter().map(|p| p.as_slice())))
    }

    pub fn config(&self) -> &BankConfig {
        &self.config
    }
    /// Entities and all relations of the knowledge base, for link prediction; no row of NA.
    pub fn complex(&self) -> &ComplexTables {
        &self.complex
    }
    /// Class of a relation name; `None` for [`NA`] and for a relation that the bags do not know.
    pub fn class(&self, relation: &str) -> Option<u32> {
        self.class_rows.get(relation).copied().filter(|c| *c != 0)
    }
    /// ComplEx row of a relation name.
    pub fn relation_row(&self, relation: &str) -> Option<u32> {
        self.relation_rows.get(relation).copied()
    }
    /// ComplEx row of an entity id: its number in bags that this bank is asked.
    pub fn entity_row(&self, id: &str) -> Option<u32> {
        self.entity_rows.get(id).copied()
    }
    /// Entity number to row of the joint tables, as [`super::hrere::BagSource`] wants it.
    pub fn joint_rows(&self) -> &HashMap<u32, u32> {
        &self.joint_rows
    }

    /// Distributions of a batch under each checkpoint.
    pub fn predict(&self, batch: &BagBatch) -> candle_core::Result<Vec<BagAnswer>> {
        let base = self.base.predict(batch)?;
        let (naive, full) = (self.naive.predict(batch)?, self.full.predict(batch)?);
        let all = base.into_iter().zip(naive).zip(full);
        Ok(all
            .map(|((base, naive), full)| BagAnswer { base, naive, full })
            .collect())
    }

    /// The cells of the screen for class `class`.
    pub fn row(&self, class: u32, answer: &BagAnswer) -> BagRow {
        bag_row(
            class,
            Some(&answer.base),
            Some(&answer.naive),
            Some(&answer.full),
            self.config.hrere.mix,
        )
    }
}

/// Joint entity rows that are ComplEx's; empty where the joint models have their own.
fn shared_entities(
    config: &BankConfig,
    tensors: &BTreeMap<String, Tensor>,
) -> candle_core::Result<Vec<(String, Tensor)>> {
    if !config.shared_entities {
        return Ok(Vec::new());
    }
    let rows = Tensor::new(config.joint.as_slice(), &Device::Cpu)?;
    let of = |part: &str| match tensors.get(&format!("{COMPLEX}{part}")) {
        Some(table) => Ok((format!("kb.{part}"), table.index_select(&rows, 0)?)),
        None => candle_core::bail!("parameter `{COMPLEX}{part}` is missing from the checkpoint"),
    };
    Ok(vec![of("ent_re")?, of("ent_im")?])
}

fn config_bytes(config: &BankConfig) -> Result<Vec<u8>, BankError> {
    Ok(serde_json::to_vec(config).map_err(candle_core::Error::wrap)?)
}

#[cfg(test)]
#[path = "bags_tests.rs"]
mod tests;
