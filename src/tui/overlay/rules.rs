//! Rules between relations: those that are kept, those that the labels suggest, those that were refused.
//!
//! ```text
//!  ✓ founders(a, b) → company(b, a)       48 of 60 facts, 19 of 20 verdicts
//!  ? spouse(a, b) → spouse(b, a)          12 of 20 facts
//! ```

use super::Flow;
use crate::tui::action::{Nav, Overlay as Act};
use crate::tui::clean::{pad, width};
use crate::tui::paint::{Painter, centred};
use crate::tui::state::Shared;
use crate::tui::theme::Role;
use crate::tui::widget::scroll::Scroll;
use crate::workspace::messages::Request;
use crate::workspace::relation_rules::{KnownRule, RuleState};
use ratatui::layout::Rect;

/// Cells of a rule at most, before its support.
const MOST: usize = 60;

#[derive(Default)]
pub struct Rules {
    /// `None` while they are looked for.
    known: Option<Vec<KnownRule>>,
    list: Scroll,
}

impl Rules {
    pub fn take(&mut self, known: Vec<KnownRule>) {
        self.known = Some(known);
    }

    fn len(&self) -> usize {
        self.known.as_ref().map_or(0, Vec::len)
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        self.list.act(nav, self.len(), count);
    }

    /// Enter keeps a rule, x refuses it; the same key again takes it back.
    pub fn act(&mut self, action: Act, shared: &mut Shared) -> Flow {
        let known = self.known.as_mut();
        let Some(known) = known.and_then(|k| k.get_mut(self.list.cursor)) else {
            return Flow::Stay;
        };
        let (wanted, keep) = match action {
            Act::Confirm => (RuleState::Accepted, true),
            Act::Refuse => (RuleState::Refused, false),
        };
        let again = known.state == wanted;
        known.state = if again { RuleState::Proposed } else { wanted };
        shared.send(Request::DecideRule {
            rule: known.rule.clone(),
            keep: (!again).then_some(keep),
        });
        Flow::Stay
    }

    fn area(&self, area: Rect) -> Rect {
        let rows = self.len().max(1) as u16 + 2;
        centred(
            area,
            area.width.saturating_sub(4).min(120),
            rows.min(area.height.saturating_sub(2)),
        )
    }

    pub fn layout(&mut self, area: Rect) {
        let rows = self.area(area).height.saturating_sub(2);
        self.list.fit(self.len(), rows as usize);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>) {
        let footer = "enter keeps · x refuses · again takes it back · esc";
        let inside = painter.frame(self.area(area), "rules between relations", footer);
        let line = |text: &str, painter: &mut Painter<'_>| {
            painter.text(inside.x, inside.y, inside.width, text, Role::Dim);
        };
        let Some(known) = &self.known else {
            return line("Looking through the labels…", painter);
        };
        if known.is_empty() {
            return line("The labels suggest no rule, and none was kept.", painter);
        }
        let longest = known.iter().map(|k| width(&k.words)).max().unwrap_or(0);
        let cells = longest.min(MOST).min(inside.width as usize / 2);
        for (y, at) in (inside.y..inside.bottom()).zip(self.list.visible(known.len())) {
            let rule = &known[at];
            let (sign, role) = match rule.state {
                RuleState::Accepted => ("✓ ", Role::Accept),
                RuleState::Refused => ("✗ ", Role::Reject),
                RuleState::Proposed => ("? ", Role::Dim),
            };
            let line = Rect::new(inside.x, y, inside.width, 1);
            let words = pad(&rule.words, cells);
            let support = format!("  {}", rule.support());
            let parts = [
                (sign, role),
                (words.as_str(), Role::Text),
                (support.as_str(), Role::Dim),
            ];
            painter.parts(line, &parts);
            if at == self.list.cursor {
                painter.restyle(line, Role::Cursor);
            }
        }
    }
}
