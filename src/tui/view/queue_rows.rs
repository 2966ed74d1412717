//! A row of a queue's list: the label that is asked about, with what was decided of it, before the sentence.
//!
//! ```text
//!      asked label                                    sentence
//! ▸ ○ ✗ France — capital → Paris +3                   Paris and London have agreed to sh…
//!   ○   Marilyn Monroe — place_of_death → Los Ang… +1 Marilyn Monroe was found dead in A…
//! ```
//!
//! No score stands here, and nothing tells a row that was drawn at random: all are to be judged alike (docs/noise.md).

use super::corpus_draw::{draw_counts, draw_verdict};
use super::glyphs;
use crate::tui::clean::{fit, width};
use crate::tui::paint::Painter;
use crate::tui::state::Shared;
use crate::tui::theme::Role;
use crate::workspace::messages::{ListRow, Question};
use ratatui::layout::Rect;

/// Narrower than this, the counts of the sentence give way to the label.
const COUNTS: u16 = 110;
/// Cells that a label has before the sentence gets any.
const LABEL: u16 = 48;
/// Fewer are no use to a sentence.
const SENTENCE: u16 = 12;

/// Where a row's parts stand, from its left edge.
struct Places {
    counts: bool,
    label: u16,
    label_cells: u16,
    sentence: u16,
}

impl Places {
    fn of(width: u16) -> Self {
        let counts = width >= COUNTS;
        let label = if counts { 21 } else { 6 };
        let room = width.saturating_sub(label + 1);
        let wanted = LABEL.max(room * 3 / 5);
        let label_cells = match room.checked_sub(wanted + 2) {
            Some(rest) if rest >= SENTENCE => wanted,
            _ => room,
        };
        Self {
            counts,
            label,
            label_cells,
            sentence: label + label_cells + 2,
        }
    }
}

pub fn heading(painter: &mut Painter<'_>, line: Rect, role: Role) {
    let places = Places::of(line.width);
    let counts = if places.counts { "gold pred diff" } else { "" };
    painter.text(
        line.x + 5,
        line.y,
        line.width.saturating_sub(5),
        counts,
        role,
    );
    let label = line.x + places.label;
    painter.text(label, line.y, places.label_cells, "asked label", role);
    let cells = line.width.saturating_sub(places.sentence);
    painter.text(line.x + places.sentence, line.y, cells, "sentence", role);
}

pub fn draw(painter: &mut Painter<'_>, line: Rect, row: &ListRow, shared: &Shared) {
    let Some(question) = &row.question else {
        return;
    };
    let places = Places::of(line.width);
    let (glyph, role) = glyphs::state(row.state);
    painter.text(line.x + 2, line.y, 1, glyph, role);
    draw_verdict(painter, line, row);
    if places.counts {
        draw_counts(painter, line, row);
    }
    let label = Rect {
        x: line.x + places.label,
        width: places.label_cells,
        ..line
    };
    let relation = shared.relation(question.triple.relation);
    draw_question(painter, label, question, relation);
    let cells = line.width.saturating_sub(places.sentence + 1);
    painter.text(
        line.x + places.sentence,
        line.y,
        cells,
        &row.snippet,
        Role::Dim,
    );
}

/// `France — capital → Paris +3`: three more are asked about after it.
fn draw_question(painter: &mut Painter<'_>, area: Rect, question: &Question, relation: &str) {
    let more = match question.more {
        0 => String::new(),
        n => format!(" +{n}"),
    };
    let names = [question.head.as_str(), relation, question.tail.as_str()];
    let between = [" — ", " → "];
    let fixed = width(between[0]) + width(between[1]) + width(&more);
    let room = usize::from(area.width).saturating_sub(fixed);
    let cells = shares(names.map(|name| width(&fit(name, room))), room);
    let roles = [Role::Text, Role::Title, Role::Text];
    let mut x = area.x;
    for i in 0..3 {
        x = painter.text(x, area.y, cells[i] as u16, names[i], roles[i]);
        if let Some(between) = between.get(i) {
            x = painter.text(
                x,
                area.y,
                area.right().saturating_sub(x),
                between,
                Role::Dim,
            );
        }
    }
    painter.text(x, area.y, area.right().saturating_sub(x), &more, Role::Dim);
}

/// Cells for a head, a relation and a tail of these widths in `room`. The relation is what is asked: names are cut first, down to half of
/// it all, each to what the other leaves.
fn shares([head, relation, tail]: [usize; 3], room: usize) -> [usize; 3] {
    let names = room - relation.min(room / 2);
    let half = names / 2;
    let (head, tail) = match (head + tail <= names, head <= half, tail <= half) {
        (true, ..) => (head, tail),
        (_, true, _) => (head, names - head),
        (_, _, true) => (names - tail, tail),
        _ => (names - half, half),
    };
    [head, relation.min(room - head - tail), tail]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_before_the_relation() {
        let check = |wanted, room, expected: [usize; 3]| {
            assert_eq!(shares(wanted, room), expected, "{wanted:?} {room}");
        };
        check([6, 7, 5], 30, [6, 7, 5]);
        check([30, 7, 5], 22, [10, 7, 5]);
        check([5, 14, 30], 32, [5, 14, 13]);
        check([30, 14, 40], 33, [10, 14, 9]);
        check([6, 24, 5], 32, [6, 21, 5]);
        check([30, 24, 40], 32, [8, 16, 8]);
        check([3, 4, 5], 0, [0, 0, 0]);
    }

    #[test]
    fn a_sentence_gives_way_to_the_label_and_counts_to_both() {
        let check = |width, counts, label_cells| {
            let places = Places::of(width);
            assert_eq!(
                (places.counts, places.label_cells),
                (counts, label_cells),
                "{width}"
            );
        };
        check(20, false, 13);
        check(48, false, 41);
        check(72, false, 48);
        check(109, false, 61);
        check(152, true, 78);
    }
}
