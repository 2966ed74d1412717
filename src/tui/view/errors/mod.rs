//! Where the model and the labels part, page by page: relations, confusions, outcomes and thresholds; the way into the sentences
//! worth a look. All pages show one pass over the corpus, which the engine makes; nothing is counted here.

mod matrix;
mod outcomes;
mod relations;
mod runs;
mod slices;
mod thresholds;

use crate::analysis::{Against, Measured, Study};
use crate::tui::action::{Action, App, Errors, Nav};
use crate::tui::paint::{Painter, below, row, sides};
use crate::tui::question::{Question, in_words};
use crate::tui::state::Shared;
use crate::tui::theme::Role;
use crate::tui::widget::numbers::grouped;
use crate::workspace::messages::{Reply, Request};
use crate::workspace::study::PROTOCOL;
use matrix::Matrix;
use outcomes::Outcomes;
use ratatui::layout::Rect;
use relations::Relations;
use runs::Runs;
use slices::Slices;
use std::sync::Arc;
use thresholds::Thresholds;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Page {
    #[default]
    Relations,
    Confusion,
    Outcomes,
    Thresholds,
    Slices,
    Runs,
}

impl Page {
    const ALL: [Page; 6] = [
        Page::Relations,
        Page::Confusion,
        Page::Outcomes,
        Page::Thresholds,
        Page::Slices,
        Page::Runs,
    ];

    fn name(self) -> &'static str {
        match self {
            Page::Relations => "relations",
            Page::Confusion => "confusions",
            Page::Outcomes => "outcomes",
            Page::Thresholds => "thresholds",
            Page::Slices => "slices",
            Page::Runs => "runs",
        }
    }

    /// It goes by the labels that stand, whichever the others show.
    fn has_own_labels(self) -> bool {
        matches!(self, Page::Slices | Page::Runs)
    }

    fn step(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|p| *p == self).unwrap_or(0);
        Self::ALL[(at + by) % Self::ALL.len()]
    }
}

#[derive(Default)]
pub struct ErrorsView {
    page: Page,
    against: Against,
    study: Option<Arc<Study>>,
    relations: Relations,
    matrix: Matrix,
    outcomes: Outcomes,
    thresholds: Thresholds,
    slices: Slices,
    runs: Runs,
    /// About the figures of all pages but slices and runs.
    question: Question,
}

/// What a page draws from.
struct Scene<'a> {
    study: &'a Study,
    found: &'a Measured,
    shared: &'a Shared,
}

/// Rows above a page.
const HEAD: u16 = 3;

impl ErrorsView {
    pub fn hints(&self) -> Vec<Action> {
        let own: &[Errors] = match self.page {
            Page::Relations => &[Errors::Open, Errors::FalseNegatives, Errors::Sort],
            Page::Confusion => &[Errors::Open, Errors::Left, Errors::Right],
            Page::Outcomes => &[Errors::Open],
            Page::Thresholds => &[
                Errors::Left,
                Errors::Right,
                Errors::Best,
                Errors::Keep,
                Errors::Drop,
            ],
            Page::Slices => &[Errors::Open, Errors::AddSlice, Errors::Drop],
            Page::Runs => &[Errors::Open, Errors::Fixed],
        };
        let pages: &[Errors] = match self.page.has_own_labels() {
            true => &[Errors::NextPage],
            false => &[Errors::NextPage, Errors::Against],
        };
        let apps = [App::PredictAll, App::FineTune, App::NextTab];
        let errors = own.iter().chain(pages).copied().map(Action::Errors);
        errors.chain(apps.map(Action::App)).collect()
    }

    pub fn mark_dirty(&mut self) {
        self.question.mark_stale();
        self.slices.mark_dirty();
        self.runs.mark_dirty();
    }

    /// Asks for the figures if they were never asked for or have changed since.
    pub fn fetch(&mut self, shared: &mut Shared) {
        if let Some(ticket) = self.question.due(shared) {
            shared.send(Request::Study { ticket });
        }
        match self.page {
            Page::Slices => self.slices.fetch(shared),
            Page::Runs => self.runs.fetch(shared),
            _ => {}
        }
    }

    /// Figures, and how far the pass behind them is; those of an older question are dropped.
    pub fn on_reply(&mut self, reply: Reply, shared: &mut Shared) {
        match reply {
            Reply::Studying {
                ticket,
                done,
                total,
            } => self.question.on_progress(ticket, done, total),
            Reply::Studied { ticket, study } if self.question.is_answered_by(ticket) => {
                self.study = Some(study);
                self.spread();
            }
            Reply::Sliced { ticket, rows } => self.slices.take(ticket, rows),
            Reply::SlicesChanged => self.slices.mark_dirty(),
            Reply::Comparing {
                ticket,
                done,
                total,
            } => self.runs.on_comparing(ticket, done, total),
            Reply::Compared {
                ticket,
                runs,
                found,
            } => self.runs.take(ticket, runs, found),
            Reply::ThresholdSet {
                relation,
                threshold,
                info,
            } => {
                shared.info = info;
                let name = shared.relation(relation).to_owned();
                shared.good(match threshold {
                    Some(threshold) => format!(
                        "{name} is predicted from {threshold:.3} on; kept in this workspace for this model"
                    ),
                    None => format!("{name} has the model's threshold again"),
                });
            }
            _ => {}
        }
    }

    /// What a new run changed is the next thing to see.
    pub fn show_runs(&mut self) {
        self.page = Page::Runs;
    }

    pub fn on_slice_typed(&mut self, text: &str, shared: &mut Shared) {
        Slices::on_typed(text, shared);
    }

