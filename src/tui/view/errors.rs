//! Where the model and the labels part, relation by relation: the way into the sentences worth a look.

use super::glyphs;
use crate::tui::action::{Action, App, Errors, Nav};
use crate::tui::paint::{Painter, below, row};
use crate::tui::queries;
use crate::tui::state::{Intent, Shared};
use crate::tui::theme::Role;
use crate::tui::widget::bars::bar;
use crate::tui::widget::numbers::{fraction, grouped};
use crate::tui::widget::scroll::Scroll;
use crate::workspace::messages::{ErrorRow, Request, Ticket};
use ratatui::layout::Rect;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Sort {
    #[default]
    FalsePositives,
    FalseNegatives,
    WorstF1,
    Support,
}

#[derive(Default)]
pub struct ErrorsView {
    rows: Vec<ErrorRow>,
    protocol: String,
    list: Scroll,
    sort: Sort,
    ticket: Ticket,
    answered: bool,
    dirty: bool,
    area: Rect,
}

impl ErrorsView {
    pub fn hints(&self) -> Vec<Action> {
        let e = |a| Action::Errors(a);
        vec![
            e(Errors::FalsePositives),
            e(Errors::FalseNegatives),
            e(Errors::Sentences),
            e(Errors::Sort),
            Action::App(App::PredictAll),
            Action::App(App::FineTune),
            Action::App(App::NextTab),
        ]
    }

    pub fn mark_dirty(&mut self) {
        self.dirty = true;
    }

    /// Asks for the table if it was never asked for or has changed since.
    pub fn fetch(&mut self, shared: &mut Shared) {
        if self.ticket == 0 || self.dirty {
            self.dirty = false;
            self.ticket = shared.next_ticket();
            shared.send(Request::Errors {
                ticket: self.ticket,
            });
        }
    }

    pub fn on_errors(&mut self, ticket: Ticket, protocol: String, rows: Vec<ErrorRow>) {
        if ticket < self.ticket {
            return;
        }
        let selected = self.rows.get(self.list.cursor).map(|r| r.relation);
        (self.protocol, self.rows, self.answered) = (protocol, rows, true);
        self.order();
        if let Some(at) = selected.and_then(|id| self.rows.iter().position(|r| r.relation == id)) {
            self.list.cursor = at;
        }
    }

    fn order(&mut self) {
        use std::cmp::Reverse;
        match self.sort {
            Sort::FalsePositives => self.rows.sort_by_key(|r| Reverse(r.false_positives)),
            Sort::FalseNegatives => self.rows.sort_by_key(|r| Reverse(r.false_negatives)),
            // Relations that occur nowhere have no F1 to be ashamed of.
            Sort::WorstF1 => self.rows.sort_by(|a, b| {
                let key = |r: &ErrorRow| if r.support == 0 { 2.0 } else { r.f1 };
                key(a).total_cmp(&key(b))
            }),
            Sort::Support => self.rows.sort_by_key(|r| Reverse(r.support)),
        }
    }

    pub fn act(&mut self, action: Errors, shared: &mut Shared) {
        if action == Errors::Sort {
            self.sort = match self.sort {
                Sort::FalsePositives => Sort::FalseNegatives,
                Sort::FalseNegatives => Sort::WorstF1,
                Sort::WorstF1 => Sort::Support,
                Sort::Support => Sort::FalsePositives,
            };
            self.list.cursor = 0;
            return self.order();
        }
        let Some(row) = self.rows.get(self.list.cursor) else {
            return shared.warn("no relation here");
        };
        let name = shared.relation(row.relation);
        let query = match action {
            Errors::FalsePositives => queries::false_positives(name),
            Errors::FalseNegatives => queries::false_negatives(name),
            Errors::Sentences | Errors::Sort => queries::by_relation(name),
        };
        shared.intents.push(Intent::Filter(query));
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        self.list.act(nav, self.rows.len(), count);
    }

    pub fn click(&mut self, x: u16, y: u16, shared: &mut Shared) {
        if self.area.contains((x, y).into()) {
            let at = self.list.top + (y - self.area.y) as usize;
            if at == self.list.cursor {
                self.act(Errors::FalsePositives, shared);
            } else if at < self.rows.len() {
                self.list.cursor = at;
            }
        }
    }

