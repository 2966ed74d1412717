//! Progress of commands on standard error; silent where that is no terminal.

use crate::workspace::Cancel;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A bar of `total` units with rate and time left.
pub fn bar(total: u64, unit: &str) -> ProgressBar {
    let template =
        format!("{{msg}} {{bar:30}} {{pos}}/{{len}} {unit} · {{per_sec}} · {{eta}} left");
    let style =
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(total).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Runs `work` under a bar of its (done, total); it is told to stop once `cancel` is set.
pub fn watched<T>(
    unit: &str,
    cancel: &Cancel,
    work: impl FnOnce(&mut dyn FnMut(u64, u64) -> bool) -> T,
) -> T {
    let bar = bar(0, unit);
    let result = work(&mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
        !cancel.is_cancelled()
    });
    bar.finish_and_clear();
    result
}

/// A token that Ctrl-C and SIGTERM set: the first asks the work to stop cleanly, a second Ctrl-C ends the program.
pub fn cancel_on_signal() -> Cancel {
    let cancel = Cancel::new();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // Registered first, so it sees the flag as it was before this signal.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 130, cancel.flag());
        let _ = signal_hook::flag::register(signal, cancel.flag());
    }
    cancel
}
