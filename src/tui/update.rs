//! From events to state: which part of the screen a key or a click belongs to; answers: `replies`. Views never call each
//! other; what one wants of another goes through an `Intent`, carried out here.

use super::action::{Action, App as Act};
use super::app::App;
use super::effect::Effect;
use super::keymap::{Key, Lookup};
use super::overlay::confirm::Confirm;
use super::overlay::export::Export;
use super::overlay::fine_tune::FineTune;
use super::overlay::help::Help;
use super::overlay::log::Log;
use super::overlay::picker::{Choice, Picker, Purpose};
use super::overlay::rules::Rules;
use super::overlay::{Flow, Overlay};
use super::queries;
use super::state::{Intent, Step, Tab};
use super::widget::numbers::grouped;
use crate::workspace::messages::Request;
use crossterm::event::{
    Event as Input, KeyCode, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

/// A count beyond this is a slip of the hand.
const MAX_COUNT: usize = 1_000_000;
/// Leaves wherever it is pressed.
const INTERRUPT: Key = Key(KeyCode::Char('c'), KeyModifiers::CONTROL);

impl App {
    pub(super) fn on_input(&mut self, input: Input) {
        match input {
            Input::Key(event) if event.kind != KeyEventKind::Release => self.on_key(event.into()),
            Input::Mouse(mouse) => self.on_mouse(mouse),
            Input::Paste(text) => self.on_paste(&text),
            Input::Resize(width, height) => self.set_area(width, height),
            _ => {}
        }
    }

    fn on_paste(&mut self, text: &str) {
        if !self.hold_paste(text) {
            self.take_paste(text);
        }
    }

    pub(super) fn take_paste(&mut self, text: &str) {
        if let Some(overlay) = self.overlays.last_mut() {
            overlay.paste(text);
        } else if let (Tab::Corpus, Some(input)) = (self.tab, &mut self.corpus.editing) {
            input.insert(text);
        }
        // Elsewhere keys are actions, and a paste would run a random dozen of them.
    }

    fn on_mouse(&mut self, mouse: MouseEvent) {
        if self.too_small() {
            return;
        }
        let scroll = match mouse.kind {
            MouseEventKind::ScrollDown => Some(super::action::Nav::Down),
            MouseEventKind::ScrollUp => Some(super::action::Nav::Up),
            MouseEventKind::Down(MouseButton::Left) => None,
            _ => return,
        };
        if let Some(nav) = scroll {
            return self.navigate(nav, 3);
        }
        // A click is meant for what was in sight, and keys typed before it come first.
        if !self.overlays.is_empty() || self.opening.is_some() || !self.ahead.is_empty() {
            return;
        }
        let (x, y) = (mouse.column, mouse.row);
        match self.tab {
            Tab::Corpus => self.corpus.click(x, y, &mut self.shared),
            Tab::Errors => self.errors.click(x, y, &mut self.shared),
            Tab::Disputes => self.disputes.click(x, y),
            Tab::Sentence => self.sentence.click(x, y),
        }
    }

    fn on_key(&mut self, key: Key) {
        if self.too_small() {
            // Nothing is in sight, so nothing but leaving may happen.
            if key == INTERRUPT {
                self.quit();
            }
            return;
        }
        self.shared.notice = None;
        if !self.hold(key) {
            self.take_key(key);
        }
    }

    /// A key whose turn it is.
    pub(super) fn take_key(&mut self, key: Key) {
        let leave = key == INTERRUPT || key.0 == KeyCode::Esc;
        if let Some(top) = self.overlays.last_mut().filter(|o| o.takes_text()) {
            if leave || top.key(key, &mut self.shared) == Flow::Close {
                self.overlays.pop();
            }
        } else if self.overlays.is_empty()
            && self.tab == Tab::Corpus
            && self.corpus.editing.is_some()
        {
            let key = if leave {
                Key(KeyCode::Esc, KeyModifiers::NONE)
            } else {
                key
            };
            self.corpus.query_key(key, &mut self.shared);
        } else if self.overlays.is_empty()
            && self.tab == Tab::Sentence
            && self.sentence.in_jump_mode()
        {
            let key = if leave {
                Key(KeyCode::Esc, KeyModifiers::NONE)
            } else {
                key
            };
            self.sentence.jump_key(key, &mut self.shared);
        } else if !self.counted(key) {
            self.look_up(key);
        }
    }

    /// Digits before a motion count it, except in a sentence, where they are relations.
    fn counted(&mut self, key: Key) -> bool {
        let Key(KeyCode::Char(c), KeyModifiers::NONE) = key else {
            return false;
        };
        let lists =
            self.overlays.is_empty() && self.tab != Tab::Sentence && self.pressed.is_empty();
        let Some(digit) = c
            .to_digit(10)
            .filter(|d| lists && (*d > 0 || self.count > 0))
        else {
            return false;
        };
        self.count = (self.count * 10 + digit as usize).min(MAX_COUNT);
        true
    }

    fn look_up(&mut self, key: Key) {
        if key.0 == KeyCode::Esc && (!self.pressed.is_empty() || self.count > 0) {
            self.pressed.clear();
            self.count = 0;
            return;
        }
        self.pressed.push(key);
        let actions = match self.shared.keymap.lookup(self.contexts(), &self.pressed) {
            Lookup::Pending => return,
            Lookup::Run(actions) => actions.to_vec(),
            Lookup::None => {
                if self.pressed.len() > 1 {
                    let keys: Vec<String> = self.pressed.iter().map(Key::to_string).collect();
                    self.shared.warn(format!(
                        "`{}` means nothing here; ? shows the keys",
                        keys.join(" ")
                    ));
                }
                Vec::new()
            }
        };
        let keys = std::mem::take(&mut self.pressed);
        if self.hold_actions(&keys, &actions) {
            return;
        }
        let count = std::mem::take(&mut self.count).max(1);
        for action in actions {
            self.run(action, count);
            self.carry_out();
        }
    }

    /// Runs one action; those of a place one is not in are ignored.
    pub(super) fn run(&mut self, action: Action, count: usize) {
        let shared = &mut self.shared;
        if let Some(top) = self.overlays.last_mut() {
            let flow = match action {
                Action::Overlay(act) => top.act(act, shared),
                Action::Nav(nav) => {
                    top.navigate(nav, count);
                    Flow::Stay
                }
                Action::App(Act::Back | Act::Help) => Flow::Close,
                Action::App(Act::Quit | Act::Suspend | Act::Redraw | Act::CancelJob) => {
                    self.run_app(action);
                    Flow::Stay
                }
                _ => Flow::Stay,
            };
            if flow == Flow::Close {
                self.overlays.pop();
            }
            return;
        }
        match (action, self.tab) {
            (Action::App(_), _) => self.run_app(action),
            (Action::Nav(nav), _) => self.navigate(nav, count),
            (Action::Corpus(act), Tab::Corpus) => self.corpus.act(act, shared),
            (Action::Errors(act), Tab::Errors) => self.errors.act(act, shared),
            (Action::Disputes(act), Tab::Disputes) => self.disputes.act(act, shared),
            (Action::Sentence(act), Tab::Sentence) => self.sentence.act(act, shared),
            (Action::Span(act), Tab::Sentence) => self.sentence.span_act(act, shared),
            _ => {
                let entry = action.entry();
                let place = entry.context.about().to_lowercase();
                shared.warn(format!("`{}` works {place} only", entry.label()));
            }
        }
    }

    fn navigate(&mut self, nav: super::action::Nav, count: usize) {
        match (self.overlays.last_mut(), self.tab) {
            (Some(top), _) => top.navigate(nav, count),
            (None, Tab::Corpus) => self.corpus.navigate(nav, count),
            (None, Tab::Errors) => self.errors.navigate(nav, count),
            (None, Tab::Disputes) => self.disputes.navigate(nav, count),
            (None, Tab::Sentence) => self.sentence.navigate(nav, count),
        }
    }

    fn run_app(&mut self, action: Action) {
        let Action::App(action) = action else { return };
        match action {
            Act::Help => {
                let help = Help::new(self.contexts(), &self.shared.keymap);
                self.overlays.push(Overlay::Help(help));
            }
            Act::Palette => {
                let palette = Picker::palette(self.contexts(), &self.shared.keymap);
                self.overlays.push(Overlay::Picker(palette));
            }
            Act::Search => {
                self.tab = Tab::Corpus;
                self.corpus.edit_query();
            }
            Act::Back => self.back(),
            Act::Undo => self.undo(Request::Undo),
            Act::Redo => self.undo(Request::Redo),
            Act::NextTab => self.step_tab(1),
            Act::PreviousTab => self.step_tab(2),
            Act::GoCorpus => self.tab = Tab::Corpus,
            Act::GoErrors => self.tab = Tab::Errors,
            Act::GoDisputes => {
                self.tab = Tab::Disputes;
                self.disputes.mark_dirty();
            }
            Act::GoWrong => self.filter(queries::WRONG),
            Act::GoMissing => self.filter(queries::MISSING),
            Act::PredictAll => {
                let n = grouped(self.shared.info.n_sentences as u64);
                let lines = vec![
                    format!("Predict all {n} sentences with the current model?"),
                    "It runs in the background and can be stopped; what is predicted stays."
                        .to_owned(),
                ];
                self.overlays.push(Overlay::Confirm(Confirm::new(
                    lines,
                    "predict",
                    Purpose::PredictAll,
                )));
            }
            Act::GoRules => self.filter(queries::RULES),
            Act::Rules => {
                self.shared.send(Request::Rules);
                self.overlays.push(Overlay::Rules(Rules::default()));
            }
            Act::GoDuplicates => {
                self.shared.send(Request::Duplicates);
                self.filter(queries::DUPLICATES);
            }
            Act::Folds => self.ask_folds(),
            Act::FineTune => self.overlays.push(Overlay::FineTune(FineTune::default())),
            Act::Export => self.overlays.push(Overlay::Export(Export::default())),
            Act::Messages => self.overlays.push(Overlay::Log(Log::default())),
            Act::CancelJob => self.cancel_job(),
            Act::Redraw => self.shared.effects.push(Effect::Redraw),
            Act::Suspend => self.shared.effects.push(Effect::Suspend),
            Act::Quit => self.quit(),
        }
    }

    fn ask_folds(&mut self) {
        let lines = vec![
            "Ask models that never saw a pair, names hidden, what they make of it?".to_owned(),
            "The queues' strongest signal; it takes about as long as predicting the whole workspace, in the".to_owned(),
            "background, and can be stopped. Those that are there serve until the new ones are done.".to_owned(),
        ];
        let confirm = Confirm::new(lines, "make the folds", Purpose::Folds);
        self.overlays.push(Overlay::Confirm(confirm));
    }

    fn filter(&mut self, query: &str) {
        self.shared.intents.push(Intent::Filter(query.to_owned()));
    }

    fn undo(&mut self, request: Request) {
        self.shared.undoing += 1;
        self.shared.send(request);
    }

    fn step_tab(&mut self, by: usize) {
        let tabs = [Tab::Corpus, Tab::Errors, Tab::Sentence];
        let n = if self.sentence.id.is_some() { 3 } else { 2 };
        let at = tabs.iter().position(|t| *t == self.tab).unwrap_or(0);
        self.tab = tabs[(at + if by == 1 { 1 } else { n - 1 }) % n];
    }

    fn cancel_job(&mut self) {
        let job = self.shared.jobs.iter_mut().find(|j| !j.cancelling);
        match job.map(|job| {
            job.cancelling = true;
            job.kind
        }) {
            Some(job) => self.shared.send(Request::Cancel { job }),
            None => self.shared.warn("no job is running"),
        }
    }

    /// One step out: a mode, a panel, the sentence; at last, after a question, the program.
    fn back(&mut self) {
        let stepped = match self.tab {
            Tab::Corpus => self.corpus.back(),
            Tab::Errors | Tab::Disputes => false,
            Tab::Sentence => self.sentence.back(),
        };
        if stepped {
            return;
        }
        if self.tab != Tab::Corpus {
            self.tab = Tab::Corpus;
            return;
        }
        let saved = self
            .unfinished()
            .unwrap_or_else(|| "Every edit is saved.".to_owned());
        let lines = vec!["Leave redress?".to_owned(), saved];
        self.overlays.push(Overlay::Confirm(Confirm::new(
            lines,
            "leave",
            Purpose::Quit,
        )));
    }

    /// Leaves at once when nothing is under way; asks otherwise, and takes a second request for an answer.
    fn quit(&mut self) {
        let asked = matches!(self.overlays.last(), Some(Overlay::Confirm(_)));
        match self.unfinished() {
            Some(what) if !asked => {
                let lines = vec![format!("Leave now? {what}.")];
                self.overlays.push(Overlay::Confirm(Confirm::new(
                    lines,
                    "leave",
                    Purpose::Quit,
                )));
            }
            _ => self.shared.effects.push(Effect::Quit),
        }
    }

    /// Carries out what views asked for, until nothing is left.
    pub(super) fn carry_out(&mut self) {
        while !self.shared.intents.is_empty() {
            for intent in std::mem::take(&mut self.shared.intents) {
                self.carry_out_one(intent);
            }
        }
        if let Some(row) = self.opening
            && let Some(id) = self.corpus.pages.get(row).map(|r| r.id)
        {
            self.opening = None;
            self.corpus.list.cursor = row;
            self.sentence
                .open(id, row, &self.corpus.query, &self.shared);
            self.tab = Tab::Sentence;
        }
    }

    fn carry_out_one(&mut self, intent: Intent) {
        let shared = &mut self.shared;
        match intent {
            Intent::OpenRow(row) => self.open_row(row),
            Intent::Step(Step::Next) => self.open_row(self.sentence.next_row()),
            Intent::Step(Step::Previous) => match self.sentence.row.checked_sub(1) {
                Some(row) => self.open_row(row),
                None => self.refuse("this is the first sentence of the list"),
            },
            Intent::Filter(query) => {
                self.tab = Tab::Corpus;
                self.corpus.panel = Default::default();
                self.corpus.search(&query, shared);
            }
            Intent::ShowRuns => {
                self.tab = Tab::Errors;
                self.errors.show_runs();
            }
            Intent::Push(overlay) => self.overlays.push(overlay),
            Intent::Picked(_, Choice::Action(action)) => self.run(action, 1),
            Intent::Picked(purpose, choice) => self.sentence.on_picked(purpose, choice, shared),
            Intent::Typed(Purpose::Slice, text) => self.errors.on_slice_typed(&text, shared),
            Intent::Typed(Purpose::Note, text) => self.sentence.on_note(text, shared),
            Intent::Confirmed(Purpose::Quit) => shared.effects.push(Effect::Quit),
            Intent::Confirmed(Purpose::PredictAll) => {
                shared.send(Request::Predict { ids: Vec::new() })
            }
            Intent::Confirmed(Purpose::Folds) => shared.send(Request::Folds),
            Intent::Typed(..) | Intent::Confirmed(_) => {}
        }
    }

    /// Opens a row of the list; one that has not been found yet as soon as it is.
    fn open_row(&mut self, row: usize) {
        if !self.corpus.pages.answered || row < self.corpus.pages.total {
            self.corpus.list.cursor = row;
            self.opening = Some(row);
        } else if row == 0 {
            self.refuse("no sentence to open");
        } else {
            self.refuse("this was the last sentence of the list");
        }
    }

    /// A step that leads nowhere: what was typed after it was meant for another place.
    pub(super) fn refuse(&mut self, why: &str) {
        self.shared.warn(why);
        self.drop_ahead(why);
    }

    /// Asks the engine for what is in sight and not here.
    pub(super) fn fetch(&mut self) {
        if !self.shared.opened {
            return;
        }
        match self.tab {
            Tab::Corpus => self.corpus.refresh_if_dirty(&mut self.shared),
            _ => self.corpus.leave(),
        }
        self.corpus.fetch(&mut self.shared);
        match self.tab {
            Tab::Corpus => {}
            Tab::Errors => self.errors.fetch(&mut self.shared),
            Tab::Disputes => self.disputes.fetch(&mut self.shared),
            Tab::Sentence => {
                let id_at = |row: Option<usize>| self.corpus.pages.get(row?).map(|r| r.id);
                let row = self.sentence.row;
                let neighbours = [id_at(row.checked_add(1)), id_at(row.checked_sub(1))];
                self.sentence.fetch(neighbours, &mut self.shared);
            }
        }
    }
}
