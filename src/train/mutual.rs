//! Trains the mutual-relation systems (see [`crate::model::mutual`]) with the common loop.
//!
//! Four checkpoints from one seed: what two systems share starts alike. The released code steps plain SGD at 0.35 and picks
//! its epoch by the test score; here it is Adam, a rate that falls to 0, and selection by dev (specs: imr 8). Entities'
//! vectors are input and never trained.

use super::bags::{DevScore, rank};
use super::checkpoint::{Checkpoint, RunRecord};
use super::fit::{Ended, FitError, FitEvent, FitOptions, Surroundings, Trainable, fit};
use crate::model::hrere::bags::pair_bags;
use crate::model::hrere::{Bag, BagSource, PairMention};
use crate::model::mode::Mode;
use crate::model::mutual::{
    EntityFacts, MutualBatch, MutualConfig, MutualModel, Sizes, System, VectorRows, class_weights,
    weighted_cross_entropy,
};
use crate::model::params::Params;
use candle_core::{Device, Tensor};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MutualOptions {
    pub fit: FitOptions,
    /// Adam's rate.
    pub rate: f64,
    pub dev_score: DevScore,
}

impl Default for MutualOptions {
    fn default() -> Self {
        Self {
            fit: FitOptions {
                epochs: 15,
                batch: 64,
                warmup: 0.05,
                patience: 4,
                ..FitOptions::default()
            },
            rate: 1e-3,
            dev_score: DevScore::AveragePrecision,
        }
    }
}

/// A pair with all its sentences, as it is asked: it may have several relations or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AskedPair {
    pub bag: Bag,
    /// Classes that hold, ascending, NA not among them.
    pub gold: Vec<u32>,
}

/// Every ordered pair of `mentions` with all its mentions.
pub fn asked_pairs(mentions: &[PairMention]) -> Vec<AskedPair> {
    let bags = pair_bags(mentions, usize::MAX).into_iter();
    bags.map(|bag| {
        let of_bag = bag.mentions.iter().filter_map(|m| mentions.get(*m));
        let gold: BTreeSet<u32> = of_bag.flat_map(|m| &m.relations).copied().collect();
        AskedPair {
            gold: gold.into_iter().collect(),
            bag,
        }
    })
    .collect()
}

/// Bags to learn from and to be judged by.
#[derive(Clone, Copy)]
pub struct MutualData<'a> {
    pub source: BagSource<'a>,
    /// By the numbers in bags.
    pub entities: &'a [EntityFacts],
    pub vectors: &'a VectorRows,
    pub train: &'a [Bag],
    /// Without any relation: the last epoch is kept.
    pub dev: &'a [AskedPair],
    pub sizes: Sizes,
}

impl MutualData<'_> {
    /// Training mentions of each class, those of NA bags as NA.
    fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.sizes.n_classes];
        for bag in self.train {
            if let Some(count) = counts.get_mut(bag.relation as usize) {
                *count += bag.mentions.len() as u64;
            }
        }
        counts
    }
}

/// One system with its data, as the loop sees it.
pub struct MutualTrainer<'a> {
    params: Params,
    model: MutualModel,
    config: &'a MutualConfig,
    data: MutualData<'a>,
    options: &'a MutualOptions,
    weights: Vec<f32>,
}

impl<'a> MutualTrainer<'a> {
    /// A fresh model from the loop's seed.
    pub fn new(
        system: System,
        config: &'a MutualConfig,
        data: MutualData<'a>,
        options: &'a MutualOptions,
        device: &Device,
    ) -> candle_core::Result<Self> {
        let params = Params::new(device, options.fit.seed);
        let model = MutualModel::new(&params, config, data.sizes, system)?;
        Ok(Self {
            weights: class_weights(&data.counts(), config.class_weight),
            params,
            model,
            config,
            data,
            options,
        })
    }

    fn batch(&self, bags: &[&Bag]) -> candle_core::Result<MutualBatch> {
        let data = &self.data;
        let most = self.config.max_words;
        MutualBatch::new(&data.source, data.entities, data.vectors, bags, most)
    }

