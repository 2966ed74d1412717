//! What the command line accepts. Help texts live here; what the commands do is one file each.

use clap::{Args, Parser, Subcommand, ValueEnum};
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
    /// Store a model at another precision.
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
    /// The model [default: the embedded one].
    #[arg(long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    #[arg(long, default_value = "int8", value_parser = ["f32", "f16", "int8"])]
    pub precision: String,
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
