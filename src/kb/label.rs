//! Distant supervision (Mintz et al. 2009): a sentence that mentions two entities is labelled with every fact of the
//! pair. Wrong where the sentence does not say it, blind where the base is incomplete: this noise is what the program
//! is for.

use super::base::{KbEntity, KnowledgeBase};
use super::link::{Link, LinkCounts, Linker};
use super::map::{Direction, RelationMap};
use crate::domain::{
    GoldSource, GoldTriple, RelationId, RelationSchema, SchemaError, Sentence, TokenSpan, Triple,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A sentence gets no more labels than this: a list of a thousand repeated names would get a million.
pub const MAX_LABELS_PER_SENTENCE: usize = 4096;

#[derive(Clone, PartialEq, Debug)]
pub struct Labelled {
    /// One per entity of the sentence.
    pub links: Vec<Option<Link>>,
    /// Sorted by triple, without duplicates; `source` is `Distant`, `line` 0.
    pub gold: Vec<GoldTriple>,
    /// Labels beyond [`MAX_LABELS_PER_SENTENCE`].
    pub left_out: usize,
}

/// What labelling many sentences came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LabellingCounts {
    pub sentences: u64,
    pub labelled_sentences: u64,
    pub links: LinkCounts,
    pub labels: u64,
    pub left_out: u64,
    pub per_relation: BTreeMap<RelationId, u64>,
}

impl LabellingCounts {
    pub fn add(&mut self, labelled: &Labelled) {
        self.sentences += 1;
        self.labelled_sentences += u64::from(!labelled.gold.is_empty());
        self.labels += labelled.gold.len() as u64;
        self.left_out += labelled.left_out as u64;
        for link in &labelled.links {
            self.links.add(*link);
        }
        for gold in &labelled.gold {
            *self.per_relation.entry(gold.triple.relation).or_default() += 1;
        }
    }
    pub fn merge(&mut self, other: &Self) {
        self.sentences += other.sentences;
        self.labelled_sentences += other.labelled_sentences;
        self.links.merge(&other.links);
        self.labels += other.labels;
        self.left_out += other.left_out;
        for (relation, n) in &other.per_relation {
            *self.per_relation.entry(*relation).or_default() += n;
        }
    }
}

/// Labels sentences; shared between threads as it is.
#[derive(Debug)]
pub struct Labeller<'a> {
    kb: &'a KnowledgeBase,
    linker: &'a Linker,
    /// For each relation of the base, the labels of one fact.
    targets: Vec<Vec<(RelationId, Direction)>>,
}

impl<'a> Labeller<'a> {
    /// Adds to `schema`, in alphabetical order, every relation that a fact of the base can give; sentences do not change it.
    pub fn new(
        kb: &'a KnowledgeBase,
        linker: &'a Linker,
        map: &RelationMap,
        schema: &mut RelationSchema,
    ) -> Result<Self, SchemaError> {
        let targets: Vec<_> = kb.relations().iter().map(|r| map.targets(r)).collect();
        let names: BTreeSet<&str> = targets
            .iter()
            .flatten()
            .map(|t| t.relation.as_str())
            .collect();
        let mut ids = BTreeMap::new();
        for name in names {
            ids.insert(name, schema.intern_relation(name)?);
        }
        let resolve = |list: &Vec<super::map::Target>| {
            let found = list.iter().map(|t| (ids[t.relation.as_str()], t.direction));
            found.collect()
        };
        Ok(Self {
            kb,
            linker,
            targets: targets.iter().map(resolve).collect(),
        })
    }

