//! A training run as the command line asks for it: sentence heads first, then each further system upon them.

use super::{Around, Start, TrainConfig, TrainEvent, TrainOptions, TrainReport, train};
use crate::kb::RelationMap;
use crate::model::files::{CONFIG, replace_dir};
use crate::model::mutual;
use crate::model::sentence::{SentenceModel, model_files};
use crate::store::Reader;
use crate::train::bags::BagEvent;
use crate::train::checkpoint::RunRecord;
use crate::train::fit::FitEvent;
use crate::workspace::bags::resume::BagWork;
use crate::workspace::bags::{BagProgress, BagTraining, KbProgress, Keep, TrainedBank, train_bags};
use crate::workspace::convert::precision_named;
use crate::workspace::models::ModelChoice;
use crate::workspace::mutual::{MutualInputs, add_mutual};
use anyhow::{Context, Result, bail};
use candle_core::Device;
use std::path::{Path, PathBuf};

/// `models/news` → `models/news.training`.
pub fn beside(out: &Path, ending: &str) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{ending}"));
    out.with_file_name(name)
}

/// Fails where no model could be put, before hours are spent on making one. `marker` is the file that a directory of the
/// kind has.
pub fn place_is_free(out: &Path, marker: &str) -> Result<()> {
    let other = "choose another place rather than lose what is there";
    if out.is_file() {
        bail!("{}: this is a file; {other}", out.display());
    }
    let holds_something = std::fs::read_dir(out).is_ok_and(|mut d| d.next().is_some());
    if holds_something && !out.join(marker).exists() {
        bail!("{}: a directory without {marker}; {other}", out.display());
    }
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent)
        .and_then(|()| tempfile::tempdir_in(parent).map(drop))
        .with_context(|| format!("{}: a model cannot be written here", out.display()))
}

/// A training run as the command line asks for it.
#[derive(Clone, Debug)]
pub struct TrainCommand {
    pub workspace: PathBuf,
    pub out: PathBuf,
    /// rin, kernel, spans, hrere, mutual
    pub systems: Vec<String>,
    /// For mutual: a graph file and a file of entity types.
    pub inputs: MutualInputs,
    /// A Hugging Face directory, or `bilstm`.
    pub encoder: Option<PathBuf>,
    pub from: Option<PathBuf>,
    pub epochs: Option<u32>,
    pub seed: u64,
    /// A file's name and its TOML text.
    pub settings: Option<(PathBuf, String)>,
    pub resume: bool,
    pub precision: String,
    /// ComplEx tables for the bag systems.
    pub kb_model: Option<PathBuf>,
    pub device: Device,
}

/// Runs a [`TrainCommand`].
pub fn run(command: &TrainCommand, around: &mut Around) -> Result<TrainReport> {
    let options = options(command)?;
    let reader = Reader::open(&command.workspace)?;
    place_is_free(&command.out, CONFIG)?;
    let run = Run {
        command,
        options: &options,
        reader: &reader,
        bags_keep: beside(&command.out, "bags-training"),
        mutual_keep: beside(&command.out, "mutual-training"),
    };
    run.all(around)
}

impl TrainCommand {
    fn wants(&self, system: &str) -> bool {
        self.systems.iter().any(|s| s == system)
    }
}

/// Settings, systems and start, read and checked.
fn options(command: &TrainCommand) -> Result<TrainOptions> {
    let mut config: TrainConfig = match &command.settings {
        Some((file, text)) => toml::from_str(text).with_context(|| {
            format!(
                "{}: these settings do not fit; docs/model.md lists what there is",
                file.display()
            )
        })?,
        None => TrainConfig::default(),
    };
    config.fit.seed = command.seed;
    config.fit.epochs = command.epochs.unwrap_or(config.fit.epochs);
    config.fit = config.fit.on(&command.device);
    for system in &command.systems {
        if !["rin", "kernel", "spans", "hrere", "mutual"].contains(&system.as_str()) {
            bail!("unknown system `{system}`; there are rin, kernel, spans, hrere and mutual");
        }
    }
    let start = match (&command.encoder, &command.from) {
        (Some(dir), _) if dir.as_os_str() == "bilstm" => Start::BiLstm,
        (Some(dir), _) => Start::HuggingFace(dir.clone()),
        (None, from) => Start::Model(ModelChoice::resolve(from.as_deref(), None)),
    };
    let precision = precision_named(&command.precision)?;
    Ok(TrainOptions {
        out: command.out.clone(),
        start,
        rin: command.wants("rin"),
        kernel: command.wants("kernel"),
        spans: command.wants("spans"),
        config,
        precision,
        resume: command.resume,
        device: command.device.clone(),
    })
}

/// A command under way: sentence heads, then hrere, then mutual, each added to the model that the one before it left.
struct Run<'a> {
    command: &'a TrainCommand,
    options: &'a TrainOptions,
    reader: &'a Reader,
    bags_keep: PathBuf,
    mutual_keep: PathBuf,
}

