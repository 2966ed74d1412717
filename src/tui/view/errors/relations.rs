//! The page of relations: how much of each is found, missed and invented.

use super::super::glyphs;
use super::Scene;
use crate::analysis::{Counts, Interval, Measured, MeasuredRow};
use crate::domain::RelationId;
use crate::tui::action::{Errors, Nav};
use crate::tui::paint::{Painter, below, row};
use crate::tui::queries;
use crate::tui::state::{Intent, Shared};
use crate::tui::theme::Role;
use crate::tui::widget::bars::bar;
use crate::tui::widget::numbers::{fraction, grouped};
use crate::tui::widget::scroll::Scroll;
use ratatui::layout::Rect;
use std::cmp::Reverse;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    #[default]
    FalsePositives,
    FalseNegatives,
    WorstF1,
    Support,
}

/// Rows above the list: headings and the sum.
const HEAD: u16 = 2;

#[derive(Default)]
pub struct Relations {
    rows: Vec<MeasuredRow>,
    list: Scroll,
    sort: Sort,
    area: Rect,
}

impl Relations {
    pub fn take(&mut self, found: &Measured) {
        let selected = self.selected();
        self.rows.clone_from(&found.rows);
        self.order();
        let place = |id| self.rows.iter().position(|r| r.row.relation == id);
        if let Some(at) = selected.and_then(place) {
            self.list.cursor = at;
        }
    }

    pub fn selected(&self) -> Option<RelationId> {
        self.rows.get(self.list.cursor).map(|r| r.row.relation)
    }

    fn order(&mut self) {
        let counts = |r: &MeasuredRow| r.row.counts;
        match self.sort {
            Sort::FalsePositives => self
                .rows
                .sort_by_key(|r| Reverse(counts(r).false_positives())),
            Sort::FalseNegatives => self
                .rows
                .sort_by_key(|r| Reverse(counts(r).false_negatives())),
            // Relations that occur nowhere have no F1 to be ashamed of.
            Sort::WorstF1 => self.rows.sort_by(|a, b| {
                let key = |r: &MeasuredRow| match counts(r).gold {
                    0 => 2.0,
                    _ => counts(r).f1(),
                };
                key(a).total_cmp(&key(b))
            }),
            Sort::Support => self.rows.sort_by_key(|r| Reverse(counts(r).gold)),
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
        let Some(relation) = self.selected() else {
            return shared.warn("no relation here");
        };
        let name = shared.relation(relation);
        let query = match action {
            Errors::Open => queries::false_positives(name),
            Errors::FalseNegatives => queries::false_negatives(name),
            Errors::Right => queries::by_relation(name),
            _ => return,
        };
        shared.intents.push(Intent::Filter(query));
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        self.list.act(nav, self.rows.len(), count);
    }

    /// Whether the row under the mouse was the one under the cursor already.
    pub fn click(&mut self, x: u16, y: u16) -> bool {
        self.list.click(self.area, (x, y), self.rows.len())
    }

    pub fn layout(&mut self, area: Rect) {
        self.area = below(area, HEAD);
        self.list.fit(self.rows.len(), self.area.height as usize);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, scene: &Scene<'_>) {
        let name = |r: &MeasuredRow| scene.shared.relation(r.row.relation);
        let columns = Columns::of(area.width, self.rows.iter().map(name));
        draw_heading(row(area, 0), &columns, "relation", Some(self.sort), painter);
        let found = scene.found;
        let sum = ("all relations, micro", &found.total, &found.intervals);
        columns.draw(painter, row(area, 1), sum, Role::Title);
        for (y, at) in (self.area.y..self.area.bottom()).zip(self.list.visible(self.rows.len())) {
            let line = Rect::new(area.x, y, area.width, 1);
            let measured = &self.rows[at];
            let figures = (name(measured), &measured.row.counts, &measured.intervals);
            columns.draw(painter, line, figures, Role::Text);
            if at == self.list.cursor {
                glyphs::mark_cursor(painter, line);
            }
        }
    }
}

/// Titles of the columns; the one that is `sorted` by is marked.
pub fn draw_heading(
    line: Rect,
    columns: &Columns,
    first: &str,
    sorted: Option<Sort>,
    painter: &mut Painter<'_>,
) {
    painter.text(line.x + 2, line.y, columns.name, first, Role::Dim);
    let mut right = line.x + 2 + columns.name;
    let [p, r, f1] = columns.intervals;
    let titles = [
        ("support", Some(Sort::Support), 9, 0),
        ("P", None, 5, p),
        ("R", None, 5, r),
        ("F1", Some(Sort::WorstF1), 5, f1),
        ("FP", Some(Sort::FalsePositives), 8, 0),
        ("FN", Some(Sort::FalseNegatives), 8, 0),
    ];
    for (title, sort, cells, interval) in titles {
        right += cells;
        let (mark, role) = match sort.is_some() && sort == sorted {
            true => ("▾", Role::Title),
            false => ("", Role::Dim),
        };
        let text = format!("{mark}{title}");
        painter.text_right(right - 1, line.y, cells - 1, &text, role);
        right += interval;
    }
}

pub struct Columns {
    name: u16,
    /// Cells of the intervals of P, R and F1; 0 where there is no room.
    intervals: [u16; 3],
    /// Cells of the bar that shows F1; 0 where there is no room.
    bar: u16,
}

impl Columns {
    /// Cells of the six figures.
    const FIGURES: u16 = 40;
    /// ` .84–.90`
    const INTERVAL: u16 = 8;

