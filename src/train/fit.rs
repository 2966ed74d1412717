//! The training loop: batches, loss, clipping, update, selection on dev, checkpoints. Readable in one sitting.
//!
//! The loop emits events and never prints. Everything random depends on (seed, what, step) alone, so a run that was
//! interrupted at any step and resumed gives the same bits as one that was not.

use super::checkpoint::{Checkpoint, CheckpointError, Progressed, RunRecord};
use super::optim::{
    Adam, AdamConfig, Gradients, Schedule, accumulate, clip_scale, global_norm, gradients,
};
use crate::model::mode::Mode;
use crate::model::nudge::Nudge;
use crate::model::params::{Params, rng_for};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What the loop needs of a model and its data. Items are training sentences or bags, addressed by position.
pub trait Trainable: Sync {
    fn params(&self) -> &Params;
    fn n_items(&self) -> usize;
    /// Relative cost of an item (words or pieces); items of like cost share a batch.
    fn cost(&self, item: usize) -> usize;
    /// Names an item for a person: "sentence 00af… (train.json line 12)".
    fn describe(&self, item: usize) -> String;
    /// Mean loss over the batch, a scalar that can be differentiated.
    fn loss(&self, items: &[usize], mode: Mode) -> candle_core::Result<Tensor>;
    /// Learning rate of a parameter by name before the schedule; 0 leaves it alone.
    fn rate(&self, parameter: &str) -> f64;
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FitOptions {
    pub epochs: u32,
    pub batch: usize,
    pub seed: u64,
    /// Fraction of all steps over which the rate climbs; then it falls linearly to 0.
    pub warmup: f64,
    /// Global-norm clip.
    pub clip: f64,
    pub weight_decay: f64,
    /// How far each sentence's input vectors are moved against the model in a second pass of every step; 0: no second pass. See [`crate::model::nudge`].
    pub adversarial: f64,
    /// Epochs without gain on dev before stopping.
    pub patience: u32,
    /// Parts of a batch that are computed side by side and added up. Fixed by this setting, not by the machine's cores, so
    /// that bits do not depend on them. 1 for models whose batch statistics must see the whole batch.
    pub shards: usize,
    /// Minutes between checkpoints inside an epoch.
    pub checkpoint_minutes: f64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            epochs: 8,
            batch: 16,
            seed: 1,
            warmup: 0.1,
            clip: 5.0,
            weight_decay: 0.0,
            adversarial: 0.0,
            patience: 30,
            shards: 2,
            checkpoint_minutes: 5.0,
        }
    }
}

impl FitOptions {
    /// As a device wants it: a GPU has no use for parts side by side, each of which costs it as many launches as the whole.
    pub fn on(self, device: &Device) -> Self {
        Self {
            shards: if device.is_cpu() { self.shards } else { 1 },
            ..self
        }
    }
}

#[derive(Clone, Debug)]
pub enum FitEvent {
    /// Training continues a checkpoint.
    Resumed {
        epoch: u32,
        step: u64,
    },
    Step {
        epoch: u32,
        step: u64,
        total: u64,
        loss: f32,
        items_per_second: f64,
        remaining: Duration,
    },
    /// `score` is what selection on dev looked at; `best` if no earlier epoch was better.
    Epoch {
        epoch: u32,
        loss: f32,
        score: Option<f64>,
        best: bool,
        seconds: f64,
    },
    Saved {
        step: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All epochs, or patience ran out. The model has the selected epoch's weights.
    Finished,
    /// Stopped on request; a checkpoint holds everything.
    Stopped,
}

#[derive(thiserror::Error, Debug)]
pub enum FitError {
    #[error(
        "nothing to train on: no sentence of the train split has entities and labels that the model knows"
    )]
    NoData,
    #[error(
        "the loss became {loss} in epoch {epoch}, batch {batch} ({items}); the last checkpoint is from before it. \
             Lower the learning rate, or look at these sentences."
    )]
    NotFinite {
        loss: f32,
        epoch: u32,
        batch: usize,
        items: String,
    },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("model: {0}")]
    Model(#[from] candle_core::Error),
    #[error("scoring on dev failed: {0}")]
    Dev(String),
}

/// The world around the loop.
pub struct Surroundings<'a> {
    /// Selection score on dev, larger is better; `None` selects the last epoch.
    pub dev: Option<&'a mut dyn FnMut() -> Result<f64, String>>,
    pub observe: &'a mut dyn FnMut(FitEvent),
    pub cancelled: &'a dyn Fn() -> bool,
    /// Where checkpoints go; `None` keeps none (fine-tuning of seconds).
    pub checkpoint: Option<Checkpoint>,
}

