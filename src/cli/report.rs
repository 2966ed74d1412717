//! `redress report`.

use super::args::{ReportArgs, ReportForm};
use super::{Ended, print_json, progress, remark, say, workspace_dir};
use crate::workspace::filter::escape_controls;
use crate::workspace::report::GainReport;
use crate::workspace::{read_only, write_whole};
use anyhow::{Result, bail};
use std::path::Path;

pub fn run(args: ReportArgs) -> Result<Ended> {
    let dir = workspace_dir(&args.workspace)?;
    let output = args.output.as_deref().filter(|p| p.as_os_str() != "-");
    let form = match (args.form, output) {
        (Some(form), _) => form,
        (None, Some(path)) => form_of(path)?,
        (None, None) => ReportForm::Md,
    };
    let name = std::fs::canonicalize(&dir).unwrap_or_else(|_| dir.clone());
    let name = name.file_name().unwrap_or_default().to_string_lossy();
    let (reader, cancel) = (read_only(&dir)?, progress::cancel_on_signal());
    let report = progress::watched("sentences", &cancel, |tell| {
        GainReport::collect(&dir, &reader, &name, tell)
    })?;
    let Some(report) = report else {
        remark("stopped; nothing was written");
        return Ok(Ended::Stopped);
    };
    let text = match form {
        ReportForm::Md => report.markdown(),
        ReportForm::Html => report.html(),
        ReportForm::Json if output.is_none() => {
            print_json(&report)?;
            return Ok(Ended::Done);
        }
        ReportForm::Json => escape_controls(&serde_json::to_string_pretty(&report)?).into_owned(),
    };
    match output {
        Some(path) => {
            write_whole(path, args.force, text.as_bytes())?;
            remark(&format!("wrote {}", path.display()));
        }
        None => say(&text)?,
    }
    Ok(Ended::Done)
}

fn form_of(path: &Path) -> Result<ReportForm> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    Ok(match extension.as_deref() {
        Some("html" | "htm") => ReportForm::Html,
        Some("md") => ReportForm::Md,
        Some("json") => ReportForm::Json,
        _ => bail!(
            "{}: expected a name that ends in .html, .md or .json, or --form",
            path.display()
        ),
    })
}
