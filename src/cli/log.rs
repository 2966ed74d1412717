//! The log: a file, never the screen. `REDRESS_LOG=debug` says more.

use crate::config::Paths;
use std::fs::{File, OpenOptions};
use tracing_subscriber::EnvFilter;

/// A log larger than this starts anew.
const MOST_BYTES: u64 = 8 << 20;

/// Starts logging if the log file can be written; a program without a log still works.
pub fn start() -> Option<()> {
    let path = Paths::of_user()?.log_file();
    std::fs::create_dir_all(path.parent()?).ok()?;
    if path.metadata().is_ok_and(|m| m.len() > MOST_BYTES) {
        File::create(&path).ok()?;
    }
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .ok()?;
    let filter = EnvFilter::try_from_env("REDRESS_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,tantivy=warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(file);
    subscriber.try_init().ok()
}