    /// Score of the dev pairs; `None` where they hold no relation.
    pub fn dev_score(&self) -> candle_core::Result<Option<f64>> {
        let positives: usize = self.data.dev.iter().map(|p| p.gold.len()).sum();
        if positives == 0 {
            return Ok(None);
        }
        let mut candidates = Vec::new();
        for chunk in self.data.dev.chunks(self.options.fit.batch.max(1)) {
            let bags: Vec<&Bag> = chunk.iter().map(|p| &p.bag).collect();
            let answers = self.model.predict(&self.batch(&bags)?)?;
            for (pair, answer) in chunk.iter().zip(answers) {
                let classes = (0u32..).zip(answer.p).skip(1);
                candidates.extend(classes.map(|(c, p)| (p, pair.gold.contains(&c))));
            }
        }
        let ranking = rank(candidates, positives);
        Ok(Some(match self.options.dev_score {
            DevScore::AveragePrecision => ranking.average_precision,
            DevScore::MaxF1 => ranking.max_f1,
        }))
    }

    pub fn model(&self) -> &MutualModel {
        &self.model
    }
}

impl Trainable for MutualTrainer<'_> {
    fn params(&self) -> &Params {
        &self.params
    }
    fn n_items(&self) -> usize {
        self.data.train.len()
    }
    fn cost(&self, item: usize) -> usize {
        let source = &self.data.source;
        let mentions = self.data.train[item].mentions.iter();
        let sentences = mentions.filter_map(|&m| source.mentions.get(m));
        sentences.map(|m| source.vectors.n_words(m.sentence)).sum()
    }
    fn describe(&self, item: usize) -> String {
        let bag = &self.data.train[item];
        let source = &self.data.source;
        let first = bag.mentions.first().and_then(|&m| source.mentions.get(m));
        let place = first.map_or_else(String::new, |m| source.vectors.describe(m.sentence));
        format!("bag {item}: class {}, first of {place}", bag.relation)
    }
    fn loss(&self, items: &[usize], mode: Mode) -> candle_core::Result<Tensor> {
        let bags: Vec<&Bag> = items.iter().map(|&i| &self.data.train[i]).collect();
        let gold: Vec<u32> = bags.iter().map(|b| b.relation).collect();
        let logits = self.model.logits(&self.batch(&bags)?, &gold, mode)?;
        weighted_cross_entropy(&logits, &gold, &self.weights)
    }
    fn rate(&self, _parameter: &str) -> f64 {
        self.options.rate
    }
}

/// One trained checkpoint.
pub struct TrainedMutual {
    pub system: System,
    pub params: Params,
    pub record: RunRecord,
    pub ended: Ended,
}

/// The world around a run of one system.
pub struct MutualSurroundings<'a> {
    pub observe: &'a mut dyn FnMut(FitEvent),
    pub cancelled: &'a dyn Fn() -> bool,
    pub checkpoint: Option<Checkpoint>,
}

/// Trains one system from `options.fit.seed`.
pub fn train_mutual(
    system: System,
    config: &MutualConfig,
    data: MutualData,
    options: &MutualOptions,
    device: &Device,
    around: MutualSurroundings,
) -> Result<TrainedMutual, FitError> {
    let trainer = MutualTrainer::new(system, config, data, options, device)?;
    let has_dev = data.dev.iter().any(|p| !p.gold.is_empty());
    let mut dev = || {
        let score = trainer.dev_score().map_err(|e| e.to_string())?;
        score.ok_or_else(|| "the dev pairs hold no relation".to_owned())
    };
    let mut around = Surroundings {
        dev: has_dev.then_some(&mut dev as &mut dyn FnMut() -> Result<f64, String>),
        observe: around.observe,
        cancelled: around.cancelled,
        checkpoint: around.checkpoint,
    };
    let (ended, record) = fit(&trainer, &options.fit, &mut around)?;
    Ok(TrainedMutual {
        system,
        params: trainer.params,
        record,
        ended,
    })
}

#[cfg(test)]
#[path = "mutual_tests.rs"]
mod tests;
