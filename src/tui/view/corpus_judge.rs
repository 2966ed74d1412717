//! Verdicts in the list: on the row under the cursor at one key, on a range after a count and a question.

use super::corpus::{CorpusView, MAX_RANGE};
use crate::domain::Verdict;
use crate::tui::overlay::Overlay;
use crate::tui::overlay::bulk::{Bulk, save};
use crate::tui::state::{Intent, Shared};
use crate::workspace::messages::{Plan, Request};

impl CorpusView {
    /// Has the engine look up what is meant in the range, or in the row under the cursor.
    pub(super) fn judge(&mut self, verdict: Verdict, shared: &mut Shared) {
        if self.pages.total == 0 {
            return shared.warn("no sentence here to judge");
        }
        if self.query.is_empty() {
            return shared.warn("filter first by what is to be judged, as in fp:place_lived");
        }
        let range = self.range();
        let rows = *range.start()..(range.end() + 1).min(range.start() + MAX_RANGE);
        if rows.len() < range.count() {
            shared.warn(format!(
                "the first {MAX_RANGE} sentences of the range; more are not judged at once"
            ));
        }
        if self.range_start.is_some() {
            let bulk = Bulk::new(verdict, &self.query);
            shared.intents.push(Intent::Push(Overlay::Bulk(bulk)));
        } else {
            self.judging = Some(verdict);
        }
        shared.send(Request::PlanVerdict {
            list: self.list_ticket,
            rows,
            query: self.query.clone(),
            verdict,
        });
    }

    /// The row under the cursor is being judged: keys typed now are meant for what comes after.
    pub fn is_judging(&self) -> bool {
        self.judging.is_some()
    }

    pub fn stop_judging(&mut self) {
        self.judging = None;
    }

    /// What is meant in the row that is being judged. One triple is judged at once, several after a question.
    pub fn on_planned(&mut self, plan: Plan, shared: &mut Shared) {
        let Some(verdict) = self.judging.take().filter(|v| *v == plan.verdict) else {
            return;
        };
        match (plan.edits.len(), plan.settled) {
            (1, 0) => {
                self.on_judged_in_list();
                save(plan, shared);
            }
            (0, 1) => shared.good(format!("{} already", in_past(verdict))),
            _ => {
                let mut bulk = Bulk::new(verdict, &self.query);
                bulk.take(plan);
                shared.intents.push(Intent::Push(Overlay::Bulk(bulk)));
            }
        }
    }
}

fn in_past(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accepted",
        Verdict::Reject => "rejected",
        Verdict::Unsure => "judged undecidable",
    }
}