    /// Every ordered pair of mentions of two different entities gets the labels of all facts of the pair. Nested and
    /// repeated mentions are pairs like others; a mention is never paired with another of the same entity.
    pub fn label(&self, sentence: &Sentence) -> Labelled {
        let links = self.linker.link_sentence(self.kb, sentence);
        let mut mentions: HashMap<KbEntity, Vec<TokenSpan>> = HashMap::new();
        for (entity, link) in sentence.entities.iter().zip(&links) {
            if let Some(link) = link {
                mentions.entry(link.entity).or_default().push(entity.span);
            }
        }
        let mut linked: Vec<KbEntity> = mentions.keys().copied().collect();
        linked.sort();
        let mut triples = BTreeSet::new();
        let mut left_out = 0;
        for &head in &linked {
            for fact in self.facts_among(head, &linked) {
                if fact.tail == head {
                    continue;
                }
                for &(relation, direction) in &self.targets[fact.relation.index()] {
                    let labels =
                        pairs(&mentions[&head], &mentions[&fact.tail]).map(|(head, tail)| {
                            let triple = Triple {
                                head,
                                relation,
                                tail,
                            };
                            match direction {
                                Direction::Same => triple,
                                Direction::Inverse => triple.reversed(),
                            }
                        });
                    for triple in labels {
                        if triples.len() < MAX_LABELS_PER_SENTENCE {
                            triples.insert(triple);
                        } else if !triples.contains(&triple) {
                            left_out += 1;
                        }
                    }
                }
            }
        }
        let gold = triples
            .into_iter()
            .map(|triple| GoldTriple {
                triple,
                source: GoldSource::Distant,
                line: 0,
            })
            .collect();
        Labelled {
            links,
            gold,
            left_out,
        }
    }

    /// Facts from `head` to one of `linked` (sorted), by the shorter way: a country has thousands of facts, a long
    /// list of names has thousands of mentions.
    fn facts_among(&self, head: KbEntity, linked: &[KbEntity]) -> Vec<super::Fact> {
        let facts = self.kb.facts_of_head(head);
        if facts.len() <= linked.len() {
            let there = |f: &&super::Fact| linked.binary_search(&f.tail).is_ok();
            return facts.iter().filter(there).copied().collect();
        }
        let to = |&tail: &KbEntity| self.kb.facts_from_to(head, tail).iter().copied();
        linked.iter().flat_map(to).collect()
    }
}

fn pairs<'s>(
    heads: &'s [TokenSpan],
    tails: &'s [TokenSpan],
) -> impl Iterator<Item = (TokenSpan, TokenSpan)> + 's {
    heads
        .iter()
        .flat_map(move |&h| tails.iter().map(move |&t| (h, t)))
}

#[cfg(test)]
mod tests {
    use super::super::base::tests::base;
    use super::super::pairs_in_text;
    use super::*;
    use crate::domain::{ByteSpan, Entity, SentenceId, Split};

    /// Words separated by single spaces; entities as `(start, end, given id)`.
    fn sentence(text: &str, entities: &[(usize, usize, Option<&str>)]) -> Sentence {
        let mut tokens = Vec::new();
        let mut start = 0;
        for word in text.split(' ') {
            tokens.extend(ByteSpan::new(start, start + word.len()));
            start += word.len() + 1;
        }
        let entity = |&(start, end, link): &(usize, usize, Option<&str>)| Entity {
            span: TokenSpan::new(start, end).unwrap(),
            kind: None,
            link: link.map(Into::into),
        };
        Sentence {
            id: SentenceId(1),
            native_id: None,
            text: text.to_owned(),
            tokens,
            entities: entities.iter().map(entity).collect(),
            gold: Vec::new(),
            split: Split::Train,
            file: "t".into(),
            line: 1,
        }
    }

    fn kb() -> KnowledgeBase {
        base(
            &[
                ("fr", "contains", "paris"),
                ("fr", "capital", "paris"),
                ("paris", "country", "fr"),
                ("kim", "founded", "acme"),
                ("paris", "twin", "paris"),
                ("tx", "contains", "paris_tx"),
            ],
            &[
                ("fr", "France"),
                ("paris", "Paris"),
                ("paris_tx", "Paris"),
                ("kim", "Kim"),
                ("acme", "Acme Corp."),
                ("tx", "Texas"),
            ],
        )
    }

