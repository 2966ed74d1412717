//! The words between head and tail, as they are indexed and asked for.

use super::fields::analyzer;
use crate::domain::{Sentence, TokenSpan};

/// Longer passages are no patterns: nothing else has the same words. They are not indexed.
pub const MAX_WORDS: usize = 20;

/// What stands between the two arguments of a triple.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Between {
    pub order: ArgumentOrder,
    /// [`normalised`]; empty where the arguments stand side by side.
    pub words: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgumentOrder {
    HeadFirst,
    TailFirst,
}

impl Between {
    /// `None` where head and tail overlap, or more than [`MAX_WORDS`] words stand between them.
    pub fn of(sentence: &Sentence, head: TokenSpan, tail: TokenSpan) -> Option<Self> {
        let (order, from, to) = if head.end() <= tail.start() {
            (ArgumentOrder::HeadFirst, head.end(), tail.start())
        } else if tail.end() <= head.start() {
            (ArgumentOrder::TailFirst, tail.end(), head.start())
        } else {
            return None;
        };
        let text = TokenSpan::new(from, to).map_or("", |span| sentence.surface(span));
        let words = words(text);
        (words.len() <= MAX_WORDS).then(|| Self {
            order,
            words: words.join(" "),
        })
    }

    /// The field of the query language that finds it.
    pub fn field(&self) -> &'static str {
        match self.order {
            ArgumentOrder::HeadFirst => "between",
            ArgumentOrder::TailFirst => "between-back",
        }
    }
}

/// Letters and digits, lower-cased and without accents, one space between words: `was born in` for `, was born  in`.
pub fn normalised(text: &str) -> String {
    words(text).join(" ")
}

/// The words of a text, cut as the index cuts them.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut analyzer = analyzer();
    let mut tokens = analyzer.token_stream(text);
    let mut words = Vec::new();
    while let Some(token) = tokens.next() {
        words.push(token.text.clone());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ByteSpan, SentenceId, Split};

    fn sentence(words: &str) -> Sentence {
        let mut tokens = Vec::new();
        let mut at = 0;
        for word in words.split(' ') {
            tokens.extend(ByteSpan::new(at, at + word.len()));
            at += word.len() + 1;
        }
        Sentence {
            id: SentenceId(1),
            native_id: None,
            text: words.to_owned(),
            tokens,
            entities: Vec::new(),
            gold: Vec::new(),
            split: Split::Train,
            file: "x".into(),
            line: 1,
        }
    }

    #[test]
    fn words_between_are_those_of_the_sentence_in_either_order() {
        let check = |text: &str,
                     head: (usize, usize),
                     tail: (usize, usize),
                     expected: Option<(&str, &str)>| {
            let span = |(a, b)| TokenSpan::new(a, b).unwrap();
            let found = Between::of(&sentence(text), span(head), span(tail));
            let found = found.as_ref().map(|b| (b.field(), b.words.as_str()));
            assert_eq!(found, expected, "{text}");
        };
        let text = "Zoë , who Was  born in , São Paulo";
        check(text, (0, 1), (7, 9), Some(("between", "who was born in")));
        check(
            text,
            (7, 9),
            (0, 1),
            Some(("between-back", "who was born in")),
        );
        check("Rome Italy", (0, 1), (1, 2), Some(("between", "")));
        check("Rome Italy", (0, 2), (1, 2), None);
        let long = format!("a {}b", "w ".repeat(21));
        check(&long, (0, 1), (22, 23), None);
        let most = format!("a {}b", "w ".repeat(20));
        check(
            &most,
            (0, 1),
            (21, 22),
            Some(("between", "w w w w w w w w w w w w w w w w w w w w")),
        );
    }
}
