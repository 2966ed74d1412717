//! One line of text for a purpose: the note of a sentence.

use super::Flow;
use super::picker::Purpose;
use crate::tui::keymap::Key;
use crate::tui::paint::{Painter, centred, row};
use crate::tui::state::{Intent, Shared};
use crate::tui::widget::input::Input;
use crossterm::event::KeyCode;
use ratatui::layout::Rect;

pub struct LineEditor {
    title: String,
    pub input: Input,
    purpose: Purpose,
}

impl LineEditor {
    pub fn new(title: &str, text: &str, purpose: Purpose) -> Self {
        Self {
            title: title.to_owned(),
            input: Input::new(text),
            purpose,
        }
    }

    pub fn key(&mut self, key: Key, shared: &mut Shared) -> Flow {
        if key.0 == KeyCode::Enter {
            let text = self.input.text().trim().to_owned();
            shared.intents.push(Intent::Typed(self.purpose, text));
            return Flow::Close;
        }
        self.input.key(key);
        Flow::Stay
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>) {
        let inside = painter.frame(
            centred(area, 76, 3),
            &self.title,
            "enter keeps · esc leaves it as it was",
        );
        self.input.draw(painter, row(inside, 0));
    }
}
