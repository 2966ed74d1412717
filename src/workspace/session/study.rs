//! The lane of error analysis: it reads the whole corpus, and stops as soon as a newer question makes its answer stale.

use super::Shared;
use crate::store::Reader;
use crate::workspace::compare::{LISTED, compared};
use crate::workspace::in_words;
use crate::workspace::messages::{Reply, Request, Ticket};
use crate::workspace::runs;
use crate::workspace::slices;
use crate::workspace::study::study;
use anyhow::Result;
use std::sync::Arc;

pub struct Study {
    reader: Reader,
    shared: Arc<Shared>,
}

impl Study {
    pub fn new(reader: Reader, shared: Arc<Shared>) -> Self {
        Self { reader, shared }
    }

    pub fn handle(&mut self, request: Request) {
        let result = match request {
            Request::Study { ticket } => self.study(ticket),
            Request::Slices { ticket } => self.slices(ticket),
            Request::Compare { ticket, before } => self.compare(ticket, before.as_deref()),
            _ => Ok(()),
        };
        if let Err(error) = result {
            self.shared.failed(in_words(&error));
        }
    }

    fn slices(&self, ticket: Ticket) -> Result<()> {
        let built_in = slices::built_in(&self.reader.schema()?).into_iter();
        let kept = slices::kept(&self.reader)?.into_iter();
        let all = kept.map(|s| (s, true)).chain(built_in.map(|s| (s, false)));
        let workspace = (self.shared.dir.as_path(), &self.reader);
        // A query that no longer holds here leaves its slice out.
        let found = |(slice, kept): (slices::Slice, bool)| {
            let of = slices::sentences_of(workspace, &self.shared.searcher, &slice.query);
            Some((slice, kept, of.ok()?))
        };
        let all = all.filter_map(found).collect();
        let found = slices::measure(&self.reader, all, &mut |_, _| self.shared.sliced.is(ticket))?;
        if let Some(rows) = found {
            self.shared.reply(Reply::Sliced { ticket, rows });
        }
        Ok(())
    }

    fn compare(&self, ticket: Ticket, before: Option<&str>) -> Result<()> {
        let runs = runs::runs(&self.reader)?;
        let compared = |two| {
            compared(&self.reader, two, None, LISTED, &mut |done, total| {
                self.shared.reply(Reply::Comparing {
                    ticket,
                    done,
                    total,
                });
                self.shared.compared.is(ticket)
            })
        };
        let found = match runs::chosen(&self.reader, before, None).and_then(compared) {
            Ok(None) => return Ok(()),
            Ok(Some(found)) => {
                let found = Arc::new(found);
                self.shared.queues.keep_compared(Arc::clone(&found));
                Ok(found)
            }
            Err(why) => Err(in_words(&why)),
        };
        self.shared.reply(Reply::Compared {
            ticket,
            runs,
            found,
        });
        Ok(())
    }

    fn study(&self, ticket: Ticket) -> Result<()> {
        let found = study(&self.reader, &mut |done, total| {
            self.shared.reply(Reply::Studying {
                ticket,
                done,
                total,
            });
            self.shared.studied.is(ticket)
        })?;
        if let Some(study) = found {
            self.shared.reply(Reply::Studied {
                ticket,
                study: Arc::new(study),
            });
        }
        Ok(())
    }
}
