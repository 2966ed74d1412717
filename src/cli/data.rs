//! `redress import`, `redress kb import`, `redress label`.

use super::args::{ImportArgs, KbImportArgs, LabelArgs};
use super::{Ended, print_json, printable, progress, remark, say, workspace_dir};
use crate::workspace::import::{self, FileReport, ImportOptions, LISTED, TypeNames};
use crate::workspace::knowledge;
use crate::workspace::{Workspace, format_named};
use anyhow::Result;

pub fn import(args: ImportArgs) -> Result<Ended> {
    let options = ImportOptions {
        format: args.format.as_deref().map(format_named).transpose()?,
        split: args.split.map(Into::into),
        author: author(),
        types: match &args.types {
            Some(file) => import::read_types(file)?,
            None => TypeNames::default(),
        },
    };
    import::can_be_read(&args.files, &options)?;
    let mut workspace = Workspace::open_or_create(&workspace_dir(&args.workspace)?)?;
    let bar = progress::bar(0, "bytes");
    let reports = workspace.import(&args.files, &options, &mut |file, done, total| {
        bar.set_message(printable(&file.display().to_string()));
        bar.set_length(total.unwrap_or(done));
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    if args.json {
        print_json(&reports)?;
    } else {
        for report in &reports {
            say(&in_words(report))?;
        }
        say(&format!(
            "workspace {}: {} sentences",
            workspace.dir().display(),
            workspace.read().sentence_count()?
        ))?;
    }
    let problems = reports.iter().any(|r| r.lost > 0 || r.conflicts > 0);
    Ok(if problems {
        Ended::WithProblems
    } else {
        Ended::Done
    })
}

fn in_words(r: &FileReport) -> String {
    let mut text = format!(
        "{} ({}, {}): {} sentences, {} new, {} known already; {} triples",
        r.file, r.format, r.style, r.sentences, r.added, r.known, r.triples
    );
    if r.typed > 0 {
        text += &format!("; {} entities typed by name", r.typed);
    }
    if r.decisions > 0 {
        text += &format!("; {} decisions restored", r.decisions);
    }
    if r.conflicts > 0 {
        text += &format!(
            "\n  {} sentences NOT added: another text has their id",
            r.conflicts
        );
    }
    for (kind, n) in &r.problem_counts {
        text += &format!("\n  {n} × {kind}");
    }
    for problem in &r.problems {
        text += &format!("\n    {problem}");
    }
    let total: u64 = r.problem_counts.values().sum();
    if total > r.problems.len() as u64 {
        text += &format!(
            "\n    … and {} more (the first {LISTED} at most are listed)",
            total - r.problems.len() as u64
        );
    }
    text
}

pub fn import_kb(args: KbImportArgs) -> Result<Ended> {
    knowledge::can_be_read(args.triples.iter().chain(&args.names))?;
    let mut workspace = Workspace::open_or_create(&workspace_dir(&args.workspace)?)?;
    let report = workspace.import_kb(&args.triples, &args.names, args.columns.into())?;
    let problems = report.files.iter().any(|f| f.problems > 0);
    if args.json {
        print_json(&report)?;
    } else {
        for f in &report.files {
            let order = if f.order.is_empty() {
                String::new()
            } else {
                format!("; columns: {}", f.order)
            };
            let line = format!(
                "{}: {} lines, {} new, {} known already{order}",
                f.file, f.lines, f.added, f.duplicates
            );
            say(&line)?;
            if f.problems > 0 {
                say(&format!("  {} lines left out", f.problems))?;
            }
            for problem in &f.first_problems {
                say(&format!("    {problem}"))?;
            }
        }
        say(&format!(
            "knowledge base: {} facts, {} entities ({} facts, {} entities, {} aliases new)",
            report.facts,
            report.entities,
            report.added_facts,
            report.added_entities,
            report.added_aliases
        ))?;
    }
    Ok(if problems {
        Ended::WithProblems
    } else {
        Ended::Done
    })
}

pub fn label(args: LabelArgs) -> Result<Ended> {
    let map = knowledge::relation_map(&args.map)?;
    let mut workspace = super::open_workspace(&args.workspace)?;
    let cancel = progress::cancel_on_signal();
    let map = (!args.link_only).then_some(&map);
    let report = progress::watched("sentences", &cancel, |tell| workspace.label(map, tell));
    let report = match report {
        Err(stopped) if cancel.is_cancelled() => {
            remark(&crate::workspace::in_words(&stopped));
            return Ok(Ended::Stopped);
        }
        other => other?,
    };
    if args.json {
        print_json(&report)?;
        return Ok(Ended::Done);
    }
    say(&format!(
        "{} sentences, {} of {} mentions linked, {} labels in {} sentences",
        report.sentences, report.linked, report.mentions, report.labels, report.labelled_sentences
    ))?;
    for (relation, n) in &report.per_relation {
        say(&format!("  {n:>7} {relation}"))?;
    }
    Ok(Ended::Done)
}

/// Signs corrections that an import restores.
pub fn author() -> String {
    crate::config::Config::default().author
}
