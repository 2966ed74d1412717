//! What a bulk edit would change, counted before anything is.

use super::asked::Asked;
use super::query::{Listed, Query};
use super::read;
use crate::domain::{Edit, RelationSchema, SentenceId, Triple, Verdict};
use crate::index::{Query as Parsed, query};
use crate::workspace::duplicates::{read_duplicates, same_verdict};
use crate::workspace::messages::{Plan, Reply, Ticket};
use crate::workspace::{asked_for, viewed};
use anyhow::{Result, anyhow, bail};
use std::ops::Range;

impl Query {
    /// Reads what a bulk edit would change; nothing is changed here.
    pub(super) fn plan(
        &self,
        list: Ticket,
        rows: Range<usize>,
        query: &str,
        verdict: Verdict,
    ) -> Result<()> {
        let Some(listed) = self.listed().filter(|l| l.list == list) else {
            bail!("the list has changed since; mark the sentences again");
        };
        let schema = self.reader().schema()?;
        let asked = Asked::read(query);
        if asked.curators.disputed {
            bail!("disputes are settled one by one");
        }
        if asked.kind.is_some() && listed.queue.is_none() {
            // Without its queue the query would ask for every triple of these sentences.
            bail!("the list is of no queue; list it again");
        }
        let query = query::parse(&asked.rest, &schema).map_err(|e| anyhow!(e.to_string()))?;
        let total = listed.rows.len();
        let mut plan = Plan::empty(verdict);
        for idx in &listed.rows[rows.start.min(total)..rows.end.min(total)] {
            if let Some(id) = self.reader().id_of(*idx)? {
                plan.add(id, self.meant(listed, &query, id, &schema)?);
            }
        }
        plan.relations.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        self.shared().reply(Reply::Planned(Box::new(plan)));
        Ok(())
    }

    /// The triples that a bulk edit means in a sentence, with their verdicts. Of a queue the one that its row asks about, not all that the sentence says.
    fn meant(
        &self,
        listed: &Listed,
        query: &Parsed,
        id: SentenceId,
        schema: &RelationSchema,
    ) -> Result<Vec<(Triple, Option<Verdict>)>> {
        if let Some(queue) = &listed.queue {
            let question = queue.question(self.reader(), id)?;
            return Ok(question
                .map(|q| (q.triple, q.verdict))
                .into_iter()
                .collect());
        }
        let rule = read(&self.shared().rule);
        let run = self.reader().current_run()?;
        let detail = viewed(self.reader(), &rule, run, id)?.detail(0, &rule);
        let rows = asked_for(query, &detail, schema);
        Ok(rows.map(|r| (r.triple, r.verdict)).collect())
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
