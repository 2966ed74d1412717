//! A model stored at another precision.

use super::models::ModelChoice;
use super::training::place_is_free;
use crate::model::files::{CARD, CONFIG, Precision, decode_tensors, encode_tensors, replace_dir};
use crate::model::{bags, files, mutual};
use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;
use std::path::Path;

const ALL: [&str; 9] = [
    CONFIG,
    CARD,
    files::TOKENIZER,
    files::WEIGHTS,
    bags::CONFIG,
    bags::WEIGHTS,
    mutual::bank::FILES[0],
    mutual::bank::FILES[1],
    mutual::bank::FILES[2],
];
/// Files whose tensors change.
const WEIGHTS: [&str; 3] = [files::WEIGHTS, bags::WEIGHTS, mutual::bank::WEIGHTS];

/// Writes `choice` at `out` with its weights stored at `precision`; returns the bytes written. What is stored coarser has lost its finer digits:
/// from int8 back to f32 changes nothing but the size.
pub fn convert(choice: &ModelChoice, out: &Path, precision: &str) -> Result<u64> {
    let precision = precision_named(precision)?;
    place_is_free(out, CONFIG)?;
    // Fails where the model is none.
    choice.read()?;
    let mut written = Vec::new();
    for (name, bytes) in choice.source().read_those(&ALL)? {
        let bytes = if WEIGHTS.contains(&name) {
            encode_tensors(&decode_tensors(&bytes, name)?, precision)?
        } else if name == CARD {
            let mut card: serde_json::Value =
                serde_json::from_slice(&bytes).with_context(|| name.to_owned())?;
            card["stored_as"] = serde_json::to_value(precision)?;
            serde_json::to_vec_pretty(&card)?
        } else {
            bytes
        };
        written.push((name, bytes));
    }
    replace_dir(out, CONFIG, &written)?;
    Ok(written.iter().map(|(_, b)| b.len() as u64).sum())
}

/// f32, f16 or int8.
pub fn precision_named(name: &str) -> Result<Precision> {
    Precision::from_str(name, true)
        .map_err(|_| anyhow!("unknown precision `{name}`; there are f32, f16 and int8"))
}
