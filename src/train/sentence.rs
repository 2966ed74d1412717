//! RIN and the kernel head on one encoder, trained together on sentences.
//!
//! Joint loss (specs/bank section 4, ours): L_rin / n_words + L_ker, since L_rin is a sum over cells and L_ker a mean.

use super::examples::{Example, LabelledPair};
use super::fit::Trainable;
use crate::model::batch::Batch;
use crate::model::encoder::EncoderConfig;
use crate::model::gold::{Gold, SpanTriple};
use crate::model::kernel::{KernelTargets, NegPairs};
use crate::model::mode::Mode;
use crate::model::params::{Params, rng_for};
use crate::model::rin::{Lost, RinTargets};
use crate::model::sentence::{Layers, ModelConfig};
use crate::model::tokens::WordPieces;
use candle_core::{Result, Tensor};
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

/// Sentences and the model that learns from them.
pub struct SentenceTrainer {
    pub config: ModelConfig,
    pub params: Params,
    pub tokens: Arc<WordPieces>,
    examples: Vec<Example>,
    layers: Layers,
    rates: SentenceRates,
}

impl SentenceTrainer {
    /// Parameters that `params` lacks (new heads) are drawn by its seed.
    pub fn new(
        config: ModelConfig,
        params: Params,
        tokens: Arc<WordPieces>,
        examples: Vec<Example>,
        rates: SentenceRates,
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
                triples.gold(example),
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
    fn gold<'a>(&'a self, example: &'a Example) -> Gold<'a> {
        Gold {
            entities: &example.entities,
            triples: &self.positives,
            unsure: &self.unsure,
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
        let (mut rin_targets, mut kernel_targets) =
            (RinTargets::default(), KernelTargets::default());
        let negatives = self
            .config
            .kernel
            .as_ref()
            .map_or(NegPairs::None, |k| k.neg_pairs);
        // Sampled negatives follow the run's own stream, so a resumed run draws the same ones.
        let mut rng = match mode {
            Mode::Train(rng) => rng_for(rng.borrow_mut().random(), "negatives"),
            Mode::Infer => rng_for(0, "negatives"),
        };
        for (b, example) in examples.iter().enumerate() {
            let triples = Triples::new(example);
            let n_words = layout.n_words(b);
            if let Some(rin) = &self.config.rin {
                rin_targets.push(n_words, triples.gold(example), rin.anchor);
            }
            kernel_targets.push(n_words, triples.gold(example), negatives, &mut rng);
        }
        let mut total: Option<Tensor> = None;
        let mut add = |loss: Tensor| -> Result<()> {
            total = Some(match total.take() {
                None => loss,
                Some(sum) => (sum + loss)?,
            });
            Ok(())
        };
        if let Some(rin) = &self.layers.rin {
            add(rin
                .forward(&encoded, mode)?
                .loss(&rin_targets)?
                .per_word()?)?;
        }
        if let Some(kernel) = &self.layers.kernel
            && let Some(loss) = kernel.loss(&encoded, &kernel_targets.pairs)?
        {
            add(loss)?;
        }
        match total {
            Some(loss) => Ok(loss),
            // A batch without pairs for a kernel-only model teaches nothing, but is no error.
            None => encoded.words.sum_all()? * 0.0,
        }
    }
}