/// Trains in place and leaves the selected epoch's weights in the model's parameters. The record tells each epoch's loss and score.
/// The checkpoint stays, also of a finished run: the caller removes it once the model is on disk, not before.
pub fn fit(
    model: &dyn Trainable,
    options: &FitOptions,
    around: &mut Surroundings,
) -> Result<(Ended, RunRecord), FitError> {
    if model.n_items() == 0 {
        return Err(FitError::NoData);
    }
    let mut run = Run::start(model, options, around)?;
    while run.at.epoch < options.epochs && !run.out_of_patience() {
        match run.epoch(around)? {
            Ended::Stopped => {
                run.save(around)?;
                return Ok((Ended::Stopped, run.at.record));
            }
            Ended::Finished => run.save(around)?,
        }
    }
    run.take_best()?;
    Ok((Ended::Finished, run.at.record))
}

struct Run<'a> {
    model: &'a dyn Trainable,
    options: &'a FitOptions,
    trained: Vec<(String, Var)>,
    adam: Adam,
    schedule: Schedule,
    steps_per_epoch: u64,
    at: Progressed,
    /// Weights of the best epoch so far.
    best: Option<BTreeMap<String, Tensor>>,
    started: Instant,
    items_done: u64,
    saved: Instant,
}

impl<'a> Run<'a> {
    fn start(
        model: &'a dyn Trainable,
        options: &'a FitOptions,
        around: &mut Surroundings,
    ) -> Result<Self, FitError> {
        let params = model.params();
        let trained: Vec<_> = params
            .all()
            .into_iter()
            .filter(|(name, _)| !params.is_frozen(name) && model.rate(name) > 0.0)
            .collect();
        let steps_per_epoch = model.n_items().div_ceil(options.batch.max(1)) as u64;
        let total = steps_per_epoch * u64::from(options.epochs);
        let adam = AdamConfig {
            weight_decay: options.weight_decay,
            ..AdamConfig::default()
        };
        let mut run = Run {
            model,
            options,
            trained,
            adam: Adam::new(adam),
            schedule: Schedule::WarmupLinear {
                warmup: (total as f64 * options.warmup) as u64,
                total,
            },
            steps_per_epoch,
            at: Progressed::default(),
            best: None,
            started: Instant::now(),
            items_done: 0,
            saved: Instant::now(),
        };
        if let Some(checkpoint) = &around.checkpoint
            && let Some(found) = checkpoint.load(params.device())?
        {
            for (name, var) in &run.trained {
                var.set(found.weight(name, var)?)?;
            }
            run.adam.restore(found.at.step, &found.moments)?;
            run.best = found.best;
            run.at = found.at;
            (around.observe)(FitEvent::Resumed {
                epoch: run.at.epoch,
                step: run.at.step,
            });
        }
        Ok(run)
    }

    fn epoch(&mut self, around: &mut Surroundings) -> Result<Ended, FitError> {
        let began = Instant::now();
        let batches = self.batches();
        while self.at.batch < batches.len() {
            if (around.cancelled)() {
                return Ok(Ended::Stopped);
            }
            let loss = self.step(&batches[self.at.batch])?;
            self.at.batch += 1;
            self.at.loss_sum += f64::from(loss);
            (around.observe)(self.step_event(loss));
            if self.saved.elapsed().as_secs_f64() > self.options.checkpoint_minutes * 60.0 {
                self.save(around)?;
            }
        }
        self.end_of_epoch(batches.len(), began, around)?;
        Ok(Ended::Finished)
    }

    fn step(&mut self, items: &[usize]) -> Result<f32, FitError> {
        let size = items.len().div_ceil(self.options.shards.max(1)).max(1);
        let run: &Self = self;
        let shards: Vec<(f32, Gradients)> = items
            .par_chunks(size)
            .enumerate()
            .map(|(i, shard)| run.shard(i, shard, shard.len() as f64 / items.len() as f64))
            .collect::<candle_core::Result<_>>()?;
        let (mut loss, mut grads) = (0.0, Gradients::new());
        for (value, more) in shards {
            loss += value;
            accumulate(&mut grads, more)?;
        }
        if !loss.is_finite() {
            let items = items
                .iter()
                .map(|i| self.model.describe(*i))
                .collect::<Vec<_>>()
                .join(", ");
            let (epoch, batch) = (self.at.epoch + 1, self.at.batch + 1);
            return Err(FitError::NotFinite {
                loss,
                epoch,
                batch,
                items,
            });
        }
        let scale = clip_scale(global_norm(&grads)?, self.options.clip);
        let factor = self.schedule.factor(self.at.step);
        self.adam.step(&self.trained, &grads, scale, |name| {
            factor * self.model.rate(name)
        })?;
        self.at.step += 1;
        self.items_done += items.len() as u64;
        Ok(loss)
    }

