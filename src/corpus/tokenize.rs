//! Words of plain text, close to the Penn Treebank's conventions.
//!
//! Only for text that comes without tokens; a corpus's own tokens are never changed.

use crate::domain::ByteSpan;
use unicode_normalization::char::is_combining_mark;

/// Words and punctuation marks of `text`, in order. Abbreviations ("U.S.", "Mr.") and initials ("J.") keep their
/// full stop, hyphenated words stay whole, `n't` and `'s` are words of their own, and each ideograph is one.
pub fn tokenize(text: &str) -> Vec<ByteSpan> {
    let mut out = Tokens {
        text,
        spans: Vec::with_capacity(text.len() / 5),
    };
    let mut start = None;
    for (at, c) in text.char_indices() {
        match (c.is_whitespace(), start) {
            (true, Some(from)) => {
                out.chunk(from, at);
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    if let Some(from) = start {
        out.chunk(from, text.len());
    }
    out.spans
}

/// Abbreviations that end in a full stop and hold no other, lower case, without it.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "gen", "gov", "sen", "rep", "lt", "col",
    "capt", "sgt", "maj", "rev", "hon", "pres", "inc", "corp", "co", "ltd", "bros", "vs", "etc",
    "jan", "feb", "aug", "sept", "oct", "nov", "dec", "mt", "ft", "ave", "blvd", "dept", "est",
    "messrs",
];

const CONTRACTIONS: &[&str] = &["n't", "'s", "'re", "'ve", "'ll", "'d", "'m"];

struct Tokens<'a> {
    text: &'a str,
    spans: Vec<ByteSpan>,
}

impl Tokens<'_> {
    fn slice(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or_default()
    }

    fn push(&mut self, start: usize, end: usize) {
        self.spans.extend(ByteSpan::new(start, end));
    }

    /// One run of non-space characters: marks before, words, marks after.
    fn chunk(&mut self, start: usize, end: usize) {
        if self.slice(start, end).contains("://") {
            return self.address(start, end);
        }
        let mut at = start;
        while at < end {
            let run = self.mark_run(at, end);
            if run > at {
                self.push(at, run);
                at = run;
            } else {
                let word_end = self.word_end(at, end);
                self.word(at, word_end, end);
                at = self
                    .spans
                    .last()
                    .map_or(word_end, |s| s.end())
                    .max(word_end);
            }
        }
    }

    /// A web address, less the marks that close the sentence.
    fn address(&mut self, start: usize, end: usize) {
        let kept = self
            .slice(start, end)
            .trim_end_matches(['.', ',', ';', ')', '"', '\'', '!', '?', '>', ']']);
        let body = start + kept.len();
        self.push(start, body);
        let mut at = body;
        while at < end {
            let run = self.mark_run(at, end).max(at + 1);
            self.push(at, run);
            at = run;
        }
    }

    /// End of the punctuation mark at `at` (runs like `...`, `--`, `''` are one mark), or `at` if a word starts there.
    fn mark_run(&self, at: usize, end: usize) -> usize {
        let rest = self.slice(at, end);
        let mut chars = rest.chars();
        let Some(first) = chars.next() else { return at };
        let next = chars.next();
        if !is_mark(first) {
            return at;
        }
        // -5, .5, $ apart: a sign belongs to its number.
        if matches!(first, '-' | '+' | '.') && next.is_some_and(char::is_numeric) {
            return at;
        }
        // Text that was tokenized before: "Apple 's plan".
        if matches!(first, '\'' | '’') {
            let letters: String = rest.chars().skip(1).take_while(|c| !is_mark(*c)).collect();
            if matches!(
                letters.to_lowercase().as_str(),
                "s" | "re" | "ve" | "ll" | "d" | "m"
            ) {
                return at;
            }
        }
        // @name, #tag, _x
        if matches!(first, '@' | '#' | '_') && next.is_some_and(|c| !is_mark(c)) {
            return at;
        }
        let repeats = match first {
            '.' | '-' | '\'' | '`' | '*' | '=' | '_' | '~' => {
                rest.chars().take_while(|c| *c == first).count()
            }
            _ => 1,
        };
        at + repeats * first.len_utf8()
    }

    /// End of the word at `start`: up to the next mark that is not inside a word.
    fn word_end(&self, start: usize, end: usize) -> usize {
        let rest = self.slice(start, end);
        let mut chars = rest.char_indices().peekable();
        let mut previous = None;
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, n)| *n);
            if is_ideograph(c) {
                return start + if at == 0 { c.len_utf8() } else { at };
            }
            if at > 0 && is_mark(c) && !joins(previous, c, next) {
                return start + at;
            }
            previous = Some(c);
        }
        end
    }

    /// Pushes the word `start..end` of a chunk that ends at `chunk_end`: with its full stop if it is an
    /// abbreviation, and contractions apart.
    fn word(&mut self, start: usize, end: usize, chunk_end: usize) {
        let mut end = end;
        if self.slice(end, chunk_end).starts_with('.')
            && !self.slice(end + 1, chunk_end).starts_with('.')
            && self.keeps_full_stop(start, end, chunk_end)
        {
            end += 1;
        }
        let word = self.slice(start, end).replace('’', "'").to_lowercase();
        let cut = CONTRACTIONS.iter().find_map(|suffix| {
            let stem = word.strip_suffix(suffix)?;
            let letters = suffix.chars().count();
            (!stem.is_empty()).then(|| {
                let original = self.slice(start, end);
                original
                    .char_indices()
                    .rev()
                    .nth(letters - 1)
                    .map_or(0, |(at, _)| at)
            })
        });
        match cut {
            Some(cut) if cut > 0 => {
                self.push(start, start + cut);
                self.push(start + cut, end);
            }
            _ => self.push(start, end),
        }
    }

    fn keeps_full_stop(&self, start: usize, end: usize, chunk_end: usize) -> bool {
        let word = self.slice(start, end);
        let closes_text = self
            .text
            .get(chunk_end..)
            .unwrap_or_default()
            .trim()
            .is_empty();
        let mut letters = word.chars();
        match (letters.next(), letters.next()) {
            // "J." in a name; at the very end of a text it is "vitamin C."
            (Some(c), None) => c.is_uppercase() && !closes_text,
            // "U.S", "e.g", "Ph.D"
            _ if word.contains('.') => word.split('.').all(|part| {
                (1..=2).contains(&part.chars().count()) && part.chars().all(char::is_alphabetic)
            }),
            _ => !closes_text && ABBREVIATIONS.contains(&word.to_lowercase().as_str()),
        }
    }
}

