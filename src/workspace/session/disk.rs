//! The lane that writes: edits first, each acknowledged after its commit.

use super::{Shared, write};
use crate::domain::annotation::Change;
use crate::domain::{Edit, Prediction, RelationId, RunId, SentenceId, Triple, Verdict};
use crate::export::{Overwrite, View};
use crate::store::NewCorrection;
use crate::workspace::agreement::settle;
use crate::workspace::exchange;
use crate::workspace::exporting::{ExportOptions, export_file, format_named};
use crate::workspace::in_words;
use crate::workspace::messages::{FineTuneReport, JobEvent, JobKind, Reply, Request};
use crate::workspace::models::Models;
use crate::workspace::relation_rules::{NamedRule, RuleBook};
use crate::workspace::report::record;
use crate::workspace::slices::Slice;
use crate::workspace::view::describe_edit;
use crate::workspace::{REINDEX_MOST, Workspace, now_ms, viewed};
use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub enum Work {
    Edit {
        id: SentenceId,
        edit: Edit,
    },
    EditAll(Vec<(SentenceId, Edit)>),
    DecideRule {
        rule: NamedRule,
        keep: Option<bool>,
    },
    Settle {
        id: SentenceId,
        triple: Triple,
        verdict: Verdict,
    },
    Undo,
    Redo,
    Export(Request),
    /// A model became current; its card.
    UseModel(Arc<Models>),
    /// Remembers an accepted model for the next start, and what it gained.
    RememberModel(Box<FineTuneReport>),
    Keep {
        run: RunId,
        predictions: Vec<Prediction>,
    },
    /// All predictions of a job are kept: lists and index follow, then the job is over.
    Predicted {
        ids: Vec<SentenceId>,
        summary: String,
        cancelled: bool,
    },
    /// A relation's own threshold, or the model's again.
    SetThreshold(RelationId, Option<f32>),
    KeepSlice(Slice),
    DropSlice(String),
    RefreshIndex,
    IndexEdits,
}

pub struct Disk {
    workspace: Workspace,
    shared: Arc<Shared>,
    /// Corrections up to here are in the index.
    indexed: u64,
}

impl Disk {
    pub fn new(workspace: Workspace, shared: Arc<Shared>) -> Self {
        Self {
            workspace,
            shared,
            indexed: 0,
        }
    }

    pub fn handle(&mut self, work: Work) {
        let result = match work {
            Work::Edit { id, edit } => {
                self.edit(id, edit);
                Ok(())
            }
            Work::EditAll(edits) => self.edit_all(edits),
            Work::DecideRule { rule, keep } => self.decide_rule(&rule, keep),
            Work::Settle {
                id,
                triple,
                verdict,
            } => {
                if let Err(error) = self.settle(id, triple, verdict) {
                    let reason = in_words(&error);
                    self.shared.reply(Reply::EditRefused { id, reason });
                }
                Ok(())
            }
            Work::Undo => self.step(Direction::Back),
            Work::Redo => self.step(Direction::Forward),
            Work::Export(request) => self.export(request),
            Work::UseModel(models) => self.use_model(&models),
            Work::RememberModel(report) => self.remember(&report),
            Work::Keep { run, predictions } => self.workspace.keep(run, &predictions),
            Work::Predicted {
                ids,
                summary,
                cancelled,
            } => self.predicted(&ids, summary, cancelled),
            Work::SetThreshold(relation, threshold) => self.set_threshold(relation, threshold),
            Work::KeepSlice(slice) => self.workspace.keep_slice(slice).map(|()| {
                self.shared.reply(Reply::SlicesChanged);
            }),
            Work::DropSlice(name) => self.workspace.drop_slice(&name).map(|()| {
                self.shared.reply(Reply::SlicesChanged);
            }),
            Work::RefreshIndex => self.refresh(),
            Work::IndexEdits => self.index_edits(),
        };
        if let Err(error) = result {
            self.shared.failed(in_words(&error));
        }
    }

    fn decide_rule(&mut self, rule: &NamedRule, keep: Option<bool>) -> Result<()> {
        let mut book = RuleBook::read(self.workspace.read())?;
        book.decide(rule, keep);
        self.workspace.set_rule_book(&book)?;
        let done = match keep {
            Some(true) => "kept; g r lists what the rules ask about",
            Some(false) => "refused",
            None => "no longer kept or refused",
        };
        self.shared.reply(Reply::Noted {
            what: format!("{}: {done}", rule.in_words()),
        });
        // A list of what rules ask about is out of date.
        self.shared.reply(Reply::Indexed);
        Ok(())
    }

