//! One line of text being typed. The cursor moves by what a reader takes for a character.

use crate::tui::clean::{clean, width};
use crate::tui::keymap::Key;
use crate::tui::paint::Painter;
use crate::tui::theme::Role;
use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::layout::Rect;
use unicode_segmentation::UnicodeSegmentation;

/// Longer input is refused: no query and no note needs it.
const MAX_BYTES: usize = 4096;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    text: String,
    /// Byte offset, on a character boundary.
    cursor: usize,
}

impl Input {
    pub fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            cursor: text.len(),
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Inserts typed or pasted text; line breaks become spaces, other controls are dropped.
    pub fn insert(&mut self, text: &str) {
        for c in text.chars() {
            let c = if c == '\n' || c == '\t' { ' ' } else { c };
            if !c.is_control() && self.text.len() + c.len_utf8() <= MAX_BYTES {
                self.text.insert(self.cursor, c);
                self.cursor += c.len_utf8();
            }
        }
    }

    /// Whether the key was one of editing.
    pub fn key(&mut self, key: Key) -> bool {
        let Key(code, modifiers) = key;
        let control = modifiers.contains(KeyModifiers::CONTROL);
        match code {
            KeyCode::Char(c) if modifiers.is_empty() => self.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            KeyCode::Char('u') if control => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('k') if control => self.text.truncate(self.cursor),
            KeyCode::Char('w') if control => self.cut_word(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            KeyCode::Left => self.cursor = self.before(),
            KeyCode::Right => self.cursor = self.after(),
            KeyCode::Backspace => {
                let from = self.before();
                self.text.drain(from..self.cursor);
                self.cursor = from;
            }
            KeyCode::Delete => {
                let to = self.after();
                self.text.drain(self.cursor..to);
            }
            _ => return false,
        }
        true
    }

    fn before(&self) -> usize {
        let last = self.text[..self.cursor].graphemes(true).next_back();
        self.cursor - last.map_or(0, str::len)
    }

    fn after(&self) -> usize {
        let next = self.text[self.cursor..].graphemes(true).next();
        self.cursor + next.map_or(0, str::len)
    }

    fn cut_word(&mut self) {
        let head = self.text[..self.cursor].trim_end();
        let from = head.rfind(char::is_whitespace).map_or(0, |at| {
            at + head[at..].chars().next().map_or(0, char::len_utf8)
        });
        self.text.drain(from..self.cursor);
        self.cursor = from;
    }

    /// Draws the text so that the cursor, a reversed cell, is in sight. Returns the first character column drawn.
    pub fn draw(&self, painter: &mut Painter<'_>, area: Rect) -> usize {
        let cells = area.width as usize;
        if cells == 0 || area.height == 0 {
            return 0;
        }
        let before = clean(&self.text[..self.cursor]);
        let mut hidden = 0;
        let mut shown = before.as_ref();
        while width(shown) + 1 > cells {
            let first = shown.graphemes(true).next().map_or(1, str::len);
            hidden += shown[..first].chars().count();
            shown = &shown[first..];
        }
        let x = painter.text(area.x, area.y, area.width, shown, Role::Input);
        let rest = clean(&self.text[self.cursor..]);
        painter.text(
            x,
            area.y,
            area.right().saturating_sub(x),
            &rest,
            Role::Input,
        );
        painter.restyle(Rect::new(x, area.y, 1, 1), Role::Cursor);
        hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editing_keys_edit() {
        let check = |start: &str, keys: &[&str], expected: &str| {
            let mut input = Input::new(start);
            for key in keys {
                assert!(input.key(key.parse().unwrap()), "{key}");
            }
            assert_eq!(input.text(), expected, "{start:?} {keys:?}");
        };
        check("", &["a", "b", "left", "x"], "axb");
        check("naïve", &["backspace", "backspace", "backspace"], "na");
        check("e\u{301}x", &["left", "backspace"], "x");
        check("one two  ", &["ctrl-w"], "one ");
        check("one two", &["ctrl-a", "ctrl-k"], "");
        check("one two", &["left", "left", "left", "ctrl-u"], "two");
        check("ab", &["home", "delete", "end", "c"], "bc");
        let mut input = Input::default();
        input.insert("a\nb\u{1b}[c");
        assert_eq!(input.text(), "a b[c");
        assert!(!input.key("enter".parse().unwrap()));
    }
}
