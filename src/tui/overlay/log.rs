//! What was said earlier, newest first.

use crate::tui::action::Nav;
use crate::tui::clean;
use crate::tui::paint::{Painter, centred};
use crate::tui::state::{Level, Message, Shared};
use crate::tui::theme::Role;
use crate::tui::widget::scroll::Scroll;
use ratatui::layout::Rect;

#[derive(Default)]
pub struct Log {
    list: Scroll,
    /// Messages broken to the window's width: the sign before the first line of each, and the line.
    lines: Vec<(Option<Level>, String)>,
}

pub fn glyph(level: Level) -> (&'static str, Role) {
    match level {
        Level::Good => ("✓", Role::Good),
        Level::Warning => ("!", Role::Warning),
        Level::Error => ("✗", Role::Error),
    }
}

impl Log {
    fn area(area: Rect) -> Rect {
        centred(
            area,
            area.width.saturating_sub(4).min(120),
            area.height.saturating_sub(2),
        )
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        self.list.act(nav, usize::MAX, count);
    }

    pub fn layout(&mut self, area: Rect, shared: &Shared) {
        let window = Self::area(area);
        let cells = (window.width as usize).saturating_sub(6);
        let broken = |message: &Message| {
            let lines = clean::lines(&message.text, cells).into_iter();
            let sign = |i: usize| (i == 0).then_some(message.level);
            lines
                .enumerate()
                .map(|(i, line)| (sign(i), line))
                .collect::<Vec<_>>()
        };
        self.lines = shared.messages.iter().rev().flat_map(broken).collect();
        let rows = window.height.saturating_sub(2);
        self.list.fit(self.lines.len(), rows as usize);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>) {
        let inside = painter.frame(
            Self::area(area),
            "messages, newest first",
            "j k scroll · esc",
        );
        if self.lines.is_empty() {
            painter.text(
                inside.x,
                inside.y,
                inside.width,
                "Nothing was said yet.",
                Role::Dim,
            );
        }
        let seen = self.list.visible(self.lines.len());
        for (y, at) in (inside.y..inside.bottom()).zip(seen) {
            let (level, text) = &self.lines[at];
            if let Some(level) = level {
                let (sign, role) = glyph(*level);
                painter.text(inside.x, y, 1, sign, role);
            }
            painter.text(
                inside.x + 2,
                y,
                inside.width.saturating_sub(2),
                text,
                Role::Text,
            );
            if at == self.list.cursor {
                painter.restyle(Rect::new(inside.x, y, inside.width, 1), Role::Shadow);
            }
        }
    }
}
