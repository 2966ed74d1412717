//! The page of thresholds: one relation's precision and recall at every threshold of its stored scores, and whether the scores mean
//! what they say. A threshold is tried here and kept on request.

use super::super::glyphs;
use super::Scene;
use crate::analysis::curve::{LOWEST, STEPS, ScoreCounts, step_of, threshold_of};
use crate::analysis::{Counts, Measured};
use crate::domain::RelationId;
use crate::tui::action::{Errors, Nav};
use crate::tui::paint::{Painter, below, row};
use crate::tui::state::Shared;
use crate::tui::theme::Role;
use crate::tui::widget::dots::{Dots, marked_bar};
use crate::tui::widget::numbers::{fraction, grouped};
use crate::tui::widget::scroll::Scroll;
use crate::workspace::messages::Request;
use ratatui::layout::Rect;
use std::cmp::Reverse;

/// Steps of a key, and of the same key with shift.
const FINE: usize = 10;
const COARSE: usize = 100;
/// Cells of the list of relations where there is room for one.
const LIST: u16 = 34;
/// Rows above the charts.
const HEAD: u16 = 4;

#[derive(Default)]
pub struct Thresholds {
    /// Relations with scores, most labels first.
    order: Vec<RelationId>,
    list: Scroll,
    scores: Vec<ScoreCounts>,
    /// The step that is tried for the relation under the cursor; `None`: its threshold as it is.
    tried: Option<usize>,
    /// The model scores relations by its kernel head.
    kernel: bool,
    area: Rect,
}

impl Thresholds {
    pub fn take(&mut self, found: &Measured, kernel: bool) {
        let selected = self.selected();
        let mut scored: Vec<_> = found.scores.iter().filter(|(_, s)| !s.is_empty()).collect();
        scored.sort_by_key(|(relation, s)| (Reverse(s.gold()), **relation));
        self.order = scored.iter().map(|(relation, _)| **relation).collect();
        self.scores = scored.iter().map(|(_, s)| (*s).clone()).collect();
        self.kernel = kernel;
        self.list.cursor = 0;
        if let Some(relation) = selected {
            self.show(relation);
        }
    }

    /// Puts the cursor on a relation, if it has scores.
    pub fn show(&mut self, relation: RelationId) {
        if let Some(at) = self.order.iter().position(|r| *r == relation) {
            if at != self.list.cursor {
                self.tried = None;
            }
            self.list.cursor = at;
        }
    }

    fn selected(&self) -> Option<RelationId> {
        self.order.get(self.list.cursor).copied()
    }

    /// The relation's threshold by the rule in use.
    fn standing(&self, relation: RelationId, shared: &Shared) -> f32 {
        let rule = &shared.info.rule;
        let common = if self.kernel { rule.kernel } else { rule.rin };
        rule.own_threshold(relation).unwrap_or(common)
    }

    /// Its threshold as it was kept in this workspace; `None` where the model's holds, be it the relation's own.
    fn kept(relation: RelationId, shared: &Shared) -> Option<f32> {
        let own = shared.info.rule.own_threshold(relation)?;
        let of_model = &shared.info.model_thresholds;
        (!of_model.contains(&(relation, own))).then_some(own)
    }

    /// Whether it was kept here, and the same in words.
    fn whose(relation: RelationId, shared: &Shared) -> (bool, &'static str) {
        let own = shared.info.rule.own_threshold(relation);
        match (Self::kept(relation, shared), own) {
            (Some(_), _) => (true, "kept in this workspace"),
            (None, Some(_)) => (false, "the model's, for this relation"),
            (None, None) => (false, "the model's"),
        }
    }

    pub fn act(&mut self, action: Errors, shared: &mut Shared) {
        let Some(relation) = self.selected() else {
            return shared.warn("no relation here");
        };
        let at = self
            .tried
            .unwrap_or_else(|| step_of(self.standing(relation, shared)));
        // To the next multiple of the step, so that keys meet round thresholds.
        let down = |by: usize| (at - 1) / by * by;
        let up = |by: usize| (at / by + 1) * by;
        let tried = match action {
            Errors::Left => down(FINE),
            Errors::Right => up(FINE),
            Errors::LeftFar => down(COARSE),
            Errors::RightFar => up(COARSE),
            Errors::Best => match self.scores[self.list.cursor].best() {
                Some(step) => step,
                None => return shared.warn("no scored triple is right, so no threshold is best"),
            },
            Errors::Keep => return self.keep(relation, shared),
            Errors::Drop => return self.restore(relation, shared),
            _ => return,
        };
        self.tried = Some(tried.clamp(LOWEST, STEPS));
    }

