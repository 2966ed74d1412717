//! The runs whose predictions a workspace keeps. What changed from one to another: `compare`.

use super::Workspace;
use crate::domain::RunId;
use crate::store::Reader;
use anyhow::{Context, Result, bail};
use serde::Serialize;

/// Runs whose predictions are kept: the current one and those that were current last. Those of older runs are dropped when a new run
/// becomes current; its model can predict them again.
pub const KEPT: usize = 3;
const RECENT: &str = "recent runs";

/// A run on record.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RunRow {
    pub run: String,
    pub current: bool,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub systems: String,
    /// Sentences with a prediction that is kept, and its bytes.
    pub predicted: u64,
    pub bytes: u64,
}

/// Every run on record, the latest first.
pub fn runs(reader: &Reader) -> Result<Vec<RunRow>> {
    let current = reader.current_run()?;
    let mut rows = Vec::new();
    for run in reader.runs()?.into_iter().rev() {
        let (predicted, bytes) = reader.kept_of_run(run.id)?;
        let card: serde_json::Value = serde_json::from_str(&run.model).unwrap_or_default();
        rows.push(RunRow {
            run: run.id.to_string(),
            current: current == Some(run.id),
            at_ms: run.at_ms,
            systems: card["systems"].as_str().unwrap_or("unknown").to_owned(),
            predicted,
            bytes,
        });
    }
    Ok(rows)
}

/// The run whose name begins so, if one does and no other.
pub fn run_named(reader: &Reader, name: &str) -> Result<RunId> {
    let known = reader.runs()?.into_iter().map(|r| r.id);
    let mut fitting = known.filter(|id| id.to_string().starts_with(name));
    match (fitting.next(), fitting.next()) {
        (Some(run), None) => Ok(run),
        (None, _) => bail!("no run begins with `{name}`; `redress compare --runs` lists them"),
        (Some(_), Some(_)) => bail!("several runs begin with `{name}`; give more of the name"),
    }
}

/// The latest other run than the current one with predictions.
pub fn previous_run(reader: &Reader) -> Result<Option<RunId>> {
    let current = reader.current_run()?;
    let recent = recent(reader)?.into_iter();
    let recorded = reader.runs()?.into_iter().rev().map(|r| r.id);
    for run in recent.chain(recorded).filter(|r| Some(*r) != current) {
        if reader.kept_of_run(run)?.0 > 0 {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// Runs that were current, the latest first.
fn recent(reader: &Reader) -> Result<Vec<RunId>> {
    let text = reader.setting(RECENT)?.unwrap_or_default();
    let ids = text
        .split(' ')
        .filter_map(|id| u64::from_str_radix(id, 16).ok());
    Ok(ids.map(RunId).collect())
}

impl Workspace {
    /// Notes that `run` is current from now on, and drops the predictions of runs beyond [`KEPT`].
    pub(super) fn note_current(&mut self, run: RunId) -> Result<()> {
        let mut order = recent(self.read())?;
        // What an older version of the program left is in no list.
        if let Some(before) = self.read().current_run()?
            && !order.contains(&before)
        {
            order.insert(0, before);
        }
        order.retain(|r| *r != run);
        order.insert(0, run);
        order.truncate(KEPT);
        let names: Vec<String> = order.iter().map(|r| format!("{:x}", r.0)).collect();
        self.store.set_setting(RECENT, &names.join(" "))?;
        for old in self.read().runs()? {
            if !order.contains(&old.id) && self.read().kept_of_run(old.id)?.0 > 0 {
                self.store.drop_predictions(old.id)?;
            }
        }
        Ok(())
    }

    /// Drops a run's predictions; those of the current run stay.
    pub fn drop_run(&mut self, run: RunId) -> Result<u64> {
        if self.read().current_run()? == Some(run) {
            bail!("{run} is the current run; make another model current first");
        }
        let (n, _) = self.read().kept_of_run(run)?;
        self.store.drop_predictions(run)?;
        self.store.flush()?;
        Ok(n)
    }
}

/// The runs to compare in a workspace: those named, else the previous one and the current one.
pub fn chosen(
    reader: &Reader,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<(RunId, RunId)> {
    let after = match after {
        Some(name) => run_named(reader, name)?,
        None => reader
            .current_run()?
            .context("nothing is predicted here yet; run `redress predict`")?,
    };
    let before = match before {
        Some(name) => run_named(reader, name)?,
        None => previous_run(reader)?.context(
            "only one run has predictions here; predict with another model, or fine-tune, then compare",
        )?,
    };
    if reader.current_run()? == Some(after) && reader.kept_of_run(after)?.0 == 0 {
        bail!(
            "the current model has predicted nothing here yet; `redress predict` does, or P on the screen"
        );
    }
    if before == after {
        bail!("both are run {after}; name another with --before");
    }
    for run in [before, after] {
        if reader.kept_of_run(run)?.0 == 0 {
            bail!(
                "the predictions of run {run} are not kept any more; predict with its model again"
            );
        }
    }
    Ok((before, after))
}
