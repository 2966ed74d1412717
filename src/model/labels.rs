//! Names of a model's outputs ↔ ids of an open workspace. Disk and models know names only.

use crate::domain::{EntityTypeId, RelationId, RelationSchema};
use std::collections::HashMap;

/// A workspace's schema against a model's label lists.
#[derive(Clone, Debug)]
pub struct LabelMap {
    to_model: HashMap<RelationId, usize>,
    to_schema: Vec<Option<RelationId>>,
    type_to_model: HashMap<EntityTypeId, usize>,
    type_to_schema: Vec<Option<EntityTypeId>>,
}

impl LabelMap {
    /// `labels` and `types`: the model's relations and entity types, in the order of its outputs.
    pub fn new(schema: &RelationSchema, labels: &[String], types: &[String]) -> Self {
        let to_schema: Vec<_> = labels.iter().map(|name| schema.relation(name)).collect();
        let type_to_schema: Vec<_> = types.iter().map(|name| schema.entity_type(name)).collect();
        Self {
            to_model: reversed(&to_schema),
            to_schema,
            type_to_model: reversed(&type_to_schema),
            type_to_schema,
        }
    }

    pub fn label(&self, relation: RelationId) -> Option<usize> {
        self.to_model.get(&relation).copied()
    }
    /// `None` when the workspace does not know the model's relation.
    pub fn relation(&self, label: usize) -> Option<RelationId> {
        self.to_schema.get(label).copied().flatten()
    }
    /// Position of an entity type in the model's list.
    pub fn kind(&self, kind: EntityTypeId) -> Option<usize> {
        self.type_to_model.get(&kind).copied()
    }
    /// `None` when the workspace does not know the model's entity type.
    pub fn entity_type(&self, kind: usize) -> Option<EntityTypeId> {
        self.type_to_schema.get(kind).copied().flatten()
    }
}

fn reversed<T: Copy + Eq + std::hash::Hash>(ids: &[Option<T>]) -> HashMap<T, usize> {
    let known = ids.iter().enumerate();
    known.filter_map(|(i, id)| Some(((*id)?, i))).collect()
}
