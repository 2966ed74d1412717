//! What there is to say of a workspace without opening it for work.

use super::models::ModelChoice;
use crate::store::{Check, Reader};
use anyhow::{Result, bail};
use candle_core::Device;
use std::path::Path;

/// (name, value) rows: counts, model, knowledge base.
pub fn facts(dir: &Path) -> Result<Vec<(String, String)>> {
    let reader = Reader::open(dir)?;
    let (facts, entities) = reader.kb_counts()?;
    let run = reader.current_run()?;
    let predicted = match run {
        Some(run) => reader.predicted(run)?.len(),
        None => 0,
    };
    let row = |name: &str, value: String| (name.to_owned(), value);
    Ok(vec![
        row("sentences", reader.sentence_count()?.to_string()),
        row("relations", reader.schema()?.n_relations().to_string()),
        row("corrections", reader.correction_count()?.to_string()),
        row(
            "knowledge base",
            format!("{facts} facts, {entities} entities"),
        ),
        row(
            "model",
            reader
                .setting("model")?
                .filter(|m| !m.is_empty())
                .unwrap_or_else(|| "embedded".to_owned()),
        ),
        row("run", run.map_or("none".to_owned(), |r| r.to_string())),
        row("predicted", predicted.to_string()),
    ])
}

/// Reads the whole database file.
pub fn check(dir: &Path) -> Result<String> {
    match Reader::open(dir)?.check()? {
        Check::Sound => Ok(format!("{} is sound", dir.display())),
        Check::Damaged(findings) => bail!("{} is damaged: {}", dir.display(), findings.join("; ")),
    }
}

/// Loads the embedded model.
pub fn embedded_model() -> Result<String> {
    let model = ModelChoice::Embedded.load(&Device::Cpu)?;
    Ok(format!(
        "{}, {} relations, run {}",
        model.config.systems(),
        model.config.labels.len(),
        model.run
    ))
}
