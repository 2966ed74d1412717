//! A question to the engine whose answer is shown until it is out of date: when to ask it again, which answer is its own, and how
//! far the work behind it is.

use super::state::Shared;
use crate::workspace::messages::Ticket;

#[derive(Default)]
pub struct Question {
    /// Of the latest time it was asked; 0: never.
    ticket: Ticket,
    stale: bool,
    /// Done and in all, while no answer has come.
    under_way: Option<(u64, u64)>,
}

impl Question {
    /// What was answered may have changed since.
    pub fn mark_stale(&mut self) {
        self.stale = true;
    }

    /// The ticket to ask with now, if it was never asked or its answer is out of date.
    pub fn due(&mut self, shared: &mut Shared) -> Option<Ticket> {
        if self.ticket > 0 && !self.stale {
            return None;
        }
        self.stale = false;
        self.ticket = shared.next_ticket();
        self.under_way = Some((0, 0));
        Some(self.ticket)
    }

    /// The work behind it has come so far; that of an older question counts for nothing.
    pub fn on_progress(&mut self, ticket: Ticket, done: u64, total: u64) {
        if ticket == self.ticket {
            self.under_way = Some((done, total));
        }
    }

    /// Whether an answer with this ticket is its own; it then waits no more.
    pub fn is_answered_by(&mut self, ticket: Ticket) -> bool {
        let own = ticket == self.ticket;
        if own {
            self.under_way = None;
        }
        own
    }

    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Percent of the work, once it is known.
    pub fn percent(&self) -> Option<u64> {
        self.under_way
            .and_then(|(done, total)| percent(done, total))
    }
}

/// Of work of which nothing is known yet there is none.
pub fn percent(done: u64, total: u64) -> Option<u64> {
    (done * 100).checked_div(total)
}

/// "Counting… 40%", without the figure while there is none.
pub fn in_words(doing: &str, percent: Option<u64>) -> String {
    match percent {
        Some(percent) => format!("{doing}… {percent}%"),
        None => format!("{doing}…"),
    }
}
