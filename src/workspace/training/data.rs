//! Sentences to train on and to select by.

use crate::domain::{Annotation, RelationSchema, Sentence, Split};
use crate::model::files::short_hash;
use crate::model::labels::LabelMap;
use crate::store::Reader;
use crate::train::examples::Example;
use crate::workspace::pass::Pages;
use crate::workspace::stored_rule;
use crate::workspace::view::Viewed;
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// Sentences to train on and to select by.
pub struct Data {
    pub train: Vec<Example>,
    pub dev: Vec<(Sentence, Annotation)>,
    pub labels: Vec<String>,
    /// Names of the entity types that occur in train.
    pub entity_types: Vec<String>,
    pub schema: RelationSchema,
    /// Where dev came from, for the card.
    pub dev_source: String,
    /// Positive triples of train.
    pub n_positives: usize,
    /// Hardly any pair of spans of a training sentence has two labels, either way round.
    pub one_per_pair: bool,
}

/// Training labels as they stand. Without a dev split every tenth training sentence (by id) is held out.
pub fn collect(reader: &Reader) -> Result<Data> {
    let schema = reader.schema()?;
    let rule = stored_rule(reader)?;
    let (mut train, mut dev) = (Vec::new(), Vec::new());
    let mut pages = Pages::start();
    while let Some(page) = pages.next(reader, &rule)? {
        for (_, viewed) in page {
            match viewed.sentence.split {
                Split::Train => train.push(viewed),
                Split::Dev => dev.push((viewed.sentence, viewed.annotation)),
                Split::Test => {}
            }
        }
    }
    let mut dev_source = "dev split".to_owned();
    if dev.is_empty() {
        dev_source = "every tenth train sentence, held out".to_owned();
        let (held, rest): (Vec<Viewed>, Vec<Viewed>) =
            train.into_iter().partition(|v| v.sentence.id.0 % 10 == 0);
        train = rest;
        dev = held
            .into_iter()
            .map(|v| (v.sentence, v.annotation))
            .collect();
    }
    let used: BTreeSet<_> = train
        .iter()
        .flat_map(|v| v.annotation.standing().map(|t| t.triple.relation))
        .collect();
    let labels: Vec<String> = used.iter().map(|r| schema.name(*r).to_owned()).collect();
    if labels.is_empty() {
        bail!(
            "no label stands in the train split; import labelled sentences or run `redress label` first"
        );
    }
    let entity_types = types_of(&schema, train.iter().map(|v| &v.annotation));
    let map = LabelMap::new(&schema, &labels, &entity_types);
    let examples: Vec<Example> = train
        .iter()
        .map(|v| Example::new(&v.sentence, &v.annotation, &map).0)
        .collect();
    let n_positives = examples.iter().map(|e| e.positives.len()).sum();
    // A few doubly labelled pairs are slips; distant labels with inverse relations have many.
    let doubled = examples
        .iter()
        .filter(|e| !e.has_one_label_a_pair())
        .count();
    let one_per_pair = doubled * 200 <= examples.len();
    Ok(Data {
        train: examples,
        dev,
        labels,
        entity_types,
        schema,
        dev_source,
        n_positives,
        one_per_pair,
    })
}

/// Names of the entity types that these sentences use, in the schema's order.
pub fn types_of<'a>(
    schema: &RelationSchema,
    annotations: impl Iterator<Item = &'a Annotation>,
) -> Vec<String> {
    let used: BTreeSet<_> = annotations
        .flat_map(|a| a.entities.iter().filter_map(|e| e.kind))
        .collect();
    used.iter()
        .map(|k| schema.type_name(*k).to_owned())
        .collect()
}

pub(super) fn data_hash(data: &Data) -> u64 {
    let text: BTreeMap<String, String> = data
        .train
        .iter()
        .map(|e| {
            let labels = format!("{:?}{:?}{:?}", e.positives, e.masked, e.kinds);
            (e.id.to_string(), labels)
        })
        .collect();
    let dev: Vec<String> = data
        .dev
        .iter()
        .map(|(s, a)| format!("{}{:?}", s.id, a.triples))
        .collect();
    short_hash([
        format!("{text:?}").as_bytes(),
        format!("{dev:?}").as_bytes(),
    ])
}