    fn edit(&mut self, id: SentenceId, edit: Edit) {
        if let Err(error) = self.try_edit(id, edit) {
            self.shared.reply(Reply::EditRefused {
                id,
                reason: in_words(&error),
            });
        }
    }

    fn try_edit(&mut self, id: SentenceId, edit: Edit) -> Result<()> {
        let rule = self.workspace.rule();
        let run = self.workspace.read().current_run()?;
        // Refused here, it never reaches the history.
        viewed(self.workspace.read(), &rule, run, id)?
            .annotation
            .apply(&edit)?;
        let correction = NewCorrection {
            at_ms: now_ms(),
            by: self.shared.author.clone(),
            sentence: id,
            seen: run,
            change: Change::Edit(edit),
        };
        let saved = self.workspace.append(&[correction])?;
        self.touched(&[id])?;
        let detail = viewed(self.workspace.read(), &rule, run, id)?.detail(0, &rule);
        if let Some(correction) = saved.into_iter().next() {
            self.shared.reply(Reply::Saved {
                correction: Box::new(correction),
                detail: Box::new(detail),
            });
        }
        Ok(())
    }

    /// An adjudicator's verdict on what curators dispute.
    fn settle(&mut self, id: SentenceId, triple: Triple, verdict: Verdict) -> Result<()> {
        let author = self.shared.author.clone();
        settle(&mut self.workspace, id, triple, verdict, &author)?;
        self.touched(&[id])?;
        let (rule, run) = (self.workspace.rule(), self.workspace.read().current_run()?);
        let detail = viewed(self.workspace.read(), &rule, run, id)?.detail(0, &rule);
        let saved = self.workspace.read().corrections(id)?;
        if let Some(correction) = saved.into_iter().next_back() {
            self.shared.reply(Reply::Saved {
                correction: Box::new(correction),
                detail: Box::new(detail),
            });
        }
        Ok(())
    }

    /// All or none, as one step to undo. What an edit since has made impossible is left out.
    fn edit_all(&mut self, edits: Vec<(SentenceId, Edit)>) -> Result<()> {
        let rule = self.workspace.rule();
        let run = self.workspace.read().current_run()?;
        let mut corrections = Vec::with_capacity(edits.len());
        for (sentence, edit) in edits {
            let annotation = viewed(self.workspace.read(), &rule, run, sentence)?.annotation;
            if annotation.apply(&edit).is_ok() {
                corrections.push(NewCorrection {
                    at_ms: now_ms(),
                    by: self.shared.author.clone(),
                    sentence,
                    seen: run,
                    change: Change::Edit(edit),
                });
            }
        }
        self.workspace.append(&corrections)?;
        let mut ids: Vec<SentenceId> = corrections.iter().map(|c| c.sentence).collect();
        ids.sort();
        ids.dedup();
        self.touched(&ids)?;
        self.shared.reply(Reply::SavedAll {
            edits: corrections.len(),
            ids,
        });
        Ok(())
    }

