//! Models: trained, asked, measured, compared.

use super::{ModelArg, SplitArg, WorkspaceArg};
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct TrainArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Where the trained model goes; checkpoints stand beside it while training.
    #[arg(long, value_name = "MODEL")]
    pub out: PathBuf,
    /// Which systems to train, comma-separated.
    #[arg(long, default_value = "rin,kernel,spans", value_delimiter = ',', value_parser = ["rin", "kernel", "spans", "hrere", "mutual"])]
    pub systems: Vec<String>,
    /// Entity vectors for `mutual`, from `redress graph build` [default: the workspace's; where it has none they are made].
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// Types of entities for `mutual`: `name<TAB>TYPE` lines [default: the corpus's own types].
    #[arg(long, value_name = "FILE")]
    pub types: Option<PathBuf>,
    /// Start from a Hugging Face encoder directory [default: start from --from, else from the embedded model's encoder].
    #[arg(long, value_name = "DIR")]
    pub encoder: Option<PathBuf>,
    /// Start from this redress model; heads of other relations are new, the encoder stays.
    #[arg(long, value_name = "MODEL", conflicts_with = "encoder")]
    pub from: Option<PathBuf>,
    #[arg(long)]
    pub epochs: Option<u32>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Further settings as TOML (docs/model.md lists them); flags win.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// ComplEx tables of `redress kb train --workspace` for the system hrere [default: they are learned anew].
    #[arg(long, value_name = "DIR")]
    pub kb_model: Option<PathBuf>,
    /// Continue an interrupted run of the same settings.
    #[arg(long)]
    pub resume: bool,
    /// Where to compute: auto, cpu or cuda:N.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// How weights are stored.
    #[arg(long, default_value = "f32", value_parser = ["f32", "f16", "int8"])]
    pub precision: String,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ConvertArgs {
    /// Where the copy goes.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The model [default: the embedded one; with --thresholds the workspace's].
    #[arg(long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// How weights are stored [default: int8; with --thresholds as they are].
    #[arg(long, value_parser = ["f32", "f16", "int8"])]
    pub precision: Option<String>,
    /// Take over the thresholds that were kept for single relations in this workspace under this model (`w` on the page of
    /// thresholds), and name them in the card.
    #[arg(long, value_name = "WORKSPACE")]
    pub thresholds: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct FineTuneArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    #[command(flatten)]
    pub model: ModelArg,
    /// Make the new model the workspace's own, unless it is worse on dev (exit 3 then).
    #[arg(long)]
    pub accept: bool,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct PredictArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    #[command(flatten)]
    pub model: ModelArg,
    /// Predict again what this model has predicted already.
    #[arg(long)]
    pub again: bool,
    /// As a filter: write every triple that a workspace would keep, not only the accepted ones, for
    /// `redress import-predictions`.
    #[arg(long, conflicts_with_all = ["dir", "again"])]
    pub kept: bool,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ImportPredictionsArgs {
    /// Outputs of `redress predict --kept`, in any order; `-` is standard input. Gzip is accepted.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// The model that made them.
    #[command(flatten)]
    pub model: ModelArg,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct EvaluateArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    #[command(flatten)]
    pub model: ModelArg,
    #[arg(long, value_enum)]
    pub split: Option<SplitArg>,
    /// Score the sentences that a query finds (docs/query.md) instead of the whole report; several times for several slices. Of
    /// stored predictions.
    #[arg(long, value_name = "QUERY", conflicts_with = "model")]
    pub slice: Vec<String>,
    /// Score the built-in slices and those kept in the workspace: length, distance, overlap, entity types, knowledge base.
    #[arg(long, conflicts_with = "model")]
    pub slices: bool,
    /// Keep a slice in the workspace, NAME=QUERY, and score it.
    #[arg(long, value_name = "NAME=QUERY", conflicts_with = "model")]
    pub keep_slice: Vec<String>,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct CompareArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Run to compare with, by the start of its name [default: the one that was current before].
    #[arg(long, value_name = "RUN")]
    pub before: Option<String>,
    /// Run that is compared [default: the current one].
    #[arg(long, value_name = "RUN")]
    pub after: Option<String>,
    #[arg(long, value_enum)]
    pub split: Option<SplitArg>,
    /// Changed decisions that are listed of each kind.
    #[arg(short = 'n', long, default_value_t = 10)]
    pub limit: usize,
    /// List the runs and what their predictions take, and compare nothing.
    #[arg(long, conflicts_with_all = ["before", "after", "drop"])]
    pub runs: bool,
    /// Drop the predictions of a run, and compare nothing.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["before", "after"])]
    pub drop: Option<String>,
    #[arg(long)]
    pub json: bool,
}
