//! The knowledge base and the graph of entities.

use super::WorkspaceArg;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub enum KbCommand {
    /// Read triples and names into the workspace's knowledge base.
    Import(KbImportArgs),
    /// Learn ComplEx tables from triples (or a workspace's facts) and measure link prediction.
    Train(KbTrainArgs),
}

#[derive(Args, Debug)]
pub struct KbTrainArgs {
    /// Triples to learn from, tab-separated; gzip is accepted. Without any: the workspace's facts, less those between
    /// entities that its text names together, for `redress train --kb-model`.
    #[arg(value_name = "TRIPLES")]
    pub triples: Vec<PathBuf>,
    /// Facts that select the epoch and are ranked.
    #[arg(long, value_name = "FILE", requires = "triples")]
    pub valid: Option<PathBuf>,
    /// Facts that are ranked once, at the end. Leave this out while you choose settings.
    #[arg(long, value_name = "FILE", requires = "triples")]
    pub test: Option<PathBuf>,
    /// More known facts that are left out of ranks, and neither learned nor ranked: with the test facts here, ranks of
    /// --valid are filtered as published figures are, and the test is not looked at.
    #[arg(long, value_name = "FILE", requires = "triples")]
    pub filter: Vec<PathBuf>,
    /// Column order of the triples.
    #[arg(long, value_enum, default_value = "auto")]
    pub columns: ColumnsArg,
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// How relations of a workspace's facts are named (see `redress label`).
    #[arg(long, default_value = "nyt24")]
    pub map: String,
    /// Where the tables go.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// `one-vs-all`, or `negative-sampling` as in the HRERE paper.
    #[arg(long, default_value = "one-vs-all", value_parser = ["one-vs-all", "negative-sampling"])]
    pub preset: String,
    /// Complex values of a vector.
    #[arg(long)]
    pub dim: Option<usize>,
    #[arg(long)]
    pub epochs: Option<usize>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Further settings as TOML (docs/model.md lists them); flags win.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct KbImportArgs {
    /// Triples, tab-separated; gzip is accepted.
    #[arg(required = true, value_name = "TRIPLES")]
    pub triples: Vec<PathBuf>,
    /// Names and aliases: `id<TAB>name` lines, or Wikidata JSON. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub names: Vec<PathBuf>,
    /// Column order of the triples.
    #[arg(long, value_enum, default_value = "auto")]
    pub columns: ColumnsArg,
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum ColumnsArg {
    Auto,
    /// head, relation, tail
    Hrt,
    /// relation, head, tail
    Rht,
}

#[derive(Subcommand, Debug)]
pub enum GraphCommand {
    /// Count which entities stand together in a sentence and learn LINE vectors of them.
    Build(GraphBuildArgs),
    /// List the entities nearest to one.
    Near(GraphNearArgs),
}

#[derive(Args, Debug)]
pub struct GraphBuildArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Where the vectors go [default: the workspace, where `redress train --systems mutual` finds them].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What an edge weighs: log_norm (pairs seen once make no edge), log1p or count.
    #[arg(long, default_value = "log1p", value_parser = ["log_norm", "log1p", "count"])]
    pub weight: String,
    /// Pairs seen in fewer sentences make no edge.
    #[arg(long, default_value_t = 1)]
    pub threshold: u32,
    /// Width of each order's vectors.
    #[arg(long, default_value_t = 100)]
    pub dim: usize,
    /// Edges drawn for each order [default: 200 for each edge, at least a million].
    #[arg(long)]
    pub samples: Option<u64>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Leave dev sentences out too, so that figures on dev are clean; test sentences never count.
    #[arg(long)]
    pub leave_out_dev: bool,
    /// Replace the file named with --output.
    #[arg(long)]
    pub force: bool,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct GraphNearArgs {
    /// An entity's name, or its id in the knowledge base.
    #[arg(required = true)]
    pub name: Vec<String>,
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Read this file instead of the workspace's own.
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    #[arg(short = 'n', long, default_value_t = 10)]
    pub limit: usize,
    #[arg(long)]
    pub json: bool,
}
