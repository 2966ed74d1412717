//! The signs of the screen, in one place so that each means one thing everywhere.

use crate::domain::{Outcome, Verdict};
use crate::tui::paint::Painter;
use crate::tui::theme::Role;
use crate::workspace::messages::ReviewState;
use ratatui::layout::Rect;

/// The row under the cursor.
pub const CURSOR: &str = "▸";
/// A label of the corpus that stands.
pub const GOLD: &str = "◆";
/// A label of the corpus that was judged wrong.
pub const GOLD_FALLEN: &str = "◇";
/// A label that a curator made.
pub const CURATOR: &str = "●";
/// What the query of the list is about.
pub const HIT: &str = "•";
/// Waits for the disk.
pub const PENDING: &str = "…";
/// Tagged with what is wrong.
pub const FLAG: &str = "⚑";

pub fn outcome(outcome: Option<Outcome>) -> (&'static str, Role) {
    match outcome {
        Some(Outcome::Correct) => ("=", Role::Correct),
        Some(Outcome::WrongRelation) => ("≠", Role::Partly),
        Some(Outcome::Reversed) => ("⇄", Role::Partly),
        Some(Outcome::Boundary) => ("↔", Role::Partly),
        Some(Outcome::WrongType) => ("~", Role::Partly),
        Some(Outcome::Missed) => ("−", Role::Missed),
        Some(Outcome::Spurious) => ("+", Role::Spurious),
        None => (" ", Role::Dim),
    }
}

/// The outcome in the words of the focus line.
pub fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Correct => "label and model agree",
        Outcome::WrongRelation => "label and model differ in the relation",
        Outcome::Reversed => "label and model differ in the direction",
        Outcome::Boundary => "label and model differ in a span",
        Outcome::WrongType => "label and model differ in an entity type",
        Outcome::Missed => "labelled, not predicted",
        Outcome::Spurious => "predicted, not labelled",
    }
}

pub fn verdict(verdict: Verdict) -> (&'static str, Role) {
    match verdict {
        Verdict::Accept => ("✓", Role::Accept),
        Verdict::Reject => ("✗", Role::Reject),
        Verdict::Unsure => ("?", Role::Unsure),
    }
}

pub fn state(state: ReviewState) -> (&'static str, Role) {
    match state {
        ReviewState::Todo => ("○", Role::Dim),
        ReviewState::Started => ("◐", Role::Unsure),
        ReviewState::Done => ("●", Role::Accept),
    }
}

/// Marks a row of a list as the one under the cursor, over what is drawn there.
pub fn mark_cursor(painter: &mut Painter<'_>, line: Rect) {
    painter.text(line.x, line.y, 1, CURSOR, Role::Title);
    painter.restyle(line, Role::Cursor);
}

/// (glyph, role, meaning) for the legend of the help page.
pub fn legend() -> Vec<(&'static str, Role, &'static str)> {
    let mut out: Vec<_> = Outcome::ALL
        .iter()
        .map(|o| {
            let (glyph, role) = outcome(Some(*o));
            (glyph, role, outcome_words(*o))
        })
        .collect();
    out.extend([
        (GOLD, Role::Text, "label of the corpus"),
        (GOLD_FALLEN, Role::Dim, "label of the corpus, judged wrong"),
        (CURATOR, Role::Text, "label made by a curator"),
        (FLAG, Role::Warning, "flagged with what is wrong"),
        (HIT, Role::Key, "what the query asks for"),
        (PENDING, Role::Pending, "sent, not on disk yet"),
    ]);
    for v in Verdict::ALL {
        let (glyph, role) = verdict(*v);
        out.push((glyph, role, v.name()));
    }
    for s in [ReviewState::Todo, ReviewState::Started, ReviewState::Done] {
        let (glyph, role) = state(s);
        out.push((glyph, role, s.name()));
    }
    out
}
