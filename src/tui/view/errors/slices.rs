//! The page of slices: figures of parts of the corpus, each of which is a query.

use super::super::glyphs;
use super::relations::{Columns, draw_heading};
use crate::tui::action::{Errors, Nav};
use crate::tui::overlay::Overlay;
use crate::tui::overlay::line::LineEditor;
use crate::tui::overlay::picker::Purpose;
use crate::tui::paint::{Painter, below, row};
use crate::tui::question::{Question, in_words};
use crate::tui::state::{Intent, Shared};
use crate::tui::theme::Role;
use crate::tui::widget::numbers::grouped;
use crate::tui::widget::scroll::Scroll;
use crate::workspace::messages::{Request, Ticket};
use crate::workspace::slices::{Slice, Sliced};
use ratatui::layout::Rect;

#[derive(Default)]
pub struct Slices {
    rows: Vec<Sliced>,
    list: Scroll,
    question: Question,
    area: Rect,
}

impl Slices {
    pub fn mark_dirty(&mut self) {
        self.question.mark_stale();
    }

    pub fn fetch(&mut self, shared: &mut Shared) {
        if let Some(ticket) = self.question.due(shared) {
            shared.send(Request::Slices { ticket });
        }
    }

    pub fn take(&mut self, ticket: Ticket, rows: Vec<Sliced>) {
        if self.question.is_answered_by(ticket) {
            self.rows = rows;
        }
    }

    pub fn act(&mut self, action: Errors, shared: &mut Shared) {
        let Some(sliced) = self.rows.get(self.list.cursor) else {
            return;
        };
        match action {
            Errors::Open => {
                let query = sliced.slice.query.clone();
                shared.intents.push(Intent::Filter(query));
            }
            Errors::AddSlice => {
                let title = "a slice: NAME = QUERY, or a query alone (docs/query.md)";
                let editor = LineEditor::new(title, "", Purpose::Slice);
                shared.intents.push(Intent::Push(Overlay::Line(editor)));
            }
            Errors::Drop if sliced.kept => shared.send(Request::DropSlice {
                name: sliced.slice.name.clone(),
            }),
            Errors::Drop => shared.warn("this slice is built in; only kept ones can be dropped"),
            _ => {}
        }
    }

    /// A slice as typed: with a name before ` = `, else the query is its name.
    pub fn on_typed(text: &str, shared: &mut Shared) {
        let (name, query) = text.split_once(" = ").unwrap_or((text, text));
        let slice = Slice {
            name: name.trim().to_owned(),
            query: query.trim().to_owned(),
        };
        if !slice.name.is_empty() {
            shared.send(Request::KeepSlice { slice });
        }
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        self.list.act(nav, self.rows.len(), count);
    }

    pub fn click(&mut self, x: u16, y: u16) -> bool {
        self.list.click(self.area, (x, y), self.rows.len())
    }

    pub fn layout(&mut self, area: Rect) {
        self.area = below(area, 1);
        self.area.height = self.area.height.saturating_sub(1);
        self.list.fit(self.rows.len(), self.area.height as usize);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>) {
        let name = |s: &Sliced| format!("{} ({})", s.slice.name, grouped(s.sentences));
        let names: Vec<String> = self.rows.iter().map(name).collect();
        let columns = Columns::of(area.width, names.iter().map(String::as_str));
        draw_heading(row(area, 0), &columns, "slice (sentences)", None, painter);
        for (y, at) in (self.area.y..self.area.bottom()).zip(self.list.visible(self.rows.len())) {
            let line = Rect::new(area.x, y, area.width, 1);
            let sliced = &self.rows[at];
            let role = if sliced.kept { Role::Title } else { Role::Text };
            let figures = (names[at].as_str(), &sliced.counts, &sliced.intervals);
            columns.draw(painter, line, figures, role);
            if at == self.list.cursor {
                glyphs::mark_cursor(painter, line);
            }
        }
        let foot = row(area, area.height.saturating_sub(1));
        let text = match self.rows.get(self.list.cursor) {
            _ if self.question.is_under_way() => in_words("Counting", None),
            Some(sliced) => format!("query: {}", sliced.slice.query),
            None => String::new(),
        };
        let cells = foot.width.saturating_sub(3);
        painter.text(foot.x + 2, foot.y, cells, &text, Role::Dim);
    }
}
