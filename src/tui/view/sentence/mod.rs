//! One sentence: its text, its triples with every system's probability, and the evidence for the one under the cursor.
//!
//! The neighbours in the list are fetched ahead, so the next sentence opens with the key press. Edits are checked
//! against a draft (what stands plus what is under way), sent, and shown as pending until the engine says "saved".
//! `edit` holds what keys change, `shown` the rows as they will be, `draw`, `table`, `words` and `panes` the looks.

mod draw;
mod edit;
mod jumping;
mod panes;
mod questions;
mod shown;
mod table;
mod words;

use crate::domain::{Annotation, Entity, RelationId, SentenceId, TokenSpan, Triple};
use crate::tui::action::{Action, App, Nav, Sentence, Span};
use crate::tui::state::Shared;
use crate::tui::view::corpus::Moved;
use crate::tui::widget::scroll::Scroll;
use crate::workspace::messages::{Detail, Explanation, Request, Ticket};
use edit::Mode;
pub use edit::works_without_sentence;
use jumping::Jump;
use shown::Shown;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Explanations kept of one sentence.
const MAX_EXPLAINED: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pane {
    #[default]
    Kernel,
    Rounds,
    Facts,
    Bag,
}

impl Pane {
    const ALL: [Pane; 4] = [Pane::Kernel, Pane::Rounds, Pane::Facts, Pane::Bag];

    fn title(self) -> &'static str {
        match self {
            Pane::Kernel => "kernel",
            Pane::Rounds => "rounds",
            Pane::Facts => "knowledge base",
            Pane::Bag => "bag",
        }
    }

    fn step(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|p| *p == self).unwrap_or(0);
        Self::ALL[(at + by) % Self::ALL.len()]
    }
}

#[derive(Default)]
pub struct SentenceView {
    /// The open sentence and its row in the list.
    pub id: Option<SentenceId>,
    pub row: usize,
    /// It has left the list since; the sentence after it stands at `row` now.
    gone: bool,
    /// The query it was found by.
    query: String,
    /// The cursor goes to the triple that the query is about as soon as the rows are here.
    placing: bool,
    /// Why sentences near this one cannot be read.
    refused: HashMap<SentenceId, String>,
    cache: BTreeMap<SentenceId, Detail>,
    /// In the cache, but asked for again.
    stale: HashSet<SentenceId>,
    /// Answers to older tickets are of another query.
    first_ticket: Ticket,
    /// Answers to tickets up to this one are older than what was saved since.
    newer_than: HashMap<SentenceId, Ticket>,
    in_flight: Option<(Ticket, SentenceId)>,
    /// The annotation with pending edits, against which the next edit is checked.
    draft: Annotation,
    shown: Vec<Shown>,
    table: Scroll,
    /// The triple to put the cursor on when it appears: where an edit made a new one.
    follow: Option<Triple>,
    /// Questions of a queue that the curator has gone on from, the latest last.
    passed: Vec<Triple>,
    pane: Pane,
    pane_top: usize,
    zoomed: bool,
    explained: HashMap<Triple, Explanation>,
    explaining: Option<(Ticket, Triple)>,
    mode: Mode,
    text: words::Text,
    text_top: usize,
    areas: draw::Areas,
}

impl SentenceView {
    pub fn detail(&self) -> Option<&Detail> {
        self.cache.get(&self.id?)
    }

