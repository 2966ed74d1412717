//! The knowledge base in memory: entities, relations and facts under dense ids, with two ways in (by head, by tail).
//!
//! Ids follow the order of the names, so they depend on the content and not on the order of reading.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// Position of an entity in one [`KnowledgeBase`]; entities are sorted by id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KbEntity(pub u32);

/// Position of a relation in one [`KnowledgeBase`]; relations are sorted by name. Not a
/// [`RelationId`](crate::domain::RelationId): a map leads from one to the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KbRelation(pub u32);

impl KbEntity {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
impl KbRelation {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Ordered as the base keeps them: by head, then tail, then relation, so that the facts of an ordered pair are one
/// slice of the facts of its head.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fact {
    pub head: KbEntity,
    pub tail: KbEntity,
    pub relation: KbRelation,
}

#[derive(Debug)]
struct Vocabulary {
    /// Sorted.
    entities: Vec<Arc<str>>,
    /// First the name, then aliases; empty when no name is known.
    names: Vec<Vec<String>>,
    /// Sorted.
    relations: Vec<String>,
}

/// Facts between entities, immutable once built. Clones and subsets share the names.
#[derive(Clone, Debug)]
pub struct KnowledgeBase {
    vocabulary: Arc<Vocabulary>,
    /// Sorted, without duplicates.
    facts: Vec<Fact>,
    /// Facts of head `e`: `facts[by_head[e]..by_head[e + 1]]`.
    by_head: Vec<u32>,
    /// Positions in `facts`, sorted by tail.
    incoming: Vec<u32>,
    /// Facts of tail `e`: `incoming[by_tail[e]..by_tail[e + 1]]`.
    by_tail: Vec<u32>,
}

impl KnowledgeBase {
    pub fn n_entities(&self) -> usize {
        self.vocabulary.entities.len()
    }
    pub fn n_relations(&self) -> usize {
        self.vocabulary.relations.len()
    }
    pub fn n_facts(&self) -> usize {
        self.facts.len()
    }

    /// Sorted by head, tail, relation; no duplicates.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }
    pub fn entities(&self) -> impl ExactSizeIterator<Item = KbEntity> + use<> {
        (0..self.n_entities() as u32).map(KbEntity)
    }
    /// Relation names, sorted; position `i` is `KbRelation(i)`.
    pub fn relations(&self) -> &[String] {
        &self.vocabulary.relations
    }

    /// The entity with this id, as it stands in the triples file.
    pub fn entity(&self, id: &str) -> Option<KbEntity> {
        let found = self
            .vocabulary
            .entities
            .binary_search_by(|e| e.as_ref().cmp(id));
        found.ok().map(|i| KbEntity(i as u32))
    }
    pub fn relation(&self, name: &str) -> Option<KbRelation> {
        let found = self
            .vocabulary
            .relations
            .binary_search_by(|r| r.as_str().cmp(name));
        found.ok().map(|i| KbRelation(i as u32))
    }

    /// Id on disk. Panics on an entity of another base, like indexing; so do the next three.
    pub fn id(&self, entity: KbEntity) -> &Arc<str> {
        &self.vocabulary.entities[entity.index()]
    }
    pub fn relation_name(&self, relation: KbRelation) -> &str {
        &self.vocabulary.relations[relation.index()]
    }
    /// What to show: the first name read, else the id with underscores as spaces.
    pub fn name(&self, entity: KbEntity) -> String {
        match self.vocabulary.names[entity.index()].first() {
            Some(name) => name.clone(),
            None => self.id(entity).replace('_', " "),
        }
    }
    /// Names after the first, in the order they were read.
    pub fn aliases(&self, entity: KbEntity) -> &[String] {
        let names = &self.vocabulary.names[entity.index()];
        names.get(1..).unwrap_or_default()
    }
    pub fn is_named(&self, entity: KbEntity) -> bool {
        !self.vocabulary.names[entity.index()].is_empty()
    }

