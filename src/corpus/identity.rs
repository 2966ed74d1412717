//! Stable sentence ids.
//!
//! The id is the hash of the words and, if the file gives one, the native id; equal ones within one import are told
//! apart by their ordinal. File names and line numbers do not enter, so a moved, reordered or re-spaced file gives
//! the same ids. The words enter beside a native id because two corpora may both have a sentence "17", and because
//! corrections count tokens: they must not be applied to another text that took over the number.

use crate::domain::SentenceId;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Hands out ids for the sentences of one import. Sixteen bytes a sentence.
#[derive(Default)]
pub struct Identities {
    seen: HashMap<u64, u32>,
}

impl Identities {
    /// The id, and how many equal sentences came before this one.
    pub fn assign(&mut self, text: &str, native_id: Option<&str>) -> (SentenceId, u32) {
        let key = key(text, native_id);
        let count = self.seen.entry(key).or_insert(0);
        let ordinal = *count;
        *count = count.saturating_add(1);
        (SentenceId(with_ordinal(key, ordinal)), ordinal)
    }
}

/// The id of a sentence that stands alone.
pub fn single(text: &str, native_id: Option<&str>) -> SentenceId {
    SentenceId(with_ordinal(key(text, native_id), 0))
}

/// The id of the sentence that has the words and native id of `first` and `ordinal` equal ones before it.
pub fn again(first: SentenceId, ordinal: u32) -> SentenceId {
    SentenceId(with_ordinal(first.0, ordinal))
}

fn with_ordinal(key: u64, ordinal: u32) -> u64 {
    if ordinal == 0 {
        return key;
    }
    let mut hash = Sha256::new();
    hash.update(b"again\0");
    hash.update(key.to_be_bytes());
    hash.update(ordinal.to_be_bytes());
    first_eight(hash)
}

fn key(text: &str, native_id: Option<&str>) -> u64 {
    let mut hash = Sha256::new();
    hash.update(b"sentence\0");
    if let Some(native) = native_id {
        hash.update(b"native\0");
        hash.update((native.len() as u64).to_be_bytes());
        hash.update(native.as_bytes());
    }
    for word in text.split_whitespace() {
        hash.update(b" ");
        hash.update(word.as_bytes());
    }
    first_eight(hash)
}

fn first_eight(hash: Sha256) -> u64 {
    let digest = hash.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |id, byte| id << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_words_native_id_and_ordinal_only() {
        let ids = |inputs: &[(&str, Option<&str>)]| -> Vec<_> {
            let mut identities = Identities::default();
            inputs
                .iter()
                .map(|(text, native)| identities.assign(text, *native))
                .collect()
        };
        let first = ids(&[
            ("a b", None),
            ("a b", None),
            ("a b", Some("1")),
            ("c", Some("1")),
            ("ab", None),
        ]);
        let distinct: std::collections::HashSet<_> = first.iter().map(|(id, _)| *id).collect();
        assert_eq!(distinct.len(), 5);
        assert_eq!(
            first.iter().map(|(_, n)| *n).collect::<Vec<_>>(),
            [0, 1, 0, 0, 0]
        );
        let again = ids(&[("c", Some("1")), ("a\r\n b ", None)]);
        assert_eq!(again[0], first[3]);
        assert_eq!(again[1], first[0]);
        assert_eq!(single("a b", None), first[0].0);
        assert_eq!(super::again(first[0].0, 1), first[1].0);
    }

    #[test]
    fn ids_stay_the_same_from_version_to_version() {
        // A changed value here orphans every correction that users have made.
        assert_eq!(
            single("Ada lives here .", None).to_string(),
            "39eb10429a31a8ca"
        );
        assert_eq!(
            single("Ada lives here .", Some("7")).to_string(),
            "f4cc12fd0840f9de"
        );
    }
}
