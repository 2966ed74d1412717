//! The program as a machine: events in, effects out, a picture on demand. It needs no terminal and no engine, so a
//! test or a benchmark drives it exactly as the runner does.

use super::action::Context;
use super::ahead::Ahead;
use super::effect::Effect;
use super::event::Event;
use super::keymap::{Key, Keymap};
use super::overlay::Overlay;
use super::paint::{Painter, below};
use super::state::{Shared, Tab};
use super::theme::{Role, Theme};
use super::view::chrome::Chrome;
use super::view::corpus::{CorpusView, Panel};
use super::view::disputes::DisputesView;
use super::view::errors::ErrorsView;
use super::view::sentence::SentenceView;
use super::widget::numbers::grouped;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Smaller than this there is only a message.
pub const SMALLEST: (u16, u16) = (60, 15);

pub struct App {
    pub(super) shared: Shared,
    pub(super) tab: Tab,
    pub(super) corpus: CorpusView,
    pub(super) errors: ErrorsView,
    pub(super) disputes: DisputesView,
    pub(super) sentence: SentenceView,
    pub(super) overlays: Vec<Overlay>,
    /// Keys of an unfinished sequence.
    pub(super) pressed: Vec<Key>,
    /// Digits typed before a motion; 0 for none.
    pub(super) count: usize,
    /// The row to open as soon as its page is here.
    pub(super) opening: Option<usize>,
    /// Keys that wait for a sentence.
    pub(super) ahead: Ahead,
    /// The query to start with.
    pub(super) first_query: String,
    area: Rect,
}

impl App {
    pub fn new(theme: Theme, keymap: Keymap, query: &str) -> Self {
        Self {
            shared: Shared::new(theme, keymap),
            tab: Tab::Corpus,
            corpus: CorpusView::default(),
            errors: ErrorsView::default(),
            disputes: DisputesView::default(),
            sentence: SentenceView::default(),
            overlays: Vec::new(),
            pressed: Vec::new(),
            count: 0,
            opening: None,
            ahead: Ahead::default(),
            first_query: query.to_owned(),
            area: Rect::new(0, 0, 80, 24),
        }
    }

