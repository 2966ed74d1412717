//! The page of runs: the current one against an earlier one, relation by relation, and the way to each decision that changed.

use super::super::glyphs;
use crate::analysis::ChangedRow;
use crate::domain::RelationId;
use crate::tui::action::{Action, Errors, Nav};
use crate::tui::paint::{Painter, below, row, sides};
use crate::tui::queries;
use crate::tui::question::{Question, in_words};
use crate::tui::state::{Intent, Shared};
use crate::tui::theme::Role;
use crate::tui::widget::numbers::{MISSING, fraction, grouped, minute};
use crate::tui::widget::scroll::Scroll;
use crate::workspace::compare::{BY_WHAT, Compared, LISTED};
use crate::workspace::messages::{Request, Ticket};
use crate::workspace::runs::RunRow;
use ratatui::layout::Rect;
use std::sync::Arc;

/// Rows above the list: the two runs, what is compared, headings.
const HEAD: u16 = 4;
/// Rows below it.
const FOOT: u16 = 2;
/// Cells of the figures beside the name.
const FIGURES: u16 = 44;
/// `[-.012, +.034]` and a blank.
const INTERVAL: u16 = 16;
/// Characters of a run's name.
const NAME: usize = 8;

#[derive(Default)]
pub struct Runs {
    /// Every run on record, the latest first.
    runs: Vec<RunRow>,
    found: Option<Result<Arc<Compared>, String>>,
    /// The earlier run that was chosen.
    before: Option<String>,
    /// The first row is all relations together.
    list: Scroll,
    question: Question,
    area: Rect,
}

impl Runs {
    pub fn mark_dirty(&mut self) {
        self.question.mark_stale();
    }

    pub fn fetch(&mut self, shared: &mut Shared) {
        if let Some(ticket) = self.question.due(shared) {
            let before = self.before.clone();
            shared.send(Request::Compare { ticket, before });
        }
    }

    pub fn on_comparing(&mut self, ticket: Ticket, done: u64, total: u64) {
        self.question.on_progress(ticket, done, total);
    }

    pub fn take(
        &mut self,
        ticket: Ticket,
        runs: Vec<RunRow>,
        found: Result<Arc<Compared>, String>,
    ) {
        if !self.question.is_answered_by(ticket) {
            return;
        }
        let selected = self.selected();
        // An earlier run that is kept no more is forgotten.
        let is_kept = |name: &String| runs.iter().any(|r| &r.run == name && r.predicted > 0);
        self.before = self.before.take().filter(is_kept);
        (self.runs, self.found) = (runs, Some(found));
        let place = |id| {
            let compared = self.compared()?;
            let at = compared.relations.iter().position(|(r, _)| *r == id)?;
            Some(at + 1)
        };
        self.list.cursor = selected.and_then(place).unwrap_or(0);
    }

    fn compared(&self) -> Option<&Compared> {
        self.found.as_ref()?.as_deref().ok()
    }

    /// The relation under the cursor; none on the row of all.
    fn selected(&self) -> Option<RelationId> {
        let at = self.list.cursor.checked_sub(1)?;
        Some(self.compared()?.relations.get(at)?.0)
    }

    fn len(&self) -> usize {
        self.compared().map_or(0, |c| c.relations.len() + 1)
    }

    pub fn act(&mut self, action: Errors, shared: &mut Shared) {
        match action {
            Errors::Left => self.step(1, shared),
            Errors::Right => self.step(-1, shared),
            Errors::Open | Errors::Fixed => {
                let Some(compared) = self.compared() else {
                    return shared.warn("no two runs are compared here yet");
                };
                let row = match self.list.cursor.checked_sub(1) {
                    Some(at) => &compared.relations[at].1,
                    None => &compared.all,
                };
                let name = self.selected().map(|id| shared.relation(id));
                let (query, n, what) = match action {
                    Errors::Fixed => (queries::fixed(name), row.fixed, "fixed"),
                    _ => (queries::broken(name), row.broken, "broken"),
                };
                match n {
                    0 => shared.warn(format!("nothing was {what} here")),
                    _ => shared.intents.push(Intent::Filter(query)),
                }
            }
            _ => {}
        }
    }

