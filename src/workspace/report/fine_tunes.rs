//! What accepted fine-tunings changed, kept in the workspace.

use crate::store::Reader;
use crate::workspace::messages::FineTuneReport;
use crate::workspace::{Workspace, now_ms};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

const SETTING: &str = "fine_tunes";

/// One accepted fine-tuning: the same dev sentences before and after.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FineTuned {
    pub at_ms: i64,
    pub protocol: String,
    pub corrected_sentences: usize,
    /// Triples that curators judged, and on how many of them the model agreed.
    pub judgements: usize,
    pub met_before: usize,
    pub met_after: usize,
    pub f1_before: f32,
    pub f1_after: f32,
}

/// Remembers a fine-tuning whose model became the workspace's.
pub fn record(workspace: &mut Workspace, report: &FineTuneReport) -> Result<()> {
    let mut known = read(workspace.read())?;
    known.push(FineTuned {
        at_ms: now_ms(),
        protocol: report.protocol.clone(),
        corrected_sentences: report.n_corrected,
        judgements: report.judgements.all,
        met_before: report.judgements.met_before,
        met_after: report.judgements.met_after,
        f1_before: report.before_f1,
        f1_after: report.after_f1,
    });
    let text = serde_json::to_string(&known)?;
    Ok(workspace.store.set_setting(SETTING, &text)?)
}

/// Oldest first.
pub(super) fn read(reader: &Reader) -> Result<Vec<FineTuned>> {
    let Some(text) = reader.setting(SETTING)? else {
        return Ok(Vec::new());
    };
    serde_json::from_str(&text).context("what is kept of fine-tunings is not readable")
}
