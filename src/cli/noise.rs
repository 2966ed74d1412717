//! `redress folds`, `redress queue`, `redress apply`.

use super::args::{ApplyArgs, FoldsArgs, QueueArgs};
use super::{Ended, print_json, print_json_line, printable, progress, remark, say, workspace_dir};
use crate::workspace::Workspace;
use crate::workspace::models::{self, ModelChoice};
use crate::workspace::noise::apply::{self, ApplyOptions};
use crate::workspace::noise::folds::{self, FoldOptions};
use crate::workspace::noise::queue::{self, Order, QueueKind, QueueOptions, QueueRow};
use anyhow::{Result, bail};

pub fn folds(args: FoldsArgs) -> Result<Ended> {
    let device = super::device(&args.model.device)?;
    let dir = workspace_dir(&args.workspace)?;
    // No lock: a screen may be at work on the workspace.
    let setting = models::setting(&dir)?;
    let choice = ModelChoice::resolve(args.model.model.as_deref(), setting.as_deref());
    let options = FoldOptions {
        folds: usize::from(args.folds),
        seed: args.seed,
        l2: args.l2,
    };
    let (model, cancel) = (choice.load(&device)?, progress::cancel_on_signal());
    let report = progress::watched("pairs", &cancel, |tell| {
        folds::make_folds(&dir, &model, &options, tell)
    })?;
    let Some(report) = report else {
        remark("stopped; nothing was written");
        return Ok(Ended::Stopped);
    };
    if args.json {
        print_json(&report)?;
    } else {
        say(&format!(
            "{} pairs asked, {} of them labelled, in {} folds; `redress queue` uses them",
            report.pairs, report.labelled, report.folds
        ))?;
    }
    Ok(Ended::Done)
}

pub fn queue(args: QueueArgs) -> Result<Ended> {
    let kind = match QueueKind::from_name(&args.kind) {
        Some(QueueKind::Noise(kind)) => kind,
        Some(kind) => return super::repair::queue(&args, kind),
        None => bail!("there is no queue {}", args.kind),
    };
    let options = QueueOptions {
        kind,
        relation: args.relation,
        limit: args
            .limit
            .unwrap_or(if args.json { usize::MAX } else { 20 }),
        order: Order::from_name(&args.order).unwrap_or(Order::Suspicious),
        control: args.control,
        signals: queue::signals_named(&args.only, &args.without)?,
    };
    let (dir, cancel) = (
        workspace_dir(&args.workspace)?,
        progress::cancel_on_signal(),
    );
    let queue = progress::watched("sentences", &cancel, |tell| {
        queue::queue(&dir, &options, tell)
    })?;
    let Some(queue) = queue else {
        remark("stopped");
        return Ok(Ended::Stopped);
    };
    if args.json {
        for row in &queue.rows {
            print_json_line(row)?;
        }
    } else {
        for row in &queue.rows {
            say(&in_words(row))?;
        }
    }
    remark(&queue.standing.summary());
    Ok(Ended::Done)
}

fn in_words(row: &QueueRow) -> String {
    let why: Vec<String> = row
        .why
        .iter()
        .take(3)
        .map(|r| format!("{} {:+.2}", r.signal, r.weight))
        .collect();
    let control = if row.control { " (random control)" } else { "" };
    format!(
        "{:>4}  {:.2}  {} — {} → {}{control}\n            {}\n            {}",
        row.rank,
        row.score,
        printable(&row.head.text),
        printable(&row.relation),
        printable(&row.tail.text),
        printable(&row.text),
        why.join(", ")
    )
}

pub fn apply(args: ApplyArgs) -> Result<Ended> {
    let mut workspace = Workspace::open(&workspace_dir(&args.workspace)?)?;
    let options = ApplyOptions {
        by: args.by.unwrap_or_else(super::data::author),
        dry_run: args.dry_run,
        overwrite: args.overwrite,
    };
    let report = apply::apply(&mut workspace, &args.file, &options)?;
    if args.json {
        print_json(&report)?;
    } else {
        let what: Vec<String> = report
            .applied
            .iter()
            .map(|(w, n)| format!("{n} {w}"))
            .collect();
        let what = if what.is_empty() {
            "nothing".to_owned()
        } else {
            what.join(", ")
        };
        let verb = if report.dry_run {
            "would apply"
        } else {
            "applied"
        };
        say(&format!(
            "{} lines: {verb} {}; {} already so, {} conflicts, {} problems",
            report.lines,
            printable(&what),
            report.known,
            report.conflicts,
            report.problems
        ))?;
        if report.held > 0 {
            say(&format!(
                "  {} are held: kept without effect until somebody settles what is disputed",
                report.held
            ))?;
        }
        for line in &report.listed {
            say(&format!("  {line}"))?;
        }
        let more = report.conflicts + report.problems - report.listed.len() as u64;
        if more > 0 {
            say(&format!("  and {more} more"))?;
        }
    }
    Ok(if report.problems + report.conflicts > 0 {
        Ended::WithProblems
    } else {
        Ended::Done
    })
}