    /// Another earlier run: `by` places further back among those that have predictions.
    fn step(&mut self, by: isize, shared: &mut Shared) {
        let earlier: Vec<&RunRow> = self.earlier().collect();
        let now = self.compared().map(|c| c.before.to_string());
        let at = earlier.iter().position(|r| Some(&r.run) == now.as_ref());
        let next = match at {
            Some(at) => at.checked_add_signed(by),
            None => Some(0),
        };
        match next.and_then(|at| earlier.get(at)) {
            Some(run) => {
                self.before = Some(run.run.clone());
                self.question.mark_stale();
            }
            None => shared.warn("no other run with predictions on that side"),
        }
    }

    /// Runs to compare with, the latest first.
    fn earlier(&self) -> impl Iterator<Item = &RunRow> {
        self.runs.iter().filter(|r| !r.current && r.predicted > 0)
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        self.list.act(nav, self.len(), count);
    }

    pub fn click(&mut self, x: u16, y: u16) -> bool {
        self.list.click(self.area, (x, y), self.len())
    }

    pub fn layout(&mut self, area: Rect) {
        self.area = below(area, HEAD);
        self.area.height = self.area.height.saturating_sub(FOOT);
        self.list.fit(self.len(), self.area.height as usize);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let Some(compared) = self.compared() else {
            return self.draw_without(area, painter);
        };
        self.draw_head(area, compared, painter);
        let names = compared
            .relations
            .iter()
            .map(|(id, _)| shared.relation(*id));
        let columns = Columns::of(area.width, names);
        columns.draw_heading(row(area, 3), painter);
        for (y, at) in (self.area.y..self.area.bottom()).zip(self.list.visible(self.len())) {
            let line = Rect::new(area.x, y, area.width, 1);
            let (name, changed, role) = match at.checked_sub(1) {
                Some(at) => {
                    let (id, changed) = &compared.relations[at];
                    (shared.relation(*id), changed, Role::Text)
                }
                None => ("all relations, micro", &compared.all, Role::Title),
            };
            columns.draw(line, name, changed, role, painter);
            if at == self.list.cursor {
                glyphs::mark_cursor(painter, line);
            }
        }
        self.draw_foot(area, compared, painter, shared);
    }

    /// What the keys list, and what to know of the figures.
    fn draw_foot(
        &self,
        area: Rect,
        compared: &Compared,
        painter: &mut Painter<'_>,
        shared: &Shared,
    ) {
        let key = |action| {
            let keys = shared.keymap.keys_of(Action::Errors(action)).into_iter();
            keys.map(|k| k + " ").next().unwrap_or_default()
        };
        let lists = format!(
            "{}lists what broke in this row, {}what was fixed",
            key(Errors::Open),
            key(Errors::Fixed)
        );
        let mut notes = compared.notes.clone();
        if compared.all.fixed.max(compared.all.broken) > LISTED as u64 {
            let most = grouped(LISTED as u64);
            notes.push(format!("the lists hold the first {most} of a kind"));
        }
        let notes = notes.join("; ");
        for (from_below, text, role) in [(2, notes, Role::Warning), (1, lists, Role::Dim)] {
            let line = row(area, area.height.saturating_sub(from_below));
            painter.text(
                line.x + 2,
                line.y,
                line.width.saturating_sub(3),
                &text,
                role,
            );
        }
    }

    /// Both runs, and what is compared.
    fn draw_head(&self, area: Rect, compared: &Compared, painter: &mut Painter<'_>) {
        let n_earlier = self.earlier().count();
        for (y, title, run) in [
            (0, "now", compared.after.to_string()),
            (1, "before", compared.before.to_string()),
        ] {
            let mut parts = vec![
                (format!("  {title:<7}"), Role::Dim),
                (run.chars().take(NAME).collect(), Role::Title),
            ];
            if let Some(row) = self.runs.iter().find(|r| r.run == run) {
                parts.push((format!("  {}  ", row.systems), Role::Text));
                parts.push((minute(row.at_ms), Role::Dim));
            }
            if y == 1 && n_earlier > 1 {
                let at = self.earlier().position(|r| r.run == run).unwrap_or(0) + 1;
                let text = format!("  ←→ {at} of {n_earlier}");
                parts.push((text, Role::Dim));
            }
            painter.parts(row(area, y), &parts);
        }
        let sentences = grouped(compared.sentences);
        let text = match self.question.percent() {
            Some(percent) => format!("  comparing again, {percent}% …"),
            None => format!("  {sentences} sentences of both; {BY_WHAT}"),
        };
        let line = row(area, 2);
        painter.text(line.x, line.y, line.width, &text, Role::Dim);
    }