impl Run<'_> {
    /// Interrupted in the last part: everything before it stands at `out`.
    fn in_mutual(&self) -> bool {
        self.options.resume && BagWork::exists(&self.mutual_keep)
    }

    fn in_bags(&self) -> bool {
        self.options.resume && BagWork::exists(&self.bags_keep)
    }

    fn has_heads(&self) -> bool {
        self.options.rin || self.options.kernel
    }

    fn all(&self, around: &mut Around) -> Result<TrainReport> {
        let (in_bags, in_mutual) = (self.in_bags(), self.in_mutual());
        let only_heads = !(self.command.wants("hrere") || self.command.wants("mutual"));
        let mut report = if only_heads || (self.has_heads() && !in_bags && !in_mutual) {
            train(self.reader, self.options, around)?
        } else {
            TrainReport {
                out: self.options.out.clone(),
                finished: true,
                record: RunRecord::default(),
                card: serde_json::Value::Null,
            }
        };
        let mut base = match (self.has_heads(), &self.options.start) {
            (true, _) => Some(ModelChoice::Dir(self.options.out.clone())),
            (false, Start::Model(choice)) => Some(choice.clone()),
            (false, _) => None,
        };
        for system in ["hrere", "mutual"] {
            if !self.command.wants(system) || !report.finished {
                continue;
            }
            if system == "hrere" && in_mutual {
                base = Some(ModelChoice::Dir(self.options.out.clone()));
                continue;
            }
            let Some(from) = &base else {
                bail!(
                    "{system} alone starts from a redress model: name one with --from, or train rin,kernel,{system}"
                );
            };
            match self.add(system, from, (in_bags, in_mutual), around)? {
                Some(card) => report.card = card,
                None => report.finished = false,
            }
            base = Some(ModelChoice::Dir(self.options.out.clone()));
        }
        Ok(report)
    }

    /// Adds `hrere` or `mutual` to `from`; `None` when stopped.
    fn add(
        &self,
        system: &str,
        from: &ModelChoice,
        (in_bags, in_mutual): (bool, bool),
        around: &mut Around,
    ) -> Result<Option<serde_json::Value>> {
        let alone = self.options.resume && !self.has_heads();
        if system == "hrere" {
            let bags = BagPart {
                base: from.clone(),
                kb_model: self.command.kb_model.as_deref(),
                keep: Keep {
                    dir: &self.bags_keep,
                    resume: in_bags || alone,
                },
            };
            return add_bags(self.reader, &bags, self.options, around);
        }
        let keep = Keep {
            dir: &self.mutual_keep,
            resume: in_mutual || (alone && !self.command.wants("hrere")),
        };
        let (workspace, inputs) = (&self.command.workspace, &self.command.inputs);
        add_mutual(
            self.reader,
            workspace,
            from,
            self.options,
            inputs,
            keep,
            around,
        )
    }
}

/// What the bag systems stand on.
struct BagPart<'a> {
    /// Its piece vectors are their words.
    base: ModelChoice,
    kb_model: Option<&'a Path>,
    keep: Keep<'a>,
}

/// Trains ComplEx and HRERE on word vectors of `bags.base` and writes both together at `options.out`; `None` when stopped.
fn add_bags(
    reader: &Reader,
    bags: &BagPart,
    options: &TrainOptions,
    around: &mut Around,
) -> Result<Option<serde_json::Value>> {
    let loaded = bags.base.read()?;
    let model = SentenceModel::from_loaded(&loaded, &options.device)?;
    let settings = options
        .config
        .bags
        .clone()
        .with_seed(options.config.fit.seed);
    let map = RelationMap::nyt24();
    let observe = &mut *around.observe;
    let trained = train_bags(BagTraining {
        reader,
        model: &model,
        map: &map,
        settings: &settings,
        kb_model: bags.kb_model,
        keep: Some(bags.keep),
        observe: &mut |event| match event {
            BagProgress::Note(text) => observe(TrainEvent::Said(text)),
            BagProgress::Bags(BagEvent::Fit(
                system,
                FitEvent::Epoch {
                    epoch, loss, score, ..
                },
            )) => {
                let score = score.map_or(String::new(), |s| format!(", dev {s:.4}"));
                observe(TrainEvent::Said(format!(
                    "{system:?} epoch {epoch}: loss {loss:.4}{score}"
                )));
            }
            BagProgress::Bags(BagEvent::Fit(_, event @ FitEvent::Step { .. })) => {
                observe(TrainEvent::Fit(event))
            }
            BagProgress::Bags(BagEvent::NaShare(system, share)) => {
                observe(TrainEvent::Said(format!(
                    "{system:?}: r* is NA in {:.0} % of bags",
                    100.0 * share
                )));
            }
            BagProgress::Complex(KbProgress::Epoch(record)) => {
                observe(TrainEvent::Said(format!("ComplEx {}", record.in_words())));
            }
            _ => {}
        },
        cancelled: around.cancelled,
    })?;
    let TrainedBank::Finished(trained) = trained else {
        return Ok(None);
    };
    let (bank, report) = *trained;
    let mut card: serde_json::Value =
        serde_json::from_slice(&loaded.card).unwrap_or_else(|_| serde_json::json!({}));
    card["bags"] = serde_json::to_value(&report)?;
    card["stored_as"] = serde_json::to_value(options.precision)?;
    let mut files = model_files(
        &loaded.config,
        &loaded.tokens,
        &loaded.tensors,
        &card,
        options.precision,
    )?;
    files.extend(bank.files(options.precision)?);
    files.extend(bags.base.source().read_those(&mutual::bank::FILES)?);
    replace_dir(&options.out, CONFIG, &files)?;
    BagWork::remove(bags.keep.dir)?;
    Ok(Some(card))
}
