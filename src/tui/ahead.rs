//! Keys typed faster than sentences open. `x n x` rejects in one sentence, goes on and rejects in the next: where the next
//! one is not here yet, the second `x` waits for it. It never falls on another sentence and never goes missing unsaid;
//! esc drops what waits, and so does a step that leads nowhere.

use super::action::{Action, App as Act, Context, Sentence};
use super::app::App;
use super::keymap::{Key, Lookup};
use super::state::Tab;
use super::view::sentence::works_without_sentence;
use super::widget::numbers::counted;
use crossterm::event::KeyCode;
use std::collections::VecDeque;

/// Something typed that waits.
#[derive(Clone, PartialEq, Debug)]
pub enum Typed {
    Key(Key),
    Paste(String),
}

/// What was typed and has not been looked at, oldest first.
#[derive(Default)]
pub struct Ahead(VecDeque<Typed>);

impl Ahead {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys that wait, as in a key map, the latest of them where they are many.
    pub fn line(&self) -> String {
        const SHOWN: usize = 12;
        let name = |typed: &Typed| match typed {
            Typed::Key(key) => key.to_string(),
            Typed::Paste(_) => "paste".to_owned(),
        };
        let skip = self.0.len().saturating_sub(SHOWN);
        let mut names: Vec<String> = self.0.iter().skip(skip).map(name).collect();
        if skip > 0 {
            names.insert(0, format!("{skip} more"));
        }
        names.join(" ")
    }
}

impl App {
    /// Whether keys are meant for a sentence that is not on the screen yet, or for after a verdict that is still looked up.
    fn waits(&self) -> bool {
        let opening =
            self.opening.is_some() || (self.tab == Tab::Sentence && self.sentence.is_opening());
        self.overlays.is_empty() && (opening || self.corpus.is_judging())
    }

    /// Keeps a key for later if it is meant for what is not here yet. Whether it was taken care of.
    pub(super) fn hold(&mut self, key: Key) -> bool {
        // A window on top is answered first: the question whether to leave, say.
        if !self.overlays.is_empty() || (self.ahead.is_empty() && !self.waits()) {
            return false;
        }
        let bound = |act| {
            let keys = self.shared.keymap.lookup(&[Context::App], &[key]);
            keys == Lookup::Run(&[Action::App(act)])
        };
        let at_once = [Act::Quit, Act::Suspend, Act::Redraw, Act::CancelJob];
        if at_once.into_iter().any(bound) {
            return false;
        }
        if key.0 == KeyCode::Esc && !self.ahead.is_empty() {
            self.drop_ahead("");
            return true;
        }
        if self.ahead.is_empty() && !self.corpus.is_judging() && bound(Act::Back) {
            // One step back from a sentence that has not come is not to go there.
            return self.opening.take().is_some();
        }
        let wait = !self.ahead.is_empty() || self.opening.is_some() || self.corpus.is_judging();
        if wait {
            self.ahead.0.push_back(Typed::Key(key));
        }
        wait
    }

    /// Keeps pasted text in its place among the keys. Whether it waits.
    pub(super) fn hold_paste(&mut self, text: &str) -> bool {
        let wait = self.overlays.is_empty() && !self.ahead.is_empty();
        if wait {
            self.ahead.0.push_back(Typed::Paste(text.to_owned()));
        }
        wait
    }

    /// Keeps the keys of `actions` if one of them needs the sentence that is being opened. Whether they wait.
    pub(super) fn hold_actions(&mut self, keys: &[Key], actions: &[Action]) -> bool {
        // Where a queue asks, the sentence that one steps from says where the step leads.
        let asks = self.corpus.queue.is_some();
        let steps = |act| matches!(act, Sentence::Next | Sentence::Previous);
        let needs = |action: &Action| match action {
            Action::Sentence(act) => !works_without_sentence(*act) || (asks && steps(*act)),
            Action::Nav(_) | Action::Span(_) => true,
            _ => false,
        };
        let wait = self.waits() && actions.iter().any(needs);
        if wait {
            self.ahead.0.extend(keys.iter().copied().map(Typed::Key));
        }
        wait
    }

    /// Looks at what was typed ahead, as far as what it is meant for is here now.
    pub(super) fn catch_up(&mut self) {
        if !self.ahead.is_empty() && self.too_small() {
            return self.drop_ahead("the terminal is too small to show what they change");
        }
        if !self.overlays.is_empty() {
            return;
        }
        while !self.waits() {
            // Labels to jump to and pages to turn are those of the screen as it would be drawn now.
            match self.ahead.0.pop_front() {
                Some(Typed::Key(key)) => self.take_key(key),
                Some(Typed::Paste(text)) => self.take_paste(&text),
                None => return,
            }
            self.carry_out();
            self.layout(self.area());
        }
    }

    /// Forgets what was typed ahead and says so, with the reason if there is one.
    pub(super) fn drop_ahead(&mut self, why: &str) {
        self.opening = None;
        let n = std::mem::take(&mut self.ahead).0.len();
        if n > 0 {
            let dropped = format!("dropped {} typed ahead", counted(n, "key"));
            self.shared.warn(match why {
                "" => dropped,
                why => format!("{why}; {dropped}"),
            });
        }
    }
}
