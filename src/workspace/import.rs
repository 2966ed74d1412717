//! Corpus files → workspace.

use super::{PAGE, Workspace, now_ms};
pub use crate::corpus::TypeNames;
use crate::corpus::{CorpusReader, Format, Imported, Item, Problem, Severity};
use crate::domain::annotation::Change;
use crate::domain::{SentenceId, Split};
use crate::store::NewCorrection;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, HashSet};
use std::io::BufReader;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    pub format: Option<Format>,
    pub split: Option<Split>,
    pub author: String,
    /// Types of entities that have none.
    pub types: TypeNames,
}

/// What became of one file. `problems` lists the first [`LISTED`] of them; `problem_counts` counts all.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct FileReport {
    pub file: String,
    pub format: String,
    pub style: String,
    pub sentences: usize,
    pub added: usize,
    /// In the workspace already.
    pub known: usize,
    /// Another text under the same id; not added.
    pub conflicts: usize,
    pub triples: u64,
    /// Entities whose type came from the list of names.
    pub typed: usize,
    /// Curator's decisions restored from a redress export.
    pub decisions: usize,
    /// Information lost, by kind.
    pub lost: u64,
    pub problem_counts: BTreeMap<String, u64>,
    pub problems: Vec<String>,
}

/// Problems listed a file; more are counted.
pub const LISTED: usize = 20;

/// Fails with the first file that cannot be read at all (missing, a folder, empty, of no known format), so that a slip in
/// a list of files is found before anything is written. Pipes are left alone: they can be read only once.
pub fn can_be_read(files: &[PathBuf], options: &ImportOptions) -> Result<()> {
    for file in files.iter().filter(|f| !is_pipe(f)) {
        CorpusReader::open(file, options.format, options.split)?;
    }
    Ok(())
}

/// Reads a list of names and entity types.
pub fn read_types(file: &Path) -> Result<TypeNames> {
    let name = file.display().to_string();
    let open = std::fs::File::open(file).with_context(|| name.clone())?;
    Ok(TypeNames::read(BufReader::new(open), &name)?)
}

/// Sentences written in one transaction. Ids are hashes, so a transaction touches about as many pages of their index as it has sentences, and each
/// page is written to the log anew: many small ones write gigabytes for a million sentences.
const CHUNK: usize = 16_384;
/// And at most about this much text.
const CHUNK_BYTES: usize = 16 << 20;

/// Standard input, a named pipe, a device.
pub(super) fn is_pipe(file: &Path) -> bool {
    let special = |m: std::fs::Metadata| !m.is_file() && !m.is_dir();
    file.as_os_str() == "-" || file.metadata().is_ok_and(special)
}

impl Workspace {
    /// Reads corpus files in order. What is known already is left as it is: importing a file twice adds nothing. `tell`
    /// hears bytes read.
    pub fn import(
        &mut self,
        files: &[PathBuf],
        options: &ImportOptions,
        tell: &mut dyn FnMut(&Path, u64, Option<u64>),
    ) -> Result<Vec<FileReport>> {
        let mut reports = Vec::new();
        for file in files {
            reports.push(self.import_file(file, options, tell)?);
        }
        self.store.flush()?;
        if reports.iter().all(|r| r.sentences == 0)
            && reports.iter().all(|r| r.problem_counts.is_empty())
        {
            bail!("nothing to import: no file holds a sentence");
        }
        self.refresh_index(&mut |_, _| true)?;
        Ok(reports)
    }

    fn import_file(
        &mut self,
        file: &Path,
        options: &ImportOptions,
        tell: &mut dyn FnMut(&Path, u64, Option<u64>),
    ) -> Result<FileReport> {
        let mut reader = CorpusReader::open(file, options.format, options.split)?;
        let mut report = FileReport {
            file: reader.file().to_string(),
            format: reader.format().name().to_owned(),
            ..FileReport::default()
        };
        let mut schema = self.schema.clone();
        let mut chunk: Vec<Imported> = Vec::new();
        let mut bytes = 0;
        loop {
            match reader.next(&mut schema) {
                Some(Item::Sentence(mut imported)) => {
                    report.typed += options.types.fill(&mut imported.sentence, &mut schema)?;
                    bytes += imported.sentence.text.len();
                    chunk.push(*imported);
                    if chunk.len().is_multiple_of(PAGE) {
                        tell(file, reader.bytes_read(), reader.total_bytes());
                    }
                }
                Some(Item::Problem(problem)) => note(&mut report, &problem),
                None => break,
            }
            if chunk.len() == CHUNK || bytes >= CHUNK_BYTES {
                self.schema.clone_from(&schema);
                self.add(&mut chunk, options, &mut report)?;
                bytes = 0;
            }
        }
        self.schema = schema;
        self.add(&mut chunk, options, &mut report)?;
        self.store.save_schema(&self.schema)?;
        let summary = reader.summary();
        report.triples = summary.triples as u64;
        report.lost = summary.lost() as u64;
        report.style = format!("{:?}", summary.style()).to_lowercase();
        tell(file, reader.bytes_read(), reader.total_bytes());
        Ok(report)
    }

    fn add(
        &mut self,
        chunk: &mut Vec<Imported>,
        options: &ImportOptions,
        report: &mut FileReport,
    ) -> Result<()> {
        let before: HashSet<SentenceId> = if chunk.iter().any(|i| !i.edits.is_empty()) {
            let reader = self.store.read();
            chunk
                .iter()
                .map(|i| i.sentence.id)
                .filter(|id| reader.idx_of(*id).is_ok())
                .collect()
        } else {
            HashSet::new()
        };
        let sentences = chunk.iter().map(|i| &i.sentence);
        let added = self.store.add_sentences(sentences, &self.schema)?;
        report.sentences += chunk.len();
        report.added += added.added;
        report.known += added.known;
        report.conflicts += added.conflicts.len();
        // Decisions come with sentences that are new here; a second import must not repeat them.
        let at_ms = now_ms();
        let corrections: Vec<NewCorrection> = chunk
            .drain(..)
            .filter(|i| {
                !before.contains(&i.sentence.id) && !added.conflicts.contains(&i.sentence.id)
            })
            .flat_map(|i| i.edits.into_iter().map(move |edit| (i.sentence.id, edit)))
            .map(|(sentence, edit)| NewCorrection {
                at_ms,
                by: options.author.clone(),
                sentence,
                seen: None,
                change: Change::Edit(edit),
            })
            .collect();
        if !corrections.is_empty() {
            report.decisions += self.append(&corrections)?.len();
        }
        Ok(())
    }
}

fn note(report: &mut FileReport, problem: &Problem) {
    *report
        .problem_counts
        .entry(problem.kind.name().to_owned())
        .or_default() += 1;
    let listed = problem.severity() == Severity::Lost || report.problems.len() < LISTED / 2;
    if listed && report.problems.len() < LISTED {
        report.problems.push(problem.to_string());
    }
}
