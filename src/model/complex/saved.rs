//! ComplEx tables in files, so that they are learned once: a directory with [`CONFIG`] (names, counts, how they were
//! made) and [`WEIGHTS`] (f32).

use super::{ComplexTables, EntityForm};
use crate::model::files::{
    FilesError, Precision, Source, decode_tensors, encode_tensors, replace_dir,
};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

pub const CONFIG: &str = "kb.json";
pub const WEIGHTS: &str = "kb.safetensors";
/// Version of kb.json that this program writes and the newest it reads.
const VERSION: u64 = 1;

#[derive(thiserror::Error, Debug)]
pub enum SavedError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("{place}: {reason}; expected the kb.json that `redress kb train --out DIR` writes")]
    Config { place: String, reason: String },
    #[error(
        "{place} was written by a newer redress (version {found}, this program reads up to {VERSION}); update the program"
    )]
    Newer { place: String, found: u64 },
    #[error("the tables and their names do not fit: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// kb.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedConfig {
    pub version: u64,
    pub dim: usize,
    pub entity: EntityForm,
    /// Facts learned from, and a hash of their names that does not depend on their order.
    pub n_facts: usize,
    pub facts_hash: String,
    /// Names of the relation rows.
    pub relations: Vec<String>,
    /// Ids of the entity rows.
    pub entities: Vec<String>,
    /// Settings, curve and scores, for people.
    pub card: serde_json::Value,
}

/// Tables with the names of their rows.
pub struct SavedTables {
    pub config: SavedConfig,
    pub tables: ComplexTables,
}

impl SavedTables {
    pub fn new(
        tables: ComplexTables,
        entities: Vec<String>,
        relations: Vec<String>,
        (n_facts, facts_hash): (usize, String),
        card: serde_json::Value,
    ) -> Self {
        let config = SavedConfig {
            version: VERSION,
            dim: tables.dim,
            entity: tables.entity,
            n_facts,
            facts_hash,
            relations,
            entities,
            card,
        };
        Self { config, tables }
    }

    /// Writes the directory as a whole; it must be absent, empty, or hold tables already.
    pub fn save(&self, dir: &Path) -> Result<(), SavedError> {
        let json = serde_json::to_vec(&self.config).map_err(candle_core::Error::wrap)?;
        let weights = encode_tensors(&tensors(&self.tables, "")?, Precision::F32)?;
        Ok(replace_dir(
            dir,
            CONFIG,
            &[(CONFIG, json), (WEIGHTS, weights)],
        )?)
    }

    pub fn load(dir: &Path) -> Result<Self, SavedError> {
        let source = Source::Dir(dir);
        let place = format!("{}/{CONFIG}", source.describe());
        let bad = |reason: String| SavedError::Config {
            place: place.clone(),
            reason,
        };
        let json = source.read(CONFIG)?;
        let raw: serde_json::Value =
            serde_json::from_slice(&json).map_err(|e| bad(e.to_string()))?;
        let found = raw["version"].as_u64().unwrap_or(0);
        if found > VERSION {
            return Err(SavedError::Newer { place, found });
        }
        let config: SavedConfig = serde_json::from_value(raw).map_err(|e| bad(e.to_string()))?;
        let weights = source.read(WEIGHTS)?;
        let stored = decode_tensors(&weights, &format!("{}/{WEIGHTS}", source.describe()))?;
        let shape = TableShape {
            n_entities: config.entities.len(),
            n_relations: config.relations.len(),
            dim: config.dim,
            entity: config.entity,
        };
        let tables = from_tensors(&stored, "", shape)?;
        tables.check().map_err(|e| bad(e.to_string()))?;
        Ok(Self { config, tables })
    }

    /// The tables with rows in the order of other lists of names; `None` when a name has no row.
    pub fn in_order<E: AsRef<str>, R: AsRef<str>>(
        &self,
        entities: &[E],
        relations: &[R],
    ) -> Option<ComplexTables> {
        let of_entities = places(&self.config.entities, entities)?;
        let of_relations = places(&self.config.relations, relations)?;
        let dim = self.tables.dim;
        let pick = |table: &[f32], rows: &[usize]| -> Vec<f32> {
            let rows = rows.iter().filter(|_| !table.is_empty());
            rows.flat_map(|row| &table[row * dim..(row + 1) * dim])
                .copied()
                .collect()
        };
        let t = &self.tables;
        Some(ComplexTables {
            n_entities: entities.len(),
            n_relations: relations.len(),
            dim,
            entity: t.entity,
            ent_re: pick(&t.ent_re, &of_entities),
            ent_im: pick(&t.ent_im, &of_entities),
            rel_re: pick(&t.rel_re, &of_relations),
            rel_im: pick(&t.rel_im, &of_relations),
            head_re: pick(&t.head_re, &of_relations),
            head_im: pick(&t.head_im, &of_relations),
        })
    }
}

fn places<N: AsRef<str>>(own: &[String], wanted: &[N]) -> Option<Vec<usize>> {
    let own: HashMap<&str, usize> = own.iter().map(String::as_str).zip(0..).collect();
    let wanted = wanted.iter();
    wanted.map(|name| own.get(name.as_ref()).copied()).collect()
}

