//! The list of sentences with its query and the relations beside it.
//!
//! Query, position and marked range stay as they are while a sentence is open. Rows come by page ([`super::pages`]);
//! the newest query wins.

use super::pages::{PAGE, Pages};
use crate::domain::{RelationId, SentenceId, Verdict};
use crate::tui::action::{Action, App, Corpus, Nav};
use crate::tui::keymap::Key;
use crate::tui::queries;
use crate::tui::state::{Intent, Shared};
use crate::tui::widget::input::Input;
use crate::tui::widget::scroll::Scroll;
use crate::workspace::messages::{Detail, Page, RelationCounts, Request, Ticket};
use crate::workspace::noise::standing::Standing;
use crossterm::event::KeyCode;
use ratatui::layout::Rect;

/// What the list asks for next is a bad query away from this many sentences at most: `p` on a range.
pub(super) const MAX_RANGE: usize = 10_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Panel {
    #[default]
    Sentences,
    Relations,
}

/// A query that does not parse, or asks for what cannot be listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadQuery {
    /// Where it does not parse: 0-based, in characters.
    pub column: Option<usize>,
    pub message: String,
}

#[derive(Default)]
pub struct CorpusView {
    /// The query that the rows answer.
    pub query: String,
    /// The query being typed.
    pub editing: Option<Input>,
    pub bad: Option<BadQuery>,
    /// Sentences read and in all, while the engine ranks a queue.
    pub ranking: Option<(u64, u64)>,
    query_ticket: Ticket,
    /// The number of this list: its pages are of one moment.
    pub(super) list_ticket: Ticket,
    pub pages: Pages,
    pub list: Scroll,
    pub panel: Panel,
    /// Counts over the matching sentences, most frequent first.
    pub relations: Vec<RelationCounts>,
    pub relation_list: Scroll,
    pub range_start: Option<usize>,
    /// The queue whose order the rows have.
    pub queue: Option<Standing>,
    pub areas: Areas,
    /// A verdict on the row under the cursor is being looked up.
    pub(super) judging: Option<Verdict>,
    /// Verdicts were given in the list: its rows stay where they are for as long as it is in sight.
    kept: bool,
    dirty: Dirty,
}

/// What of a list is out of date.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
enum Dirty {
    #[default]
    Nothing,
    /// What its rows say, not which they are.
    Rows,
    List,
}

/// Where a sentence stands in a list that was asked for again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moved {
    Here(usize),
    /// The list does not hold it any more; what came after it stands at `next`.
    Gone {
        next: usize,
    },
}

impl Moved {
    fn row(self) -> usize {
        match self {
            Moved::Here(row) | Moved::Gone { next: row } => row,
        }
    }
}

/// Where the parts are drawn, for drawing and for the mouse.
#[derive(Clone, Copy, Default, Debug)]
pub struct Areas {
    pub query: Rect,
    /// Above the rows of a queue; no height elsewhere.
    pub queue: Rect,
    pub relations: Rect,
    pub sentences: Rect,
}

impl CorpusView {
    pub fn hints(&self) -> Vec<Action> {
        let c = |a| Action::Corpus(a);
        if self.range_start.is_some() {
            let judge = [Corpus::Reject, Corpus::Accept, Corpus::Unsure];
            let mut hints = judge.map(c).to_vec();
            hints.extend([
                c(Corpus::Predict),
                c(Corpus::RangeAll),
                c(Corpus::Range),
                Action::App(App::Back),
            ]);
            return hints;
        }
        let mut hints = vec![c(Corpus::Open), Action::App(App::Search)];
        if !self.query.is_empty() {
            hints.push(c(Corpus::ClearQuery));
        }
        hints.extend(self.queue_hints());
        hints.push(c(Corpus::SwitchPanel));
        if self.panel == Panel::Sentences {
            hints.extend([
                c(Corpus::NextDisagreement),
                c(Corpus::Predict),
                c(Corpus::Range),
            ]);
        }
        hints.extend([Action::App(App::NextTab), Action::App(App::Undo)]);
        hints
    }

