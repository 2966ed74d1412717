//! From relations of the knowledge base to relations of the schema: a TOML table, so that curators can change it.
//!
//! ```toml
//! unlisted = "drop"                    # or "keep": under their own names
//! [map]
//! "/kb/relation" = "/schema/relation"
//! "/kb/founded" = { relation = "/schema/founders", inverse = true }    # head and tail exchanged
//! "/kb/teams" = ["/schema/teams", { relation = "/schema/location", inverse = true }]
//! "/kb/noise" = []                     # dropped
//! ```

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Freebase and FB15k-237 names to the 24 relations of NYT.
const NYT24: &str = include_str!("nyt24.toml");
/// HRERE's unification of relation names.
const HRERE_UNIFY: &str = include_str!("hrere_unify.toml");

#[derive(thiserror::Error, Debug, PartialEq, Eq)]
pub enum MapError {
    #[error("{file}: {message}")]
    Toml { file: String, message: String },
    #[error("{file}: the relation {relation:?} maps to an empty name; use [] to drop it")]
    EmptyName { file: String, relation: String },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    Same,
    Inverse,
}

impl Direction {
    /// `self`, then `next`.
    fn then(self, next: Direction) -> Direction {
        if self == next {
            Direction::Same
        } else {
            Direction::Inverse
        }
    }
}

/// One label that a fact gives.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Target {
    pub relation: String,
    pub direction: Direction,
}

