//! What undo and redo would take back next, from the append-only history alone: a restart changes nothing.
//!
//! A step is what one call of [`Store::append`] wrote. An edit step goes on the undo stack and empties the redo
//! stack. A step of undos moves what it takes back: from the undo stack to the redo stack, or, when it takes back
//! undos, the other way. A step of edits and undos is a merge and goes on the undo stack whole.

use super::corrections::NewCorrection;
use super::{Reader, Store, StoreError};
use crate::domain::annotation::Change;
use crate::domain::{Correction, SentenceId};

/// One step back or forward.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// What to name in [`Change::Undo`], each with its sentence: edits to undo, undos to redo.
    pub targets: Vec<(u64, SentenceId)>,
    /// The edits that this takes back or brings back, for "undid: 14 rejects".
    pub edits: Vec<Correction>,
}

impl Step {
    /// What to append to take this step.
    pub fn corrections(&self, by: &str, at_ms: i64) -> Vec<NewCorrection> {
        self.targets
            .iter()
            .map(|(target, sentence)| NewCorrection {
                at_ms,
                by: by.to_owned(),
                sentence: *sentence,
                seen: None,
                change: Change::Undo(*target),
            })
            .collect()
    }
}

/// An edit's number and, on the redo stack, the number of the undo that took it back.
type Undone = (u64, u64);

#[derive(Default)]
pub(super) struct History {
    undo: Vec<Vec<u64>>,
    redo: Vec<Vec<Undone>>,
}

impl History {
    pub fn load(reader: &Reader) -> Result<Self, StoreError> {
        reader.database.run("reading the history", |connection| {
            let mut select =
                connection.prepare("SELECT seq, undoes, batch FROM corrections ORDER BY seq")?;
            let mut history = Self::default();
            let mut rows = select.query([])?;
            let mut step: Vec<(u64, Option<u64>)> = Vec::new();
            let mut batch_of_step = None;
            let number = |n: i64| n as u64;
            while let Some(row) = rows.next()? {
                let batch: Option<i64> = row.get(2)?;
                if batch.is_none() || batch != batch_of_step {
                    history.step(&step);
                    step.clear();
                    batch_of_step = batch;
                }
                step.push((
                    number(row.get(0)?),
                    row.get::<_, Option<i64>>(1)?.map(number),
                ));
            }
            history.step(&step);
            Ok(history)
        })
    }

    /// Adds what one `append` wrote: (seq, undoes, batch).
    pub fn extend(&mut self, step: impl Iterator<Item = (u64, Option<u64>, Option<u64>)>) {
        let step: Vec<_> = step.map(|(seq, undoes, _)| (seq, undoes)).collect();
        self.step(&step);
    }

    fn step(&mut self, step: &[(u64, Option<u64>)]) {
        let edits: Vec<u64> = step
            .iter()
            .filter(|(_, undoes)| undoes.is_none())
            .map(|(seq, _)| *seq)
            .collect();
        if !edits.is_empty() {
            self.redo.clear();
            if edits.len() < step.len() {
                // A merge: edits and undos of others, taken back together. Its undos are nobody's to redo.
                self.undo.push(step.iter().map(|(seq, _)| *seq).collect());
                return;
            }
            self.undo.push(edits);
        }
        let (mut taken_back, mut brought_back) = (Vec::new(), Vec::new());
        for (seq, target) in step.iter().filter_map(|(seq, t)| Some((*seq, (*t)?))) {
            if remove(&mut self.undo, |edit| *edit == target).is_some() {
                taken_back.push((target, seq));
            } else if let Some((edit, _)) = remove(&mut self.redo, |(_, undo)| *undo == target) {
                brought_back.push(edit);
            }
        }
        if !taken_back.is_empty() {
            self.redo.push(taken_back);
        }
        if !brought_back.is_empty() {
            self.undo.push(brought_back);
        }
    }
}

/// Takes one item out of the newest step that has it; a step that is then empty is gone.
fn remove<T>(steps: &mut Vec<Vec<T>>, is: impl Fn(&T) -> bool) -> Option<T> {
    for at in (0..steps.len()).rev() {
        if let Some(within) = steps[at].iter().position(&is) {
            let item = steps[at].remove(within);
            if steps[at].is_empty() {
                steps.remove(at);
            }
            return Some(item);
        }
    }
    None
}

