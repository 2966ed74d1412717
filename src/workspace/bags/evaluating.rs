//! How well the bag systems rank a split's facts (specs: hrere 9).

use super::mentions::{EntityNumbers, Mentions, Negatives, collect};
use super::scoring::BagScorer;
use crate::analysis::{Candidate, Ranking};
use crate::domain::Split;
use crate::model::complex::softmax;
use crate::model::hrere::PairMention;
use crate::store::Reader;
use crate::workspace::knowledge::Knowledge;
use anyhow::Result;
use serde::Serialize;

/// Cases between two looks at the caller.
const CHUNK: usize = 1024;

/// Ranking of one system.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BagScores {
    /// base, naive, full or kb-only.
    pub system: &'static str,
    /// `None`: fewer positives than the share needs.
    pub p_at_10: Option<f64>,
    pub p_at_30: Option<f64>,
    pub p_at_50: Option<f64>,
    pub average_precision: f64,
    pub max_f1: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BagEvaluation {
    pub protocol: String,
    pub split: &'static str,
    /// Linked ordered pairs, each in one sentence.
    pub cases: usize,
    /// (case, relation) that stand.
    pub positives: usize,
    /// Cases whose entities both have vectors; in the others naive and full are text only, and KB-only ranks last.
    pub cases_with_vectors: usize,
    /// Positives whose relation is no class of the bags; they count as never found.
    pub unknown_relations: usize,
    /// Standing triples of unlinked pairs: no case, not counted.
    pub unlinked: u64,
    pub systems: Vec<BagScores>,
}

/// Ranks all linked pairs of `split`; `None` when the split has no linked pair with a label, or when `tell` (done, total)
/// said to stop.
pub fn evaluate_bags(
    reader: &Reader,
    scorer: &BagScorer,
    knowledge: &Knowledge,
    split: Split,
    tell: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Option<BagEvaluation>> {
    let bank = &scorer.bank;
    let schema = reader.schema()?;
    let mut numbers = EntityNumbers::new(&knowledge.kb);
    let max_words = bank.config().hrere.max_words;
    let mut found = collect(reader, split, &mut numbers, max_words, Negatives::All)?;
    to_bank_numbers(&mut found.mentions, scorer, knowledge);
    let class = |r| bank.class(schema.name(r)).unwrap_or(0);
    let mut unknown_relations = 0;
    for mention in &mut found.mentions {
        let named: Vec<u32> = mention
            .relations
            .iter()
            .map(|r| class(crate::domain::RelationId((r - 1) as u16)))
            .collect();
        unknown_relations += named.iter().filter(|c| **c == 0).count();
        mention.relations = named.into_iter().filter(|c| *c != 0).collect();
    }
    let Mentions {
        sentences,
        mentions,
        counts,
    } = found;
    let mut columns = Columns::default();
    for chunk in mentions.chunks(CHUNK) {
        if !tell(columns.cases as u64, mentions.len() as u64) {
            return Ok(None);
        }
        for (mention, answer) in chunk.iter().zip(scorer.ask(&sentences, chunk)?) {
            let rule = bank.config().hrere.mix;
            let kb = answer.full.z_kb.as_deref().map(softmax);
            columns.push(
                &mention.relations,
                [
                    Some(answer.base.p_text()),
                    Some(answer.naive.mixed(rule).p),
                    Some(answer.full.mixed(rule).p),
                    kb,
                ],
                bank.config().classes.len(),
            );
        }
    }
    tell(columns.cases as u64, mentions.len() as u64);
    let positives = columns.positive.iter().filter(|p| **p).count() + unknown_relations;
    if positives == 0 {
        return Ok(None);
    }
    let systems = SYSTEMS.iter().zip(&columns.scores);
    Ok(Some(BagEvaluation {
        protocol: "every linked ordered pair of a sentence is a case, each (case, relation other than NA) a candidate ranked by probability; \
            P@q% = precision of the first floor(q * positives) candidates (HRERE's, not precision at q% recall)"
            .to_owned(),
        split: split.name(),
        cases: columns.cases,
        positives,
        cases_with_vectors: columns.with_vectors,
        unknown_relations,
        unlinked: counts.unlinked,
        systems: systems
            .map(|(system, scores)| columns.rank(system, scores, unknown_relations))
            .collect(),
    }))
}

const SYSTEMS: [&str; 4] = ["base", "naive", "full", "kb-only"];

/// Candidates of all systems, case by case, class by class without NA.
#[derive(Default)]
struct Columns {
    cases: usize,
    with_vectors: usize,
    positive: Vec<bool>,
    scores: [Vec<f32>; 4],
}

impl Columns {
    fn push(&mut self, gold: &[u32], p: [Option<Vec<f32>>; 4], n_classes: usize) {
        self.cases += 1;
        self.with_vectors += usize::from(p[3].is_some());
        self.positive
            .extend((1..n_classes as u32).map(|c| gold.contains(&c)));
        for (column, p) in self.scores.iter_mut().zip(p) {
            match p {
                Some(p) => column.extend(p.iter().skip(1)),
                // Not a number ranks last.
                None => column.extend((1..n_classes).map(|_| f32::NAN)),
            }
        }
    }

    fn rank(&self, system: &'static str, scores: &[f32], missing: usize) -> BagScores {
        let candidates: Vec<Candidate> = scores
            .iter()
            .zip(&self.positive)
            .map(|(score, positive)| Candidate {
                score: f64::from(*score),
                positive: *positive,
            })
            .collect();
        let ranking = Ranking::with_missing(&candidates, missing);
        let at = |share| ranking.precision_at_share(share).map(|p| p.precision);
        BagScores {
            system,
            p_at_10: at(0.1),
            p_at_30: at(0.3),
            p_at_50: at(0.5),
            average_precision: ranking.average_precision(),
            max_f1: ranking.max_f1(),
        }
    }
}

/// From numbers of the workspace's knowledge base to rows of the bank.
fn to_bank_numbers(mentions: &mut [PairMention], scorer: &BagScorer, knowledge: &Knowledge) {
    let rows: Vec<u32> = knowledge
        .kb
        .entities()
        .map(|e| {
            scorer
                .bank
                .entity_row(knowledge.kb.id(e))
                .unwrap_or(u32::MAX)
        })
        .collect();
    for mention in mentions {
        for entity in [&mut mention.head, &mut mention.tail] {
            *entity = rows.get(*entity as usize).copied().unwrap_or(u32::MAX);
        }
    }
}
