//! Which model a workspace uses: the one it was given, the one it chose, or the embedded one.

use super::bags::BagScorer;
use super::knowledge::Knowledge;
use super::mutual::MutualScorer;
use crate::domain::{Prediction, RelationSchema, RunId, Sentence};
use crate::model::files::Source;
use crate::model::sentence::{Loaded, SentenceModel};
#[cfg(not(feature = "embedded-model"))]
use anyhow::bail;
use anyhow::{Context, Result};
pub use candle_core::Device;
use std::path::{Path, PathBuf};

#[cfg(feature = "embedded-model")]
mod embedded {
    /// The files of sample_data/model, inside the binary.
    pub static FILES: &[(&str, &[u8])] = &[
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
            "bags.json",
            include_bytes!("../../sample_data/model/bags.json"),
        ),
        (
            "bags.safetensors",
            include_bytes!("../../sample_data/model/bags.safetensors"),
        ),
        (
            "mutual.json",
            include_bytes!("../../sample_data/model/mutual.json"),
        ),
        (
            "mutual.safetensors",
            include_bytes!("../../sample_data/model/mutual.safetensors"),
        ),
        (
            "graph.safetensors",
            include_bytes!("../../sample_data/model/graph.safetensors"),
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
            Self::Dir(dir) => Loaded::read(Source::Dir(dir)).with_context(|| self.cannot()),
            #[cfg(feature = "embedded-model")]
            Self::Embedded => Ok(Loaded::read(Source::Bytes(embedded::FILES))?),
            #[cfg(not(feature = "embedded-model"))]
            Self::Embedded => bail!(
                "this redress was built without the embedded model; name one with --model DIR"
            ),
        }
    }

    pub(super) fn cannot(&self) -> String {
        match self {
            Self::Dir(dir) => format!(
                "cannot use the model {}; make one with `redress train --out DIR`, or leave --model away",
                dir.display()
            ),
            Self::Embedded => "cannot use the embedded model".to_owned(),
        }
    }

    fn built(&self, loaded: &Loaded, device: &Device) -> Result<SentenceModel> {
        SentenceModel::from_loaded(loaded, device).with_context(|| self.cannot())
    }

    pub fn source(&self) -> Source<'_> {
        match self {
            Self::Dir(dir) => Source::Dir(dir),
            #[cfg(feature = "embedded-model")]
            Self::Embedded => Source::Bytes(embedded::FILES),
            #[cfg(not(feature = "embedded-model"))]
            Self::Embedded => Source::Bytes(&[]),
        }
    }

    /// The sentence-level model alone.
    pub fn load(&self, device: &Device) -> Result<SentenceModel> {
        self.built(&self.read()?, device)
    }

    /// Everything in the model directory.
    pub fn load_all(&self, device: &Device) -> Result<Models> {
        let loaded = self.read()?;
        let mut sentence = self.built(&loaded, device)?;
        let sentence_run = sentence.run;
        let bags = BagScorer::load(self.source(), &sentence).with_context(|| self.cannot())?;
        if let Some(bags) = &bags {
            // Predictions carry the bags' cells too: another bank is another run.
            sentence.run = bags.bank.run(sentence.run);
        }
        let mutual = MutualScorer::load(self.source(), &sentence).with_context(|| self.cannot())?;
        if let Some(mutual) = &mutual {
            sentence.run = mutual.bank.run(sentence.run);
        }
        let card = String::from_utf8_lossy(&loaded.card).into_owned();
        Ok(Models {
            sentence,
            sentence_run,
            bags,
            mutual,
            card,
        })
    }
}

/// A model directory at work: the sentence-level heads and, where it has them, the bag systems.
pub struct Models {
    /// Its run is that of everything together.
    pub sentence: SentenceModel,
    /// The run of the sentence-level heads alone, as the filter names it.
    pub sentence_run: RunId,
    pub bags: Option<BagScorer>,
    pub mutual: Option<MutualScorer>,
    /// card.json
    pub card: String,
}

impl Models {
    /// "RIN emnlp K=2 + kernel + HRERE"
    pub fn systems(&self) -> String {
        let bags = if self.bags.is_some() { " + HRERE" } else { "" };
        let mutual = if self.mutual.is_some() { " + MR" } else { "" };
        format!("{}{bags}{mutual}", self.sentence.config.systems())
    }

    /// Predictions of some sentences, in order, with every cell that this model and the knowledge base can fill.
    pub fn predict(
        &self,
        sentences: &[&Sentence],
        schema: &RelationSchema,
        knowledge: Option<&Knowledge>,
    ) -> Result<Vec<Prediction>> {
        let map = self.sentence.config.label_map(schema);
        let mut predictions = self.sentence.predict(sentences, &map)?;
        self.fill(sentences, schema, knowledge, &mut predictions)?;
        Ok(predictions)
    }

    /// Adds the cells of the bag systems to predictions of the sentence-level heads.
    pub fn fill(
        &self,
        sentences: &[&Sentence],
        schema: &RelationSchema,
        knowledge: Option<&Knowledge>,
        predictions: &mut [Prediction],
    ) -> Result<()> {
        if let (Some(bags), Some(knowledge)) = (&self.bags, knowledge) {
            let name = |r: crate::domain::RelationId| {
                schema.relations().get(r.index()).map(|r| r.name.as_str())
            };
            bags.score(Some(knowledge), sentences, predictions, name)?;
        }
        if let Some(mutual) = &self.mutual {
            mutual.score(knowledge, schema, sentences, predictions)?;
        }
        Ok(())
    }
}

/// The model that the workspace in `dir` uses, if it has one of its own.
pub fn setting(dir: &Path) -> Result<Option<String>> {
    Ok(crate::store::Reader::open(dir)?.setting("model")?)
}

/// auto, cpu or cuda:N → a device, and a line of explanation where auto could not take a GPU.
pub fn device(name: &str) -> Result<(Device, Option<String>)> {
    crate::model::device::select(name).map_err(|e| anyhow::anyhow!(e))
}

/// The device that auto takes here, and why.
pub fn describe_device() -> String {
    crate::model::device::describe()
}