    /// Starts a new search. The old rows go: they answer another question.
    pub fn search(&mut self, query: &str, shared: &mut Shared) {
        self.query = query.trim().to_owned();
        self.bad = None;
        self.ranking = None;
        self.dirty = Dirty::Nothing;
        (self.judging, self.kept) = (None, false);
        self.range_start = None;
        self.queue = None;
        self.list = Scroll::default();
        self.query_ticket = shared.next_ticket();
        self.list_ticket = self.query_ticket;
        self.pages.restart(self.query_ticket);
        self.ask(0, self.query_ticket, shared);
    }

    fn ask(&mut self, offset: usize, ticket: Ticket, shared: &mut Shared) {
        self.pages.asked(ticket, offset);
        shared.send(Request::Search {
            ticket,
            list: self.list_ticket,
            query: self.query.clone(),
            offset,
            limit: PAGE,
        });
    }

    /// Asks for the rows that are in sight, or next to it, and not here.
    pub fn fetch(&mut self, shared: &mut Shared) {
        if !shared.opened || self.bad.is_some() {
            return;
        }
        let height = self.areas.sentences.height.max(1) as usize;
        // The cursor too: while a sentence is open its neighbours are needed, wherever the list was left.
        let from = self.list.top.min(self.list.cursor.saturating_sub(1));
        let to = (self.list.top + height).max(self.list.cursor + 2);
        if let Some(offset) = self.pages.wanted(from..to) {
            let ticket = shared.next_ticket();
            self.ask(offset, ticket, shared);
        }
    }

    /// Rows and counts may have changed; they are asked for again when the list is next in sight.
    pub fn mark_dirty(&mut self) {
        self.dirty = Dirty::List;
    }

    /// The same after edits: under a curator who judges in the list no row moves.
    pub fn mark_edited(&mut self) {
        let edited = if self.kept { Dirty::Rows } else { Dirty::List };
        self.dirty = self.dirty.max(edited);
    }

    pub fn refresh_if_dirty(&mut self, shared: &mut Shared) {
        let dirty = std::mem::take(&mut self.dirty);
        if dirty == Dirty::List {
            self.list_ticket = shared.next_ticket();
        }
        if dirty != Dirty::Nothing {
            self.pages.invalidate();
        }
    }

    pub fn on_judged_in_list(&mut self) {
        self.kept = true;
    }

    /// The list is out of sight: what was kept of it is made anew when it comes back.
    pub fn leave(&mut self) {
        if std::mem::take(&mut self.kept) {
            self.dirty = Dirty::List;
        }
    }

    /// Takes rows. `open` is the open sentence and the row after it; the answer, where it or what came after it stands
    /// now, if the rows were taken and tell.
    pub fn on_page(
        &mut self,
        page: Page,
        open: Option<(SentenceId, usize)>,
        shared: &mut Shared,
    ) -> Option<Moved> {
        let from_cursor = self.pages.from(self.list.cursor);
        let from_open: Vec<SentenceId> = open
            .into_iter()
            .flat_map(|(id, next)| [vec![id], self.pages.from(next)].concat())
            .collect();
        if !self.pages.take(&page, self.list.cursor) {
            return None;
        }
        // An edit may have moved the sentence in the list, or out of it: the cursor follows the sentence, else the one
        // that came after it, not the number.
        if let Some(moved) = self.moved(&from_cursor) {
            self.list.cursor = moved.row();
        }
        self.queue = page.queue;
        self.ranking = None;
        self.take_counts(page.relations, shared);
        self.moved(&from_open)
    }

    /// Where the first of `ids`, neighbours in an earlier state of the list, stands now, as far as rows tell.
    fn moved(&self, ids: &[SentenceId]) -> Option<Moved> {
        if self.pages.total == 0 {
            return (!ids.is_empty()).then_some(Moved::Gone { next: 0 });
        }
        let (nth, row) = ids
            .iter()
            .enumerate()
            .find_map(|(nth, id)| Some((nth, self.pages.position(*id)?)))?;
        // Not gone if it may be in the page before, which is not here.
        let known = row == 0 || self.pages.get(row - 1).is_some();
        match nth {
            0 => Some(Moved::Here(row)),
            _ => known.then_some(Moved::Gone { next: row }),
        }
    }