/// A mark between two characters of one word: hyphens, 1,000, 3.5, 10:30, U.S, O'Neill, a@b, and/or.
fn joins(previous: Option<char>, mark: char, next: Option<char>) -> bool {
    let (Some(previous), Some(next)) = (previous, next) else {
        return false;
    };
    let word = |c: char| !is_mark(c);
    match mark {
        ',' | ':' => previous.is_numeric() && next.is_numeric(),
        '.' | '-' | '\'' | '’' | '‐' | '‑' | '&' | '@' | '_' | '/' | '+' | '#' => {
            word(previous) && word(next)
        }
        _ => false,
    }
}

fn is_mark(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_punctuation();
    }
    matches!(c,
        '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
        | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}'
        | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}'
        | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}'
        | '\u{60c}' | '\u{61b}' | '\u{61f}' | '\u{6d4}' | '\u{964}' | '\u{965}')
        && !is_combining_mark(c)
}

fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<&str> {
        tokenize(text).iter().map(|t| &text[t.range()]).collect()
    }

    #[test]
    fn words_are_those_of_the_treebank() {
        let check = |text: &str, expected: &str| {
            let expected: Vec<&str> = expected.split(' ').filter(|w| !w.is_empty()).collect();
            assert_eq!(words(text), expected, "{text:?}");
        };
        check("", "");
        check(" \r\n\t", "");
        check(
            "Ada was born in Paris, France.",
            "Ada was born in Paris , France .",
        );
        check("The U.S. and N.Y. teams", "The U.S. and N.Y. teams");
        check("He lives in the U.S.", "He lives in the U.S.");
        check(
            "George W. Bush met Mr. Blair.",
            "George W. Bush met Mr. Blair .",
        );
        check("It has vitamin C.", "It has vitamin C .");
        check(
            "They don't know Apple's plan",
            "They do n't know Apple 's plan",
        );
        check("They don’t, we’ve", "They do n’t , we ’ve");
        check(
            "a post-war, well-known (so-called) idea",
            "a post-war , well-known ( so-called ) idea",
        );
        check(
            "\"Yes,\" he said... twice--at 10:30!",
            "\" Yes , \" he said ... twice -- at 10:30 !",
        );
        check("It cost $1,000.50 or -5%", "It cost $ 1,000.50 or -5 %");
        check(
            "O'Neill of AT&T, workers' and/or",
            "O'Neill of AT&T , workers ' and/or",
        );
        check("see https://a.org/b?c=1.", "see https://a.org/b?c=1 .");
        check(
            "«Где Москва?» — спросил он",
            "« Где Москва ? » — спросил он",
        );
        check("東京は日本の首都。", "東 京 は 日 本 の 首 都 。");
        check("cafe\u{301}s Zürich.", "cafe\u{301}s Zürich .");
        check("Apple 's n't ' 'so' 'd.", "Apple 's n't ' ' so ' 'd .");
    }

    proptest! {
        #[test]
        fn tokens_are_in_order_inside_and_cover_all_but_space(
            text in "([a-zA-Z.'’,\\-$()0-9 \t\n\"é東\u{301}\u{a0}]|\\PC){0,60}") {
            let mut previous = 0;
            for token in tokenize(&text) {
                let gap = text.get(previous..token.start());
                prop_assert!(gap.is_some_and(|g| g.chars().all(char::is_whitespace)), "{text:?}");
                let word = text.get(token.range()).unwrap_or(" ");
                prop_assert!(!word.contains(char::is_whitespace), "{text:?}");
                previous = token.end();
            }
            prop_assert!(text[previous..].chars().all(char::is_whitespace), "{text:?}");
        }
    }
}
