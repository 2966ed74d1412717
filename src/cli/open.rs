//! `redress` without a command: the screen.

use super::args::OpenArgs;
use super::{Ended, Opens, opens, paths, remark};
use crate::config::{Config, Flags, Paths};
use crate::tui::{self, Stopped, TuiOptions};
use crate::workspace::models::ModelChoice;
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
        author: args.by.clone(),
        mouse: args.mouse.then_some(true),
    };
    let config = Config::load(&paths, flags)?;
    let device = super::device(&args.model.device)?;
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
    match result {
        Ok(()) => Ok(Ended::Done),
        Err(error) if error.is::<Stopped>() => {
            remark(&error.to_string());
            Ok(Ended::Stopped)
        }
        Err(error) => Err(error),
    }
}

fn open(args: &OpenArgs, paths: &Paths) -> Result<Workspace> {
    let demo = Opens::Demo(paths.workspaces().join("demo"));
    match if args.demo {
        demo
    } else {
        opens(&args.workspace)?
    } {
        Opens::Workspace(dir) => Workspace::open(&dir),
        Opens::Demo(dir) => demo::open(&dir),
    }
}
