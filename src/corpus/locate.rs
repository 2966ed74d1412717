//! From a mention string to the tokens it names.
//!
//! A mention matches whole tokens only ("Haiti" is not in "Haitian"), first exactly, then without accents, then
//! without case. The caller turns every outcome but one exact match into a [`super::Problem`].

use crate::domain::{ByteSpan, TokenSpan};
use std::collections::HashMap;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How exactly the text holds a mention.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Match {
    Exact,
    /// But for accents and other marks on letters.
    Accents,
    /// But for accents and case.
    Case,
}

/// Every place of one mention; at least one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Places {
    pub spans: Vec<TokenSpan>,
    pub how: Match,
}

/// Finds mentions in one sentence; answers are remembered.
pub struct Locator<'a> {
    words: Vec<&'a str>,
    folded: [Option<Vec<String>>; 2],
    known: HashMap<String, Option<Arc<Places>>>,
}

impl<'a> Locator<'a> {
    /// `tokens` are byte spans of `text`.
    pub fn new(text: &'a str, tokens: &[ByteSpan]) -> Self {
        Self {
            words: tokens
                .iter()
                .map(|t| text.get(t.range()).unwrap_or_default())
                .collect(),
            folded: [None, None],
            known: HashMap::new(),
        }
    }

    /// All places of `mention`, `None` when the text does not hold it. `first` of the pair tells whether this is the
    /// first time that the mention is asked for, so that a problem is reported once.
    pub fn find(&mut self, mention: &str) -> (bool, Option<Arc<Places>>) {
        if let Some(known) = self.known.get(mention) {
            return (false, known.clone());
        }
        let found = self.search(mention).map(Arc::new);
        self.known.insert(mention.to_owned(), found.clone());
        (true, found)
    }

    fn search(&mut self, mention: &str) -> Option<Places> {
        let wanted: Vec<&str> = mention.split_whitespace().collect();
        let spans = places(&self.words, &wanted);
        if !spans.is_empty() {
            return Some(Places {
                spans,
                how: Match::Exact,
            });
        }
        let ways = [
            (Match::Accents, without_accents as fn(&str) -> String),
            (Match::Case, without_case),
        ];
        for ((how, fold), memory) in ways.into_iter().zip(&mut self.folded) {
            let words = memory.get_or_insert_with(|| self.words.iter().map(|w| fold(w)).collect());
            let wanted: Vec<String> = wanted.iter().map(|w| fold(w)).collect();
            let spans = places(words, &wanted);
            if !spans.is_empty() {
                return Some(Places { spans, how });
            }
        }
        None
    }
}

fn places<W: AsRef<str>>(words: &[W], wanted: &[W]) -> Vec<TokenSpan> {
    let Some(first) = wanted.first() else {
        return Vec::new();
    };
    let matches = |at: usize| {
        words
            .get(at..at + wanted.len())
            .is_some_and(|w| w.iter().zip(wanted).all(|(a, b)| a.as_ref() == b.as_ref()))
    };
    (0..words.len())
        .filter(|&at| words.get(at).is_some_and(|w| w.as_ref() == first.as_ref()) && matches(at))
        .filter_map(|at| TokenSpan::new(at, at + wanted.len()))
        .collect()
}

/// Compatibility decomposition less the marks; letters that have no decomposition become their usual spelling.
fn without_accents(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.nfkd().filter(|c| !is_combining_mark(*c)) {
        match c {
            'ø' => out.push('o'),
            'Ø' => out.push('O'),
            'ł' => out.push('l'),
            'Ł' => out.push('L'),
            'đ' | 'ð' => out.push('d'),
            'Đ' | 'Ð' => out.push('D'),
            'ı' => out.push('i'),
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'Æ' => out.push_str("Ae"),
            'œ' => out.push_str("oe"),
            'Œ' => out.push_str("Oe"),
            'þ' => out.push_str("th"),
            'Þ' => out.push_str("Th"),
            '‘' | '’' | 'ʼ' => out.push('\''),
            '“' | '”' => out.push('"'),
            '‐' | '‑' | '–' | '−' => out.push('-'),
            c => out.push(c),
        }
    }
    out
}

fn without_case(word: &str) -> String {
    without_accents(word).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::format::whitespace_tokens;

    #[test]
    fn mentions_are_found_at_token_boundaries_only() {
        let check = |text: &str, mention: &str, expected: Option<(Match, &[(usize, usize)])>| {
            let tokens = whitespace_tokens(text);
            let mut locator = Locator::new(text, &tokens);
            let (first, found) = locator.find(mention);
            let found = found.map(|p| {
                let spans: Vec<_> = p.spans.iter().map(|s| (s.start(), s.end())).collect();
                (p.how, spans)
            });
            let expected = expected.map(|(how, spans)| (how, spans.to_vec()));
            assert_eq!(found, expected, "{mention:?} in {text:?}");
            assert!(first && !locator.find(mention).0);
        };
        use Match::{Accents, Case, Exact};
        check("a Haitian in Haiti", "Haiti", Some((Exact, &[(3, 4)])));
        check("a Haitian", "Haiti", None);
        check(
            "in New York and New Jersey",
            "New York",
            Some((Exact, &[(1, 3)])),
        );
        check("Paris , Paris", "Paris", Some((Exact, &[(0, 1), (2, 3)])));
        check("a\r\n b", "a b", Some((Exact, &[(0, 2)])));
        check("in Medellin now", "Medellín", Some((Accents, &[(1, 2)])));
        check(
            "in Medelli\u{301}n now",
            "Medellín",
            Some((Accents, &[(1, 2)])),
        );
        check("in lodz .", "Łódź", Some((Case, &[(1, 2)])));
        check("US told us", "us", Some((Exact, &[(2, 3)])));
        check("New", "New York", None);
        check("x", "", None);
        check("x", "  ", None);
        check("", "x", None);
    }
}
