//! A copy of a model: stored at another precision, or with the thresholds that a curator chose for single relations.
//!
//! The model itself is never written. Thresholds are part of config.json, so the copy is another run, whose predictions are made anew;
//! where they come from stands in its card.

use super::models::{ModelChoice, Models};
use super::rules::chosen_thresholds;
use super::training::place_is_free;
use crate::domain::RunId;
use crate::model::files::{CARD, CONFIG, Precision, decode_tensors, encode_tensors, replace_dir};
use crate::model::sentence::ModelConfig;
use crate::model::{bags, files, mutual};
use crate::store::Reader;
use anyhow::{Context, Result, anyhow, bail};
use candle_core::Device;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
/// Of a card: whose thresholds of single relations the model has.
pub(super) const THRESHOLDS: &str = "thresholds";

/// What the copy has that the model has not.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// f32, f16 or int8; `None`: weights stay as they are stored.
    pub precision: Option<String>,
    /// The workspace whose thresholds it takes.
    pub thresholds: Option<PathBuf>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Converted {
    pub bytes: u64,
    /// Taken from the workspace, by relation.
    pub thresholds: BTreeMap<String, f32>,
}

/// Writes `choice` with `changes` at `out`. What is stored coarser has lost its finer digits: from int8 back to f32 changes nothing
/// but the size.
pub fn convert(choice: &ModelChoice, out: &Path, changes: &Changes) -> Result<Converted> {
    let precision = changes.precision.as_deref().map(precision_named);
    let precision = precision.transpose()?;
    place_is_free(out, CONFIG)?;
    if let (ModelChoice::Dir(dir), Ok(out)) = (choice, std::fs::canonicalize(out))
        && std::fs::canonicalize(dir).is_ok_and(|dir| dir == out)
    {
        bail!(
            "{}: this is the model itself; choose another place for the copy",
            out.display()
        );
    }
    // Fails where the model is none.
    let loaded = choice.read()?;
    let chosen = match &changes.thresholds {
        Some(dir) => Some(Chosen::read(dir, choice)?),
        None => None,
    };
    let mut written = choice.source().read_those(&ALL)?;
    if !written.iter().any(|(name, _)| *name == CARD) {
        written.push((CARD, b"{}".to_vec()));
    }
    for (name, bytes) in &mut written {
        let changed = match (*name, precision, &chosen) {
            (CONFIG, _, Some(chosen)) => chosen.config(loaded.config.clone())?,
            (CARD, ..) => card(bytes, precision, chosen.as_ref())?,
            (_, Some(precision), _) if WEIGHTS.contains(name) => {
                encode_tensors(&decode_tensors(bytes, name)?, precision)?
            }
            _ => continue,
        };
        *bytes = changed;
    }
    replace_dir(out, CONFIG, &written)?;
    Ok(Converted {
        bytes: written.iter().map(|(_, b)| b.len() as u64).sum(),
        thresholds: chosen.map(|c| c.thresholds).unwrap_or_default(),
    })
}

fn card(bytes: &[u8], precision: Option<Precision>, chosen: Option<&Chosen>) -> Result<Vec<u8>> {
    let mut card: Value = serde_json::from_slice(bytes).context(CARD)?;
    if !card.is_object() {
        bail!("{CARD}: expected a JSON object");
    }
    if let Some(precision) = precision {
        card["stored_as"] = serde_json::to_value(precision)?;
    }
    if let Some(chosen) = chosen {
        chosen.name_in(&mut card)?;
    }
    Ok(serde_json::to_vec_pretty(&card)?)
}

/// Thresholds that a curator chose in a workspace under one model.
struct Chosen {
    thresholds: BTreeMap<String, f32>,
    /// Name of the workspace's directory.
    workspace: String,
    run: RunId,
    /// Sentences there that the run has predicted: what the thresholds were chosen on.
    sentences: u64,
}

impl Chosen {
    fn read(dir: &Path, choice: &ModelChoice) -> Result<Self> {
        let reader = Reader::open(dir)?;
        let Models { sentence, .. } = choice.load_all(&Device::Cpu)?;
        let run = sentence.run;
        let mut thresholds = chosen_thresholds(&reader, run)?;
        // Of what the sentence-level heads do not score no threshold decides.
        thresholds.retain(|name, _| sentence.config.labels.contains(name));
        if thresholds.is_empty() {
            let current = match reader.current_run()? {
                Some(current) if current != run => {
                    format!("; its current predictions are of run {current}")
                }
                _ => String::new(),
            };
            bail!(
                "{}: no relation has a threshold of its own there under {} (run {run}){current}. Keep one on the page of thresholds (g e, tab, w), or name the model that they were kept under with --model",
                dir.display(),
                choice.source().describe()
            );
        }
        let place = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        let name = place.file_name().unwrap_or_default();
        Ok(Self {
            thresholds,
            workspace: name.to_string_lossy().into_owned(),
            run,
            sentences: reader.predicted(run)?.len() as u64,
        })
    }

    /// The model's own thresholds stay where the curator chose none.
    fn config(&self, mut config: ModelConfig) -> Result<Vec<u8>> {
        config.rules.thresholds.extend(self.thresholds.clone());
        Ok(config.to_json()?)
    }

    /// Names each threshold with its origin; those that the model had keep theirs.
    fn name_in(&self, card: &mut Value) -> Result<()> {
        let known = card[THRESHOLDS].as_array().cloned().unwrap_or_default();
        let is_replaced = |entry: &Value| {
            let name = entry["relation"].as_str();
            name.is_some_and(|name| self.thresholds.contains_key(name))
        };
        let mut entries: Vec<Value> = known.into_iter().filter(|e| !is_replaced(e)).collect();
        for (relation, threshold) in &self.thresholds {
            // Not widened bit by bit: .4 is to read as .4.
            let threshold: f64 = threshold.to_string().parse()?;
            entries.push(json!({
                "relation": relation,
                "threshold": threshold,
                "chosen_by": "a curator",
                "workspace": self.workspace,
                "run": self.run.to_string(),
                "sentences": self.sentences,
            }));
        }
        card[THRESHOLDS] = entries.into();
        Ok(())
    }
}

/// f32, f16 or int8.
pub fn precision_named(name: &str) -> Result<Precision> {
    Precision::from_str(name, true)
        .map_err(|_| anyhow!("unknown precision `{name}`; there are f32, f16 and int8"))
}