    /// Facts with this head, sorted by tail then relation; none for an entity of another base.
    pub fn facts_of_head(&self, head: KbEntity) -> &[Fact] {
        self.facts
            .get(bounds(&self.by_head, head))
            .unwrap_or_default()
    }
    /// Facts with this tail, sorted by head then relation.
    pub fn facts_of_tail(&self, tail: KbEntity) -> impl ExactSizeIterator<Item = Fact> + '_ {
        let positions = self
            .incoming
            .get(bounds(&self.by_tail, tail))
            .unwrap_or_default();
        positions.iter().map(|&i| self.facts[i as usize])
    }
    /// Facts of one ordered pair.
    pub fn facts_from_to(&self, head: KbEntity, tail: KbEntity) -> &[Fact] {
        let facts = self.facts_of_head(head);
        let start = facts.partition_point(|f| f.tail < tail);
        let end = start + facts[start..].partition_point(|f| f.tail == tail);
        &facts[start..end]
    }
    /// Facts of a pair in both directions, `a` to `b` first. A self-loop is given once.
    pub fn facts_of_pair(&self, a: KbEntity, b: KbEntity) -> impl Iterator<Item = Fact> + '_ {
        let back: &[Fact] = if a == b {
            &[]
        } else {
            self.facts_from_to(b, a)
        };
        self.facts_from_to(a, b).iter().chain(back).copied()
    }
    pub fn contains(&self, fact: Fact) -> bool {
        self.facts_from_to(fact.head, fact.tail).contains(&fact)
    }
    /// Known answers to (head, relation, ?): what filtered ranking leaves out.
    pub fn tails(
        &self,
        head: KbEntity,
        relation: KbRelation,
    ) -> impl Iterator<Item = KbEntity> + '_ {
        let of_relation = move |f: &&Fact| f.relation == relation;
        self.facts_of_head(head)
            .iter()
            .filter(of_relation)
            .map(|f| f.tail)
    }
    /// Known answers to (?, relation, tail).
    pub fn heads(
        &self,
        relation: KbRelation,
        tail: KbEntity,
    ) -> impl Iterator<Item = KbEntity> + '_ {
        self.facts_of_tail(tail)
            .filter(move |f| f.relation == relation)
            .map(|f| f.head)
    }
    /// Facts that the entity takes part in; a self-loop counts twice.
    pub fn degree(&self, entity: KbEntity) -> usize {
        bounds(&self.by_head, entity).len() + bounds(&self.by_tail, entity).len()
    }

    /// A fact in words: `Jon Kyl · place_lived · Arizona` (the relation's last part). Names come from files and may hold
    /// control characters: clean before drawing.
    pub fn describe(&self, fact: Fact) -> String {
        let relation = self.relation_name(fact.relation);
        let short = relation
            .rsplit('/')
            .find(|p| !p.is_empty())
            .unwrap_or(relation);
        format!(
            "{} · {short} · {}",
            self.name(fact.head),
            self.name(fact.tail)
        )
    }

    /// The same entities and relations with only some of the facts.
    pub(super) fn with_facts(&self, facts: Vec<Fact>) -> Self {
        Self::index(self.vocabulary.clone(), facts)
    }

    /// `facts` sorted and without duplicates.
    fn index(vocabulary: Arc<Vocabulary>, facts: Vec<Fact>) -> Self {
        let n = vocabulary.entities.len();
        let by_head = offsets(n, facts.iter().map(|f| f.head));
        let by_tail = offsets(n, facts.iter().map(|f| f.tail));
        let mut incoming: Vec<u32> = (0..facts.len() as u32).collect();
        incoming.sort_by_key(|&i| (facts[i as usize].tail, i));
        Self {
            vocabulary,
            facts,
            by_head,
            incoming,
            by_tail,
        }
    }
}

