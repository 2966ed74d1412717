//! How the list of sentences looks.
//!
//! ```text
//!  / outcome:spurious rel:place_lived                                    210 of 56,196
//! ────────────────────────────────────┬─────────────────────────────────────────────
//!  relation        gold  pred   FP done│ lab prd dif  sentence
//!  place_lived     1204   998  210   12│○  2   3   1  Barack Obama was born in …
//! ```

use super::corpus::{Areas, BadQuery, CorpusView, Panel};
use super::glyphs;
use super::{queue_lines, queue_rows};
use crate::tui::clean::{pad, width};
use crate::tui::paint::{Painter, below, row};
use crate::tui::question::{in_words, percent};
use crate::tui::state::Shared;
use crate::tui::theme::Role;
use crate::tui::widget::numbers::{MISSING, counted, grouped, short};
use crate::tui::{keymap::Keymap, queries};
use crate::workspace::messages::{ListRow, RelationCounts};
use ratatui::layout::Rect;

/// Narrower than this, sentences and relations take turns.
const BOTH_PANELS: u16 = 76;
/// Narrower than this, the count of predictions gives way to the relation's name.
const ALL_COUNTS: u16 = 90;
/// Cells of one count of a relation with the gap before it.
const COUNT: u16 = 5;

impl CorpusView {
    pub fn layout(&mut self, area: Rect, shared: &Shared) {
        let queue = if self.queue.is_some() {
            queue_lines::HEIGHT
        } else {
            0
        };
        let body = below(area, 3 + queue);
        let relations = self.relations_width(area.width, shared);
        self.areas = Areas {
            query: row(area, 0),
            queue: Rect {
                height: queue.min(below(area, 2).height),
                ..below(area, 2)
            },
            relations: Rect {
                width: relations,
                ..body
            },
            sentences: Rect {
                x: body.x + relations,
                width: body.width - relations,
                ..body
            },
        };
        self.list
            .fit(self.pages.total, self.areas.sentences.height as usize);
        self.relation_list
            .fit(self.relations.len(), body.height as usize);
    }

    /// Cells of the relation panel with its border on the right.
    fn relations_width(&self, width: u16, shared: &Shared) -> u16 {
        if width < BOTH_PANELS {
            return if self.panel == Panel::Relations {
                width
            } else {
                0
            };
        }
        let names = self
            .relations
            .iter()
            .map(|r| crate::tui::clean::width(shared.relation(r.relation)));
        let longest = names.max().unwrap_or(0).clamp(12, 30) as u16;
        (longest + COUNT * Self::n_counts(width) + 4).min(width * 2 / 5)
    }

    fn n_counts(width: u16) -> u16 {
        if width < ALL_COUNTS { 3 } else { 4 }
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        painter.horizontal(row(area, 1), Role::Border);
        self.draw_query(row(area, 0), painter, shared);
        let queue = self.areas.queue;
        if queue.height > 0 {
            self.draw_queue(queue, painter, shared);
        }
        let heading = row(area, 2 + queue.height);
        self.draw_relations(heading, painter, shared);
        self.draw_sentences(heading, painter, shared);
    }

    fn draw_query(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let count = match (self.pages.answered, shared.opened) {
            (_, false) => "opening…".to_owned(),
            (_, true) if self.ranking.is_some() => self.ranking_in_words(),
            (false, _) => "searching…".to_owned(),
            _ if self.bad.is_some() => String::new(),
            _ if self.query.is_empty() => counted(self.pages.total, "sentence"),
            _ => format!(
                "{} of {}",
                grouped(self.pages.total as u64),
                grouped(shared.info.n_sentences as u64)
            ),
        };
        let right = area.right().saturating_sub(1);
        painter.text_right(right, area.y, area.width / 2, &count, Role::Dim);
        painter.text(area.x, area.y, 3, " / ", Role::Key);
        let field = Rect {
            x: area.x + 3.min(area.width),
            width: area.width.saturating_sub(width(&count) as u16 + 6),
            ..area
        };
        match &self.editing {
            Some(input) => {
                let hidden = input.draw(painter, field);
                if let Some(bad) = &self.bad {
                    let below = Rect {
                        y: area.y + 1,
                        ..area
                    };
                    draw_bad(bad, below, field, hidden, painter);
                }
            }
            None if self.query.is_empty() => {
                let hint = "all sentences; / to search, as in: born rel:place_lived state:todo";
                painter.text(field.x, field.y, field.width, hint, Role::Dim);
            }
            None => {
                painter.text(field.x, field.y, field.width, &self.query, Role::Text);
            }
        }
    }

