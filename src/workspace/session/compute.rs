//! The lane of long work: loading the model, predicting, fine-tuning. Everything it makes goes to Disk to be kept.

use super::{PREDICT_UNASKED, Shared, disk, read, write};
use crate::domain::{Sentence, SentenceId, SentenceIdx};
use crate::jobs::{Lane, Progress};
use crate::store::Reader;
use crate::train::fit::FitEvent;
use crate::workspace::finetune::{FineTuneOptions, fine_tune};
use crate::workspace::in_words;
use crate::workspace::knowledge::Knowledge;
use crate::workspace::messages::{FineTuneReport, JobEvent, JobKind, Reply};
use crate::workspace::models::{ModelChoice, Models};
use crate::workspace::training::{Around, TrainEvent};
use anyhow::{Result, bail};
use std::sync::Arc;

/// Sentences between two looks at the cancel flag.
const CHUNK: usize = 64;

pub enum Work {
    LoadModel,
    Predict { ids: Vec<SentenceId> },
    Folds,
    Duplicates,
    Rules,
    FineTune,
    Decide { accept: bool },
}

pub struct Compute {
    pub(super) reader: Reader,
    pub(super) shared: Arc<Shared>,
    disk: Arc<Lane<disk::Work>>,
    /// Fine-tuned and not decided about.
    waiting: Option<FineTuneReport>,
}

impl Compute {
    pub fn new(reader: Reader, shared: Arc<Shared>, disk: Arc<Lane<disk::Work>>) -> Self {
        Self {
            reader,
            shared,
            disk,
            waiting: None,
        }
    }

    pub fn handle(&mut self, work: Work) {
        let (job, result) = match work {
            Work::LoadModel => (None, self.load_model()),
            Work::Predict { ids } => (Some(JobKind::Predict), self.predict(ids)),
            Work::Folds => (Some(JobKind::Folds), self.folds()),
            Work::Duplicates => (Some(JobKind::Duplicates), self.duplicates()),
            Work::Rules => (Some(JobKind::Rules), self.rules()),
            Work::FineTune => (Some(JobKind::FineTune), self.fine_tune()),
            Work::Decide { accept } => (None, self.decide(accept)),
        };
        match (job, result) {
            (_, Ok(())) => {}
            (Some(job), Err(error)) => {
                tracing::error!("{}", in_words(&error));
                self.shared.reply(Reply::Job(JobEvent::Failed {
                    job,
                    error: in_words(&error),
                }));
            }
            (None, Err(error)) => self.shared.failed(in_words(&error)),
        }
    }

    fn load_model(&mut self) -> Result<()> {
        let models = match read(&self.shared.choice).load_all(&self.shared.device) {
            Ok(models) => Arc::new(models),
            Err(error) => {
                write(&self.shared.model_note, "no model".to_owned());
                self.shared
                    .reply(Reply::ModelChanged(self.shared.info(&self.reader)?));
                return Err(error);
            }
        };
        write(&self.shared.model, Some(Arc::clone(&models)));
        let run = models.sentence.run;
        self.disk.send(disk::Work::UseModel(models));
        let n = self.reader.sentence_count()?;
        if n <= PREDICT_UNASKED && (self.reader.predicted(run)?.len() as u32) < n {
            self.predict(Vec::new())?;
        }
        Ok(())
    }

    pub(super) fn model(&self) -> Result<Arc<Models>> {
        match read(&self.shared.model) {
            Some(model) => Ok(model),
            None => bail!(
                "there is no model to predict with ({})",
                read(&self.shared.model_note)
            ),
        }
    }