    /// The lists' numbers at once; the index soon.
    fn touched(&mut self, ids: &[SentenceId]) -> Result<()> {
        self.workspace.put_summaries(ids)?;
        self.shared.stale.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn step(&mut self, direction: Direction) -> Result<()> {
        let (step, word) = match direction {
            Direction::Back => (self.workspace.store.last_undoable()?, "undid"),
            Direction::Forward => (self.workspace.store.last_redoable()?, "redid"),
        };
        let Some(step) = step else {
            let what = format!(
                "nothing to {}",
                if word == "undid" { "undo" } else { "redo" }
            );
            self.shared.reply(Reply::Undone {
                what,
                ids: Vec::new(),
            });
            return Ok(());
        };
        self.workspace
            .append(&step.corrections(&self.shared.author, now_ms()))?;
        let mut ids: Vec<SentenceId> = step.edits.iter().map(|c| c.sentence).collect();
        ids.sort();
        ids.dedup();
        self.touched(&ids)?;
        let what = match step.edits.as_slice() {
            [one] => {
                let sentence = self.workspace.read().sentence(one.sentence).ok();
                match &one.change {
                    Change::Edit(edit) => {
                        describe_edit(edit, sentence.as_ref(), self.workspace.schema())
                    }
                    Change::Undo(_) => "an undo".to_owned(),
                }
            }
            many => format!("{} edits in {} sentences", many.len(), ids.len()),
        };
        self.shared.reply(Reply::Undone {
            what: format!("{word}: {what}"),
            ids,
        });
        Ok(())
    }

    fn export(&mut self, request: Request) -> Result<()> {
        let Request::Export {
            format,
            path,
            only_reviewed,
            train_view,
        } = request
        else {
            return Ok(());
        };
        if format == exchange::CORRECTIONS {
            let report = exchange::to_file(self.workspace.read(), None, &path, false)?;
            self.shared.reply(Reply::Exported {
                path,
                sentences: report.sentences,
                corrections: Some(report.corrections),
                warnings: Vec::new(),
            });
            return Ok(());
        }
        let view = if train_view { View::Train } else { View::Full };
        let options = ExportOptions {
            format: format_named(&format)?,
            view,
            only_reviewed,
            split: None,
        };
        let report = export_file(self.workspace.read(), &options, &path, Overwrite::Refuse)?;
        let warnings = report
            .warnings
            .iter()
            .map(|(what, n)| format!("{n} × {what}"))
            .collect();
        self.shared.reply(Reply::Exported {
            path,
            sentences: report.sentences,
            corrections: None,
            warnings,
        });
        Ok(())
    }

    fn remember(&mut self, report: &FineTuneReport) -> Result<()> {
        self.workspace
            .set_model(&report.model_dir.display().to_string())?;
        record(&mut self.workspace, report)
    }

    fn use_model(&mut self, models: &Models) -> Result<()> {
        let (before, after) = (self.workspace.read().current_run()?, models.sentence.run);
        let was_current = self.workspace.index_is_current()?;
        self.workspace.use_model(&models.sentence, &models.card)?;
        write(&self.shared.rule, self.workspace.rule());
        if before != Some(after) {
            let followed = was_current && self.workspace.follow_run(before, after)?;
            if !followed {
                self.refresh()?;
            }
        }
        self.shared.reply(Reply::ModelChanged(
            self.shared.info(self.workspace.read())?,
        ));
        Ok(())
    }

    fn set_threshold(&mut self, relation: RelationId, threshold: Option<f32>) -> Result<()> {
        self.workspace.set_threshold(relation, threshold)?;
        write(&self.shared.rule, self.workspace.rule());
        self.shared.reply(Reply::ThresholdSet {
            relation,
            threshold,
            info: self.shared.info(self.workspace.read())?,
        });
        self.refresh()
    }

    fn predicted(&mut self, ids: &[SentenceId], summary: String, cancelled: bool) -> Result<()> {
        if ids.len() <= REINDEX_MOST {
            self.workspace.reindex(ids)?;
            self.workspace.commit_index()?;
        } else {
            self.refresh()?;
        }
        self.workspace.store.flush()?;
        let job = JobKind::Predict;
        self.shared.reply(Reply::Job(if cancelled {
            JobEvent::Cancelled { job }
        } else {
            JobEvent::Finished { job, summary }
        }));
        Ok(())
    }

    fn refresh(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let mut started = false;
        let mut tell = |done: u64, total: u64| {
            // Small indexes are made before anyone could read the message.
            if total > REINDEX_MOST as u64 {
                if !started {
                    shared.reply(Reply::Job(JobEvent::Started {
                        job: JobKind::Index,
                        total,
                        unit: "sentences",
                    }));
                    started = true;
                }
                let progress = JobEvent::Progress {
                    job: JobKind::Index,
                    done,
                    total,
                    remaining: None,
                    note: String::new(),
                };
                shared.reply(Reply::Job(progress));
            }
            true
        };
        self.workspace.refresh_index(&mut tell)?;
        self.indexed = self.workspace.read().stamp()?.corrections;
        let job = JobKind::Index;
        self.shared.reply(Reply::Job(JobEvent::Finished {
            job,
            summary: "up to date".to_owned(),
        }));
        Ok(())
    }

    fn index_edits(&mut self) -> Result<()> {
        let changed = self.workspace.read().corrected_since(self.indexed)?;
        self.workspace.reindex(&changed)?;
        self.workspace.commit_index()?;
        self.indexed = self.workspace.read().stamp()?.corrections;
        self.shared.reply(Reply::Indexed);
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Back,
    Forward,
}
