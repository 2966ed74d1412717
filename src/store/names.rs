//! The file's own numbers for relation, type and file names, and their translation to and from a schema's ids.

use super::error::Failure;
use super::{Reader, StoreError};
use crate::domain::{EntityTypeId, RelationId, RelationInfo, RelationSchema, SchemaError};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// All names of the file, by number.
#[derive(Default)]
pub(super) struct Names {
    pub relations: Vec<String>,
    pub types: Vec<String>,
    pub files: HashMap<u32, Arc<str>>,
    relation_numbers: HashMap<String, u16>,
    type_numbers: HashMap<String, u16>,
}

impl Names {
    pub fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let list = |sql: &str| -> rusqlite::Result<Vec<String>> {
            connection
                .prepare_cached(sql)?
                .query_map([], |row| row.get(0))?
                .collect()
        };
        let relations = list("SELECT name FROM relations ORDER BY id")?;
        let types = list("SELECT name FROM entity_types ORDER BY id")?;
        let files = connection
            .prepare_cached("SELECT id, name FROM files")?
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?.into())))?
            .collect::<rusqlite::Result<_>>()?;
        let numbers = |names: &[String]| {
            names
                .iter()
                .zip(0u16..)
                .map(|(name, i)| (name.clone(), i))
                .collect()
        };
        Ok(Self {
            relation_numbers: numbers(&relations),
            type_numbers: numbers(&types),
            relations,
            types,
            files,
        })
    }

    pub fn relation(&self, name: &str) -> Option<RelationId> {
        self.relation_numbers.get(name).copied().map(RelationId)
    }
    pub fn entity_type(&self, name: &str) -> Option<EntityTypeId> {
        self.type_numbers.get(name).copied().map(EntityTypeId)
    }
}

/// A caller's ids to the file's numbers.
pub(super) struct Translation {
    relations: Vec<u16>,
    types: Vec<u16>,
}

impl Translation {
    /// Numbers every name of `schema` that the file does not know yet.
    pub fn intern(connection: &Connection, schema: &RelationSchema) -> Result<Self, Failure> {
        let types = schema
            .entity_types()
            .iter()
            .map(|name| number(connection, "entity_types", name))
            .collect::<Result<Vec<_>, _>>()?;
        let relations = schema
            .relations()
            .iter()
            .map(|relation| number(connection, "relations", &relation.name))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { relations, types })
    }

    /// Panics on an id of another schema than the one it was made from, like indexing.
    pub fn relation(&self, id: RelationId) -> u16 {
        self.relations[id.index()]
    }
    pub fn entity_type(&self, id: EntityTypeId) -> u16 {
        self.types[id.index()]
    }
}

/// The number of `name` in a table of names; the next free one if it is new.
fn number(connection: &Connection, table: &'static str, name: &str) -> Result<u16, Failure> {
    let (find, insert, what) = match table {
        "relations" => (
            "SELECT id FROM relations WHERE name = ?1",
            "INSERT INTO relations (id, name, info) \
             VALUES ((SELECT coalesce(max(id) + 1, 0) FROM relations), ?1, '{}') RETURNING id",
            "relation",
        ),
        _ => (
            "SELECT id FROM entity_types WHERE name = ?1",
            "INSERT INTO entity_types (id, name) \
             VALUES ((SELECT coalesce(max(id) + 1, 0) FROM entity_types), ?1) RETURNING id",
            "entity type",
        ),
    };
    let mut found = connection.prepare_cached(find)?;
    let known = found.query_map([name], |row| row.get::<_, i64>(0))?.next();
    let number = match known {
        Some(number) => number?,
        None => connection
            .prepare_cached(insert)?
            .query_one([name], |row| row.get::<_, i64>(0))?,
    };
    // 65,535 names and no more: a schema counts them in 16 bits.
    match u16::try_from(number) {
        Ok(number) if number < u16::MAX => Ok(number),
        _ => Err(SchemaError::Full(what).into()),
    }
}

/// The number of an input file's name.
pub(super) fn file_number(connection: &Connection, name: &str) -> rusqlite::Result<u32> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO files (name) VALUES (?1) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id",
    )?;
    insert.query_one([name], |row| row.get(0))
}

/// `relations.info`. Names, so the row means the same whatever the numbers are.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Info {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    head_types: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tail_types: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    symmetric: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    inverse: Option<String>,
}

impl Info {
    fn of(relation: &RelationInfo, schema: &RelationSchema) -> Self {
        let types = |ids: &[EntityTypeId]| {
            ids.iter()
                .map(|t| schema.type_name(*t).to_owned())
                .collect()
        };
        Self {
            head_types: types(&relation.head_types),
            tail_types: types(&relation.tail_types),
            symmetric: relation.symmetric,
            inverse: relation.inverse.map(|r| schema.name(r).to_owned()),
        }
    }
}

/// Writes every name of `schema` and what it says of its relations.
pub(super) fn save(connection: &Connection, schema: &RelationSchema) -> Result<(), Failure> {
    let numbers = Translation::intern(connection, schema)?;
    let mut update = connection.prepare_cached("UPDATE relations SET info = ?2 WHERE id = ?1")?;
    for (id, relation) in schema.relation_ids().zip(schema.relations()) {
        // Plain strings and booleans: serialising them cannot fail.
        let info = serde_json::to_string(&Info::of(relation, schema)).unwrap_or_default();
        update.execute(params![numbers.relation(id), info])?;
    }
    Ok(())
}

impl Reader {
    /// The names of this workspace. Ids in everything the store returns are ids of this schema; it only ever grows,
    /// so ask again after a write brought new names.
    pub fn schema(&self) -> Result<RelationSchema, StoreError> {
        self.database
            .run("reading the relation names", |connection| {
                let names = Names::load(connection)?;
                let mut schema = RelationSchema::default();
                for name in &names.types {
                    schema.intern_type(name)?;
                }
                for name in &names.relations {
                    schema.intern_relation(name)?;
                }
                let mut rows =
                    connection.prepare_cached("SELECT info FROM relations ORDER BY id")?;
                let infos = rows
                    .query_map([], |row| row.get::<_, String>(0))?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                for (id, json) in schema.relation_ids().zip(infos) {
                    let info: Info = serde_json::from_str(&json).map_err(|e| {
                        self.database
                            .damaged(format!("what is known of relation {}: {e}", id.0))
                    })?;
                    let types = |names: &[String]| -> Vec<_> {
                        names.iter().filter_map(|t| schema.entity_type(t)).collect()
                    };
                    let (head_types, tail_types) =
                        (types(&info.head_types), types(&info.tail_types));
                    let inverse = info.inverse.and_then(|name| schema.relation(&name));
                    let relation = schema.info_mut(id);
                    relation.head_types = head_types;
                    relation.tail_types = tail_types;
                    relation.symmetric = info.symmetric;
                    relation.inverse = inverse;
                }
                Ok(schema)
            })
    }
}
