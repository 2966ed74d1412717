//! From a mention's surface to an entity of the knowledge base, by name alone.
//!
//! Never by facts of the pair: preferring the candidate that has a fact with another mention of the sentence would
//! make every such fact look true and leak the label into the link.

use super::base::{KbEntity, KnowledgeBase};
use super::normalise::{exact_key, folded_key};
use super::subset::EntityPair;
use crate::domain::{Entity, Sentence};
use std::collections::{HashMap, HashSet};

/// How a surface met the name. In the order they are tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Matching {
    /// Up to spaces, quotes and dashes.
    Exact,
    /// Up to case and accents as well.
    Folded,
    /// The corpus gave the entity's id, and the base has it.
    Given,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MatchedName {
    Name,
    Alias,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    pub entity: KbEntity,
    pub matching: Matching,
    pub matched: MatchedName,
    /// Entities with this name; above 1, the one with most facts was taken (ties: the smallest id).
    pub candidates: u32,
}

/// Linking of many mentions, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkCounts {
    /// By one candidate only, or by a given id.
    pub linked: u64,
    /// By choosing among several.
    pub ambiguous: u64,
    pub unlinked: u64,
    /// Of the linked and ambiguous ones: by an alias.
    pub by_alias: u64,
    /// Of the linked and ambiguous ones: only after folding case and accents.
    pub by_folding: u64,
}

impl LinkCounts {
    pub fn add(&mut self, link: Option<Link>) {
        let Some(link) = link else {
            self.unlinked += 1;
            return;
        };
        *(if link.candidates > 1 {
            &mut self.ambiguous
        } else {
            &mut self.linked
        }) += 1;
        self.by_alias += u64::from(link.matched == MatchedName::Alias);
        self.by_folding += u64::from(link.matching == Matching::Folded);
    }
    pub fn merge(&mut self, other: &Self) {
        self.linked += other.linked;
        self.ambiguous += other.ambiguous;
        self.unlinked += other.unlinked;
        self.by_alias += other.by_alias;
        self.by_folding += other.by_folding;
    }
    pub fn total(&self) -> u64 {
        self.linked + self.ambiguous + self.unlinked
    }
}

/// The best entity for one key.
#[derive(Clone, Copy, Debug)]
struct Choice {
    entity: KbEntity,
    matched: MatchedName,
    candidates: u32,
    /// The entity that came last, so that a name and an alias of one entity count once.
    last: KbEntity,
}

/// Names of a knowledge base, by key. Building takes one pass over the names; linking is one or two look-ups.
#[derive(Debug)]
pub struct Linker {
    exact: HashMap<Box<str>, Choice>,
    folded: HashMap<Box<str>, Choice>,
}

impl Linker {
    pub fn new(kb: &KnowledgeBase) -> Self {
        let mut linker = Self {
            exact: HashMap::new(),
            folded: HashMap::new(),
        };
        for entity in kb.entities() {
            linker.insert(kb, entity, &kb.name(entity), MatchedName::Name);
            for alias in kb.aliases(entity) {
                linker.insert(kb, entity, alias, MatchedName::Alias);
            }
        }
        linker
    }

    fn insert(&mut self, kb: &KnowledgeBase, entity: KbEntity, name: &str, matched: MatchedName) {
        let exact = exact_key(name);
        if exact.is_empty() {
            return;
        }
        let folded = folded_key(&exact);
        for (table, key) in [(&mut self.exact, exact), (&mut self.folded, folded)] {
            let new = Choice {
                entity,
                matched,
                candidates: 1,
                last: entity,
            };
            table
                .entry(key.into())
                .and_modify(|old| *old = better(kb, *old, new))
                .or_insert(new);
        }
    }

    /// By name, then by alias; exactly, then folded.
    pub fn link(&self, surface: &str) -> Option<Link> {
        let exact = exact_key(surface);
        if exact.is_empty() {
            return None;
        }
        let found = |choice: &Choice, matching| Link {
            entity: choice.entity,
            matching,
            matched: choice.matched,
            candidates: choice.candidates,
        };
        if let Some(choice) = self.exact.get(exact.as_str()) {
            return Some(found(choice, Matching::Exact));
        }
        let choice = self.folded.get(folded_key(&exact).as_str())?;
        Some(found(choice, Matching::Folded))
    }

    /// An id that the corpus gave stands if the base knows it; otherwise the surface decides.
    pub fn link_entity(
        &self,
        kb: &KnowledgeBase,
        sentence: &Sentence,
        entity: &Entity,
    ) -> Option<Link> {
        match entity.link.as_deref().and_then(|id| kb.entity(id)) {
            Some(known) => Some(Link {
                entity: known,
                matching: Matching::Given,
                matched: MatchedName::Name,
                candidates: 1,
            }),
            None => self.link(sentence.surface(entity.span)),
        }
    }

