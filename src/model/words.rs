//! Fixed word vectors for the bag models: the mean of an encoder's input embeddings over a word's pieces.
//!
//! They stand in for HRERE's GloVe 840B.300d, which is a download of gigabytes that this program does not need: the
//! encoder's own piece table is at hand, covers every word, and does not know the sentence. Vectors are scaled by one
//! number so that the table's root mean square is [`SIZE`], near that of the position embeddings (uniform 0 to 1) that
//! stand beside them; BERT's own are ten times smaller and would drown.

use super::hrere::WordVectors;
use super::sentence::SentenceModel;
use super::tokens::WordPieces;
use crate::domain::{ByteSpan, Sentence, SentenceId};
use candle_core::{D, Device, Result, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// Root mean square of the scaled table.
const SIZE: f64 = 0.5;
/// Words remembered (12 MB at width 384). Past this the memory starts again.
const MAX_CACHED: usize = 8192;
/// Longer words are not worth remembering.
const MAX_CACHED_BYTES: usize = 48;

/// Vectors of single words. Shared between threads by reference.
pub struct PieceVectors {
    tokens: Arc<WordPieces>,
    /// [pieces, width], the encoder's own storage.
    table: Tensor,
    scale: f32,
    cache: RwLock<HashMap<Box<str>, Arc<[f32]>>>,
}

impl PieceVectors {
    /// Vectors of `model`'s piece table, times `scale`.
    pub fn new(model: &SentenceModel, scale: f32) -> Self {
        Self {
            tokens: Arc::clone(model.tokens()),
            table: model.encoder().piece_vectors().detach(),
            scale,
            cache: RwLock::default(),
        }
    }

    /// The factor that gives `model`'s table the root mean square [`SIZE`]; 1 for a table of zeros.
    pub fn natural_scale(model: &SentenceModel) -> Result<f32> {
        let table = model.encoder().piece_vectors().detach();
        let rows: Vec<f32> = table.sqr()?.mean(D::Minus1)?.to_vec1()?;
        let sum: f64 = rows.iter().map(|r| f64::from(*r)).sum();
        let size = (sum / rows.len().max(1) as f64).sqrt();
        Ok(if size > 0.0 && size.is_finite() {
            (SIZE / size) as f32
        } else {
            1.0
        })
    }

    pub fn width(&self) -> usize {
        self.table.dims().last().copied().unwrap_or(0)
    }
    pub fn device(&self) -> &Device {
        self.table.device()
    }

    /// One vector a word.
    pub fn of<'a>(
        &self,
        words: impl IntoIterator<Item = &'a str>,
    ) -> Result<HashMap<&'a str, Arc<[f32]>>> {
        let mut found: HashMap<&str, Arc<[f32]>> = HashMap::new();
        let mut new: BTreeMap<&str, Arc<[u32]>> = BTreeMap::new();
        {
            let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
            for word in words {
                match cache.get(word) {
                    Some(vector) => {
                        found.insert(word, Arc::clone(vector));
                    }
                    None => {
                        new.entry(word).or_insert_with(|| self.tokens.pieces(word));
                    }
                }
            }
        }
        if new.is_empty() {
            return Ok(found);
        }
        let ids: Vec<u32> = new.values().flat_map(|p| p.iter().copied()).collect();
        let ids = Tensor::new(ids, self.device())?;
        let rows: Vec<f32> = self.table.index_select(&ids, 0)?.flatten_all()?.to_vec1()?;
        let width = self.width().max(1);
        let mut rows = rows.chunks_exact(width);
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        for (word, pieces) in new {
            let mut mean = vec![0f32; width];
            let share = self.scale / pieces.len().max(1) as f32;
            for row in rows.by_ref().take(pieces.len()) {
                mean.iter_mut().zip(row).for_each(|(m, x)| *m += share * x);
            }
            let vector: Arc<[f32]> = mean.into();
            if word.len() <= MAX_CACHED_BYTES {
                if cache.len() >= MAX_CACHED {
                    cache.clear();
                }
                cache.insert(word.into(), Arc::clone(&vector));
            }
            found.insert(word, vector);
        }
        Ok(found)
    }
}

/// What a bag keeps of a sentence: its leading words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BagSentence {
    pub id: SentenceId,
    /// "train.json line 12", for messages.
    pub place: Box<str>,
    text: Box<str>,
    tokens: Box<[ByteSpan]>,
}

impl BagSentence {
    /// The first `max_words` words and the text up to their end.
    pub fn new(sentence: &Sentence, max_words: usize) -> Self {
        let n = sentence.tokens.len().min(max_words);
        let tokens = &sentence.tokens[..n];
        let end = tokens.last().map_or(0, |t| t.end());
        Self {
            id: sentence.id,
            place: format!("{} line {}", sentence.file, sentence.line).into(),
            text: sentence.text.get(..end).unwrap_or_default().into(),
            tokens: tokens.into(),
        }
    }

    pub fn words(&self) -> impl ExactSizeIterator<Item = &str> {
        let word = |t: &ByteSpan| self.text.get(t.range()).unwrap_or_default();
        self.tokens.iter().map(word)
    }
}

/// [`WordVectors`] of a list of sentences.
pub struct SentenceVectors<'a> {
    pub vectors: &'a PieceVectors,
    pub sentences: &'a [BagSentence],
}

impl SentenceVectors<'_> {
    fn sentence(&self, index: usize) -> Result<&BagSentence> {
        match self.sentences.get(index) {
            Some(sentence) => Ok(sentence),
            None => candle_core::bail!("sentence {index} of {}", self.sentences.len()),
        }
    }
}

impl WordVectors for SentenceVectors<'_> {
    fn look_up(&self, sentences: &[usize], max_words: usize) -> Result<(Tensor, Vec<usize>)> {
        let words: Vec<Vec<&str>> = sentences
            .iter()
            .map(|s| Ok(self.sentence(*s)?.words().take(max_words).collect()))
            .collect::<Result<_>>()?;
        let vectors = self.vectors.of(words.iter().flatten().copied())?;
        // A sentence without words is one word of zeros: the text side needs at least one.
        let lengths: Vec<usize> = words.iter().map(|w| w.len().max(1)).collect();
        let longest = lengths.iter().copied().max().unwrap_or(1);
        let width = self.vectors.width();
        let mut values = vec![0f32; sentences.len() * longest * width];
        for (own, words) in values.chunks_mut((longest * width).max(1)).zip(&words) {
            for (slot, word) in own.chunks_mut(width.max(1)).zip(words) {
                if let Some(vector) = vectors.get(word) {
                    slot.copy_from_slice(vector);
                }
            }
        }
        let shape = (sentences.len(), longest, width);
        let tensor = Tensor::from_vec(values, shape, self.vectors.device())?;
        Ok((tensor, lengths))
    }

    fn n_words(&self, sentence: usize) -> usize {
        self.sentences.get(sentence).map_or(1, |s| s.tokens.len())
    }

    fn describe(&self, sentence: usize) -> String {
        match self.sentences.get(sentence) {
            Some(s) => format!("sentence {} ({})", s.id, s.place),
            None => format!("sentence {sentence}"),
        }
    }
}
