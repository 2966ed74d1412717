//! Fine-tuning on the corrections: start it, watch it, and decide about the new model. The old one stays in use until
//! the new one is accepted.

use super::Flow;
use crate::tui::action::{Nav, Overlay as Act};
use crate::tui::clean::{pad, width};
use crate::tui::paint::{Painter, centred, row};
use crate::tui::state::{Intent, Shared, job_name};
use crate::tui::theme::Role;
use crate::tui::widget::bars::spark;
use crate::tui::widget::numbers::{counted, fraction, grouped, optional};
use crate::tui::widget::scroll::Scroll;
use crate::workspace::messages::{FineTuneReport, JobKind, Request};
use ratatui::layout::Rect;

/// Rows above a report's table of relations, and the first of its kinds of sentences among them.
const HEAD: usize = 8;
const KINDS: u16 = 3;
/// Cells of the names of kinds.
const KIND: usize = 8;

#[derive(Default)]
pub struct FineTune {
    list: Scroll,
    /// Enter was pressed once on a model that is worse.
    warned: bool,
}

impl FineTune {
    pub fn act(&mut self, action: Act, shared: &mut Shared) -> Flow {
        let running = shared.job(JobKind::FineTune).is_some();
        match (shared.report.is_some(), running, action) {
            (true, _, Act::Confirm) if self.must_ask(shared) => {
                self.warned = true;
                Flow::Stay
            }
            (true, _, action) => {
                let accept = action == Act::Confirm;
                shared.report = None;
                shared.send(Request::DecideModel { accept });
                if accept {
                    shared.intents.push(Intent::ShowRuns);
                }
                shared.good(if accept {
                    "the new model is being made current"
                } else {
                    "the new model was dropped"
                });
                Flow::Close
            }
            (false, false, Act::Confirm) => {
                shared.epochs.clear();
                shared.send(Request::FineTune);
                Flow::Stay
            }
            (false, true, _) => Flow::Stay,
            (false, false, Act::Refuse) => Flow::Close,
        }
    }

    /// A worse model is taken by a second press only.
    fn must_ask(&self, shared: &Shared) -> bool {
        !self.warned && shared.report.as_ref().is_some_and(|r| r.is_worse())
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        self.list.act(nav, usize::MAX, count);
    }

    fn area(area: Rect, shared: &Shared) -> Rect {
        let rows = match (&shared.report, shared.job(JobKind::FineTune)) {
            (Some(report), _) => report.per_relation.len() + head(report),
            (None, Some(_)) => shared.epochs.len().max(8) + 3,
            (None, None) if shared.epochs.is_empty() => 3,
            (None, None) => shared.epochs.len() + 6,
        };
        let most = area.height.saturating_sub(4).min(28);
        centred(area, 92, most.min(rows as u16 + 2))
    }

    pub fn layout(&mut self, area: Rect, shared: &Shared) {
        let head = shared.report.as_ref().map_or(3, |r| head(r));
        let rows = (Self::area(area, shared).height as usize).saturating_sub(head + 2);
        let len = shared
            .report
            .as_ref()
            .map_or(shared.epochs.len(), |r| r.per_relation.len());
        if shared.report.is_none() && shared.job(JobKind::FineTune).is_some() {
            self.list.cursor = len.saturating_sub(1);
        }
        self.list.fit(len, rows);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let area = Self::area(area, shared);
        match (&shared.report, shared.job(JobKind::FineTune)) {
            (Some(report), _) => self.draw_report(area, report, painter, shared),
            (None, Some(job)) => {
                let inside =
                    painter.frame(area, "fine-tuning", "ctrl-x stops · esc hides, it goes on");
                painter.parts(row(inside, 0), &[(job.line(), Role::Text)]);
                self.draw_epochs(inside, painter, shared);
            }
            (None, None) => self.draw_offer(area, painter, shared),
        }
    }

    fn draw_offer(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let inside = painter.frame(area, "fine-tune", "enter starts · esc");
        let corrections = shared.info.n_corrections as usize + shared.n_saved;
        let lines = [
            format!("Fine-tune the current model on {}.", counted(corrections, "correction")),
            "It runs in the background; the current model stays in use until you accept the new one.".to_owned(),
            format!("Current model: {}", shared.info.model),
        ];
        for (i, text) in lines.iter().enumerate() {
            let line = row(inside, i as u16);
            painter.text(
                line.x,
                line.y,
                line.width,
                text,
                if i == 0 { Role::Text } else { Role::Dim },
            );
        }
        if !shared.epochs.is_empty() {
            self.draw_epochs(crate::tui::paint::below(inside, 3), painter, shared);
        }
    }

    fn draw_epochs(&self, inside: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let losses: Vec<f32> = shared.epochs.iter().map(|e| e.loss).collect();
        let scores: Vec<f32> = shared.epochs.iter().filter_map(|e| e.dev_f1).collect();
        let parts = [
            ("loss ".to_owned(), Role::Dim),
            (spark(&losses, 24), Role::Chart),
            ("   dev F1 ".to_owned(), Role::Dim),
            (spark(&scores, 24), Role::Chart),
        ];
        painter.parts(row(inside, 1), &parts);
        painter.parts(row(inside, 2), &[("epoch      loss   dev F1", Role::Dim)]);
        for (i, at) in self.list.visible(shared.epochs.len()).enumerate() {
            let Some(epoch) = shared.epochs.get(at) else {
                continue;
            };
            let text = format!(
                "{:>5}  {:>8.4}   {:>6}",
                epoch.epoch,
                epoch.loss,
                optional(epoch.dev_f1)
            );
            painter.parts(row(inside, 3 + i as u16), &[(text, Role::Text)]);
        }
        if shared.epochs.is_empty() {
            let text = format!(
                "The first epoch of the {} is under way.",
                job_name(JobKind::FineTune)
            );
            painter.parts(row(inside, 3), &[(text, Role::Dim)]);
        }
    }

