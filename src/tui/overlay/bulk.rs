//! Judging many triples at once: what it would change, counted first, and enter to do it.

use super::Flow;
use crate::domain::Verdict;
use crate::tui::action::Overlay as Act;
use crate::tui::clean::width;
use crate::tui::paint::{Painter, centred, row};
use crate::tui::state::Shared;
use crate::tui::theme::Role;
use crate::tui::widget::numbers::counted;
use crate::workspace::messages::{Plan, Request};
use ratatui::layout::Rect;

/// Relations named in the question.
const NAMED: usize = 6;

pub struct Bulk {
    verdict: Verdict,
    /// What is judged, in a sentence.
    asked: String,
    /// The query of the list; of duplicates nothing.
    query: String,
    /// `None` while it is being counted.
    plan: Option<Plan>,
}

impl Bulk {
    pub fn new(verdict: Verdict, query: &str) -> Self {
        Self {
            verdict,
            asked: format!("What `{query}` asks for."),
            query: query.to_owned(),
            plan: None,
        }
    }

    /// `fact` in words; the sentence itself has the verdict already.
    pub fn of_duplicates(verdict: Verdict, fact: &str) -> Self {
        Self {
            verdict,
            asked: format!("{fact}, in sentences that say the same as this one."),
            query: String::new(),
            plan: None,
        }
    }

    pub fn is_counting(&self) -> bool {
        self.plan.is_none()
    }

    pub fn take(&mut self, plan: Plan) {
        if plan.verdict == self.verdict {
            self.plan = Some(plan);
        }
    }

    pub fn act(&mut self, action: Act, shared: &mut Shared) -> Flow {
        match (action, self.plan.take()) {
            (Act::Refuse, _) => Flow::Close,
            (Act::Confirm, None) => Flow::Stay,
            (Act::Confirm, Some(plan)) => {
                save(plan, shared);
                Flow::Close
            }
        }
    }

    fn lines(&self, shared: &Shared) -> Vec<String> {
        let asked = self.asked.clone();
        let Some(plan) = &self.plan else {
            return vec!["Counting…".to_owned(), asked];
        };
        let looked = counted(plan.sentences, "sentence");
        let settled = match plan.settled {
            0 => String::new(),
            n => format!("{} judged so already. ", counted(n, "triple")),
        };
        let otherwise = match plan.otherwise {
            0 => String::new(),
            n => format!("{n} of them judged otherwise so far. "),
        };
        if !plan.names_triples {
            return self.nothing_meant(shared);
        }
        if plan.edits.is_empty() {
            return vec![
                format!("Nothing to {} in {looked}.", self.verdict.name()),
                asked,
                settled,
            ];
        }
        let relations = plan.relations.iter().take(NAMED);
        let relations: Vec<String> = relations
            .map(|(relation, n)| format!("{} {n}", shared.relation(*relation)))
            .collect();
        let more = if plan.relations.len() > NAMED {
            ", …"
        } else {
            ""
        };
        vec![
            format!(
                "{} {} in {} of {looked}?",
                capital(self.verdict.name()),
                counted(plan.edits.len(), "triple"),
                plan.edited
            ),
            asked,
            format!("{}{more}", relations.join(", ")),
            format!("{settled}{otherwise}One undo takes all of it back."),
        ]
    }

    /// What to type so that something is meant.
    fn nothing_meant(&self, shared: &Shared) -> Vec<String> {
        let query = match self.query.contains(" or ") {
            true => format!("({})", self.query),
            false => self.query.clone(),
        };
        let mut lines = vec![
            format!(
                "Nothing to {}: the query finds sentences and names no label in them.",
                self.verdict.name()
            ),
            "Add what is meant, as in".to_owned(),
            format!("`{query} gold:any`, every label that stands"),
        ];
        let relation = shared.frequent.first().map(|r| shared.relation(*r));
        lines.extend(relation.map(|r| format!("`{query} gold:{r}`, those of one relation")));
        lines
    }

    pub fn draw(&self, area: Rect, painter: &mut Painter<'_>, shared: &Shared) {
        let lines = self.lines(shared);
        let doing = self.plan.as_ref().is_some_and(|p| !p.edits.is_empty());
        let footer = match (&self.plan, doing) {
            (Some(_), true) => format!("enter {}s them · esc leaves them", self.verdict.name()),
            _ => "esc".to_owned(),
        };
        let longest = lines.iter().map(|l| width(l)).max().unwrap_or(0);
        let wide = longest.max(width(&footer) + 4) + 6;
        let window = centred(area, wide as u16, lines.len() as u16 + 2);
        let title = format!("{} many", self.verdict.name());
        let inside = painter.frame(window, &title, &footer);
        for (i, text) in lines.iter().enumerate() {
            let role = if i == 0 { Role::Text } else { Role::Dim };
            painter.parts(row(inside, i as u16), &[(text.as_str(), role)]);
        }
    }
}

/// Sends what was planned, as one step to undo.
pub fn save(plan: Plan, shared: &mut Shared) {
    if !plan.edits.is_empty() {
        shared.undoing += 1;
        shared.send(Request::EditAll { edits: plan.edits });
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}
