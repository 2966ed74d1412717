//! Why the bag systems say what they say of one pair: facts, link predictions, both distributions, the bag's sentences.

use super::scoring::{BagScorer, entity_id};
use crate::domain::{RelationSchema, Sentence, TokenSpan, Triple};
use crate::index::query::{Leaf, Match, TextField};
use crate::index::{Query, Searcher, Sort};
use crate::kb::KnowledgeBase;
use crate::model::bags::BagAnswer;
use crate::model::complex::link::{KnownFacts, predict_tails};
use crate::model::hrere::{Bag, PairMention};
use crate::model::words::BagSentence;
use crate::store::Reader;
use crate::workspace::knowledge::Knowledge;
use crate::workspace::messages::{BagRow, Explanation};
use anyhow::Result;
use std::collections::BTreeSet;

/// Facts of the pair, answers of link prediction, relations of a distribution that are shown.
const MAX_FACTS: usize = 20;
const TOP: usize = 5;
/// Sentences of a bag that are shown and weighed.
const MAX_BAG: usize = 50;
/// Sentences that name both entities and are looked at for the bag.
const MAX_SEARCHED: usize = 200;
/// Names of an entity that are searched for.
const MAX_NAMES: usize = 24;
/// Mentions of the pair in one sentence.
const MAX_PER_SENTENCE: usize = 4;
const SNIPPET_CHARS: usize = 300;

/// Where the other sentences of a bag are.
#[derive(Clone, Copy)]
pub struct Corpus<'a> {
    pub reader: &'a Reader,
    /// `None`: the bag is the sentence alone.
    pub searcher: Option<&'a Searcher>,
    pub schema: &'a RelationSchema,
}

/// Fills `facts`, `links`, `bag`, `text_top`, `kb_top` and adds to `notes`; leaves the sentence heads' parts alone.
/// `scorer` and `knowledge` are `None` where the model has no bag systems or the workspace no knowledge base; the notes say
/// what is missing.
pub fn explain(
    scorer: Option<&BagScorer>,
    knowledge: Option<&Knowledge>,
    corpus: Corpus,
    sentence: &Sentence,
    triple: Triple,
    into: &mut Explanation,
) -> Result<()> {
    let id = |span| entity_id(knowledge, sentence, span);
    let (head, tail) = (id(triple.head), id(triple.tail));
    for (what, linked) in [("head", &head), ("tail", &tail)] {
        if linked.is_none() {
            let note = format!("{what} is not linked to the knowledge base");
            into.notes.push(note);
        }
    }
    let pair = head.as_deref().zip(tail.as_deref());
    match (knowledge, pair) {
        (None, _) => into
            .notes
            .push("this workspace has no knowledge base".to_owned()),
        (Some(knowledge), Some((head, tail))) => facts(&knowledge.kb, head, tail, into),
        _ => {}
    }
    if let (Some(scorer), Some(head)) = (scorer, head.as_deref()) {
        links(scorer, knowledge, corpus.schema, head, triple, into);
    }
    let found = match pair {
        Some((head, tail)) => find_bag(knowledge, corpus, sentence, triple, (head, tail), into)?,
        None => vec![(sentence.clone(), vec![(triple.head, triple.tail)])],
    };
    weigh(scorer, knowledge, &found, corpus.schema, into)
}

/// Facts between the two, `head` to `tail` first.
fn facts(kb: &KnowledgeBase, head: &str, tail: &str, into: &mut Explanation) {
    let (Some(head), Some(tail)) = (kb.entity(head), kb.entity(tail)) else {
        into.notes.push(
            "the knowledge base lost an entity of the pair; run `redress label` again".to_owned(),
        );
        return;
    };
    let described = kb.facts_of_pair(head, tail).map(|f| kb.describe(f));
    into.facts.extend(described.take(MAX_FACTS));
    if into.facts.is_empty() {
        into.notes
            .push("the knowledge base has no fact of this pair".to_owned());
    }
}

