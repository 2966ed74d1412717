//! What a decision costs in keys: a curator who knows the truth works through 200 sentences of the demo. Keys go through the real key
//! map to the real state of the screen, over the real engine and a workspace on disk. Prints the figures of docs/performance.md:
//! `cargo test --lib keystrokes -- --nocapture`.

use crate::domain::{RelationId, RelationSchema, Sentence, SentenceId, TokenSpan, Triple, Verdict};
use crate::tui::overlay::Overlay;
use crate::tui::overlay::picker::Choice;
use crate::tui::state::Tab;
use crate::tui::{App, Effect, Event, Key, Keymap, Theme, jump};
use crate::workspace::demo;
use crate::workspace::messages::Reply;
use crate::workspace::models::{Device, ModelChoice};
use crate::workspace::session::{Session, SessionOptions};
use crossbeam_channel::Receiver;
use crossterm::event::{Event as Input, KeyEvent, KeyModifiers};
use serde_json::Value;
use std::collections::HashMap;
use std::time::{Duration, Instant};

const SENTENCES: usize = 200;

/// What a key was pressed for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum For {
    /// Judging a label, with the way to it.
    Verdict,
    /// Adding a triple by hand.
    Addition,
    /// Closing the sentence and opening the next.
    Done,
}

/// What is in front of the curator: a change of it is a screen to read.
type Scene = (Tab, Option<SentenceId>, usize);

struct Desk {
    app: App,
    session: Session,
    replies: Receiver<Reply>,
    keys: HashMap<For, usize>,
    screens: HashMap<For, usize>,
    scene: Scene,
    with_modifier: Vec<String>,
    with_shift: usize,
    _dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let workspace = demo::open(&dir.path().join("demo")).unwrap();
        let options = SessionOptions {
            author: "bench".to_owned(),
            model: ModelChoice::Dir(dir.path().join("no model")),
            device: Device::Cpu,
        };
        let (session, replies) = Session::start(workspace, options).unwrap();
        let mut app = App::new(Theme::probe(), Keymap::default(), "");
        app.handle(Event::Input(Input::Resize(200, 50)));
        let scene = (Tab::Corpus, None, 0);
        let mut desk = Self {
            app,
            session,
            replies,
            keys: HashMap::new(),
            screens: HashMap::new(),
            scene,
            with_modifier: Vec::new(),
            with_shift: 0,
            _dir: dir,
        };
        desk.wait(|app| app.shared.opened && app.corpus.pages.total > 0);
        desk
    }

    fn event(&mut self, event: Event) {
        for effect in self.app.handle(event) {
            if let Effect::Send(request) = effect {
                self.session.send(request);
            }
        }
    }

    /// Takes the engine's answers until `done`.
    fn wait(&mut self, done: impl Fn(&App) -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !done(&self.app) {
            let reply = self.replies.recv_deadline(end).expect("an answer in time");
            // There is no model, and that is said; an edit must never be refused.
            assert!(!matches!(reply, Reply::EditRefused { .. }), "{reply:?}");
            self.event(Event::Reply(reply));
        }
    }

    /// One key, and what follows from it.
    fn press(&mut self, key: &str, purpose: For) {
        let Key(code, modifiers) = key.parse().unwrap();
        if modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            self.with_modifier.push(key.to_owned());
        }
        self.with_shift += usize::from(key.chars().any(char::is_uppercase));
        *self.keys.entry(purpose).or_default() += 1;
        self.event(Event::Input(Input::Key(KeyEvent::new(code, modifiers))));
        self.wait(|app| {
            let open = app.tab != Tab::Sentence || !app.sentence.is_opening();
            open && app.opening.is_none() && app.shared.pending.is_empty() && app.ahead.is_empty()
        });
        let scene = (self.app.tab, self.app.sentence.id, self.app.overlays.len());
        if scene != self.scene {
            *self.screens.entry(purpose).or_default() += 1;
            self.scene = scene;
        }
    }

    fn sentence(&self) -> &Sentence {
        &self
            .app
            .sentence
            .detail()
            .expect("an open sentence")
            .sentence
    }

    /// Judges a label: down or up to its row, then the verdict.
    fn judge(&mut self, triple: Triple, verdict: Verdict) {
        let rows = &self.app.sentence.detail().unwrap().rows;
        let place = |t: Triple| rows.iter().position(|r| r.triple == t);
        let (to, from) = (place(triple).unwrap(), self.app.sentence.under_cursor());
        let from = from.and_then(place).unwrap_or(0);
        for _ in 0..to.abs_diff(from) {
            self.press(if to > from { "j" } else { "k" }, For::Verdict);
        }
        assert_eq!(self.app.sentence.under_cursor(), Some(triple));
        let key = if verdict == Verdict::Accept { "a" } else { "x" };
        self.press(key, For::Verdict);
        let detail = self.app.sentence.detail().unwrap();
        assert_eq!(
            detail.annotation.find(triple).unwrap().verdict,
            Some(verdict)
        );
    }

    /// Adds a triple: the letter of its head, of its tail, then the relation by its digit or by what tells its name from others.
    fn add(&mut self, triple: Triple) {
        self.press("A", For::Addition);
        for span in [triple.head, triple.tail] {
            let entities = &self.app.sentence.detail().unwrap().annotation.entities;
            let at = entities.iter().position(|e| e.span == span).unwrap();
            let letters = jump::labels(entities.len()).swap_remove(at);
            for letter in letters.chars() {
                self.press(&letter.to_string(), For::Addition);
            }
        }
        let wanted = Choice::Relation(triple.relation);
        let picker = |app: &App| match app.overlays.last() {
            Some(Overlay::Picker(picker)) => (picker.number_of(wanted), picker.first()),
            _ => panic!("the picker of relations should be open"),
        };
        if let (Some(digit), _) = picker(&self.app) {
            self.press(&digit.to_string(), For::Addition);
        } else {
            let name = self.app.shared.relation(triple.relation).to_owned();
            let mut letters = name.chars();
            while picker(&self.app).1 != Some(wanted) {
                let letter = letters.next().expect("a whole name finds its relation");
                self.press(&letter.to_string(), For::Addition);
            }
            self.press("enter", For::Addition);
        }
        let annotation = &self.app.sentence.detail().unwrap().annotation;
        assert!(annotation.find(triple).is_some_and(|t| t.stands()));
    }
}

