//! Agreement of the curators over the whole history.

use crate::analysis::agreement::{
    Decisions, Item, SentenceVotes, Slot, SpanMatching, Value, alpha, items, kappa,
};
use crate::domain::{Record, RelationId, RelationSchema, Verdict};
use crate::store::Reader;
use anyhow::Result;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is compared, in words for reports.
const PROTOCOL: &str = "latest verdict of each curator on each relation of a pair (accept, reject, unsure); adjudications left out; who marked a \
     sentence done has accepted its labels and rejected what others added";

#[derive(Clone, Debug, Serialize)]
pub struct AgreementReport {
    pub protocol: &'static str,
    pub curators: Vec<Curator>,
    /// Same head and tail tokens.
    pub exact: Measured,
    /// Heads and tails that share a token.
    pub overlap: Measured,
    /// Triples on which curators differ and nobody has settled it.
    pub disputed: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct Curator {
    pub name: String,
    /// Sentences with a decision on a relation, or marked done.
    pub sentences: usize,
    /// Relations decided about, one by one.
    pub verdicts: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    #[serde(flatten)]
    pub overall: Reliability,
    pub pairs: Vec<PairKappa>,
    pub relations: Vec<RelationReliability>,
}

/// Krippendorff's alpha over the items that at least two curators decided.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Reliability {
    pub items: usize,
    /// Of those, where all said the same.
    pub agreed: usize,
    pub alpha: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PairKappa {
    pub curators: [String; 2],
    pub items: usize,
    pub observed: f64,
    pub kappa: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct RelationReliability {
    pub relation: String,
    #[serde(flatten)]
    pub reliability: Reliability,
}

/// Reads every corrected sentence once.
pub fn measure(reader: &Reader) -> Result<AgreementReport> {
    let schema = reader.schema()?;
    let mut names: Vec<String> = Vec::new();
    let mut of_curator: Vec<(usize, usize)> = Vec::new();
    let (mut exact, mut overlap, mut disputed) = (Vec::new(), Vec::new(), 0);
    for id in reader.recorded_sentences()? {
        let records = reader.records(id)?;
        disputed += Decisions::of(&records).disputes().len();
        let mut votes = votes(&records, &mut names);
        of_curator.resize(names.len(), (0, 0));
        let active: BTreeSet<usize> = votes.votes.keys().chain(&votes.done).copied().collect();
        for curator in &active {
            of_curator[*curator].0 += 1;
            of_curator[*curator].1 += votes.votes.get(curator).map_or(0, Vec::len);
        }
        if active.len() > 1 {
            votes.gold = reader.sentence(id)?.gold.iter().map(|g| g.triple).collect();
            let several = |i: &Item| i.verdicts.len() > 1;
            exact.extend(
                items(&votes, SpanMatching::Exact)
                    .into_iter()
                    .filter(several),
            );
            overlap.extend(
                items(&votes, SpanMatching::Overlap)
                    .into_iter()
                    .filter(several),
            );
        }
    }
    let curators = names.iter().zip(of_curator).filter(|(_, n)| n.0 > 0);
    let curators = curators.map(|(name, (sentences, verdicts))| Curator {
        name: name.clone(),
        sentences,
        verdicts,
    });
    Ok(AgreementReport {
        protocol: PROTOCOL,
        curators: curators.collect(),
        exact: measured(&exact, &names, &schema),
        overlap: measured(&overlap, &names, &schema),
        disputed,
    })
}

/// What the curators said by themselves: an adjudicator's choice is no independent judgement.
fn votes(records: &[Record], names: &mut Vec<String>) -> SentenceVotes {
    let own: Vec<Record> = records
        .iter()
        .filter(|r| r.settles.is_empty())
        .cloned()
        .collect();
    let mut votes = SentenceVotes::default();
    for (slot, decided) in Decisions::of(&own).words() {
        let curator = match names.iter().position(|n| *n == decided.by) {
            Some(at) => at,
            None => {
                names.push(decided.by.clone());
                names.len() - 1
            }
        };
        match (slot, &decided.value) {
            (Slot::Triple(triple), Value::Verdict(verdict)) => {
                votes
                    .votes
                    .entry(curator)
                    .or_default()
                    .push((triple, *verdict));
            }
            (Slot::Done, Value::Flag(true)) => {
                votes.done.insert(curator);
            }
            _ => {}
        }
    }
    votes
}

fn measured(items: &[Item], names: &[String], schema: &RelationSchema) -> Measured {
    let mut pairs: BTreeMap<(usize, usize), Vec<(Verdict, Verdict)>> = BTreeMap::new();
    let mut relations: BTreeMap<RelationId, Vec<&Item>> = BTreeMap::new();
    for item in items {
        relations.entry(item.relation).or_default().push(item);
        let said: Vec<(usize, Verdict)> = item.verdicts.iter().map(|(c, v)| (*c, *v)).collect();
        for (n, (a, first)) in said.iter().enumerate() {
            for (b, second) in &said[n + 1..] {
                pairs.entry((*a, *b)).or_default().push((*first, *second));
            }
        }
    }
    let pairs = pairs.iter().map(|((a, b), verdicts)| {
        let found = kappa(verdicts);
        PairKappa {
            curators: [names[*a].clone(), names[*b].clone()],
            items: found.items,
            observed: found.observed,
            kappa: found.kappa,
        }
    });
    let mut relations: Vec<RelationReliability> = relations
        .iter()
        .map(|(relation, items)| RelationReliability {
            relation: schema.name(*relation).to_owned(),
            reliability: reliability(items.iter().copied()),
        })
        .collect();
    relations.sort_by_key(|r| std::cmp::Reverse(r.reliability.items));
    Measured {
        overall: reliability(items.iter()),
        pairs: pairs.collect(),
        relations,
    }
}

fn reliability<'a>(items: impl Iterator<Item = &'a Item>) -> Reliability {
    let units: Vec<Vec<Verdict>> = items
        .map(|i| i.verdicts.values().copied().collect())
        .collect();
    let same = |unit: &&Vec<Verdict>| unit.windows(2).all(|w| w[0] == w[1]);
    Reliability {
        items: units.len(),
        agreed: units.iter().filter(same).count(),
        alpha: alpha(&units),
    }
}
