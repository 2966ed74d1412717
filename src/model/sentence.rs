//! The sentence-level model: one encoder, RIN and the kernel head on it. Loading, saving, predicting, explaining.
//!
//! The same layers train and predict; a model that only predicts has all parameters frozen, so nothing is recorded.

use super::assemble::{Candidates, PairTable, Parts, Proposals, assemble};
use super::batch::Batch;
use super::decode::{Anchor, Cell};
use super::encoded::Encoded;
use super::encoder::{Encoder, EncoderConfig, Products};
use super::files::{
    self, FilesError, Precision, Source, decode_tensors, encode_tensors, short_hash,
};
use super::kernel::{Heat, Kernel, KernelConfig, KernelScorer};
use super::labels::LabelMap;
use super::mode::Mode;
use super::params::{Missing, Params};
use super::rin::{Rin, RinConfig, RinRequest, RinSentence};
use super::rules::RulesConfig;
use super::spans::{BatchSpan, SpanConfig, Spans};
use super::tokens::{TokenError, WordPieces};
use crate::domain::prediction::KEEP_SCORE;
use crate::domain::{
    DecisionRule, DecisionRules, Prediction, RelationSchema, RunId, Sentence, TokenSpan, Triple,
};
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Version of config.json that this program writes. 2 added the span head and its rules, 3 the shapes of words.
const VERSION: u32 = 3;
/// The newest that it reads; written where relations have thresholds of their own, which an older program would pass over in silence.
const NEWEST: u32 = 4;
/// Cells of RIN kept a sentence.
const MAX_CELLS: usize = 2048;

#[derive(thiserror::Error, Debug)]
pub enum ModelError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("{place}: {reason}; expected the config.json of a redress model")]
    Config { place: String, reason: String },
    #[error(
        "{place} was written by a newer redress (model version {found}, this program reads up to {NEWEST}); update the program"
    )]
    Newer { place: String, found: u32 },
    #[error("{place}: {source}")]
    Tokens { place: String, source: TokenError },
    #[error("the model and its weights do not fit: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// config.json of a model directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    pub version: u32,
    pub encoder: EncoderConfig,
    /// Relation names of both sentence-level heads, in the order of their outputs.
    pub labels: Vec<String>,
    pub rin: Option<RinConfig>,
    pub kernel: Option<KernelConfig>,
    /// Names of the entity types that the span head tells apart; may be empty.
    #[serde(default)]
    pub entity_types: Vec<String>,
    #[serde(default)]
    pub spans: Option<SpanConfig>,
    #[serde(flatten)]
    pub rules: RulesConfig,
}

/// Which heads a model has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heads {
    pub rin: Option<RinConfig>,
    pub kernel: Option<KernelConfig>,
    pub spans: Option<SpanConfig>,
}

impl ModelConfig {
    pub fn new(encoder: EncoderConfig, labels: Vec<String>, heads: Heads) -> Self {
        Self {
            version: VERSION,
            encoder,
            labels,
            rin: heads.rin,
            kernel: heads.kernel,
            entity_types: Vec::new(),
            spans: heads.spans,
            rules: RulesConfig {
                rule: DecisionRule::default().into(),
                given: None,
                thresholds: BTreeMap::new(),
            },
        }
    }

    /// This model's labels in `schema`.
    pub fn label_map(&self, schema: &RelationSchema) -> LabelMap {
        LabelMap::new(schema, &self.labels, &self.entity_types)
    }

    pub fn rules(&self, schema: &RelationSchema) -> DecisionRules {
        self.rules.rules(schema)
    }

    /// config.json, of the version that it needs.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut config = self.clone();
        if !config.rules.thresholds.is_empty() {
            config.version = NEWEST;
        }
        serde_json::to_vec_pretty(&config)
    }

    /// "RIN emnlp K=2 + kernel"
    pub fn systems(&self) -> String {
        let mut parts = Vec::new();
        if let Some(rin) = &self.rin {
            parts.push(format!(
                "RIN {} K={}",
                format!("{:?}", rin.variant).to_lowercase(),
                rin.rounds
            ));
        }
        if self.kernel.is_some() {
            parts.push("kernel".to_owned());
        }
        if self.spans.is_some() {
            parts.push("spans".to_owned());
        }
        parts.join(" + ")
    }
}

/// Encoder and heads, built from parameters.
pub struct Layers {
    pub encoder: Encoder,
    pub rin: Option<Rin>,
    pub kernel: Option<Kernel>,
    pub spans: Option<Spans>,
}

