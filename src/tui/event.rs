//! What can happen to the screen.

use crate::workspace::messages::Reply;

pub enum Event {
    /// A key, the mouse, a paste or a new size.
    Input(crossterm::event::Event),
    /// The engine answered.
    Reply(Reply),
    /// A quarter of a second passed while a job runs: only its spinner moves.
    Tick,
}
