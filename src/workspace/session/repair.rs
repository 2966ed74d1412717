//! Long work for those who repair: folds, duplicates, rules that the labels suggest. Each can be stopped, and what was there before then stays.

use super::Shared;
use super::compute::Compute;
use crate::jobs::{Cancel, Progress};
use crate::workspace::duplicates::{SIMILARITY, find_duplicates, read_duplicates};
use crate::workspace::messages::{JobEvent, JobKind, Reply};
use crate::workspace::noise::folds::{FoldOptions, make_folds};
use crate::workspace::relation_rules::known_rules;
use anyhow::Result;

/// Tells the screen how far a job is, and the job whether to go on.
struct Told<'a> {
    shared: &'a Shared,
    cancel: &'a Cancel,
    job: JobKind,
    unit: &'static str,
    progress: Option<Progress>,
}

impl<'a> Told<'a> {
    fn start(shared: &'a Shared, cancel: &'a Cancel, job: JobKind, unit: &'static str) -> Self {
        let total = 0;
        shared.reply(Reply::Job(JobEvent::Started { job, total, unit }));
        Self {
            shared,
            cancel,
            job,
            unit,
            progress: None,
        }
    }

    fn tell(&mut self, done: u64, total: u64) -> bool {
        let (job, unit) = (self.job, self.unit);
        let progress = self.progress.get_or_insert_with(|| {
            let started = JobEvent::Started { job, total, unit };
            self.shared.reply(Reply::Job(started));
            Progress::new(total, 0)
        });
        progress.advance(done.saturating_sub(progress.done));
        self.shared.reply(Reply::Job(JobEvent::Progress {
            job,
            done,
            total,
            remaining: progress.remaining(),
            note: String::new(),
        }));
        !self.cancel.is_cancelled()
    }

    /// `None`: it was stopped.
    fn end(self, summary: Option<String>) {
        let job = self.job;
        self.shared.reply(Reply::Job(match summary {
            Some(summary) => JobEvent::Finished { job, summary },
            None => JobEvent::Cancelled { job },
        }));
    }
}

impl Compute {
    /// The file is written whole at the end, or not at all: a list in the meantime has the old answers.
    pub(super) fn folds(&mut self) -> Result<()> {
        let model = self.model()?;
        let shared = &self.shared;
        let mut told = Told::start(shared, &shared.cancel_folds, JobKind::Folds, "pairs");
        let options = FoldOptions::default();
        let mut tell = |done, total| told.tell(done, total);
        let made = make_folds(&shared.dir, &model.sentence, &options, &mut tell)?;
        told.end(made.map(|r| format!("{} pairs asked, {} of them labelled", r.pairs, r.labelled)));
        Ok(())
    }

    /// Nothing where the groups that there are hold of all sentences.
    pub(super) fn duplicates(&mut self) -> Result<()> {
        let shared = &self.shared;
        if read_duplicates(&shared.dir, &self.reader)?.is_some() {
            return Ok(());
        }
        let cancel = &shared.cancel_repair;
        let mut told = Told::start(shared, cancel, JobKind::Duplicates, "steps");
        let mut tell = |done, total| told.tell(done, total);
        let found = find_duplicates(&shared.dir, SIMILARITY, &mut tell)?;
        told.end(
            found.map(|f| format!("{} groups of sentences that say the same", f.groups.len())),
        );
        Ok(())
    }

    pub(super) fn rules(&mut self) -> Result<()> {
        let shared = &self.shared;
        let mut told = Told::start(shared, &shared.cancel_repair, JobKind::Rules, "sentences");
        let known = known_rules(&self.reader, &mut |done, total| told.tell(done, total))?;
        told.end(known.as_ref().map(|k| format!("{} rules", k.len())));
        if let Some(known) = known {
            shared.reply(Reply::Rules(known));
        }
        Ok(())
    }
}