    /// There are no two runs, or they are being compared for the first time.
    fn draw_without(&self, area: Rect, painter: &mut Painter<'_>) {
        let text = match &self.found {
            Some(Err(why)) if !self.question.is_under_way() => why.clone(),
            _ => in_words("Comparing", self.question.percent()),
        };
        painter.instead(sides(area), &[&text]);
    }
}

struct Columns {
    name: u16,
    interval: u16,
}

impl Columns {
    fn of<'a>(width: u16, names: impl Iterator<Item = &'a str>) -> Self {
        let longest = names.map(crate::tui::clean::width).max().unwrap_or(8) as u16;
        let room = width.saturating_sub(FIGURES + 3);
        let interval = if room >= 16 + INTERVAL { INTERVAL } else { 0 };
        Self {
            name: longest.clamp(20, 40).min(room - interval),
            interval,
        }
    }

    fn draw_heading(&self, line: Rect, painter: &mut Painter<'_>) {
        painter.text(line.x + 2, line.y, self.name, "relation", Role::Dim);
        let interval = if self.interval > 0 { "95 %" } else { "" };
        let titles = [
            "labels", "before", "now", "F1 gain", interval, "fixed", "broken",
        ];
        self.cells(line, titles.map(|t| (t.to_owned(), Role::Dim)), painter);
    }

    fn draw(
        &self,
        line: Rect,
        name: &str,
        changed: &ChangedRow,
        role: Role,
        painter: &mut Painter<'_>,
    ) {
        painter.text(line.x + 2, line.y, self.name, name, role);
        let gold = changed.after.gold;
        // A share of nothing is no figure.
        let f1 = |value: f64| match gold {
            0 => MISSING.to_owned(),
            _ => fraction(value as f32),
        };
        let gain = changed.gain;
        let gain_role = match gain.excludes_zero() {
            _ if gold == 0 => Role::Dim,
            true if gain.low > 0.0 => Role::Good,
            true => Role::Error,
            false => role,
        };
        let (gained, interval) = match gold {
            0 => (MISSING.to_owned(), String::new()),
            _ => (
                signed(changed.f1_gain()),
                format!("[{}, {}]", signed(gain.low), signed(gain.high)),
            ),
        };
        let interval = if self.interval > 0 {
            interval
        } else {
            String::new()
        };
        let loud = |n: u64, role| if n > 0 { role } else { Role::Dim };
        let cells = [
            (grouped(gold), role),
            (f1(changed.before.f1()), role),
            (f1(changed.after.f1()), Role::Title),
            (gained, gain_role),
            (interval, Role::Dim),
            (grouped(changed.fixed), loud(changed.fixed, Role::Correct)),
            (
                grouped(changed.broken),
                loud(changed.broken, Role::Spurious),
            ),
        ];
        self.cells(line, cells, painter);
    }

    fn cells(&self, line: Rect, cells: [(String, Role); 7], painter: &mut Painter<'_>) {
        let widths = [8, 7, 6, 8, self.interval, 7, 8];
        let mut right = line.x + 2 + self.name;
        for ((text, role), width) in cells.into_iter().zip(widths) {
            right += width;
            painter.text_right(right - 1, line.y, width.saturating_sub(1), &text, role);
        }
    }
}

/// `+.012`, to a thousandth: a change of F1 is often less than a hundredth.
fn signed(x: f64) -> String {
    let thousandths = (x * 1000.0).round() as i64;
    let sign = if thousandths < 0 { '-' } else { '+' };
    match thousandths.unsigned_abs() {
        n @ 0..=999 => format!("{sign}.{n:03}"),
        n => format!("{sign}{:.2}", n as f64 / 1000.0),
    }
}