/// The best answers to (head, relation, ?). Answers that share a fact with the head are marked.
fn links(
    scorer: &BagScorer,
    knowledge: Option<&Knowledge>,
    schema: &RelationSchema,
    head: &str,
    triple: Triple,
    into: &mut Explanation,
) {
    let bank = &scorer.bank;
    let relation = schema.relations().get(triple.relation.index());
    let relation = relation.map_or("", |r| r.name.as_str());
    let (Some(head_row), Some(relation_row)) = (bank.entity_row(head), bank.relation_row(relation))
    else {
        into.notes.push(
            "no link prediction: the knowledge-base model does not know the head or the relation"
                .to_owned(),
        );
        return;
    };
    let answers = predict_tails(
        bank.complex(),
        head_row,
        relation_row,
        &KnownFacts::default(),
        TOP + 1,
    );
    let kb = knowledge.map(|k| &k.kb);
    let head_entity = kb.and_then(|kb| kb.entity(head));
    let answers = answers.into_iter().filter(|a| a.row != head_row).take(TOP);
    into.links.extend(answers.filter_map(|answer| {
        let id = bank.config().entities.get(answer.row as usize)?;
        let entity = kb.and_then(|kb| Some((kb, kb.entity(id)?)));
        let name = entity.map_or_else(|| id.clone(), |(kb, e)| kb.name(e));
        let known = entity
            .zip(head_entity)
            .is_some_and(|((kb, e), head)| kb.facts_of_pair(head, e).next().is_some());
        let mark = if known { " (fact)" } else { "" };
        Some((format!("{name}{mark}"), answer.probability))
    }));
}

type Found = Vec<(Sentence, Vec<(TokenSpan, TokenSpan)>)>;

/// The sentence itself, then others of the workspace in corpus order that mention the ordered pair. Candidates come from
/// the index by the entities' names; a mention counts only if it is linked to the entity.
fn find_bag(
    knowledge: Option<&Knowledge>,
    corpus: Corpus,
    sentence: &Sentence,
    triple: Triple,
    (head, tail): (&str, &str),
    into: &mut Explanation,
) -> Result<Found> {
    let mut found = vec![(sentence.clone(), vec![(triple.head, triple.tail)])];
    let Some(searcher) = corpus.searcher else {
        return Ok(found);
    };
    let query = Query::And(vec![
        named(knowledge, head, sentence.surface(triple.head)),
        named(knowledge, tail, sentence.surface(triple.tail)),
    ]);
    let candidates = searcher.search(&query, Sort::Corpus, 0..MAX_SEARCHED, 0)?;
    for idx in candidates.rows {
        if found.len() == MAX_BAG {
            break;
        }
        let Some(id) = corpus.reader.id_of(idx)? else {
            continue;
        };
        if id == sentence.id {
            continue;
        }
        let other = corpus.reader.sentence(id)?;
        let pairs = mentions_of(&other, head, tail);
        if !pairs.is_empty() {
            found.push((other, pairs));
        }
    }
    if candidates.total > MAX_SEARCHED || found.len() == MAX_BAG {
        into.notes.push(format!(
            "the bag shows {} sentences; {} name both entities",
            found.len(),
            candidates.total
        ));
    }
    Ok(found)
}

/// Sentences that hold a name of the entity.
fn named(knowledge: Option<&Knowledge>, id: &str, surface: &str) -> Query {
    let mut names = BTreeSet::from([surface.to_owned()]);
    if let Some((kb, entity)) = knowledge.and_then(|k| Some((&k.kb, k.kb.entity(id)?))) {
        names.insert(kb.name(entity));
        let room = MAX_NAMES.saturating_sub(names.len());
        names.extend(kb.aliases(entity).iter().take(room).cloned());
    }
    let mut leaves: Vec<Query> = names
        .into_iter()
        .map(|text| {
            Query::Leaf(Leaf::Words {
                field: TextField::Text,
                text,
                matching: Match::Whole,
            })
        })
        .collect();
    match leaves.len() {
        1 => leaves.remove(0),
        _ => Query::Or(leaves),
    }
}

