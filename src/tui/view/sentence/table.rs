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
use crate::workspace::messages::TripleRow;
use ratatui::layout::Rect;

/// What a probability is of: one sentence, or all sentences of a pair.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Sentence,
    Bag,
}

/// One system's column.
struct System {
    title: &'static str,
    level: Level,
    score: fn(&Scores) -> Option<f32>,
}

const fn system(title: &'static str, level: Level, score: fn(&Scores) -> Option<f32>) -> System {
    System {
        title,
        level,
        score,
    }
}

const SYSTEMS: [System; 7] = [
    system("RIN", Level::Sentence, |s| s.rin),
    system("kern", Level::Sentence, |s| s.kernel),
    system("base", Level::Bag, |s| s.base),
    system("naiv", Level::Bag, |s| s.naive),
    system("full", Level::Bag, |s| s.full),
    system("KB", Level::Bag, |s| s.kb),
    system("MR", Level::Bag, |s| s.mutual),
];
/// Shown only where some triple has its score: most models have no mutual-relation systems.
const MUTUAL: usize = 6;

/// Systems in the order in which they give way on a narrow screen: the single HRERE parts first.
const GIVE_WAY: [usize; 5] = [3, 2, MUTUAL, 4, 5];
const SYSTEM_CELLS: u16 = 5;
/// Cursor, outcome and their gaps.
const LEAD: u16 = 4;
const GOLD_CELLS: u16 = 4;
/// A verdict column of more cells has room for the word.
const VERDICT_GLYPH: u16 = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Relation,
    Head,
    Tail,
    Gold,
    System(usize),
    Verdict,
}

/// Where one column stands.
#[derive(Clone, Copy)]
struct Column {
    what: What,
    /// From the left edge of the table.
    x: u16,
    cells: u16,
}