/// What the names of a checkpoint say of its tables.
#[derive(Clone, Copy)]
pub struct TableShape {
    pub n_entities: usize,
    pub n_relations: usize,
    pub dim: usize,
    pub entity: EntityForm,
}

/// The tables as tensors named `prefix` + table.
pub fn tensors(
    tables: &ComplexTables,
    prefix: &str,
) -> candle_core::Result<BTreeMap<String, Tensor>> {
    let (e, r) = (tables.n_entities, tables.n_relations);
    let mut out = BTreeMap::new();
    for (name, values, rows) in [
        ("ent_re", &tables.ent_re, e),
        ("ent_im", &tables.ent_im, e),
        ("rel_re", &tables.rel_re, r),
        ("rel_im", &tables.rel_im, r),
        ("head_re", &tables.head_re, r),
        ("head_im", &tables.head_im, r),
    ] {
        if !(values.is_empty() && name.starts_with("head")) {
            let tensor = Tensor::from_slice(values, (rows, tables.dim), &Device::Cpu)?;
            out.insert(format!("{prefix}{name}"), tensor);
        }
    }
    Ok(out)
}

/// Tables of [`tensors`]; call [`ComplexTables::check`] on what comes from a file.
pub fn from_tensors(
    tensors: &BTreeMap<String, Tensor>,
    prefix: &str,
    shape: TableShape,
) -> candle_core::Result<ComplexTables> {
    let optional = |name: &str| -> candle_core::Result<Option<Vec<f32>>> {
        let tensor = tensors.get(&format!("{prefix}{name}"));
        tensor.map(|t| t.flatten_all()?.to_vec1()).transpose()
    };
    let table = |name: &str| match optional(name)? {
        Some(values) => Ok(values),
        None => candle_core::bail!("parameter `{prefix}{name}` is missing from the checkpoint"),
    };
    Ok(ComplexTables {
        n_entities: shape.n_entities,
        n_relations: shape.n_relations,
        dim: shape.dim,
        entity: shape.entity,
        ent_re: table("ent_re")?,
        ent_im: table("ent_im")?,
        rel_re: table("rel_re")?,
        rel_im: table("rel_im")?,
        head_re: optional("head_re")?.unwrap_or_default(),
        head_im: optional("head_im")?.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::TableInit;
    use super::*;

    fn saved(both_sides: bool) -> SavedTables {
        let init = TableInit::Normal { std: 0.5 };
        let mut tables = ComplexTables::init(3, 2, 4, EntityForm::Plain, init, 5);
        if both_sides {
            tables.head_re = tables.rel_im.clone();
            tables.head_im = tables.rel_re.clone();
        }
        let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        SavedTables::new(
            tables,
            names(&["a", "b", "c"]),
            names(&["r", "s"]),
            (7, "00ff".to_owned()),
            serde_json::json!({"seed": 5}),
        )
    }

    #[test]
    fn tables_come_back_and_take_another_order() {
        let tmp = tempfile::tempdir().unwrap();
        for both_sides in [false, true] {
            let saved = saved(both_sides);
            let dir = tmp.path().join("kb");
            saved.save(&dir).unwrap();
            let back = SavedTables::load(&dir).unwrap();
            assert_eq!((&back.config, &back.tables), (&saved.config, &saved.tables));
            let turned = back.in_order(&["c", "a"], &["s", "r"]).unwrap();
            assert!(turned.check().is_ok());
            assert_eq!(turned.score(1, 0, 0), back.tables.score(0, 1, 2));
            let (tails, heads) = (turned.scores_of_tails(0, 1), turned.scores_of_heads(1, 0));
            assert_eq!(tails[1], back.tables.scores_of_tails(2, 0)[0]);
            assert_eq!(heads[1], back.tables.scores_of_heads(0, 2)[0]);
            assert_eq!(turned.head_re.is_empty(), !both_sides);
            assert!(back.in_order(&["d"], &["r"]).is_none());
        }
    }

    #[test]
    fn what_is_no_table_directory_is_refused_by_name() {
        let tmp = tempfile::tempdir().unwrap();
        let refused = |expected: &str| {
            let message = SavedTables::load(tmp.path()).err().unwrap().to_string();
            assert!(message.contains(expected), "{message} lacks {expected}");
        };
        refused("kb.json");
        std::fs::write(tmp.path().join(CONFIG), "{\"version\": 9}").unwrap();
        refused("newer redress");
        std::fs::write(tmp.path().join(CONFIG), "{\"version\": 1}").unwrap();
        refused("expected the kb.json");
        let saved = saved(true);
        saved.save(tmp.path()).unwrap();
        let json = serde_json::to_string(&SavedConfig {
            entities: vec!["a".to_owned()],
            ..saved.config
        });
        std::fs::write(tmp.path().join(CONFIG), json.unwrap()).unwrap();
        refused("ent_re has 12 values");
    }
}