    /// One link for each of the sentence's entities.
    pub fn link_sentence(&self, kb: &KnowledgeBase, sentence: &Sentence) -> Vec<Option<Link>> {
        let link = |entity| self.link_entity(kb, sentence, entity);
        sentence.entities.iter().map(link).collect()
    }
}

/// A name beats an alias; among equals the entity with more facts wins, then the smaller id. `new` comes after `old`
/// in id order.
fn better(kb: &KnowledgeBase, old: Choice, new: Choice) -> Choice {
    if old.matched != new.matched {
        return if new.matched == MatchedName::Name {
            new
        } else {
            old
        };
    }
    if old.last == new.entity {
        return old;
    }
    let wins = kb.degree(new.entity) > kb.degree(old.entity);
    Choice {
        entity: if wins { new.entity } else { old.entity },
        candidates: old.candidates + 1,
        last: new.entity,
        ..old
    }
}

/// Entity pairs that occur together in a sentence, in either order. What ComplEx pre-training must not see
/// ([`KnowledgeBase::without_pairs`]).
pub fn pairs_in_text<'a>(
    sentences: impl IntoIterator<Item = &'a Sentence>,
    kb: &KnowledgeBase,
    linker: &Linker,
) -> HashSet<EntityPair> {
    let mut pairs = HashSet::new();
    for sentence in sentences {
        let links = linker.link_sentence(kb, sentence);
        let mut linked: Vec<KbEntity> = links.into_iter().flatten().map(|l| l.entity).collect();
        linked.sort();
        linked.dedup();
        for (i, &a) in linked.iter().enumerate() {
            // A pair without a fact needs no mention here; this also bounds the set by the facts.
            let known = linked[i + 1..]
                .iter()
                .filter(|&&b| kb.facts_of_pair(a, b).next().is_some());
            pairs.extend(known.map(|&b| EntityPair::new(a, b)));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::super::base::tests::base;
    use super::*;

    #[test]
    fn names_come_before_aliases_and_exact_before_folded() {
        let kb = base(
            &[
                ("b", "r", "x"),
                ("b", "r", "y"),
                ("a", "r", "x"),
                ("c", "r", "b"),
                ("c", "r", "a"),
                ("c", "r", "x"),
            ],
            &[
                ("a", "Springfield"),
                ("b", "Springfield"),
                ("b", "SPRINGFIELD"),
                ("c", "Capital City"),
                ("c", "Springfield"),
                ("c", "Shelbyville"),
                ("d", "US"),
                ("e", "Us"),
                ("x", "Medellín"),
                ("y", "Y"),
            ],
        );
        let linker = Linker::new(&kb);
        let check = |surface: &str, expected: Option<(&str, Matching, MatchedName, u32)>| {
            let link = linker.link(surface);
            let found = link.map(|l| {
                (
                    kb.id(l.entity).as_ref(),
                    l.matching,
                    l.matched,
                    l.candidates,
                )
            });
            assert_eq!(found, expected, "{surface}");
        };
        use MatchedName::*;
        use Matching::*;
        // Two entities have this name; `b` has more facts. `c` has most, but only as an alias.
        check("Springfield", Some(("b", Exact, Name, 2)));
        check("springfield", Some(("b", Folded, Name, 2)));
        check("SPRINGFIELD", Some(("b", Exact, Alias, 1)));
        check("Shelbyville", Some(("c", Exact, Alias, 1)));
        check("US", Some(("d", Exact, Name, 1)));
        check("us", Some(("d", Folded, Name, 2)));
        check("Medellin", Some(("x", Folded, Name, 1)));
        check("Nowhere", None);
        check("  ", None);
    }

    #[test]
    fn counts_add_up() {
        let link = |candidates, matched, matching| {
            Some(Link {
                entity: KbEntity(0),
                matching,
                matched,
                candidates,
            })
        };
        let mut counts = LinkCounts::default();
        counts.add(None);
        counts.add(link(1, MatchedName::Alias, Matching::Exact));
        counts.add(link(3, MatchedName::Name, Matching::Folded));
        let mut twice = counts;
        twice.merge(&counts);
        assert_eq!(
            (twice.linked, twice.ambiguous, twice.unlinked, twice.total()),
            (2, 2, 2, 6)
        );
        assert_eq!((twice.by_alias, twice.by_folding), (2, 2));
    }
}
