//! One label after the other: a queue asks about several labels of a sentence, and the key that goes on goes to each of them
//! before it goes to the next sentence.

use super::SentenceView;
use crate::domain::Triple;
use crate::tui::state::{Intent, Shared, Step};

impl SentenceView {
    /// To the next question that nobody has answered since it was asked and that was not passed by; else to the next sentence.
    pub(super) fn go_on(&mut self, shared: &mut Shared) {
        let here = self.focused().map(|s| s.row.triple);
        let here = here.filter(|t| self.is_question(*t));
        if let Some(here) = here.filter(|t| !self.passed.contains(t)) {
            self.passed.push(here);
        }
        let next = self.open_questions().find(|t| !self.passed.contains(t));
        match next {
            Some(triple) => self.go_to(triple),
            None => shared.intents.push(Intent::Step(Step::Next)),
        }
    }

    /// To the question before, answered or not; else to the previous sentence.
    pub(super) fn go_back(&mut self, shared: &mut Shared) {
        match self.passed.pop() {
            Some(triple) => self.go_to(triple),
            None => shared.intents.push(Intent::Step(Step::Previous)),
        }
    }

    /// Where a sentence opens: at the first open question, else at the first triple that its query is about.
    pub(super) fn first_hit(&self) -> Option<Triple> {
        let hits = &self.detail()?.hits;
        self.open_questions().next().or(hits.first().copied())
    }

    /// Questions in all, and those of them that are open.
    pub(super) fn question_counts(&self) -> (usize, usize) {
        let all = self.detail().map_or(0, |d| d.questions.len());
        (all, self.open_questions().count())
    }

    fn is_question(&self, triple: Triple) -> bool {
        let mut questions = self.detail().into_iter().flat_map(|d| &d.questions);
        questions.any(|(t, _)| *t == triple)
    }

    /// With what is on its way to the disk taken for decided.
    fn open_questions(&self) -> impl Iterator<Item = Triple> {
        let questions = self.detail().into_iter().flat_map(|d| &d.questions);
        let open = questions.filter(|(triple, asked)| {
            let row = self.position(*triple).and_then(|at| self.shown.get(at));
            row.is_some_and(|s| s.row.verdict == *asked)
        });
        open.map(|(triple, _)| *triple)
    }

    fn go_to(&mut self, triple: Triple) {
        if let Some(at) = self.position(triple) {
            self.table.cursor = at;
            self.pane_top = 0;
            self.follow = None;
            self.text.follow_focus();
        }
    }
}
