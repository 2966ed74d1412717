//! The mutual-relation systems as `redress train` adds them to a model.

use super::training::{MutualTraining, train_systems};
use crate::kb::read_types;
use crate::model::bags;
use crate::model::files::{CONFIG, replace_dir};
use crate::model::sentence::{SentenceModel, model_files};
use crate::store::Reader;
use crate::workspace::bags::resume::BagWork;
use crate::workspace::bags::training::Keep;
use crate::workspace::models::ModelChoice;
use crate::workspace::training::{Around, TrainEvent, TrainOptions};
use anyhow::Result;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Files that only these systems read.
#[derive(Clone, Debug, Default)]
pub struct MutualInputs {
    /// Vectors of `redress graph build`.
    pub graph: Option<PathBuf>,
    /// `name<TAB>TYPE` lines.
    pub types: Option<PathBuf>,
}

/// Trains on word vectors of `base` and writes both together at `options.out`, with the bag systems that `base` has; `None`
/// when stopped. Returns the card.
pub fn add_mutual(
    reader: &Reader,
    workspace: &Path,
    base: &ModelChoice,
    options: &TrainOptions,
    inputs: &MutualInputs,
    keep: Keep,
    around: &mut Around,
) -> Result<Option<serde_json::Value>> {
    let loaded = base.read()?;
    let model = SentenceModel::from_loaded(&loaded, &options.device)?;
    let types = inputs.types.as_deref().map(read_types).transpose()?;
    let seed = options.config.fit.seed;
    let settings = options.config.mutual.clone().with_seed(seed);
    let observe = RefCell::new(&mut *around.observe);
    let hear = |event: TrainEvent| (observe.borrow_mut())(event);
    if let Some(types) = &types {
        for problem in &types.problems.kept {
            hear(TrainEvent::Said(format!("left out: {problem}")));
        }
    }
    let trained = train_systems(MutualTraining {
        reader,
        workspace,
        model: &model,
        settings: &settings,
        graph: inputs.graph.as_deref(),
        types: types.as_ref(),
        keep: Some(keep),
        say: &mut |text| hear(TrainEvent::Said(text)),
        step: &mut |event| hear(TrainEvent::Fit(event)),
        cancelled: around.cancelled,
    })?;
    let Some((bank, report)) = trained else {
        return Ok(None);
    };
    let mut card: serde_json::Value =
        serde_json::from_slice(&loaded.card).unwrap_or_else(|_| serde_json::json!({}));
    card["mutual"] = serde_json::to_value(&report)?;
    card["mutual"]["settings"] = serde_json::to_value(&settings)?;
    card["stored_as"] = serde_json::to_value(options.precision)?;
    let (config, precision) = (&loaded.config, options.precision);
    let mut files = model_files(config, &loaded.tokens, &loaded.tensors, &card, precision)?;
    let others = [bags::CONFIG, bags::WEIGHTS];
    files.extend(base.source().read_those(&others)?);
    files.extend(bank.files(precision)?);
    replace_dir(&options.out, CONFIG, &files)?;
    BagWork::remove(keep.dir)?;
    Ok(Some(card))
}