    fn keep(&mut self, relation: RelationId, shared: &mut Shared) {
        let Some(step) = self.tried.take() else {
            return shared.warn("move the threshold first");
        };
        shared.send(Request::SetThreshold {
            relation,
            threshold: Some(threshold_of(step)),
        });
    }

    fn restore(&mut self, relation: RelationId, shared: &mut Shared) {
        let kept = Self::kept(relation, shared);
        if self.tried.take().is_none() && kept.is_none() {
            return shared.warn("this relation has the model's threshold already");
        }
        if kept.is_some() {
            shared.send(Request::SetThreshold {
                relation,
                threshold: None,
            });
        }
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        let before = self.list.cursor;
        self.list.act(nav, self.order.len(), count);
        if before != self.list.cursor {
            self.tried = None;
        }
    }

    pub fn click(&mut self, x: u16, y: u16) -> bool {
        let at = self.list.top + (y.saturating_sub(self.area.y)) as usize;
        if self.area.contains((x, y).into()) && at < self.order.len() && at != self.list.cursor {
            self.list.cursor = at;
            self.tried = None;
        }
        false
    }

    pub fn layout(&mut self, area: Rect) {
        self.area = Rect {
            width: if area.width >= 120 { LIST } else { 0 },
            ..area
        };
        self.list.fit(self.order.len(), self.area.height as usize);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, scene: &Scene<'_>) {
        let Some(relation) = self.selected() else {
            let line = row(area, 0);
            let text = "No relation has a score of .05 or more.";
            painter.text(line.x + 2, line.y, line.width, text, Role::Text);
            return;
        };
        self.draw_list(painter, scene.shared);
        let right = Rect {
            x: area.x + self.area.width,
            width: area.width.saturating_sub(self.area.width + 1),
            ..area
        };
        let scores = &self.scores[self.list.cursor];
        let counts = self.draw_head(right, relation, scores, painter, scene);
        let charts = below(right, HEAD);
        let half = charts.width / 2;
        let left = Rect {
            width: half,
            ..charts
        };
        draw_curve(left, scores, &counts, painter);
        let calibration = Rect {
            x: charts.x + half,
            width: charts.width - half,
            ..charts
        };
        draw_calibration(calibration, scores, painter);
    }

    fn draw_list(&self, painter: &mut Painter<'_>, shared: &Shared) {
        if self.area.width == 0 {
            return;
        }
        for (y, at) in (self.area.y..self.area.bottom()).zip(self.list.visible(self.order.len())) {
            let relation = self.order[at];
            let cells = self.area.width.saturating_sub(11);
            painter.text(
                self.area.x + 2,
                y,
                cells,
                shared.relation(relation),
                Role::Text,
            );
            let own = shared.info.rule.own_threshold(relation);
            let text = match own {
                Some(threshold) => format!("own {threshold:.2}"),
                None => String::new(),
            };
            painter.text_right(self.area.right() - 2, y, 8, &text, Role::Title);
            if at == self.list.cursor {
                painter.text(self.area.x, y, 1, glyphs::CURSOR, Role::Title);
                let line = Rect::new(self.area.x, y, self.area.width - 1, 1);
                painter.restyle(line, Role::Cursor);
            }
        }
    }

    /// Relation, threshold and what it gives; returns the counts.
    fn draw_head(
        &self,
        area: Rect,
        relation: RelationId,
        scores: &ScoreCounts,
        painter: &mut Painter<'_>,
        scene: &Scene<'_>,
    ) -> Counts {
        let shared = scene.shared;
        let standing = self.standing(relation, shared);
        // As it stands it was counted exactly; a threshold between two steps has no counts of its own here.
        let as_it_is = scene.found.row(relation).map(|r| r.row.counts);
        let counts = match self.tried {
            Some(step) => scores.counts(step),
            None => as_it_is.unwrap_or_default(),
        };
        let place = format!("  {} of {}", self.list.cursor + 1, self.order.len());
        let name = shared.relation(relation).to_owned();
        let parts = [(format!("  {name}"), Role::Title), (place, Role::Dim)];
        painter.parts(row(area, 0), &parts);
        let (kept, whose) = Self::whose(relation, shared);
        let mut first = vec![(format!("  threshold {standing:.3} ({whose})"), Role::Text)];
        if kept && self.tried.is_none() {
            let carry = "  redress convert --thresholds carries it";
            first.push((carry.to_owned(), Role::Dim));
        }
        if let Some(step) = self.tried {
            let tried = threshold_of(step);
            first.push((format!("  trying {tried:.3}"), Role::Warning));
            first.push((", w keeps it, x drops it".to_owned(), Role::Dim));
        }
        painter.parts(row(area, 1), &first);
        let prf = counts.prf();
        let figure = |name: &str, p: f64| format!("  {name} {}", fraction(p as f32));
        let line = [
            (figure("P", prf.precision), Role::Text),
            (figure("R", prf.recall), Role::Text),
            (figure("F1", prf.f1), Role::Title),
            (
                format!(
                    "   {} of {} predicted right, {} labels",
                    grouped(counts.correct),
                    grouped(counts.predicted),
                    grouped(counts.gold)
                ),
                Role::Dim,
            ),
        ];
        painter.parts(row(area, 2), &line);
        if let Some(best) = scores.best() {
            let f1 = fraction(scores.counts(best).f1() as f32);
            let text = format!(
                "  b: highest F1 {f1} at {:.3}, on these very labels",
                threshold_of(best)
            );
            painter.parts(row(area, 3), &[(text, Role::Dim)]);
        }
        counts
    }
}

