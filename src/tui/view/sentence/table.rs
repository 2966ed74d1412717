//! One row a triple: what the corpus says, what each system says, what the curator says.
//!
//! ```text
//! ────────────────────────────────────────────────┬─ sentence ┬─ bag ───────────────┬─────────
//!     relation       head           tail       gold│  RIN kern │ base naiv full   KB │ verdict
//! ▸ + place_lived    Barack Obama   Hawaii       · │  .91  .88 │    —    —    —    — │ ✗ reject
//! ```
//!
//! Sentence-level probabilities are independent of each other; bag-level ones sum to one with NA. A rule stands
//! between the two kinds, since they must not be compared.

use super::SentenceView;
use super::shown::Shown;
use crate::domain::{Scores, TokenSpan};
use crate::tui::clean;
use crate::tui::paint::{Painter, row};
use crate::tui::state::Shared;
use crate::tui::theme::Role;
use crate::tui::view::glyphs;
use crate::tui::widget::numbers::{MISSING, fraction};
use ratatui::layout::Rect;

/// One system's column.
struct System {
    title: &'static str,
    score: fn(&Scores) -> Option<f32>,
    sentence_level: bool,
}

const SYSTEMS: [System; 7] = [
    System {
        title: "RIN",
        score: |s| s.rin,
        sentence_level: true,
    },
    System {
        title: "kern",
        score: |s| s.kernel,
        sentence_level: true,
    },
    System {
        title: "base",
        score: |s| s.base,
        sentence_level: false,
    },
    System {
        title: "naiv",
        score: |s| s.naive,
        sentence_level: false,
    },
    System {
        title: "full",
        score: |s| s.full,
        sentence_level: false,
    },
    System {
        title: "KB",
        score: |s| s.kb,
        sentence_level: false,
    },
    System {
        title: "MR",
        score: |s| s.mutual,
        sentence_level: false,
    },
];
/// Shown only where some triple has its score: most models have no mutual-relation systems.
const MUTUAL: usize = 6;

/// Systems in the order in which they give way on a narrow screen: the single HRERE parts first.
const GIVE_WAY: [usize; 5] = [3, 2, MUTUAL, 4, 5];
const SYSTEM_CELLS: u16 = 5;
/// Cursor, outcome and their gaps.
const LEAD: u16 = 4;
const GOLD_CELLS: u16 = 4;

/// Which columns fit, and how wide they are.
struct Columns {
    systems: Vec<usize>,
    relation: u16,
    argument: u16,
    verdict: u16,
}

impl Columns {
    fn of(
        width: u16,
        mut systems: Vec<usize>,
        longest_relation: usize,
        longest_argument: usize,
    ) -> Self {
        let mut verdict = 11;
        let left = |systems: &[usize], verdict| {
            let rules = 4 + 2 * u16::from(systems.len() > 2);
            width.saturating_sub(
                LEAD + GOLD_CELLS + systems.len() as u16 * SYSTEM_CELLS + rules + verdict,
            )
        };
        let relation = (longest_relation as u16).clamp(8, 30);
        let argument = (longest_argument as u16).clamp(4, 40);
        let wanted = (relation + 2 * argument + 3).min(40);
        if left(&systems, verdict) < wanted {
            verdict = 5;
        }
        for system in GIVE_WAY {
            if left(&systems, verdict) < wanted.min(38) {
                systems.retain(|s| *s != system);
            }
        }
        let room = left(&systems, verdict);
        let relation = relation.min((room * 2 / 5).max(4));
        let argument = argument.min(room.saturating_sub(relation + 3) / 2);
        Self {
            systems,
            relation,
            argument,
            verdict,
        }
    }

    fn tail_x(&self, x: u16) -> u16 {
        x + LEAD + self.relation + 1 + self.argument + 1
    }
    fn gold_x(&self, x: u16) -> u16 {
        self.tail_x(x) + self.argument + 1
    }
    /// (system, first column of its five cells).
    fn places(&self, x: u16) -> Vec<(usize, u16)> {
        let mut x = self.gold_x(x) + GOLD_CELLS + 1;
        let mut out = Vec::new();
        for (i, system) in self.systems.iter().enumerate() {
            let first_of_bag = i > 0
                && !SYSTEMS[*system].sentence_level
                && SYSTEMS[self.systems[i - 1]].sentence_level;
            x += 2 * u16::from(first_of_bag);
            out.push((*system, x));
            x += SYSTEM_CELLS;
        }
        out
    }
    /// Columns with a rule: before the sentence-level systems, before the bag-level ones, before the verdict.
    fn rules(&self, x: u16) -> Vec<u16> {
        let places = self.places(x);
        let mut out = vec![self.gold_x(x) + GOLD_CELLS];
        for pair in places.windows(2) {
            if pair[1].1 > pair[0].1 + SYSTEM_CELLS {
                out.push(pair[1].1 - 1);
            }
        }
        out.extend(places.last().map(|(_, x)| x + SYSTEM_CELLS + 1));
        out
    }
}

