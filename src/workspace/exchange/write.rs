//! Every correction of a workspace, one a line.

use super::Wire;
use crate::domain::{Record, RelationSchema, SharedChange, Split};
use crate::export::{Overwrite, write_atomically, write_json};
use crate::store::{Reader, edit_to_json};
use anyhow::Result;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// The format's name.
pub const CORRECTIONS: &str = "corrections";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CorrectionsReport {
    pub sentences: usize,
    pub corrections: usize,
}

/// By sentence, in each in the order in which they came. Held ones and undone ones are there too: the history is what is exchanged.
pub fn to_writer(
    reader: &Reader,
    split: Option<Split>,
    out: &mut dyn Write,
) -> io::Result<CorrectionsReport> {
    let schema = reader.schema().map_err(io::Error::other)?;
    let mut report = CorrectionsReport::default();
    for id in reader.recorded_sentences().map_err(io::Error::other)? {
        let sentence = reader.sentence(id).map_err(io::Error::other)?;
        if split.is_some_and(|s| s != sentence.split) {
            continue;
        }
        let records = reader.records(id).map_err(io::Error::other)?;
        for record in &records {
            let mut line = wire(record, &schema)?;
            line.id.clone_from(&sentence.native_id);
            write_json(&line, out)?;
            out.write_all(b"\n")?;
        }
        report.sentences += 1;
        report.corrections += records.len();
    }
    Ok(report)
}

/// As [`to_writer`], into a file that appears whole or not at all.
pub fn to_file(
    reader: &Reader,
    split: Option<Split>,
    path: &Path,
    force: bool,
) -> Result<CorrectionsReport> {
    crate::workspace::exporting::refuse_own_files(path)?;
    Ok(write_atomically(path, Overwrite::forced(force), |out| {
        to_writer(reader, split, out)
    })?)
}

fn wire(record: &Record, schema: &RelationSchema) -> io::Result<Wire> {
    let (edit, undoes) = match &record.change {
        SharedChange::Edit(edit) => (
            Some(serde_json::from_str(&edit_to_json(edit, schema))?),
            None,
        ),
        SharedChange::Undo(key) => (None, Some(key.to_string())),
    };
    Ok(Wire {
        correction: record.key.to_string(),
        sentence: record.sentence.to_string(),
        id: None,
        by: record.by.clone(),
        at_ms: record.at_ms,
        seen: record.seen.map(|run| run.to_string()),
        edit,
        undoes,
        settles: record.settles.iter().map(ToString::to_string).collect(),
        copy: record.copy,
    })
}
