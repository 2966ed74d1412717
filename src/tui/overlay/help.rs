//! The help page: the keys of the place one came from, then those of everywhere, then the signs. Made from the action
//! table, so it cannot be out of date.

use crate::tui::action::{Action, Context, Entry, Nav, Sentence};
use crate::tui::clean::pad;
use crate::tui::keymap::Keymap;
use crate::tui::paint::{Painter, centred, row};
use crate::tui::state::Shared;
use crate::tui::theme::Role;
use crate::tui::view::glyphs;
use crate::tui::widget::scroll::Scroll;
use ratatui::layout::Rect;

pub struct Help {
    lines: Vec<Vec<(String, Role)>>,
    list: Scroll,
}

impl Help {
    pub fn new(contexts: &[Context], keymap: &Keymap) -> Self {
        let mut lines = Vec::new();
        for context in contexts {
            lines.push(vec![(context.about().to_owned(), Role::Title)]);
            for entry in Action::table().iter().filter(|e| e.context == *context) {
                lines.extend(help_line(entry, keymap));
            }
            lines.push(Vec::new());
        }
        lines.push(vec![("Signs".to_owned(), Role::Title)]);
        for (glyph, role, meaning) in glyphs::legend() {
            lines.push(vec![
                (format!("  {} ", pad(glyph, 18)), role),
                (meaning.to_owned(), Role::Text),
            ]);
        }
        Self {
            lines,
            list: Scroll::default(),
        }
    }

    fn area(area: Rect) -> Rect {
        centred(area, 90, area.height.saturating_sub(2))
    }

    /// The page has no cursor: up and down move its top.
    pub fn navigate(&mut self, nav: Nav, count: usize) {
        self.list.cursor = self.list.top;
        self.list.act(nav, self.lines.len(), count);
        self.list.top = self.list.cursor;
    }

    pub fn layout(&mut self, area: Rect, _: &Shared) {
        let rows = Self::area(area).height.saturating_sub(2) as usize;
        let top = self.list.top.min(self.lines.len().saturating_sub(rows));
        self.list.cursor = top;
        self.list.fit(self.lines.len(), rows);
        self.list.top = top;
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, _: &Shared) {
        let inside = painter.frame(
            Self::area(area),
            "help",
            "j k ctrl-d ctrl-u scroll · : finds any action · esc",
        );
        let lines = self
            .lines
            .iter()
            .skip(self.list.top)
            .take(inside.height as usize);
        for (i, parts) in lines.enumerate() {
            painter.parts(row(inside, i as u16), parts);
        }
        if self.list.top + (inside.height as usize) < self.lines.len() && inside.height > 0 {
            painter.text(inside.right(), inside.bottom() - 1, 1, "↓", Role::Key);
        }
    }
}

/// The line of one action. The nine relations of the number keys share the line of the first.
fn help_line(entry: &Entry, keymap: &Keymap) -> Option<Vec<(String, Role)>> {
    let mut keys = keymap.keys_of(entry.action).join("  ");
    let mut doc = entry.doc;
    if let Some(number) = entry.name.strip_prefix("sentence.relation") {
        if number != "-1" && number != "1" {
            return None;
        }
        let last = keymap
            .keys_of(Action::Sentence(Sentence::Relation9))
            .join("  ");
        keys = format!("{keys} … {last}");
        doc = "Change to the relation with this number in the bar.";
    }
    if keys.is_empty() {
        keys = "(no key)".to_owned();
    }
    Some(vec![
        (format!("  {} ", pad(&keys, 18)), Role::Key),
        (doc.to_owned(), Role::Text),
    ])
}
