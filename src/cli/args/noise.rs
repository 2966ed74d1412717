//! Wrong and missing labels: queues, what they rest on, and edits from a file.

use super::{ModelArg, WorkspaceArg};
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct FoldsArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    #[command(flatten)]
    pub model: ModelArg,
    /// Parts of the corpus, disjoint by entity pair.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(2..=50))]
    pub folds: u8,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Penalty on the regressions' weights.
    #[arg(long, default_value_t = 1000.0)]
    pub l2: f64,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct QueueArgs {
    /// `wrong`: labels of the corpus; `missing`: relations that it does not give a pair; `rules`: what kept rules ask about;
    /// `duplicates`: labels on which sentences that say the same disagree; `fixed` and `broken`: what the current run decides
    /// rightly, or wrongly, and the run before it did not.
    #[arg(long, default_value = "wrong", value_parser = ["wrong", "missing", "rules", "duplicates", "fixed", "broken"])]
    pub kind: String,
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// List one relation only.
    #[arg(long)]
    pub relation: Option<String>,
    /// Rows at most [default: 20; all with --json].
    #[arg(short = 'n', long)]
    pub limit: Option<usize>,
    /// suspicious, uncertain (nearest to even odds), random, or document.
    #[arg(long, default_value = "suspicious", value_parser = ["suspicious", "uncertain", "random", "document"])]
    pub order: String,
    /// Share of rows that are drawn at random and marked as control, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    pub control: f64,
    /// Rank by these signals alone (docs/noise.md names them).
    #[arg(long, value_name = "SIGNAL", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Rank by all but these signals.
    #[arg(
        long,
        value_name = "SIGNAL",
        value_delimiter = ',',
        conflicts_with = "only"
    )]
    pub without: Vec<String>,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct DuplicatesArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Share of runs of three words that near duplicates have in common at least, 0 to 1.
    #[arg(long, default_value_t = crate::workspace::duplicates::SIMILARITY)]
    pub similarity: f64,
    /// A report with every group.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct RulesArgs {
    /// Rules to keep (TOML, docs/noise.md); without a file those that are kept, refused and suggested are listed.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Keep the rule with this number of the list.
    #[arg(long, value_name = "N")]
    pub accept: Vec<usize>,
    /// Refuse it: it is not suggested again.
    #[arg(long, value_name = "N")]
    pub refuse: Vec<usize>,
    /// Take back what was decided of it.
    #[arg(long, value_name = "N")]
    pub forget: Vec<usize>,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// JSON lines of verdicts and edits, or what `redress export --format corrections` wrote (docs/formats.md); `-` is standard
    /// input.
    #[arg(value_name = "CORRECTIONS")]
    pub file: PathBuf,
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Say what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Who decided [default: you]. Exported corrections keep their own authors.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Where somebody decided otherwise, take the file's word. Exported corrections are never taken so.
    #[arg(long)]
    pub overwrite: bool,
    #[arg(long)]
    pub json: bool,
}
