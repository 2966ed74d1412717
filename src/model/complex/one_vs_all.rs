//! ComplEx at strength: each question against all entities, reciprocal relations, N3 (Lacroix et al. 2018, "Canonical
//! Tensor Decomposition for Knowledge Base Completion").
//!
//! ```text
//! L = 1/N sum over facts (h, r, t) of   CE(phi(h, w_r, .), t) + CE(phi(., u_r, t), h)
//!                                     + lambda (|h|^3 + |w_r|^3 + |t|^3) + lambda (|h|^3 + |u_r|^3 + |t|^3)
//! ```
//!
//! CE is the cross-entropy of a softmax over all entities, |x|^3 the sum of cubed moduli of x's complex values. Each relation
//! has two rows, w for tails and u for heads; u is the conjugate of what the paper calls the reciprocal relation's row, since
//! phi(t, v, h) = phi(h, conj v, t). Facts that share a question are scored together: the same sum, with a third of the
//! products on FB15k-237. Adagrad moves all entities at each step. Same facts, settings and seed: same bits at any number of
//! threads.

use super::link::{KnownFacts, LinkQuality, filtered_quality};
use super::pretrain::{Ended, check_facts};
use super::questions::{Asked, Question, parted, questions};
use super::{ComplexError, ComplexTables, EntityForm, Fact, TableInit};
use crate::model::ops::{Answers, CandidateSoftmax, adagrad};
use crate::model::params::rng_for;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::Instant;

/// Entity rows that one task updates.
const ROWS: usize = 256;

/// Facts up to which a knowledge base is small.
const SMALL: usize = 20_000;

/// Settings of 1-vs-all training.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneVsAllConfig {
    /// Width of each of the two parts.
    pub dim: usize,
    /// Rows start from N(0, std).
    pub init_std: f32,
    /// Adagrad's rate.
    pub rate: f32,
    /// lambda.
    pub n3: f32,
    /// Questions a step; each brings all its answers.
    pub batch: usize,
    pub epochs: usize,
    /// Epochs between two looks at the validation facts.
    pub check_every: usize,
    /// Looks without gain before stopping.
    pub patience: usize,
    pub seed: u64,
}

impl Default for OneVsAllConfig {
    fn default() -> Self {
        Self {
            dim: 100,
            init_std: 1e-3,
            rate: 0.1,
            n3: 0.05,
            batch: 256,
            epochs: 50,
            check_every: 5,
            patience: 3,
            seed: 1,
        }
    }
}

impl OneVsAllConfig {
    /// Settings for a knowledge base of `n_facts`. A small one has few questions an entity: a fifth of the regulariser, and a
    /// start with which no step is wasted on leaving zero (tuned on UMLS' validation facts; the default on FB15k-237's).
    pub fn for_facts(n_facts: usize) -> Self {
        if n_facts > SMALL {
            return Self::default();
        }
        Self {
            init_std: 0.1,
            n3: 0.01,
            epochs: 100,
            check_every: 10,
            ..Self::default()
        }
    }

    /// Refuses settings that cannot be run, by name.
    pub fn check(&self) -> Result<(), ComplexError> {
        let refuse = |what, found: String, expected| {
            Err(ComplexError::Config {
                what,
                found,
                expected,
            })
        };
        let counts = [
            ("one_vs_all.dim", self.dim),
            ("one_vs_all.batch", self.batch),
            ("one_vs_all.epochs", self.epochs),
            ("one_vs_all.check_every", self.check_every),
        ];
        for (what, found) in counts {
            if found == 0 {
                return refuse(what, found.to_string(), "at least 1");
            }
        }
        let reals = [
            ("one_vs_all.init_std", self.init_std),
            ("one_vs_all.rate", self.rate),
            ("one_vs_all.n3", self.n3),
        ];
        for (what, found) in reals {
            if !(found.is_finite() && found >= 0.0) {
                return refuse(what, found.to_string(), "a finite number, 0 or more");
            }
        }
        Ok(())
    }
}

/// Facts that select the epoch, by filtered MRR.
#[derive(Clone, Copy)]
pub struct Validation<'a> {
    pub facts: &'a [Fact],
    /// Left out of the ranks; see [`filtered_quality`].
    pub known: &'a KnownFacts,
}

/// One epoch of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Mean over the facts' questions, regulariser included.
    pub loss: f64,
    /// Of training, without validation.
    pub seconds: f64,
    pub valid: Option<LinkQuality>,
}