    /// "sentence", "jump" or "span": what keys mean now.
    pub fn mode_name(&self) -> &'static str {
        match self.mode {
            Mode::Browse => "sentence",
            Mode::Jump(_) => "jump",
            Mode::Span(_) => "span",
        }
    }

    pub fn in_span_mode(&self) -> bool {
        matches!(self.mode, Mode::Span(_))
    }
    pub fn in_jump_mode(&self) -> bool {
        matches!(self.mode, Mode::Jump(_))
    }

    pub fn hints(&self) -> Vec<Action> {
        use Sentence as S;
        if self.in_span_mode() {
            let edges = [
                Span::LeftEdgeLeft,
                Span::LeftEdgeRight,
                Span::RightEdgeLeft,
                Span::RightEdgeRight,
                Span::Apply,
            ];
            let mut hints: Vec<Action> = edges.map(Action::Span).to_vec();
            hints.push(Action::App(App::Back));
            return hints;
        }
        let mut hints: Vec<Sentence> = Vec::new();
        if self.focused().is_some() {
            hints.extend([S::Accept, S::Reject, S::Unsure]);
        }
        hints.extend([S::Done, S::Next, S::Add]);
        if self.detail().is_some_and(|d| d.prediction.is_none()) {
            hints.push(S::Predict);
        }
        if self.focused().is_some() {
            hints.extend([S::Change, S::Reverse, S::Flag, S::NextPane]);
        }
        hints.extend([S::WriteNote, S::MoveSpan]);
        let mut hints: Vec<Action> = hints.into_iter().map(Action::Sentence).collect();
        hints.insert(hints.len().min(10), Action::App(App::Undo));
        hints
    }

    /// Shows a sentence that a query found; at once when it was fetched ahead. The cursor stands on the triple that the
    /// query is about, else on the first.
    pub fn open(&mut self, id: SentenceId, row: usize, query: &str, shared: &Shared) {
        (self.row, self.gone) = (row, false);
        if self.id == Some(id) && self.query == query && !self.refused.contains_key(&id) {
            return;
        }
        if self.query != query {
            query.clone_into(&mut self.query);
            // Known sentences know the triples of another query.
            self.cache.clear();
            self.in_flight = None;
            self.first_ticket = shared.last_ticket() + 1;
        }
        self.id = Some(id);
        self.refused.remove(&id);
        self.placing = true;
        // The rows of the sentence before would name a triple to stay on.
        self.shown.clear();
        self.table = Scroll::default();
        (self.text_top, self.pane_top) = (0, 0);
        self.follow = None;
        self.passed.clear();
        self.mode = Mode::Browse;
        self.explained.clear();
        self.explaining = None;
        self.refresh(shared);
    }

    /// The list was asked for again.
    pub fn moved(&mut self, moved: Moved) {
        (self.row, self.gone) = match moved {
            Moved::Here(row) => (row, false),
            Moved::Gone { next } => (next, true),
        };
    }

    /// Row of the sentence after this one.
    pub fn next_row(&self) -> usize {
        self.row + usize::from(!self.gone)
    }

    /// A sentence is chosen and not here yet: keys meant for it must wait.
    pub fn is_opening(&self) -> bool {
        self.detail().is_none() && self.id.is_some_and(|id| !self.refused.contains_key(&id))
    }

    pub fn on_not_opened(&mut self, ticket: Ticket, id: SentenceId, reason: String) {
        if self.in_flight == Some((ticket, id)) {
            self.in_flight = None;
        }
        self.refused.insert(id, reason);
    }

    /// Asks for the open sentence, then for its neighbours, one at a time; then for the evidence in sight.
    pub fn fetch(&mut self, neighbours: [Option<SentenceId>; 2], shared: &mut Shared) {
        let Some(id) = self.id else { return };
        let near: Vec<SentenceId> = [Some(id), neighbours[0], neighbours[1]]
            .into_iter()
            .flatten()
            .collect();
        self.cache.retain(|id, _| near.contains(id));
        self.stale.retain(|id| near.contains(id));
        self.newer_than.retain(|id, _| near.contains(id));
        self.refused.retain(|id, _| near.contains(id));
        let missing = near
            .iter()
            .filter(|id| !self.refused.contains_key(*id))
            .find(|id| !self.cache.contains_key(id) || self.stale.contains(id));
        if let Some(&wanted) = missing {
            let under_way = self.in_flight.map(|(_, id)| id);
            if under_way.is_none() || (wanted == id && under_way != Some(id)) {
                let ticket = shared.next_ticket();
                self.in_flight = Some((ticket, wanted));
                shared.send(Request::Open {
                    ticket,
                    id: wanted,
                    query: self.query.clone(),
                });
            }
        }
        self.explain(id, shared);
    }

    fn explain(&mut self, id: SentenceId, shared: &mut Shared) {
        let Some(triple) = self.focused().filter(|s| !s.pending).map(|s| s.row.triple) else {
            return;
        };
        let asked = self.explaining.is_some_and(|(_, t)| t == triple);
        // A queue has reasons of its own, also where nothing is predicted.
        let useful = self
            .detail()
            .is_some_and(|d| d.prediction.is_some() || !d.questions.is_empty());
        if self.areas.pane.height > 1 && useful && !asked && !self.explained.contains_key(&triple) {
            let ticket = shared.next_ticket();
            self.explaining = Some((ticket, triple));
            shared.send(Request::Explain { ticket, id, triple });
        }
    }

    pub fn on_detail(&mut self, detail: Detail, shared: &Shared) {
        if self
            .in_flight
            .is_some_and(|(ticket, _)| ticket <= detail.ticket)
        {
            self.in_flight = None;
        }
        let id = detail.sentence.id;
        let newest = self.newer_than.get(&id);
        if detail.ticket < self.first_ticket || newest.is_some_and(|n| detail.ticket <= *n) {
            return;
        }
        self.store(detail, shared);
    }

    /// The sentence as it stands after an edit reached the disk.
    pub fn on_saved(&mut self, mut detail: Detail, last_ticket: Ticket, shared: &Shared) {
        self.newer_than.insert(detail.sentence.id, last_ticket);
        // An answer under way is older than this one; asking again would be for nothing.
        if self
            .in_flight
            .is_some_and(|(_, id)| id == detail.sentence.id)
        {
            self.in_flight = None;
        }
        // What the query is about only an answer to its question says; and it stays so when a judgement has settled it.
        if let Some(before) = self.cache.get(&detail.sentence.id) {
            detail.hits.clone_from(&before.hits);
            detail.questions.clone_from(&before.questions);
            // A question of a queue that this edit did not answer stays in sight.
            let open = before
                .rows
                .iter()
                .filter(|r| before.hits.contains(&r.triple));
            let open = open.filter(|r| !r.gold && !r.predicted && r.verdict.is_none());
            let known = |t| detail.rows.iter().any(|r| r.triple == t);
            let open: Vec<_> = open.filter(|r| !known(r.triple)).cloned().collect();
            detail.rows.extend(open);
            self.store(detail, shared);
        }
    }

    fn store(&mut self, detail: Detail, shared: &Shared) {
        let id = detail.sentence.id;
        self.stale.remove(&id);
        self.cache.insert(id, detail);
        if self.id == Some(id) {
            self.refresh(shared);
        }
    }

    /// What the engine says of these sentences has changed; all of them when empty.
    /// Answers to tickets up to `last_ticket` are from before the change.
    pub fn mark_stale(&mut self, ids: &[SentenceId], last_ticket: Ticket) {
        let under_way = self.in_flight.take().map(|(_, id)| id);
        let known = self.cache.keys().copied().chain(under_way);
        let changed: Vec<SentenceId> = known
            .filter(|id| ids.is_empty() || ids.contains(id))
            .collect();
        self.newer_than
            .extend(changed.iter().map(|id| (*id, last_ticket)));
        self.stale.extend(changed);
        self.explained.clear();
        self.explaining = None;
    }

    pub fn on_explanation(&mut self, explanation: Explanation) {
        let Some((ticket, triple)) = self.explaining else {
            return;
        };
        if explanation.ticket == ticket {
            if self.explained.len() >= MAX_EXPLAINED {
                self.explained.clear();
            }
            self.explained
                .insert(explanation.triple.unwrap_or(triple), explanation);
            self.explaining = None;
        }
    }

    /// Rows and draft from what is known and what is pending; the cursor stays on its triple.
    pub fn refresh(&mut self, shared: &Shared) {
        let focused = self.focused().map(|s| s.row.triple);
        let Some(detail) = self.detail() else {
            (self.shown, self.draft) = (Vec::new(), Annotation::default());
            return;
        };
        let pending: Vec<_> = shared.pending_of(detail.sentence.id).collect();
        let mut draft = detail.annotation.clone();
        for edit in &pending {
            // One that does not apply is the engine's to refuse; it is still under way.
            if let Ok(next) = draft.apply(edit) {
                draft = next;
            }
        }
        let shown = shown::rows(detail, &pending);
        (self.draft, self.shown) = (draft, shown);
        let hit = std::mem::take(&mut self.placing).then(|| self.first_hit());
        let hit = hit.flatten();
        let wanted = self.follow.filter(|t| self.position(*t).is_some());
        if let Some(at) = wanted.or(hit).or(focused).and_then(|t| self.position(t)) {
            self.table.cursor = at;
        }
        if pending.is_empty() {
            self.follow = None;
        }
        self.table.cursor = self.table.cursor.min(self.shown.len().saturating_sub(1));
    }

    fn position(&self, triple: Triple) -> Option<usize> {
        self.shown.iter().position(|s| s.row.triple == triple)
    }

    fn focused(&self) -> Option<&Shown> {
        self.shown.get(self.table.cursor)
    }

    #[cfg(test)]
    pub fn under_cursor(&self) -> Option<Triple> {
        self.focused().map(|s| s.row.triple)
    }

    fn entities(&self) -> &[Entity] {
        &self.draft.entities
    }

    /// Relations by how well they fit: what the models say of the pair, then its types, then how common they are.
    fn likely(&self, head: TokenSpan, tail: TokenSpan, shared: &Shared) -> Vec<RelationId> {
        let mut scored: Vec<(f32, RelationId)> = Vec::new();
        for shown in self
            .shown
            .iter()
            .filter(|s| s.row.triple.head == head && s.row.triple.tail == tail)
        {
            scored.extend(shown.row.score.map(|p| (p, shown.row.triple.relation)));
            scored.extend(shown.row.runner_up.map(|(relation, p)| (p, relation)));
        }
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let kind = |span| self.draft.entity(span).and_then(|e| e.kind);
        let (head_kind, tail_kind) = (kind(head), kind(tail));
        let fits = |relation: &RelationId| {
            let Some(info) = shared.info.schema.relations().get(relation.index()) else {
                return false;
            };
            let allows = |types: &[_], kind| {
                types.is_empty() || matches!(kind, Some(k) if types.contains(&k))
            };
            !(info.head_types.is_empty() && info.tail_types.is_empty())
                && allows(&info.head_types, head_kind)
                && allows(&info.tail_types, tail_kind)
        };
        let mut order: Vec<RelationId> = scored.into_iter().map(|(_, r)| r).collect();
        order.extend(shared.frequent.iter().copied().filter(fits));
        order.extend(shared.frequent.iter().copied());
        order.extend(shared.info.schema.relation_ids());
        let mut seen = HashSet::new();
        order.retain(|r| seen.insert(*r));
        order
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        match nav {
            Nav::HalfDown => self.text_top = self.text_top.saturating_add(3),
            Nav::HalfUp => self.text_top = self.text_top.saturating_sub(3),
            Nav::PageDown => self.pane_top = self.pane_top.saturating_add(5),
            Nav::PageUp => self.pane_top = self.pane_top.saturating_sub(5),
            _ => {
                let before = self.table.cursor;
                self.table.act(nav, self.shown.len(), count);
                if before != self.table.cursor {
                    self.pane_top = 0;
                    self.follow = None;
                    self.text.follow_focus();
                }
            }
        }
    }

    pub fn click(&mut self, x: u16, y: u16) {
        if self.areas.rows.contains((x, y).into()) {
            let at = self.table.top + (y - self.areas.rows.y) as usize;
            if at < self.shown.len() {
                self.table.cursor = at;
                self.text.follow_focus();
            }
        }
    }

    /// Steps back out of a mode or the zoom. Whether there was something to leave.
    pub fn back(&mut self) -> bool {
        if !matches!(self.mode, Mode::Browse) {
            self.mode = Mode::Browse;
            return true;
        }
        std::mem::take(&mut self.zoomed)
    }

    /// The jump under way, for the status line.
    pub fn jump_prompt(&self) -> Option<String> {
        match &self.mode {
            Mode::Jump(jump) => Some(jump.prompt()),
            _ => None,
        }
    }

    fn start_jump(&mut self, jump: Jump) {
        self.mode = Mode::Jump(jump);
    }
}