    pub fn of<'a>(width: u16, names: impl Iterator<Item = &'a str>) -> Self {
        let longest = names.map(crate::tui::clean::width).max().unwrap_or(8) as u16;
        let longest = longest.clamp(20, 40);
        let room = width.saturating_sub(Self::FIGURES + 3);
        let spare = room.saturating_sub(longest.min(20));
        let n_intervals = match spare / Self::INTERVAL {
            0 => 0,
            1 | 2 => 1,
            _ => 3,
        };
        let intervals = match n_intervals {
            0 => [0; 3],
            1 => [0, 0, Self::INTERVAL],
            _ => [Self::INTERVAL; 3],
        };
        let name = longest.min(room.saturating_sub(n_intervals * Self::INTERVAL));
        let left = room.saturating_sub(name + n_intervals * Self::INTERVAL + 3);
        Self {
            name,
            intervals,
            bar: if left >= 8 { left.min(30) } else { 0 },
        }
    }

    /// A name with its counts and the intervals of P, R and F1.
    pub fn draw(
        &self,
        painter: &mut Painter<'_>,
        line: Rect,
        (name, counts, intervals): (&str, &Counts, &[Interval; 3]),
        role: Role,
    ) {
        painter.text(line.x + 2, line.y, self.name, name, role);
        let mut right = line.x + 2 + self.name;
        let (fp, fn_) = (counts.false_positives(), counts.false_negatives());
        // A share of nothing is no figure.
        let score = |value: f64, of: u64| match of {
            0 => "—".to_owned(),
            _ => fraction(value as f32),
        };
        let (predicted, gold) = (counts.predicted, counts.gold);
        let interval =
            |cells: u16, at: usize, of: u64| Some((cells, (of > 0).then_some(intervals[at])));
        let loud = |n: u64, role| if n > 0 { role } else { Role::Dim };
        let [p, r, f1] = self.intervals;
        let cells = [
            (grouped(counts.gold), role, 9, None),
            (
                score(counts.precision(), predicted),
                role,
                5,
                interval(p, 0, predicted),
            ),
            (score(counts.recall(), gold), role, 5, interval(r, 1, gold)),
            (
                score(counts.f1(), gold),
                Role::Title,
                5,
                interval(f1, 2, gold),
            ),
            (
                format!("+{}", grouped(fp)),
                loud(fp, Role::Spurious),
                8,
                None,
            ),
            (
                format!("−{}", grouped(fn_)),
                loud(fn_, Role::Missed),
                8,
                None,
            ),
        ];
        for (text, role, width, interval) in cells {
            right += width;
            painter.text_right(right - 1, line.y, width - 1, &text, role);
            if let Some((cells, interval)) = interval.filter(|(cells, _)| *cells > 0) {
                if let Some(interval) = interval {
                    painter.text(right - 1, line.y, cells, &shown(interval), Role::Dim);
                }
                right += cells;
            }
        }
        if self.bar > 0 && counts.gold > 0 {
            let bar = bar(counts.f1() as f32, self.bar as usize);
            painter.text(right + 2, line.y, self.bar, &bar, Role::Chart);
        }
    }
}

/// ` .84–.90`
pub fn shown(interval: Interval) -> String {
    let end = |p: f64| fraction(p as f32);
    format!(" {}–{}", end(interval.low), end(interval.high))
}