/// Precision over recall, with the threshold's place on it.
fn draw_curve(area: Rect, scores: &ScoreCounts, counts: &Counts, painter: &mut Painter<'_>) {
    let heading = row(area, 0);
    let text = "  precision ↑  recall →";
    painter.text(heading.x, heading.y, heading.width, text, Role::Dim);
    let plot = Rect {
        x: area.x + 5,
        y: area.y + 1,
        width: area.width.saturating_sub(7).min(80),
        height: area.height.saturating_sub(2).min(24),
    };
    if plot.width < 8 || plot.height < 3 {
        return;
    }
    let mut dots = Dots::new(plot.width as usize, plot.height as usize);
    let curve = scores.curve();
    // Steps without predictions have no precision.
    let points: Vec<(f64, f64)> = curve
        .iter()
        .filter(|p| p.precision > 0.0 || p.recall > 0.0)
        .map(|p| (p.recall, p.precision))
        .collect();
    for pair in points.windows(2) {
        dots.line(pair[0], pair[1]);
    }
    if let [only] = points.as_slice() {
        dots.line(*only, *only);
    }
    for (i, text) in dots.rows().iter().enumerate() {
        let y = plot.y + i as u16;
        painter.text(plot.x - 1, y, 1, "│", Role::Border);
        painter.text(plot.x, y, plot.width, text, Role::Chart);
    }
    painter.text_right(plot.x - 1, plot.y, 3, "1", Role::Dim);
    painter.text_right(plot.x - 1, plot.y + plot.height / 2, 3, ".5", Role::Dim);
    let foot = plot.bottom();
    painter.text_right(plot.x - 1, foot, 3, "0", Role::Dim);
    painter.horizontal(Rect::new(plot.x - 1, foot, plot.width + 1, 1), Role::Border);
    painter.text(plot.x + plot.width / 2 - 1, foot, 2, ".5", Role::Dim);
    painter.text(plot.right() - 1, foot, 1, "1", Role::Dim);
    if counts.predicted > 0 {
        let (x, y) = dots.cell((counts.recall(), counts.precision()));
        let (x, y) = (plot.x + x as u16, plot.y + y as u16);
        painter.text(x, y, 1, "●", Role::Title);
    }
}

/// How often triples of a score are right; the mark is where the bar should end.
fn draw_calibration(area: Rect, scores: &ScoreCounts, painter: &mut Painter<'_>) {
    let heading = row(area, 0);
    let found = scores.calibration();
    let text = format!(
        "  score       n  right  ┃ is ideal, error {}",
        fraction(found.expected_error as f32)
    );
    painter.text(heading.x, heading.y, heading.width, &text, Role::Dim);
    let bar = area.width.saturating_sub(24).min(40);
    for (i, bin) in found.bins.iter().rev().enumerate() {
        let at = found.bins.len() - 1 - i;
        let line = row(area, i as u16 + 1);
        if line.width == 0 {
            return;
        }
        let end = |i: usize| fraction(i as f32 / found.bins.len() as f32);
        let range = format!("{:>3}–{}", end(at), end(at + 1));
        painter.text(line.x + 1, line.y, 8, &range, Role::Dim);
        painter.text_right(line.x + 15, line.y, 6, &grouped(bin.n), Role::Text);
        if bin.n == 0 {
            continue;
        }
        painter.text_right(
            line.x + 21,
            line.y,
            5,
            &fraction(bin.accuracy as f32),
            Role::Text,
        );
        let shown = marked_bar(bin.accuracy as f32, bin.confidence as f32, bar as usize);
        painter.text(line.x + 23, line.y, bar, &shown, Role::Chart);
    }
}