    fn draw_relations(&self, heading: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let area = self.areas.relations;
        if area.width == 0 {
            return;
        }
        let inner = area.width.saturating_sub(1);
        let focused = self.panel == Panel::Relations;
        let title = if focused { Role::Title } else { Role::Dim };
        let heading_row = Rect {
            width: inner,
            ..heading
        };
        let n_counts = Self::n_counts(inner + 1 + self.areas.sentences.width);
        let figures = ["gold", "FP", "rev", "pred"].map(str::to_owned);
        relation_line(
            painter,
            heading_row,
            "relation",
            &figures,
            n_counts,
            [title; 5],
        );
        for (y, at) in (area.y..area.bottom()).zip(self.relation_list.visible(self.relations.len()))
        {
            let Some(counts) = self.relations.get(at) else {
                continue;
            };
            let line = Rect::new(area.x, y, inner, 1);
            self.draw_relation(painter, line, counts, n_counts, shared);
            if at == self.relation_list.cursor && focused {
                glyphs::mark_cursor(painter, line);
            }
        }
        if self.relations.is_empty() && self.pages.answered {
            painter.text(
                area.x + 2,
                area.y,
                inner.saturating_sub(2),
                "no relations",
                Role::Dim,
            );
        }
        if area.right() < heading.right() {
            let x = area.right() - 1;
            painter.vertical(x, heading.y, area.height + 1, Role::Border);
            painter.text(
                x,
                heading.y.saturating_sub(1),
                1,
                if self.bad.is_some() || self.queue.is_some() {
                    ""
                } else {
                    "┬"
                },
                Role::Border,
            );
        }
    }

    fn draw_relation(
        &self,
        painter: &mut Painter<'_>,
        line: Rect,
        counts: &RelationCounts,
        n_counts: u16,
        shared: &Shared,
    ) {
        let name = shared.relation(counts.relation);
        let active = queries::holds(&self.query, &queries::by_relation(name));
        let known = shared.info.model_relations.is_empty()
            || shared.info.model_relations.contains(&counts.relation);
        let idle = counts.gold == 0 && counts.predicted == 0;
        let role = |base| if idle { Role::Dim } else { base };
        let name_role = if active {
            Role::Match
        } else {
            role(Role::Text)
        };
        let false_positives = if counts.false_positives > 0 {
            Role::Spurious
        } else {
            Role::Dim
        };
        let reviewed = if counts.reviewed > 0 {
            Role::Accept
        } else {
            Role::Dim
        };
        let predicted = if known {
            short(counts.predicted)
        } else {
            MISSING.to_owned()
        };
        let figures = [
            short(counts.gold),
            short(counts.false_positives),
            short(counts.reviewed),
            predicted,
        ];
        let roles = [
            name_role,
            role(Role::Text),
            false_positives,
            reviewed,
            role(Role::Text),
        ];
        relation_line(painter, line, name, &figures, n_counts, roles);
        if active {
            painter.text(line.x, line.y, 1, "●", Role::Match);
        }
    }

    fn draw_sentences(&self, heading: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let area = self.areas.sentences;
        if area.width == 0 {
            return;
        }
        let heading = Rect {
            x: area.x,
            width: area.width,
            ..heading
        };
        let focused = self.panel == Panel::Sentences;
        let title = if focused { Role::Title } else { Role::Dim };
        if self.queue.is_some() {
            queue_rows::heading(painter, heading, title);
        } else {
            let columns = "     gold pred diff  sentence";
            painter.text(heading.x, heading.y, heading.width, columns, title);
        }
        if self.pages.total == 0 {
            return self.draw_empty(area, painter, shared);
        }
        let marked = self.range_start.map(|_| self.range());
        for (y, at) in (area.y..area.bottom()).zip(self.list.visible(self.pages.total)) {
            let line = Rect::new(area.x, y, area.width, 1);
            match self.pages.get(at) {
                Some(row) if self.queue.is_some() && row.question.is_some() => {
                    queue_rows::draw(painter, line, row, shared);
                }
                Some(row) => sentence_line(painter, line, row),
                None => {
                    painter.text(line.x + 3, y, line.width.saturating_sub(3), "…", Role::Dim);
                }
            }
            if marked.as_ref().is_some_and(|m| m.contains(&at)) {
                painter.text(line.x + 1, y, 1, "▌", Role::Match);
            }
            if at == self.list.cursor {
                painter.text(line.x, y, 1, glyphs::CURSOR, Role::Title);
                painter.restyle(line, if focused { Role::Cursor } else { Role::Shadow });
            }
        }
    }

    /// How far the ranking of a queue is.
    fn ranking_in_words(&self) -> String {
        let read = self.ranking.and_then(|(done, total)| percent(done, total));
        in_words("ranking", read)
    }

