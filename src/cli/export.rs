//! `redress export`.

use super::args::{ExportArgs, OnlyArg, ViewArg};
use super::{Ended, print_json, remark, workspace_dir};
use crate::workspace::exporting::{self, ExportSummary};
use crate::workspace::{exchange, read_only};
use anyhow::{Result, bail};
use std::io::{self, BufWriter, Write};
use std::path::Path;

pub fn run(args: ExportArgs) -> Result<Ended> {
    let dir = workspace_dir(&args.workspace)?;
    if args.format == exchange::CORRECTIONS {
        return corrections(&args, &dir);
    }
    let options = exporting::options(
        &args.format,
        args.view == ViewArg::Train,
        args.only == OnlyArg::Reviewed,
        args.split.map(Into::into),
    )?;
    let summary: ExportSummary = match args.output.as_deref().filter(|p| p.as_os_str() != "-") {
        Some(path) => exporting::to_file(&dir, &options, path, args.force)?,
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            let summary = exporting::to_writer(&dir, &options, &mut out)?;
            out.flush()?;
            summary
        }
    };
    // Standard output may be the export itself.
    if args.json && args.output.is_some() {
        print_json(&summary)?;
    } else {
        let lost = summary.lost.iter();
        let lost: String = lost.map(|(what, n)| format!("\n  {n} × {what}")).collect();
        remark(&format!(
            "exported {} sentences, {} relations{lost}",
            summary.sentences, summary.relations
        ));
    }
    Ok(Ended::Done)
}

/// The history itself; views and reviewed sentences are no part of it.
fn corrections(args: &ExportArgs, dir: &Path) -> Result<Ended> {
    if args.view == ViewArg::Train || args.only == OnlyArg::Reviewed {
        bail!(
            "--format corrections writes every correction; leave out --view train and --only reviewed"
        );
    }
    let (reader, split) = (read_only(dir)?, args.split.map(Into::into));
    let report = match args.output.as_deref().filter(|p| p.as_os_str() != "-") {
        Some(path) => exchange::to_file(&reader, split, path, args.force)?,
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            let report = exchange::to_writer(&reader, split, &mut out)?;
            out.flush()?;
            report
        }
    };
    if args.json && args.output.is_some() {
        print_json(&report)?;
    } else {
        remark(&format!(
            "exported {} corrections of {} sentences",
            report.corrections, report.sentences
        ));
    }
    Ok(Ended::Done)
}
