//! The adjudicator's queue.

use super::{Shared, query::Query};
use crate::workspace::agreement::disputed;
use crate::workspace::messages::{Reply, Ticket};
use anyhow::Result;

/// Disputes that a screen lists; more are counted.
const LISTED: usize = 2000;

impl Query {
    /// The queue of disputes.
    pub(super) fn disputes(&self, shared: &Shared, ticket: Ticket) -> Result<()> {
        let (rows, total) = disputed(self.reader(), LISTED)?;
        shared.reply(Reply::Disputes {
            ticket,
            rows,
            total,
        });
        Ok(())
    }
}