    /// Gives the pages the figures of the labels that are shown.
    fn spread(&mut self) {
        if let Some(study) = &self.study {
            let found = study.against(self.against);
            self.relations.take(found);
            self.matrix.take(found);
            self.thresholds.take(found, study.kernel);
        }
    }

    pub fn act(&mut self, action: Errors, shared: &mut Shared) {
        match action {
            Errors::NextPage => self.turn(1),
            Errors::PreviousPage => self.turn(Page::ALL.len() - 1),
            Errors::Against if self.page.has_own_labels() => {
                shared.warn(
                    "this page goes by the labels that stand; the first four pages have both",
                );
            }
            Errors::Against => {
                self.against = match self.against {
                    Against::Curated => Against::Original,
                    Against::Original => Against::Curated,
                };
                self.spread();
            }
            _ => self.act_on_page(action, shared),
        }
    }

    /// The next page; thresholds open at the relation that was looked at.
    fn turn(&mut self, by: usize) {
        if let (Page::Relations, Some(relation)) = (self.page, self.relations.selected()) {
            self.thresholds.show(relation);
        }
        self.page = self.page.step(by);
    }

    fn act_on_page(&mut self, action: Errors, shared: &mut Shared) {
        let before = shared.intents.len();
        match self.page {
            Page::Relations => self.relations.act(action, shared),
            Page::Confusion => self.matrix.act(action, shared),
            Page::Outcomes => self.outcomes.act(action, shared),
            Page::Thresholds => self.thresholds.act(action, shared),
            Page::Slices => self.slices.act(action, shared),
            Page::Runs => self.runs.act(action, shared),
        }
        if self.against == Against::Original
            && !self.page.has_own_labels()
            && shared.intents.len() > before
        {
            shared.warn("the list goes by the labels that stand, not by the original ones");
        }
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        match self.page {
            Page::Relations => self.relations.navigate(nav, count),
            Page::Confusion => self.matrix.navigate(nav, count),
            Page::Outcomes => self.outcomes.navigate(nav, count),
            Page::Thresholds => self.thresholds.navigate(nav, count),
            Page::Slices => self.slices.navigate(nav, count),
            Page::Runs => self.runs.navigate(nav, count),
        }
    }

    /// A click chooses; a second one on the same place opens.
    pub fn click(&mut self, x: u16, y: u16, shared: &mut Shared) {
        let again = match self.page {
            Page::Relations => self.relations.click(x, y),
            Page::Confusion => self.matrix.click(x, y),
            Page::Outcomes => self.outcomes.click(x, y),
            Page::Thresholds => self.thresholds.click(x, y),
            Page::Slices => self.slices.click(x, y),
            Page::Runs => self.runs.click(x, y),
        };
        if again {
            self.act_on_page(Errors::Open, shared);
        }
    }

    pub fn layout(&mut self, area: Rect) {
        let page = below(area, HEAD);
        self.relations.layout(page);
        self.matrix.layout(page);
        self.outcomes.layout(page);
        self.thresholds.layout(page);
        self.slices.layout(page);
        self.runs.layout(page);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        self.draw_head(area, painter);
        let page = below(area, HEAD);
        let Some(study) = self.study.as_deref().filter(|s| s.sentences > 0) else {
            return self.draw_empty(page, painter, shared);
        };
        let scene = &Scene {
            study,
            found: study.against(self.against),
            shared,
        };
        match self.page {
            Page::Relations => self.relations.draw(page, painter, scene),
            Page::Confusion => self.matrix.draw(page, painter, scene),
            Page::Outcomes => self.outcomes.draw(page, painter, scene),
            Page::Thresholds => self.thresholds.draw(page, painter, scene),
            Page::Slices => self.slices.draw(page, painter),
            Page::Runs => self.runs.draw(page, painter, shared),
        }
    }

    fn draw_head(&self, area: Rect, painter: &mut Painter<'_>) {
        let top = row(area, 0);
        let mut parts: Vec<(String, Role)> = Page::ALL
            .iter()
            .map(|page| match *page == self.page {
                true => (format!("[{}]", page.name()), Role::Title),
                false => (format!(" {} ", page.name()), Role::Dim),
            })
            .collect();
        let (against, role) = match self.against {
            _ if self.page.has_own_labels() => ("  vs standing labels", Role::Dim),
            Against::Curated => ("  vs standing labels", Role::Dim),
            Against::Original => ("  vs original labels", Role::Warning),
        };
        parts.push((against.to_owned(), role));
        painter.parts(top, &parts);
        let protocol = match (&self.study, self.question.percent()) {
            (Some(_), Some(percent)) => format!(" counting again, {percent}% …"),
            (Some(study), _) => {
                let left = match study.not_predicted {
                    0 => String::new(),
                    n => format!(" ({} not predicted)", grouped(n)),
                };
                let n = grouped(study.sentences);
                format!(" {n} {PROTOCOL}{left}; intervals: 95 %, bootstrap over sentences")
            }
            _ => String::new(),
        };
        let line = row(area, 1);
        painter.text(line.x, line.y, line.width, &protocol, Role::Dim);
        painter.horizontal(row(area, 2), Role::Border);
    }

    fn draw_empty(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let counting = in_words("Counting", self.question.percent());
        let lines: &[&str] = if self.study.is_none() {
            &[&counting]
        } else if shared.info.run.is_none() {
            &["There is no model, so there is nothing to compare."]
        } else {
            &[
                "Nothing is predicted yet, so there is nothing to compare.",
                "P predicts the whole workspace in the background.",
            ]
        };
        painter.instead(sides(area), lines);
    }
}
