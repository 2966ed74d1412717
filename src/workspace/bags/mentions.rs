//! Linked pairs of a split, as the bag models take them.
//!
//! Labels are those that stand (gold and corrections). A pair of linked mentions with a standing relation is a positive,
//! one judged unsure is left out, any other is NA. NA mentions of a pair that has a relation elsewhere in the split show
//! neither the fact nor its absence and are left out; of the other NA pairs a sample is kept, whole pairs at a time.

use crate::domain::{
    Annotation, Entity, RelationId, Sentence, SentenceId, SentenceIdx, Split, TokenSpan, Verdict,
};
use crate::kb::KnowledgeBase;
use crate::model::hrere::PairMention;
use crate::model::params::rng_for;
use crate::model::words::BagSentence;
use crate::store::Reader;
use crate::workspace::PAGE;
use anyhow::Result;
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Pairs looked at in one sentence: thirty linked mentions. A list of hundreds of names is no evidence of anything.
const MAX_PAIRS: usize = 870;

/// Entity ids as numbers: those of the knowledge base by its own order, others after them.
pub struct EntityNumbers<'a> {
    kb: &'a KnowledgeBase,
    others: HashMap<Box<str>, u32>,
}

impl<'a> EntityNumbers<'a> {
    pub fn new(kb: &'a KnowledgeBase) -> Self {
        Self {
            kb,
            others: HashMap::new(),
        }
    }
    pub fn number(&mut self, id: &str) -> u32 {
        if let Some(entity) = self.kb.entity(id) {
            return entity.0;
        }
        let next = (self.kb.n_entities() + self.others.len()) as u32;
        *self.others.entry(id.into()).or_insert(next)
    }
}

/// What happened to the pairs of a split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct MentionCounts {
    pub sentences: u64,
    /// Mentions with a relation.
    pub positives: u64,
    /// NA mentions kept.
    pub negatives: u64,
    /// NA mentions of a pair that has a relation elsewhere.
    pub left_out: u64,
    /// NA mentions that the sample passed over.
    pub not_sampled: u64,
    /// Standing triples whose head or tail is not linked.
    pub unlinked: u64,
    /// Mentions all of whose relations are no class.
    pub unknown: u64,
}

/// Pairs of a split. [`PairMention::sentence`] counts `sentences`.
pub struct Mentions {
    pub sentences: Vec<BagSentence>,
    pub mentions: Vec<PairMention>,
    pub counts: MentionCounts,
}

/// How many NA mentions stay.
#[derive(Clone, Copy, Debug)]
pub enum Negatives {
    All,
    /// At most so many for each positive mention.
    PerPositive {
        ratio: f64,
        seed: u64,
    },
}

/// A page of sentences as they stand: entities and labels after corrections.
pub struct StandingPage {
    pub sentences: Vec<(Sentence, Annotation)>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<SentenceIdx>,
}

pub fn standing_page(reader: &Reader, from: SentenceIdx) -> Result<StandingPage> {
    let page = reader.page(from, PAGE)?;
    let corrected: HashSet<SentenceId> = if reader.correction_count()? > 0 {
        reader.corrected_since(0)?.into_iter().collect()
    } else {
        HashSet::new()
    };
    let mut sentences = Vec::with_capacity(page.sentences.len());
    for (_, mut sentence) in page.sentences {
        let annotation = if corrected.contains(&sentence.id) {
            let corrections = reader.corrections(sentence.id)?;
            Annotation::fold(&sentence, &corrections).annotation
        } else {
            Annotation::from_gold(&sentence)
        };
        sentence.entities = annotation.entities.clone();
        sentences.push((sentence, annotation));
    }
    Ok(StandingPage {
        sentences,
        next: page.next,
    })
}

/// The number of a mention's entity; `None` leaves the mention out.
pub type Number<'a> = &'a mut dyn FnMut(&Sentence, &Entity) -> Option<u32>;

/// All linked pairs of `split`, under provisional classes: a relation's id + 1. See [`Mentions::renumber`].
pub fn collect(
    reader: &Reader,
    split: Split,
    entities: &mut EntityNumbers,
    max_words: usize,
    negatives: Negatives,
) -> Result<Mentions> {
    let mut number = |_: &Sentence, e: &Entity| Some(entities.number(e.link.as_deref()?));
    collect_by(reader, split, &mut number, max_words, negatives)
}

/// As [`collect`], with entities as `number` tells them apart.
pub fn collect_by(
    reader: &Reader,
    split: Split,
    number: Number,
    max_words: usize,
    negatives: Negatives,
) -> Result<Mentions> {
    let mut all = Mentions {
        sentences: Vec::new(),
        mentions: Vec::new(),
        counts: MentionCounts::default(),
    };
    let mut next = Some(SentenceIdx(0));
    while let Some(from) = next {
        let page = standing_page(reader, from)?;
        let of_split = page.sentences.iter().filter(|(s, _)| s.split == split);
        for (sentence, annotation) in of_split {
            all.counts.sentences += 1;
            all.add(sentence, annotation, number, max_words);
        }
        next = page.next;
    }
    all.thin(negatives);
    Ok(all)
}

