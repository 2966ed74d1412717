//! The terminal: taking it, giving it back whatever happens, and the few things beyond cells that are sent to it.

use anyhow::Context as _;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use std::ffi::c_int;
use std::io::{self, BufWriter, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

pub type Screen = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// Whether the terminal is ours: who gives it back does so once, be it the end, a panic or a signal.
static TAKEN: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mouse {
    On,
    Off,
}

unsafe extern "C" {
    /// kill(2). The process group 0 is the caller's own.
    safe fn kill(process: c_int, signal: c_int) -> c_int;
}

/// Takes the terminal; it is given back when the guard goes.
pub struct Guard {
    mouse: Mouse,
}

impl Guard {
    pub fn new(mouse: Mouse) -> anyhow::Result<(Self, Screen)> {
        let guard = Self { mouse };
        guard
            .take()
            .context("the terminal cannot be switched to full screen")?;
        let screen = Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(
            1 << 16,
            io::stdout(),
        )))?;
        Ok((guard, screen))
    }

    fn take(&self) -> io::Result<()> {
        TAKEN.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        execute!(
            io::stdout(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            cursor::Hide
        )?;
        if self.mouse == Mouse::On {
            execute!(io::stdout(), EnableMouseCapture)?;
        }
        Ok(())
    }

    /// Gives the terminal to the shell, stops the process group, and takes it again on return.
    pub fn suspend(&self) -> io::Result<()> {
        restore();
        kill(0, signal_hook::consts::SIGTSTP);
        // Here when the shell has continued us.
        self.take()
    }

    /// After a stop that came from outside the shell has changed the terminal: take it again.
    pub fn retake(&self) -> io::Result<()> {
        self.take()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back if it is taken. Errors are of no use any more: the terminal may be gone.
pub fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(
            io::stdout(),
            DisableMouseCapture,
            DisableBracketedPaste,
            // tmux keeps part of what is there if the window was resized meanwhile.
            Clear(ClearType::All),
            cursor::MoveTo(0, 0),
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = disable_raw_mode();
    }
}

/// A panic first gives the terminal back, so that its message can be read.
pub fn restore_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        before(info);
    }));
}

/// Sends text to the clipboard of the machine the curator sits at (OSC 52), through tmux where there is one.
pub fn copy(text: &str, tmux: bool) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(clipboard_sequence(text, tmux).as_bytes())?;
    out.flush()
}

fn clipboard_sequence(text: &str, tmux: bool) -> String {
    let sequence = format!("\x1b]52;c;{}\x07", base64(text.as_bytes()));
    if tmux {
        // tmux passes on what stands in its own envelope, with every escape doubled.
        format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b"))
    } else {
        sequence
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |n, b| n << 8 | *b as u32) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(LETTERS[(group >> (18 - 6 * i)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clipboard_gets_letters_only() {
        let check = |text: &str, expected: &str| assert_eq!(base64(text.as_bytes()), expected);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("foobar", "Zm9vYmFy");
        assert_eq!(
            clipboard_sequence("\u{1b}[2J", false),
            "\u{1b}]52;c;G1sySg==\u{7}"
        );
        assert_eq!(
            clipboard_sequence("f", true),
            "\u{1b}Ptmux;\u{1b}\u{1b}]52;c;Zg==\u{7}\u{1b}\\"
        );
    }
}