/// Pairs of mentions that are linked to `head` and `tail`.
fn mentions_of(sentence: &Sentence, head: &str, tail: &str) -> Vec<(TokenSpan, TokenSpan)> {
    let of = |id: &str| -> Vec<TokenSpan> {
        let linked = sentence
            .entities
            .iter()
            .filter(|e| e.link.as_deref() == Some(id));
        linked.map(|e| e.span).collect()
    };
    let tails = of(tail);
    let pairs = of(head)
        .into_iter()
        .flat_map(|h| tails.iter().map(move |t| (h, *t)));
    pairs
        .filter(|(h, t)| h != t)
        .take(MAX_PER_SENTENCE)
        .collect()
}

/// Rows of the bag, with the attention of `full` over it where there is one, and the two distributions of the first
/// sentence's own case: the numbers that the table shows.
fn weigh(
    scorer: Option<&BagScorer>,
    knowledge: Option<&Knowledge>,
    found: &[(Sentence, Vec<(TokenSpan, TokenSpan)>)],
    schema: &RelationSchema,
    into: &mut Explanation,
) -> Result<()> {
    let row = |sentence: &Sentence, weight| BagRow {
        id: sentence.id,
        snippet: snippet(&sentence.text),
        weight,
    };
    let Some(scorer) = scorer else {
        into.notes.push("this model has no bag systems".to_owned());
        into.bag.extend(found.iter().map(|(s, _)| row(s, None)));
        return Ok(());
    };
    let max_words = scorer.bank.config().hrere.max_words;
    let (mut sentences, mut mentions): (Vec<BagSentence>, Vec<PairMention>) = Default::default();
    for (number, (sentence, pairs)) in found.iter().enumerate() {
        sentences.push(BagSentence::new(sentence, max_words));
        let cases = pairs.iter();
        mentions.extend(cases.map(|(h, t)| scorer.case(knowledge, sentence, number, *h, *t)));
    }
    let bag = |mentions_of_bag: Vec<usize>| Bag {
        relation: 0,
        head: mentions[0].head,
        tail: mentions[0].tail,
        mentions: mentions_of_bag,
    };
    if mentions.is_empty() {
        return Ok(());
    }
    let (whole, alone) = (bag((0..mentions.len()).collect()), bag(vec![0]));
    let answers = scorer.ask_bags(&sentences, &mentions, &[&whole, &alone])?;
    let [whole, alone] = answers.as_slice() else {
        return Ok(());
    };
    let mut weights = vec![0f32; found.len()];
    for (mention, weight) in mentions.iter().zip(&whole.full.sentence_weights) {
        weights[mention.sentence] += weight;
    }
    let rows = found.iter().zip(weights);
    into.bag
        .extend(rows.map(|((s, _), weight)| row(s, Some(weight))));
    distributions(scorer, alone, schema, into);
    Ok(())
}

fn distributions(
    scorer: &BagScorer,
    answer: &BagAnswer,
    schema: &RelationSchema,
    into: &mut Explanation,
) {
    let classes = &scorer.bank.config().classes;
    let top = |p: Vec<f32>| -> Vec<(String, f32)> {
        let mut named: Vec<(&String, f32)> = classes.iter().zip(p).collect();
        named.sort_by(|a, b| b.1.total_cmp(&a.1));
        let shown = named.into_iter().take(TOP).map(|(name, p)| {
            let short = schema.relation(name).map(|r| schema.short(r).to_owned());
            (short.unwrap_or_else(|| name.clone()), p)
        });
        shown.collect()
    };
    into.text_top = top(answer.full.p_text());
    match answer.full.p_kb() {
        Some(p) => into.kb_top = top(p),
        None => into
            .notes
            .push("no KB vectors for this pair: naive and full are text only".to_owned()),
    }
}

fn snippet(text: &str) -> String {
    let one_line = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c });
    one_line.take(SNIPPET_CHARS).collect()
}
