//! A question before something that takes long or cannot be taken back.

use super::Flow;
use super::picker::Purpose;
use crate::tui::action::Overlay as Act;
use crate::tui::clean::width;
use crate::tui::paint::{Painter, centred, row};
use crate::tui::state::{Intent, Shared};
use crate::tui::theme::Role;
use ratatui::layout::Rect;

pub struct Confirm {
    lines: Vec<String>,
    /// What enter does: `leave`, `predict`.
    yes: &'static str,
    purpose: Purpose,
}

impl Confirm {
    pub fn new(lines: Vec<String>, yes: &'static str, purpose: Purpose) -> Self {
        Self {
            lines,
            yes,
            purpose,
        }
    }

    pub fn act(&mut self, action: Act, shared: &mut Shared) -> Flow {
        if action == Act::Confirm {
            shared.intents.push(Intent::Confirmed(self.purpose));
        }
        Flow::Close
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>) {
        let footer = format!("enter {} · esc stay", self.yes);
        let longest = self.lines.iter().map(|l| width(l)).max().unwrap_or(0);
        let wide = longest.max(width(&footer) + 4) + 6;
        let inside = painter.frame(
            centred(area, wide as u16, self.lines.len() as u16 + 2),
            self.yes,
            &footer,
        );
        for (i, text) in self.lines.iter().enumerate() {
            let line = row(inside, i as u16);
            painter.text(
                line.x,
                line.y,
                line.width,
                text,
                if i == 0 { Role::Text } else { Role::Dim },
            );
        }
    }
}
