//! Trains the bag models base, naive and full (see [`crate::model::hrere`]) with the common loop.
//!
//! Three checkpoints from one seed and one set of initial tables. The paper steps two Adam instances together, text at
//! 5e-4 and knowledge base at 1e-5; one Adam with two rates is the same, as no value's update looks at another's.
//! The loop brings what the paper has not: selection by dev, and a rate that falls linearly to 0.
//!
//! Nothing here looks words up: vectors come through [`WordVectors`](crate::model::hrere::WordVectors).

use super::checkpoint::{Checkpoint, RunRecord};
use super::fit::{Ended, FitError, FitEvent, FitOptions, Surroundings, Trainable, fit};
use crate::model::complex::ComplexTables;
use crate::model::hrere::{
    Bag, BagSource, HrereConfig, JointModel, KbShape, System, insert_tables, joint_step,
};
use crate::model::mode::Mode;
use crate::model::params::Params;
use candle_core::{Device, Tensor};
use std::sync::{Mutex, PoisonError};

/// What an epoch is judged by on the dev bags, over all (bag, class other than NA).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DevScore {
    AveragePrecision,
    MaxF1,
}

/// Entity rows of the joint model.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KbEntities {
    /// As the paper does.
    Trained,
    /// They stay what ComplEx learned, so naive and full need not store them.
    Fixed,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BagOptions {
    pub fit: FitOptions,
    /// Adam's rate for `hrere.*`.
    pub text_rate: f64,
    /// Adam's rate for `kb.*`.
    pub kb_rate: f64,
    /// Whether the entities' part of `kb.*` learns.
    pub kb_entities: KbEntities,
    pub dev_score: DevScore,
}

impl Default for BagOptions {
    fn default() -> Self {
        Self {
            fit: FitOptions {
                epochs: 30,
                batch: 128,
                warmup: 0.0,
                clip: f64::MAX, // the paper does not clip
                shards: 1,      // batch norm sees the whole batch
                ..FitOptions::default()
            },
            text_rate: 5e-4,
            kb_rate: 1e-5,
            kb_entities: KbEntities::Trained,
            dev_score: DevScore::AveragePrecision,
        }
    }
}

/// Bags to learn from and to be judged by.
#[derive(Clone, Copy)]
pub struct BagData<'a> {
    pub source: BagSource<'a>,
    pub train: &'a [Bag],
    /// Empty, or without any relation: the last epoch is kept.
    pub dev: &'a [Bag],
    pub n_classes: usize,
    /// Initial `kb.*`, one relation row per class; see [`ComplexTables::restrict`].
    pub tables: &'a ComplexTables,
}

/// A bag model with its data, as the loop sees it.
pub struct BagTrainer<'a> {
    params: Params,
    model: JointModel,
    data: BagData<'a>,
    options: &'a BagOptions,
    /// (bags whose r* was NA, bags with r*) since the last epoch began.
    na: Mutex<(usize, usize)>,
}

impl<'a> BagTrainer<'a> {
    /// A fresh model: text from the loop's seed, tables as given.
    pub fn new(
        system: System,
        config: &HrereConfig,
        data: BagData<'a>,
        options: &'a BagOptions,
        device: &Device,
    ) -> candle_core::Result<Self> {
        let params = Params::new(device, options.fit.seed);
        if system != System::Base {
            insert_tables(&params, data.tables)?;
        }
        let shape = KbShape::of(data.tables);
        let model = JointModel::new(&params, config, data.n_classes, system, shape)?;
        Ok(Self {
            params,
            model,
            data,
            options,
            na: Mutex::default(),
        })
    }

    pub fn model(&self) -> &JointModel {
        &self.model
    }
    pub fn into_parts(self) -> (Params, JointModel) {
        (self.params, self.model)
    }

    /// Score of the dev bags; `None` where they hold no relation.
    pub fn dev_score(&self) -> candle_core::Result<Option<f64>> {
        let positives = self.data.dev.iter().filter(|b| b.relation != 0).count();
        if positives == 0 {
            return Ok(None);
        }
        let config = self.model.text().config();
        let bags: Vec<&Bag> = self.data.dev.iter().collect();
        let mut candidates = Vec::with_capacity(bags.len() * self.data.n_classes);
        for chunk in bags.chunks(self.options.fit.batch.max(1)) {
            let batch = self.data.source.batch(chunk, config.max_words)?;
            for (bag, said) in chunk.iter().zip(self.model.predict(&batch)?) {
                let p = said.mixed(config.mix).p;
                let relations = (0u32..).zip(p).skip(1);
                candidates.extend(relations.map(|(class, p)| (p, class == bag.relation)));
            }
        }
        let ranking = rank(candidates, positives);
        Ok(Some(match self.options.dev_score {
            DevScore::AveragePrecision => ranking.average_precision,
            DevScore::MaxF1 => ranking.max_f1,
        }))
    }

    /// Share of r* = NA since this was last asked; `None` where the system has no r*. Near 1, J_D teaches the text that
    /// nothing holds: the tables need pre-training.
    pub fn take_na_share(&self) -> Option<f64> {
        let mut seen = self.na.lock().unwrap_or_else(PoisonError::into_inner);
        let (na, all) = std::mem::take(&mut *seen);
        (all > 0).then(|| na as f64 / all as f64)
    }
}

