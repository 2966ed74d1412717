//! The lines above a list that has the order of a queue: what it asks, how much is left, what can be expected.
//!
//! ```text
//!  probably wrong, most suspicious first: 1234 left; 57 judged, 41 wrong (72 %)
//!  64 % of the next ones are expected to be wrong · g f adds the strongest signal
//!  random rows: 3 of 25 wrong, base rate 12 % (4.2–30 %); 114 to find (13–346)
//! ```

use super::corpus::CorpusView;
use crate::tui::action::{Action, App, Corpus, Sentence};
use crate::tui::paint::{Painter, row};
use crate::tui::state::Shared;
use crate::tui::theme::Role;
use crate::workspace::noise::queue::{Order, QueueKind};
use crate::workspace::noise::standing::{Standing, percent};
use ratatui::layout::Rect;

/// Rows they take.
pub const HEIGHT: u16 = 3;

impl CorpusView {
    pub(super) fn draw_queue(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let Some(standing) = &self.queue else {
            return;
        };
        let expected = self.pages.get(self.list.cursor).and_then(|r| r.expected);
        let lines = [
            (
                format!("{}: {}", title(standing), standing.counts()),
                Role::Title,
            ),
            (expectation(standing, expected, shared), Role::Text),
            (standing.stop(), Role::Text),
        ];
        for (i, (text, role)) in lines.iter().enumerate() {
            painter.parts(row(area, i as u16), &[(" ", Role::Text), (text, *role)]);
        }
    }

    /// The same queue in its next order.
    pub(super) fn next_order(&mut self, shared: &mut Shared) {
        let Some(standing) = self.queue.as_ref().filter(|s| !s.is_list()) else {
            return shared.warn("only a queue has orders to choose from; g w lists one");
        };
        let at = Order::ALL.iter().position(|o| *o == standing.order);
        let next = Order::ALL[(at.unwrap_or(0) + 1) % Order::ALL.len()];
        let query = with_order(&self.query, next);
        self.search(&query, shared);
        shared.good(format!("order: {}", in_words(next)));
    }

    /// What one can do in a queue and not in other lists.
    pub(super) fn queue_hints(&self) -> Vec<Action> {
        match &self.queue {
            None => Vec::new(),
            Some(standing) if standing.is_list() => vec![Action::App(App::Rules)],
            Some(_) => vec![Action::Corpus(Corpus::Order), Action::App(App::Folds)],
        }
    }
}

/// What the next rows will show, and how to know better.
fn expectation(standing: &Standing, expected: Option<f32>, shared: &Shared) -> String {
    if standing.is_list() {
        return hint(standing.kind, shared);
    }
    let mut text = match expected {
        Some(share) => format!(
            "{} % of the next ones are expected to be {}",
            percent(f64::from(share)),
            standing.kind.name()
        ),
        None if standing.calibrated => String::new(),
        None if standing.is_behind() => anew(standing),
        None => "no expectation before verdicts of both kinds".to_owned(),
    };
    if !standing.folds {
        let keys = shared.keymap.keys_of(Action::App(App::Folds));
        let key = keys.first().map_or("`redress folds`", String::as_str);
        let between = if text.is_empty() { "" } else { " · " };
        text += &format!("{between}{key} adds the strongest signal");
    }
    text
}

/// When the verdicts that there are will order the list.
fn anew(standing: &Standing) -> String {
    match standing.anew_in {
        None | Some(0) => "ranked anew by the verdicts when it is listed again".to_owned(),
        Some(n) => format!("ranked anew after {n} more verdicts, when it is listed again"),
    }
}

/// Where what a list is made of comes from.
fn hint(kind: QueueKind, shared: &Shared) -> String {
    let first = |action| shared.keymap.keys_of(action).into_iter().next();
    let key = |action| first(action).unwrap_or_else(|| "(no key)".to_owned());
    match kind {
        QueueKind::Changed(_) => format!(
            "{} shows the figures, relation by relation, on the page of runs",
            key(Action::App(App::GoErrors))
        ),
        QueueKind::Rules => format!(
            "{} shows, keeps and refuses rules",
            key(Action::App(App::Rules))
        ),
        _ => format!(
            "{} in a sentence gives its verdict to all its duplicates",
            key(Action::Sentence(Sentence::SameVerdict))
        ),
    }
}

fn title(standing: &Standing) -> String {
    if standing.is_list() {
        return standing.title();
    }
    format!("{}, {}", standing.title(), in_words(standing.order))
}

fn in_words(order: Order) -> &'static str {
    match order {
        Order::Suspicious => "most suspicious first",
        Order::Uncertain => "most uncertain first",
        Order::Random => "at random",
        Order::Document => "in the corpus's order",
    }
}

/// A queue's query with another order; the usual one needs no word.
fn with_order(query: &str, order: Order) -> String {
    let is_order = |term: &&str| {
        let name = term.strip_prefix("order:");
        name.is_some_and(|n| Order::from_name(n).is_some())
    };
    let others = query.split_whitespace().filter(|t| !is_order(t));
    let mut query = others.collect::<Vec<_>>().join(" ");
    if order != Order::Suspicious {
        query += &format!(" order:{}", order.name());
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::noise::Kind;
    use crate::tui::{Keymap, Theme};
    use crate::workspace::noise::queue::Tally;

    #[test]
    fn before_there_are_scores_the_list_says_what_they_wait_for() {
        let shared = Shared::new(Theme::probe(), Keymap::default());
        let check = |(judged, confirmed), anew_in, expected: &str| {
            let standing = Standing {
                kind: QueueKind::Noise(Kind::Wrong),
                order: Order::Suspicious,
                tally: Tally {
                    judged,
                    confirmed,
                    ..Tally::default()
                },
                calibrated: false,
                folds: true,
                anew_in: Some(anew_in),
            };
            assert_eq!(expectation(&standing, None, &shared), expected);
        };
        check((2, 2), 23, "no expectation before verdicts of both kinds");
        let soon = "ranked anew after 22 more verdicts, when it is listed again";
        check((3, 2), 22, soon);
        check(
            (30, 9),
            0,
            "ranked anew by the verdicts when it is listed again",
        );
    }

    #[test]
    fn an_order_takes_the_place_of_the_one_before() {
        let check = |query: &str, order: Order, expected: &str| {
            assert_eq!(with_order(query, order), expected, "{query}");
        };
        check(
            "queue:wrong",
            Order::Uncertain,
            "queue:wrong order:uncertain",
        );
        check(
            "queue:wrong order:uncertain rel:x",
            Order::Random,
            "queue:wrong rel:x order:random",
        );
        check("queue:wrong order:random", Order::Suspicious, "queue:wrong");
    }
}