    /// The given sentences, or all that the model has not seen.
    fn predict(&mut self, ids: Vec<SentenceId>) -> Result<()> {
        let model = self.model()?;
        let ids = if ids.is_empty() {
            self.unpredicted(&model)?
        } else {
            ids
        };
        let job = JobKind::Predict;
        let total = ids.len() as u64;
        self.shared.reply(Reply::Job(JobEvent::Started {
            job,
            total,
            unit: "sentences",
        }));
        let mut progress = Progress::new(total, 0);
        let knowledge = Knowledge::load(&self.reader)?;
        let mut schema = self.reader.schema()?;
        let mut cancelled = false;
        for chunk in ids.chunks(CHUNK) {
            if self.shared.cancel_predict.is_cancelled() {
                cancelled = true;
                break;
            }
            if schema.n_relations() == 0
                || model
                    .sentence
                    .config
                    .labels
                    .iter()
                    .any(|l| schema.relation(l).is_none())
            {
                // Disk adds the model's relations when it takes the model on.
                schema = self.reader.schema()?;
            }
            let sentences: Vec<Sentence> = chunk
                .iter()
                .map(|id| self.reader.sentence(*id))
                .collect::<Result<_, _>>()?;
            let refs: Vec<&Sentence> = sentences.iter().collect();
            let predictions = model.predict(&refs, &schema, knowledge.as_ref())?;
            self.disk.send(disk::Work::Keep {
                run: model.sentence.run,
                predictions,
            });
            progress.advance(chunk.len() as u64);
            let (done, remaining) = (progress.done, progress.remaining());
            let note = format!("{:.0} sentences/s", progress.rate());
            self.shared.reply(Reply::Job(JobEvent::Progress {
                job,
                done,
                total,
                remaining,
                note,
            }));
        }
        let ids = ids[..progress.done as usize].to_vec();
        let summary = format!(
            "predicted {} sentences in {:.0} s",
            ids.len(),
            progress.elapsed().as_secs_f64()
        );
        self.disk.send(disk::Work::Predicted {
            ids,
            summary,
            cancelled,
        });
        Ok(())
    }

    fn unpredicted(&self, model: &Models) -> Result<Vec<SentenceId>> {
        let done: std::collections::HashSet<SentenceIdx> = self
            .reader
            .predicted(model.sentence.run)?
            .into_iter()
            .collect();
        let ids = self.reader.ids(None)?;
        Ok(ids
            .into_iter()
            .filter(|(idx, _)| !done.contains(idx))
            .map(|(_, id)| id)
            .collect())
    }

    fn fine_tune(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let job = JobKind::FineTune;
        shared.reply(Reply::Job(JobEvent::Started {
            job,
            total: 0,
            unit: "steps",
        }));
        let mut observe = |event: TrainEvent| match event {
            TrainEvent::Said(note) => {
                shared.reply(Reply::Job(JobEvent::Progress {
                    job,
                    done: 0,
                    total: 0,
                    remaining: None,
                    note,
                }));
            }
            TrainEvent::Fit(FitEvent::Step {
                step,
                total,
                loss,
                remaining,
                ..
            }) => {
                let note = format!("loss {loss:.3}");
                let remaining = Some(remaining);
                shared.reply(Reply::Job(JobEvent::Progress {
                    job,
                    done: step,
                    total,
                    remaining,
                    note,
                }));
            }
            TrainEvent::Fit(FitEvent::Epoch {
                epoch, loss, score, ..
            }) => {
                let dev_f1 = score.map(|s| s as f32);
                shared.reply(Reply::Job(JobEvent::Epoch {
                    epoch,
                    loss,
                    dev_f1,
                }));
            }
            TrainEvent::Fit(_) => {}
        };
        let cancel = self.shared.cancel_train.clone();
        let cancelled = || cancel.is_cancelled();
        let mut around = Around {
            observe: &mut observe,
            cancelled: &cancelled,
        };
        let options = FineTuneOptions {
            from: read(&self.shared.choice),
            models: self.shared.dir.join("models"),
            device: self.shared.device.clone(),
        };
        let Some(report) = fine_tune(&self.reader, &options, &mut around)? else {
            self.shared.reply(Reply::Job(JobEvent::Cancelled { job }));
            return Ok(());
        };
        let summary = report.gains.summary();
        self.shared
            .reply(Reply::Job(JobEvent::Finished { job, summary }));
        self.waiting = Some(report.clone());
        self.shared.reply(Reply::ModelReady {
            report: Box::new(report),
        });
        Ok(())
    }

    fn decide(&mut self, accept: bool) -> Result<()> {
        let Some(report) = self.waiting.take() else {
            bail!("no fine-tuned model is waiting for a decision")
        };
        if !accept {
            return Ok(std::fs::remove_dir_all(&report.model_dir)?);
        }
        let dir = report.model_dir.clone();
        self.disk.send(disk::Work::RememberModel(Box::new(report)));
        write(&self.shared.choice, ModelChoice::Dir(dir));
        self.load_model()
    }
}