/// What a careful reader says of each sentence, by the corpus file's id: head, relation and tail, entities by number.
fn truth() -> HashMap<String, Vec<(usize, String, usize)>> {
    let lines = include_str!("../../../sample_data/truth.jsonl").lines();
    let of_line = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let number = |v: &Value| v.as_u64().unwrap() as usize;
        let relations = record["relations"].as_array().unwrap().iter();
        let relations = relations.map(|r| {
            let name = r["type"].as_str().unwrap().to_owned();
            (number(&r["head"]), name, number(&r["tail"]))
        });
        (
            record["id"].as_str().unwrap().to_owned(),
            relations.collect(),
        )
    };
    lines.map(of_line).collect()
}

fn triples(
    of: &[(usize, String, usize)],
    sentence: &Sentence,
    schema: &RelationSchema,
) -> Vec<Triple> {
    let span = |n: usize| -> TokenSpan { sentence.entities[n].span };
    let relation = |name: &str| -> Option<RelationId> { schema.relation(name) };
    of.iter()
        .filter_map(|(head, name, tail)| {
            Some(Triple {
                head: span(*head),
                relation: relation(name)?,
                tail: span(*tail),
            })
        })
        .collect()
}

#[test]
fn keystrokes() {
    let truth = truth();
    let mut desk = Desk::new();
    let (mut verdicts, mut additions) = (0, 0);
    desk.press("enter", For::Done);
    for n in 0..SENTENCES {
        let sentence = desk.sentence().clone();
        let schema = desk.app.shared.info.schema.clone();
        let native = sentence.native_id.as_deref().unwrap();
        let right = triples(&truth[native], &sentence, &schema);
        let labels: Vec<Triple> = sentence.gold.iter().map(|g| g.triple).collect();
        for label in &labels {
            let verdict = match right.contains(label) {
                true => Verdict::Accept,
                false => Verdict::Reject,
            };
            desk.judge(*label, verdict);
            verdicts += 1;
        }
        for missing in right.iter().filter(|t| !labels.contains(t)) {
            desk.add(*missing);
            additions += 1;
        }
        // The last one is closed without a next to open.
        desk.press(if n + 1 < SENTENCES { "d" } else { "D" }, For::Done);
    }
    let per = |map: &HashMap<For, usize>, purpose, n: usize| {
        map.get(&purpose).copied().unwrap_or(0) as f64 / n as f64
    };
    let keys = |purpose, n| per(&desk.keys, purpose, n);
    let (verdict, addition) = (keys(For::Verdict, verdicts), keys(For::Addition, additions));
    let done = keys(For::Done, SENTENCES);
    let decisions = verdicts + additions + SENTENCES;
    let all: usize = desk.keys.values().sum();
    let screens: usize = desk.screens.values().sum();
    println!(
        "{SENTENCES} sentences, {decisions} decisions, {all} keys, {:.2} keys and {:.2} screens a decision\n\
         {verdicts} verdicts: {verdict:.2} keys each, {:.2} screens; {additions} triples added by hand: {addition:.2} keys each, {:.2} \
         screens; {SENTENCES} sentences closed: {done:.2} keys each, {:.2} screens\n\
         keys with ctrl or alt: {}; capital letters: {}",
        all as f64 / decisions as f64,
        screens as f64 / decisions as f64,
        per(&desk.screens, For::Verdict, verdicts),
        per(&desk.screens, For::Addition, additions),
        per(&desk.screens, For::Done, SENTENCES),
        desk.with_modifier.len(),
        desk.with_shift
    );
    assert!(verdicts > 100 && additions > 20);
    assert!(verdict <= 2.0, "{verdict} keys a verdict");
    assert!(addition <= 5.0, "{addition} keys an addition");
    assert!(desk.with_modifier.is_empty(), "{:?}", desk.with_modifier);
    let saved = desk.app.shared.n_saved;
    assert_eq!(saved, decisions, "every decision is on disk");
}
