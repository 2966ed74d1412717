//! `redress search`.

use super::args::SearchArgs;
use super::{Ended, print_json, printable, workspace_dir};
use crate::workspace::Workspace;
use anyhow::Result;

pub fn run(args: SearchArgs) -> Result<Ended> {
    let mut workspace = Workspace::open(&workspace_dir(&args.workspace)?)?;
    workspace.refresh_index(&mut |_, _| true)?;
    let query = args.query.join(" ");
    match workspace.search(&query, args.limit)? {
        Err(bad) => {
            eprintln!(
                "redress: {}\n  {query}\n  {}^",
                printable(&bad.message),
                " ".repeat(bad.column)
            );
            Ok(Ended::Usage)
        }
        Ok(found) if args.json => {
            print_json(&found)?;
            Ok(Ended::Done)
        }
        Ok(found) => {
            println!("{} sentences", found.total);
            for row in &found.rows {
                println!("{}  {}", row.id, printable(&row.text));
            }
            Ok(Ended::Done)
        }
    }
}