    pub fn layout(&mut self, area: Rect) {
        self.area = below(area, 3);
        self.list.fit(self.rows.len(), self.area.height as usize);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let top = row(area, 0);
        let x = painter.text(top.x, top.y, top.width, " errors by relation", Role::Title);
        let protocol = if self.protocol.is_empty() {
            String::new()
        } else {
            format!("  {}", self.protocol)
        };
        painter.text(
            x,
            top.y,
            top.right().saturating_sub(x),
            &protocol,
            Role::Dim,
        );
        painter.horizontal(row(area, 1), Role::Border);
        if self.rows.is_empty() {
            return self.draw_empty(below(area, 2), painter, shared);
        }
        let columns = Columns::of(
            area.width,
            self.rows.iter().map(|r| shared.relation(r.relation)),
        );
        self.draw_heading(row(area, 2), &columns, painter);
        for (y, at) in (self.area.y..self.area.bottom()).zip(self.list.visible(self.rows.len())) {
            let line = Rect::new(area.x, y, area.width, 1);
            columns.draw(
                painter,
                line,
                &self.rows[at],
                shared.relation(self.rows[at].relation),
            );
            if at == self.list.cursor {
                painter.text(line.x, y, 1, glyphs::CURSOR, Role::Title);
                painter.restyle(line, Role::Cursor);
            }
        }
    }

    fn draw_heading(&self, line: Rect, columns: &Columns, painter: &mut Painter<'_>) {
        let sorted = |sort| {
            if self.sort == sort {
                Role::Title
            } else {
                Role::Dim
            }
        };
        painter.text(line.x + 2, line.y, columns.name, "relation", Role::Dim);
        let mut right = line.x + 2 + columns.name;
        let titles = [
            ("support", sorted(Sort::Support), 9),
            ("P", Role::Dim, 5),
            ("R", Role::Dim, 5),
            ("F1", sorted(Sort::WorstF1), 5),
            ("FP", sorted(Sort::FalsePositives), 8),
            ("FN", sorted(Sort::FalseNegatives), 8),
        ];
        for (title, role, cells) in titles {
            right += cells;
            let mark = if role == Role::Title { "▾" } else { "" };
            painter.text_right(right, line.y, cells, &format!("{mark}{title}"), role);
        }
    }

    fn draw_empty(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let lines: [&str; 2] = if !self.answered {
            ["Counting…", ""]
        } else if shared.info.run.is_none() {
            [
                "Nothing is predicted yet, so there is nothing to compare.",
                "P predicts the whole workspace in the background.",
            ]
        } else {
            [
                "Labels and predictions are the same everywhere they can be compared.",
                "",
            ]
        };
        for (i, text) in lines.iter().enumerate() {
            let line = row(below(area, 1), i as u16);
            painter.text(
                line.x + 2,
                line.y,
                line.width.saturating_sub(3),
                text,
                if i == 0 { Role::Text } else { Role::Dim },
            );
        }
    }
}

struct Columns {
    name: u16,
    /// Cells of the bar that shows the share of false positives; 0 where there is no room.
    bar: u16,
}

impl Columns {
    /// Cells of the six figures.
    const FIGURES: u16 = 40;

    fn of<'a>(width: u16, names: impl Iterator<Item = &'a str>) -> Self {
        let longest = names.map(crate::tui::clean::width).max().unwrap_or(8) as u16;
        let name = longest
            .clamp(8, 40)
            .min(width.saturating_sub(Self::FIGURES + 3));
        let left = width.saturating_sub(name + Self::FIGURES + 6);
        Self {
            name,
            bar: if left >= 8 { left.min(30) } else { 0 },
        }
    }

    fn draw(&self, painter: &mut Painter<'_>, line: Rect, row: &ErrorRow, name: &str) {
        painter.text(line.x + 2, line.y, self.name, name, Role::Text);
        let mut right = line.x + 2 + self.name;
        let score = |value: f32| {
            if row.support == 0 {
                "—".to_owned()
            } else {
                fraction(value)
            }
        };
        let loud = |n: u32, role| if n > 0 { role } else { Role::Dim };
        let cells = [
            (grouped(row.support), Role::Text, 9),
            (score(row.precision), Role::Text, 5),
            (score(row.recall), Role::Text, 5),
            (score(row.f1), Role::Title, 5),
            (
                format!("+{}", grouped(row.false_positives)),
                loud(row.false_positives, Role::Spurious),
                8,
            ),
            (
                format!("−{}", grouped(row.false_negatives)),
                loud(row.false_negatives, Role::Missed),
                8,
            ),
        ];
        for (text, role, width) in cells {
            right += width;
            painter.text_right(right, line.y, width - 1, &text, role);
        }
        if self.bar > 0 && row.support > 0 {
            painter.text(
                right + 3,
                line.y,
                self.bar,
                &bar(row.f1, self.bar as usize),
                Role::Chart,
            );
        }
    }
}
