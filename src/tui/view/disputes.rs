//! What curators decided differently: both decisions side by side, and one key for the adjudicator's choice. Only what the engine
//! has read is shown; a choice is a correction like others.

use super::glyphs;
use crate::domain::annotation::Edit;
use crate::domain::{SentenceId, Triple, Verdict};
use crate::tui::action::{Action, App, Disputes, Nav};
use crate::tui::clean::width;
use crate::tui::paint::{Painter, below, row, sides};
use crate::tui::queries;
use crate::tui::question::Question;
use crate::tui::state::{Intent, Shared};
use crate::tui::theme::Role;
use crate::tui::widget::numbers::{counted, grouped, minute};
use crate::tui::widget::scroll::Scroll;
use crate::workspace::agreement::{Disputed, Side};
use crate::workspace::messages::{Request, Ticket};
use ratatui::layout::Rect;

/// Rows of the list, at most; the rest of the screen is the dispute's.
const LIST: u16 = 8;

#[derive(Default)]
pub struct DisputesView {
    rows: Vec<Disputed>,
    total: usize,
    list: Scroll,
    question: Question,
    answered: bool,
    /// The one that was settled last: after an undo the cursor goes back to it.
    last: Option<(SentenceId, Triple)>,
    area: Rect,
}

/// Those who say the same.
struct Camp<'a> {
    verdict: Verdict,
    sides: Vec<&'a Side>,
}

/// The decision that stands first, then the others, by who spoke first.
fn camps(dispute: &Disputed) -> Vec<Camp<'_>> {
    let mut camps: Vec<Camp> = Vec::new();
    for side in &dispute.sides {
        match camps.iter_mut().find(|c| c.verdict == side.verdict) {
            Some(camp) => camp.sides.push(side),
            None => camps.push(Camp {
                verdict: side.verdict,
                sides: vec![side],
            }),
        }
    }
    camps
}

fn key(dispute: &Disputed) -> (SentenceId, Triple) {
    (dispute.sentence.id, dispute.triple)
}

impl DisputesView {
    pub fn hints(&self) -> Vec<Action> {
        let d = Action::Disputes;
        vec![
            d(Disputes::Left),
            d(Disputes::Right),
            d(Disputes::Undecided),
            d(Disputes::Sentence),
            Action::Nav(Nav::Down),
            Action::App(App::Undo),
            Action::App(App::NextTab),
        ]
    }

    pub fn mark_dirty(&mut self) {
        self.question.mark_stale();
    }

    /// Asks for the disputes if they were never asked for or may have changed since.
    pub fn fetch(&mut self, shared: &mut Shared) {
        if let Some(ticket) = self.question.due(shared) {
            shared.send(Request::Disputes { ticket });
        }
    }

    pub fn on_disputes(
        &mut self,
        ticket: Ticket,
        mut rows: Vec<Disputed>,
        total: usize,
        shared: &Shared,
    ) {
        if !self.question.is_answered_by(ticket) {
            return;
        }
        // A choice on its way to the disk is made: its row must not come back under the next key.
        let before = rows.len();
        rows.retain(|r| {
            let chosen = |e: &Edit| matches!(e, Edit::Judge { triple, .. } if *triple == r.triple);
            !shared.pending_of(r.sentence.id).any(chosen)
        });
        let selected = self.rows.get(self.list.cursor).map(key);
        self.total = total - (before - rows.len());
        (self.rows, self.answered) = (rows, true);
        let place = |wanted: Option<_>| self.rows.iter().position(|r| Some(key(r)) == wanted);
        let undone = place(self.last);
        if let Some(at) = undone.or_else(|| place(selected)) {
            self.list.cursor = at;
        }
        if undone.is_some() {
            self.last = None;
        }
    }

