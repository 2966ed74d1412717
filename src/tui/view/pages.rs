//! The rows of a long list, fetched by page as they come into sight. Only pages near the cursor are kept, so a list
//! of a hundred thousand sentences costs what a screen costs.

use crate::domain::SentenceId;
use crate::workspace::messages::{ListRow, Page, Ticket};
use std::collections::BTreeMap;

/// Rows asked for at once.
pub const PAGE: usize = 100;
/// Pages kept on each side of the cursor's.
const KEPT: usize = 8;

#[derive(Default)]
pub struct Pages {
    /// Rows that match in all.
    pub total: usize,
    /// Whether anything was answered yet.
    pub answered: bool,
    pages: BTreeMap<usize, Vec<ListRow>>,
    /// Tickets from here on are of the current query.
    first_ticket: Ticket,
    in_flight: Option<(Ticket, usize)>,
    /// The next answer replaces all rows: what they say may have changed.
    stale: bool,
}

impl Pages {
    /// Forgets everything: another query.
    pub fn restart(&mut self, ticket: Ticket) {
        *self = Self {
            first_ticket: ticket,
            ..Self::default()
        };
    }

    /// Keeps showing the rows, and asks for them again.
    pub fn invalidate(&mut self) {
        self.stale = true;
        self.in_flight = None;
    }

    pub fn get(&self, row: usize) -> Option<&ListRow> {
        self.pages.get(&(row / PAGE))?.get(row % PAGE)
    }

    pub fn position(&self, id: SentenceId) -> Option<usize> {
        self.pages.iter().find_map(|(page, rows)| {
            let at = rows.iter().position(|r| r.id == id)?;
            Some(page * PAGE + at)
        })
    }

    /// The sentence at `row` and those after it, as far as they are here.
    pub fn from(&self, row: usize) -> Vec<SentenceId> {
        let pages = self.pages.range(row / PAGE..);
        let rows = pages.flat_map(|(page, rows)| (page * PAGE..).zip(rows));
        rows.filter(|(at, _)| *at >= row)
            .map(|(_, r)| r.id)
            .collect()
    }

    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut ListRow> {
        self.pages.values_mut().flatten()
    }

    /// The row to start the next page request at, if one is due: what is in sight first, then what follows it.
    /// While a page is under way only one that is more urgent is asked for, since a newer search may drop an older.
    pub fn wanted(&self, visible: std::ops::Range<usize>) -> Option<usize> {
        if self.answered && self.total == 0 && !self.stale {
            return None;
        }
        let last = (self.total.max(1) - 1) / PAGE;
        let (first, end) = (visible.start / PAGE, visible.end.saturating_sub(1) / PAGE);
        let missing =
            |page: &usize| *page <= last && (self.stale || !self.pages.contains_key(page));
        let under_way = self.in_flight.map(|(_, page)| page);
        let urgent = (first..=end).find(missing);
        if let Some(page) = urgent {
            return (under_way != Some(page)).then_some(page * PAGE);
        }
        let next = [end + 1, first.wrapping_sub(1)].into_iter().find(missing)?;
        under_way.is_none().then_some(next * PAGE)
    }

    pub fn asked(&mut self, ticket: Ticket, offset: usize) {
        self.in_flight = Some((ticket, offset / PAGE));
    }

    /// Takes an answer, unless it belongs to an earlier query or to rows that are out of date. Whether it was taken.
    pub fn take(&mut self, page: &Page, cursor: usize) -> bool {
        let current = self
            .in_flight
            .is_some_and(|(ticket, _)| ticket == page.ticket);
        if page.ticket < self.first_ticket || (self.stale && !current) {
            return false;
        }
        if current {
            self.in_flight = None;
        }
        if self.stale {
            self.pages.clear();
            self.stale = false;
        }
        self.answered = true;
        self.total = page.total;
        // An engine may cut a page differently than it was asked: trust only whole ones at a page's start.
        if page.offset.is_multiple_of(PAGE) && !(page.rows.is_empty() && page.offset < page.total) {
            self.pages.insert(
                page.offset / PAGE,
                page.rows.iter().take(PAGE).cloned().collect(),
            );
        }
        let here = cursor / PAGE;
        self.pages.retain(|page, _| page.abs_diff(here) <= KEPT);
        true
    }

    /// A query that failed has no answer to wait for.
    pub fn refused(&mut self) {
        self.in_flight = None;
        self.stale = false;
        self.answered = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::messages::ReviewState;

    fn page(ticket: Ticket, offset: usize, total: usize) -> Page {
        let row = |i: usize| ListRow {
            id: SentenceId((offset + i) as u64),
            snippet: String::new(),
            state: ReviewState::Todo,
            n_gold: 0,
            n_predicted: 0,
            n_disagreements: 0,
            predicted: false,
            expected: None,
            question: None,
        };
        Page {
            ticket,
            offset,
            total,
            rows: (0..PAGE.min(total - offset)).map(row).collect(),
            relations: vec![],
            queue: None,
        }
    }

    #[test]
    fn pages_come_as_they_are_needed_and_one_at_a_time() {
        let mut pages = Pages::default();
        pages.restart(5);
        assert_eq!(pages.wanted(0..20), Some(0));
        pages.asked(5, 0);
        assert_eq!(pages.wanted(0..20), None, "under way");
        assert!(!pages.take(&page(4, 0, 1000), 0), "of an earlier query");
        assert!(pages.take(&page(5, 0, 1000), 0));
        assert_eq!(
            pages.wanted(0..20),
            Some(100),
            "what follows is fetched ahead"
        );
        pages.asked(6, 100);
        assert_eq!(
            pages.wanted(500..520),
            Some(500),
            "what is in sight is more urgent"
        );
        pages.asked(7, 500);
        assert!(
            pages.take(&page(6, 100, 1000), 500),
            "an older page of the same query is welcome"
        );
        assert!(pages.take(&page(7, 500, 1000), 500));
        assert_eq!(pages.get(510).map(|r| r.id), Some(SentenceId(510)));
        assert_eq!(pages.position(SentenceId(150)), Some(150));
        assert_eq!(pages.get(300).map(|r| r.id), None);
    }

    #[test]
    fn far_pages_are_dropped_and_stale_ones_replaced() {
        let mut pages = Pages::default();
        for (i, offset) in [0, 5_000].into_iter().enumerate() {
            pages.asked(i as u64, offset);
            assert!(pages.take(&page(i as u64, offset, 10_000), offset));
        }
        assert!(pages.get(0).is_none() && pages.get(5_000).is_some());
        pages.invalidate();
        assert!(pages.get(5_000).is_some(), "still shown");
        assert_eq!(pages.wanted(5_000..5_020), Some(5_000));
        pages.asked(9, 5_000);
        assert!(
            !pages.take(&page(8, 5_000, 10_000), 5_000),
            "asked before the change"
        );
        assert!(pages.take(&page(9, 5_000, 42 + 5_000), 5_000));
        assert_eq!(pages.total, 5_042);
    }

    #[test]
    fn an_empty_answer_ends_the_asking() {
        let mut pages = Pages::default();
        pages.asked(1, 0);
        assert!(pages.take(&page(1, 0, 0), 0));
        assert_eq!(pages.wanted(0..20), None);
    }
}
