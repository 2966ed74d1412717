//! Which model a workspace uses: the one it was given, the one it chose, or the embedded one.

use crate::model::files::Source;
use crate::model::sentence::{Loaded, SentenceModel};
#[cfg(not(feature = "embedded-model"))]
use anyhow::bail;
use anyhow::{Context, Result};
use candle_core::Device;
use std::path::{Path, PathBuf};

#[cfg(feature = "embedded-model")]
mod embedded {
    /// The files of sample_data/model, inside the binary.
    pub const FILES: &[(&str, &[u8])] = &[
        (
            "config.json",
            include_bytes!("../../sample_data/model/config.json"),
        ),
        (
            "card.json",
            include_bytes!("../../sample_data/model/card.json"),
        ),
        (
            "tokenizer.json",
            include_bytes!("../../sample_data/model/tokenizer.json"),
        ),
        (
            "model.safetensors",
            include_bytes!("../../sample_data/model/model.safetensors"),
        ),
    ];
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelChoice {
    Dir(PathBuf),
    Embedded,
}

impl ModelChoice {
    /// `given` wins over `setting` (the workspace's own choice) wins over the embedded model.
    pub fn resolve(given: Option<&Path>, setting: Option<&str>) -> Self {
        match (given, setting) {
            (Some(dir), _) => Self::Dir(dir.to_owned()),
            (None, Some(dir)) if !dir.is_empty() => Self::Dir(PathBuf::from(dir)),
            _ => Self::Embedded,
        }
    }

    pub fn read(&self) -> Result<Loaded> {
        match self {
            Self::Dir(dir) => Loaded::read(Source::Dir(dir)).with_context(|| {
                format!("cannot use the model {}; make one with `redress train --out DIR`, or leave --model away", dir.display())
            }),
            #[cfg(feature = "embedded-model")]
            Self::Embedded => Ok(Loaded::read(Source::Bytes(embedded::FILES))?),
            #[cfg(not(feature = "embedded-model"))]
            Self::Embedded => bail!("this redress was built without the embedded model; name one with --model DIR"),
        }
    }

    pub fn load(&self, device: &Device) -> Result<SentenceModel> {
        Ok(SentenceModel::from_loaded(&self.read()?, device)?)
    }
}

/// auto, cpu or cuda:N → a device, and a line of explanation where auto could not take a GPU.
pub fn device(name: &str) -> Result<(Device, Option<String>)> {
    crate::model::device::select(name).map_err(|e| anyhow::anyhow!(e))
}