    fn draw_empty(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let lines: &[&str] = if !shared.opened {
            &["Opening the workspace…"]
        } else if let Some(bad) = &self.bad {
            let what = match bad.column {
                Some(_) => "The query does not parse",
                None => "There is no such list",
            };
            &[
                &format!("{what}: {}.", bad.message),
                "Change it and press enter; esc shows every sentence.",
            ]
        } else if !self.pages.answered {
            match self.ranking {
                Some(_) => &["Ranking the whole workspace; another query stops it."],
                None => &["Searching…"],
            }
        } else if shared.info.n_sentences == 0 {
            &[
                "This workspace has no sentences yet.",
                "Leave and run: redress import FILE",
            ]
        } else {
            let clear = first_key(&shared.keymap, crate::tui::action::Corpus::ClearQuery);
            &[
                "No sentence matches.",
                &format!("{clear} shows every sentence; / changes the query."),
            ]
        };
        let area = area.inner(ratatui::layout::Margin::new(2, 1));
        painter.instead(area, lines);
    }
}

fn first_key(keymap: &Keymap, action: crate::tui::action::Corpus) -> String {
    let keys = keymap.keys_of(crate::tui::Action::Corpus(action));
    keys.into_iter()
        .next()
        .unwrap_or_else(|| "(no key)".to_owned())
}

/// A relation's name and its counts, right-aligned in columns: labels, predictions where there is room, false
/// positives, reviewed. `figures` and `roles` (after the name's) stand in the order gold, FP, reviewed, predicted.
fn relation_line(
    painter: &mut Painter<'_>,
    line: Rect,
    name: &str,
    figures: &[String; 4],
    n_counts: u16,
    roles: [Role; 5],
) {
    let order: &[usize] = if n_counts < 4 {
        &[0, 1, 2]
    } else {
        &[0, 3, 1, 2]
    };
    let name_cells = line.width.saturating_sub(COUNT * n_counts + 2);
    painter.text(
        line.x + 2,
        line.y,
        name_cells,
        &pad(name, name_cells as usize),
        roles[0],
    );
    let mut right = line.x + 2 + name_cells;
    for i in order {
        right += COUNT;
        if right <= line.right() {
            painter.text_right(right, line.y, COUNT - 1, &figures[*i], roles[*i + 1]);
        }
    }
}

fn sentence_line(painter: &mut Painter<'_>, line: Rect, row: &ListRow) {
    let (glyph, role) = glyphs::state(row.state);
    painter.text(line.x + 2, line.y, 1, glyph, role);
    draw_verdict(painter, line, row);
    draw_counts(painter, line, row);
    let cells = line.width.saturating_sub(22);
    painter.text(line.x + 21, line.y, cells, &row.snippet, Role::Text);
}

/// What was decided of what the list asks about here.
pub(super) fn draw_verdict(painter: &mut Painter<'_>, line: Rect, row: &ListRow) {
    if let Some(verdict) = row.question.as_ref().and_then(|q| q.verdict) {
        let (glyph, role) = glyphs::verdict(verdict);
        painter.text(line.x + 4, line.y, 1, glyph, role);
    }
}

/// Labels, predictions, and in how many the two differ.
pub(super) fn draw_counts(painter: &mut Painter<'_>, line: Rect, row: &ListRow) {
    let figure = |n: u16| short(n as u32);
    let predicted = if row.predicted {
        figure(row.n_predicted)
    } else {
        MISSING.to_owned()
    };
    let differ = match (row.predicted, row.n_disagreements) {
        (false, _) => MISSING.to_owned(),
        (true, 0) => "=".to_owned(),
        (true, n) => format!("≠{n}"),
    };
    let differ_role = if row.n_disagreements > 0 {
        Role::Spurious
    } else {
        Role::Dim
    };
    painter.text_right(line.x + 9, line.y, 4, &figure(row.n_gold), Role::Text);
    painter.text_right(line.x + 14, line.y, 4, &predicted, Role::Text);
    painter.text_right(line.x + 19, line.y, 4, &differ, differ_role);
}

/// What is wrong with a query, on the line `below` it: under the column, and the message beside the caret where there is more room.
/// `hidden`: characters of the query left of its `field`.
fn draw_bad(bad: &BadQuery, below: Rect, field: Rect, hidden: usize, painter: &mut Painter<'_>) {
    painter.clear(below, Role::Text);
    let Some(column) = bad.column else {
        let cells = below.right().saturating_sub(field.x);
        painter.text(field.x, below.y, cells, &bad.message, Role::Error);
        return;
    };
    let caret = field.x as usize + column.saturating_sub(hidden);
    let caret = (caret as u16).min(field.right().saturating_sub(1));
    painter.text(caret, below.y, 1, "^", Role::Error);
    let after = below.right().saturating_sub(caret + 2);
    let w = width(&bad.message) as u16;
    if w <= after || caret < below.width / 2 {
        painter.text(caret + 2, below.y, after, &bad.message, Role::Error);
    } else {
        let (end, cells) = (caret.saturating_sub(1), caret.saturating_sub(2));
        painter.text_right(end, below.y, cells, &bad.message, Role::Error);
    }
}