impl EpochRecord {
    pub fn in_words(&self) -> String {
        let valid = self.valid.map_or(String::new(), |q| {
            format!(", valid MRR {:.4}, hits@10 {:.4}", q.mrr, q.hits_at_10)
        });
        let Self {
            epoch,
            loss,
            seconds,
            ..
        } = self;
        format!("epoch {epoch}: loss {loss:.4}{valid}, {seconds:.1} s")
    }
}

/// What the caller hears; `Break` stops.
pub enum Heard<'a> {
    Step {
        step: usize,
        steps: usize,
        loss: f32,
    },
    Epoch(&'a EpochRecord),
}

/// What training left.
pub struct Learned {
    /// Of the selected epoch.
    pub tables: ComplexTables,
    pub curve: Vec<EpochRecord>,
    /// Counts from 1.
    pub best_epoch: usize,
    pub ended: Ended,
}

/// Learns tables from `facts`; with `valid`, the epoch with the best filtered MRR, else the last.
pub fn train(
    facts: &[Fact],
    n_entities: usize,
    n_relations: usize,
    config: &OneVsAllConfig,
    valid: Option<Validation>,
    hear: &mut dyn FnMut(Heard) -> ControlFlow<()>,
) -> Result<Learned, ComplexError> {
    config.check()?;
    check_facts(facts, n_entities, n_relations)?;
    let mut learner = Learner::new(facts, n_entities, n_relations, config);
    let steps_per_epoch = learner.questions.len().div_ceil(config.batch);
    let steps = steps_per_epoch * config.epochs;
    let (mut curve, mut best) = (Vec::new(), None::<(f64, usize, ComplexTables)>);
    let mut looks_since_best = 0;
    for epoch in 1..=config.epochs {
        let began = Instant::now();
        let order = learner.order(epoch);
        let (mut sum, mut n) = (0.0, 0);
        for (at, batch) in order.chunks(config.batch).enumerate() {
            let step = (epoch - 1) * steps_per_epoch + at + 1;
            let (loss, n_answers) = learner.step(batch);
            if !loss.is_finite() {
                let loss = loss as f32;
                return Err(ComplexError::Diverged { step, loss });
            }
            (sum, n) = (sum + loss * n_answers as f64, n + n_answers);
            let loss = loss as f32;
            if hear(Heard::Step { step, steps, loss }).is_break() {
                return Ok(Learned {
                    tables: learner.tables(),
                    curve,
                    best_epoch: epoch,
                    ended: Ended::Stopped { after: step },
                });
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        let last = epoch == config.epochs;
        let look = valid
            .filter(|v| !v.facts.is_empty() && (last || epoch.is_multiple_of(config.check_every)));
        let tables = look.map(|_| learner.tables());
        let quality = look
            .zip(tables.as_ref())
            .map(|(v, tables)| filtered_quality(tables, v.facts, v.known));
        let record = EpochRecord {
            epoch,
            loss: sum / n.max(1) as f64,
            seconds,
            valid: quality,
        };
        let _ = hear(Heard::Epoch(&record));
        curve.push(record);
        if let (Some(quality), Some(tables)) = (quality, tables) {
            if best.as_ref().is_none_or(|(mrr, ..)| quality.mrr > *mrr) {
                best = Some((quality.mrr, epoch, tables));
                looks_since_best = 0;
            } else {
                looks_since_best += 1;
            }
            if looks_since_best >= config.patience {
                break;
            }
        }
    }
    let (best_epoch, tables) = match best {
        Some((_, epoch, tables)) => (epoch, tables),
        None => (config.epochs, learner.tables()),
    };
    Ok(Learned {
        tables,
        curve,
        best_epoch,
        ended: Ended::Complete,
    })
}

/// Rows with their sums of squared gradients.
struct Rows {
    values: Vec<f32>,
    sums: Vec<f32>,
}

impl Rows {
    fn new(name: &str, n: usize, config: &OneVsAllConfig) -> Self {
        let n = n * 2 * config.dim;
        let init = TableInit::Normal {
            std: config.init_std,
        };
        Self {
            values: init.draw(n, &mut rng_for(config.seed, name)),
            sums: vec![0.0; n],
        }
    }
}

struct Learner<'a> {
    config: &'a OneVsAllConfig,
    questions: Vec<(Question, Vec<u32>)>,
    n_relations: usize,
    /// [n_entities, 2 dim], each row [re | im].
    entities: Rows,
    /// [2 n_relations, 2 dim]: w of each relation, then u of each.
    relations: Rows,
    softmax: CandidateSoftmax,
    /// 1 / (answers that a batch has on average): the same for all batches, so that each fact weighs the same.
    weight: f32,
}

impl<'a> Learner<'a> {
    fn new(
        facts: &[Fact],
        n_entities: usize,
        n_relations: usize,
        config: &'a OneVsAllConfig,
    ) -> Self {
        let questions = questions(facts);
        let n_answers: usize = questions.iter().map(|(_, answers)| answers.len()).sum();
        let batch = config.batch.min(questions.len());
        Self {
            config,
            n_relations,
            entities: Rows::new("one_vs_all.entities", n_entities, config),
            relations: Rows::new("one_vs_all.relations", 2 * n_relations, config),
            softmax: CandidateSoftmax::default(),
            weight: questions.len() as f32 / (n_answers as f32 * batch as f32),
            questions,
        }
    }

    /// Questions of an epoch; depends on the seed and the epoch only.
    fn order(&self, epoch: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.questions.len() as u32).collect();
        let name = format!("one_vs_all.epoch.{epoch}");
        order.shuffle(&mut rng_for(self.config.seed, &name));
        order
    }

    fn relation_row(&self, question: Question) -> usize {
        match question.asked {
            Asked::Tail => question.relation as usize,
            Asked::Head => self.n_relations + question.relation as usize,
        }
    }

    /// One update; the mean loss of its facts' questions, and how many there were.
    fn step(&mut self, batch: &[u32]) -> (f64, usize) {
        let width = 2 * self.config.dim;
        let of_batch = || batch.iter().map(|&i| &self.questions[i as usize]);
        let asked: Vec<(Question, usize)> = of_batch()
            .map(|(question, _)| (*question, self.relation_row(*question)))
            .collect();
        let answers = Answers::new(of_batch().map(|(_, answers)| &answers[..]));
        let vectors = self.vectors(&asked);
        let data = self.softmax.loss(
            &vectors,
            &self.entities.values,
            width,
            &answers,
            self.weight,
        );
        let uses = Uses::of(of_batch(), &asked, self.entities.values.len() / width);
        let (rows, d_relations) = self.relation_gradient(&asked);
        self.add_known_gradient(&asked);
        let mut cubes = self.update_entities(&uses.of_entities);
        for (row, gradient) in rows.iter().zip(d_relations.chunks_exact(width)) {
            let mut gradient = gradient.to_vec();
            let place = row * width..(row + 1) * width;
            let values = &mut self.relations.values[place.clone()];
            let lambda = self.config.n3 * self.weight * uses.of_relations[*row];
            cubes += add_n3(values, lambda, &mut gradient);
            adagrad(
                values,
                &mut self.relations.sums[place],
                &gradient,
                self.config.rate,
            );
        }
        let share = f64::from(self.weight) * answers.len() as f64;
        ((data + cubes) / share, answers.len())
    }

    fn vectors(&self, asked: &[(Question, usize)]) -> Vec<f32> {
        let width = 2 * self.config.dim;
        let mut out = vec![0.0; asked.len() * width];
        let rows = out.par_chunks_mut(width).with_min_len(32);
        rows.zip(asked.par_iter())
            .for_each(|(out, (question, relation))| {
                let entity = row(&self.entities.values, question.known as usize, width);
                question
                    .asked
                    .vector(entity, row(&self.relations.values, *relation, width), out);
            });
        out
    }

    /// Gradient of the relation rows that were asked with: the rows, ascending, and [rows, width].
    fn relation_gradient(&self, asked: &[(Question, usize)]) -> (Vec<usize>, Vec<f32>) {
        let width = 2 * self.config.dim;
        let mut uses: Vec<(usize, usize)> = (asked.iter().enumerate())
            .map(|(i, (_, relation))| (*relation, i))
            .collect();
        uses.sort_unstable();
        let groups: Vec<&[(usize, usize)]> = uses.chunk_by(|a, b| a.0 == b.0).collect();
        let mut out = vec![0.0; groups.len() * width];
        let targets = out.par_chunks_mut(width).zip(groups.par_iter());
        targets.with_min_len(8).for_each(|(out, group)| {
            for &(_, i) in *group {
                let question = asked[i].0;
                let entity = row(&self.entities.values, question.known as usize, width);
                let slope = row(&self.softmax.d_queries, i, width);
                question.asked.add_relation_slope(slope, entity, out);
            }
        });
        (groups.iter().map(|group| group[0].0).collect(), out)
    }

    /// Adds what the entities get as the known ends of questions to what they got as candidates.
    fn add_known_gradient(&mut self, asked: &[(Question, usize)]) {
        let width = 2 * self.config.dim;
        let mut uses: Vec<(u32, usize)> = (asked.iter().enumerate())
            .map(|(i, (question, _))| (question.known, i))
            .collect();
        uses.sort_unstable();
        let CandidateSoftmax {
            d_candidates,
            d_queries,
            ..
        } = &mut self.softmax;
        for (entity, i) in uses {
            let (question, relation) = asked[i];
            let place = entity as usize * width;
            question.asked.add_entity_slope(
                row(d_queries, i, width),
                row(&self.relations.values, relation, width),
                &mut d_candidates[place..place + width],
            );
        }
    }

    /// Adds N3 and moves every entity; the regulariser's value.
    fn update_entities(&mut self, uses: &[f32]) -> f64 {
        let width = 2 * self.config.dim;
        let (scale, rate) = (self.config.n3 * self.weight, self.config.rate);
        let Rows { values, sums } = &mut self.entities;
        let parts: Vec<f64> = values
            .par_chunks_mut(ROWS * width)
            .zip(sums.par_chunks_mut(ROWS * width))
            .zip(self.softmax.d_candidates.par_chunks_mut(ROWS * width))
            .zip(uses.par_chunks(ROWS))
            .map(|(((values, sums), gradient), uses)| {
                let mut cubes = 0.0;
                let rows = values
                    .chunks_exact(width)
                    .zip(gradient.chunks_exact_mut(width));
                for ((values, gradient), uses) in rows.zip(uses) {
                    if *uses > 0.0 {
                        cubes += add_n3(values, scale * uses, gradient);
                    }
                }
                adagrad(values, sums, gradient, rate);
                cubes
            })
            .collect();
        parts.iter().sum()
    }

    fn tables(&self) -> ComplexTables {
        let dim = self.config.dim;
        let middle = self.n_relations * 2 * dim;
        let (ent_re, ent_im) = parted(&self.entities.values, dim);
        let (rel_re, rel_im) = parted(&self.relations.values[..middle], dim);
        let (head_re, head_im) = parted(&self.relations.values[middle..], dim);
        ComplexTables {
            n_entities: ent_re.len() / dim,
            n_relations: self.n_relations,
            dim,
            entity: EntityForm::Plain,
            ent_re,
            ent_im,
            rel_re,
            rel_im,
            head_re,
            head_im,
        }
    }
}

