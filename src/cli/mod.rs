//! The command line: arguments, and one file a command.
//!
//! Results go to standard output, progress and messages to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage,
//! 3 the input had problems, 130 stopped by a signal.
//!
//! Every line goes out through [`say`], [`remark`] or [`print_json`], never through `println!`: that would panic when the
//! reader of our output goes away or the disk behind it is full, and would pass escape sequences of a corpus on.

pub mod args;
mod data;
mod evaluate;
mod export;
mod graph;
mod info;
mod log;
mod open;
mod predict;
mod progress;
mod search;
mod train;

use crate::config::Paths;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use args::{Cli, Command, GraphCommand, KbCommand, SplitArg, WorkspaceArg};
use clap::{CommandFactory, Parser};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

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
        Some(Command::Label(args)) => data::label(args),
        Some(Command::Graph(GraphCommand::Build(args))) => graph::build(args),
        Some(Command::Graph(GraphCommand::Near(args))) => graph::near(args),
        Some(Command::Train(args)) => train::run(args),
        Some(Command::Predict(args)) => predict::run(args),
        Some(Command::Evaluate(args)) => evaluate::run(args),
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
        Some(Command::Man) => {
            clap_mangen::Man::new(Cli::command()).render(&mut io::stdout())?;
            Ok(Ended::Done)
        }
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

/// The workspace that a command works on: as told, else $REDRESS_WORKSPACE, else the default one.
fn workspace_dir(arg: &WorkspaceArg) -> Result<PathBuf> {
    if let Some(dir) = &arg.dir {
        return Ok(dir.clone());
    }
    if let Some(dir) = std::env::var_os("REDRESS_WORKSPACE").filter(|d| !d.is_empty()) {
        return Ok(PathBuf::from(dir));
    }
    Ok(paths()?.workspaces().join("default"))
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

/// Prints a report as JSON on standard output.
fn print_json(report: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    Ok(writeln!(
        io::stdout(),
        "{}",
        crate::workspace::filter::escape_controls(&text)
    )?)
}
