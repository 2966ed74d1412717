//! The screen driven as a curator drives it: keys in, requests and pictures out, with a made-up engine and no
//! terminal.

mod ahead;
mod bulk;
mod disputes;
pub mod figures;
pub mod fixture;
mod hostile;
mod jobs;
mod keys;
mod keystrokes;
mod live;
mod queue;
mod screens;

use super::{App, Effect, Event, Keymap, Theme, text_of};
use crate::workspace::messages::{Reply, Request};
use crossterm::event::{Event as Input, KeyEvent};
use fixture::Engine;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

/// An app, an engine that answers at once unless told to wait, and what was sent.
pub struct Bench {
    pub app: App,
    pub engine: Engine,
    pub sent: Vec<Request>,
    pub effects: Vec<Effect>,
    pub waiting: Option<Vec<Request>>,
    area: Rect,
}

impl Bench {
    pub fn new(width: u16, height: u16) -> Self {
        let mut bench = Self {
            app: App::new(Theme::probe(), Keymap::default(), ""),
            engine: Engine::new(56_195),
            sent: Vec::new(),
            effects: Vec::new(),
            waiting: None,
            area: Rect::new(0, 0, width, height),
        };
        bench.resize(width, height);
        let opened = bench.engine.opened();
        bench.reply(opened);
        bench
    }

    pub fn resize(&mut self, width: u16, height: u16) {
        self.area = Rect::new(0, 0, width, height);
        self.event(Event::Input(Input::Resize(width, height)));
    }

    /// From here on the engine takes requests and answers none.
    pub fn stall(&mut self) {
        self.waiting = Some(Vec::new());
    }

    /// The engine answers everything that waits.
    pub fn resume(&mut self) {
        for request in self.waiting.take().unwrap_or_default() {
            for reply in self.engine.answer(&request) {
                self.reply(reply);
            }
        }
    }

    pub fn reply(&mut self, reply: Reply) {
        self.event(Event::Reply(reply));
    }

    pub fn event(&mut self, event: Event) {
        let mut effects = self.app.handle(event);
        while !effects.is_empty() {
            let mut next = Vec::new();
            for effect in effects {
                if let Effect::Send(request) = &effect {
                    self.sent.push(request.clone());
                    match &mut self.waiting {
                        Some(waiting) => waiting.push(request.clone()),
                        None => {
                            for reply in self.engine.answer(request) {
                                next.extend(self.app.handle(Event::Reply(reply)));
                            }
                        }
                    }
                } else {
                    self.effects.push(effect);
                }
            }
            effects = next;
        }
    }

    /// Keys with spaces between, as in a key map.
    pub fn press(&mut self, keys: &str) -> &mut Self {
        for key in keys.split(' ').filter(|k| !k.is_empty()) {
            let key: super::Key = key.parse().unwrap();
            self.event(Event::Input(Input::Key(KeyEvent::new(key.0, key.1))));
        }
        self
    }

    pub fn type_text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            let key = KeyEvent::new(
                crossterm::event::KeyCode::Char(c),
                crossterm::event::KeyModifiers::NONE,
            );
            self.event(Event::Input(Input::Key(key)));
        }
        self
    }

    pub fn buffer(&mut self) -> Buffer {
        let mut buffer = Buffer::empty(self.area);
        self.app.layout(self.area);
        self.app.draw(&mut buffer);
        buffer
    }

    /// The screen as text.
    pub fn text(&mut self) -> String {
        text_of(&self.buffer())
    }

    /// The screen as text, each line followed by a letter for the role of each cell.
    pub fn text_and_roles(&mut self) -> String {
        let buffer = self.buffer();
        let text = text_of(&buffer);
        let lines = text.lines().enumerate().map(|(y, line)| {
            let cells = 0..buffer.area.width;
            let roles: String = cells.map(|x| role_letter(&buffer, x, y as u16)).collect();
            format!("{line}\n{}\n", roles.trim_end_matches('.'))
        });
        lines.collect()
    }

    /// The requests sent since the last call.
    pub fn requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.sent)
    }

    pub fn sees(&mut self, text: &str) -> bool {
        self.text().contains(text)
    }
}

/// `A` to `Z`, then `a` to `z`, by the order of the roles; `.` for plain text; `#` under the cursor.
fn role_letter(buffer: &Buffer, x: u16, y: u16) -> char {
    let cell = &buffer[(x, y)];
    if cell.modifier.contains(Modifier::REVERSED) {
        return '#';
    }
    match cell.fg {
        Color::Indexed(16) => '.',
        Color::Indexed(i @ 17..42) => (b'A' + i - 16) as char,
        Color::Indexed(i) => (b'a' + i.saturating_sub(42)) as char,
        _ => '.',
    }
}