impl Layers {
    /// Parameters that `params` has frozen by now get no gradient in these layers.
    pub fn build(params: &Params, config: &ModelConfig) -> candle_core::Result<Self> {
        let root = params.root();
        let encoder = Encoder::new(&config.encoder, &root)?;
        let (d, n) = (encoder.width(), config.labels.len());
        let rin = config
            .rin
            .as_ref()
            .map(|c| Rin::new(&root.pp("rin"), c, d, n))
            .transpose()?;
        let kernel = config
            .kernel
            .as_ref()
            .map(|c| Kernel::new(&root.pp("ker"), c, d, n))
            .transpose()?;
        let n_types = config.entity_types.len();
        let spans = config
            .spans
            .as_ref()
            .map(|c| Spans::new(&root.pp("span"), c, d, n_types))
            .transpose()?;
        Ok(Self {
            encoder,
            rin,
            kernel,
            spans,
        })
    }
}

/// A model that predicts. Shared between threads; holds no mutable state.
pub struct SentenceModel {
    pub config: ModelConfig,
    pub run: RunId,
    tokens: Arc<WordPieces>,
    layers: Layers,
    scorer: Option<KernelScorer>,
}

/// What the detail pane shows of one pair and relation.
pub struct PairExplanation {
    /// RIN's probability at the anchors before rounds 1..K and at the end.
    pub rounds: Vec<f32>,
    pub heat: Option<Heat>,
}

/// A model's files in memory: everything to predict with, train from or write.
pub struct Loaded {
    pub config: ModelConfig,
    pub tokens: Arc<WordPieces>,
    pub tensors: BTreeMap<String, Tensor>,
    pub card: Vec<u8>,
    pub run: RunId,
    /// Weights stored at 8 bits are multiplied as they are stored.
    pub products: Products,
}

impl Loaded {
    pub fn read(source: Source) -> Result<Self, ModelError> {
        let place = source.describe();
        let config_bytes = source.read(files::CONFIG)?;
        let bad = |e: serde_json::Error| ModelError::Config {
            place: place.clone(),
            reason: e.to_string(),
        };
        let raw: serde_json::Value = serde_json::from_slice(&config_bytes).map_err(bad)?;
        let found = u32::try_from(raw["version"].as_u64().unwrap_or(0)).unwrap_or(u32::MAX);
        if found > NEWEST {
            return Err(ModelError::Newer { place, found });
        }
        let config: ModelConfig = serde_json::from_value(raw).map_err(bad)?;
        let tokens =
            WordPieces::from_bytes(&source.read(files::TOKENIZER)?, config.encoder.frame())
                .map_err(|source| ModelError::Tokens {
                    place: place.clone(),
                    source,
                })?;
        let weights = source.read(files::WEIGHTS)?;
        let tensors = decode_tensors(&weights, &format!("{place}/{}", files::WEIGHTS))?;
        let run = RunId(short_hash([&*config_bytes, &*weights]));
        let card = source
            .read(files::CARD)
            .map(|c| c.into_owned())
            .unwrap_or_default();
        Ok(Self {
            config,
            tokens: Arc::new(tokens),
            tensors,
            card,
            run,
            products: match files::holds_codes(&weights) {
                true => Products::Int8,
                false => Products::F32,
            },
        })
    }
}

/// The files of a model directory, by name.
pub fn model_files(
    config: &ModelConfig,
    tokens: &WordPieces,
    tensors: &BTreeMap<String, Tensor>,
    card: &serde_json::Value,
    precision: Precision,
) -> Result<Vec<(&'static str, Vec<u8>)>, ModelError> {
    let json = |v: Result<Vec<u8>, serde_json::Error>| v.map_err(candle_core::Error::wrap);
    let place = files::TOKENIZER.to_owned();
    let tokenizer = tokens
        .to_json()
        .map_err(|source| ModelError::Tokens { place, source })?;
    Ok(vec![
        (files::CONFIG, json(config.to_json())?),
        (files::CARD, json(serde_json::to_vec_pretty(card))?),
        (files::TOKENIZER, tokenizer.into_bytes()),
        (files::WEIGHTS, encode_tensors(tensors, precision)?),
    ])
}

/// Writes a model directory as a whole.
pub fn save(
    dir: &std::path::Path,
    config: &ModelConfig,
    tokens: &WordPieces,
    tensors: &BTreeMap<String, Tensor>,
    card: &serde_json::Value,
    precision: Precision,
) -> Result<(), ModelError> {
    let files = model_files(config, tokens, tensors, card, precision)?;
    Ok(files::replace_dir(dir, files::CONFIG, &files)?)
}

