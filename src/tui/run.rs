//! The loop: wait for an event, take all that wait with it, draw once. Only here are effects performed.

use super::app::App;
use super::effect::Effect;
use super::event::Event;
use super::keymap::Keymap;
use super::terminal::{self, Guard, Mouse, Screen};
use super::theme::Theme;
use crate::config::{Config, Paths, Problem, Problems};
use crate::workspace::messages::{Reply, Request};
use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, Sender, bounded, never, select, unbounded};
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::layout::Rect;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(250);
/// How often the input thread looks whether it is still wanted.
const INPUT_POLL: Duration = Duration::from_millis(200);
/// After a signal the loop ends by itself; if it is stuck for this long, the process is ended.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, Default)]
pub struct TuiOptions {
    /// Name of a theme or path to one; empty for the default.
    pub theme: String,
    /// Where a user's own themes are looked for by name.
    pub themes: Option<PathBuf>,
    pub keymap: Option<PathBuf>,
    pub mouse: bool,
    /// The query to start with.
    pub query: String,
}

impl TuiOptions {
    pub fn new(config: &Config, paths: &Paths) -> Self {
        Self {
            theme: config.theme.clone(),
            themes: Some(paths.themes()),
            keymap: config.keymap.clone(),
            mouse: config.mouse,
            query: String::new(),
        }
    }

    /// Reads theme and key map; everything wrong in both at once.
    fn load(&self) -> Result<(Theme, Keymap), Problems> {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let name = if self.theme.is_empty() {
            "default"
        } else {
            &self.theme
        };
        let theme = Theme::load(name, self.themes.as_deref());
        let keymap = match &self.keymap {
            None => Ok(Keymap::default()),
            Some(path) => {
                let file = path.display().to_string();
                match std::fs::read_to_string(path) {
                    Ok(text) => Keymap::parse(&file, &text),
                    Err(error) => Err(Problems(vec![Problem {
                        file,
                        line: 0,
                        message: format!("cannot be read: {error}"),
                    }])),
                }
            }
        };
        match (theme, keymap) {
            (Ok(theme), Ok(keymap)) => Ok((
                if no_colour {
                    Theme::without_colour()
                } else {
                    theme
                },
                keymap,
            )),
            (theme, keymap) => {
                let all = [theme.err(), keymap.err()]
                    .into_iter()
                    .flatten()
                    .flat_map(|p| p.0);
                Err(Problems(all.collect()))
            }
        }
    }
}

/// A signal ended the screen; what is not saved, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Stopped(String);

/// Runs the screen until the curator leaves. An error, a panic or a signal gives the terminal back first.
pub fn run(
    options: TuiOptions,
    requests: Sender<Request>,
    replies: Receiver<Reply>,
) -> anyhow::Result<()> {
    if !stdout().is_terminal() {
        bail!("the screen needs a terminal as its standard output");
    }
    let (theme, keymap) = options.load()?;
    let app = App::new(theme, keymap, &options.query);
    terminal::restore_on_panic();
    let (guard, screen) = Guard::new(if options.mouse { Mouse::On } else { Mouse::Off })?;
    let signals = watch_signals()?;
    let stop = Arc::new(AtomicBool::new(false));
    let input = watch_input(Arc::clone(&stop));
    let outcome = Loop {
        app,
        screen,
        guard,
        requests,
    }
    .run(input, replies, signals);
    stop.store(true, Ordering::SeqCst);
    outcome
}

struct Loop {
    app: App,
    screen: Screen,
    guard: Guard,
    requests: Sender<Request>,
}

/// What woke the loop.
enum Woken {
    Event(Event),
    Signal(i32),
    InputEnded(String),
    EngineEnded,
}

