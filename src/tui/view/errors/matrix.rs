//! The page of confusions: which relation is taken for which. A row is a relation of the labels, a column one of the predictions; the
//! first row holds predictions without a label, the first column labels without a prediction.

use super::super::glyphs;
use super::Scene;
use crate::analysis::{Confusion, Measured};
use crate::domain::{Outcome, RelationId};
use crate::tui::action::{Errors, Nav};
use crate::tui::clean::width;
use crate::tui::paint::{Painter, row};
use crate::tui::queries;
use crate::tui::state::{Intent, Shared};
use crate::tui::theme::Role;
use crate::tui::widget::numbers::{counted, short};
use crate::tui::widget::scroll::Scroll;
use ratatui::layout::Rect;

/// Fewest and most cells of a column.
const COLUMN: (u16, u16) = (6, 14);
/// Rows above the cells: column numbers and names.
const HEAD: u16 = 2;
/// Rows below: what the cell under the cursor says.
const FOOT: u16 = 2;

#[derive(Default)]
pub struct Matrix {
    /// Of rows and columns alike; both have one more in front.
    order: Vec<RelationId>,
    rows: Scroll,
    columns: Scroll,
    /// Where cells are drawn.
    cells: Rect,
    /// Cells of the rows' names, and of a column.
    label: u16,
    column: u16,
}

/// A place in the matrix; (spurious, missed) is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cell {
    Corner,
    Missed(RelationId),
    Spurious(RelationId),
    /// Gold and predicted relation.
    Pair(RelationId, RelationId),
}

impl Matrix {
    pub fn take(&mut self, found: &Measured) {
        let selected = self.selected();
        self.order = found.confusion.relations();
        // An edit that reorders the relations leaves the cursor on its cell.
        let place = |id| self.order.iter().position(|r| *r == id).map(|at| at + 1);
        let (row, column) = match selected {
            Cell::Pair(gold, predicted) => (place(gold), place(predicted)),
            Cell::Missed(gold) => (place(gold), Some(0)),
            Cell::Spurious(predicted) => (Some(0), place(predicted)),
            // Nothing was chosen yet.
            Cell::Corner => match self.largest(&found.confusion) {
                Some((row, column)) => (Some(row), Some(column)),
                None => (Some(self.order.len().min(1)), Some(0)),
            },
        };
        self.rows.cursor = row.unwrap_or(0);
        self.columns.cursor = column.unwrap_or(0);
    }

    /// Where most labels are taken for another relation.
    fn largest(&self, confusion: &Confusion) -> Option<(usize, usize)> {
        let n = self.order.len();
        let places = (0..n).flat_map(|g| (0..n).map(move |p| (g, p)));
        let confused = places
            .filter(|(g, p)| g != p)
            .map(|(g, p)| (confusion.pair(self.order[g], self.order[p]), g, p));
        let most = confused.max_by_key(|(n, g, p)| (*n, std::cmp::Reverse((*g, *p))))?;
        (most.0 > 0).then_some((most.1 + 1, most.2 + 1))
    }

    fn selected(&self) -> Cell {
        self.cell(self.rows.cursor, self.columns.cursor)
    }

    fn cell(&self, row: usize, column: usize) -> Cell {
        let relation = |at: usize| Some(*self.order.get(at.checked_sub(1)?)?);
        match (relation(row), relation(column)) {
            (Some(gold), Some(predicted)) => Cell::Pair(gold, predicted),
            (Some(gold), None) => Cell::Missed(gold),
            (None, Some(predicted)) => Cell::Spurious(predicted),
            (None, None) => Cell::Corner,
        }
    }

    pub fn act(&mut self, action: Errors, shared: &mut Shared) {
        let n = self.order.len() + 1;
        match action {
            Errors::Left => self.columns.act(Nav::Up, n, 1),
            Errors::Right => self.columns.act(Nav::Down, n, 1),
            Errors::Open => {
                let name = |id: RelationId| shared.relation(id);
                let query = match self.selected() {
                    Cell::Corner => {
                        return shared.warn("this is no cell; choose one with the arrows");
                    }
                    Cell::Missed(gold) => queries::missed(name(gold)),
                    Cell::Spurious(predicted) => queries::spurious(name(predicted)),
                    Cell::Pair(gold, predicted) if gold == predicted => queries::met(name(gold)),
                    Cell::Pair(gold, predicted) => queries::confused(name(gold), name(predicted)),
                };
                shared.intents.push(Intent::Filter(query));
            }
            _ => {}
        }
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        self.rows.act(nav, self.order.len() + 1, count);
    }

    pub fn click(&mut self, x: u16, y: u16) -> bool {
        if !self.cells.contains((x, y).into()) {
            return false;
        }
        let at_row = self.rows.top + (y - self.cells.y) as usize;
        let at_column = self.columns.top + ((x - self.cells.x) / self.column.max(1)) as usize;
        let again = (at_row, at_column) == (self.rows.cursor, self.columns.cursor);
        if at_row <= self.order.len() && at_column <= self.order.len() {
            (self.rows.cursor, self.columns.cursor) = (at_row, at_column);
        }
        again
    }

