//! RIN, the kernel head and the span head on one encoder, trained together on sentences.
//!
//! Joint loss (specs/bank section 4, ours): a L_rin / n_words + b L_ker + c L_span, weights by [`LossWeights`]: L_rin is a sum over
//! cells, the others are means. The spans that RIN's tags wrongly propose at this very step are the span head's hard negatives
//! and, the likeliest of them, unrelated entities for the kernel head: it trains on what it will meet.

use super::examples::{Example, LabelledPair};
use super::fit::Trainable;
use super::spans::SpanTargets;
use crate::domain::TokenSpan;
use crate::model::assemble::{MAX_PROPOSED, PROPOSE};
use crate::model::batch::Batch;
use crate::model::decode::{N_TAGS, likely_spans};
use crate::model::encoded::BatchLayout;
use crate::model::encoder::EncoderConfig;
use crate::model::gold::{Gold, SpanTriple};
use crate::model::kernel::KernelTargets;
use crate::model::mode::Mode;
use crate::model::params::{Params, rng_for};
use crate::model::rin::{Lost, RinTargets};
use crate::model::sentence::{Layers, ModelConfig};
use crate::model::tokens::WordPieces;
use candle_core::{D, DType, Result, Tensor};
use rand::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Learning rates and what is left alone.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SentenceRates {
    /// Top layer of the encoder.
    pub encoder: f64,
    /// Each lower layer's rate is the one above it times this.
    pub layer_decay: f64,
    pub heads: f64,
    /// Keep the encoder's embedding tables: half the parameters, rarely worth moving on thousands of sentences.
    pub freeze_embeddings: bool,
}

impl Default for SentenceRates {
    fn default() -> Self {
        Self {
            encoder: 1e-4,
            layer_decay: 0.9,
            heads: 1e-3,
            freeze_embeddings: true,
        }
    }
}

/// What each head's loss is multiplied by in the joint one. But for clipping, an update does not depend on a loss's scale, so
/// this only decides which head the shared encoder listens to.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossWeights {
    pub rin: f64,
    /// Unset: the number of relations. The kernel head's loss is a mean over them and RIN's a sum, so with many relations the
    /// encoder would hardly hear the kernel head.
    pub kernel: Option<f64>,
    pub spans: f64,
}

impl Default for LossWeights {
    fn default() -> Self {
        Self {
            rin: 1.0,
            kernel: None,
            spans: 1.0,
        }
    }
}

/// Sentences and the model that learns from them.
pub struct SentenceTrainer {
    pub config: ModelConfig,
    pub params: Params,
    pub tokens: Arc<WordPieces>,
    examples: Vec<Example>,
    layers: Layers,
    rates: SentenceRates,
    losses: LossWeights,
}

impl SentenceTrainer {
    /// Parameters that `params` lacks (new heads) are drawn by its seed.
    pub fn new(
        config: ModelConfig,
        params: Params,
        tokens: Arc<WordPieces>,
        examples: Vec<Example>,
        rates: SentenceRates,
        losses: LossWeights,
    ) -> Result<Self> {
        if rates.freeze_embeddings && matches!(config.encoder, EncoderConfig::Bert(_)) {
            params.freeze("enc.embeddings.");
        }
        if config.kernel.is_none() {
            params.freeze("enc.pooler.");
        }
        let layers = Layers::build(&params, &config)?;
        Ok(Self {
            config,
            params,
            tokens,
            examples,
            layers,
            rates,
            losses,
        })
    }

    /// What RIN's table cannot express of the training labels: recall that no training can reach.
    pub fn lost(&self) -> Lost {
        let mut lost = Lost::default();
        let Some(rin) = &self.config.rin else {
            return lost;
        };
        for example in &self.examples {
            let batch = self.batch(std::slice::from_ref(&example));
            let triples = Triples::new(example);
            lost += RinTargets::default().push(
                batch.layout.n_words(0),
                triples.gold(example, &[]),
                rin.anchor,
            );
        }
        lost
    }

    /// Every parameter by name, as it is now; they share storage with what goes on training.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let all = self.params.all().into_iter();
        all.map(|(name, var)| (name, var.as_tensor().clone()))
            .collect()
    }

    fn batch(&self, examples: &[&Example]) -> Batch {
        let words = examples.iter().map(|e| e.words.iter().map(String::as_str));
        Batch::new(words, &self.tokens, self.layers.encoder.max_pieces())
    }

    fn n_layers(&self) -> usize {
        match &self.config.encoder {
            EncoderConfig::Bert(bert) => bert.sizes().map_or(1, |s| s.num_hidden_layers),
            EncoderConfig::BiLstm(_) => 1,
        }
    }
}

/// Triples of an example in the heads' own form.
struct Triples {
    positives: Vec<SpanTriple>,
    unsure: Vec<SpanTriple>,
}

impl Triples {
    fn new(example: &Example) -> Self {
        let form =
            |pairs: &[LabelledPair]| pairs.iter().map(|p| (p.head, p.label, p.tail)).collect();
        Self {
            positives: form(&example.positives),
            unsure: form(&example.masked),
        }
    }
    /// `distractors`: spans that are no entities, for the kernel head.
    fn gold<'a>(&'a self, example: &'a Example, distractors: &'a [TokenSpan]) -> Gold<'a> {
        Gold {
            entities: &example.entities,
            triples: &self.positives,
            unsure: &self.unsure,
            distractors,
            ..Gold::default()
        }
    }
}