    fn take_counts(&mut self, relations: Vec<RelationCounts>, shared: &mut Shared) {
        let selected = self.selected_relation();
        self.relations = relations;
        self.relations
            .retain(|r| r.relation.index() < shared.info.schema.n_relations());
        self.relations
            .sort_by_key(|r| (std::cmp::Reverse(r.gold.max(r.predicted)), r.relation));
        if let Some(at) =
            selected.and_then(|id| self.relations.iter().position(|r| r.relation == id))
        {
            self.relation_list.cursor = at;
        }
        if shared.frequent.is_empty() || self.query.is_empty() {
            shared.frequent = self.relations.iter().map(|r| r.relation).collect();
        }
    }

    pub fn on_bad_query(&mut self, ticket: Ticket, bad: BadQuery) {
        if ticket >= self.query_ticket {
            self.bad = Some(bad);
            self.ranking = None;
            self.pages.refused();
            self.editing = Some(Input::new(&self.query));
        }
    }

    pub fn on_ranking(&mut self, ticket: Ticket, done: u64, total: u64) {
        if ticket >= self.query_ticket {
            self.ranking = Some((done, total));
        }
    }

    /// An edit reached the disk: the sentence's row says so at once, the counts when the list is next in sight.
    pub fn on_saved(&mut self, detail: &Detail) {
        self.mark_edited();
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        for row in self.pages.rows_mut().filter(|r| r.id == detail.sentence.id) {
            row.state = detail.state;
            row.predicted = detail.prediction.is_some();
            if let Some(question) = &mut row.question {
                let asked = detail.rows.iter().find(|r| r.triple == question.triple);
                question.verdict = asked.and_then(|r| r.verdict);
            }
            row.n_gold = count(detail.rows.iter().filter(|r| r.stands).count());
            row.n_predicted = count(detail.rows.iter().filter(|r| r.predicted).count());
            let differs = |o| o != crate::domain::Outcome::Correct;
            row.n_disagreements = count(
                detail
                    .rows
                    .iter()
                    .filter(|r| r.outcome.is_some_and(differs))
                    .count(),
            );
        }
    }

    pub fn selected_relation(&self) -> Option<RelationId> {
        self.relations
            .get(self.relation_list.cursor)
            .map(|r| r.relation)
    }

    /// Rows marked by `v`, both ends included; the row under the cursor without a mark.
    pub fn range(&self) -> std::ops::RangeInclusive<usize> {
        let start = self.range_start.unwrap_or(self.list.cursor);
        start.min(self.list.cursor)..=start.max(self.list.cursor)
    }

    pub fn act(&mut self, action: Corpus, shared: &mut Shared) {
        match action {
            Corpus::Open if self.panel == Panel::Relations => self.filter_by_selected(shared),
            Corpus::Open => shared.intents.push(Intent::OpenRow(self.list.cursor)),
            Corpus::SwitchPanel => {
                self.panel = match self.panel {
                    Panel::Sentences => Panel::Relations,
                    Panel::Relations => Panel::Sentences,
                }
            }
            Corpus::Relations => self.panel = Panel::Relations,
            Corpus::Sentences => self.panel = Panel::Sentences,
            Corpus::NextDisagreement => self.jump((self.list.cursor + 1)..self.pages.total, shared),
            Corpus::PreviousDisagreement => self.jump((0..self.list.cursor).rev(), shared),
            Corpus::Range => {
                self.range_start = match self.range_start {
                    None => Some(self.list.cursor),
                    Some(_) => None,
                }
            }
            Corpus::RangeAll => {
                self.range_start = Some(0);
                self.list.cursor = self.pages.total.saturating_sub(1);
            }
            Corpus::Accept => self.judge(Verdict::Accept, shared),
            Corpus::Reject => self.judge(Verdict::Reject, shared),
            Corpus::Unsure => self.judge(Verdict::Unsure, shared),
            Corpus::Predict => self.predict(shared),
            Corpus::Order => self.next_order(shared),
            Corpus::ClearQuery => {
                if !self.query.is_empty() {
                    self.search("", shared);
                }
            }
        }
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        match self.panel {
            Panel::Sentences => self.list.act(nav, self.pages.total, count),
            Panel::Relations => self.relation_list.act(nav, self.relations.len(), count),
        }
    }

