//! Choosing one of many by typing some of its letters. A digit chooses by number while nothing is typed.

use super::Flow;
use crate::domain::{EntityTypeId, ErrorTag, RelationId, TokenSpan, Triple};
use crate::tui::action::{Action, Context, Nav};
use crate::tui::clean::width;
use crate::tui::keymap::{Key, Keymap};
use crate::tui::paint::{Painter, below, centred, row};
use crate::tui::state::{Intent, Shared};
use crate::tui::theme::Role;
use crate::tui::widget::input::Input;
use crate::tui::widget::scroll::Scroll;
use crossterm::event::{KeyCode, KeyModifiers};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::layout::Rect;

/// What the choice, the text or the confirmation is for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Purpose {
    RunAction,
    Relabel(Triple),
    AddTriple { head: TokenSpan, tail: TokenSpan },
    Flag(Triple),
    SetType(TokenSpan),
    AddEntity(TokenSpan),
    Note,
    Slice,
    Quit,
    PredictAll,
    Folds,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Choice {
    Action(Action),
    Relation(RelationId),
    Tag(ErrorTag),
    Type(Option<EntityTypeId>),
}

#[derive(Clone, Debug)]
pub struct Item {
    pub text: String,
    /// Explains; is not searched.
    pub detail: String,
    /// Chosen by this digit.
    pub number: Option<usize>,
    pub choice: Choice,
}

pub struct Picker {
    title: String,
    items: Vec<Item>,
    purpose: Purpose,
    input: Input,
    /// Items that match, best first, each with the matched characters of its text.
    found: Vec<(usize, Vec<u32>)>,
    list: Scroll,
    matcher: Matcher,
    text_cells: usize,
}

impl Picker {
    pub fn new(title: &str, items: Vec<Item>, purpose: Purpose) -> Self {
        let text_cells = items.iter().map(|i| width(&i.text)).max().unwrap_or(0);
        let mut picker = Self {
            title: title.to_owned(),
            items,
            purpose,
            input: Input::default(),
            found: Vec::new(),
            list: Scroll::default(),
            matcher: Matcher::new(Config::DEFAULT),
            text_cells: text_cells.min(44),
        };
        picker.search();
        picker
    }

    /// Every action that does something in these contexts, by name.
    pub fn palette(contexts: &[Context], keymap: &Keymap) -> Self {
        let here = Action::table()
            .iter()
            .filter(|e| contexts.contains(&e.context));
        let items = here.map(|entry| {
            let keys = keymap
                .keys_of(entry.action)
                .into_iter()
                .next()
                .unwrap_or_default();
            Item {
                text: entry.name.replace('.', ": ").replace('-', " "),
                detail: format!("{keys:<8}  {}", entry.doc),
                number: None,
                choice: Choice::Action(entry.action),
            }
        });
        Self::new("run an action", items.collect(), Purpose::RunAction)
    }

    /// The digit of a choice.
    #[cfg(test)]
    pub fn number_of(&self, choice: Choice) -> Option<usize> {
        let item = self.items.iter().find(|i| i.choice == choice);
        item.and_then(|i| i.number)
    }

    /// What enter would choose.
    #[cfg(test)]
    pub fn first(&self) -> Option<Choice> {
        let (at, _) = self.found.get(self.list.cursor)?;
        Some(self.items[*at].choice)
    }

    fn search(&mut self) {
        self.list = Scroll::default();
        let typed = self.input.text().trim();
        if typed.is_empty() {
            self.found = (0..self.items.len()).map(|i| (i, Vec::new())).collect();
            return;
        }
        let pattern = Pattern::parse(typed, CaseMatching::Smart, Normalization::Smart);
        let mut buffer = Vec::new();
        let mut scored: Vec<(u32, usize, Vec<u32>)> = Vec::new();
        for (i, item) in self.items.iter().enumerate() {
            let mut matched = Vec::new();
            let text = Utf32Str::new(&item.text, &mut buffer);
            if let Some(score) = pattern.indices(text, &mut self.matcher, &mut matched) {
                scored.push((score, i, matched));
            }
        }
        // Among equals the order given stands: it says what is likely.
        scored.sort_by_key(|(score, i, _)| (std::cmp::Reverse(*score), *i));
        self.found = scored
            .into_iter()
            .map(|(_, i, matched)| (i, matched))
            .collect();
    }

