//! What all views know: the workspace, what is saved and what is not, running jobs, messages; and the tray in which
//! they put what they want done.

use super::effect::Effect;
use super::keymap::Keymap;
use super::overlay::Overlay;
use super::overlay::picker::{Choice, Purpose};
use super::theme::Theme;
use super::widget::numbers::{counted, duration, grouped};
use crate::domain::{Edit, RelationId, SentenceId, Triple, Verdict};
use crate::workspace::messages::{
    FineTuneReport, JobEvent, JobKind, Request, Ticket, WorkspaceInfo,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

const KEPT_MESSAGES: usize = 200;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    Good,
    Warning,
    Error,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub level: Level,
    pub text: String,
}

/// The places of the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tab {
    Corpus,
    Errors,
    Disputes,
    Sentence,
}

/// Along the list of sentences.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Next,
    Previous,
}

/// What one part of the screen asks of another; `update` carries it out.
pub enum Intent {
    /// Opens the sentence at this row of the list.
    OpenRow(usize),
    /// Opens a neighbour of the open sentence.
    Step(Step),
    /// Searches and shows the list.
    Filter(String),
    /// Shows what the current run changed.
    ShowRuns,
    Push(Overlay),
    Picked(Purpose, Choice),
    Typed(Purpose, String),
    Confirmed(Purpose),
}

/// A running job.
#[derive(Clone, PartialEq, Debug)]
pub struct Job {
    pub kind: JobKind,
    pub done: u64,
    pub total: u64,
    pub unit: &'static str,
    pub remaining: Option<Duration>,
    pub note: String,
    pub cancelling: bool,
}

impl Job {
    /// `predict 34% of 6,300 sentences, 1m12s left`
    pub fn line(&self) -> String {
        let mut out = job_name(self.kind).to_owned();
        if self.cancelling {
            return out + ": stopping";
        }
        let done = self.done.min(self.total).saturating_mul(100);
        if let Some(percent) = done.checked_div(self.total) {
            out += &format!(" {percent}% of {} {}", grouped(self.total), self.unit);
        }
        if let Some(left) = self.remaining {
            out += &format!(", {} left", duration(left));
        }
        if !self.note.is_empty() {
            out += &format!(", {}", self.note);
        }
        out
    }
}

pub fn job_name(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Predict => "predict",
        JobKind::FineTune => "fine-tune",
        JobKind::Folds => "folds",
        JobKind::Duplicates => "duplicates",
        JobKind::Rules => "rules",
        JobKind::Export => "export",
        JobKind::Index => "index",
    }
}

/// One epoch of the running or latest fine-tuning.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Epoch {
    pub epoch: u32,
    pub loss: f32,
    pub dev_f1: Option<f32>,
}

pub struct Shared {
    pub info: Arc<WorkspaceInfo>,
    /// Whether the engine has said what is in the workspace.
    pub opened: bool,
    pub theme: Theme,
    pub keymap: Keymap,
    /// Edits sent and not on disk yet, oldest first.
    pub pending: VecDeque<(SentenceId, Edit)>,
    /// Undos, redos and bulk edits sent and not answered yet.
    pub undoing: usize,
    /// Edits that reached the disk since the program started.
    pub n_saved: usize,
    pub jobs: Vec<Job>,
    pub epochs: Vec<Epoch>,
    pub report: Option<Box<FineTuneReport>>,
    pub messages: VecDeque<Message>,
    /// The latest message, until the next key.
    pub notice: Option<Message>,
    /// Relations by falling count, those of the keys 1 to 9 first.
    pub frequent: Vec<RelationId>,
    pub ticks: usize,
    last_ticket: Ticket,
    pub effects: Vec<Effect>,
    pub intents: Vec<Intent>,
}

impl Shared {
    pub fn new(theme: Theme, keymap: Keymap) -> Self {
        Self {
            info: Arc::default(),
            opened: false,
            theme,
            keymap,
            pending: VecDeque::new(),
            undoing: 0,
            n_saved: 0,
            jobs: Vec::new(),
            epochs: Vec::new(),
            report: None,
            messages: VecDeque::new(),
            notice: None,
            frequent: Vec::new(),
            ticks: 0,
            last_ticket: 0,
            effects: Vec::new(),
            intents: Vec::new(),
        }
    }

    pub fn send(&mut self, request: Request) {
        self.effects.push(Effect::Send(request));
    }