impl Store {
    /// The latest edit or batch that is not taken back.
    pub fn last_undoable(&self) -> Result<Option<Step>, StoreError> {
        let Some(step) = self.history.undo.last() else {
            return Ok(None);
        };
        let edits = self.read_all(step.iter())?;
        let targets = edits.iter().map(|c| (c.seq, c.sentence)).collect();
        Ok(Some(Step { targets, edits }))
    }

    /// The latest undo, if nothing was edited since.
    pub fn last_redoable(&self) -> Result<Option<Step>, StoreError> {
        let Some(step) = self.history.redo.last() else {
            return Ok(None);
        };
        let edits = self.read_all(step.iter().map(|(edit, _)| edit))?;
        let targets = step
            .iter()
            .zip(&edits)
            .map(|((_, undo), edit)| (*undo, edit.sentence))
            .collect();
        Ok(Some(Step { targets, edits }))
    }

    fn read_all<'a>(
        &self,
        seqs: impl Iterator<Item = &'a u64>,
    ) -> Result<Vec<Correction>, StoreError> {
        seqs.map(|seq| self.reader.correction(*seq)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps as (seq, undoes); then what undo and redo would name.
    fn check(steps: &[&[(u64, u64)]], undo: &[u64], redo: &[u64]) {
        let mut history = History::default();
        for step in steps {
            history.extend(
                step.iter()
                    .map(|(seq, target)| (*seq, (*target > 0).then_some(*target), None)),
            );
        }
        let next_undo = history.undo.last().cloned().unwrap_or_default();
        let next_redo: Vec<u64> = history
            .redo
            .last()
            .map(|step| step.iter().map(|(_, undo)| *undo).collect())
            .unwrap_or_default();
        assert_eq!((&next_undo[..], &next_redo[..]), (undo, redo), "{steps:?}");
    }

    #[test]
    fn undo_and_redo_walk_the_history() {
        check(&[], &[], &[]);
        check(&[&[(1, 0)], &[(2, 0)]], &[2], &[]);
        check(&[&[(1, 0)], &[(2, 0)], &[(3, 2)]], &[1], &[3]);
        check(&[&[(1, 0)], &[(2, 0)], &[(3, 2)], &[(4, 1)]], &[], &[4]);
        // Redo brings back what was undone last, and it can be undone again.
        check(
            &[&[(1, 0)], &[(2, 0)], &[(3, 2)], &[(4, 1)], &[(5, 4)]],
            &[1],
            &[3],
        );
        check(&[&[(1, 0)], &[(2, 1)], &[(3, 2)]], &[1], &[]);
        check(&[&[(1, 0)], &[(2, 1)], &[(3, 2)], &[(4, 1)]], &[], &[4]);
        // A new edit ends redo.
        check(&[&[(1, 0)], &[(2, 1)], &[(3, 0)]], &[3], &[]);
        // A batch goes as one.
        check(&[&[(1, 0)], &[(2, 0), (3, 0)]], &[2, 3], &[]);
        check(
            &[&[(1, 0)], &[(2, 0), (3, 0)], &[(4, 2), (5, 3)]],
            &[1],
            &[4, 5],
        );
        check(
            &[
                &[(1, 0)],
                &[(2, 0), (3, 0)],
                &[(4, 2), (5, 3)],
                &[(6, 4), (7, 5)],
            ],
            &[2, 3],
            &[],
        );
        // Part of a batch taken back by itself.
        check(&[&[(1, 0), (2, 0)], &[(3, 1)]], &[2], &[3]);
        // A merge is taken back whole, its undos too, and nothing of it is there to redo.
        check(&[&[(1, 0)], &[(2, 0), (3, 2), (4, 1)]], &[2, 3, 4], &[]);
        check(
            &[&[(1, 0)], &[(2, 0), (3, 2)], &[(4, 2), (5, 3)]],
            &[1],
            &[4, 5],
        );
        // An undo of nothing that can be undone changes nothing.
        check(&[&[(1, 0)], &[(2, 1)], &[(3, 1)]], &[], &[2]);
    }
}
