//! The terminal interface: what a curator sees and presses.
//!
//! It never touches the store, the index or a model. It sends [`Request`](crate::workspace::messages::Request)s,
//! receives [`Reply`](crate::workspace::messages::Reply)s, and is otherwise a pure machine: [`App::handle`] takes an
//! event and returns effects, [`App::layout`] fits the state to a size, [`App::draw`] paints a buffer and cannot
//! change anything. Only [`run()`] performs effects, and only `terminal` knows that there is a terminal.
//!
//! Where to read next: `action` is the table of everything a key can do; `app` routes events; `view` holds the
//! screens, `overlay` what opens on top of them, `widget` the parts they share; `clean` is the only way from corpus
//! text to a cell.

mod action;
mod ahead;
mod app;
mod clean;
mod effect;
mod event;
mod jump;
mod keymap;
mod overlay;
mod paint;
mod queries;
mod question;
mod replies;
mod run;
mod state;
mod terminal;
mod theme;
mod update;
mod view;
mod widget;

#[cfg(test)]
mod tests;

pub use action::{Action, keys_page};
pub use app::App;
pub use clean::clean;
pub use effect::Effect;
pub use event::Event;
pub use keymap::{Key, Keymap};
pub use paint::text_of;
pub use queries::{by_relation, false_negatives, false_positives};
pub use run::{Stopped, TuiOptions, run};
pub use theme::{Role, Theme};
