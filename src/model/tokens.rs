//! Word pieces of given words.
//!
//! A corpus's words are fixed (spans count them), so each word is cut on its own and every piece belongs to exactly one
//! word. Corpus text is data: a word spelled `[SEP]` is cut like any other. Loading takes a Hugging Face
//! `tokenizer.json`; [`WordPieces::train`] makes a vocabulary for encoders without one. Packing into batches: `batch`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::{AddedToken, NormalizedString, Normalizer, NormalizerWrapper, Tokenizer, Trainer};

/// Bytes of a word that are looked at; more is noise (a data URL, a line without spaces).
const MAX_WORD_BYTES: usize = 1024;
/// Words remembered with their pieces. Past this the memory starts again, so a hostile corpus cannot fill it.
const MAX_CACHED: usize = 1 << 17;
/// Longer words are not worth remembering.
const MAX_CACHED_BYTES: usize = 48;
/// Characters of a word that a trained vocabulary takes apart; tokenizers' own limit.
const MAX_TRAINED_CHARS: usize = 100;

const UNKNOWN: &str = "[UNK]";
const PADDING: &str = "[PAD]";

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error(
        "{path}: cannot be read as a tokenizer ({reason}); expected a Hugging Face tokenizer.json"
    )]
    Unreadable { path: PathBuf, reason: String },
    #[error("the tokenizer is not in Hugging Face's tokenizer.json form: {0}")]
    Malformed(String),
    #[error("the tokenizer has no token `{0}`, which this encoder needs")]
    NoToken(&'static str),
    #[error("a vocabulary of {wanted} pieces cannot be trained: {reason}")]
    Training { wanted: usize, reason: String },
}

/// What stands around a sentence's pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `[CLS]` pieces `[SEP]`, as BERT was trained.
    ClsSep,
    Bare,
}

/// Cuts words into pieces, with a memory of words seen. Shared between threads by reference.
pub struct WordPieces {
    tokenizer: Tokenizer,
    unknown: u32,
    frame: Option<(u32, u32)>,
    cache: RwLock<HashMap<Box<str>, Arc<[u32]>>>,
}

impl WordPieces {
    pub fn from_file(path: &Path, frame: Frame) -> Result<Self, TokenError> {
        let unreadable = |reason: String| TokenError::Unreadable {
            path: path.to_owned(),
            reason,
        };
        let bytes = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
        let tokenizer = Tokenizer::from_bytes(bytes).map_err(|e| unreadable(e.to_string()))?;
        Self::new(tokenizer, frame)
    }

    /// From the bytes of a `tokenizer.json`.
    pub fn from_bytes(bytes: &[u8], frame: Frame) -> Result<Self, TokenError> {
        let tokenizer =
            Tokenizer::from_bytes(bytes).map_err(|e| TokenError::Malformed(e.to_string()))?;
        Self::new(tokenizer, frame)
    }

