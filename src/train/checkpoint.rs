//! A training run on disk: weights, optimizer moments, best epoch and position, written as one directory.
//!
//! The directory carries a fingerprint of data and settings; a run of other data or settings refuses it rather than
//! continue something else.

use crate::model::files::{FilesError, Precision, decode_tensors, encode_tensors, replace_dir};
use candle_core::{Device, Tensor, Var};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const STATE: &str = "training.json";
const WEIGHTS: &str = "weights.safetensors";
const MOMENTS: &str = "moments.safetensors";
const BEST: &str = "best.safetensors";

#[derive(thiserror::Error, Debug)]
pub enum CheckpointError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    #[error(
        "{dir} is a checkpoint of other data or settings; start without --resume, or with the settings it was begun with"
    )]
    OtherRun { dir: PathBuf },
    #[error(
        "{dir} is an interrupted run; continue it with --resume, or remove that directory to start anew"
    )]
    Unfinished { dir: PathBuf },
    #[error("{dir} holds no checkpoint to resume")]
    Nothing { dir: PathBuf },
    #[error("{dir}: the checkpoint lacks `{name}`")]
    Lacks { dir: PathBuf, name: String },
    #[error("model: {0}")]
    Model(#[from] candle_core::Error),
}

/// Each epoch's mean loss and dev score, and which was selected.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RunRecord {
    pub epochs: Vec<(f32, Option<f64>)>,
    /// Counts from 1; 0 before the first epoch ended.
    pub best_epoch: u32,
    pub best_score: Option<f64>,
}

/// Position inside a run: epochs completed, batches done of the current epoch, optimizer steps.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Progressed {
    pub epoch: u32,
    pub batch: usize,
    pub step: u64,
    /// Sum of the batch losses of the current epoch.
    pub loss_sum: f64,
    pub record: RunRecord,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct StateFile {
    fingerprint: String,
    at: Progressed,
}

/// Where a run keeps its checkpoint, and which run it is.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    dir: PathBuf,
    fingerprint: String,
    resume: bool,
}

/// A checkpoint read back.
pub struct Found {
    pub at: Progressed,
    pub moments: BTreeMap<String, Tensor>,
    pub best: Option<BTreeMap<String, Tensor>>,
    weights: BTreeMap<String, Tensor>,
    dir: PathBuf,
}

impl Found {
    /// The stored value of a variable; fails when absent or of another shape.
    pub fn weight(&self, name: &str, var: &Var) -> Result<&Tensor, CheckpointError> {
        match self.weights.get(name) {
            Some(tensor) if tensor.shape() == var.shape() => Ok(tensor),
            _ => Err(CheckpointError::Lacks {
                dir: self.dir.clone(),
                name: name.to_owned(),
            }),
        }
    }
}

impl Checkpoint {
    /// A run that begins now. Refuses a directory that holds an interrupted run.
    pub fn begin(dir: &Path, fingerprint: u64) -> Result<Self, CheckpointError> {
        if dir.join(STATE).exists() {
            return Err(CheckpointError::Unfinished {
                dir: dir.to_owned(),
            });
        }
        Ok(Self {
            dir: dir.to_owned(),
            fingerprint: format!("{fingerprint:016x}"),
            resume: false,
        })
    }

    /// A run that continues what `dir` holds.
    pub fn resume(dir: &Path, fingerprint: u64) -> Result<Self, CheckpointError> {
        if !dir.join(STATE).exists() {
            return Err(CheckpointError::Nothing {
                dir: dir.to_owned(),
            });
        }
        Ok(Self {
            dir: dir.to_owned(),
            fingerprint: format!("{fingerprint:016x}"),
            resume: true,
        })
    }

    /// `None` for a run that begins now.
    pub fn load(&self, device: &Device) -> Result<Option<Found>, CheckpointError> {
        if !self.resume {
            return Ok(None);
        }
        let read = |name: &str| {
            let path = self.dir.join(name);
            fs::read(&path).map_err(|e| CheckpointError::Io(path, e))
        };
        let damaged = |e: serde_json::Error| FilesError::Damaged {
            file: self.dir.join(STATE).display().to_string(),
            reason: e.to_string(),
        };
        let state: StateFile = serde_json::from_slice(&read(STATE)?).map_err(damaged)?;
        if state.fingerprint != self.fingerprint {
            return Err(CheckpointError::OtherRun {
                dir: self.dir.clone(),
            });
        }
        let tensors = |name: &str| -> Result<BTreeMap<String, Tensor>, CheckpointError> {
            let file = self.dir.join(name).display().to_string();
            let decoded = decode_tensors(&read(name)?, &file)?;
            decoded
                .into_iter()
                .map(|(n, t)| Ok((n, t.to_device(device)?)))
                .collect()
        };
        let best = if state.at.record.best_epoch > 0 {
            Some(tensors(BEST)?)
        } else {
            None
        };
        Ok(Some(Found {
            at: state.at,
            moments: tensors(MOMENTS)?,
            best,
            weights: tensors(WEIGHTS)?,
            dir: self.dir.clone(),
        }))
    }

    pub fn save(
        &self,
        at: &Progressed,
        weights: &BTreeMap<String, Tensor>,
        moments: &BTreeMap<String, Tensor>,
        best: Option<&BTreeMap<String, Tensor>>,
    ) -> Result<(), CheckpointError> {
        let state = StateFile {
            fingerprint: self.fingerprint.clone(),
            at: at.clone(),
        };
        let json = serde_json::to_vec_pretty(&state).map_err(candle_core::Error::wrap)?;
        let mut files = vec![
            (STATE, json),
            (WEIGHTS, encode_tensors(weights, Precision::F32)?),
            (MOMENTS, encode_tensors(moments, Precision::F32)?),
        ];
        if let Some(best) = best {
            files.push((BEST, encode_tensors(best, Precision::F32)?));
        }
        Ok(replace_dir(&self.dir, STATE, &files)?)
    }

    /// The run is over; its result lives elsewhere.
    pub fn remove(&self) -> Result<(), CheckpointError> {
        match fs::remove_dir_all(&self.dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(CheckpointError::Io(self.dir.clone(), e))
            }
            _ => Ok(()),
        }
    }
}
