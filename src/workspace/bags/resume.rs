//! An interrupted run of bag systems (HRERE's, or those of mutual relations) on disk: which run it is, its ComplEx tables, the systems that are done, and the
//! checkpoint of the one that was running.

use crate::model::complex::saved::SavedTables;
use crate::model::files::{Precision, decode_tensors, encode_tensors, replace_dir};
use crate::train::checkpoint::{Checkpoint, CheckpointError, RunRecord};
use anyhow::{Context, Result, bail};
use candle_core::Tensor;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const RUN: &str = "run.json";
const RECORD: &str = "record.json";
const WEIGHTS: &str = "weights.safetensors";

/// A folder that one run owns.
pub struct BagWork {
    dir: PathBuf,
    fingerprint: u64,
}

impl BagWork {
    /// Whether `dir` holds an interrupted run.
    pub fn exists(dir: &Path) -> bool {
        dir.join(RUN).is_file()
    }

    /// A run of `fingerprint` (data and settings) in `dir`. Refuses an interrupted run unless `resume`, and then one of
    /// other data or settings.
    pub fn open(dir: &Path, fingerprint: u64, resume: bool) -> Result<Self> {
        let work = Self {
            dir: dir.to_owned(),
            fingerprint,
        };
        let own = format!("{fingerprint:016x}");
        match (Self::exists(dir), resume) {
            (true, false) => bail!(CheckpointError::Unfinished { dir: work.dir }),
            (false, true) => bail!(CheckpointError::Nothing { dir: work.dir }),
            (true, true) => {
                let path = dir.join(RUN);
                let found = fs::read_to_string(&path)
                    .with_context(|| format!("{}: cannot read", path.display()))?;
                if found.trim() != own {
                    bail!(CheckpointError::OtherRun { dir: work.dir });
                }
            }
            (false, false) => replace_dir(dir, RUN, &[(RUN, own.into_bytes())])?,
        }
        Ok(work)
    }

    /// The tables that this run learned, if it came so far.
    pub fn tables(&self) -> Result<Option<SavedTables>> {
        let dir = self.dir.join("kb");
        let there = dir.is_dir();
        Ok(there.then(|| SavedTables::load(&dir)).transpose()?)
    }

    pub fn keep_tables(&self, tables: &SavedTables) -> Result<()> {
        Ok(tables.save(&self.dir.join("kb"))?)
    }

    /// Where the running system keeps its checkpoint; continues one that is there.
    pub fn checkpoint(&self, system: &str) -> Result<Checkpoint, CheckpointError> {
        let dir = self.dir.join(system);
        if dir.is_dir() {
            Checkpoint::resume(&dir, self.fingerprint)
        } else {
            Checkpoint::begin(&dir, self.fingerprint)
        }
    }

    /// Weights and record of a system that is done.
    pub fn done(&self, system: &str) -> Result<Option<(BTreeMap<String, Tensor>, RunRecord)>> {
        let dir = self.done_dir(system);
        if !dir.is_dir() {
            return Ok(None);
        }
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read(&path).with_context(|| format!("{}: cannot read", path.display()))
        };
        let tensors = decode_tensors(&read(WEIGHTS)?, &dir.display().to_string())?;
        let record = serde_json::from_slice(&read(RECORD)?)
            .with_context(|| format!("{}: damaged", dir.join(RECORD).display()))?;
        Ok(Some((tensors, record)))
    }

    pub fn keep_done(
        &self,
        system: &str,
        tensors: &BTreeMap<String, Tensor>,
        record: &RunRecord,
    ) -> Result<()> {
        let files = [
            (RECORD, serde_json::to_vec(record)?),
            (WEIGHTS, encode_tensors(tensors, Precision::F32)?),
        ];
        Ok(replace_dir(&self.done_dir(system), RECORD, &files)?)
    }

    fn done_dir(&self, system: &str) -> PathBuf {
        self.dir.join(format!("{system}.done"))
    }

    /// The run is over; its result lives elsewhere.
    pub fn remove(dir: &Path) -> Result<()> {
        fs::remove_dir_all(dir).with_context(|| format!("{}: cannot remove", dir.display()))
    }
}
