//! Prediction as a filter: one sentence a line in, one prediction a line out, in order. What an engine runs on many machines.

use super::models::ModelChoice;
use crate::corpus::parse_line;
use crate::domain::{DecisionRule, Prediction, RelationSchema, Sentence};
pub use crate::export::escape_controls;
use crate::export::write_json;
use crate::model::sentence::SentenceModel;
use anyhow::Result;
use candle_core::Device;
use serde_json::{Value, json};
use std::io::{BufRead, Read, Write};
use std::sync::Arc;

/// Lines predicted together.
const BATCH: usize = 64;
/// A longer line is an error of its own; the lines after it are read.
const MAX_LINE: u64 = 8 << 20;

/// Lines read and lines that were answered with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    pub lines: u64,
    pub errors: u64,
}

/// Reads `{"text": ..}` (or `{"tokens": [..]}`) lines. Every input line gets exactly one output line, in order; a line that
/// cannot be read gets `{"line": n, "error": ..}`.
pub fn filter(
    choice: &ModelChoice,
    device: &Device,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<Filtered> {
    let model = choice.load(device)?;
    let mut schema = RelationSchema::from_names(model.config.labels.iter().map(String::as_str));
    for kind in &model.config.entity_types {
        schema.intern_type(kind)?;
    }
    let map = model.config.label_map(&schema);
    let name: Arc<str> = "standard input".into();
    let mut done = Filtered::default();
    loop {
        let mut batch: Vec<Result<Sentence, String>> = Vec::with_capacity(BATCH);
        while batch.len() < BATCH {
            let Some(line) = next_line(input)? else { break };
            let n = done.lines + batch.len() as u64 + 1;
            batch.push(line.and_then(|bytes| {
                let n = u32::try_from(n).unwrap_or(u32::MAX);
                parse_line(&bytes, &name, n)
                    .map_err(|p| format!("expected {}, found {}", p.expected, p.found))
            }));
        }
        if batch.is_empty() {
            return Ok(done);
        }
        let sentences: Vec<&Sentence> = batch.iter().filter_map(|s| s.as_ref().ok()).collect();
        let mut predictions = model.predict(&sentences, &map)?.into_iter();
        for item in &batch {
            done.lines += 1;
            let record = match item {
                Ok(sentence) => match predictions.next() {
                    Some(p) => record(done.lines, sentence, &p, &schema, &model),
                    None => json!({"line": done.lines, "error": "no prediction"}),
                },
                Err(error) => {
                    done.errors += 1;
                    json!({"line": done.lines, "error": error})
                }
            };
            write_json(&record, out)?;
            writeln!(out)?;
        }
        // Whoever waits at the other end of the pipe gets whole batches.
        out.flush()?;
    }
}

/// `None` at the end of input; an error text for a line beyond the limit, of which the rest is skipped.
fn next_line(input: &mut dyn BufRead) -> std::io::Result<Option<Result<Vec<u8>, String>>> {
    let mut line = Vec::new();
    if input.take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let whole = line.last() == Some(&b'\n');
    if !whole && line.len() as u64 == MAX_LINE {
        loop {
            let buffer = input.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            let end = buffer.iter().position(|b| *b == b'\n');
            let n = end.map_or(buffer.len(), |i| i + 1);
            input.consume(n);
            if end.is_some() {
                break;
            }
        }
        return Ok(Some(Err(format!(
            "expected a line of at most {MAX_LINE} bytes, found a longer one"
        ))));
    }
    while line.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(Ok(line)))
}

fn record(
    line: u64,
    sentence: &Sentence,
    prediction: &Prediction,
    schema: &RelationSchema,
    model: &SentenceModel,
) -> Value {
    let rule: DecisionRule = model.rule();
    let span = |s: crate::domain::TokenSpan| json!({"start": s.start(), "end": s.end(), "text": sentence.surface(s)});
    let relations: Vec<Value> = prediction
        .accepted(&rule)
        .into_iter()
        .map(|t| {
            json!({
                "head": span(t.triple.head), "type": schema.name(t.triple.relation), "tail": span(t.triple.tail),
                "score": rule.score(&t.scores), "rin": t.scores.rin, "kernel": t.scores.kernel,
            })
        })
        .collect();
    let entities: Vec<Value> = prediction
        .entities
        .iter()
        .filter(|e| e.score >= rule.entity)
        .map(|e| {
            let kind = e.kind.map(|k| schema.type_name(k));
            json!({"start": e.span.start(), "end": e.span.end(), "type": kind, "text": sentence.surface(e.span), "score": e.score})
        })
        .collect();
    json!({
        "line": line, "id": sentence.native_id, "text": sentence.text,
        "tokens": sentence.words().collect::<Vec<_>>(), "covered": prediction.covered,
        "entities": entities, "relations": relations, "model": model.run.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    #[test]
    fn lines_come_whole_and_a_monstrous_one_is_one_error() {
        let mut text = b"one\r\n\ntwo\n".to_vec();
        text.extend(vec![b'x'; MAX_LINE as usize + 5]);
        text.extend(b"\nlast");
        let mut input = BufReader::new(&text[..]);
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input).unwrap() {
            lines.push(line.map(|l| String::from_utf8(l).unwrap()).map_err(|_| ()));
        }
        let ok = |s: &str| Ok(s.to_owned());
        assert_eq!(lines, [ok("one"), ok(""), ok("two"), Err(()), ok("last")]);
    }
}
