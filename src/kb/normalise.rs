//! Two keys under which a mention and a name are the same: exact up to spelling of spaces, quotes and dashes, and
//! folded (case and Latin accents dropped as well).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Bracket escapes of the Penn Treebank, as tokenised news text has them.
const ESCAPES: [(&str, &str); 4] = [
    ("-LRB-", "("),
    ("-RRB-", ")"),
    ("-LSB-", "["),
    ("-RSB-", "]"),
];

/// NFC; one kind of quote, dash and space; no space beside punctuation, because tokenisers add them (`U.S .`,
/// `O 'Neill`, `Washington , D.C.`). Keeps case and accents. Empty when nothing but spaces is left.
pub(super) fn exact_key(text: &str) -> String {
    let mut plain: String = text.nfc().map(plain_char).collect();
    if plain.contains("-L") || plain.contains("-R") {
        for (escape, bracket) in ESCAPES {
            plain = plain.replace(escape, bracket);
        }
    }
    if plain.contains("''") {
        plain = plain.replace("''", "\"");
    }
    let mut key = String::with_capacity(plain.len());
    let mut space_waits = false;
    for c in plain.chars() {
        if c == ' ' {
            space_waits = true;
            continue;
        }
        if space_waits && is_word(c) && key.chars().next_back().is_some_and(is_word) {
            key.push(' ');
        }
        space_waits = false;
        key.push(c);
    }
    key
}

/// [`exact_key`] in lower case, without the accents of Latin, Greek and Cyrillic letters.
pub(super) fn folded_key(exact_key: &str) -> String {
    let mut key = String::with_capacity(exact_key.len());
    for c in exact_key.nfd().filter(|c| !is_accent(*c)) {
        for lower in c.to_lowercase() {
            match lower {
                'ø' => key.push('o'),
                'ł' => key.push('l'),
                'đ' | 'ð' => key.push('d'),
                'ı' => key.push('i'),
                'ß' => key.push_str("ss"),
                'æ' => key.push_str("ae"),
                'œ' => key.push_str("oe"),
                'þ' => key.push_str("th"),
                // The lower case of a dotted capital I is two characters, the second a mark.
                other if is_accent(other) => {}
                other => key.push(other),
            }
        }
    }
    key
}

fn plain_char(c: char) -> char {
    match c {
        '‘' | '’' | 'ʼ' | '`' | '´' => '\'',
        '“' | '”' | '„' => '"',
        '‐' | '‑' | '‒' | '–' | '—' => '-',
        c if c.is_whitespace() || c.is_control() => ' ',
        c => c,
    }
}

/// Letters, digits and marks: a vowel sign of an Indic script is a mark and no punctuation.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

/// Only the general diacritics: marks of other scripts tell words apart.
fn is_accent(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokenised_text_and_names_meet_in_one_key() {
        let check = |a: &str, b: &str| assert_eq!(exact_key(a), exact_key(b), "{a:?} {b:?}");
        check("U.S .", "U.S.");
        check("William O 'Neill", "William O’Neill");
        check("Washington , D.C.", "Washington, D.C.");
        check("AT & T", "AT&T");
        check("Jay - Z", "Jay–Z");
        check("  New\u{a0}York\n", "New York");
        check("Me\u{301}rida", "M\u{e9}rida");
        check("Yes -LRB- band -RRB-", "Yes (band)");
        check("`` Weird Al '' Yankovic", "“Weird Al” Yankovic");
        assert_eq!(exact_key(" \t\u{7}"), "");
        assert_ne!(exact_key("New York"), exact_key("NewYork"));
        assert_ne!(exact_key("new york"), exact_key("New York"));
        assert_ne!(exact_key("कि"), exact_key("क"));
    }

    #[test]
    fn folding_drops_case_and_accents_only() {
        let check = |a: &str, b: &str| {
            assert_eq!(
                folded_key(&exact_key(a)),
                folded_key(&exact_key(b)),
                "{a:?} {b:?}"
            );
        };
        check("MEDELLÍN", "Medellin");
        check("Malmø", "MALMO");
        check("İstanbul", "istanbul");
        check("Łódź", "lodz");
        assert_ne!(folded_key("कि"), folded_key("क"));
    }
}
