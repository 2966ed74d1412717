//! From the engine's answers to state: which part of the screen each belongs to, and what it makes out of date.

use super::app::App;
use super::overlay::Overlay;
use super::overlay::log::Log;
use super::state::Tab;
use super::view::corpus::BadQuery;
use super::widget::numbers::counted;
use crate::domain::annotation::Change;
use crate::workspace::messages::{JobEvent, JobKind, Reply, WorkspaceInfo};
use std::sync::Arc;

impl App {
    pub(super) fn on_reply(&mut self, reply: Reply) {
        let shared = &mut self.shared;
        match reply {
            Reply::Opened(info) => self.on_opened(info),
            Reply::ModelChanged(info) => {
                shared.good(format!("the current model is now {}", info.model));
                shared.info = info;
                self.everything_changed();
            }
            Reply::Page(_)
            | Reply::Ranking { .. }
            | Reply::BadQuery { .. }
            | Reply::NotListed { .. }
            | Reply::Indexed => self.on_list(reply),
            Reply::Detail(detail) => self.sentence.on_detail(*detail, shared),
            Reply::NotOpened { ticket, id, reason } => {
                self.sentence.on_not_opened(ticket, id, reason);
                if self.sentence.id == Some(id) {
                    self.refuse("the sentence cannot be opened");
                }
            }
            Reply::Explanation(explanation) => self.sentence.on_explanation(*explanation),
            Reply::Studying { .. }
            | Reply::Studied { .. }
            | Reply::Sliced { .. }
            | Reply::SlicesChanged
            | Reply::Comparing { .. }
            | Reply::Compared { .. }
            | Reply::ThresholdSet { .. } => self.errors.on_reply(reply, shared),
            Reply::Disputes {
                ticket,
                rows,
                total,
            } => self.disputes.on_disputes(ticket, rows, total, shared),
            Reply::Saved { .. }
            | Reply::SavedAll { .. }
            | Reply::EditRefused { .. }
            | Reply::Undone { .. } => self.on_edited(reply),
            Reply::Planned(plan) => match self.overlays.last_mut() {
                Some(Overlay::Bulk(bulk)) => bulk.take(*plan),
                _ => self.corpus.on_planned(*plan, shared),
            },
            Reply::Rules(known) => {
                if let Some(Overlay::Rules(rules)) = self.overlays.last_mut() {
                    rules.take(known);
                }
            }
            Reply::Job(event) => self.on_job(event),
            Reply::ModelReady { report } => {
                match report.is_worse() {
                    true => shared.warn(format!(
                        "a fine-tuned model waits, worse than the current one on {}; F shows both",
                        report.judged_on()
                    )),
                    false => {
                        shared.good("a fine-tuned model waits; F compares it with the current one");
                    }
                }
                shared.report = Some(report);
            }
            Reply::Exported { .. } => self.on_exported(reply),
            Reply::Noted { what } => shared.good(what),
            Reply::Failed { what } => {
                shared.undoing = 0;
                shared.error(what.as_str());
                self.corpus.stop_judging();
                self.overlays
                    .retain(|o| !matches!(o, Overlay::Bulk(bulk) if bulk.is_counting()));
                // What they wait for may never come.
                self.drop_ahead(&what);
            }
        }
    }

    fn on_opened(&mut self, info: Arc<WorkspaceInfo>) {
        let shared = &mut self.shared;
        let first = !shared.opened;
        (shared.info, shared.opened) = (info, true);
        if shared.frequent.is_empty() {
            shared.frequent = shared.info.schema.relation_ids().collect();
        }
        if first {
            let query = std::mem::take(&mut self.first_query);
            self.corpus.search(&query, shared);
        } else {
            self.everything_changed();
        }
    }