impl Trainable for BagTrainer<'_> {
    fn params(&self) -> &Params {
        &self.params
    }
    fn n_items(&self) -> usize {
        self.data.train.len()
    }
    fn cost(&self, item: usize) -> usize {
        let source = &self.data.source;
        let mut mentions = self.data.train[item].mentions.clone();
        mentions.sort_unstable();
        mentions.dedup();
        let sentences = mentions.iter().filter_map(|&m| source.mentions.get(m));
        sentences.map(|m| source.vectors.n_words(m.sentence)).sum()
    }
    fn describe(&self, item: usize) -> String {
        let bag = &self.data.train[item];
        let source = &self.data.source;
        let first = bag.mentions.first().and_then(|&m| source.mentions.get(m));
        let of = first.map_or_else(String::new, |m| {
            format!(", first of {}", source.vectors.describe(m.sentence))
        });
        format!(
            "bag {item}: class {}, entities {} and {}{of}",
            bag.relation, bag.head, bag.tail
        )
    }
    fn loss(&self, items: &[usize], mode: Mode) -> candle_core::Result<Tensor> {
        let bags: Vec<&Bag> = items.iter().map(|&i| &self.data.train[i]).collect();
        let gold: Vec<u32> = bags.iter().map(|b| b.relation).collect();
        let max_words = self.model.text().config().max_words;
        let batch = self.data.source.batch(&bags, max_words)?;
        let (loss, terms) = joint_step(&self.model, &batch, &gold, mode)?;
        let mut seen = self.na.lock().unwrap_or_else(PoisonError::into_inner);
        let (na, all) = *seen;
        let now = terms.r_star.iter().filter(|&&r| r == 0).count();
        *seen = (na + now, all + terms.r_star.len());
        Ok(loss)
    }
    fn rate(&self, parameter: &str) -> f64 {
        let fixed = self.options.kb_entities == KbEntities::Fixed;
        if fixed && parameter.starts_with("kb.ent_") {
            0.0
        } else if parameter.starts_with("kb.") {
            self.options.kb_rate
        } else {
            self.options.text_rate
        }
    }
}

/// What the caller hears: which system, and the loop's event.
#[derive(Clone, Debug)]
pub enum BagEvent {
    Fit(System, FitEvent),
    /// After an epoch: share of training bags whose r* = argmax p_G was NA.
    NaShare(System, f64),
}

/// One trained checkpoint.
pub struct TrainedBags {
    pub system: System,
    /// `hrere.*` and, but for base, `kb.*`.
    pub params: Params,
    pub model: JointModel,
    pub record: RunRecord,
    pub ended: Ended,
}

/// The world around a run of the bag models.
pub struct BagSurroundings<'a> {
    pub observe: &'a mut dyn FnMut(BagEvent),
    pub cancelled: &'a dyn Fn() -> bool,
    /// Where each system's checkpoints go; `None` keeps none.
    pub checkpoint: &'a dyn Fn(System) -> Result<Option<Checkpoint>, FitError>,
}

/// Trains one system from `options.fit.seed`.
pub fn train_system(
    system: System,
    config: &HrereConfig,
    data: BagData,
    options: &BagOptions,
    device: &Device,
    around: &mut BagSurroundings,
) -> Result<TrainedBags, FitError> {
    let trainer = BagTrainer::new(system, config, data, options, device)?;
    let has_dev = data.dev.iter().any(|b| b.relation != 0);
    let mut dev = || {
        let score = trainer.dev_score().map_err(|e| e.to_string())?;
        score.ok_or_else(|| "the dev bags hold no relation".to_owned())
    };
    let checkpoint = (around.checkpoint)(system)?;
    let observe = &mut *around.observe;
    let mut hear = |event: FitEvent| {
        let of_epoch = matches!(event, FitEvent::Epoch { .. });
        observe(BagEvent::Fit(system, event));
        if of_epoch && let Some(share) = trainer.take_na_share() {
            tracing::info!(system = system.name(), share, "bags whose r* is NA");
            observe(BagEvent::NaShare(system, share));
        }
    };
    let mut fit_around = Surroundings {
        dev: has_dev.then_some(&mut dev as &mut dyn FnMut() -> Result<f64, String>),
        observe: &mut hear,
        cancelled: around.cancelled,
        checkpoint,
    };
    let (ended, record) = fit(&trainer, &options.fit, &mut fit_around)?;
    let (params, model) = trainer.into_parts();
    Ok(TrainedBags {
        system,
        params,
        model,
        record,
        ended,
    })
}

/// Trains base, naive and full, in this order, each from the same seed and the same tables. Stopped on request, it returns
/// the systems done and the one that was running.
pub fn train_all(
    config: &HrereConfig,
    data: BagData,
    options: &BagOptions,
    device: &Device,
    around: &mut BagSurroundings,
) -> Result<Vec<TrainedBags>, FitError> {
    let mut out = Vec::new();
    for system in System::ALL {
        let trained = train_system(system, config, data, options, device, around)?;
        let stopped = trained.ended == Ended::Stopped;
        out.push(trained);
        if stopped {
            break;
        }
    }
    Ok(out)
}

pub(super) struct Ranking {
    pub average_precision: f64,
    pub max_f1: f64,
}

/// Ranks candidates (score, correct), best first, ties in the given order (golden `metrics_ranking`).
pub(super) fn rank(mut candidates: Vec<(f32, bool)>, positives: usize) -> Ranking {
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
    let positives = positives.max(1) as f64;
    let (mut hits, mut precision_sum, mut max_f1) = (0.0, 0.0, 0f64);
    for (place, (_, correct)) in candidates.iter().enumerate() {
        if *correct {
            hits += 1.0;
            let seen = (place + 1) as f64;
            precision_sum += hits / seen;
            max_f1 = max_f1.max(2.0 * hits / (seen + positives));
        }
    }
    Ranking {
        average_precision: precision_sum / positives,
        max_f1,
    }
}

#[cfg(test)]
#[path = "bags_tests.rs"]
pub(super) mod tests;
