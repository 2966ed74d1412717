//! `redress kb train`.

use super::args::KbTrainArgs;
use super::{Ended, print_json, printable, progress, remark, say, workspace_dir};
use crate::workspace::kb_training::{
    self, FactSource, KbProgress, KbTrainCommand, KbTrainReport, LinkQuality,
};
use anyhow::{Context, Result};
use std::io::{self, Write};
use std::time::Instant;

pub fn run(args: KbTrainArgs) -> Result<Ended> {
    let settings = match &args.config {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("{}: cannot read these settings", path.display()))?;
            Some((path.clone(), text))
        }
        None => None,
    };
    let source = if args.triples.is_empty() {
        FactSource::Workspace {
            dir: workspace_dir(&args.workspace)?,
            map: args.map,
        }
    } else {
        FactSource::Files {
            triples: args.triples,
            valid: args.valid,
            test: args.test,
            filter: args.filter,
            order: args.columns.into(),
        }
    };
    let command = KbTrainCommand {
        source,
        out: args.out,
        preset: args.preset,
        settings,
        dim: args.dim,
        epochs: args.epochs,
        seed: args.seed,
    };
    let bar = progress::bar(0, "steps");
    let cancel = progress::cancel_on_signal();
    let started = Instant::now();
    let mut observe = |event: KbProgress| match event {
        KbProgress::Step { step, steps, loss } => {
            bar.set_length(steps as u64);
            bar.set_position(step as u64);
            bar.set_message(format!("loss {loss:.3}"));
        }
        KbProgress::Epoch(record) => {
            let seconds = started.elapsed().as_secs_f64();
            let line = format!("{seconds:>6.0} s  {}", record.in_words());
            bar.suspend(|| {
                let _ = writeln!(io::stderr(), "{}", printable(&line));
            });
        }
    };
    let report = kb_training::run(&command, &mut observe, &|| cancel.is_cancelled())?;
    bar.finish_and_clear();
    if !report.finished {
        remark("stopped; nothing was written");
        return Ok(Ended::Stopped);
    }
    if args.json {
        print_json(&report)?;
    } else {
        in_words(&report)?;
    }
    Ok(Ended::Done)
}

fn in_words(report: &KbTrainReport) -> io::Result<()> {
    say(&format!(
        "{} facts of {} entities and {} relations, {:.0} s",
        report.facts, report.entities, report.relations, report.run.seconds
    ))?;
    if let Some(seconds) = report.seconds_per_epoch {
        let epoch = report.run.best_epoch;
        say(&format!("epoch {epoch} selected; {seconds:.2} s an epoch"))?;
    }
    for (what, quality) in [("valid", report.valid), ("test", report.test)] {
        if let Some(LinkQuality {
            n_queries,
            mrr,
            hits_at_1,
            hits_at_3,
            hits_at_10,
            mean_rank,
        }) = quality
        {
            say(&format!(
                "{what}: filtered MRR {mrr:.4}, hits@1 {hits_at_1:.4}, hits@3 {hits_at_3:.4}, hits@10 {hits_at_10:.4}, mean rank {mean_rank:.1} of {n_queries} questions"
            ))?;
        }
    }
    if report.valid.is_some() || report.test.is_some() {
        say(&format!("protocol: {}", report.protocol))?;
        say(&format!("filtered by: {}", report.filtered_by.join(", ")))?;
    }
    match &report.out {
        Some(out) => say(&format!("{}: written", out.display())),
        None => Ok(()),
    }
}