/// Start of each entity's run in a list sorted by that entity; one more than there are entities.
fn offsets(n_entities: usize, sorted_or_not: impl Iterator<Item = KbEntity>) -> Vec<u32> {
    let mut starts = vec![0u32; n_entities + 1];
    for entity in sorted_or_not {
        starts[entity.index() + 1] += 1;
    }
    for i in 0..n_entities {
        starts[i + 1] += starts[i];
    }
    starts
}

fn bounds(starts: &[u32], entity: KbEntity) -> Range<usize> {
    match (starts.get(entity.index()), starts.get(entity.index() + 1)) {
        (Some(&start), Some(&end)) => start as usize..end as usize,
        _ => 0..0,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Added {
    New,
    Duplicate,
}

/// What [`KnowledgeBaseBuilder::build`] made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BuildCounts {
    pub entities: usize,
    pub relations: usize,
    pub facts: usize,
    pub names: usize,
    pub aliases: usize,
    /// Entities without any name: they go by their ids.
    pub unnamed: usize,
}

/// Collects facts and names in any order.
#[derive(Debug, Default)]
pub struct KnowledgeBaseBuilder {
    entities: Interner,
    relations: Interner,
    names: Vec<Vec<String>>,
    facts: HashSet<(u32, u32, u32)>,
}

#[derive(Debug, Default)]
struct Interner {
    list: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
}

impl Interner {
    fn intern(&mut self, text: &str) -> u32 {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let id = self.list.len() as u32;
        let text: Arc<str> = text.into();
        self.list.push(text.clone());
        self.ids.insert(text, id);
        id
    }

    /// The names in order, and where each old id went.
    fn sorted(self) -> (Vec<Arc<str>>, Vec<u32>) {
        let mut order: Vec<u32> = (0..self.list.len() as u32).collect();
        order.sort_by(|&a, &b| self.list[a as usize].cmp(&self.list[b as usize]));
        let mut new_id = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            new_id[old as usize] = new as u32;
        }
        let names = order
            .iter()
            .map(|&old| self.list[old as usize].clone())
            .collect();
        (names, new_id)
    }
}

impl KnowledgeBaseBuilder {
    pub fn add_fact(&mut self, head: &str, relation: &str, tail: &str) -> Added {
        let fact = (
            self.add_entity(head),
            self.relations.intern(relation),
            self.add_entity(tail),
        );
        if self.facts.insert(fact) {
            Added::New
        } else {
            Added::Duplicate
        }
    }

    /// The first name of an entity is its name, later ones are aliases. An entity that no fact mentions is made.
    pub fn add_name(&mut self, id: &str, name: &str) -> Added {
        let entity = self.add_entity(id) as usize;
        let names = &mut self.names[entity];
        if names.iter().any(|n| n == name) {
            return Added::Duplicate;
        }
        names.push(name.to_owned());
        Added::New
    }

    pub fn has_entity(&self, id: &str) -> bool {
        self.entities.ids.contains_key(id)
    }
    pub fn n_facts(&self) -> usize {
        self.facts.len()
    }

    fn add_entity(&mut self, id: &str) -> u32 {
        let entity = self.entities.intern(id);
        if self.names.len() <= entity as usize {
            self.names.push(Vec::new());
        }
        entity
    }

