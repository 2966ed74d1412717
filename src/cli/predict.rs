//! `redress predict`: a whole workspace, or a filter from standard input to standard output.

use super::args::{ImportPredictionsArgs, PredictArgs};
use super::{Ended, print_json, progress, remark, say, workspace_dir};
use crate::workspace::models::ModelChoice;
use crate::workspace::{Workspace, filter};
use anyhow::Result;
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};

pub fn run(args: PredictArgs) -> Result<Ended> {
    let device = super::device(&args.model.device)?;
    if args.workspace.dir.is_none() && !io::stdin().is_terminal() {
        let choice = ModelChoice::resolve(args.model.model.as_deref(), None);
        let mut out = BufWriter::new(io::stdout().lock());
        let done = filter::filter(
            &choice,
            &device,
            args.kept,
            &mut BufReader::new(io::stdin().lock()),
            &mut out,
        )?;
        out.flush()?;
        if done.errors > 0 {
            remark(&format!(
                "{} of {} lines could not be read; their output lines say why",
                done.errors, done.lines
            ));
            return Ok(Ended::WithProblems);
        }
        return Ok(Ended::Done);
    }
    let mut workspace = Workspace::open(&workspace_dir(&args.workspace)?)?;
    let choice = ModelChoice::resolve(
        args.model.model.as_deref(),
        workspace.model_setting()?.as_deref(),
    );
    let cancel = progress::cancel_on_signal();
    let outcome = progress::watched("sentences", &cancel, |tell| {
        workspace.predict_with(&choice, &device, args.again, tell)
    })?;
    if args.json {
        print_json(&outcome)?;
    } else {
        say(&format!(
            "{} sentences predicted now, {} in all, by {}",
            outcome.now, outcome.total, outcome.model
        ))?;
    }
    if cancel.is_cancelled() {
        remark("stopped; run the same command again for the rest");
        return Ok(Ended::Stopped);
    }
    Ok(Ended::Done)
}

pub fn import(args: ImportPredictionsArgs) -> Result<Ended> {
    let device = super::device(&args.model.device)?;
    let mut workspace = Workspace::open(&workspace_dir(&args.workspace)?)?;
    let choice = ModelChoice::resolve(
        args.model.model.as_deref(),
        workspace.model_setting()?.as_deref(),
    );
    let bar = progress::bar(0, "lines");
    let cancel = progress::cancel_on_signal();
    let report = filter::import_predictions(
        &mut workspace,
        &args.files,
        &choice,
        &device,
        &mut |done, _| {
            bar.set_position(done);
            !cancel.is_cancelled()
        },
    )?;
    bar.finish_and_clear();
    if args.json {
        print_json(&report)?;
    } else {
        say(&format!(
            "{} lines: {} sentences new, {} known already, by {}",
            report.lines, report.added, report.known, report.model
        ))?;
        for problem in &report.listed {
            say(&format!("  {problem}"))?;
        }
        let more = report.problems - report.listed.len() as u64;
        if more > 0 {
            say(&format!("  … and {more} more"))?;
        }
    }
    if cancel.is_cancelled() {
        remark("stopped; run the same command again for the rest");
        return Ok(Ended::Stopped);
    }
    Ok(if report.problems > 0 {
        Ended::WithProblems
    } else {
        Ended::Done
    })
}
