//! The page of outcomes: how gold and predicted triples fared, and what curators flagged.

use super::super::glyphs;
use super::Scene;
use crate::domain::{ErrorTag, Outcome, RelationId};
use crate::tui::action::{Errors, Nav};
use crate::tui::paint::{Painter, below, row};
use crate::tui::queries;
use crate::tui::state::{Intent, Shared};
use crate::tui::theme::Role;
use crate::tui::widget::bars::bar;
use crate::tui::widget::numbers::grouped;
use crate::tui::widget::scroll::Scroll;
use ratatui::layout::Rect;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Outcome(Outcome),
    Tag(ErrorTag),
}

/// Outcomes, then tags.
fn rows() -> Vec<Row> {
    let outcomes = Outcome::ALL.into_iter().map(Row::Outcome);
    outcomes
        .chain(ErrorTag::ALL.iter().copied().map(Row::Tag))
        .collect()
}

/// Cells of name and both counts.
const TABLE: u16 = 42;

#[derive(Default)]
pub struct Outcomes {
    list: Scroll,
    area: Rect,
}

impl Outcomes {
    pub fn act(&mut self, action: Errors, shared: &mut Shared) {
        if action != Errors::Open {
            return;
        }
        let query = match rows()[self.list.cursor.min(rows().len() - 1)] {
            Row::Outcome(outcome) => queries::outcome(outcome.name()),
            Row::Tag(tag) => queries::tag(tag.name()),
        };
        shared.intents.push(Intent::Filter(query));
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        self.list.act(nav, rows().len(), count);
    }

    pub fn click(&mut self, x: u16, y: u16) -> bool {
        self.list.click(self.area, (x, y), rows().len())
    }

    pub fn layout(&mut self, area: Rect) {
        self.area = below(area, 1);
        self.list.fit(rows().len(), self.area.height as usize);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, scene: &Scene<'_>) {
        let heading = row(area, 0);
        let right = heading.x + TABLE;
        painter.text(heading.x + 4, heading.y, 20, "triples that are", Role::Dim);
        painter.text_right(right - 10, heading.y, 9, "labels", Role::Dim);
        painter.text_right(right, heading.y, 9, "predicted", Role::Dim);
        let most = Outcome::ALL.map(|o| scene.found.outcome(o));
        let most = most
            .iter()
            .map(|(g, p)| *g.max(p))
            .max()
            .unwrap_or(0)
            .max(1);
        let rows = rows();
        for (y, at) in (self.area.y..self.area.bottom()).zip(self.list.visible(rows.len())) {
            let line = Rect::new(area.x, y, area.width.min(TABLE + 1), 1);
            draw_row(rows[at], line, painter, scene);
            if at == self.list.cursor {
                glyphs::mark_cursor(painter, line);
            }
            if let Row::Outcome(outcome) = rows[at] {
                let (gold, predicted) = scene.found.outcome(outcome);
                let cells = self.bar(area);
                let share = gold.max(predicted) as f32 / most as f32;
                let bar = bar(share, cells as usize);
                painter.text(right + 2, y, cells, &bar, Role::Chart);
            }
        }
        self.draw_relations(area, painter, scene, rows[self.list.cursor]);
    }

    /// Cells of the bars.
    fn bar(&self, area: Rect) -> u16 {
        if area.width >= 110 { 24 } else { 0 }
    }

    /// The relations behind the row under the cursor, most first, at the right.
    fn draw_relations(
        &self,
        area: Rect,
        painter: &mut Painter<'_>,
        scene: &Scene<'_>,
        chosen: Row,
    ) {
        let x = area.x + TABLE + 4 + self.bar(area);
        let width = area.right().saturating_sub(x + 1);
        if width < 24 {
            return;
        }
        let mut counts = of_relations(chosen, scene);
        counts.sort_by_key(|(relation, n)| (std::cmp::Reverse(*n), *relation));
        let title = match (chosen, counts.is_empty()) {
            (_, true) => "none".to_owned(),
            (Row::Outcome(outcome), _) => format!("{}, by relation", in_words(outcome)),
            (Row::Tag(tag), _) => format!("flagged {}, by relation", tag.name()),
        };
        let heading = row(area, 0);
        painter.text(x, heading.y, width, &title, Role::Dim);
        for (y, (relation, n)) in (self.area.y..self.area.bottom()).zip(&counts) {
            let name = scene.shared.relation(*relation);
            painter.text_right(x + 8, y, 8, &grouped(*n), Role::Text);
            painter.text(x + 10, y, width.saturating_sub(10), name, Role::Text);
        }
    }
}

/// Of outcomes that pair a label with a prediction the labels are counted, of spurious ones the predictions.
fn of_relations(row: Row, scene: &Scene<'_>) -> Vec<(RelationId, u64)> {
    let counted = match row {
        Row::Outcome(outcome) => {
            let rows = scene.found.rows.iter().map(|r| &r.row);
            let count = |(gold, predicted): (u64, u64)| match outcome {
                Outcome::Spurious => predicted,
                _ => gold,
            };
            rows.map(|r| (r.relation, count(r.of(outcome))))
                .collect::<Vec<_>>()
        }
        Row::Tag(tag) => {
            let at = ErrorTag::ALL.iter().position(|t| *t == tag).unwrap_or(0);
            let tags = scene.study.tags.iter();
            tags.map(|(relation, n)| (*relation, n[at])).collect()
        }
    };
    counted.into_iter().filter(|(_, n)| *n > 0).collect()
}

fn draw_row(chosen: Row, line: Rect, painter: &mut Painter<'_>, scene: &Scene<'_>) {
    let right = line.x + TABLE;
    let loud = |n: u64| if n > 0 { Role::Text } else { Role::Dim };
    let number = |painter: &mut Painter<'_>, right: u16, n: u64| {
        painter.text_right(right, line.y, 9, &grouped(n), loud(n));
    };
    match chosen {
        Row::Outcome(outcome) => {
            let (glyph, role) = glyphs::outcome(Some(outcome));
            painter.text(line.x + 2, line.y, 1, glyph, role);
            painter.text(line.x + 4, line.y, 19, in_words(outcome), Role::Text);
            let (gold, predicted) = scene.found.outcome(outcome);
            if outcome != Outcome::Spurious {
                number(painter, right - 10, gold);
            }
            if outcome != Outcome::Missed {
                number(painter, right, predicted);
            }
        }
        Row::Tag(tag) => {
            painter.text(line.x + 2, line.y, 1, glyphs::FLAG, Role::Warning);
            let name = tag.name().replace('_', " ");
            painter.text(
                line.x + 4,
                line.y,
                26,
                &format!("flagged: {name}"),
                Role::Text,
            );
            number(painter, right, scene.study.tagged(tag));
        }
    }
}

fn in_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Correct => "correct",
        Outcome::WrongRelation => "of another relation",
        Outcome::Reversed => "reversed",
        Outcome::Boundary => "of other spans",
        Outcome::WrongType => "of another type",
        Outcome::Missed => "missed",
        Outcome::Spurious => "spurious",
    }
}
