//! What a view wants done. Views return these; only the runner performs them.

use crate::workspace::messages::Request;

/// Longer texts are not copied: terminals cut them off or hang.
pub const MAX_CLIPBOARD: usize = 100_000;

#[derive(Debug, Clone)]
pub enum Effect {
    Send(Request),
    /// To the clipboard of the curator's own machine, by OSC 52.
    Copy(String),
    /// Give the terminal back to the shell until `fg`.
    Suspend,
    /// Repaint every cell: something else wrote to the terminal.
    Redraw,
    Quit,
}
