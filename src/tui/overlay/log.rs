//! What was said earlier, newest first.

use crate::tui::action::Nav;
use crate::tui::paint::{Painter, centred};
use crate::tui::state::{Level, Shared};
use crate::tui::theme::Role;
use crate::tui::widget::scroll::Scroll;
use ratatui::layout::Rect;

#[derive(Default)]
pub struct Log {
    list: Scroll,
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
        let rows = Self::area(area).height.saturating_sub(2);
        self.list.fit(shared.messages.len(), rows as usize);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let inside = painter.frame(
            Self::area(area),
            "messages, newest first",
            "j k scroll · esc",
        );
        if shared.messages.is_empty() {
            painter.text(
                inside.x,
                inside.y,
                inside.width,
                "Nothing was said yet.",
                Role::Dim,
            );
        }
        let seen = self.list.visible(shared.messages.len());
        for (y, at) in (inside.y..inside.bottom()).zip(seen) {
            let Some(message) = shared.messages.iter().rev().nth(at) else {
                continue;
            };
            let (sign, role) = glyph(message.level);
            painter.text(inside.x, y, 1, sign, role);
            painter.text(
                inside.x + 2,
                y,
                inside.width.saturating_sub(2),
                &message.text,
                Role::Text,
            );
            if at == self.list.cursor {
                painter.restyle(Rect::new(inside.x, y, inside.width, 1), Role::Shadow);
            }
        }
    }
}
