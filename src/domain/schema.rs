//! The relation and entity-type names of a workspace, interned to dense ids.

use super::{EntityTypeId, RelationId};
use std::collections::HashMap;

/// What is known of one relation beyond its name. Empty type lists mean "no constraint known".
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RelationInfo {
    /// Full name, as on disk: `/people/person/place_of_birth`.
    pub name: String,
    /// What the screen shows: `place_of_birth`. Unique within a schema.
    pub short: String,
    pub head_types: Vec<EntityTypeId>,
    pub tail_types: Vec<EntityTypeId>,
    pub symmetric: bool,
    pub inverse: Option<RelationId>,
}

#[derive(thiserror::Error, Debug, PartialEq, Eq)]
pub enum SchemaError {
    #[error("more than 65,535 {0} names: is this the right column or field?")]
    Full(&'static str),
}

/// Ids are handed out in order of first appearance and never change while a workspace is open.
#[derive(Clone, Debug, Default)]
pub struct RelationSchema {
    relations: Vec<RelationInfo>,
    entity_types: Vec<String>,
    by_name: HashMap<String, RelationId>,
    by_short: HashMap<String, RelationId>,
    type_by_name: HashMap<String, EntityTypeId>,
}

impl RelationSchema {
    pub fn from_names<'a>(relations: impl IntoIterator<Item = &'a str>) -> Self {
        let mut schema = Self::default();
        for name in relations {
            // A literal list in code or a checkpoint is far below the limit of 65,535.
            let _ = schema.intern_relation(name);
        }
        schema
    }

    pub fn relations(&self) -> &[RelationInfo] {
        &self.relations
    }
    pub fn entity_types(&self) -> &[String] {
        &self.entity_types
    }
    pub fn n_relations(&self) -> usize {
        self.relations.len()
    }
    pub fn relation_ids(&self) -> impl ExactSizeIterator<Item = RelationId> + use<> {
        (0..self.relations.len() as u16).map(RelationId)
    }

    /// By full name only.
    pub fn relation(&self, name: &str) -> Option<RelationId> {
        self.by_name.get(name).copied()
    }
    /// By full or short name: what a person types.
    pub fn find_relation(&self, name: &str) -> Option<RelationId> {
        self.relation(name)
            .or_else(|| self.by_short.get(name).copied())
    }
    pub fn entity_type(&self, name: &str) -> Option<EntityTypeId> {
        self.type_by_name.get(name).copied()
    }
    /// Full name. Panics on an id of another schema.
    pub fn name(&self, id: RelationId) -> &str {
        &self.relations[id.index()].name
    }
    /// Short name. Panics on an id of another schema.
    pub fn short(&self, id: RelationId) -> &str {
        &self.relations[id.index()].short
    }
    pub fn type_name(&self, id: EntityTypeId) -> &str {
        &self.entity_types[id.index()]
    }
    pub fn info_mut(&mut self, id: RelationId) -> &mut RelationInfo {
        &mut self.relations[id.index()]
    }

    /// The id of `name`, new if it was unknown.
    pub fn intern_relation(&mut self, name: &str) -> Result<RelationId, SchemaError> {
        if let Some(id) = self.relation(name) {
            return Ok(id);
        }
        let id = RelationId(
            u16::try_from(self.relations.len()).map_err(|_| SchemaError::Full("relation"))?,
        );
        let short = self.unused_short_name(name);
        self.by_name.insert(name.to_owned(), id);
        self.by_short.insert(short.clone(), id);
        self.relations.push(RelationInfo {
            name: name.to_owned(),
            short,
            ..RelationInfo::default()
        });
        Ok(id)
    }

    /// The id of `name`, new if it was unknown.
    pub fn intern_type(&mut self, name: &str) -> Result<EntityTypeId, SchemaError> {
        if let Some(id) = self.entity_type(name) {
            return Ok(id);
        }
        let id = EntityTypeId(
            u16::try_from(self.entity_types.len()).map_err(|_| SchemaError::Full("entity type"))?,
        );
        self.type_by_name.insert(name.to_owned(), id);
        self.entity_types.push(name.to_owned());
        Ok(id)
    }

    /// The shortest `/`-separated suffix of `name` that no other relation uses.
    fn unused_short_name(&self, name: &str) -> String {
        let parts: Vec<&str> = name.split('/').filter(|p| !p.is_empty()).collect();
        for n in 1..=parts.len() {
            let short = parts[parts.len() - n..].join("/");
            if !self.by_short.contains_key(&short) {
                return short;
            }
        }
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_interned_once_and_short_names_stay_unique() {
        let mut schema = RelationSchema::from_names([
            "/sports/sports_team/location",
            "/location/x/location",
            "birthPlace",
        ]);
        let again = schema.intern_relation("birthPlace").unwrap();
        assert_eq!((again, schema.n_relations()), (RelationId(2), 3));
        let shorts: Vec<_> = schema
            .relation_ids()
            .map(|r| schema.short(r).to_owned())
            .collect();
        assert_eq!(shorts, ["location", "x/location", "birthPlace"]);
        assert_eq!(schema.find_relation("x/location"), Some(RelationId(1)));
        assert_eq!(schema.relation("location"), None);
        assert_eq!(schema.intern_relation("").unwrap(), RelationId(3));
    }
}
