//! Corrected labels → files.

use super::pass::Pages;
use super::stored_rule;
use crate::domain::Split;
use crate::export::{
    ExportFormat, ExportRecord, ExportReport, Exporter, Overwrite, View, write_atomically,
};
use crate::store::Reader;
use anyhow::{Context, Result, bail};
use std::io::{self, Write};
use std::path::Path;

#[derive(Clone, Debug)]
pub struct ExportOptions {
    pub format: ExportFormat,
    pub view: View,
    /// Only sentences that a curator touched.
    pub only_reviewed: bool,
    pub split: Option<Split>,
}

/// `redress`, `casrel` or `spert`.
pub fn format_named(name: &str) -> Result<ExportFormat> {
    ExportFormat::from_name(name).with_context(|| {
        let known: Vec<&str> = ExportFormat::ALL.iter().map(|f| f.name()).collect();
        format!(
            "unknown export format `{name}`; there are {}",
            known.join(", ")
        )
    })
}

/// Writes sentences as they stand, page by page.
pub fn export_to(
    reader: &Reader,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> io::Result<ExportReport> {
    let mut exporter = options.format.exporter(options.view);
    exporter.begin(out)?;
    write_pages(reader, options, exporter.as_mut(), out)?;
    exporter.finish(out)
}

fn write_pages(
    reader: &Reader,
    options: &ExportOptions,
    exporter: &mut dyn Exporter,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rule = stored_rule(reader).map_err(io::Error::other)?;
    let schema = reader.schema().map_err(io::Error::other)?;
    let run = reader
        .current_run()
        .map_err(io::Error::other)?
        .map(|r| r.to_string());
    let mut pages = Pages::start();
    while let Some(page) = pages.next(reader, &rule).map_err(io::Error::other)? {
        for (_, viewed) in &page {
            let split_fits = options.split.is_none_or(|s| s == viewed.sentence.split);
            if !split_fits || (options.only_reviewed && viewed.n_edits == 0) {
                continue;
            }
            let record = ExportRecord {
                sentence: &viewed.sentence,
                annotation: &viewed.annotation,
                prediction: viewed.prediction.as_ref(),
                rule: &rule,
                model: run.as_deref(),
                n_edits: viewed.n_edits,
            };
            exporter.write(&record, &schema, out)?;
        }
    }
    Ok(())
}

/// An export never writes over a workspace.
pub fn refuse_own_files(path: &Path) -> Result<()> {
    let name = path.file_name().map(|n| n.to_string_lossy());
    if name.is_some_and(|n| n.starts_with("workspace.db")) {
        bail!(
            "{}: that is a workspace's own file; choose another name",
            path.display()
        );
    }
    Ok(())
}

/// As [`export_to`], into a file that appears whole or not at all. Refuses the workspace's own files.
pub fn export_file(
    reader: &Reader,
    options: &ExportOptions,
    path: &Path,
    replace: Overwrite,
) -> Result<ExportReport> {
    refuse_own_files(path)?;
    Ok(write_atomically(path, replace, |out| {
        export_to(reader, options, out)
    })?)
}

/// What an export came to, for a report.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ExportSummary {
    pub sentences: usize,
    pub relations: usize,
    /// What the format could not hold, and how often.
    pub lost: Vec<(String, usize)>,
}

impl From<ExportReport> for ExportSummary {
    fn from(r: ExportReport) -> Self {
        Self {
            sentences: r.sentences,
            relations: r.relations,
            lost: r.warnings,
        }
    }
}

/// Options from names.
pub fn options(
    format: &str,
    train_view: bool,
    only_reviewed: bool,
    split: Option<Split>,
) -> Result<ExportOptions> {
    let view = if train_view { View::Train } else { View::Full };
    Ok(ExportOptions {
        format: format_named(format)?,
        view,
        only_reviewed,
        split,
    })
}

/// Exports the workspace in `dir` to a file.
pub fn to_file(
    dir: &Path,
    options: &ExportOptions,
    path: &Path,
    force: bool,
) -> Result<ExportSummary> {
    let replace = Overwrite::forced(force);
    Ok(export_file(&Reader::open(dir)?, options, path, replace)?.into())
}

/// Exports the workspace in `dir` to a writer.
pub fn to_writer(
    dir: &Path,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<ExportSummary> {
    Ok(export_to(&Reader::open(dir)?, options, out)?.into())
}
