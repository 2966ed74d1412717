//! `redress` without a command: the screen.

use super::args::OpenArgs;
use super::{Ended, paths, remark, workspace_dir};
use crate::config::{Config, Flags};
use crate::tui::{self, TuiOptions};
use crate::workspace::models::{self, ModelChoice};
use crate::workspace::session::{Session, SessionOptions};
use crate::workspace::{Workspace, demo};
use anyhow::Result;
use std::io::{self, IsTerminal};

pub fn run(args: OpenArgs) -> Result<Ended> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        remark(
            "this opens a screen and needs a terminal for input and output. Without one, use the commands: \
             `redress import`, `predict`, `evaluate`, `export`, … (`redress --help`)",
        );
        return Ok(Ended::Usage);
    }
    let paths = paths()?;
    let flags = Flags {
        theme: args.theme.clone(),
        keymap: args.keys.clone(),
        author: None,
        mouse: args.mouse.then_some(true),
    };
    let config = Config::load(&paths, flags)?;
    let (device, note) = models::device(&args.model.device)?;
    if let Some(note) = note {
        remark(&note);
    }
    let workspace = open(&args, &paths)?;
    let setting = workspace.model_setting()?;
    let model = ModelChoice::resolve(args.model.model.as_deref(), setting.as_deref());
    let options = SessionOptions {
        author: config.author.clone(),
        model,
        device,
    };
    let (session, replies) = Session::start(workspace, options)?;
    let (requests, received) = crossbeam_channel::unbounded();
    let forward = std::thread::Builder::new()
        .name("requests".to_owned())
        .spawn(move || {
            for request in received {
                session.send(request);
            }
            // Dropping the session here waits for every edit to be on disk.
        })?;
    let result = tui::run(TuiOptions::new(&config, &paths), requests, replies);
    let _ = forward.join();
    result?;
    Ok(Ended::Done)
}

/// The workspace asked for; else the default one if it exists; else the demo.
fn open(args: &OpenArgs, paths: &crate::config::Paths) -> Result<Workspace> {
    let demo = || demo::open(&paths.workspaces().join("demo"));
    if args.demo {
        return demo();
    }
    let asked = args.workspace.dir.is_some() || std::env::var_os("REDRESS_WORKSPACE").is_some();
    let dir = workspace_dir(&args.workspace)?;
    if asked || dir.exists() {
        Workspace::open(&dir)
    } else {
        demo()
    }
}