    fn check(map: &str, sentence: &Sentence, expected: &[&str]) -> Labelled {
        let kb = kb();
        let linker = Linker::new(&kb);
        let map = match map {
            "" => RelationMap::identity(),
            text => RelationMap::from_toml("m", text).unwrap(),
        };
        let mut schema = RelationSchema::default();
        let labeller = Labeller::new(&kb, &linker, &map, &mut schema).unwrap();
        let labelled = labeller.label(sentence);
        let shown: Vec<String> = labelled
            .gold
            .iter()
            .map(|g| {
                let t = g.triple;
                format!(
                    "{} {} {}",
                    sentence.surface(t.head),
                    schema.name(t.relation),
                    sentence.surface(t.tail)
                )
            })
            .collect();
        assert_eq!(shown, expected);
        labelled
    }

    #[test]
    fn every_pair_with_a_fact_is_labelled() {
        let s = sentence(
            "Paris , France 's capital , met Kim",
            &[(0, 1, None), (2, 3, None), (7, 8, None)],
        );
        check(
            "",
            &s,
            &[
                "Paris country France",
                "France capital Paris",
                "France contains Paris",
            ],
        );
        check("[map]\ncontains = 'has'", &s, &["France has Paris"]);
        let inverse = "[map]\nfounded = {relation = 'founders', inverse = true}";
        let s = sentence("Kim left Acme Corp .", &[(0, 1, None), (2, 5, None)]);
        check(inverse, &s, &["Acme Corp . founders Kim"]);
    }

    #[test]
    fn links_ignore_what_would_make_a_fact_true() {
        // Texas contains the other Paris; the better-known one is linked all the same.
        let s = sentence("Paris Texas", &[(0, 1, None), (1, 2, None)]);
        let labelled = check("", &s, &[]);
        assert_eq!(labelled.links[0].unwrap().candidates, 2);
        // Unless the corpus says which one is meant.
        let s = sentence(
            "Paris Texas",
            &[(0, 1, Some("paris_tx")), (1, 2, Some("unknown id"))],
        );
        check("", &s, &["Texas contains Paris"]);
    }

    #[test]
    fn repeated_mentions_and_self_loops() {
        let s = sentence(
            "Paris Paris France",
            &[(0, 1, None), (1, 2, None), (2, 3, None)],
        );
        let labelled = check(
            "[map]\ncapital = 'capital'\ntwin = 'twin'",
            &s,
            &["France capital Paris", "France capital Paris"],
        );
        let mut counts = LabellingCounts::default();
        counts.add(&labelled);
        counts.merge(&counts.clone());
        assert_eq!(
            (counts.labels, counts.links.ambiguous, counts.links.linked),
            (4, 4, 2)
        );
        assert_eq!(counts.per_relation.values().sum::<u64>(), 4);
        assert_eq!(pairs_in_text([&s], &kb(), &Linker::new(&kb())).len(), 1);
    }

    #[test]
    fn a_flood_of_mentions_is_cut() {
        let text = vec!["Paris France"; 70].join(" ");
        let entities: Vec<_> = (0..140).map(|i| (i, i + 1, None)).collect();
        let s = sentence(&text, &entities);
        let kb = kb();
        let linker = Linker::new(&kb);
        let mut schema = RelationSchema::default();
        let map = RelationMap::identity().keep_only(["capital"]);
        let labeller = Labeller::new(&kb, &linker, &map, &mut schema).unwrap();
        let labelled = labeller.label(&s);
        assert_eq!(
            (labelled.gold.len(), labelled.left_out),
            (MAX_LABELS_PER_SENTENCE, 70 * 70 - MAX_LABELS_PER_SENTENCE)
        );
        assert_eq!(schema.n_relations(), 1);
    }
}
