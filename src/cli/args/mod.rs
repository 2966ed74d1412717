//! What the command line accepts. Help texts live here; what the commands do is one file each.

mod corpus;
mod curators;
mod knowledge;
mod model;
mod noise;

pub use corpus::*;
pub use curators::*;
pub use knowledge::*;
pub use model::*;
pub use noise::*;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Find and repair wrong relation labels: index a corpus, run the embedded model, compare, correct, export, fine-tune.
#[derive(Parser, Debug)]
#[command(name = "redress", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub open: OpenArgs,
}

const EXAMPLES: &str = "Examples:
  redress                                         open the demo (or your default workspace)
  redress --workspace news                        open the workspace in ./news
  redress import train.json dev.json -w news      read corpus files into ./news
  redress kb import triples.tsv.gz --names names.tsv -w news
  redress kb train -w news --out kb               learn its facts for the bag systems
  redress label -w news                           label pairs that the knowledge base relates
  redress predict -w news                         run the model over the workspace
  redress predict < sentences.jsonl               ... or over standard input
  redress import-predictions part-*.jsonl -w news read what machines elsewhere predicted (--kept)
  redress evaluate -w news --split dev --json
  redress queue -w news --kind wrong              which labels to look at first (after `redress folds`)
  redress apply verdicts.jsonl -w news --dry-run  verdicts and edits from a file
  redress export -w news --format casrel -o clean.json
  redress train -w news --out models/news --epochs 8
  redress fine-tune -w news --accept              learn from the corrections

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the input had problems (listed), 130 stopped by a signal.";

/// Options of the screen.
#[derive(Args, Debug, Default)]
pub struct OpenArgs {
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Open the demo workspace, whatever the default is.
    #[arg(long, conflicts_with = "dir")]
    pub demo: bool,
    #[command(flatten)]
    pub model: ModelArg,
    /// Colour theme: default, dark, light, deuteranopia, tritanopia, mono, or a file.
    #[arg(long)]
    pub theme: Option<String>,
    /// Key bindings on top of the defaults (TOML; docs/keys.md lists the actions).
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// Let the mouse select and scroll.
    #[arg(long)]
    pub mouse: bool,
    /// Who decides [default: the settings' author, else the system's user].
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

#[derive(Args, Debug, Default, Clone)]
pub struct WorkspaceArg {
    /// Workspace directory [default: $REDRESS_WORKSPACE, else the default workspace of your data directory].
    #[arg(short = 'w', long = "workspace", value_name = "DIR", id = "dir")]
    pub dir: Option<PathBuf>,
}

#[derive(Args, Debug, Default, Clone)]
pub struct ModelArg {
    /// Model directory [default: the workspace's current model, else the embedded one].
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Where to compute: auto, cpu or cuda:N.
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: String,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Read corpus files into a workspace.
    Import(ImportArgs),
    /// Work with the knowledge base of a workspace.
    #[command(subcommand)]
    Kb(KbCommand),
    /// Distant supervision: link mentions to the knowledge base and label every pair that has a fact.
    Label(LabelArgs),
    /// Work with the proximity graph of a workspace's entities.
    #[command(subcommand)]
    Graph(GraphCommand),
    /// Train models on the labels that stand.
    Train(TrainArgs),
    /// Fine-tune the workspace's model on the corrections, and say what changed.
    FineTune(FineTuneArgs),
    /// Copy a model: at another precision, or with the thresholds that a workspace keeps for its relations.
    Convert(ConvertArgs),
    /// Run a model over a workspace, or as a filter from standard input to standard output.
    Predict(PredictArgs),
    /// Bring outputs of the filter back into the workspace.
    ImportPredictions(ImportPredictionsArgs),
    /// Ask models that never saw a pair, names hidden, about every pair: the strongest signal of `queue`.
    Folds(FoldsArgs),
    /// List labels that are probably wrong, or missing, the most suspicious first.
    Queue(QueueArgs),
    /// Take verdicts and edits from a file, as one step to undo.
    Apply(ApplyArgs),
    /// Find sentences that say the same, and labels on which they disagree.
    Duplicates(DuplicatesArgs),
    /// Keep rules between relations, and see which the labels suggest; `redress queue --kind rules` lists what they ask about.
    Rules(RulesArgs),
    /// Part the sentences between curators; without names: who has which part.
    Assign(AssignArgs),
    /// How well the curators agree: Cohen's kappa and Krippendorff's alpha.
    Agreement(AgreementArgs),
    /// What curation has found, the labels before and after, the model's gain, the time it took.
    Report(ReportArgs),
    /// Score predictions against the labels that stand.
    Evaluate(EvaluateArgs),
    /// Compare the predictions of two models on the same sentences: what is fixed, what is broken.
    Compare(CompareArgs),
    /// Write corrected labels.
    Export(ExportArgs),
    /// Search a workspace from the command line.
    Search(SearchArgs),
    /// Print every path, version and count of a workspace.
    Info(InfoArgs),
    /// Check the terminal, the device and a workspace.
    Doctor(InfoArgs),
    /// Print shell completions.
    Completions { shell: clap_complete::Shell },
    /// Print the manual page.
    Man,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_forms_of_the_manual_parse() {
        for line in [
            "redress",
            "redress --demo --theme dark",
            "redress import a.json b.json --workspace w --split dev --json",
            "redress kb import t.tsv.gz --names n.txt -w w",
            "redress kb train t.tsv.gz --valid v.tsv --test s.tsv --out kb --preset one-vs-all --seed 2 --json",
            "redress kb train -w w --out kb",
            "redress train -w w --out m --systems hrere --from m0 --kb-model kb --resume",
            "redress train -w w --out m --systems mutual --from n --graph g --types t.tsv",
            "redress train --workspace w --out m --systems rin,kernel,hrere --encoder e --epochs 3 --seed 7 --resume",
            "redress graph build -w w --weight log_norm --threshold 2 --leave-out-dev -o g --force",
            "redress graph near New York -w w -n 3",
            "redress predict",
            "redress predict --kept",
            "redress folds -w w --model m --folds 3 --seed 2 --json",
            "redress queue --workspace w --kind missing --relation r --limit 5 --json",
            "redress queue -w w --order uncertain --control 0.05",
            "redress apply c.jsonl --workspace w --dry-run --by NAME",
            "redress import-predictions a.jsonl b.jsonl.gz -w w --model m --json",
            "redress fine-tune -w w --accept --json",
            "redress evaluate --workspace w --split dev --json",
            "redress export --workspace w --format spert -o f --only reviewed --view train",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        assert!(Cli::try_parse_from(["redress", "--demo", "-w", "x"]).is_err());
    }
}
