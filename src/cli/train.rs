//! `redress train` and `redress fine-tune`.

use super::args::{FineTuneArgs, TrainArgs};
use super::{Ended, print_json, printable, progress, remark, say, workspace_dir};
use crate::workspace::convert::{self, Changes};
use crate::workspace::finetune;
use crate::workspace::messages::FineTuneReport;
use crate::workspace::models::{ModelChoice, setting};
use crate::workspace::mutual::MutualInputs;
use crate::workspace::training::{self, Around, TrainCommand, TrainEvent, TrainProgress};
use anyhow::{Context, Result};
use std::io::{self, Write};
use std::time::Instant;

pub fn run(args: TrainArgs) -> Result<Ended> {
    let device = super::device(&args.device)?;
    let settings = match &args.config {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("{}: cannot read these settings", path.display()))?;
            Some((path.clone(), text))
        }
        None => None,
    };
    let command = TrainCommand {
        workspace: workspace_dir(&args.workspace)?,
        out: args.out,
        systems: args.systems,
        inputs: MutualInputs {
            graph: args.graph,
            types: args.types,
        },
        encoder: args.encoder,
        from: args.from,
        epochs: args.epochs,
        seed: args.seed,
        settings,
        resume: args.resume,
        precision: args.precision,
        kb_model: args.kb_model,
        device,
    };
    let report = watched(|around| training::run(&command, around))?;
    if args.json {
        print_json(&report)?;
    } else if report.finished && report.record.best_epoch == 0 {
        println!("{}: written", report.out.display());
    } else if report.finished {
        let best = report
            .record
            .best_score
            .map_or(String::new(), |s| format!(", dev F1 {s:.4}"));
        say(&format!(
            "{}: epoch {} selected{best}",
            report.out.display(),
            report.record.best_epoch
        ))?;
    }
    if !report.finished {
        remark("stopped; the same command with --resume continues");
        return Ok(Ended::Stopped);
    }
    Ok(Ended::Done)
}

pub fn fine_tune(args: FineTuneArgs) -> Result<Ended> {
    let device = super::device(&args.model.device)?;
    let dir = workspace_dir(&args.workspace)?;
    let model = args.model.model.as_deref();
    let tuned = watched(|around| finetune::fine_tune_workspace(&dir, model, device, around))?;
    let Some(report) = tuned else {
        remark("stopped; nothing was changed");
        return Ok(Ended::Stopped);
    };
    let accepted = args.accept && !report.is_worse();
    if accepted {
        finetune::accept(&dir, &report)?;
    }
    if args.json {
        print_json(&finetune::as_json(&dir, &report)?)?;
    } else {
        say(&in_words(&report))?;
    }
    if args.accept && !accepted {
        remark(&format!(
            "the new model is worse on {} and was not made current; --model uses it all the same",
            report.judged_on()
        ));
        return Ok(Ended::WithProblems);
    }
    Ok(Ended::Done)
}

fn in_words(report: &FineTuneReport) -> String {
    let gains = report.gains.kinds();
    let mut lines: Vec<String> = gains.iter().map(|kind| kind.line()).collect();
    lines.extend(report.gains.notes());
    let judged = &report.judgements;
    lines.push(format!("protocol: {}", report.protocol));
    let kept_out = match report.gains.kept_out {
        0 => String::new(),
        n => format!("; {n} more, of dev and test, were kept out"),
    };
    lines.push(format!(
        "agrees with {} -> {} of {} judgements in {} corrected sentences{kept_out}",
        judged.met_before, judged.met_after, judged.all, report.n_corrected
    ));
    lines.push(report.model_dir.display().to_string());
    lines.join("\n")
}

/// Runs a training with progress on standard error, to be stopped by a signal.
fn watched<T>(train: impl FnOnce(&mut Around) -> Result<T>) -> Result<T> {
    let bar = progress::bar(0, "steps");
    let cancel = progress::cancel_on_signal();
    let cancelled = || cancel.is_cancelled();
    let started = Instant::now();
    let mut observe = |event: TrainEvent| match training::in_words(&event) {
        TrainProgress::Line(text) => {
            let line = format!("{:>6.0} s  {text}", started.elapsed().as_secs_f64());
            bar.suspend(|| {
                let _ = writeln!(io::stderr(), "{}", printable(&line));
            });
        }
        TrainProgress::Step { step, total, text } => {
            bar.set_length(total);
            bar.set_position(step);
            bar.set_message(text);
        }
    };
    let result = train(&mut Around {
        observe: &mut observe,
        cancelled: &cancelled,
    });
    bar.finish_and_clear();
    result
}

pub fn convert(args: super::args::ConvertArgs) -> Result<Ended> {
    // A workspace's thresholds are of its own model.
    let setting = args.thresholds.as_deref().map(setting).transpose()?;
    let choice = ModelChoice::resolve(args.model.as_deref(), setting.flatten().as_deref());
    let changes = Changes {
        precision: match (args.precision, &args.thresholds) {
            (None, None) => Some("int8".to_owned()),
            (given, _) => given,
        },
        thresholds: args.thresholds,
    };
    let made = convert::convert(&choice, &args.out, &changes)?;
    let stored = changes
        .precision
        .as_deref()
        .unwrap_or("weights as they were");
    let mut text = format!(
        "{}: {:.1} MB, {stored}",
        args.out.display(),
        made.bytes as f64 / 1e6
    );
    for (relation, threshold) in &made.thresholds {
        text += &format!("\n  {relation} is predicted from {threshold:.3} on");
    }
    say(&text)?;
    if !made.thresholds.is_empty() {
        remark("the copy is another run: `redress predict --model` makes its predictions");
    }
    Ok(Ended::Done)
}
