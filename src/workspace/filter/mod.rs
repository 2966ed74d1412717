//! Prediction as a filter: one sentence a line in, one prediction a line out, in order. What an engine runs on many machines;
//! [`import_predictions`] brings the outputs back into a workspace.

mod import;
mod lines;
mod record;

use super::models::ModelChoice;
use crate::corpus::{InputLine, parse_line};
use crate::domain::RelationSchema;
pub use crate::export::{escape_controls, write_json};
use anyhow::Result;
use candle_core::Device;
pub use import::{PredictionsReport, import_predictions};
pub(super) use lines::next_line;
use record::{Failed, Record};
use std::io::{BufRead, Write};
use std::sync::Arc;

/// Lines predicted together.
const BATCH: usize = 64;

/// Lines read and lines that were answered with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    pub lines: u64,
    pub errors: u64,
}

/// Reads `{"text": ..}`, `{"tokens": [..]}` or the program's own export lines. Every input line gets exactly one output line,
/// in order; a line that cannot be read gets `{"line": n, "error": ..}`. With `kept` a line holds every triple that a
/// workspace would keep, not only those that the model's rule accepts.
pub fn filter(
    choice: &ModelChoice,
    device: &Device,
    kept: bool,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<Filtered> {
    let model = choice.load(device)?;
    let mut schema = RelationSchema::from_names(model.config.labels.iter().map(String::as_str));
    for kind in &model.config.entity_types {
        schema.intern_type(kind)?;
    }
    // Export lines may name more relations; they come after the model's, so the map holds.
    let map = model.config.label_map(&schema);
    let rule = model.rule(&schema);
    let name: Arc<str> = "standard input".into();
    let mut done = Filtered::default();
    loop {
        let mut batch: Vec<Result<InputLine, String>> = Vec::with_capacity(BATCH);
        while batch.len() < BATCH {
            let Some(line) = next_line(input)? else { break };
            let n = done.lines + batch.len() as u64 + 1;
            batch.push(line.and_then(|bytes| {
                let n = u32::try_from(n).unwrap_or(u32::MAX);
                parse_line(&bytes, &mut schema, &name, n)
                    .map_err(|p| format!("expected {}, found {}", p.expected, p.found))
            }));
        }
        if batch.is_empty() {
            return Ok(done);
        }
        let read = batch.iter().filter_map(|s| s.as_ref().ok());
        let sentences: Vec<_> = read.map(|line| &line.sentence).collect();
        let mut predictions = model.predict(&sentences, &map)?.into_iter();
        for item in &batch {
            done.lines += 1;
            let answer = match item {
                Ok(line) => predictions.next().ok_or("no prediction").map(|p| (line, p)),
                Err(error) => Err(error.as_str()),
            };
            match answer {
                Ok((line, p)) => {
                    let record = Record::new(done.lines, line, &p, &schema, &rule, kept);
                    write_json(&record, out)?;
                }
                Err(error) => {
                    done.errors += 1;
                    write_json(&Failed::new(done.lines, error), out)?;
                }
            }
            writeln!(out)?;
        }
        // Whoever waits at the other end of the pipe gets whole batches.
        out.flush()?;
    }
}
