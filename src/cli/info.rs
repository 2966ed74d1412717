//! `redress info` and `redress doctor`.

use super::args::InfoArgs;
use super::{Ended, Opens, opens, paths, print_json, say};
use crate::workspace::{about, in_words, models};
use anyhow::Result;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

pub fn info(args: InfoArgs) -> Result<Ended> {
    let paths = paths()?;
    let (dir, note) = place(&args)?;
    let mut rows: Vec<(String, String)> = vec![
        ("version".into(), env!("CARGO_PKG_VERSION").into()),
        ("settings".into(), paths.config_file().display().to_string()),
        (
            "key bindings".into(),
            paths.keymap_file().display().to_string(),
        ),
        ("themes".into(), paths.themes().display().to_string()),
        (
            "workspaces".into(),
            paths.workspaces().display().to_string(),
        ),
        ("log".into(), paths.log_file().display().to_string()),
        ("device".into(), models::describe_device()),
        ("workspace".into(), dir.display().to_string()),
    ];
    match note {
        Some(note) => rows.push(("workspace state".into(), note)),
        None => match about::facts(&dir) {
            Ok(facts) => rows.extend(facts),
            Err(error) => rows.push(("workspace state".into(), in_words(&error))),
        },
    }
    if args.json {
        let object: serde_json::Map<_, _> = rows.into_iter().map(|(n, v)| (n, v.into())).collect();
        print_json(&object)?;
        return Ok(Ended::Done);
    }
    for (name, value) in rows {
        say(&format!("{name:<18} {value}"))?;
    }
    Ok(Ended::Done)
}

/// The workspace that is reported on, and what to say instead where none was asked for and none is there.
fn place(args: &InfoArgs) -> Result<(PathBuf, Option<String>)> {
    Ok(match opens(&args.workspace)? {
        Opens::Workspace(dir) => (dir, None),
        Opens::Demo(dir) if dir.exists() => (dir, None),
        Opens::Demo(dir) => {
            let note = "none yet; `redress` opens the demo, `redress import FILE` makes one";
            (dir, Some(note.to_owned()))
        }
    })
}

pub fn doctor(args: InfoArgs) -> Result<Ended> {
    let mut checks: Vec<(&str, Result<String, String>)> = Vec::new();
    let terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    let term = std::env::var("TERM").unwrap_or_default();
    checks.push((
        "terminal",
        match (terminal, term.as_str()) {
            (true, "dumb") => {
                Err("TERM=dumb cannot show a screen; set TERM to what your terminal is".to_owned())
            }
            (true, _) => Ok(format!("TERM={term}")),
            (false, _) => Err("standard input or output is not a terminal".to_owned()),
        },
    ));
    checks.push(("device", Ok(models::describe_device())));
    checks.push((
        "embedded model",
        about::embedded_model().map_err(|e| in_words(&e)),
    ));
    let (dir, note) = place(&args)?;
    let sound = match note {
        Some(note) => Ok(note),
        None => about::check(&dir).map_err(|e| in_words(&e)),
    };
    checks.push(("workspace", sound));
    let failed = checks
        .iter()
        .any(|(name, result)| *name != "terminal" && result.is_err());
    if args.json {
        let object: serde_json::Map<String, serde_json::Value> = checks
            .into_iter()
            .map(|(n, r)| {
                let (ok, text) = match r {
                    Ok(text) => (true, text),
                    Err(text) => (false, text),
                };
                (n.to_owned(), serde_json::json!({"ok": ok, "says": text}))
            })
            .collect();
        print_json(&object)?;
    } else {
        for (name, result) in checks {
            let (mark, text) = match &result {
                Ok(text) => ("ok  ", text),
                Err(text) => ("FAIL", text),
            };
            say(&format!("{mark} {name:<16} {text}"))?;
        }
    }
    Ok(if failed {
        Ended::WithProblems
    } else {
        Ended::Done
    })
}
