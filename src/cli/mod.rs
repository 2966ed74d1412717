//! The command line: arguments, and one file a command.
//!
//! Results go to standard output, progress and messages to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage,
//! 3 the input had problems, 130 stopped by a signal.
//!
//! Every line goes out through [`say`], [`remark`] or [`print_json`], never through `println!`: that would panic when the
//! reader of our output goes away or the disk behind it is full, and would pass escape sequences of a corpus on.

pub mod args;
mod compare;
mod curators;
mod data;
mod evaluate;
mod export;
mod graph;
mod info;
mod kb_train;
mod log;
mod man;
mod noise;
mod open;
mod predict;
mod progress;
mod repair;
mod report;
mod search;
mod train;

use crate::config::Paths;
use crate::workspace::Workspace;
use crate::workspace::knowledge::{ColumnOrder, Columns};
use crate::workspace::models::{self, Device};
use anyhow::{Context, Result, bail};
use args::{Cli, Command, GraphCommand, KbCommand, SplitArg, WorkspaceArg};
use clap::{CommandFactory, Parser};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// auto, cpu or cuda:N; says so where auto could not take a GPU.
fn device(name: &str) -> Result<Device> {
    let (device, note) = models::device(name)?;
    if let Some(note) = note {
        remark(&note);
    }
    Ok(device)
}

/// How a command ended, if it did not fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    Done,
    /// Done, but the input had problems, which were listed.
    WithProblems,
    /// Asked for something that cannot be done this way; what to do instead was said.
    Usage,
    /// Ctrl-C or SIGTERM; what is done is kept, and how to go on was said.
    Stopped,
}

/// Parses the arguments, runs the command, says what failed.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let _log = log::start();
    match run(cli) {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::WithProblems) => ExitCode::from(3),
        Ok(Ended::Usage) => ExitCode::from(2),
        Ok(Ended::Stopped) => ExitCode::from(130),
        // Whoever reads our output has seen enough (`redress export | head`).
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            remark(&crate::workspace::in_words(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<Ended> {
    match cli.command {
        None => open::run(cli.open),
        Some(Command::Import(args)) => data::import(args),
        Some(Command::Kb(KbCommand::Import(args))) => data::import_kb(args),
        Some(Command::Kb(KbCommand::Train(args))) => kb_train::run(args),
        Some(Command::Label(args)) => data::label(args),
        Some(Command::Graph(GraphCommand::Build(args))) => graph::build(args),
        Some(Command::Graph(GraphCommand::Near(args))) => graph::near(args),
        Some(Command::Train(args)) => train::run(args),
        Some(Command::FineTune(args)) => train::fine_tune(args),
        Some(Command::Predict(args)) => predict::run(args),
        Some(Command::Convert(args)) => train::convert(args),
        Some(Command::Folds(args)) => noise::folds(args),
        Some(Command::Queue(args)) => noise::queue(args),
        Some(Command::Apply(args)) => noise::apply(args),
        Some(Command::Duplicates(args)) => repair::duplicates(args),
        Some(Command::Rules(args)) => repair::rules(args),
        Some(Command::Assign(args)) => curators::assign(args),
        Some(Command::Agreement(args)) => curators::agreement(args),
        Some(Command::Report(args)) => report::run(args),
        Some(Command::ImportPredictions(args)) => predict::import(args),
        Some(Command::Evaluate(args)) => evaluate::run(args),
        Some(Command::Compare(args)) => compare::run(args),
        Some(Command::Export(args)) => export::run(args),
        Some(Command::Search(args)) => search::run(args),
        Some(Command::Info(args)) => info::info(args),
        Some(Command::Doctor(args)) => info::doctor(args),
        Some(Command::Completions { shell }) => {
            // Into memory first: the generator panics where it cannot write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "redress", &mut script);
            io::stdout().write_all(&script)?;
            Ok(Ended::Done)
        }
        Some(Command::Man) => man::run(),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(kind))
}

/// Text that may come from a corpus, on its way to a terminal: control characters become escapes.
fn printable(text: &str) -> String {
    let harmless = |c: char| !c.is_control() || c == '\n';
    text.chars()
        .map(|c| {
            if harmless(c) {
                c.to_string()
            } else {
                c.escape_default().to_string()
            }
        })
        .collect()
}

/// One JSON object on a line of its own.
fn print_json_line(row: &impl serde::Serialize) -> Result<()> {
    let mut line = Vec::new();
    crate::workspace::filter::write_json(row, &mut line)?;
    Ok(say(&String::from_utf8_lossy(&line))?)
}

/// A line, or several, of the result on standard output.
fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}", printable(text))
}

/// A remark on standard error. That nobody hears it is no failure.
fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "redress: {}", printable(text));
}

/// Where the user's files are; an error where there is no home.
fn paths() -> Result<Paths> {
    Paths::of_user()
        .context("there is no home directory; set HOME, or name a workspace with --workspace")
}

/// The workspace that was asked for: by option, else by $REDRESS_WORKSPACE.
fn named_workspace(arg: &WorkspaceArg) -> Option<PathBuf> {
    let variable = || std::env::var_os("REDRESS_WORKSPACE").filter(|d| !d.is_empty());
    arg.dir.clone().or_else(|| variable().map(PathBuf::from))
}

/// The workspace that a command works on: the one asked for, else the default one.
fn workspace_dir(arg: &WorkspaceArg) -> Result<PathBuf> {
    match named_workspace(arg) {
        Some(dir) => Ok(dir),
        None => Ok(paths()?.workspaces().join("default")),
    }
}

/// The workspace that the screen opens.
enum Opens {
    Workspace(PathBuf),
    /// Made here if it is not there yet.
    Demo(PathBuf),
}

/// The workspace asked for; else the default one if it exists; else the demo.
fn opens(arg: &WorkspaceArg) -> Result<Opens> {
    if let Some(dir) = named_workspace(arg) {
        return Ok(Opens::Workspace(dir));
    }
    let all = paths()?.workspaces();
    let default = all.join("default");
    Ok(if default.exists() {
        Opens::Workspace(default)
    } else {
        Opens::Demo(all.join("demo"))
    })
}

fn open_workspace(arg: &WorkspaceArg) -> Result<Workspace> {
    let dir = workspace_dir(arg)?;
    if !dir.exists() {
        bail!(
            "{}: there is no workspace here; make one with `redress import FILE --workspace DIR`",
            dir.display()
        );
    }
    Workspace::open(&dir)
}

impl From<SplitArg> for crate::workspace::Split {
    fn from(split: SplitArg) -> Self {
        match split {
            SplitArg::Train => Self::Train,
            SplitArg::Dev => Self::Dev,
            SplitArg::Test => Self::Test,
        }
    }
}

impl From<args::ColumnsArg> for ColumnOrder {
    fn from(columns: args::ColumnsArg) -> Self {
        match columns {
            args::ColumnsArg::Auto => Self::Auto,
            args::ColumnsArg::Hrt => Self::Told(Columns::HeadRelationTail),
            args::ColumnsArg::Rht => Self::Told(Columns::RelationHeadTail),
        }
    }
}

/// Prints a report as JSON on standard output.
fn print_json(report: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    Ok(writeln!(
        io::stdout(),
        "{}",
        crate::workspace::filter::escape_controls(&text)
    )?)
}
