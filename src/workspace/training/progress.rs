//! Training events for a progress display.

use super::TrainEvent;
use crate::train::fit::FitEvent;

/// An event for a progress display.
pub enum TrainProgress {
    Line(String),
    Step { step: u64, total: u64, text: String },
}

pub fn in_words(event: &TrainEvent) -> TrainProgress {
    match event {
        TrainEvent::Said(text) => TrainProgress::Line(text.clone()),
        TrainEvent::Fit(FitEvent::Resumed { epoch, step }) => {
            TrainProgress::Line(format!("resumed after epoch {epoch}, step {step}"))
        }
        TrainEvent::Fit(FitEvent::Step {
            epoch,
            step,
            total,
            loss,
            items_per_second,
            ..
        }) => TrainProgress::Step {
            step: *step,
            total: *total,
            text: format!("epoch {epoch} · loss {loss:.3} · {items_per_second:.1} sentences/s"),
        },
        TrainEvent::Fit(FitEvent::Epoch {
            epoch,
            loss,
            score,
            best,
            seconds,
        }) => {
            let score = score.map_or(String::new(), |s| format!(", dev F1 {s:.4}"));
            let best = if *best { " (best so far)" } else { "" };
            TrainProgress::Line(format!(
                "epoch {epoch}: loss {loss:.4}{score}{best}, {seconds:.0} s"
            ))
        }
        TrainEvent::Fit(FitEvent::Saved { step }) => {
            TrainProgress::Line(format!("checkpoint at step {step}"))
        }
    }
}