/// What becomes of a relation without a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unlisted {
    Drop,
    /// Under its own name.
    Keep,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelationMap {
    rules: BTreeMap<String, Vec<Target>>,
    unlisted: Unlisted,
    /// Applied to what the rules give, in turn.
    after: Vec<RelationMap>,
    /// Other relations of the schema get no labels.
    only: Option<BTreeSet<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    unlisted: UnlistedName,
    map: BTreeMap<String, Rule>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum UnlistedName {
    #[default]
    Drop,
    Keep,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Rule {
    One(TargetEntry),
    Many(Vec<TargetEntry>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TargetEntry {
    Name(String),
    Full(FullTarget),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FullTarget {
    relation: String,
    #[serde(default)]
    inverse: bool,
}

impl RelationMap {
    /// Relations keep their names.
    pub fn identity() -> Self {
        Self {
            rules: BTreeMap::new(),
            unlisted: Unlisted::Keep,
            after: Vec::new(),
            only: None,
        }
    }

    /// Freebase and FB15k-237 names to NYT's 24 relations; everything else is dropped. See docs/kb.md for how each rule
    /// was checked.
    pub fn nyt24() -> Self {
        Self::from_toml("nyt24.toml", NYT24).expect("the shipped map is tested")
    }

    /// HRERE's unification of relation names (specs: hrere 3), for [`RelationMap::then`]. It changes labels (a place
    /// lived becomes a place of birth), so nothing applies it unless asked.
    pub fn hrere_unification() -> Self {
        Self::from_toml("hrere_unify.toml", HRERE_UNIFY).expect("the shipped map is tested")
    }

    /// `file` is the name for messages.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, MapError> {
        let parsed: File = toml::from_str(text).map_err(|e| MapError::Toml {
            file: file.to_owned(),
            message: format!(
                "{e}expected [map] with \"kb relation\" = \"relation\", a table or a list"
            ),
        })?;
        let mut rules = BTreeMap::new();
        for (relation, rule) in parsed.map {
            let entries = match rule {
                Rule::One(entry) => vec![entry],
                Rule::Many(entries) => entries,
            };
            let mut targets: Vec<Target> = entries.into_iter().map(target).collect();
            if targets.iter().any(|t| t.relation.trim().is_empty()) {
                let file = file.to_owned();
                return Err(MapError::EmptyName { file, relation });
            }
            targets.sort();
            targets.dedup();
            rules.insert(relation, targets);
        }
        Ok(Self {
            rules,
            unlisted: match parsed.unlisted {
                UnlistedName::Drop => Unlisted::Drop,
                UnlistedName::Keep => Unlisted::Keep,
            },
            after: Vec::new(),
            only: None,
        })
    }

    /// `next` is applied to what this map gives.
    pub fn then(mut self, next: RelationMap) -> Self {
        self.after.push(next);
        self
    }

    /// Only these relations of the schema are labelled.
    pub fn keep_only<S: Into<String>>(mut self, relations: impl IntoIterator<Item = S>) -> Self {
        self.only = Some(relations.into_iter().map(Into::into).collect());
        self
    }

    /// The labels of a fact with this relation, sorted, without duplicates; empty when it is dropped.
    pub fn targets(&self, kb_relation: &str) -> Vec<Target> {
        let mut targets = match (self.rules.get(kb_relation), self.unlisted) {
            (Some(targets), _) => targets.clone(),
            (None, Unlisted::Drop) => Vec::new(),
            (None, Unlisted::Keep) => vec![Target {
                relation: kb_relation.to_owned(),
                direction: Direction::Same,
            }],
        };
        for next in &self.after {
            targets = targets
                .iter()
                .flat_map(|first| {
                    let direction = first.direction;
                    next.targets(&first.relation)
                        .into_iter()
                        .map(move |second| Target {
                            direction: direction.then(second.direction),
                            ..second
                        })
                })
                .collect();
        }
        if let Some(only) = &self.only {
            targets.retain(|t| only.contains(&t.relation));
        }
        targets.sort();
        targets.dedup();
        targets
    }

    /// Knowledge-base relations that have a rule of their own, sorted.
    pub fn listed(&self) -> impl Iterator<Item = &str> {
        self.rules.keys().map(String::as_str)
    }
}

fn target(entry: TargetEntry) -> Target {
    let (relation, inverse) = match entry {
        TargetEntry::Name(relation) => (relation, false),
        TargetEntry::Full(full) => (full.relation, full.inverse),
    };
    let direction = if inverse {
        Direction::Inverse
    } else {
        Direction::Same
    };
    Target {
        relation,
        direction,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(map: &RelationMap, relation: &str, expected: &[&str]) {
        let shown: Vec<String> = map
            .targets(relation)
            .into_iter()
            .map(|t| {
                format!(
                    "{}{}",
                    if t.direction == Direction::Inverse {
                        "-"
                    } else {
                        ""
                    },
                    t.relation
                )
            })
            .collect();
        assert_eq!(shown, expected, "{relation}");
    }

    #[test]
    fn the_shipped_map_gives_only_nyt_relations() {
        let map = RelationMap::nyt24();
        let mut given: BTreeSet<String> = BTreeSet::new();
        for relation in map.listed() {
            given.extend(map.targets(relation).into_iter().map(|t| t.relation));
        }
        assert_eq!(given.len(), 24, "{given:?}");
        // Every name of the target schema maps at least to itself, so a KB in NYT names needs no other map.
        for relation in &given {
            let itself = Target {
                relation: relation.clone(),
                direction: Direction::Same,
            };
            assert!(map.targets(relation).contains(&itself), "{relation}");
        }
        check(
            &map,
            "/people/person/places_lived./people/place_lived/location",
            &["/people/person/place_lived"],
        );
        check(
            &map,
            "/organization/organization_founder/organizations_founded",
            &["-/business/company/founders"],
        );
        check(
            &map,
            "/location/administrative_division/country",
            &[
                "/location/administrative_division/country",
                "-/location/country/administrative_divisions",
            ],
        );
        check(&map, "/people/person/gender", &[]);
    }

    #[test]
    fn maps_chain_and_filter() {
        check(&RelationMap::identity(), "isa", &["isa"]);
        let unified = RelationMap::nyt24().then(RelationMap::hrere_unification());
        check(
            &unified,
            "/people/person/places_lived./people/place_lived/location",
            &["/people/person/place_of_birth"],
        );
        check(
            &unified,
            "/people/person/religion",
            &["/people/person/religion"],
        );
        let twice = RelationMap::from_toml("a", "[map]\nx = {relation = 'y', inverse = true}\n")
            .unwrap()
            .then(
                RelationMap::from_toml("b", "[map]\ny = [{relation = 'z', inverse = true}, 'w']")
                    .unwrap(),
            );
        check(&twice, "x", &["-w", "z"]);
        check(&twice.keep_only(["z"]), "x", &["z"]);
        check(
            &RelationMap::from_toml("a", "unlisted = 'keep'\n[map]\nx = []").unwrap(),
            "x",
            &[],
        );
    }

    #[test]
    fn errors_name_the_place() {
        let error = |text: &str| {
            RelationMap::from_toml("my.toml", text)
                .unwrap_err()
                .to_string()
        };
        assert!(
            error("[map]\nx = 3\n").contains("line 2"),
            "{}",
            error("[map]\nx = 3\n")
        );
        assert!(error("[map]\nx = ''").contains("\"x\""));
        assert!(error("unlisted = 'maybe'\n[map]").contains("unlisted"));
        assert!(error("[mop]").contains("my.toml"));
    }
}