impl SentenceView {
    fn columns(&self, width: u16, shared: &Shared) -> Columns {
        let relations = self
            .shown
            .iter()
            .map(|s| clean::width(shared.relation(s.row.triple.relation)));
        // Hundreds of rows would not all be looked at for a width either.
        let arguments = self
            .shown
            .iter()
            .flat_map(|s| [s.row.triple.head, s.row.triple.tail])
            .take(200);
        let longest = arguments
            .map(|span| clean::width(&self.surface(span)))
            .max();
        let mut shown = self.shown.iter();
        let mutual = shown.any(|s| s.row.scores.mutual.is_some());
        let systems = (0..SYSTEMS.len())
            .filter(|s| *s != MUTUAL || mutual)
            .collect();
        let relation = relations.max().unwrap_or(8);
        Columns::of(width, systems, relation, longest.unwrap_or(8))
    }

    fn surface(&self, span: TokenSpan) -> String {
        let text = self.detail().map_or("", |d| d.sentence.surface(span));
        clean::fit(text, 60).into_owned()
    }

    /// (title, probability) of the systems that had no room for a column, for the triple under the cursor.
    pub fn hidden_scores(&self, width: u16, shared: &Shared) -> Vec<(&'static str, f32)> {
        let columns = self.columns(width, shared);
        let Some(focused) = self.focused() else {
            return Vec::new();
        };
        let hidden = SYSTEMS
            .iter()
            .enumerate()
            .filter(|(i, _)| !columns.systems.contains(i));
        hidden
            .filter_map(|(_, s)| Some((s.title, (s.score)(&focused.row.scores)?)))
            .collect()
    }

    pub fn draw_table(&self, painter: &mut Painter<'_>, shared: &Shared) {
        let (head, area) = (self.areas.table_head, self.areas.rows);
        if area.height == 0 {
            return;
        }
        let seen = self.table.visible(self.shown.len());
        let columns = self.columns(area.width, shared);
        painter.horizontal(row(head, 0), Role::Border);
        if self.shown.is_empty() {
            return self.draw_no_triples(head, area, painter);
        }
        draw_heading(painter, head, &columns);
        for (y, at) in (area.y..area.bottom()).zip(seen) {
            let Some(shown) = self.shown.get(at) else {
                continue;
            };
            let line = Rect::new(area.x, y, area.width, 1);
            let triple = shown.row.triple;
            let names = [
                shared.relation(triple.relation).to_owned(),
                self.surface(triple.head),
                self.surface(triple.tail),
            ];
            draw_row(painter, line, &columns, shown, &names);
            if at == self.table.cursor {
                painter.text(line.x, y, 1, glyphs::CURSOR, Role::Title);
                painter.restyle(line, Role::Cursor);
            }
        }
    }

    fn draw_no_triples(&self, head: Rect, area: Rect, painter: &mut Painter<'_>) {
        let predicted = self.detail().is_some_and(|d| d.prediction.is_some());
        let text = if predicted {
            "No triple is labelled or predicted here."
        } else {
            "No label here, and nothing predicted yet; p predicts."
        };
        let line = row(head, 1);
        painter.text(
            line.x + 2,
            line.y,
            line.width.saturating_sub(2),
            text,
            Role::Text,
        );
        let hint = "A adds a triple, d marks the sentence done and goes on.";
        painter.text(
            area.x + 2,
            area.y,
            area.width.saturating_sub(2),
            hint,
            Role::Dim,
        );
    }
}