impl SentenceModel {
    pub fn load(source: Source, device: &Device) -> Result<Self, ModelError> {
        Self::from_loaded(&Loaded::read(source)?, device)
    }

    pub fn from_loaded(loaded: &Loaded, device: &Device) -> Result<Self, ModelError> {
        let tensors = loaded.tensors.iter().map(|(n, t)| (n.clone(), t.clone()));
        let params = Params::from_tensors(tensors, device, Missing::Fail)?;
        let mut model = Self::from_params(
            &params,
            loaded.config.clone(),
            Arc::clone(&loaded.tokens),
            loaded.run,
        )?;
        model.layers.encoder.set_products(loaded.products);
        Ok(model)
    }

    /// A view of parameters that may still be training; predicts with their values as of now.
    pub fn from_params(
        params: &Params,
        config: ModelConfig,
        tokens: Arc<WordPieces>,
        run: RunId,
    ) -> candle_core::Result<Self> {
        params.freeze("");
        let layers = Layers::build(params, &config)?;
        let scorer = layers.kernel.as_ref().map(Kernel::scorer).transpose()?;
        Ok(Self {
            config,
            run,
            tokens,
            layers,
            scorer,
        })
    }

    pub fn tokens(&self) -> &Arc<WordPieces> {
        &self.tokens
    }
    pub fn encoder(&self) -> &Encoder {
        &self.layers.encoder
    }
    /// The screen's rule: no spans are given.
    pub fn rule(&self, schema: &RelationSchema) -> DecisionRule {
        self.config.rules(schema).predicted
    }
    fn anchor(&self) -> Anchor {
        self.config.rin.as_ref().map_or(Anchor::Last, |c| c.anchor)
    }
    fn max_pieces(&self) -> usize {
        self.layers.encoder.max_pieces()
    }

    /// One prediction a sentence, in order. `map`: this model's labels in the caller's schema. Work is shared by all
    /// cores; a sentence's numbers do not depend on its neighbours beyond rounding.
    pub fn predict(
        &self,
        sentences: &[&Sentence],
        map: &LabelMap,
    ) -> candle_core::Result<Vec<Prediction>> {
        let mut order: Vec<usize> = (0..sentences.len()).collect();
        order.sort_by_key(|i| sentences[*i].tokens.len());
        let batch = match self.layers.encoder.device().is_cpu() {
            true => CPU_BATCH,
            false => GPU_BATCH,
        };
        let parts: Vec<Vec<(usize, Prediction)>> = order
            .par_chunks(batch)
            .map(|group| {
                let batch: Vec<&Sentence> = group.iter().map(|i| sentences[*i]).collect();
                let predictions = self.predict_batch(&batch, map)?;
                Ok(group.iter().copied().zip(predictions).collect())
            })
            .collect::<candle_core::Result<_>>()?;
        let mut all: Vec<(usize, Prediction)> = parts.into_iter().flatten().collect();
        all.sort_by_key(|(i, _)| *i);
        Ok(all.into_iter().map(|(_, p)| p).collect())
    }

    fn predict_batch(
        &self,
        sentences: &[&Sentence],
        map: &LabelMap,
    ) -> candle_core::Result<Vec<Prediction>> {
        let batch = Batch::new(
            sentences.iter().map(|s| s.words()),
            &self.tokens,
            self.max_pieces(),
        );
        if batch.layout.total_words() == 0 {
            // Nothing but empty sentences.
            return Ok(sentences.iter().map(|s| self.nothing(s)).collect());
        }
        let encoded = self.layers.encoder.forward(&batch, Mode::Infer)?;
        let rin = self.rin_sentences(&encoded, sentences, map)?;
        let found = self.candidates(&encoded, sentences, rin.as_deref(), map)?;
        let spans: Vec<Vec<TokenSpan>> = found.iter().map(|c| c.spans.clone()).collect();
        let kernel = self
            .scorer
            .as_ref()
            .map(|k| k.score_pairs(&encoded, &spans))
            .transpose()?;
        let parts = found.into_iter().enumerate().map(|(b, candidates)| {
            let gold: Vec<Triple> = sentences[b].gold.iter().map(|g| g.triple).collect();
            let table = kernel.as_ref().map(|k| PairTable {
                p: &k[b].values,
                n_labels: k[b].n_relations,
            });
            let parts = Parts {
                sentence: sentences[b].id,
                run: self.run,
                covered: encoded.layout.n_words(b),
                candidates,
                rin: rin.as_ref().map(|r| &r[b]),
                anchor: self.anchor(),
                kernel: table,
                gold: &gold,
                // Scores only: nothing is decided here.
                rule: self.config.rules.rule.into(),
            };
            assemble(parts, map)
        });
        Ok(parts.collect())
    }