/// How often a batch's facts name each row: the weights of N3.
struct Uses {
    of_entities: Vec<f32>,
    of_relations: Vec<f32>,
}

impl Uses {
    fn of<'a>(
        batch: impl Iterator<Item = &'a (Question, Vec<u32>)>,
        asked: &[(Question, usize)],
        n_entities: usize,
    ) -> Self {
        let n_relations = asked.iter().map(|(_, row)| row + 1).max().unwrap_or(0);
        let mut uses = Self {
            of_entities: vec![0.0; n_entities],
            of_relations: vec![0.0; n_relations],
        };
        for ((question, answers), (_, relation)) in batch.zip(asked) {
            uses.of_entities[question.known as usize] += answers.len() as f32;
            uses.of_relations[*relation] += answers.len() as f32;
            for answer in answers {
                uses.of_entities[*answer as usize] += 1.0;
            }
        }
        uses
    }
}

fn row(rows: &[f32], at: usize, width: usize) -> &[f32] {
    &rows[at * width..(at + 1) * width]
}

/// Adds the gradient of `scale` |x|^3 for x = [re | im]; its value.
fn add_n3(x: &[f32], scale: f32, gradient: &mut [f32]) -> f64 {
    let middle = x.len() / 2;
    let (re, im) = x.split_at(middle);
    let (d_re, d_im) = gradient.split_at_mut(middle);
    let mut cubes = 0.0;
    for k in 0..middle {
        let modulus = (re[k] * re[k] + im[k] * im[k]).sqrt();
        cubes += modulus * modulus * modulus;
        d_re[k] += 3.0 * scale * modulus * re[k];
        d_im[k] += 3.0 * scale * modulus * im[k];
    }
    f64::from(scale * cubes)
}

#[cfg(test)]
#[path = "one_vs_all_tests.rs"]
mod tests;