    pub fn act(&mut self, action: Disputes, shared: &mut Shared) {
        let Some(dispute) = self.rows.get(self.list.cursor) else {
            return shared.warn("no dispute here");
        };
        let camps = camps(dispute);
        let verdict = match action {
            Disputes::Left => camps.first().map(|c| c.verdict),
            Disputes::Right => camps.get(1).map(|c| c.verdict),
            Disputes::Undecided => Some(Verdict::Unsure),
            Disputes::Sentence => {
                let id = dispute.sentence.id;
                return shared.intents.push(Intent::Filter(queries::disputed(id)));
            }
        };
        let Some(verdict) = verdict else { return };
        let (id, triple) = key(dispute);
        shared.settle_dispute(id, triple, verdict);
        self.last = Some((id, triple));
        self.rows.remove(self.list.cursor);
        self.total = self.total.saturating_sub(1);
        self.list.cursor = self.list.cursor.min(self.rows.len().saturating_sub(1));
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        self.list.act(nav, self.rows.len(), count);
    }

    pub fn click(&mut self, x: u16, y: u16) {
        self.list.click(self.area, (x, y), self.rows.len());
    }

    pub fn layout(&mut self, area: Rect) {
        let inside = below(area, 2);
        let most = LIST.min(inside.height / 3);
        let height = most.min(u16::try_from(self.rows.len()).unwrap_or(most));
        self.area = Rect { height, ..inside };
        self.list.fit(self.rows.len(), height as usize);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let top = row(area, 0);
        let x = painter.text(top.x, top.y, top.width, " disputes", Role::Title);
        let what = match self.rows.len() {
            0 => String::new(),
            n if n < self.total => format!("  the first {} of {}", grouped(n as u64), self.total),
            _ => format!("  {}", counted(self.total, "triple")),
        };
        let what = format!("{what} that curators judged differently");
        if !self.rows.is_empty() {
            painter.text(x, top.y, top.right().saturating_sub(x), &what, Role::Dim);
        }
        painter.horizontal(row(area, 1), Role::Border);
        let Some(dispute) = self.rows.get(self.list.cursor) else {
            return self.draw_empty(below(area, 2), painter);
        };
        for (y, at) in (self.area.y..self.area.bottom()).zip(self.list.visible(self.rows.len())) {
            let line = Rect::new(area.x, y, area.width, 1);
            draw_row(painter, line, &self.rows[at], shared);
            if at == self.list.cursor {
                glyphs::mark_cursor(painter, line);
            }
        }
        let rest = below(area, 2 + self.area.height);
        painter.horizontal(row(rest, 0), Role::Border);
        draw_dispute(painter, below(rest, 1), dispute, shared);
    }

    fn draw_empty(&self, area: Rect, painter: &mut Painter<'_>) {
        let lines: &[&str] = match self.answered {
            false => &["Looking…"],
            true => &[
                "Nobody disagrees with anybody here.",
                "`redress apply FILE` merges another curator's corrections; what she decided differently waits here.",
            ],
        };
        painter.instead(sides(below(area, 1)), lines);
    }
}

/// `head — relation → tail` and who said what.
fn draw_row(painter: &mut Painter<'_>, line: Rect, dispute: &Disputed, shared: &Shared) {
    let (s, t) = (&dispute.sentence, dispute.triple);
    let triple = format!(
        "{} — {} → {}",
        s.surface(t.head),
        shared.relation(t.relation),
        s.surface(t.tail)
    );
    let said: Vec<(String, Role)> = dispute
        .sides
        .iter()
        .flat_map(|side| {
            let (glyph, role) = glyphs::verdict(side.verdict);
            [
                (format!("{glyph} "), role),
                (format!("{}  ", side.by), Role::Dim),
            ]
        })
        .collect();
    let cells: usize = said.iter().map(|(text, _)| width(text)).sum();
    let right = (cells as u16).min(line.width / 2);
    let left = line.width.saturating_sub(right + 4);
    painter.text(line.x + 2, line.y, left, &triple, Role::Text);
    let at = Rect {
        x: line.right() - right,
        width: right,
        ..line
    };
    painter.parts(at, &said);
}

