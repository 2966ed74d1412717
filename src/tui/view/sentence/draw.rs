//! How a sentence looks, from top to bottom: where it comes from, its words, its triples, a line about the triple
//! under the cursor, the evidence, the relations of the number keys. Rows that do not fit give way from below.

use super::edit::Mode;
use super::jumping::{Goal, Targets};
use super::words::Markup;
use super::{Pane, SentenceView};
use crate::domain::TokenSpan;
use crate::tui::paint::{Painter, row};
use crate::tui::state::Shared;
use crate::tui::theme::Role;
use crate::tui::view::glyphs;
use crate::tui::widget::numbers::{counted, fraction, grouped};
use crate::workspace::messages::Detail;
use ratatui::layout::Rect;

/// Cells that one kind of evidence wants; more of them stand side by side where there is room.
const PANE_CELLS: u16 = 58;

/// Where the parts are; a part without room has height 0.
#[derive(Clone, Copy, Default, Debug)]
pub struct Areas {
    head: Rect,
    pub text: Rect,
    pub table_head: Rect,
    pub rows: Rect,
    focus: Rect,
    /// Title row and content of the evidence.
    pub pane: Rect,
    relations: Rect,
}

impl SentenceView {
    pub fn layout(&mut self, area: Rect) {
        let margin = if area.width > 40 { 1 } else { 0 };
        let text_width = area.width.saturating_sub(2 * margin) as usize;
        let markup = self.markup();
        if let Some(detail) = self.id.and_then(|id| self.cache.get(&id)) {
            self.text.update(&detail.sentence, markup, text_width);
        } else {
            self.text = Default::default();
        }
        let heights = Heights::share(
            area.height,
            self.text.lines.len(),
            self.shown.len(),
            self.zoomed,
        );
        let mut y = area.y;
        let mut take = |height: u16| {
            let part = Rect::new(area.x, y, area.width, height);
            y += height;
            part
        };
        self.areas = Areas {
            head: take(heights.head),
            text: take(heights.text),
            table_head: take(heights.table_head),
            rows: take(heights.rows),
            focus: take(heights.focus),
            pane: take(heights.pane),
            relations: take(heights.relations),
        };
        self.areas.text.x += margin;
        self.areas.text.width = area.width - 2 * margin;
        self.text_top = self.text.top(self.text_top, heights.text as usize);
        self.table.fit(self.shown.len(), heights.rows as usize);
    }

