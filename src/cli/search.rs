//! `redress search`.

use super::args::SearchArgs;
use super::{Ended, print_json, remark, say, workspace_dir};
use crate::workspace::searching;
use anyhow::Result;

pub fn run(args: SearchArgs) -> Result<Ended> {
    let dir = workspace_dir(&args.workspace)?;
    let query = args.query.join(" ");
    match searching::search(&dir, &query, args.limit)? {
        Err(bad) => {
            // One character for one, or the mark below would not stand under its column.
            let shown = query.replace(char::is_control, "\u{fffd}");
            let mark = " ".repeat(bad.column);
            remark(&format!("{}\n  {shown}\n  {mark}^", bad.message));
            Ok(Ended::Usage)
        }
        Ok(found) if args.json => {
            print_json(&found)?;
            Ok(Ended::Done)
        }
        Ok(found) => {
            say(&format!("{} sentences", found.total))?;
            for row in &found.rows {
                say(&format!("{}  {}", row.id, row.text.replace('\n', " ")))?;
            }
            Ok(Ended::Done)
        }
    }
}
