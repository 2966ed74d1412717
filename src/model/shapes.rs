//! How a word is written, in a few classes: what an encoder that ignores case never sees.
//!
//! Names are told by their capitals, and published small encoders lower them. The shape of its word is added to each
//! piece's embedding (`encoder::bert`), as the capitalisation feature of Collobert et al. 2011, section 4.1.2.

/// How many classes there are.
pub const N_SHAPES: usize = 9;

/// A word's class, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Shape {
    /// No word: the frame of a sentence.
    Frame,
    /// Neither letters nor digits.
    Signs,
    Digits,
    /// Digits and letters.
    Mixed,
    Lower,
    /// "Marie", "O'Brien", "Inc."
    Initial,
    /// "NATO", "U.S."
    Capitals,
    /// One capital: an initial, or "I" and "A".
    OneCapital,
    /// "iPhone", "eBay"; letters without case.
    Other,
}

impl Shape {
    /// Reads a word to its end; words are short or cut before.
    pub fn of(word: &str) -> Self {
        let (mut upper, mut lower, mut caseless, mut digits) = (0usize, 0usize, 0usize, 0usize);
        let mut starts_upper = false;
        for c in word.chars() {
            if c.is_uppercase() {
                starts_upper |= upper + lower + caseless + digits == 0;
                upper += 1;
            } else if c.is_lowercase() {
                lower += 1;
            } else if c.is_alphabetic() {
                caseless += 1;
            } else if c.is_numeric() {
                digits += 1;
            }
        }
        match (upper, lower, caseless, digits) {
            (0, 0, 0, 0) => Shape::Signs,
            (0, 0, 0, _) => Shape::Digits,
            (_, _, _, 1..) => Shape::Mixed,
            (0, _, 0, 0) => Shape::Lower,
            (1, 0, 0, 0) => Shape::OneCapital,
            (_, 0, 0, 0) => Shape::Capitals,
            (_, _, 0, 0) if starts_upper => Shape::Initial,
            _ => Shape::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fall_into_their_classes() {
        for (shape, words) in [
            (Shape::Signs, &["", ".", "--", "\u{202e}", "€"][..]),
            (Shape::Digits, &["7", "1-2", "1,000", "٣"]),
            (Shape::Mixed, &["40-piece", "R2", "B-52", "19th"]),
            (Shape::Lower, &["said", "'s", "ß", "well-known"]),
            (
                Shape::Initial,
                &["Marie", "O'Brien", "Inc.", "(The", "Élan", "McDonald"],
            ),
            (Shape::Capitals, &["NATO", "U.S.", "AT&T"]),
            (Shape::OneCapital, &["I", "O.", "'A"]),
            (Shape::Other, &["iPhone", "eBay", "東京", "A東"]),
        ] {
            for word in words {
                assert_eq!(Shape::of(word), shape, "{word:?}");
            }
        }
        assert_eq!(Shape::Other as usize + 1, N_SHAPES);
    }
}
