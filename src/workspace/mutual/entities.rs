//! Entities of mentions as numbers, with what the models know of each.

use crate::domain::{Entity, RelationSchema, Sentence};
use crate::model::mutual::{EntityFacts, EntityVectors, MutualBankConfig, Vertex};
use std::collections::HashMap;

/// Numbers entities in the order in which they are met.
pub struct EntityBook<'a> {
    vectors: &'a EntityVectors,
    config: &'a MutualBankConfig,
    schema: &'a RelationSchema,
    numbers: HashMap<Box<str>, u32>,
    /// By number.
    pub facts: Vec<EntityFacts>,
}

impl<'a> EntityBook<'a> {
    pub fn new(
        vectors: &'a EntityVectors,
        config: &'a MutualBankConfig,
        schema: &'a RelationSchema,
    ) -> Self {
        Self {
            vectors,
            config,
            schema,
            numbers: HashMap::new(),
            facts: Vec::new(),
        }
    }

    /// The number of a mention's entity. Types add up over its mentions.
    pub fn number(&mut self, sentence: &Sentence, entity: &Entity) -> u32 {
        let surface = sentence.surface(entity.span);
        let link = entity.link.as_deref();
        let vertex = Vertex::of(link, surface);
        let next = self.facts.len() as u32;
        let number = *self.numbers.entry(vertex.key).or_insert(next);
        if number == next {
            self.facts.push(EntityFacts {
                row: self.vectors.find(link, surface),
                types: Vec::new(),
            });
        }
        let kind = entity.kind.map(|k| self.schema.type_name(k));
        let known = &mut self.facts[number as usize].types;
        for row in self.config.types_of(&vertex.name, kind) {
            if !known.contains(&row) {
                known.push(row);
            }
        }
        number
    }
}
