//! One checkpoint: text, add-ons and their combination under the names `imr.*`.

use super::addons::{Combination, MutualSide, PairTypes, Terms, TypeSide};
use super::attention::Query;
use super::config::MutualConfig;
use super::text::TextSide;
use super::vectors::VectorRows;
use crate::model::hrere::{Bag, BagBatch, BagSource};
use crate::model::mode::Mode;
use crate::model::params::Params;
use candle_core::{D, Result, Tensor, bail};
use candle_nn::ops::softmax;
use serde::{Deserialize, Serialize};

/// Which terms a checkpoint has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// Text alone.
    Base,
    /// Text and types.
    PaT,
    /// Text and mutual relation.
    PaMr,
    /// All three.
    PaTmr,
}

impl System {
    pub const ALL: [System; 4] = [System::Base, System::PaT, System::PaMr, System::PaTmr];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            System::Base => "base",
            System::PaT => "PA-T",
            System::PaMr => "PA-MR",
            System::PaTmr => "PA-TMR",
        }
    }
    /// For files.
    pub fn prefix(self) -> &'static str {
        match self {
            System::Base => "base",
            System::PaT => "pa_t",
            System::PaMr => "pa_mr",
            System::PaTmr => "pa_tmr",
        }
    }
    pub fn uses_types(self) -> bool {
        matches!(self, System::PaT | System::PaTmr)
    }
    pub fn uses_mutual(self) -> bool {
        matches!(self, System::PaMr | System::PaTmr)
    }
}

/// Sizes that the data decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    pub n_classes: usize,
    /// Without the unknown type.
    pub n_types: usize,
    /// Of an entity's vector.
    pub vector_width: usize,
}

/// What is known of an entity beside its mentions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EntityFacts {
    /// Row of the vectors; `None`: no graph vector.
    pub row: Option<u32>,
    /// Rows of the type table; empty = unknown.
    pub types: Vec<u32>,
}

/// A batch of bags with what the add-ons need of their pairs.
pub struct MutualBatch {
    bags: BagBatch,
    /// [B, width]; zeros where a vector is missing.
    relations: Tensor,
    has_mutual: Vec<bool>,
    types: Vec<PairTypes>,
}

impl MutualBatch {
    /// `source` gives words and mentions; `entities` are numbered as in the bags, one beyond them knows nothing.
    pub fn new(
        source: &BagSource,
        entities: &[EntityFacts],
        vectors: &VectorRows,
        bags: &[&Bag],
        max_words: usize,
    ) -> Result<Self> {
        let batch = source.batch(bags, max_words)?;
        let unknown = EntityFacts::default();
        let of = |number: u32| entities.get(number as usize).unwrap_or(&unknown);
        let (mut relations, mut has_mutual, mut types) = (Vec::new(), Vec::new(), Vec::new());
        for bag in bags {
            let (head, tail) = (of(bag.head), of(bag.tail));
            let pair = head.row.zip(tail.row);
            match pair {
                Some((h, t)) => relations.extend(vectors.mutual_relation(h, t)),
                None => relations.extend(std::iter::repeat_n(0.0, vectors.width())),
            }
            has_mutual.push(pair.is_some());
            types.push([head.types.clone(), tail.types.clone()]);
        }
        let device = batch.words().device();
        Ok(Self {
            relations: Tensor::from_vec(relations, (bags.len(), vectors.width()), device)?,
            bags: batch,
            has_mutual,
            types,
        })
    }

    pub fn n_bags(&self) -> usize {
        self.has_mutual.len()
    }
}

/// What a model says of one bag.
#[derive(Clone, PartialEq, Debug)]
pub struct MutualAnswer {
    /// Distribution over the classes, NA first.
    pub p: Vec<f32>,
    /// The weighted terms that were summed: text, mutual relation, types; each over the classes. `None`: not in this system,
    /// or dropped.
    pub terms: [Option<Vec<f32>>; 3],
    /// The system has a mutual-relation term, but an entity has no graph vector.
    pub mutual_missing: bool,
    /// Attention over the bag's places, for each class.
    pub weights: Vec<Vec<f32>>,
}