impl Trainable for SentenceTrainer {
    fn params(&self) -> &Params {
        &self.params
    }
    fn n_items(&self) -> usize {
        self.examples.len()
    }
    fn cost(&self, item: usize) -> usize {
        self.examples[item].words.len()
    }
    fn describe(&self, item: usize) -> String {
        format!("sentence {}", self.examples[item].id)
    }

    fn rate(&self, parameter: &str) -> f64 {
        let Some(encoder) = parameter.strip_prefix("enc.") else {
            return self.rates.heads;
        };
        // A new table among published ones.
        if encoder.starts_with("shapes.") {
            return self.rates.heads;
        }
        let layer = encoder
            .strip_prefix("encoder.layer.")
            .and_then(|r| r.split('.').next()?.parse::<usize>().ok());
        let below_top = match layer {
            Some(layer) => self.n_layers().saturating_sub(1 + layer),
            None if encoder.starts_with("embeddings.") => self.n_layers(),
            None => 0,
        };
        self.rates.encoder * self.rates.layer_decay.powi(below_top as i32)
    }

    fn loss(&self, items: &[usize], mode: Mode) -> Result<Tensor> {
        let examples: Vec<&Example> = items.iter().map(|i| &self.examples[*i]).collect();
        let batch = self.batch(&examples);
        let encoded = self.layers.encoder.forward(&batch, mode)?;
        let layout = &encoded.layout;
        let triples: Vec<Triples> = examples.iter().map(|e| Triples::new(e)).collect();
        // Sampled negatives follow the run's own stream, so a resumed run draws the same ones.
        let drawn = mode.rng().map_or(0, |rng| rng.borrow_mut().random());
        let mut rng = rng_for(drawn, "negatives");
        let mut losses: Vec<Tensor> = Vec::new();
        let mut wrong: Vec<Vec<TokenSpan>> = vec![Vec::new(); examples.len()];
        if let (Some(rin), Some(config)) = (&self.layers.rin, &self.config.rin) {
            let mut targets = RinTargets::default();
            for (b, example) in examples.iter().enumerate() {
                let gold = triples[b].gold(example, &[]);
                targets.push(layout.n_words(b), gold, config.anchor);
            }
            let output = rin.forward(&encoded, mode)?;
            if self.layers.spans.is_some() {
                wrong = wrong_proposals(&output.tag_logits, layout, &examples)?;
            }
            losses.push((output.loss(&targets)?.per_word()? * self.losses.rin)?);
        }
        if let Some(kernel) = &self.layers.kernel {
            let keep = self.config.spans.as_ref().map_or(0, |c| c.distractors);
            let mut targets = KernelTargets::default();
            for (b, example) in examples.iter().enumerate() {
                let gold = triples[b].gold(example, &wrong[b][..keep.min(wrong[b].len())]);
                targets.push(layout.n_words(b), gold, kernel.config().neg_pairs, &mut rng);
            }
            if let Some(loss) = kernel.loss(&encoded, &targets.pairs)? {
                let relations = kernel.n_relations() as f64;
                losses.push((loss * self.losses.kernel.unwrap_or(relations))?);
            }
        }
        if let Some(head) = &self.layers.spans {
            let mut targets = SpanTargets::default();
            for (b, example) in examples.iter().enumerate() {
                let n_words = layout.n_words(b);
                targets.push(n_words, example, &wrong[b], head.config(), &mut rng);
            }
            if !targets.spans.is_empty() {
                let loss = head.loss(&encoded, &targets.spans, &targets.targets, mode)?;
                losses.push((loss * self.losses.spans)?);
            }
        }
        let mut losses = losses.into_iter();
        match losses.next() {
            Some(first) => losses.try_fold(first, |sum, loss| sum + loss),
            // A batch without pairs for a kernel-only model teaches nothing, but is no error.
            None => encoded.words.sum_all()? * 0.0,
        }
    }
}

/// Each sentence's proposed spans that are no entities, likeliest first.
fn wrong_proposals(
    tag_logits: &Tensor,
    layout: &BatchLayout,
    examples: &[&Example],
) -> Result<Vec<Vec<TokenSpan>>> {
    let p = candle_nn::ops::softmax(&tag_logits.detach(), D::Minus1)?;
    let p: Vec<Vec<f32>> = p.to_dtype(DType::F32)?.to_vec2()?;
    let p: Vec<[f32; N_TAGS]> = p.iter().map(|p| std::array::from_fn(|t| p[t])).collect();
    let of_sentence = |(b, example): (usize, &&Example)| {
        let words = layout.word_starts[b]..layout.word_starts[b + 1];
        likely_spans(&p[words], PROPOSE, MAX_PROPOSED)
            .into_iter()
            .map(|(span, _)| span)
            .filter(|span| example.entities.binary_search(span).is_err())
            .collect()
    };
    Ok(examples.iter().enumerate().map(of_sentence).collect())
}

#[cfg(test)]
#[path = "sentence_tests.rs"]
mod tests;
