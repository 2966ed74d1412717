//! The filter's outputs → predictions of a workspace.

use super::lines::next_line;
use super::record::{Failed, Record};
use crate::corpus::{again, excerpt, open_bytes, single};
use crate::domain::{Prediction, RelationSchema, Sentence, SentenceId};
use crate::store::Reader;
use crate::workspace::knowledge::Knowledge;
use crate::workspace::models::{ModelChoice, Models};
use crate::workspace::{Tell, Workspace};
use anyhow::{Context, Result};
use candle_core::Device;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Predictions written together.
const BATCH: usize = 256;
/// Problems listed; more are counted.
const LISTED: usize = 20;

/// What became of the lines of all files.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct PredictionsReport {
    pub lines: u64,
    /// Sentences that had no prediction of this model before.
    pub added: u64,
    /// Sentences whose prediction was there already; written again.
    pub known: u64,
    /// Lines that fit no sentence, or not this model, or cannot be read.
    pub problems: u64,
    /// The first [`LISTED`] of them.
    pub listed: Vec<String>,
    pub model: String,
    pub run: String,
}

struct Import<'a> {
    workspace: &'a mut Workspace,
    models: Models,
    knowledge: Option<Knowledge>,
    schema: RelationSchema,
    report: PredictionsReport,
    pending: Vec<(Sentence, Prediction)>,
}

/// Reads outputs of `redress predict --kept`, in any order and any number of files, and keeps them as predictions of the
/// model that made them, which becomes the workspace's current one. The same file twice changes nothing. `tell` hears lines
/// done and stops by `false`; what is written stays.
pub fn import_predictions(
    workspace: &mut Workspace,
    files: &[PathBuf],
    choice: &ModelChoice,
    device: &Device,
    tell: Tell,
) -> Result<PredictionsReport> {
    for file in files.iter().filter(|f| f.as_os_str() != "-") {
        std::fs::File::open(file).with_context(|| file.display().to_string())?;
    }
    let models = choice.load_all(device)?;
    workspace.use_model(&models.sentence, &models.card)?;
    workspace.remember_model(choice)?;
    let mut import = Import {
        schema: workspace.schema().clone(),
        knowledge: Knowledge::load(workspace.read())?,
        workspace,
        report: PredictionsReport {
            model: models.systems(),
            run: models.sentence.run.to_string(),
            ..PredictionsReport::default()
        },
        models,
        pending: Vec::new(),
    };
    for file in files {
        if !import.file(file, tell)? {
            break;
        }
    }
    import.write()?;
    let Import {
        workspace, report, ..
    } = import;
    workspace.flush()?;
    workspace.refresh_index(&mut |_, _| true)?;
    Ok(report)
}

impl Import<'_> {
    /// `false` when stopped.
    fn file(&mut self, file: &Path, tell: Tell) -> Result<bool> {
        let mut input = open_bytes(file)?;
        let name = file.display().to_string();
        let mut n = 0_u64;
        loop {
            let line = match next_line(&mut *input) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(true),
                Err(error) => {
                    self.problem(&name, n + 1, &format!("cannot be read on: {error}"));
                    return Ok(true);
                }
            };
            n += 1;
            if line.as_ref().is_ok_and(Vec::is_empty) {
                continue;
            }
            self.report.lines += 1;
            let taken = line.and_then(|bytes| self.line(&bytes));
            if let Err(why) = taken {
                self.problem(&name, n, &why);
            }
            if self.pending.len() >= BATCH {
                self.write()?;
                if !tell(self.report.lines, 0) {
                    return Ok(false);
                }
            }
        }
    }

    fn problem(&mut self, file: &str, line: u64, why: &str) {
        self.report.problems += 1;
        if self.report.listed.len() < LISTED {
            self.report.listed.push(format!("{file}:{line}: {why}"));
        }
    }

    /// Takes one line's prediction, for every sentence that it is about.
    fn line(&mut self, bytes: &[u8]) -> Result<(), String> {
        if let Ok(failed) = serde_json::from_slice::<Failed>(bytes) {
            let error = excerpt(&failed.error);
            return Err(format!("not predicted: {error}"));
        }
        let record: Record = serde_json::from_slice(bytes).map_err(|e| {
            let e = excerpt(&e.to_string());
            format!("expected a line of `redress predict --kept`, found {e}")
        })?;
        let expected = self.models.sentence_run.to_string();
        if record.model != expected {
            return Err(format!(
                "predicted by model {}, expected {expected}; name its directory with --model",
                excerpt(&record.model)
            ));
        }
        if !record.kept {
            return Err("holds accepted triples only; predict with --kept".to_owned());
        }
        let run = self.models.sentence.run;
        for sentence in self.sentences(&record)? {
            let prediction = record
                .prediction(sentence.id, run, &self.schema)
                .map_err(|found| format!("does not fit model and sentence: {found}"))?;
            self.pending.push((sentence, prediction));
        }
        Ok(())
    }

    /// The one that an export names; else all with this text and native id, since equal input has equal output.
    fn sentences(&self, record: &Record) -> Result<Vec<Sentence>, String> {
        let reader = self.workspace.read();
        let mut found = Vec::new();
        match &record.sentence {
            Some(id) => {
                let id = id
                    .parse()
                    .map_err(|_| "expected an id of 16 hex digits".to_owned())?;
                found.extend(with_tokens(reader, id, &record.tokens)?);
            }
            None => {
                let first = single(&record.text, record.id.as_deref());
                let mut id = first;
                while let Some(sentence) = with_tokens(reader, id, &record.tokens)? {
                    found.push(sentence);
                    id = again(first, u32::try_from(found.len()).unwrap_or(u32::MAX));
                }
            }
        }
        if found.is_empty() {
            return Err(format!(
                "no sentence of this workspace: \"{}\"",
                excerpt(&record.text)
            ));
        }
        Ok(found)
    }

    fn write(&mut self) -> Result<()> {
        let (sentences, mut predictions): (Vec<Sentence>, Vec<Prediction>) =
            std::mem::take(&mut self.pending).into_iter().unzip();
        let refs: Vec<&Sentence> = sentences.iter().collect();
        let knowledge = self.knowledge.as_ref();
        let models = &self.models;
        models.fill(&refs, &self.schema, knowledge, &mut predictions)?;
        let run = models.sentence.run;
        let reader = self.workspace.read();
        let mut now = HashSet::new();
        for sentence in &sentences {
            let known = !now.insert(sentence.id) || reader.has_prediction(run, sentence.id)?;
            let counter = if known {
                &mut self.report.known
            } else {
                &mut self.report.added
            };
            *counter += 1;
        }
        self.workspace.keep(run, &predictions)
    }
}

/// The workspace's sentence; an error if it is cut into other words there.
fn with_tokens(
    reader: &Reader,
    id: SentenceId,
    tokens: &[String],
) -> Result<Option<Sentence>, String> {
    if reader.idx_of(id).is_err() {
        return Ok(None);
    }
    let sentence = reader.sentence(id).map_err(|e| e.to_string())?;
    let same = sentence.words().eq(tokens.iter().map(String::as_str));
    if same {
        Ok(Some(sentence))
    } else {
        Err(format!(
            "the workspace cuts sentence {id} into other words; predict its export, or pass `tokens`"
        ))
    }
}
