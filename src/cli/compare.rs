//! `redress compare`.

use super::args::CompareArgs;
use super::{Ended, open_workspace, print_json, progress, say, workspace_dir};
use crate::workspace::Cancel;
use crate::workspace::Reader;
use crate::workspace::compare::{ChangedDecision, RelationChanged, RunComparison, compare_runs};
use crate::workspace::runs;
use anyhow::{Context, Result};

pub fn run(args: CompareArgs) -> Result<Ended> {
    if let Some(name) = &args.drop {
        let mut workspace = open_workspace(&args.workspace)?;
        let run = runs::run_named(workspace.read(), name)?;
        let n = workspace.drop_run(run)?;
        say(&format!("dropped {n} predictions of run {run}"))?;
        return Ok(Ended::Done);
    }
    let reader = Reader::open(&workspace_dir(&args.workspace)?)?;
    if args.runs {
        return list(&reader, args.json);
    }
    let chosen = runs::chosen(&reader, args.before.as_deref(), args.after.as_deref())?;
    let split = args.split.map(Into::into);
    let found = progress::watched("sentences", &Cancel::new(), |tell| {
        compare_runs(&reader, chosen, split, args.limit, tell)
    })?;
    let found = found.context("stopped")?;
    match args.json {
        true => print_json(&found)?,
        false => say(in_words(&found).trim_end())?,
    }
    Ok(Ended::Done)
}

fn list(reader: &Reader, json: bool) -> Result<Ended> {
    let rows = runs::runs(reader)?;
    if json {
        print_json(&rows)?;
        return Ok(Ended::Done);
    }
    for row in &rows {
        let kept = match row.predicted {
            0 => "no predictions kept".to_owned(),
            n => format!("{n} predictions, {:.1} MB", row.bytes as f64 / 1e6),
        };
        let current = if row.current { "  current" } else { "" };
        say(&format!("{}  {}  {kept}{current}", row.run, row.systems))?;
    }
    say(&format!(
        "predictions of the {} runs that were current last are kept",
        runs::KEPT
    ))?;
    Ok(Ended::Done)
}

fn in_words(found: &RunComparison) -> String {
    let mut text = format!(
        "{} against {}, {} sentences\n{}\n",
        found.after, found.before, found.sentences, found.protocol
    );
    for note in &found.notes {
        text += &format!("note: {note}\n");
    }
    text += "\n                                                  F1       gain    95 % interval    fixed broken   gold\n";
    text += &line(&found.all);
    for row in &found.relations {
        text += &line(row);
    }
    for (title, list) in [("fixed", &found.fixed), ("broken", &found.broken)] {
        let n = match title {
            "fixed" => found.all.fixed,
            _ => found.all.broken,
        };
        text += &format!("\n{title}: {n}, the first {}\n", list.len());
        for decision in list {
            text += &changed(decision);
        }
    }
    text
}

fn line(row: &RelationChanged) -> String {
    let [low, high] = row.interval.map(|p| 100.0 * p);
    let sure = if low > 0.0 || high < 0.0 { "*" } else { " " };
    format!(
        "  {:<44} {:5.1} {:+6.1}{sure}  [{low:+5.1}, {high:+5.1}]  {:6} {:6} {:6}\n",
        row.relation,
        100.0 * row.f1_after,
        100.0 * row.gain,
        row.fixed,
        row.broken,
        row.gold
    )
}

fn changed(d: &ChangedDecision) -> String {
    let what = if d.label { "label" } else { "no label" };
    format!(
        "  {}  {}: {} → {} ({what})\n",
        d.sentence, d.relation, d.head, d.tail
    )
}