    pub fn next_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        self.last_ticket
    }

    pub fn last_ticket(&self) -> Ticket {
        self.last_ticket
    }

    pub fn edit(&mut self, id: SentenceId, edit: Edit) {
        self.pending.push_back((id, edit.clone()));
        self.send(Request::Edit { id, edit });
    }

    /// An adjudicator's choice; on its way like an edit.
    pub fn settle_dispute(&mut self, id: SentenceId, triple: Triple, verdict: Verdict) {
        let edit = Edit::Judge {
            triple,
            verdict: Some(verdict),
        };
        self.pending.push_back((id, edit));
        self.send(Request::Settle {
            id,
            triple,
            verdict,
        });
    }

    /// Edits of one sentence that are not on disk yet.
    pub fn pending_of(&self, id: SentenceId) -> impl Iterator<Item = &Edit> {
        self.pending
            .iter()
            .filter(move |(of, _)| *of == id)
            .map(|(_, edit)| edit)
    }

    /// Takes the answered edit off the list: this very one if it is there, else the oldest of the sentence.
    pub fn settle(&mut self, id: SentenceId, edit: Option<&Edit>) {
        let exact = self
            .pending
            .iter()
            .position(|(of, e)| *of == id && Some(e) == edit);
        let oldest = || self.pending.iter().position(|(of, _)| *of == id);
        if let Some(at) = exact.or_else(oldest) {
            self.pending.remove(at);
        }
    }

    pub fn say(&mut self, level: Level, text: impl Into<String>) {
        let message = Message {
            level,
            text: text.into(),
        };
        self.messages.push_back(message.clone());
        if self.messages.len() > KEPT_MESSAGES {
            self.messages.pop_front();
        }
        self.notice = Some(message);
    }
    pub fn good(&mut self, text: impl Into<String>) {
        self.say(Level::Good, text);
    }
    pub fn warn(&mut self, text: impl Into<String>) {
        self.say(Level::Warning, text);
    }
    pub fn error(&mut self, text: impl Into<String>) {
        self.say(Level::Error, text);
    }

    /// Short name of a relation; ids of another schema do not panic here.
    pub fn relation(&self, id: RelationId) -> &str {
        let relation = self.info.schema.relations().get(id.index());
        relation.map_or("(unknown relation)", |r| r.short.as_str())
    }

    pub fn job(&self, kind: JobKind) -> Option<&Job> {
        self.jobs.iter().find(|j| j.kind == kind)
    }

    /// The nine relations under the keys 1 to 9.
    pub fn numbered(&self) -> &[RelationId] {
        &self.frequent[..self.frequent.len().min(9)]
    }

    pub fn on_job(&mut self, event: JobEvent) {
        match event {
            JobEvent::Started { job, total, unit } => {
                if job == JobKind::FineTune {
                    self.epochs.clear();
                    self.report = None;
                }
                self.jobs.retain(|j| j.kind != job);
                self.jobs.push(Job {
                    kind: job,
                    done: 0,
                    total,
                    unit,
                    remaining: None,
                    note: String::new(),
                    cancelling: false,
                });
            }
            JobEvent::Progress {
                job,
                done,
                total,
                remaining,
                note,
            } => {
                if let Some(job) = self.jobs.iter_mut().find(|j| j.kind == job) {
                    (job.done, job.total) = (done, total);
                    (job.remaining, job.note) = (remaining, note);
                }
            }
            JobEvent::Epoch {
                epoch,
                loss,
                dev_f1,
            } => self.epochs.push(Epoch {
                epoch,
                loss,
                dev_f1,
            }),
            JobEvent::Finished { job, summary } => {
                self.jobs.retain(|j| j.kind != job);
                self.good(format!("{} finished: {summary}", job_name(job)));
            }
            JobEvent::Cancelled { job } => {
                self.jobs.retain(|j| j.kind != job);
                self.warn(format!("{} stopped", job_name(job)));
            }
            JobEvent::Failed { job, error } => {
                self.jobs.retain(|j| j.kind != job);
                self.error(format!("{} failed: {error}", job_name(job)));
            }
        }
    }

    /// What keeps the program from being left without a question.
    pub fn unfinished(&self) -> Option<String> {
        let mut parts = Vec::new();
        let n = self.pending.len() + self.undoing;
        if n > 0 {
            parts.push(format!("{} not on disk yet", counted(n, "edit")));
        }
        if let Some(job) = self.jobs.first() {
            parts.push(format!("{} is running", job_name(job.kind)));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}
