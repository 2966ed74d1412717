//! The rows around a view: tabs and model above; below, what is saved, where one is, what runs, and the keys that
//! matter here.

use crate::tui::action::{Action, App};
use crate::tui::clean::width;
use crate::tui::overlay::log::glyph;
use crate::tui::paint::Painter;
use crate::tui::state::{Shared, Tab};
use crate::tui::theme::Role;
use crate::tui::widget::numbers::counted;
use ratatui::layout::Rect;

/// What the frame shows besides what all views share.
pub struct Chrome<'a> {
    pub tab: Tab,
    pub has_sentence: bool,
    /// What keys mean now: `list`, `sentence`, `query`.
    pub mode: &'a str,
    /// "row 12 of 1,204".
    pub position: String,
    /// Keys of a sequence, or digits of a count, that wait for the next key.
    pub waiting: String,
    /// Takes the place of the hints.
    pub prompt: Option<String>,
    pub hints: Vec<Action>,
}

impl Chrome<'_> {
    pub fn draw_header(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let mut parts = vec![(" redress ", Role::Title)];
        let tabs = [
            (Tab::Corpus, "corpus"),
            (Tab::Errors, "errors"),
            (Tab::Disputes, "disputes"),
            (Tab::Sentence, "sentence"),
        ];
        for (tab, name) in tabs {
            if tab == Tab::Disputes && self.tab != tab || tab == Tab::Sentence && !self.has_sentence
            {
                continue;
            }
            let here = tab == self.tab;
            parts.push((if here { " [" } else { "  " }, Role::Title));
            parts.push((name, if here { Role::Title } else { Role::Dim }));
            parts.push((if here { "]" } else { " " }, Role::Title));
        }
        let x = painter.parts(area, &parts);
        let name = shared
            .info
            .path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned());
        let facts = [
            shared.info.model.clone(),
            name.unwrap_or_default(),
            shared.info.kb.clone(),
        ];
        let facts: Vec<String> = facts.into_iter().filter(|f| !f.is_empty()).collect();
        let room = area.right().saturating_sub(x + 3);
        // Whole facts as far as they fit; the first is cut rather than left out.
        let mut n = facts.len();
        while n > 1 && width(&facts[..n].join("  ·  ")) > room as usize {
            n -= 1;
        }
        painter.text_right(
            area.right().saturating_sub(1),
            area.y,
            room,
            &facts[..n].join("  ·  "),
            Role::Dim,
        );
    }

    pub fn draw_status(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        painter.clear(area, Role::Text);
        let n = shared.pending.len() + shared.undoing;
        let (saved, role) = match (n, shared.n_saved) {
            (0, 0) => ("✓ nothing to save".to_owned(), Role::Dim),
            (0, n) => (format!("✓ saved, {}", counted(n, "edit")), Role::Good),
            (n, _) => (
                format!("… {} not saved yet", counted(n, "edit")),
                Role::Pending,
            ),
        };
        let mut parts = vec![
            (format!(" {:<8} ", self.mode), Role::Bar),
            (format!(" {saved}"), role),
            (format!("   {}", self.position), Role::Dim),
        ];
        if !self.waiting.is_empty() {
            parts.push((format!("   {}…", self.waiting), Role::Key));
        }
        let x = painter.parts(area, &parts);
        if let Some(job) = shared.jobs.first() {
            let spinner = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇"][shared.ticks % 6];
            let more = match shared.jobs.len() {
                1 => String::new(),
                n => format!(" (+{})", n - 1),
            };
            let text = format!("{spinner} {}{more}", job.line());
            let room = area.right().saturating_sub(x + 3);
            let stop = shared.keymap.keys_of(Action::App(App::CancelJob));
            let hint = stop
                .first()
                .map_or(String::new(), |key| format!("  {key} stops"));
            let hint = if width(&text) + width(&hint) <= room as usize {
                hint
            } else {
                String::new()
            };
            let right = area.right().saturating_sub(1);
            painter.text_right(right, area.y, room, &hint, Role::Dim);
            let hint = width(&hint) as u16;
            painter.text_right(
                right - hint.min(right),
                area.y,
                room - hint,
                &text,
                Role::Key,
            );
        }
    }

    pub fn draw_hints(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        painter.clear(area, Role::Text);
        if let Some(message) = &shared.notice {
            let (sign, role) = glyph(message.level);
            let parts = [(format!(" {sign} "), role), (message.text.clone(), role)];
            painter.parts(area, &parts);
            return;
        }
        if let Some(prompt) = &self.prompt {
            painter.parts(area, &[(format!(" {prompt}"), Role::Key)]);
            return;
        }
        if self.hints.is_empty() {
            return;
        }
        // Help is always in sight, at the right; the rest as far as it fits whole.
        let help = " ? help ";
        let limit = area.right().saturating_sub(help.len() as u16);
        let mut x = area.x + 1;
        for action in &self.hints {
            let Some(key) = shared.keymap.keys_of(*action).into_iter().next() else {
                continue;
            };
            let label = action.entry().label();
            let needs = (width(&key) + 1 + width(&label) + 2) as u16;
            if x + needs > limit {
                break;
            }
            x = painter.text(x, area.y, needs, &key, Role::Key);
            x = painter.text(x, area.y, needs, &format!(" {label}  "), Role::Dim);
        }
        let help_x = area.right().saturating_sub(help.len() as u16 - 1);
        painter.text(help_x, area.y, 1, "?", Role::Key);
        painter.text(help_x + 1, area.y, 6, " help ", Role::Dim);
    }
}