    /// Tokens of the lines in sight.
    pub fn words_in_sight(&self) -> std::ops::Range<usize> {
        let lines = self
            .text
            .lines
            .iter()
            .skip(self.text_top)
            .take(self.areas.text.height.max(1) as usize);
        let ranges: Vec<_> = lines
            .map(|l| l.tokens.clone())
            .filter(|r| !r.is_empty())
            .collect();
        match (ranges.first(), ranges.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }

    fn markup(&self) -> Markup {
        let mut markup = Markup::default();
        for entity in self.entities() {
            markup.style(entity.span, Role::Entity);
        }
        let focused = self.focused().map(|s| s.row.triple);
        match &self.mode {
            Mode::Browse => {
                if let Some(triple) = focused {
                    mark_argument(&mut markup, triple.head, triple.tail);
                }
            }
            Mode::Jump(jump) => {
                let first = match jump.targets {
                    Targets::Words { first } => first,
                    Targets::Entities => None,
                };
                if let Goal::Tail { head } = jump.goal {
                    markup.style(head, Role::Head);
                    markup.bracket(head, "[H ", "]", Role::Head);
                }
                if let Some(span) = first.and_then(|f| TokenSpan::new(f, f + 1)) {
                    markup.style(span, Role::Edge);
                    markup.bracket(span, "⟨", "", Role::Edge);
                }
                for (label, span) in jump
                    .labels
                    .iter()
                    .filter(|(l, _)| l.starts_with(&jump.typed))
                {
                    let label = format!("‹{label}›");
                    markup
                        .before
                        .entry(span.start())
                        .or_default()
                        .push((label, Role::Label));
                }
            }
            Mode::Span(span) => {
                markup.style(span.to, Role::Edge);
                markup.bracket(span.to, "⟨", "⟩", Role::Edge);
            }
        }
        // While labels are shown the lines in sight must not move: they are what is labelled.
        markup.focus = match &self.mode {
            Mode::Browse => focused.map(|t| t.head.start().min(t.tail.start())),
            Mode::Jump(_) => None,
            Mode::Span(span) => Some(span.to.start()),
        };
        markup
    }

    pub fn draw(&self, painter: &mut Painter<'_>, shared: &Shared, total: usize) {
        let areas = &self.areas;
        let Some(detail) = self.detail() else {
            let text = match (self.id.and_then(|id| self.refused.get(&id)), self.id) {
                (Some(reason), _) => &format!("This sentence cannot be opened: {reason}"),
                (None, Some(_)) => "Opening the sentence…",
                (None, None) => "No sentence is open. Choose one in the list and press enter.",
            };
            let line = row(areas.head, 0);
            painter.text(
                line.x + 1,
                line.y,
                line.width.saturating_sub(1),
                text,
                Role::Dim,
            );
            return;
        };
        self.draw_head(painter, detail, shared, total);
        for (i, line) in self
            .text
            .lines
            .iter()
            .skip(self.text_top)
            .take(areas.text.height as usize)
            .enumerate()
        {
            painter.parts(row(areas.text, i as u16), &line.pieces);
        }
        self.draw_more_text(painter);
        self.draw_table(painter, shared);
        self.draw_focus(painter, shared);
        self.draw_pane(painter, shared);
        self.draw_relations(painter, shared);
    }

    /// `  3 labels asked about, 2 left`; nothing where no queue asks.
    fn asked_in_words(&self) -> String {
        match self.question_counts() {
            (0, _) => String::new(),
            (n, left) => format!("  {} asked about, {left} left", counted(n, "label")),
        }
    }

    fn draw_head(&self, painter: &mut Painter<'_>, detail: &Detail, shared: &Shared, total: usize) {
        let area = self.areas.head;
        if area.height == 0 {
            return;
        }
        let sentence = &detail.sentence;
        let (glyph, role) = glyphs::state(detail.state);
        let position = format!(
            "{} of {}",
            grouped(self.row as u64 + 1),
            grouped(total.max(self.row + 1) as u64)
        );
        let place = format!(
            "  {}:{}  {}",
            sentence.file,
            sentence.line,
            sentence.split.name()
        );
        let mut parts = vec![
            (" ".to_owned(), Role::Text),
            (glyph.to_owned(), role),
            (format!(" {}  ", detail.state.name()), role),
            (position, Role::Title),
            (self.asked_in_words(), Role::Key),
            (place, Role::Dim),
        ];
        match &detail.prediction {
            None => parts.push(("  not predicted (p)".to_owned(), Role::Warning)),
            Some(p) => {
                let covered = p.covered as usize;
                if covered < sentence.tokens.len() {
                    let cut = format!(
                        "  model saw {} of {} words",
                        grouped(covered as u64),
                        grouped(sentence.tokens.len() as u64)
                    );
                    parts.push((cut, Role::Warning));
                }
                if shared.info.run.is_some_and(|run| run != p.run) {
                    parts.push((
                        "  predicted by an earlier model (p)".to_owned(),
                        Role::Warning,
                    ));
                }
            }
        }
        if !detail.skipped_edits.is_empty() {
            let n = detail.skipped_edits.len();
            parts.push((
                format!("  {n} edits no longer apply: {}", detail.skipped_edits[0]),
                Role::Warning,
            ));
        }
        if !self.draft.note.is_empty() {
            parts.push((format!("  note: {}", self.draft.note), Role::Unsure));
        }
        painter.parts(row(area, 0), &parts);
    }

    /// Arrows at the right edge where the sentence goes on out of sight.
    fn draw_more_text(&self, painter: &mut Painter<'_>) {
        let area = self.areas.text;
        if area.height == 0 {
            return;
        }
        let x = area.right();
        if self.text_top > 0 {
            painter.text(x, area.y, 1, "↑", Role::Key);
        }
        if self.text_top + (area.height as usize) < self.text.lines.len() {
            painter.text(x, area.bottom() - 1, 1, "↓", Role::Key);
        }
    }

    /// The triple under the cursor in words.
    fn draw_focus(&self, painter: &mut Painter<'_>, shared: &Shared) {
        let area = self.areas.focus;
        let (Some(shown), Some(detail)) = (self.focused(), self.detail()) else {
            return;
        };
        if area.height == 0 {
            return;
        }
        let triple = shown.row.triple;
        let kind = |span| {
            let kind = self.draft.entity(span).and_then(|e| e.kind);
            let name = kind.and_then(|k| shared.info.schema.entity_types().get(k.index()));
            name.map_or(String::new(), |n| format!(" ({n})"))
        };
        let mut parts = vec![("    ".to_owned(), Role::Dim)];
        if !shown.row.tags.is_empty() {
            let tags: Vec<&str> = shown.row.tags.iter().map(|t| t.name()).collect();
            parts.push((
                format!("{} {}  ", glyphs::FLAG, tags.join(", ")),
                Role::Warning,
            ));
        }
        if let Some(outcome) = shown.row.outcome {
            let (_, role) = glyphs::outcome(Some(outcome));
            parts.push((glyphs::outcome_words(outcome).to_owned(), role));
            parts.push(("  ".to_owned(), Role::Dim));
        }
        for (system, p) in self.hidden_scores(area.width, shared) {
            parts.push((format!("{system} {}  ", fraction(p)), Role::Text));
        }
        if let Some((relation, p)) = shown.row.runner_up {
            let text = format!("else {} {}  ", shared.relation(relation), fraction(p));
            parts.push((text, Role::Dim));
        }
        parts.push(("H ".to_owned(), Role::Dim));
        parts.push((detail.sentence.surface(triple.head).to_owned(), Role::Head));
        parts.push((kind(triple.head), Role::Dim));
        parts.push(("  T ".to_owned(), Role::Dim));
        parts.push((detail.sentence.surface(triple.tail).to_owned(), Role::Tail));
        parts.push((kind(triple.tail), Role::Dim));
        painter.parts(row(area, 0), &parts);
    }

    fn draw_pane(&self, painter: &mut Painter<'_>, shared: &Shared) {
        let area = self.areas.pane;
        if area.height == 0 {
            return;
        }
        painter.horizontal(row(area, 0), Role::Border);
        // A wide screen has room for more than one kind of evidence.
        let n = (area.width / PANE_CELLS).clamp(1, Pane::ALL.len() as u16);
        let shown: Vec<Pane> = (0..n as usize).map(|i| self.pane.step(i)).collect();
        let mut parts = vec![(" ".to_owned(), Role::Dim)];
        for pane in Pane::ALL {
            let here = shown.contains(&pane);
            let (open, close) = if here { ("[", "]") } else { (" ", " ") };
            let role = if here { Role::Title } else { Role::Dim };
            parts.push((format!("{open}{}{close}", pane.title()), role));
        }
        parts.push((" tab ".to_owned(), Role::Key));
        let title = Rect {
            x: area.x + 2,
            width: area.width.saturating_sub(4),
            ..row(area, 0)
        };
        painter.parts(title, &parts);
        let cells = area.width / n;
        for (i, pane) in shown.into_iter().enumerate() {
            let x = area.x + cells * i as u16;
            let inside = Rect::new(x + 2, area.y + 1, cells.saturating_sub(3), area.height - 1);
            // Notes are of the pair, not of one kind of evidence: they stand once.
            let notes = i + 1 == n as usize;
            self.draw_evidence((pane, notes), inside, painter, shared);
            if i > 0 {
                painter.vertical(x, area.y + 1, area.height - 1, Role::Border);
            }
        }
    }

    fn draw_relations(&self, painter: &mut Painter<'_>, shared: &Shared) {
        let area = self.areas.relations;
        if area.height == 0 {
            return;
        }
        let mut parts = vec![(" ".to_owned(), Role::Dim)];
        let here = self.focused().map(|s| s.row.triple.relation);
        let numbered = shared.numbered();
        // Names are cut evenly, so that all numbers are there on a narrow screen too.
        let cells = (area.width as usize / numbered.len().max(1))
            .saturating_sub(3)
            .max(3);
        for (i, relation) in numbered.iter().enumerate() {
            parts.push(((i + 1).to_string(), Role::Key));
            let name = crate::tui::clean::fit(shared.relation(*relation), cells).into_owned();
            let role = if Some(*relation) == here {
                Role::Title
            } else {
                Role::Dim
            };
            parts.push((format!(" {name} "), role));
        }
        painter.parts(row(area, 0), &parts);
    }
}

fn mark_argument(markup: &mut Markup, head: TokenSpan, tail: TokenSpan) {
    markup.style(tail, Role::Tail);
    markup.style(head, Role::Head);
    // The longer span opens first, so that brackets nest.
    let mut both = [(head, "[H ", Role::Head), (tail, "[T ", Role::Tail)];
    both.sort_by_key(|(span, ..)| std::cmp::Reverse(span.len()));
    for (span, open, role) in both {
        markup.bracket(span, open, "]", role);
    }
}

/// Rows for each part.
struct Heights {
    head: u16,
    text: u16,
    table_head: u16,
    rows: u16,
    focus: u16,
    pane: u16,
    relations: u16,
}

impl Heights {
    fn share(height: u16, n_lines: usize, n_rows: usize, zoomed: bool) -> Self {
        let head = 1.min(height);
        let relations = u16::from(height >= 10);
        let focus = u16::from(height >= 9);
        let table_head = if height >= 5 { 2 } else { 0 };
        let mut left = height.saturating_sub(head + relations + focus + table_head);
        let n_lines = n_lines.clamp(1, 1000) as u16;
        let n_rows = n_rows.clamp(1, 1000) as u16;
        let text = if zoomed {
            n_lines.min(3)
        } else {
            n_lines.min((left / 3).max(2))
        }
        .min(left);
        left -= text;
        // The evidence gets what the table leaves, but never less than a glance where there is room for one.
        let glance = if left >= 10 { (left / 2).max(6) } else { 0 };
        let rows = if zoomed {
            n_rows.min(3)
        } else {
            n_rows.min(left - glance)
        }
        .min(left);
        left -= rows;
        let pane = if left >= 3 { left } else { 0 };
        Self {
            head,
            text,
            table_head,
            rows: if pane == 0 { rows + left } else { rows },
            focus,
            pane,
            relations,
        }
    }
}