    /// What the list of sentences waits for.
    fn on_list(&mut self, reply: Reply) {
        match reply {
            Reply::Page(page) => {
                let open = self.sentence.id.map(|id| (id, self.sentence.next_row()));
                if let Some(moved) = self.corpus.on_page(page, open, &mut self.shared) {
                    self.sentence.moved(moved);
                }
                let total = self.corpus.pages.total;
                if self.opening.is_some_and(|row| row >= total) {
                    self.refuse("no sentence to open");
                }
            }
            Reply::BadQuery {
                ticket,
                column,
                message,
            } => {
                let column = Some(column);
                self.corpus
                    .on_bad_query(ticket, BadQuery { column, message });
                self.drop_ahead("the query is wrong");
            }
            Reply::NotListed { ticket, reason } => {
                let (column, message) = (None, reason);
                self.corpus
                    .on_bad_query(ticket, BadQuery { column, message });
                self.drop_ahead("there is no such list");
            }
            Reply::Ranking {
                ticket,
                done,
                total,
            } => self.corpus.on_ranking(ticket, done, total),
            _ => {
                self.corpus.mark_edited();
                self.errors.mark_dirty();
            }
        }
    }

    /// Edits that have reached the disk, or have not.
    fn on_edited(&mut self, reply: Reply) {
        let shared = &mut self.shared;
        match reply {
            Reply::Saved { correction, detail } => {
                let edit = match &correction.change {
                    Change::Edit(edit) => Some(edit),
                    Change::Undo(_) => None,
                };
                shared.settle(correction.sentence, edit);
                shared.n_saved += 1;
                self.corpus.on_saved(&detail);
                self.errors.mark_dirty();
                self.disputes.mark_dirty();
                let last_ticket = shared.last_ticket();
                self.sentence.on_saved(*detail, last_ticket, shared);
            }
            Reply::SavedAll { edits, ids } => {
                shared.undoing = shared.undoing.saturating_sub(1);
                shared.n_saved += edits;
                if edits > 1 {
                    let edits = counted(edits, "edit");
                    let sentences = counted(ids.len(), "sentence");
                    shared.good(format!(
                        "saved {edits} in {sentences}; one undo takes all back"
                    ));
                }
                self.corpus.range_start = None;
                self.sentence.mark_stale(&ids, shared.last_ticket());
                if self.tab == Tab::Corpus {
                    self.corpus.on_judged_in_list();
                }
                self.corpus.mark_edited();
                self.errors.mark_dirty();
            }
            Reply::EditRefused { id, reason } => {
                shared.settle(id, None);
                shared.error(format!("not saved: {reason}"));
                self.disputes.mark_dirty();
                self.sentence.refresh(shared);
            }
            Reply::Undone { what, ids } => {
                shared.undoing = shared.undoing.saturating_sub(1);
                shared.good(what);
                if !ids.is_empty() {
                    self.disputes.mark_dirty();
                    self.sentence.mark_stale(&ids, shared.last_ticket());
                    self.corpus.mark_edited();
                    self.errors.mark_dirty();
                }
            }
            _ => {}
        }
    }

    fn on_exported(&mut self, reply: Reply) {
        let Reply::Exported {
            path,
            sentences,
            corrections,
            warnings,
        } = reply
        else {
            return;
        };
        let shared = &mut self.shared;
        for warning in &warnings {
            shared.warn(format!("export: {warning}"));
        }
        let mut what = counted(sentences, "sentence");
        if let Some(n) = corrections {
            what = format!("{} of {what}", counted(n, "correction"));
        }
        shared.good(format!("exported {what} to {}", path.display()));
        if !warnings.is_empty() {
            self.overlays.push(Overlay::Log(Log::default()));
        }
    }

    fn on_job(&mut self, event: JobEvent) {
        let changes_data = match &event {
            JobEvent::Finished { job, .. } | JobEvent::Cancelled { job } => {
                matches!(
                    job,
                    JobKind::Predict | JobKind::Index | JobKind::Folds | JobKind::Duplicates
                )
            }
            _ => false,
        };
        self.shared.on_job(event);
        if changes_data {
            self.everything_changed();
        }
    }

    fn everything_changed(&mut self) {
        self.corpus.mark_dirty();
        self.errors.mark_dirty();
        self.sentence.mark_stale(&[], self.shared.last_ticket());
        self.sentence.refresh(&self.shared);
    }
}
