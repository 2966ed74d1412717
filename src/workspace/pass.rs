//! Passes over the whole workspace: its sentences in corpus order, with corrections and predictions, a page at a time.

use super::view::Viewed;
use super::{PAGE, Tell};
use crate::domain::{DecisionRule, SentenceId, SentenceIdx};
use crate::store::Reader;
use anyhow::{Context, Result};
use std::collections::{HashMap, HashSet};

/// Sentences of one page.
pub type Page = Vec<(SentenceIdx, Viewed)>;

/// Where a pass is, and what it knows of the corrections so far.
pub struct Pages {
    next: Option<SentenceIdx>,
    corrected: HashSet<SentenceId>,
    /// Corrections of which `corrected` knows the sentences.
    seen: u64,
}

impl Pages {
    /// From the first sentence on.
    pub fn start() -> Self {
        Self {
            next: Some(SentenceIdx(0)),
            corrected: HashSet::new(),
            seen: 0,
        }
    }

    /// The next page as it is now; `None` after the last one. `rule` decides what of the current run's predictions is accepted.
    pub fn next(&mut self, reader: &Reader, rule: &DecisionRule) -> Result<Option<Page>> {
        let Some(from) = self.next else {
            return Ok(None);
        };
        let page = reader.page(from, PAGE)?;
        let mut predictions = HashMap::new();
        if let Some(run) = reader.current_run()? {
            predictions.extend(reader.predictions(run, from, PAGE as u32)?);
        }
        self.hear_of_corrections(reader)?;
        let views = page.sentences.into_iter().map(|(idx, sentence)| {
            let corrections = if self.corrected.contains(&sentence.id) {
                reader.corrections(sentence.id)?
            } else {
                Vec::new()
            };
            let prediction = predictions.remove(&idx);
            Ok((idx, Viewed::new(sentence, &corrections, prediction, rule)))
        });
        let views = views
            .collect::<Result<Page>>()
            .context("reading the workspace")?;
        self.next = page.next;
        Ok(Some(views))
    }

    /// Asks for what came since the page before only: the history may be longer than the corpus.
    fn hear_of_corrections(&mut self, reader: &Reader) -> Result<()> {
        let count = reader.correction_count()?;
        if count > self.seen {
            self.corrected.extend(reader.corrected_since(self.seen)?);
            self.seen = count;
        }
        Ok(())
    }
}

/// Every sentence in turn; `tell` hears of them before each page. Whether it came to the end.
pub fn each_view(
    reader: &Reader,
    rule: &DecisionRule,
    tell: Tell,
    mut take: impl FnMut(SentenceIdx, &Viewed) -> Result<()>,
) -> Result<bool> {
    let total = u64::from(reader.sentence_count()?);
    let (mut done, mut pages) = (0, Pages::start());
    loop {
        if !tell(done, total) {
            return Ok(false);
        }
        let Some(page) = pages.next(reader, rule)? else {
            return Ok(true);
        };
        done += page.len() as u64;
        for (idx, view) in &page {
            take(*idx, view)?;
        }
    }
}