    fn filter_by_selected(&mut self, shared: &mut Shared) {
        if let Some(relation) = self.selected_relation() {
            let term = queries::by_relation(shared.relation(relation));
            let query = queries::toggled(&self.query, &term);
            self.search(&query, shared);
        }
    }

    /// To the first row of `rows` in which model and labels disagree, as far as rows are here.
    fn jump(&mut self, mut rows: impl Iterator<Item = usize>, shared: &mut Shared) {
        let mut gap = false;
        let found = rows.find(|i| match self.pages.get(*i) {
            Some(row) => row.n_disagreements > 0,
            None => {
                gap = true;
                true
            }
        });
        match found {
            Some(row) => self.list.cursor = row,
            None => shared.warn("no further sentence in which model and labels disagree"),
        }
        if gap {
            shared.warn("no disagreement in the rows seen so far; here are the next ones");
        }
    }

    fn predict(&mut self, shared: &mut Shared) {
        let range = self.range();
        let wanted = range.end() - range.start() + 1;
        let ids: Vec<SentenceId> = range
            .take(MAX_RANGE)
            .filter_map(|i| self.pages.get(i))
            .map(|r| r.id)
            .collect();
        if ids.is_empty() {
            return shared.warn("no sentence here to predict");
        }
        if ids.len() < wanted {
            shared.warn(format!(
                "{} of {wanted} sentences of the range are loaded; predicting those",
                ids.len()
            ));
        }
        self.range_start = None;
        shared.send(Request::Predict { ids });
    }

    /// Starts typing a query, on top of the one that stands.
    pub fn edit_query(&mut self) {
        self.panel = Panel::Sentences;
        self.editing = Some(Input::new(&self.query));
    }

    /// A key while the query is typed.
    pub fn query_key(&mut self, key: Key, shared: &mut Shared) {
        let Some(input) = &mut self.editing else {
            return;
        };
        match key.0 {
            KeyCode::Enter => {
                let query = input.text().to_owned();
                self.editing = None;
                self.search(&query, shared);
            }
            KeyCode::Esc => {
                self.editing = None;
                // The list still shows what the last good query found; a bad one showed nothing.
                if self.bad.take().is_some() {
                    self.search("", shared);
                }
            }
            _ => {
                input.key(key);
                if self
                    .bad
                    .as_ref()
                    .is_some_and(|_| input.text() != self.query)
                {
                    self.bad = None;
                }
            }
        }
    }

    /// Steps back once: ends a range, leaves the relations. Whether there was something to leave.
    pub fn back(&mut self) -> bool {
        if self.range_start.take().is_some() {
            return true;
        }
        let was = std::mem::take(&mut self.panel);
        was == Panel::Relations
    }

    /// Moves the cursor for a click; a click on the row under the cursor opens it, one on a relation filters by it.
    pub fn click(&mut self, x: u16, y: u16, shared: &mut Shared) {
        let at = (x, y).into();
        if self.areas.query.contains(at) {
            self.edit_query();
        } else if self.areas.sentences.contains(at) {
            self.panel = Panel::Sentences;
            let row = self.list.top + (y - self.areas.sentences.y) as usize;
            let again = row == self.list.cursor;
            self.list.cursor = row.min(self.pages.total.saturating_sub(1));
            if again {
                self.act(Corpus::Open, shared);
            }
        } else if self.areas.relations.contains(at) {
            self.panel = Panel::Relations;
            let row = self.relation_list.top + (y - self.areas.relations.y) as usize;
            if row < self.relations.len() {
                self.relation_list.cursor = row;
                self.filter_by_selected(shared);
            }
        }
    }
}
