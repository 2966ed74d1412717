//! The real loop in a real terminal, for trying by hand or in tmux:
//! `cargo test --lib tui::tests::live -- --ignored --nocapture`.

use super::fixture::Engine;
use crate::tui::{TuiOptions, run};

#[test]
#[ignore = "needs a terminal and a person"]
fn live() {
    let (requests, inbox) = crossbeam_channel::unbounded();
    let (outbox, replies) = crossbeam_channel::unbounded();
    let mut engine = Engine::new(56_195);
    outbox.send(engine.opened()).unwrap();
    std::thread::spawn(move || {
        for request in inbox {
            for reply in engine.answer(&request) {
                if outbox.send(reply).is_err() {
                    return;
                }
            }
        }
    });
    let options = TuiOptions {
        theme: std::env::var("REDRESS_THEME").unwrap_or("default".into()),
        mouse: std::env::var_os("REDRESS_MOUSE").is_some(),
        ..TuiOptions::default()
    };
    if let Err(error) = run(options, requests, replies) {
        println!("{error:#}");
    }
}