impl Mentions {
    fn add(
        &mut self,
        sentence: &Sentence,
        annotation: &Annotation,
        number: Number,
        max_words: usize,
    ) {
        let linked: BTreeMap<TokenSpan, u32> = annotation
            .entities
            .iter()
            .filter_map(|e| Some((e.span, number(sentence, e)?)))
            .collect();
        let mut relations: BTreeMap<(TokenSpan, TokenSpan), BTreeSet<u32>> = BTreeMap::new();
        for triple in annotation.standing().map(|t| t.triple) {
            if linked.contains_key(&triple.head) && linked.contains_key(&triple.tail) {
                let of_pair = relations.entry((triple.head, triple.tail)).or_default();
                of_pair.insert(provisional(triple.relation));
            } else {
                self.counts.unlinked += 1;
            }
        }
        let unsure: BTreeSet<(TokenSpan, TokenSpan)> = annotation
            .with_verdict(Verdict::Unsure)
            .map(|t| (t.triple.head, t.triple.tail))
            .collect();
        let at = self.sentences.len();
        let before = self.mentions.len();
        let pairs = linked
            .iter()
            .flat_map(|head| linked.iter().map(move |tail| (head, tail)))
            .filter(|(head, tail)| head.1 != tail.1)
            .take(MAX_PAIRS);
        for ((&head_span, &head), (&tail_span, &tail)) in pairs {
            let pair = (head_span, tail_span);
            let of_pair = relations.get(&pair);
            if of_pair.is_none() && unsure.contains(&pair) {
                continue;
            }
            self.mentions.push(PairMention {
                sentence: at,
                head_span,
                tail_span,
                head,
                tail,
                relations: of_pair.map_or_else(Vec::new, |r| r.iter().copied().collect()),
            });
        }
        if self.mentions.len() > before {
            self.sentences.push(BagSentence::new(sentence, max_words));
        }
    }

    /// Drops NA mentions that mislead or are too many, then sentences that nothing mentions.
    fn thin(&mut self, negatives: Negatives) {
        let pair = |m: &PairMention| (m.head, m.tail);
        let is_na = |m: &PairMention| m.relations.is_empty();
        let positives = self.mentions.iter().filter(|m| !is_na(m)).count();
        self.counts.positives = positives as u64;
        if let Negatives::PerPositive { ratio, seed } = negatives {
            let with_fact: HashSet<(u32, u32)> = self
                .mentions
                .iter()
                .filter(|m| !is_na(m))
                .map(pair)
                .collect();
            let before = self.mentions.len();
            self.mentions
                .retain(|m| !is_na(m) || !with_fact.contains(&pair(m)));
            self.counts.left_out = (before - self.mentions.len()) as u64;
            let mut of_pair: BTreeMap<(u32, u32), usize> = BTreeMap::new();
            for mention in self.mentions.iter().filter(|m| is_na(m)) {
                *of_pair.entry(pair(mention)).or_default() += 1;
            }
            let mut pairs: Vec<_> = of_pair.into_iter().collect();
            pairs.shuffle(&mut rng_for(seed, "bags.negatives"));
            let wanted = (ratio.max(0.0) * positives as f64) as usize;
            let mut room = wanted;
            let kept: HashSet<(u32, u32)> = pairs
                .into_iter()
                .filter(|(_, n)| {
                    let fits = *n <= room;
                    room -= if fits { *n } else { 0 };
                    fits
                })
                .map(|(pair, _)| pair)
                .collect();
            let before = self.mentions.len();
            self.mentions
                .retain(|m| !is_na(m) || kept.contains(&pair(m)));
            self.counts.not_sampled = (before - self.mentions.len()) as u64;
        }
        self.counts.negatives = (self.mentions.len() - positives) as u64;
        self.compact();
    }

    /// Forgets sentences without mentions.
    fn compact(&mut self) {
        let mut place = vec![None; self.sentences.len()];
        for mention in &self.mentions {
            place[mention.sentence] = Some(0);
        }
        for (n, slot) in place.iter_mut().flatten().enumerate() {
            *slot = n;
        }
        let mut at = place.iter();
        self.sentences
            .retain(|_| at.next().is_some_and(Option::is_some));
        for mention in &mut self.mentions {
            mention.sentence = place[mention.sentence].unwrap_or(0);
        }
    }

    /// Relations that some mention has, ascending.
    pub fn relations(&self) -> Vec<RelationId> {
        let used: BTreeSet<u32> = self
            .mentions
            .iter()
            .flat_map(|m| &m.relations)
            .copied()
            .collect();
        used.into_iter()
            .map(|r| RelationId((r - 1) as u16))
            .collect()
    }

    /// Exchanges provisional classes for those that `class` gives. A mention left without any that had some is dropped: it
    /// is no example of NA.
    pub fn renumber(&mut self, class: impl Fn(RelationId) -> Option<u32>) {
        let before = self.mentions.len();
        self.mentions.retain_mut(|mention| {
            let had = !mention.relations.is_empty();
            let known = mention.relations.iter();
            mention.relations = known
                .filter_map(|r| class(RelationId((r - 1) as u16)))
                .collect();
            !had || !mention.relations.is_empty()
        });
        self.counts.unknown = (before - self.mentions.len()) as u64;
        self.counts.positives -= self.counts.unknown;
        self.compact();
    }
}

fn provisional(relation: RelationId) -> u32 {
    u32::from(relation.0) + 1
}