impl MutualAnswer {
    /// What each term adds to the log odds of `class` against NA. Under `logits_sum` they sum to those odds.
    pub fn shares(&self, class: u32) -> [Option<f32>; 3] {
        let share = |term: &Option<Vec<f32>>| {
            let term = term.as_ref()?;
            Some(term.get(class as usize)? - term.first()?)
        };
        [
            share(&self.terms[0]),
            share(&self.terms[1]),
            share(&self.terms[2]),
        ]
    }
}

pub struct MutualModel {
    system: System,
    text: TextSide,
    mutual: Option<MutualSide>,
    types: Option<TypeSide>,
    combination: Option<Combination>,
}

impl MutualModel {
    /// Parameters `imr.{text,mr,type,comb}.*` of `params`. The parameters that two systems share start alike.
    pub fn new(
        params: &Params,
        config: &MutualConfig,
        sizes: Sizes,
        system: System,
    ) -> Result<Self> {
        let root = params.root().pp("imr");
        let n = sizes.n_classes;
        let mutual = match system.uses_mutual() {
            true => Some(MutualSide::new(
                &root.pp("mr"),
                config,
                sizes.vector_width,
                n,
            )?),
            false => None,
        };
        let types = match system.uses_types() {
            true => Some(TypeSide::new(&root.pp("type"), config, sizes.n_types, n)?),
            false => None,
        };
        let combination = match system {
            System::Base => None,
            _ => Some(Combination::new(&root.pp("comb"), config, n)?),
        };
        Ok(Self {
            system,
            text: TextSide::new(&root.pp("text"), config, n)?,
            mutual,
            types,
            combination,
        })
    }

    pub fn system(&self) -> System {
        self.system
    }

    /// Logits [B, C], the weighted terms, and attention under [`Query::Each`].
    fn run(
        &self,
        batch: &MutualBatch,
        query: Query,
        mode: Mode,
    ) -> Result<(Tensor, [Option<Tensor>; 3], Option<Tensor>)> {
        let (text, weights) = self.text.forward(&batch.bags, query, mode)?;
        let Some(combination) = &self.combination else {
            return Ok((text.clone(), [Some(text), None, None], weights));
        };
        let mutual = match &self.mutual {
            Some(side) => Some(side.forward(&batch.relations, mode)?),
            None => None,
        };
        let types = match &self.types {
            Some(side) => Some(side.forward(&batch.types, mode)?),
            None => None,
        };
        let terms = Terms {
            text,
            mutual,
            types,
            has_mutual: batch.has_mutual.clone(),
        };
        let (logits, shares) = combination.forward(&terms, mode)?;
        Ok((logits, shares, weights))
    }

    /// Logits [B, C] under each bag's gold class, for training.
    pub fn logits(&self, batch: &MutualBatch, gold: &[u32], mode: Mode) -> Result<Tensor> {
        Ok(self.run(batch, Query::Gold(gold), mode)?.0)
    }

    /// What the model says of each bag.
    pub fn predict(&self, batch: &MutualBatch) -> Result<Vec<MutualAnswer>> {
        let (logits, terms, weights) = self.run(batch, Query::Each, Mode::Infer)?;
        let Some(weights) = weights else {
            bail!("attention of every class is missing");
        };
        let p: Vec<Vec<f32>> = softmax(&logits, D::Minus1)?.to_vec2()?;
        let weights: Vec<Vec<Vec<f32>>> = weights.to_vec3()?;
        let mut of_bag = terms
            .into_iter()
            .map(|term| term.map(|t| t.to_vec2()).transpose())
            .collect::<Result<Vec<Option<Vec<Vec<f32>>>>>>()?;
        let answers = p.into_iter().zip(weights).enumerate();
        Ok(answers
            .map(|(bag, (p, mut weights))| {
                let places = batch.bags.bags()[bag].sentences.len();
                weights.iter_mut().for_each(|w| w.truncate(places));
                let missing = self.mutual.is_some() && !batch.has_mutual[bag];
                let mut term = |i: usize| {
                    let dropped = i == 1 && missing;
                    let own = of_bag[i].as_mut().map(|t| std::mem::take(&mut t[bag]));
                    own.filter(|_| !dropped)
                };
                MutualAnswer {
                    p,
                    terms: [term(0), term(1), term(2)],
                    mutual_missing: missing,
                    weights,
                }
            })
            .collect())
    }
}