    pub fn build(mut self) -> (KnowledgeBase, BuildCounts) {
        let (entities, entity_ids) = self.entities.sorted();
        let (relations, relation_ids) = self.relations.sorted();
        let mut names = vec![Vec::new(); entities.len()];
        for (old, list) in self.names.drain(..).enumerate() {
            names[entity_ids[old] as usize] = list;
        }
        let mut facts: Vec<Fact> = self
            .facts
            .drain()
            .map(|(h, r, t)| Fact {
                head: KbEntity(entity_ids[h as usize]),
                relation: KbRelation(relation_ids[r as usize]),
                tail: KbEntity(entity_ids[t as usize]),
            })
            .collect();
        facts.sort_unstable();
        let named = names.iter().filter(|n| !n.is_empty()).count();
        let counts = BuildCounts {
            entities: entities.len(),
            relations: relations.len(),
            facts: facts.len(),
            names: named,
            aliases: names.iter().map(|n| n.len().saturating_sub(1)).sum(),
            unnamed: entities.len() - named,
        };
        let vocabulary = Vocabulary {
            entities,
            names,
            relations: relations.iter().map(|r| r.to_string()).collect(),
        };
        (KnowledgeBase::index(Arc::new(vocabulary), facts), counts)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A base from `(head, relation, tail)` and `(id, name)` rows.
    pub fn base(facts: &[(&str, &str, &str)], names: &[(&str, &str)]) -> KnowledgeBase {
        let mut builder = KnowledgeBaseBuilder::default();
        for (h, r, t) in facts {
            builder.add_fact(h, r, t);
        }
        for (id, name) in names {
            builder.add_name(id, name);
        }
        builder.build().0
    }

    const FACTS: [(&str, &str, &str); 5] = [
        ("paris", "/l/contained_by", "france"),
        ("france", "/l/capital", "paris"),
        ("france", "/l/contains", "paris"),
        ("france", "/l/contains", "lyon"),
        ("lyon", "/l/twin", "lyon"),
    ];

    #[test]
    fn ids_do_not_depend_on_the_order_of_reading() {
        let forward = base(&FACTS, &[]);
        let mut reversed = FACTS;
        reversed.reverse();
        let backward = base(&reversed, &[]);
        assert_eq!(forward.facts(), backward.facts());
        assert_eq!(forward.relations(), backward.relations());
        assert_eq!(forward.id(KbEntity(0)).as_ref(), "france");
    }

    #[test]
    fn facts_are_found_by_pair_head_tail_and_relation() {
        let kb = base(&FACTS, &[("paris", "Paris"), ("paris", "Ville Lumière")]);
        let [france, lyon, paris] = ["france", "lyon", "paris"].map(|id| kb.entity(id).unwrap());
        let words = |facts: Vec<Fact>| facts.iter().map(|f| kb.describe(*f)).collect::<Vec<_>>();
        assert_eq!(
            words(kb.facts_of_pair(paris, france).collect()),
            [
                "Paris · contained_by · france",
                "france · capital · Paris",
                "france · contains · Paris"
            ]
        );
        assert_eq!(kb.facts_of_pair(lyon, lyon).count(), 1);
        assert_eq!(kb.facts_of_head(france).len(), 3);
        assert_eq!(kb.facts_of_tail(paris).len(), 2);
        let contains = kb.relation("/l/contains").unwrap();
        assert_eq!(
            kb.tails(france, contains).collect::<Vec<_>>(),
            [lyon, paris]
        );
        assert_eq!(kb.heads(contains, lyon).collect::<Vec<_>>(), [france]);
        assert_eq!((kb.degree(lyon), kb.degree(KbEntity(99))), (3, 0));
        assert!(kb.facts_of_head(KbEntity(99)).is_empty());
        let fact = kb.facts()[0];
        assert!(kb.contains(fact));
        assert!(!kb.contains(Fact {
            head: paris,
            ..fact
        }));
        assert_eq!(kb.entity("berlin"), None);
    }

    #[test]
    fn names_fall_back_to_the_id() {
        let kb = base(
            &[("body_part", "isa", "thing")],
            &[("thing", "Thing"), ("thing", "Object"), ("thing", "Thing")],
        );
        let part = kb.entity("body_part").unwrap();
        let thing = kb.entity("thing").unwrap();
        assert_eq!(
            (kb.name(part).as_str(), kb.is_named(part)),
            ("body part", false)
        );
        assert_eq!(
            (kb.name(thing).as_str(), kb.aliases(thing)),
            ("Thing", &["Object".to_owned()][..])
        );
        assert!(kb.aliases(part).is_empty());
    }
}