/// The sentence, its note, and the decisions side by side.
fn draw_dispute(painter: &mut Painter<'_>, area: Rect, dispute: &Disputed, shared: &Shared) {
    let used = draw_sentence(painter, below(area, 1), dispute);
    let mut rest = below(area, used + 2);
    if !dispute.note.is_empty() && rest.height > 6 {
        let line = row(rest, 0);
        let note = format!("note: {}", dispute.note);
        painter.text(
            line.x + 2,
            line.y,
            line.width.saturating_sub(4),
            &note,
            Role::Dim,
        );
        rest = below(rest, 2);
    }
    let camps = camps(dispute);
    let half = rest.width / 2;
    for (n, (camp, action)) in camps
        .iter()
        .zip([Disputes::Left, Disputes::Right, Disputes::Undecided])
        .enumerate()
    {
        // A third verdict is the undecided one only if it is that; else it has no key and stands below.
        let column = Rect {
            x: rest.x + half * (n as u16 % 2),
            width: half.saturating_sub(1),
            ..below(rest, if n < 2 { 0 } else { 4 })
        };
        let standing = match (n, camp.sides.iter().any(|s| !s.held)) {
            (0, true) => "  stands now",
            (_, true) => "  overruled",
            _ => "  held",
        };
        let action = (n < 2).then_some(action);
        draw_camp(painter, column, camp, (action, standing), shared);
    }
    let line = row(below(rest, 4 + 4 * u16::from(camps.len() > 2)), 0);
    let keys = shared.keymap.keys_of(Action::Disputes(Disputes::Undecided));
    let key = keys.first().map(ToString::to_string).unwrap_or_default();
    let neither = [
        ("  ", Role::Text),
        (key.as_str(), Role::Key),
        (" neither: undecided, left out of training", Role::Dim),
    ];
    painter.parts(line, &neither);
}

fn draw_camp(
    painter: &mut Painter<'_>,
    area: Rect,
    camp: &Camp<'_>,
    (action, standing): (Option<Disputes>, &str),
    shared: &Shared,
) {
    let keys = action.map(|a| shared.keymap.keys_of(Action::Disputes(a)));
    let key = keys.and_then(|k| k.first().map(ToString::to_string));
    let (glyph, role) = glyphs::verdict(camp.verdict);
    let title = [
        ("  ".to_owned(), Role::Text),
        (key.unwrap_or_default(), Role::Key),
        (format!(" {glyph} {}", camp.verdict.name()), role),
        (standing.to_owned(), Role::Dim),
    ];
    painter.parts(row(area, 0), &title);
    for (n, side) in camp.sides.iter().enumerate() {
        let line = row(area, n as u16 + 1);
        let who = format!("{}  {}", side.by, minute(side.at_ms));
        painter.text(
            line.x + 4,
            line.y,
            line.width.saturating_sub(4),
            &who,
            Role::Text,
        );
    }
}

/// Words from `area`'s first row on, head and tail marked; returns the rows used.
fn draw_sentence(painter: &mut Painter<'_>, area: Rect, dispute: &Disputed) -> u16 {
    let (left, right) = (area.x + 2, area.right().saturating_sub(2));
    let (mut x, mut line) = (left, 0);
    let t = dispute.triple;
    let mut end = 0;
    for (n, word) in dispute.sentence.words().enumerate() {
        let range = dispute.sentence.tokens[n].range();
        let glued = range.start == end;
        end = range.end;
        let inside = |s: crate::domain::TokenSpan| (s.start()..s.end()).contains(&n);
        let role = match (inside(t.head), inside(t.tail)) {
            (true, _) => Role::Head,
            (_, true) => Role::Tail,
            _ => Role::Text,
        };
        let cells = width(word) as u16;
        if x > left && !glued {
            x += 1;
        }
        if x > left && x + cells > right {
            (x, line) = (left, line + 1);
        }
        if line >= area.height / 2 {
            painter.text(right, area.y + line - 1, 1, "…", Role::Dim);
            return line;
        }
        x = painter.text(x, area.y + line, right.saturating_sub(x), word, role);
    }
    line + 1
}