impl Loop {
    fn run(
        mut self,
        input: Receiver<std::io::Result<crossterm::event::Event>>,
        mut replies: Receiver<Reply>,
        signals: Receiver<i32>,
    ) -> anyhow::Result<()> {
        self.draw()?;
        loop {
            let tick = if self.app.wants_ticks() {
                crossbeam_channel::after(TICK)
            } else {
                never()
            };
            let mut woken = Some(select! {
                recv(signals) -> signal => signal.map_or(Woken::Event(Event::Tick), Woken::Signal),
                recv(input) -> input => input_event(input),
                recv(replies) -> reply => reply.map_or(Woken::EngineEnded, |r| Woken::Event(Event::Reply(r))),
                recv(tick) -> _ => Woken::Event(Event::Tick),
            });
            // All that waits is taken before one picture is drawn: a slow line never falls behind.
            while let Some(next) = woken.take() {
                match next {
                    Woken::Event(event) => {
                        let effects = self.app.handle(event);
                        if self.perform(effects)? {
                            return Ok(());
                        }
                    }
                    Woken::Signal(SIGCONT) => {
                        self.guard.retake()?;
                        self.repaint()?;
                    }
                    Woken::Signal(signal) => {
                        let name =
                            signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
                        let left = self
                            .app
                            .unfinished()
                            .unwrap_or_else(|| "every edit is saved".to_owned());
                        return Err(Stopped(format!("stopped by {name}; {left}")).into());
                    }
                    Woken::InputEnded(why) => bail!("the terminal gives no input any more: {why}"),
                    Woken::EngineEnded => {
                        replies = never();
                        let what =
                            "the engine has stopped; leave and start again. The log file says why"
                                .to_owned();
                        self.app.handle(Event::Reply(Reply::Failed { what }));
                    }
                }
                woken = signals
                    .try_recv()
                    .map(Woken::Signal)
                    .ok()
                    .or_else(|| input.try_recv().ok().map(|i| input_event(Ok(i))))
                    .or_else(|| {
                        replies
                            .try_recv()
                            .ok()
                            .map(|r| Woken::Event(Event::Reply(r)))
                    });
            }
            self.draw()?;
        }
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        self.screen
            .autoresize()
            .context("the terminal's size cannot be read")?;
        let size = self.screen.size()?;
        self.app.layout(Rect::new(0, 0, size.width, size.height));
        crossterm::queue!(self.screen.backend_mut(), BeginSynchronizedUpdate)?;
        self.screen
            .draw(|frame| self.app.draw(frame.buffer_mut()))?;
        crossterm::execute!(self.screen.backend_mut(), EndSynchronizedUpdate)?;
        Ok(())
    }

    /// Has the next picture sent whole. Not by `Terminal::clear`: it asks the terminal for its cursor, and the answer
    /// goes to the input thread.
    fn repaint(&mut self) -> anyhow::Result<()> {
        let size = self.screen.size()?;
        Ok(self
            .screen
            .resize(Rect::new(0, 0, size.width, size.height))?)
    }

    /// Whether to leave.
    fn perform(&mut self, effects: Vec<Effect>) -> anyhow::Result<bool> {
        for effect in effects {
            match effect {
                Effect::Send(request) => {
                    // A dead engine is told by the closed reply channel, once.
                    let _ = self.requests.send(request);
                }
                Effect::Copy(text) => terminal::copy(&text, std::env::var_os("TMUX").is_some())?,
                Effect::Suspend => {
                    self.guard.suspend()?;
                    self.repaint()?;
                }
                Effect::Redraw => self.repaint()?,
                Effect::Quit => return Ok(true),
            }
        }
        Ok(false)
    }
}

fn input_event(
    received: Result<std::io::Result<crossterm::event::Event>, crossbeam_channel::RecvError>,
) -> Woken {
    match received {
        Ok(Ok(input)) => Woken::Event(Event::Input(input)),
        Ok(Err(error)) => Woken::InputEnded(error.to_string()),
        Err(_) => Woken::InputEnded("its reader has ended".to_owned()),
    }
}

/// Reads keys on a thread of its own until told to stop, so that nothing it does can delay a picture.
fn watch_input(stop: Arc<AtomicBool>) -> Receiver<std::io::Result<crossterm::event::Event>> {
    let (sender, receiver) = unbounded();
    std::thread::spawn(move || {
        while !stop.load(Ordering::SeqCst) {
            let input = match crossterm::event::poll(INPUT_POLL) {
                Ok(false) => continue,
                Ok(true) => crossterm::event::read(),
                Err(error) => Err(error),
            };
            let ended = input.is_err();
            if sender.send(input).is_err() || ended {
                return;
            }
        }
    });
    receiver
}

/// Passes signals to the loop. One that asks to end and finds the loop stuck ends the process itself, terminal first.
fn watch_signals() -> anyhow::Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGCONT])?;
    let (sender, receiver) = bounded(8);
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let _ = sender.try_send(signal);
            if signal != SIGCONT {
                std::thread::sleep(GRACE);
                terminal::restore();
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    });
    Ok(receiver)
}