fn draw_heading(painter: &mut Painter<'_>, head: Rect, columns: &Columns) {
    if head.height < 2 {
        return;
    }
    let (x, y) = (head.x, head.y + 1);
    painter.text(x + LEAD, y, columns.relation, "relation", Role::Dim);
    painter.text(
        x + LEAD + columns.relation + 1,
        y,
        columns.argument,
        "head",
        Role::Dim,
    );
    painter.text(columns.tail_x(x), y, columns.argument, "tail", Role::Dim);
    painter.text(columns.gold_x(x), y, GOLD_CELLS, "gold", Role::Dim);
    let places = columns.places(x);
    for (system, at) in &places {
        painter.text_right(at + SYSTEM_CELLS, y, 4, SYSTEMS[*system].title, Role::Dim);
    }
    let rules = columns.rules(x);
    for at in &rules {
        painter.text(*at, y, 1, "│", Role::Border);
        painter.text(*at, head.y, 1, "┬", Role::Border);
    }
    let first = |level: bool| {
        places
            .iter()
            .find(|(s, _)| SYSTEMS[*s].sentence_level == level)
    };
    // The kind of probability stands in the rule above its columns.
    for (level, title, cells) in [(true, " sentence ", 10), (false, " bag ", 5)] {
        if let Some((_, at)) = first(level) {
            painter.text(*at + 1, head.y, cells, title, Role::Dim);
        }
    }
    if let Some(last) = rules.last() {
        painter.text(
            last + 2,
            y,
            columns.verdict.saturating_sub(1),
            if columns.verdict > 8 {
                "verdict"
            } else {
                "✓✗"
            },
            Role::Dim,
        );
    }
}

fn draw_row(
    painter: &mut Painter<'_>,
    line: Rect,
    columns: &Columns,
    shown: &Shown,
    names: &[String; 3],
) {
    let (x, y) = (line.x, line.y);
    let row = &shown.row;
    let (glyph, role) = glyphs::outcome(row.outcome);
    painter.text(x + 2, y, 1, glyph, role);
    let text = if row.stands || row.predicted {
        Role::Text
    } else {
        Role::Dim
    };
    let relation_role = if row.outcome.is_some() && glyph != "=" {
        role
    } else {
        text
    };
    painter.text(x + LEAD, y, columns.relation, &names[0], relation_role);
    painter.text(
        x + LEAD + columns.relation + 1,
        y,
        columns.argument,
        &names[1],
        text,
    );
    painter.text(columns.tail_x(x), y, columns.argument, &names[2], text);
    let label = match (row.gold, row.stands) {
        (true, true) => (glyphs::GOLD, Role::Text),
        (true, false) => (glyphs::GOLD_FALLEN, Role::Dim),
        (false, true) => (glyphs::CURATOR, Role::Accept),
        (false, false) => ("·", Role::Dim),
    };
    painter.text(columns.gold_x(x) + 2, y, 1, label.0, label.1);
    for (system, at) in columns.places(x) {
        let score = (SYSTEMS[system].score)(&row.scores);
        let text = score.map_or_else(|| MISSING.to_owned(), fraction);
        let role = match score {
            None => Role::Dim,
            Some(_) if SYSTEMS[system].sentence_level && row.predicted => Role::Title,
            Some(p) if p < 0.5 => Role::Dim,
            Some(_) => Role::Text,
        };
        painter.text_right(at + SYSTEM_CELLS, y, 4, &text, role);
    }
    let rules = columns.rules(x);
    for at in &rules {
        painter.text(*at, y, 1, "│", Role::Border);
    }
    let Some(last) = rules.last() else { return };
    let mut at = last + 2;
    if let Some(verdict) = row.verdict {
        let (glyph, role) = glyphs::verdict(verdict);
        let words = if columns.verdict > 8 {
            format!("{glyph} {}", verdict.name())
        } else {
            glyph.to_owned()
        };
        at = painter.text(at, y, columns.verdict, &words, role);
    }
    if shown.pending {
        at = painter.text(at, y, 1, glyphs::PENDING, Role::Pending);
    }
    if !row.tags.is_empty() {
        painter.text(at, y, 1, glyphs::FLAG, Role::Warning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mutual_column_stands_last_and_gives_way_before_full_and_kb() {
        let all: Vec<usize> = (0..SYSTEMS.len()).collect();
        let shown = |width| Columns::of(width, all.clone(), 14, 16).systems;
        assert_eq!(shown(130), all);
        assert_eq!(shown(86), [0, 1, 4, 5, 6]);
        assert_eq!(shown(80), [0, 1, 4, 5]);
        assert_eq!(shown(40), [0, 1]);
    }
}