    /// Takes one event; returns what is to be done about it.
    pub fn handle(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Input(input) => self.on_input(input),
            Event::Reply(reply) => self.on_reply(reply),
            Event::Tick => self.shared.ticks += 1,
        }
        self.carry_out();
        self.layout(self.area);
        self.catch_up();
        self.fetch();
        std::mem::take(&mut self.shared.effects)
    }

    /// Whether something moves by itself.
    pub fn wants_ticks(&self) -> bool {
        !self.shared.jobs.is_empty()
    }

    /// What would be lost or stopped by leaving now, in words.
    pub fn unfinished(&self) -> Option<String> {
        let keys = self.ahead.line();
        let ahead = (!keys.is_empty()).then(|| format!("{keys} typed ahead"));
        let parts: Vec<String> = ahead.into_iter().chain(self.shared.unfinished()).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    pub(super) fn area(&self) -> Rect {
        self.area
    }

    pub(super) fn too_small(&self) -> bool {
        self.area.width < SMALLEST.0 || self.area.height < SMALLEST.1
    }

    pub(super) fn set_area(&mut self, width: u16, height: u16) {
        self.area = Rect::new(0, 0, width, height);
    }

    /// Fits all that is shown to `area`.
    pub fn layout(&mut self, area: Rect) {
        self.area = area;
        if self.too_small() {
            return;
        }
        let body = Self::body(area);
        self.corpus.layout(body, &self.shared);
        self.errors.layout(body);
        self.disputes.layout(body);
        self.sentence.layout(body);
        for overlay in &mut self.overlays {
            overlay.layout(area, &self.shared);
        }
    }

    fn body(area: Rect) -> Rect {
        let inside = below(area, 1);
        Rect {
            height: inside.height.saturating_sub(2),
            ..inside
        }
    }

    /// The contexts whose keys mean something now, the nearest first.
    pub(super) fn contexts(&self) -> &'static [Context] {
        match (self.overlays.is_empty(), self.tab) {
            (false, _) => &[Context::Overlay, Context::Nav, Context::App],
            (true, Tab::Corpus) => &[Context::Corpus, Context::Nav, Context::App],
            (true, Tab::Errors) => &[Context::Errors, Context::Nav, Context::App],
            (true, Tab::Disputes) => &[Context::Disputes, Context::Nav, Context::App],
            (true, Tab::Sentence) if self.sentence.in_span_mode() => &[Context::Span, Context::App],
            (true, Tab::Sentence) => &[Context::Sentence, Context::Nav, Context::App],
        }
    }

    /// Paints the whole of `buffer`; [`App::layout`] must have seen its area.
    pub fn draw(&self, buffer: &mut Buffer) {
        let area = buffer.area;
        let painter = &mut Painter::new(buffer, &self.shared.theme);
        painter.clear(area, Role::Text);
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            return draw_too_small(area, painter);
        }
        let chrome = self.chrome();
        chrome.draw_header(Rect { height: 1, ..area }, painter, &self.shared);
        let body = Self::body(area);
        match self.tab {
            Tab::Corpus => self.corpus.draw(body, painter, &self.shared),
            Tab::Errors => self.errors.draw(body, painter, &self.shared),
            Tab::Disputes => self.disputes.draw(body, painter, &self.shared),
            Tab::Sentence => self
                .sentence
                .draw(painter, &self.shared, self.corpus.pages.total),
        }
        for overlay in &self.overlays {
            overlay.draw(area, painter, &self.shared);
        }
        let bottom = |rows: u16| Rect::new(area.x, area.bottom() - rows, area.width, 1);
        chrome.draw_status(bottom(2), painter, &self.shared);
        chrome.draw_hints(bottom(1), painter, &self.shared);
    }

    fn chrome(&self) -> Chrome<'_> {
        let keys: Vec<String> = self.pressed.iter().map(Key::to_string).collect();
        let count = if self.count > 0 {
            self.count.to_string()
        } else {
            String::new()
        };
        let hints = match self.tab {
            _ if !self.overlays.is_empty() => Vec::new(),
            Tab::Corpus => self.corpus.hints(),
            Tab::Errors => self.errors.hints(),
            Tab::Disputes => self.disputes.hints(),
            Tab::Sentence => self.sentence.hints(),
        };
        let editing = self.tab == Tab::Corpus && self.corpus.editing.is_some();
        let prompt = match self.tab {
            Tab::Corpus if editing => {
                Some("enter searches · esc leaves the query as it was".to_owned())
            }
            _ if !self.ahead.is_empty() => {
                Some("these keys wait for their sentence · esc drops them".to_owned())
            }
            Tab::Sentence => self.sentence.jump_prompt(),
            _ => None,
        };
        Chrome {
            tab: self.tab,
            has_sentence: self.sentence.id.is_some(),
            mode: match self.tab {
                _ if !self.overlays.is_empty() => "window",
                Tab::Corpus if editing => "query",
                Tab::Corpus if self.corpus.range_start.is_some() => "range",
                Tab::Corpus if self.corpus.panel == Panel::Relations => "relation",
                Tab::Corpus => "list",
                Tab::Errors => "errors",
                Tab::Disputes => "disputes",
                Tab::Sentence => self.sentence.mode_name(),
            },
            position: self.position(),
            waiting: [self.ahead.line(), count, keys.join(" ")]
                .join(" ")
                .trim()
                .to_owned(),
            prompt,
            hints,
        }
    }

    fn position(&self) -> String {
        let pages = &self.corpus.pages;
        let filtered = if self.corpus.query.is_empty() {
            ""
        } else {
            " filtered"
        };
        match self.tab {
            Tab::Errors | Tab::Disputes => String::new(),
            _ if self.corpus.bad.is_some() => String::new(),
            _ if pages.total == 0 => "no sentences".to_owned(),
            Tab::Corpus | Tab::Sentence => {
                let row = if self.tab == Tab::Corpus {
                    self.corpus.list.cursor
                } else {
                    self.sentence.row
                };
                let marked = match self.corpus.range_start {
                    Some(_) => {
                        format!(", {} marked", grouped((self.corpus.range().count()) as u64))
                    }
                    None => String::new(),
                };
                format!(
                    "{} of {}{filtered}{marked}",
                    grouped(row as u64 + 1),
                    grouped(pages.total as u64)
                )
            }
        }
    }
}

fn draw_too_small(area: Rect, painter: &mut Painter<'_>) {
    let lines = [
        "This terminal is too small.".to_owned(),
        format!("redress needs {} x {} cells,", SMALLEST.0, SMALLEST.1),
        format!("here are {} x {}.", area.width, area.height),
        "Make it larger; ctrl-c leaves.".to_owned(),
    ];
    for (y, line) in (area.y..area.bottom()).zip(&lines) {
        painter.text(area.x, y, area.width, line, Role::Text);
    }
}
