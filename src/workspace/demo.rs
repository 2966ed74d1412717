//! The demo: our own sentences and knowledge base inside the binary, imported and labelled on first start.

use super::Workspace;
use super::import::ImportOptions;
use super::knowledge::relation_map;
use crate::kb::ColumnOrder;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

static CORPUS: &[u8] = include_bytes!("../../sample_data/corpus.jsonl");
static TRIPLES: &[u8] = include_bytes!("../../sample_data/kb/triples.tsv");
static NAMES: &[u8] = include_bytes!("../../sample_data/kb/names.tsv");

/// Opens the demo workspace in `dir`, making it if it is not there: import, knowledge base, distant labels.
pub fn open(dir: &Path) -> Result<Workspace> {
    if dir.join(super::DATABASE).exists() {
        return Workspace::open(dir);
    }
    // Made beside its place and renamed: a demo whose making was interrupted is made again.
    let parent = dir.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)
        .with_context(|| format!("{}: cannot make this directory", parent.display()))?;
    let fresh = tempfile::Builder::new()
        .prefix(".demo-")
        .tempdir_in(parent)?;
    make(fresh.path())?;
    fs::rename(fresh.path(), dir)
        .with_context(|| format!("{}: cannot put the demo workspace here", dir.display()))?;
    Workspace::open(dir)
}

fn make(dir: &Path) -> Result<()> {
    let files = dir.join("input");
    fs::create_dir(&files)?;
    let file = |name: &str, bytes: &[u8]| -> Result<std::path::PathBuf> {
        let path = files.join(name);
        fs::write(&path, bytes)?;
        Ok(path)
    };
    let corpus = file("demo.jsonl", CORPUS)?;
    let triples = file("triples.tsv", TRIPLES)?;
    let names = file("names.tsv", NAMES)?;
    let mut workspace = Workspace::open_or_create(dir)?;
    let reports = workspace.import(&[corpus], &ImportOptions::default(), &mut |_, _, _| {})?;
    if let Some(broken) = reports
        .iter()
        .find(|r| r.sentences == 0 || !r.problem_counts.is_empty())
    {
        bail!(
            "the demo's own sentences cannot be read: {:?}",
            broken.problems
        );
    }
    workspace.import_kb(&[triples], &[names], ColumnOrder::Auto)?;
    workspace.label(Some(&relation_map("nyt24")?), &mut |_, _| true)?;
    drop(workspace);
    fs::remove_dir_all(files)?;
    Ok(())
}