/// The columns that fit, and the rules between their kinds.
struct Columns {
    columns: Vec<Column>,
    rules: Vec<u16>,
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
        Self::place(relation, argument, &systems, verdict)
    }

    /// One cell stands between columns of words; a rule before the systems, between their levels, and before the verdict.
    fn place(relation: u16, argument: u16, systems: &[usize], verdict: u16) -> Self {
        let (mut columns, mut rules, mut x) = (Vec::new(), Vec::new(), LEAD);
        let words = [
            (What::Relation, relation),
            (What::Head, argument),
            (What::Tail, argument),
        ];
        for (what, cells) in words {
            columns.push(Column { what, x, cells });
            x += cells + 1;
        }
        columns.push(Column {
            what: What::Gold,
            x,
            cells: GOLD_CELLS,
        });
        x += GOLD_CELLS;
        let mut level = None;
        for &system in systems {
            if level != Some(SYSTEMS[system].level) {
                let gap = u16::from(level.is_some());
                rules.push(x + gap);
                x += gap + 1;
                level = Some(SYSTEMS[system].level);
            }
            columns.push(Column {
                what: What::System(system),
                x,
                cells: SYSTEM_CELLS,
            });
            x += SYSTEM_CELLS;
        }
        if level.is_some() {
            rules.push(x + 1);
            columns.push(Column {
                what: What::Verdict,
                x: x + 3,
                cells: verdict,
            });
        }
        Self { columns, rules }
    }

    fn shows(&self, system: usize) -> bool {
        self.columns.iter().any(|c| c.what == What::System(system))
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

    pub(super) fn surface(&self, span: TokenSpan) -> String {
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
            .filter(|(i, _)| !columns.shows(*i));
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
            if self.detail().is_some_and(|d| d.hits.contains(&triple)) {
                painter.text(line.x + 1, y, 1, glyphs::HIT, Role::Key);
            }
            if at == self.table.cursor {
                glyphs::mark_cursor(painter, line);
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
    let y = head.y + 1;
    for x in columns.rules.iter().map(|x| head.x + x) {
        painter.text(x, y, 1, "│", Role::Border);
        painter.text(x, head.y, 1, "┬", Role::Border);
    }
    let mut level = None;
    for Column { what, x, cells } in columns.columns.iter().copied() {
        let x = head.x + x;
        let title = match what {
            What::Relation => "relation",
            What::Head => "head",
            What::Tail => "tail",
            What::Gold => "gold",
            What::Verdict if cells > VERDICT_GLYPH => "verdict",
            What::Verdict => "✓✗",
            What::System(system) => {
                let system = &SYSTEMS[system];
                painter.text_right(x + cells, y, 4, system.title, Role::Dim);
                // The kind of probability stands in the rule above its columns.
                if level.replace(system.level) != Some(system.level) {
                    let (title, cells) = match system.level {
                        Level::Sentence => (" sentence ", 10),
                        Level::Bag => (" bag ", 5),
                    };
                    painter.text(x + 1, head.y, cells, title, Role::Dim);
                }
                continue;
            }
        };
        painter.text(x, y, cells, title, Role::Dim);
    }
}

fn draw_row(
    painter: &mut Painter<'_>,
    line: Rect,
    columns: &Columns,
    shown: &Shown,
    names: &[String; 3],
) {
    let (y, row) = (line.y, &shown.row);
    let (glyph, outcome) = glyphs::outcome(row.outcome);
    painter.text(line.x + 2, y, 1, glyph, outcome);
    for x in &columns.rules {
        painter.text(line.x + x, y, 1, "│", Role::Border);
    }
    let text = if row.stands || row.predicted {
        Role::Text
    } else {
        Role::Dim
    };
    for Column { what, x, cells } in columns.columns.iter().copied() {
        let x = line.x + x;
        match what {
            What::Relation => {
                let differs = row.outcome.is_some() && glyph != "=";
                let role = if differs { outcome } else { text };
                painter.text(x, y, cells, &names[0], role);
            }
            What::Head => {
                painter.text(x, y, cells, &names[1], text);
            }
            What::Tail => {
                painter.text(x, y, cells, &names[2], text);
            }
            What::Gold => {
                let (glyph, role) = label(row);
                painter.text(x + 2, y, 1, glyph, role);
            }
            What::System(system) => {
                let (text, role) = score(row, &SYSTEMS[system]);
                painter.text_right(x + cells, y, 4, &text, role);
            }
            What::Verdict => draw_verdict(painter, (x, y), cells, shown),
        }
    }
}

/// What the corpus says, and what became of it.
fn label(row: &TripleRow) -> (&'static str, Role) {
    match (row.gold, row.stands) {
        (true, true) => (glyphs::GOLD, Role::Text),
        (true, false) => (glyphs::GOLD_FALLEN, Role::Dim),
        (false, true) => (glyphs::CURATOR, Role::Accept),
        (false, false) => ("·", Role::Dim),
    }
}

fn score(row: &TripleRow, system: &System) -> (String, Role) {
    match (system.score)(&row.scores) {
        None => (MISSING.to_owned(), Role::Dim),
        Some(p) => {
            let role = match system.level {
                Level::Sentence if row.predicted => Role::Title,
                _ if p < 0.5 => Role::Dim,
                _ => Role::Text,
            };
            (fraction(p), role)
        }
    }
}

fn draw_verdict(painter: &mut Painter<'_>, (x, y): (u16, u16), cells: u16, shown: &Shown) {
    let mut at = x;
    if let Some(verdict) = shown.row.verdict {
        let (glyph, role) = glyphs::verdict(verdict);
        let words = if cells > VERDICT_GLYPH {
            format!("{glyph} {}", verdict.name())
        } else {
            glyph.to_owned()
        };
        at = painter.text(at, y, cells, &words, role);
    }
    if shown.pending {
        at = painter.text(at, y, 1, glyphs::PENDING, Role::Pending);
    }
    if !shown.row.tags.is_empty() {
        painter.text(at, y, 1, glyphs::FLAG, Role::Warning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mutual_column_stands_last_and_gives_way_before_full_and_kb() {
        let all: Vec<usize> = (0..SYSTEMS.len()).collect();
        let shown = |width| -> Vec<usize> {
            let columns = Columns::of(width, all.clone(), 14, 16).columns.into_iter();
            columns
                .filter_map(|c| match c.what {
                    What::System(system) => Some(system),
                    _ => None,
                })
                .collect()
        };
        assert_eq!(shown(130), all);
        assert_eq!(shown(86), [0, 1, 4, 5, 6]);
        assert_eq!(shown(80), [0, 1, 4, 5]);
        assert_eq!(shown(40), [0, 1]);
    }
}
