//! What to export, how, and where to.

use super::Flow;
use crate::tui::keymap::Key;
use crate::tui::paint::{Painter, centred, row};
use crate::tui::state::Shared;
use crate::tui::theme::Role;
use crate::tui::widget::input::Input;
use crate::workspace::exchange::CORRECTIONS;
use crate::workspace::messages::Request;
use crossterm::event::KeyCode;
use ratatui::layout::Rect;
use std::path::PathBuf;

/// (name, file ending, what it keeps).
const FORMATS: [(&str, &str, &str); 4] = [
    ("redress", "jsonl", "everything: verdicts, notes, history"),
    ("casrel", "json", "text and triples that stand"),
    ("spert", "json", "tokens, entities and triples that stand"),
    (
        CORRECTIONS,
        "jsonl",
        "decisions with authors, to apply elsewhere",
    ),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    Format,
    Sentences,
    View,
    Path,
}
const FIELDS: [Field; 4] = [Field::Format, Field::Sentences, Field::View, Field::Path];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sentences {
    Reviewed,
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum View {
    Full,
    Train,
}

pub struct Export {
    field: usize,
    format: usize,
    sentences: Sentences,
    view: View,
    path: Input,
    /// Whether the path still follows the format.
    suggested: bool,
}

impl Default for Export {
    fn default() -> Self {
        let mut export = Self {
            field: 0,
            format: 0,
            sentences: Sentences::Reviewed,
            view: View::Full,
            path: Input::default(),
            suggested: true,
        };
        export.suggest();
        export
    }
}

impl Export {
    fn suggest(&mut self) {
        if self.suggested {
            let (name, ending, _) = FORMATS[self.format];
            self.path = match self.is_history() {
                true => Input::new(&format!("{name}.{ending}")),
                false => Input::new(&format!("reviewed.{name}.{ending}")),
            };
        }
    }

    /// The history is written as it is: which sentences and which view are no questions.
    fn is_history(&self) -> bool {
        FORMATS[self.format].0 == CORRECTIONS
    }

    pub fn paste(&mut self, text: &str) {
        if FIELDS[self.field] == Field::Path {
            self.suggested = false;
            self.path.insert(text);
        }
    }

    pub fn key(&mut self, key: Key, shared: &mut Shared) -> Flow {
        let here = FIELDS[self.field];
        match key.0 {
            KeyCode::Down | KeyCode::Tab => self.field = (self.field + 1) % FIELDS.len(),
            KeyCode::Up | KeyCode::BackTab => {
                self.field = (self.field + FIELDS.len() - 1) % FIELDS.len()
            }
            KeyCode::Enter => return self.start(shared),
            _ if here == Field::Path => self.suggested &= !self.path.key(key),
            KeyCode::Char('j') => self.field = (self.field + 1) % FIELDS.len(),
            KeyCode::Char('k') => self.field = (self.field + FIELDS.len() - 1) % FIELDS.len(),
            KeyCode::Right | KeyCode::Char(' ' | 'l') => self.change(here, 1),
            KeyCode::Left | KeyCode::Char('h') => self.change(here, FORMATS.len() - 1),
            _ => {}
        }
        Flow::Stay
    }

    fn change(&mut self, field: Field, by: usize) {
        match field {
            Field::Format => {
                self.format = (self.format + by) % FORMATS.len();
                self.suggest();
            }
            Field::Sentences | Field::View if self.is_history() => {}
            Field::Sentences => {
                self.sentences = match self.sentences {
                    Sentences::Reviewed => Sentences::All,
                    Sentences::All => Sentences::Reviewed,
                }
            }
            Field::View => {
                self.view = match self.view {
                    View::Full => View::Train,
                    View::Train => View::Full,
                }
            }
            Field::Path => {}
        }
    }

    fn start(&self, shared: &mut Shared) -> Flow {
        let text = self.path.text().trim();
        if text.is_empty() {
            shared.warn("an export needs a path");
            return Flow::Stay;
        }
        shared.send(Request::Export {
            format: FORMATS[self.format].0.to_owned(),
            path: at_home(text),
            only_reviewed: self.sentences == Sentences::Reviewed,
            train_view: self.view == View::Train,
        });
        shared.good("exporting…");
        Flow::Close
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>) {
        let footer = "j k field · h l change · enter exports · esc";
        let inside = painter.frame(centred(area, 74, FIELDS.len() as u16 + 2), "export", footer);
        let (format, _, about) = FORMATS[self.format];
        let sentences = match self.sentences {
            _ if self.is_history() => ("decided", "every sentence that somebody decided on"),
            Sentences::Reviewed => ("reviewed", "sentences marked done, or with an edit"),
            Sentences::All => ("all", "every sentence of the workspace"),
        };
        let view = match self.view {
            _ if self.is_history() => ("history", "undone decisions too, each with its time"),
            View::Full => ("full", "verdicts and rejections, if the format can"),
            View::Train => ("train", "positives and negatives; the unsure left out"),
        };
        for (i, field) in FIELDS.iter().enumerate() {
            let line = row(inside, i as u16);
            let (name, value, about) = match field {
                Field::Format => ("format", format, about),
                Field::Sentences => ("sentences", sentences.0, sentences.1),
                Field::View => ("view", view.0, view.1),
                Field::Path => ("file", "", ""),
            };
            let here = i == self.field;
            painter.text(
                line.x,
                line.y,
                11.min(line.width),
                name,
                if here { Role::Title } else { Role::Dim },
            );
            let field_area = Rect {
                x: line.x + 11.min(line.width),
                width: line.width.saturating_sub(11),
                ..line
            };
            match (field, here) {
                (Field::Path, true) => {
                    self.path.draw(painter, field_area);
                }
                (Field::Path, false) => {
                    painter.text(
                        field_area.x,
                        line.y,
                        field_area.width,
                        self.path.text(),
                        Role::Text,
                    );
                }
                _ => {
                    let arrows = if here { ["‹ ", " ›"] } else { ["  ", "  "] };
                    let value = format!("{}{value}{}", arrows[0], arrows[1]);
                    let parts = [
                        (
                            format!("{value:<16}"),
                            if here { Role::Input } else { Role::Text },
                        ),
                        (about.to_owned(), Role::Dim),
                    ];
                    painter.parts(field_area, &parts);
                }
            }
        }
    }
}

/// A leading `~/` means the home folder, as it does in a shell.
fn at_home(path: &str) -> PathBuf {
    let home = directories::BaseDirs::new().map(|d| d.home_dir().to_owned());
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}
