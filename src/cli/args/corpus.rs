//! Sentences: in, out, found, described.

use super::WorkspaceArg;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct ImportArgs {
    /// Corpus files; `-` is standard input. Gzip is accepted.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Split of every sentence read [default: what the record says, else the file name, else train].
    #[arg(long, value_enum)]
    pub split: Option<SplitArg>,
    /// Force a format instead of detecting it.
    #[arg(long, value_parser = ["casrel", "mentions", "spert", "semeval", "redress"])]
    pub format: Option<String>,
    /// Types for entities that have none, by name: lines `name<TAB>TYPE`, or `name<TAB>TYPE:count<TAB>..`.
    #[arg(long, value_name = "FILE")]
    pub types: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum SplitArg {
    Train,
    Dev,
    Test,
}

#[derive(Args, Debug)]
pub struct LabelArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// How knowledge-base relations become labels: `nyt24`, `identity`, or a TOML file (docs/kb.md).
    #[arg(long, default_value = "nyt24")]
    pub map: String,
    /// Only link mentions; make no labels.
    #[arg(long)]
    pub link_only: bool,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct SearchArgs {
    /// Query (docs/query.md).
    pub query: Vec<String>,
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    #[arg(short = 'n', long, default_value_t = 20)]
    pub limit: usize,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct InfoArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ExportArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// File format; docs/formats.md says what each can hold.
    #[arg(long, default_value = "redress", value_parser = ["redress", "casrel", "spert", "corrections"])]
    pub format: String,
    /// Output file [default: standard output]. An existing file is not overwritten without --force.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "all")]
    pub only: OnlyArg,
    #[arg(long, value_enum, default_value = "full")]
    pub view: ViewArg,
    #[arg(long, value_enum)]
    pub split: Option<SplitArg>,
    #[arg(long)]
    pub force: bool,
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum OnlyArg {
    /// Sentences with a correction.
    Reviewed,
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum ViewArg {
    /// Everything: decisions, origins, scores, tags.
    Full,
    /// What training reads.
    Train,
}