    /// Loss and gradients of one part of a batch, both times `weight`, its share of the batch.
    fn shard(
        &self,
        number: usize,
        items: &[usize],
        weight: f64,
    ) -> candle_core::Result<(f32, Gradients)> {
        let name = format!("dropout {} {number}", self.at.step);
        let rng = RefCell::new(rng_for(self.options.seed, &name));
        if self.options.adversarial <= 0.0 {
            let (value, grads, _) = self.pass(items, weight, Mode::Train(&rng))?;
            return Ok((value, grads));
        }
        // The mean of the loss as it is and as it is after the move.
        let nudge = Nudge::new(self.options.adversarial);
        let mode = Mode::Adversarial(&rng, &nudge);
        let (mut value, mut grads, store) = self.pass(items, weight / 2.0, mode)?;
        if let Some(mut store) = store {
            nudge.find(&mut store)?;
            drop(store);
            let (moved, more, _) = self.pass(items, weight / 2.0, mode)?;
            value += moved;
            accumulate(&mut grads, more)?;
        }
        Ok((value, grads))
    }

    /// Loss and gradients of one pass, and what else the backward pass found; no gradients where the loss is not finite.
    fn pass(
        &self,
        items: &[usize],
        weight: f64,
        mode: Mode,
    ) -> candle_core::Result<(f32, Gradients, Option<GradStore>)> {
        let loss = (self.model.loss(items, mode)? * weight)?;
        let value: f32 = loss.to_dtype(candle_core::DType::F32)?.to_scalar()?;
        if !value.is_finite() {
            return Ok((value, Gradients::new(), None));
        }
        let mut store = loss.backward()?;
        let grads = gradients(&self.trained, &mut store)?;
        Ok((value, grads, Some(store)))
    }

    fn end_of_epoch(
        &mut self,
        n_batches: usize,
        began: Instant,
        around: &mut Surroundings,
    ) -> Result<(), FitError> {
        let loss = (self.at.loss_sum / n_batches.max(1) as f64) as f32;
        let score = match &mut around.dev {
            Some(dev) => Some(dev().map_err(FitError::Dev)?),
            None => None,
        };
        // Strictly better: among equals the earliest epoch is kept. Without dev the last epoch is.
        let best = match (score, self.at.record.best_score) {
            (Some(now), Some(before)) => now > before,
            _ => true,
        };
        self.at.epoch += 1;
        if best {
            self.at.record.best_score = score;
            self.at.record.best_epoch = self.at.epoch;
            self.best = Some(self.snapshot()?);
        }
        let seconds = began.elapsed().as_secs_f64();
        self.at.record.epochs.push((loss, score));
        self.at.batch = 0;
        self.at.loss_sum = 0.0;
        (around.observe)(FitEvent::Epoch {
            epoch: self.at.epoch,
            loss,
            score,
            best,
            seconds,
        });
        Ok(())
    }

    /// Batches of one epoch: shuffled, items of like cost together so that padding is small, batches shuffled again.
    fn batches(&self) -> Vec<Vec<usize>> {
        let mut rng = rng_for(self.options.seed, &format!("epoch {}", self.at.epoch));
        let size = self.options.batch.max(1);
        let mut items: Vec<usize> = (0..self.model.n_items()).collect();
        items.shuffle(&mut rng);
        let mut batches = Vec::new();
        for pool in items.chunks_mut(size * 16) {
            pool.sort_by_key(|i| self.model.cost(*i));
            batches.extend(pool.chunks(size).map(<[usize]>::to_vec));
        }
        batches.shuffle(&mut rng);
        batches
    }

    fn step_event(&self, loss: f32) -> FitEvent {
        let total = self.steps_per_epoch * u64::from(self.options.epochs);
        let rate = self.items_done as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
        let left = (total.saturating_sub(self.at.step)) as f64 * self.options.batch as f64;
        let remaining = Duration::try_from_secs_f64(left / rate).unwrap_or(Duration::MAX);
        FitEvent::Step {
            epoch: self.at.epoch + 1,
            step: self.at.step,
            total,
            loss,
            items_per_second: rate,
            remaining,
        }
    }

    fn out_of_patience(&self) -> bool {
        self.at.record.best_score.is_some()
            && self.at.epoch - self.at.record.best_epoch >= self.options.patience
    }

    /// Copies: the optimizer updates the variables in place.
    fn snapshot(&self) -> candle_core::Result<BTreeMap<String, Tensor>> {
        self.trained
            .iter()
            .map(|(n, v)| Ok((n.clone(), v.as_tensor().copy()?.detach())))
            .collect()
    }

    fn take_best(&mut self) -> candle_core::Result<()> {
        if let Some(best) = &self.best {
            for (name, var) in &self.trained {
                var.set(&best[name])?;
            }
        }
        Ok(())
    }

    fn save(&mut self, around: &mut Surroundings) -> Result<(), FitError> {
        if let Some(checkpoint) = &around.checkpoint {
            let weights = self
                .trained
                .iter()
                .map(|(n, v)| (n.clone(), v.as_tensor().clone()))
                .collect();
            let moments = self.adam.state()?.1;
            checkpoint.save(&self.at, &weights, &moments, self.best.as_ref())?;
            (around.observe)(FitEvent::Saved { step: self.at.step });
        }
        self.saved = Instant::now();
        Ok(())
    }
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