    fn draw_report(
        &self,
        area: Rect,
        report: &FineTuneReport,
        painter: &mut Painter<'_>,
        shared: &Shared,
    ) {
        let footer = match (report.is_worse(), self.warned) {
            (false, _) => "enter takes it · x drops it · esc decides later",
            (true, false) => "x drops it · esc decides later · enter, twice, takes it all the same",
            (true, true) => {
                "enter once more takes the worse model · x drops it · esc decides later"
            }
        };
        let inside = painter.frame(area, "the fine-tuned model waits", footer);
        let (before, after) = report.judged_f1();
        let change = after - before;
        let mut summary = vec![
            (
                format!("F1 on {} {} → ", report.judged_on(), fraction(before)),
                Role::Text,
            ),
            (fraction(after), Role::Title),
            (format!("  ({}) ", signed(change)), tone(change)),
        ];
        if report.is_worse() {
            summary.push(("✗ worse than the current model".to_owned(), Role::Error));
        }
        painter.parts(row(inside, 0), &summary);
        let judged = &report.judgements;
        let learned = [
            (format!("agrees with {} → ", judged.met_before), Role::Text),
            (judged.met_after.to_string(), Role::Title),
            (
                format!(
                    " of {} in {}, which it has learned from",
                    counted(judged.all, "judgement"),
                    counted(report.n_corrected, "corrected sentence")
                ),
                Role::Text,
            ),
        ];
        painter.parts(row(inside, 1), &learned);
        painter.parts(row(inside, 2), &[(report.protocol.as_str(), Role::Dim)]);
        draw_gains(crate::tui::paint::below(inside, KINDS), report, painter);
        self.draw_relations(inside, report, painter, shared);
    }

    fn draw_relations(
        &self,
        inside: Rect,
        report: &FineTuneReport,
        painter: &mut Painter<'_>,
        shared: &Shared,
    ) {
        let head = head(report) as u16;
        let names = report
            .per_relation
            .iter()
            .map(|c| width(shared.relation(c.relation)));
        let name_cells = names.max().unwrap_or(8).clamp(8, 40);
        painter.parts(
            row(inside, head - 1),
            &[(
                format!("{} gold before  after  change", pad("relation", name_cells)),
                Role::Dim,
            )],
        );
        for (i, at) in self.list.visible(report.per_relation.len()).enumerate() {
            let Some(change) = report.per_relation.get(at) else {
                continue;
            };
            let name = pad(shared.relation(change.relation), name_cells);
            let (before, after) = (change.before.f1 as f32, change.after.f1 as f32);
            let parts = [
                (
                    format!(
                        "{name} {:>4} {:>6} {:>6}",
                        grouped(change.support),
                        fraction(before),
                        fraction(after)
                    ),
                    Role::Text,
                ),
                (
                    format!(" {:>7}", signed(after - before)),
                    tone(after - before),
                ),
            ];
            painter.parts(row(inside, head + i as u16), &parts);
        }
    }
}

fn head(report: &FineTuneReport) -> usize {
    HEAD + report.gains.notes().len()
}

/// Before and after on each kind of sentences, with the interval of the change.
fn draw_gains(area: Rect, report: &FineTuneReport, painter: &mut Painter<'_>) {
    let heads = format!(
        "{} before  after  change  95 % interval  sentences",
        pad("F1 on", KIND)
    );
    painter.parts(row(area, 0), &[(heads, Role::Dim)]);
    for (i, kind) in report.gains.kinds().into_iter().enumerate() {
        let line = row(area, i as u16 + 1);
        let name = pad(kind.name, KIND);
        let Some(gain) = kind.gain else {
            painter.parts(
                line,
                &[(name, Role::Text), (format!(" {}", kind.none), Role::Dim)],
            );
            continue;
        };
        let [before, after, change] =
            [gain.f1_before, gain.f1_after, gain.change()].map(|f| f as f32);
        let [low, high] = gain.interval.map(|f| signed(f as f32));
        let parts = [
            (
                format!("{name} {:>6} {:>6}", fraction(before), fraction(after)),
                Role::Text,
            ),
            (format!(" {:>7}", signed(change)), tone(change)),
            (format!("  {:>13}", format!("{low} to {high}")), Role::Text),
            (format!("  {}, {}", gain.measured(), kind.short), Role::Dim),
        ];
        painter.parts(line, &parts);
    }
    for (note, line) in report.gains.notes().iter().zip(4..) {
        painter.parts(row(area, line), &[(note.as_str(), Role::Warning)]);
    }
}

fn signed(change: f32) -> String {
    let sign = if change >= 0.0 { "+" } else { "−" };
    format!("{sign}{}", fraction(change.abs()))
}

fn tone(change: f32) -> Role {
    match change {
        c if c >= 0.005 => Role::Good,
        c if c <= -0.005 => Role::Error,
        _ => Role::Dim,
    }
}