    fn new(mut tokenizer: Tokenizer, frame: Frame) -> Result<Self, TokenError> {
        // Many published files cut and pad to 128 pieces; words would grow tails of [PAD].
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|e| TokenError::Malformed(e.to_string()))?;
        // A word that looks like a special token is text.
        tokenizer.set_encode_special_tokens(true);
        let id = |token| {
            tokenizer
                .token_to_id(token)
                .ok_or(TokenError::NoToken(token))
        };
        let unknown = id(UNKNOWN)?;
        let frame = match frame {
            Frame::ClsSep => Some((id("[CLS]")?, id("[SEP]")?)),
            Frame::Bare => None,
        };
        Ok(Self {
            tokenizer,
            unknown,
            frame,
            cache: RwLock::default(),
        })
    }

    /// A cased WordPiece vocabulary of at most `size` pieces from a corpus's words, each piece seen at least twice.
    /// The same words in any order give the same vocabulary.
    pub fn train<'a>(
        words: impl IntoIterator<Item = &'a str>,
        size: usize,
    ) -> Result<Self, TokenError> {
        let failed = |reason: String| TokenError::Training {
            wanted: size,
            reason,
        };
        let normalizer = BertNormalizer::new(true, false, Some(false), false);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for word in words {
            let mut text = NormalizedString::from(cut(word));
            normalizer
                .normalize(&mut text)
                .map_err(|e| failed(e.to_string()))?;
            if !text.is_empty() && text.get().chars().count() <= MAX_TRAINED_CHARS {
                *counts.entry(text.get().to_owned()).or_default() += 1;
            }
        }
        let alphabet = alphabet(&counts, size / 4);
        if alphabet.is_empty() {
            return Err(failed(
                "no words were given, or the size is below 4".to_owned(),
            ));
        }
        // tokenizers numbers continuing characters in hash order, which changes from run to run and decides ties
        // between merges; given as special tokens they have fixed numbers.
        let fixed: Vec<AddedToken> = [PADDING.to_owned(), UNKNOWN.to_owned()]
            .into_iter()
            .chain(alphabet.iter().map(|c| format!("##{c}")))
            .map(|token| AddedToken::from(token, true))
            .collect();
        let mut trainer = WordPieceTrainer::builder()
            .vocab_size(size)
            .min_frequency(2)
            .show_progress(false)
            .special_tokens(fixed)
            .limit_alphabet(alphabet.len())
            .initial_alphabet(alphabet.iter().copied().collect())
            .build();
        let occurrences = counts
            .iter()
            .flat_map(|(word, n)| std::iter::repeat_n(word.as_str(), *n));
        trainer
            .feed(occurrences, |word| Ok(vec![word.to_owned()]))
            .map_err(|e| failed(e.to_string()))?;
        let mut model = WordPiece::default();
        trainer
            .train(&mut model)
            .map_err(|e| failed(e.to_string()))?;
        let mut tokenizer = Tokenizer::new(model);
        tokenizer
            .with_normalizer(Some(NormalizerWrapper::BertNormalizer(normalizer)))
            .map_err(|e| failed(e.to_string()))?;
        Self::new(tokenizer, Frame::Bare)
    }

    /// The `tokenizer.json` that [`WordPieces::from_bytes`] reads back.
    pub fn to_json(&self) -> Result<String, TokenError> {
        let text = self.tokenizer.to_string(true);
        text.map_err(|e| TokenError::Malformed(e.to_string()))
    }

    /// One more than the largest piece number: rows an embedding table needs.
    pub fn n_ids(&self) -> usize {
        let vocabulary = self.tokenizer.get_vocab(true);
        vocabulary.values().max().map_or(0, |id| *id as usize + 1)
    }

    pub fn frame(&self) -> Option<(u32, u32)> {
        self.frame
    }

    /// Pieces of one word, never none: a word that leaves no piece (a control character, say) is `[UNK]`.
    pub fn pieces(&self, word: &str) -> Arc<[u32]> {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(pieces) = cache.get(word) {
            return pieces.clone();
        }
        drop(cache);
        let pieces = self.cut_word(word);
        if word.len() <= MAX_CACHED_BYTES {
            let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
            if cache.len() >= MAX_CACHED {
                cache.clear();
            }
            cache.insert(word.into(), pieces.clone());
        }
        pieces
    }

    /// Whether "A" and "a" are one to it.
    pub fn ignores_case(&self) -> bool {
        self.pieces("A") == self.pieces("a")
    }

    fn cut_word(&self, word: &str) -> Arc<[u32]> {
        match self.tokenizer.encode_fast(cut(word), false) {
            Ok(encoding) if !encoding.get_ids().is_empty() => encoding.get_ids().into(),
            // The tokenizer's only failure on text is a missing [UNK], which `new` rules out.
            _ => Arc::new([self.unknown]),
        }
    }
}

/// The start of a word that is looked at.
fn cut(word: &str) -> &str {
    let mut end = word.len().min(MAX_WORD_BYTES);
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    &word[..end]
}

