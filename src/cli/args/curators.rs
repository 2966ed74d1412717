//! More than one curator, and what they have reached.

use super::WorkspaceArg;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct AssignArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// A curator, once for each. The same names in the same order part every copy of the corpus alike.
    #[arg(long, value_name = "NAME")]
    pub to: Vec<String>,
    /// Share of the sentences that two curators work on.
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    pub overlap: f64,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct AgreementArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ReportArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Output file; its ending says the form [default: Markdown on standard output].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[arg(long, value_enum)]
    pub form: Option<ReportForm>,
    /// Overwrite the output file.
    #[arg(long)]
    pub force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum ReportForm {
    Html,
    Md,
    Json,
}
