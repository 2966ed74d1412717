//! What opens on top of a view: a stack, of which the top one has the keys. Esc always closes the top one.

pub mod bulk;
pub mod confirm;
pub mod export;
pub mod fine_tune;
pub mod help;
pub mod line;
pub mod log;
pub mod picker;
pub mod rules;

use super::action::{Nav, Overlay as Act};
use super::keymap::Key;
use super::paint::Painter;
use super::state::Shared;
use ratatui::layout::Rect;

pub enum Overlay {
    Help(help::Help),
    Picker(picker::Picker),
    Line(line::LineEditor),
    Confirm(confirm::Confirm),
    Bulk(bulk::Bulk),
    Export(export::Export),
    FineTune(fine_tune::FineTune),
    Log(log::Log),
    Rules(rules::Rules),
}

/// Whether the overlay goes on after a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    Stay,
    Close,
}

impl Overlay {
    /// Whether keys are text here, and so no actions.
    pub fn takes_text(&self) -> bool {
        matches!(
            self,
            Overlay::Picker(_) | Overlay::Line(_) | Overlay::Export(_)
        )
    }

    /// A key, where keys are text. Esc is handled by the stack.
    pub fn key(&mut self, key: Key, shared: &mut Shared) -> Flow {
        match self {
            Overlay::Picker(o) => o.key(key, shared),
            Overlay::Line(o) => o.key(key, shared),
            Overlay::Export(o) => o.key(key, shared),
            _ => Flow::Stay,
        }
    }

    pub fn paste(&mut self, text: &str) {
        match self {
            Overlay::Picker(o) => o.paste(text),
            Overlay::Line(o) => o.input.insert(text),
            Overlay::Export(o) => o.paste(text),
            _ => {}
        }
    }

    pub fn act(&mut self, action: Act, shared: &mut Shared) -> Flow {
        match self {
            Overlay::Confirm(o) => o.act(action, shared),
            Overlay::Bulk(o) => o.act(action, shared),
            Overlay::FineTune(o) => o.act(action, shared),
            Overlay::Rules(o) => o.act(action, shared),
            Overlay::Help(_) | Overlay::Log(_) if action == Act::Confirm => Flow::Close,
            _ => Flow::Stay,
        }
    }

    pub fn navigate(&mut self, nav: Nav, count: usize) {
        match self {
            Overlay::Help(o) => o.navigate(nav, count),
            Overlay::Log(o) => o.navigate(nav, count),
            Overlay::FineTune(o) => o.navigate(nav, count),
            Overlay::Rules(o) => o.navigate(nav, count),
            _ => {}
        }
    }

    pub fn layout(&mut self, area: Rect, shared: &Shared) {
        match self {
            Overlay::Help(o) => o.layout(area, shared),
            Overlay::Picker(o) => o.layout(area),
            Overlay::Log(o) => o.layout(area, shared),
            Overlay::FineTune(o) => o.layout(area, shared),
            Overlay::Rules(o) => o.layout(area),
            Overlay::Line(_) | Overlay::Confirm(_) | Overlay::Bulk(_) | Overlay::Export(_) => {}
        }
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        match self {
            Overlay::Help(o) => o.draw(area, painter, shared),
            Overlay::Picker(o) => o.draw(area, painter),
            Overlay::Line(o) => o.draw(area, painter),
            Overlay::Confirm(o) => o.draw(area, painter),
            Overlay::Bulk(o) => o.draw(area, painter, shared),
            Overlay::Export(o) => o.draw(area, painter),
            Overlay::FineTune(o) => o.draw(area, painter, shared),
            Overlay::Log(o) => o.draw(area, painter),
            Overlay::Rules(o) => o.draw(area, painter),
        }
    }
}