    pub fn paste(&mut self, text: &str) {
        self.input.insert(text);
        self.search();
    }

    pub fn key(&mut self, key: Key, shared: &mut Shared) -> Flow {
        let control = key.1.contains(KeyModifiers::CONTROL);
        let nav = match key.0 {
            KeyCode::Down | KeyCode::Tab => Some(Nav::Down),
            KeyCode::Up | KeyCode::BackTab => Some(Nav::Up),
            KeyCode::Char('n') if control => Some(Nav::Down),
            KeyCode::Char('p') if control => Some(Nav::Up),
            KeyCode::PageDown => Some(Nav::PageDown),
            KeyCode::PageUp => Some(Nav::PageUp),
            _ => None,
        };
        if let Some(nav) = nav {
            self.list.act(nav, self.found.len(), 1);
            return Flow::Stay;
        }
        if let (KeyCode::Char(c), true) = (key.0, self.input.text().is_empty() && key.1.is_empty())
            && let Some(number) = c.to_digit(10)
            && let Some(item) = self
                .items
                .iter()
                .find(|i| i.number == Some(number as usize))
        {
            shared
                .intents
                .push(Intent::Picked(self.purpose, item.choice));
            return Flow::Close;
        }
        if key.0 == KeyCode::Enter {
            let Some((at, _)) = self.found.get(self.list.cursor) else {
                return Flow::Stay;
            };
            shared
                .intents
                .push(Intent::Picked(self.purpose, self.items[*at].choice));
            return Flow::Close;
        }
        let before = self.input.text().len();
        if self.input.key(key) && self.input.text().len() != before {
            self.search();
        }
        Flow::Stay
    }

    fn area(&self, area: Rect) -> Rect {
        let details = self
            .items
            .iter()
            .map(|i| width(&i.detail))
            .max()
            .unwrap_or(0)
            .min(70);
        let wide = (self.text_cells + details + 12)
            .max(width(&self.title) + 8)
            .max(44);
        let high = self.items.len().clamp(4, 18) + 4;
        centred(area, wide as u16, high as u16)
    }

    pub fn layout(&mut self, area: Rect) {
        let rows = self.area(area).height.saturating_sub(4);
        self.list.fit(self.found.len(), rows as usize);
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>) {
        let numbers = self.items.iter().any(|i| i.number.is_some());
        let footer = if numbers {
            "type to find · digit or enter chooses · esc"
        } else {
            "type to find · enter chooses · esc"
        };
        let inside = painter.frame(self.area(area), &self.title, footer);
        let field = row(inside, 0);
        painter.text(field.x, field.y, 2.min(field.width), "> ", Role::Key);
        self.input.draw(
            painter,
            Rect {
                x: field.x + 2.min(field.width),
                width: field.width.saturating_sub(2),
                ..field
            },
        );
        painter.horizontal(row(inside, 1), Role::Border);
        let list = below(inside, 2);
        if self.found.is_empty() {
            painter.text(list.x, list.y, list.width, "nothing matches", Role::Dim);
        }
        for (y, at) in (list.y..list.bottom()).zip(self.list.visible(self.found.len())) {
            let (item, matched) = &self.found[at];
            let line = Rect::new(list.x, y, list.width, 1);
            self.draw_item(painter, line, &self.items[*item], matched);
            if at == self.list.cursor {
                painter.restyle(line, Role::Cursor);
            }
        }
    }

    fn draw_item(&self, painter: &mut Painter<'_>, line: Rect, item: &Item, matched: &[u32]) {
        let number = item.number.map_or(String::new(), |n| n.to_string());
        painter.text(line.x, line.y, 2.min(line.width), &number, Role::Key);
        let mut x = line.x + 2;
        for (i, c) in item.text.chars().enumerate() {
            let left = line
                .right()
                .saturating_sub(x)
                .min((self.text_cells as u16 + line.x + 2).saturating_sub(x));
            if left == 0 {
                break;
            }
            let role = if matched.contains(&(i as u32)) {
                Role::Match
            } else {
                Role::Text
            };
            x = painter.text(x, line.y, left, c.encode_utf8(&mut [0; 4]), role);
        }
        let detail_x = line.x + self.text_cells as u16 + 4;
        let left = line.right().saturating_sub(detail_x);
        if left > 3 {
            painter.text(detail_x, line.y, left, &item.detail, Role::Dim);
        }
    }
}
