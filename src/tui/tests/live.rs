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

/// Time from a key to a painted buffer at 200x50, the terminal left out:
/// `cargo test --release --lib frame_time -- --ignored --nocapture`.
#[test]
#[ignore = "prints a measurement"]
fn frame_time() {
    let mut bench = super::Bench::new(200, 50);
    let mut times = Vec::new();
    for _ in 0..40 {
        for key in "j ctrl-d k enter j j n a u n d q / esc ] j [".split(' ') {
            let start = std::time::Instant::now();
            bench.press(key);
            bench.buffer();
            times.push(start.elapsed());
        }
    }
    times.sort();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    println!(
        "{} keys: p50 {:?}, p99 {:?}, most {:?}",
        times.len(),
        at(50),
        at(99),
        at(100)
    );
}
