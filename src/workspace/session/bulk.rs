//! What a bulk edit would change, counted before anything is.

use super::query::{Listed, Query};
use super::read;
use crate::domain::{Edit, SentenceId, Triple, Verdict};
use crate::workspace::asking::Asked;
use crate::workspace::duplicates::{read_duplicates, same_verdict};
use crate::workspace::messages::{Plan, Reply, Ticket};
use anyhow::{Result, bail};
use std::ops::Range;

impl Query {
    /// Reads what a bulk edit would change; nothing is changed here.
    pub(super) fn plan(
        &mut self,
        list: Ticket,
        rows: Range<usize>,
        query: &str,
        verdict: Verdict,
    ) -> Result<()> {
        let asked = Asked::read(query);
        if asked.curators.disputed {
            bail!("disputes are settled one by one");
        }
        let Some(mut listed) = self.take_list(list) else {
            bail!("the list has changed since; mark the sentences again");
        };
        let planned = self.count(&mut listed, rows, verdict);
        self.keep(listed);
        self.shared().reply(Reply::Planned(Box::new(planned?)));
        Ok(())
    }

    fn count(&self, listed: &mut Listed, rows: Range<usize>, verdict: Verdict) -> Result<Plan> {
        let schema = self.reader().schema()?;
        let total = listed.rows.len();
        let mut plan = Plan {
            names_triples: listed.queue.is_some() || listed.meant.names_triples(),
            ..Plan::empty(verdict)
        };
        for idx in &listed.rows[rows.start.min(total)..rows.end.min(total)] {
            let Some(id) = self.reader().id_of(*idx)? else {
                continue;
            };
            let meant = match &listed.queue {
                // What its row asks about, not all that the sentence says.
                Some(queue) => {
                    let question = queue.question(self.reader(), id)?;
                    let one = question.map(|q| (q.triple, q.verdict));
                    one.into_iter().collect()
                }
                None => self.meant(&mut listed.meant, id, &schema)?,
            };
            plan.add(id, meant);
        }
        plan.relations.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        Ok(plan)
    }

    /// The same verdict on the same fact in a sentence's duplicates.
    pub(super) fn plan_duplicates(
        &self,
        id: SentenceId,
        triple: Triple,
        verdict: Verdict,
    ) -> Result<()> {
        let Some(found) = read_duplicates(&self.shared().dir, self.reader())? else {
            bail!("nobody has looked for duplicates yet; g d does");
        };
        let rule = read(&self.shared().rule);
        let same = same_verdict(self.reader(), &rule, &found, (id, triple), verdict)?;
        let n = same.edits.len();
        let relations = (n > 0).then_some((triple.relation, n));
        self.shared().reply(Reply::Planned(Box::new(Plan {
            sentences: same.sentences,
            edited: n,
            settled: same.settled,
            otherwise: same.otherwise,
            relations: relations.into_iter().collect(),
            edits: same.edits,
            ..Plan::empty(verdict)
        })));
        Ok(())
    }
}

impl Plan {
    fn empty(verdict: Verdict) -> Self {
        Self {
            verdict,
            names_triples: true,
            sentences: 0,
            edits: Vec::new(),
            edited: 0,
            settled: 0,
            otherwise: 0,
            relations: Vec::new(),
        }
    }

    /// One more sentence, with what is meant in it.
    fn add(&mut self, id: SentenceId, meant: Vec<(Triple, Option<Verdict>)>) {
        self.sentences += 1;
        let before = self.edits.len();
        for (triple, judged) in meant {
            if judged == Some(self.verdict) {
                self.settled += 1;
                continue;
            }
            self.otherwise += usize::from(judged.is_some());
            let edit = Edit::Judge {
                triple,
                verdict: Some(self.verdict),
            };
            self.edits.push((id, edit));
            match self
                .relations
                .iter_mut()
                .find(|(r, _)| *r == triple.relation)
            {
                Some((_, n)) => *n += 1,
                None => self.relations.push((triple.relation, 1)),
            }
        }
        self.edited += usize::from(self.edits.len() > before);
    }
}