    pub fn layout(&mut self, area: Rect) {
        self.label = (area.width / 4).clamp(16, 34);
        let left = self.label.min(area.width);
        self.cells = Rect {
            x: area.x + left,
            y: area.y + HEAD.min(area.height),
            width: area.width - left,
            height: area.height.saturating_sub(HEAD + FOOT),
        };
        let n = self.order.len() + 1;
        let even = self.cells.width / u16::try_from(n).unwrap_or(u16::MAX);
        self.column = even.clamp(COLUMN.0, COLUMN.1);
        self.rows.fit(n, self.cells.height as usize);
        self.columns
            .fit(n, (self.cells.width / self.column) as usize);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, scene: &Scene<'_>) {
        self.draw_columns(area, painter, scene.shared);
        let n = self.order.len() + 1;
        for (y, at) in (self.cells.y..self.cells.bottom()).zip(self.rows.visible(n)) {
            let here = at == self.rows.cursor;
            let name = self.name(at, "(no label)", scene.shared);
            let role = if here { Role::Title } else { Role::Text };
            if here {
                painter.text(area.x, y, 1, glyphs::CURSOR, Role::Title);
            }
            painter.text(area.x + 2, y, self.label.saturating_sub(3), &name, role);
            for (i, column) in self.columns.visible(n).enumerate() {
                let x = self.cells.x + i as u16 * self.column;
                let (text, role) = shown(self.cell(at, column), &scene.found.confusion);
                painter.text_right(x + self.column - 1, y, self.column - 1, &text, role);
                if here && column == self.columns.cursor {
                    painter.restyle(Rect::new(x, y, self.column, 1), Role::Cursor);
                }
            }
        }
        let foot = row(area, area.height.saturating_sub(1));
        let words = self.in_words(scene);
        painter.text(
            foot.x + 2,
            foot.y,
            foot.width.saturating_sub(3),
            &words,
            Role::Text,
        );
    }

    /// Number and name of a row or column.
    fn name(&self, at: usize, first: &str, shared: &Shared) -> String {
        match at.checked_sub(1).and_then(|i| self.order.get(i)) {
            Some(relation) => format!("{at:>3} {}", shared.relation(*relation)),
            None => format!("    {first}"),
        }
    }

    fn draw_columns(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let (numbers, names) = (row(area, 0), row(area, 1));
        let cells = self.label.saturating_sub(2);
        painter.text(
            area.x + 2,
            numbers.y,
            cells,
            "label ↓ predicted→",
            Role::Dim,
        );
        let n = self.order.len() + 1;
        for (i, column) in self.columns.visible(n).enumerate() {
            let right = self.cells.x + (i as u16 + 1) * self.column - 1;
            let here = column == self.columns.cursor;
            let role = if here { Role::Title } else { Role::Dim };
            match column.checked_sub(1).and_then(|i| self.order.get(i)) {
                Some(relation) => {
                    let name = shared.relation(*relation);
                    let cells = self.column - 1;
                    painter.text_right(right, numbers.y, cells, &column.to_string(), role);
                    let x = right - cells.min(width(name) as u16);
                    painter.text(x, names.y, cells, name, role);
                }
                None => painter.text_right(right, names.y, self.column - 1, "none", role),
            }
        }
    }

    /// The cell under the cursor, in full.
    fn in_words(&self, scene: &Scene<'_>) -> String {
        let name = |id: RelationId| scene.shared.relation(id);
        let confusion = &scene.found.confusion;
        let labels = |n: u64| counted(n as usize, "label");
        match self.selected() {
            Cell::Corner => String::new(),
            Cell::Missed(gold) => {
                let n = labels(confusion.missed(gold));
                format!("{n} {}: nothing predicted", name(gold))
            }
            Cell::Spurious(predicted) => {
                let n = counted(confusion.spurious(predicted) as usize, "prediction");
                format!("{n} {}: no label", name(predicted))
            }
            Cell::Pair(gold, predicted) if gold == predicted => {
                let of = |outcome| {
                    let row = scene.found.row(gold);
                    row.map_or(0, |r| r.row.of(outcome).0)
                };
                format!(
                    "{} {} met: {} correct, {} reversed, {} of other spans, {} of another type",
                    labels(confusion.pair(gold, gold)),
                    name(gold),
                    of(Outcome::Correct),
                    of(Outcome::Reversed),
                    of(Outcome::Boundary),
                    of(Outcome::WrongType)
                )
            }
            Cell::Pair(gold, predicted) => {
                let n = labels(confusion.pair(gold, predicted));
                format!("{n} {} predicted as {}", name(gold), name(predicted))
            }
        }
    }
}

fn shown(cell: Cell, confusion: &Confusion) -> (String, Role) {
    let (n, role) = match cell {
        Cell::Corner => return (String::new(), Role::Dim),
        Cell::Missed(gold) => (confusion.missed(gold), Role::Missed),
        Cell::Spurious(predicted) => (confusion.spurious(predicted), Role::Spurious),
        Cell::Pair(gold, predicted) => {
            let role = match gold == predicted {
                true => Role::Correct,
                false => Role::Partly,
            };
            (confusion.pair(gold, predicted), role)
        }
    };
    match n {
        0 => ("·".to_owned(), Role::Dim),
        n => (short(u32::try_from(n).unwrap_or(u32::MAX)), role),
    }
}
