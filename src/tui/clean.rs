//! From any text to text that a terminal may be given.
//!
//! Corpus text is data. An escape sequence in it must not move the cursor, a bidirectional override must not make a
//! sentence read otherwise than it is stored, and a character without width must not hide. Each of them is replaced
//! by one visible character, so that the curator sees that something is there. `paint` sends every string through
//! here; nothing else writes cells.

use ratatui::buffer::CellWidth;
use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

/// Stands for a character that must not reach a terminal and has no picture of its own.
const REPLACEMENT: char = '\u{fffd}';
/// More marks than this on one base character are dropped: no script needs them, and one cell could hold megabytes.
const MAX_MARKS: usize = 6;

/// `text` with every character that a terminal could obey, reorder or hide replaced by a visible one.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) || !needs_cleaning(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        match visible(c) {
            Some(c) if c.width() == Some(0) => {
                marks += 1;
                if marks <= MAX_MARKS && !out.is_empty() {
                    out.push(c);
                }
            }
            Some(c) => {
                marks = 0;
                out.push(c);
            }
            None => {}
        }
    }
    Cow::Owned(out)
}

fn needs_cleaning(text: &str) -> bool {
    text.chars()
        .any(|c| c.width() == Some(0) || visible(c) != Some(c))
}

/// What is drawn for `c`; `None` for variation selectors, which only choose between pictures.
fn visible(c: char) -> Option<char> {
    match c as u32 {
        // Pictures of the C0 controls: U+2400 is that of NUL, and so on.
        code @ 0x00..=0x1f => Some(char::from_u32(0x2400 + code).unwrap_or(REPLACEMENT)),
        0x7f => Some('\u{2421}'),
        // No-break spaces of every kind look like spaces and are drawn as such.
        0xa0 | 0x2007 | 0x202f => Some(' '),
        0x80..=0x9f => Some(REPLACEMENT),
        0xfe00..=0xfe0f | 0xe0100..=0xe01ef => None,
        // Bidirectional controls.
        0x061c | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069 => Some(REPLACEMENT),
        // Without width, or blank where a letter is claimed.
        0xad | 0x034f | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f => Some(REPLACEMENT),
        0x200b..=0x200d | 0x2060..=0x2065 | 0x206a..=0x206f | 0x3164 | 0xfeff => Some(REPLACEMENT),
        0x2028 | 0x2029 => Some('\u{2424}'),
        0xffa0 | 0xfff0..=0xfffb | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff => Some(REPLACEMENT),
        _ => Some(c),
    }
}

/// Cells that `text` takes, as it stands.
pub fn width(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.graphemes(true).map(|c| c.cell_width() as usize).sum()
}

/// Cleaned and cut to `cells`, the cut shown by an ellipsis.
pub fn fit(text: &str, cells: usize) -> Cow<'_, str> {
    // A megabyte on one line is never measured: no cell count on a screen needs more than this many bytes of it.
    let text = head(text, cells.saturating_mul(16).saturating_add(64));
    let text = clean(text);
    if width(&text) <= cells {
        return text;
    }
    let mut out = String::new();
    let mut used = 0;
    for cluster in text.graphemes(true) {
        let w = width(cluster);
        if used + w + 1 > cells {
            break;
        }
        used += w;
        out.push_str(cluster);
    }
    if cells > 0 {
        out.push('…');
    }
    Cow::Owned(out)
}

/// `text` padded with spaces on the right, or cut, to exactly `cells`.
pub fn pad(text: &str, cells: usize) -> String {
    let text = fit(text, cells);
    let gap = cells.saturating_sub(width(&text));
    format!("{text}{:gap$}", "")
}

/// Cleaned and broken into lines of at most `cells`, between words where that is possible.
pub fn lines(text: &str, cells: usize) -> Vec<String> {
    let cells = cells.max(1);
    let text = clean(text);
    let mut out = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let bare = width(word.trim_end());
        if used > 0 && used + bare > cells {
            out.push(String::new());
            used = 0;
        }
        for cluster in word.graphemes(true) {
            let w = width(cluster);
            if used + w > cells && used > 0 {
                // A space at the edge is the break itself.
                if cluster == " " {
                    continue;
                }
                out.push(String::new());
                used = 0;
            }
            used += w;
            if let Some(line) = out.last_mut() {
                line.push_str(cluster);
            }
        }
    }
    out.iter_mut().for_each(|l| l.truncate(l.trim_end().len()));
    out
}

/// The first `bytes` bytes of `text`, or a little less so as not to split a character.
fn head(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_messages_break_between_words() {
        let check = |text: &str, cells, expected: &[&str]| {
            assert_eq!(lines(text, cells), expected, "{text:?} {cells}");
        };
        check("the disk is full", 8, &["the disk", "is full"]);
        check(
            "a/very/long/path is gone",
            8,
            &["a/very/l", "ong/path", "is gone"],
        );
        check("東京 の", 4, &["東京", "の"]);
        check("a\u{1b}b", 9, &["a␛b"]);
        check("", 5, &[""]);
    }

    #[test]
    fn hostile_text_becomes_visible() {
        let check = |given: &str, expected: &str| assert_eq!(clean(given), expected, "{given:?}");
        check("plain text", "plain text");
        check("naïve 東京 🙂", "naïve 東京 🙂");
        check("\u{1b}[2J\u{7}", "␛[2J␇");
        check("a\tb\r\nc\0", "a␉b␍␊c␀");
        check("\u{9b}31m\u{7f}", "\u{fffd}31m␡");
        check("abc\u{202e}def\u{2066}", "abc\u{fffd}def\u{fffd}");
        check("pay\u{200b}pal\u{feff}", "pay\u{fffd}pal\u{fffd}");
        check("e\u{301}", "e\u{301}");
        check("\u{301}x", "x");
        check("❤\u{fe0f}", "❤");
        check(
            &format!("z{}", "\u{301}".repeat(50)),
            &format!("z{}", "\u{301}".repeat(6)),
        );
    }

    #[test]
    fn cutting_counts_cells_not_characters() {
        let check = |text: &str, cells, expected: &str| assert_eq!(fit(text, cells), expected);
        check("Barack Obama", 12, "Barack Obama");
        check("Barack Obama", 7, "Barack…");
        check("東京都庁", 5, "東京…");
        check("東京都庁", 4, "東…");
        check("abc", 1, "…");
        check("abc", 0, "");
        assert_eq!(pad("東京", 6), "東京  ");
        assert_eq!(width(&fit(&"x".repeat(1 << 20), 80)), 80);
    }

    proptest! {
        #[test]
        fn nothing_that_a_terminal_obeys_gets_through(text in any::<String>()) {
            for c in clean(&text).chars() {
                prop_assert!(!c.is_control());
                prop_assert!(!matches!(c as u32, 0x202a..=0x202e | 0x2066..=0x2069 | 0x200b..=0x200f));
            }
        }
        #[test]
        fn what_is_fitted_fits(text in any::<String>(), cells in 0usize..40) {
            prop_assert!(width(&fit(&text, cells)) <= cells);
            prop_assert_eq!(width(&pad(&text, cells)), cells);
        }
    }
}