    fn rin_sentences(
        &self,
        encoded: &Encoded,
        sentences: &[&Sentence],
        map: &LabelMap,
    ) -> candle_core::Result<Option<Vec<RinSentence>>> {
        let watch: Vec<Cell> = (0..sentences.len())
            .flat_map(|b| self.gold_cells(b, sentences[b], encoded.layout.n_words(b), map))
            .collect();
        let request = RinRequest {
            keep: KEEP_SCORE,
            max_cells: MAX_CELLS,
            watch: &watch,
        };
        let rin = self.layers.rin.as_ref();
        rin.map(|r| r.predict(encoded, &request)).transpose()
    }

    /// Candidate spans, decided by the span head where there is one.
    fn candidates(
        &self,
        encoded: &Encoded,
        sentences: &[&Sentence],
        rin: Option<&[RinSentence]>,
        map: &LabelMap,
    ) -> candle_core::Result<Vec<Candidates>> {
        let proposals = match self.layers.spans {
            Some(_) => Proposals::SpanHead,
            None => Proposals::Tags,
        };
        let found = sentences.iter().enumerate().map(|(b, s)| {
            let own: Vec<TokenSpan> = s.entities.iter().map(|e| e.span).collect();
            let (rin, n_words) = (rin.map(|r| &r[b]), encoded.layout.n_words(b));
            Candidates::new(&own, rin, self.anchor(), n_words, proposals)
        });
        let found: Vec<Candidates> = found.collect();
        let Some(head) = &self.layers.spans else {
            return Ok(found);
        };
        let spans: Vec<BatchSpan> = found
            .iter()
            .enumerate()
            .flat_map(|(sentence, c)| {
                c.spans
                    .iter()
                    .map(move |&span| BatchSpan { sentence, span })
            })
            .collect();
        let scores = head.predict(encoded, &spans)?;
        let mut rest = &scores[..];
        let decided = found.into_iter().map(|candidates| {
            let (own, others) = rest.split_at(candidates.spans.len());
            rest = others;
            candidates.decide(own, map)
        });
        Ok(decided.collect())
    }

    fn nothing(&self, sentence: &Sentence) -> Prediction {
        Prediction {
            sentence: sentence.id,
            run: self.run,
            covered: 0,
            entities: Vec::new(),
            triples: Vec::new(),
        }
    }

    /// Cells of the gold triples: their probabilities are reported however small.
    fn gold_cells(
        &self,
        sentence: usize,
        s: &Sentence,
        n_words: usize,
        map: &LabelMap,
    ) -> Vec<Cell> {
        let cell = |t: Triple| {
            let (head, tail) = (self.anchor().of(t.head), self.anchor().of(t.tail));
            let relation = map.label(t.relation)?;
            (head < n_words && tail < n_words).then_some(Cell {
                sentence,
                head,
                tail,
                relation,
            })
        };
        s.gold.iter().filter_map(|g| cell(g.triple)).collect()
    }

    /// Why the heads say what they say of one pair. `None` when a span lies beyond what the encoder saw.
    pub fn explain(
        &self,
        sentence: &Sentence,
        head: TokenSpan,
        tail: TokenSpan,
        label: usize,
    ) -> candle_core::Result<Option<PairExplanation>> {
        let batch = Batch::new([sentence.words()], &self.tokens, self.max_pieces());
        if head.end().max(tail.end()) > batch.layout.n_words(0) {
            return Ok(None);
        }
        let encoded = self.layers.encoder.forward(&batch, Mode::Infer)?;
        let mut rounds = Vec::new();
        if let Some(rin) = &self.layers.rin {
            let cell = Cell {
                sentence: 0,
                head: self.anchor().of(head),
                tail: self.anchor().of(tail),
                relation: label,
            };
            let request = RinRequest {
                keep: 1.0,
                max_cells: 0,
                watch: &[cell],
            };
            rounds = rin
                .predict(&encoded, &request)?
                .remove(0)
                .watched
                .remove(0)
                .1;
        }
        let kernel = self.layers.kernel.as_ref();
        let heat = kernel
            .map(|k| k.heat(&encoded, 0, head, tail, label))
            .transpose()?;
        Ok(Some(PairExplanation { rounds, heat }))
    }
}

/// Sentences a forward pass holds: enough to fill the matrix kernels, small enough to stay in the caches.
const CPU_BATCH: usize = 8;
/// On a GPU each operation costs a launch, however few rows it has.
const GPU_BATCH: usize = 64;
