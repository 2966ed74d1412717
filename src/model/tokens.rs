//! Word pieces of given words.
//!
//! Words come from the corpus and keep their boundaries: each is tokenised on its own, so a word's pieces are known and a
//! prediction can always be drawn back onto the text. Knows no batch and no tensor.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use tokenizers::Tokenizer;

/// Words remembered between sentences; beyond it the cache starts anew rather than grow with a hostile corpus.
const CACHE: usize = 200_000;
/// A longer word is a paste accident or an attack; its head stands for it.
const MAX_WORD_BYTES: usize = 256;

#[derive(thiserror::Error, Debug)]
pub enum TokensError {
    #[error("tokenizer.json cannot be read: {0}")]
    Load(String),
    #[error("tokenizer.json has no {0} token")]
    Special(&'static str),
}

/// A WordPiece tokenizer with its special pieces.
pub struct WordPieces {
    tokenizer: Tokenizer,
    json: Vec<u8>,
    cache: RwLock<HashMap<String, Arc<[u32]>>>,
    pub cls: u32,
    pub sep: u32,
    pub unknown: u32,
}

impl WordPieces {
    /// From the bytes of a tokenizer.json with [CLS], [SEP] and [UNK].
    pub fn from_json(json: &[u8]) -> Result<Self, TokensError> {
        let mut tokenizer =
            Tokenizer::from_bytes(json).map_err(|e| TokensError::Load(e.to_string()))?;
        // Length is bounded in batches, at word boundaries; the file's own truncation would cut inside a word.
        tokenizer
            .with_truncation(None)
            .map_err(|e| TokensError::Load(e.to_string()))?;
        tokenizer.with_padding(None);
        let special = |name| {
            tokenizer
                .token_to_id(name)
                .ok_or(TokensError::Special(name))
        };
        let (cls, sep, unknown) = (special("[CLS]")?, special("[SEP]")?, special("[UNK]")?);
        Ok(Self {
            tokenizer,
            json: json.to_vec(),
            cache: RwLock::default(),
            cls,
            sep,
            unknown,
        })
    }

    /// The file it was made from, to be stored with a model.
    pub fn json(&self) -> &[u8] {
        &self.json
    }
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// Never empty: a word that has no piece (a control character, say) is [UNK].
    pub fn pieces(&self, word: &str) -> Arc<[u32]> {
        if let Some(found) = self.cache.read().ok().and_then(|c| c.get(word).cloned()) {
            return found;
        }
        let end = (0..=MAX_WORD_BYTES.min(word.len()))
            .rev()
            .find(|i| word.is_char_boundary(*i));
        let head = &word[..end.unwrap_or(0)];
        let ids = match self.tokenizer.encode_fast(head, false) {
            Ok(encoding) if !encoding.get_ids().is_empty() => Arc::from(encoding.get_ids()),
            _ => Arc::from([self.unknown].as_slice()),
        };
        if let Ok(mut cache) = self.cache.write() {
            if cache.len() >= CACHE {
                cache.clear();
            }
            cache.insert(word.to_owned(), Arc::clone(&ids));
        }
        ids
    }
}