/// The `limit` most frequent characters; equal counts fall to the smaller character.
fn alphabet(counts: &BTreeMap<String, usize>, limit: usize) -> BTreeSet<char> {
    let mut characters: BTreeMap<char, usize> = BTreeMap::new();
    for (word, n) in counts {
        for c in word.chars() {
            *characters.entry(c).or_default() += n;
        }
    }
    let mut ranked: Vec<(char, usize)> = characters.into_iter().collect();
    ranked.sort_by_key(|(c, n)| (std::cmp::Reverse(*n), *c));
    ranked.into_iter().take(limit).map(|(c, _)| c).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::params::rng_for;
    use rand::RngCore;

    /// A small BERT-like tokenizer.json: lower case, BERT's punctuation rules, padding and truncation as published files have.
    pub(crate) fn bert_json() -> String {
        let words = [
            "[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##a", "##b", "b", "paris", "in", "france",
            "was", "born", ".", "mar", "##ie", "-", "[", "]", "sep", "to", "##wn",
        ];
        let vocabulary: serde_json::Map<String, serde_json::Value> = words
            .iter()
            .zip(0..)
            .map(|(w, i)| ((*w).to_owned(), i.into()))
            .collect();
        let special: Vec<_> = (0..4)
            .map(|i| {
                serde_json::json!({"id": i, "content": words[i], "special": true, "single_word": false,
                    "lstrip": false, "rstrip": false, "normalized": false})
            })
            .collect();
        serde_json::json!({
            "version": "1.0",
            "truncation": {"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
            "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null,
                "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
            "added_tokens": special,
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                "strip_accents": null, "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": null, "decoder": null,
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": vocabulary},
        })
        .to_string()
    }

    pub(crate) fn bert() -> WordPieces {
        WordPieces::from_bytes(bert_json().as_bytes(), Frame::ClsSep).unwrap()
    }

    #[test]
    fn words_are_cut_alone_and_never_vanish() {
        let pieces = bert();
        let table: &[(&str, &[u32])] = &[
            ("Paris", &[8]),
            ("Marie", &[14, 15]),
            ("abab", &[4, 6, 5, 6]),
            ("Paris-France.", &[8, 16, 10, 13]),
            ("[SEP]", &[17, 19, 18]),
            ("", &[1]),
            ("\u{1}\u{7f}", &[1]),
            ("   ", &[1]),
            ("zzz", &[1]),
            ("été", &[1]),
        ];
        for (word, expected) in table {
            assert_eq!(&*pieces.pieces(word), *expected, "{word:?}");
            assert_eq!(&*pieces.pieces(word), *expected, "{word:?} from memory");
        }
        assert_eq!(pieces.n_ids(), 22);
        assert_eq!(pieces.frame(), Some((2, 3)));
    }

    #[test]
    fn case_is_ignored_by_published_lower_casing_and_not_by_a_trained_vocabulary() {
        assert!(bert().ignores_case());
        let words = ["A", "a", "Ab", "ab"].repeat(4);
        assert!(!WordPieces::train(words, 40).unwrap().ignores_case());
    }

    #[test]
    fn a_megabyte_word_costs_little() {
        assert!(bert().pieces(&".".repeat(1 << 20)).len() <= MAX_WORD_BYTES);
        assert!(bert().pieces(&"é".repeat(1 << 20)).len() <= MAX_WORD_BYTES);
    }

    fn corpus() -> Vec<&'static str> {
        let text = "the mayor of Springfield met the mayor of Shelbyville in Springfield , the town of towns . München ✓";
        text.split(' ').cycle().take(90).collect()
    }

    #[test]
    fn training_is_the_same_each_time_and_round_trips() {
        let words = corpus();
        let first = WordPieces::train(words.iter().copied(), 200).unwrap();
        let mut shuffled = words.clone();
        let mut rng = rng_for(1, "shuffle");
        shuffled.sort_by_cached_key(|_| rng.next_u64());
        let json = first.to_json().unwrap();
        for _ in 0..3 {
            let again = WordPieces::train(shuffled.iter().copied(), 200).unwrap();
            assert_eq!(again.to_json().unwrap(), json);
        }
        let back = WordPieces::from_bytes(json.as_bytes(), Frame::Bare).unwrap();
        for word in ["Springfield", "unseen", "Springs", "München", "😀"] {
            assert_eq!(first.pieces(word), back.pieces(word), "{word}");
        }
        assert_eq!(first.pieces("Springfield").len(), 1);
        assert!(first.pieces("Springs").len() > 1);
        assert_eq!(&*first.pieces("😀"), &[first.unknown]);
        assert!(first.n_ids() <= 200);
    }

    #[test]
    fn problems_are_told() {
        let message = |r: Result<WordPieces, TokenError>| r.err().unwrap().to_string();
        assert!(message(WordPieces::train([], 100)).contains("no words"));
        assert!(message(WordPieces::from_bytes(b"{}", Frame::Bare)).contains("tokenizer.json"));
        let absent = Path::new("/nonexistent/tokenizer.json");
        assert!(message(WordPieces::from_file(absent, Frame::Bare)).contains("nonexistent"));
        let trained = WordPieces::train(corpus(), 100).unwrap().to_json().unwrap();
        let message = message(WordPieces::from_bytes(trained.as_bytes(), Frame::ClsSep));
        assert!(message.contains("[CLS]"), "{message}");
    }
}
