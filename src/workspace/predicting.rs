//! A model over a whole workspace, resumable: what is predicted is kept batch by batch.

use super::knowledge::Knowledge;
use super::models::{ModelChoice, Models};
use super::{REINDEX_MOST, Tell, Workspace, index_stamp, now_ms};
use crate::domain::{Prediction, RelationSchema, RunId, Sentence, SentenceId, SentenceIdx};
use crate::index::Freshness;
use crate::model::sentence::SentenceModel;
use crate::store::RunInfo;
use anyhow::Result;
use std::collections::{BTreeSet, HashSet};

/// Sentences between two writes: a kill loses at most these.
const BATCH: usize = 256;

impl Workspace {
    /// Makes `model` the workspace's current run. Its predictions, if there are any from before, are shown at once.
    pub fn use_model(&mut self, model: &SentenceModel, card: &str) -> Result<()> {
        let mut schema = self.schema.clone();
        for label in &model.config.labels {
            schema.intern_relation(label)?;
        }
        for kind in &model.config.entity_types {
            schema.intern_type(kind)?;
        }
        let counts = |s: &RelationSchema| (s.n_relations(), s.entity_types().len());
        if counts(&schema) != counts(&self.schema) {
            self.schema = schema;
            self.store.save_schema(&self.schema)?;
        }
        self.note_current(model.run)?;
        self.set_rules(model.run, &model.config.rules)?;
        if self.read().current_run()? != Some(model.run) {
            self.store.put_run(&RunInfo {
                id: model.run,
                model: card.to_owned(),
                at_ms: now_ms(),
            })?;
            self.store.set_current_run(model.run)?;
        }
        Ok(())
    }

    /// Whether lists and index show the store as it is.
    pub fn index_is_current(&self) -> Result<bool> {
        let stamp = self.read().stamp()?;
        Ok(self.index.freshness(&index_stamp(&stamp)) == Freshness::Current)
    }

    /// Lists and index after the current run went from `before` to `after`, if they were current until then: a sentence that neither has
    /// predicted looks as it did. `false`: too many others, so [`Workspace::refresh_index`] is quicker.
    pub fn follow_run(&mut self, before: Option<RunId>, after: RunId) -> Result<bool> {
        let mut predicted = BTreeSet::new();
        for run in [before, Some(after)].into_iter().flatten() {
            if self.read().kept_of_run(run)?.0 > REINDEX_MOST as u64 {
                return Ok(false);
            }
            predicted.extend(self.read().predicted(run)?);
        }
        let ids = predicted.into_iter();
        let ids = ids.filter_map(|idx| self.read().id_of(idx).transpose());
        let ids = ids.collect::<Result<Vec<SentenceId>, _>>()?;
        self.reindex(&ids)?;
        self.commit_index()?;
        Ok(true)
    }

    /// The screen opens with what predicted last.
    pub fn remember_model(&mut self, choice: &ModelChoice) -> Result<()> {
        if let ModelChoice::Dir(dir) = choice {
            let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
            self.set_model(&dir.display().to_string())?;
        }
        Ok(())
    }

    /// Everything written is on the disk.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.store.flush()?)
    }

    /// Sentences that `run` has not predicted yet, in corpus order.
    pub fn unpredicted(&self, run: RunId) -> Result<Vec<SentenceIdx>> {
        let done: HashSet<SentenceIdx> = self.read().predicted(run)?.into_iter().collect();
        let n = self.read().sentence_count()?;
        Ok((0..n)
            .map(SentenceIdx)
            .filter(|i| !done.contains(i))
            .collect())
    }

    /// Keeps predictions of the current run; lists and index follow with [`Workspace::refresh_index`].
    pub fn keep(&mut self, run: RunId, predictions: &[Prediction]) -> Result<()> {
        Ok(self.store.put_predictions(run, predictions, &self.schema)?)
    }

    /// Predicts what the current run has not predicted. `tell` hears (done, total) and stops by `false`; what is done
    /// stays done. Returns how many sentences were predicted now.
    pub fn predict_all(&mut self, models: &Models, again: bool, tell: Tell) -> Result<u64> {
        let run = models.sentence.run;
        let knowledge = Knowledge::load(self.read())?;
        if again {
            self.store.drop_predictions(run)?;
        }
        let total = u64::from(self.read().sentence_count()?);
        let todo = self.unpredicted(run)?;
        let resumed = total - todo.len() as u64;
        let mut done = 0;
        for chunk in todo.chunks(BATCH) {
            if !tell(resumed + done, total) {
                break;
            }
            let mut sentences = Vec::with_capacity(chunk.len());
            for idx in chunk {
                if let Some(id) = self.read().id_of(*idx)? {
                    sentences.push(self.read().sentence(id)?);
                }
            }
            let refs: Vec<&Sentence> = sentences.iter().collect();
            let predictions = models.predict(&refs, &self.schema, knowledge.as_ref())?;
            self.keep(run, &predictions)?;
            done += chunk.len() as u64;
        }
        tell(resumed + done, total);
        self.store.flush()?;
        Ok(done)
    }
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct PredictOutcome {
    pub now: u64,
    /// Sentences that have a prediction of this model.
    pub total: u64,
    pub model: String,
    pub run: String,
}

impl Workspace {
    /// Loads a model, makes it current, predicts what it has not predicted, and brings lists and index up to date.
    pub fn predict_with(
        &mut self,
        choice: &ModelChoice,
        device: &candle_core::Device,
        again: bool,
        tell: Tell,
    ) -> Result<PredictOutcome> {
        let models = choice.load_all(device)?;
        self.use_model(&models.sentence, &models.card)?;
        self.remember_model(choice)?;
        let now = self.predict_all(&models, again, tell)?;
        self.refresh_index(&mut |_, _| true)?;
        let total = self.read().predicted(models.sentence.run)?.len() as u64;
        Ok(PredictOutcome {
            now,
            total,
            model: models.systems(),
            run: models.sentence.run.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ScoredTriple, Scores};
    use crate::model::params::Params;
    use crate::workspace::bags::tests::{triple, world};
    use crate::workspace::searching::search;
    use candle_core::Device;
    use std::sync::Arc;

    #[test]
    fn another_model_changes_only_what_either_has_predicted() {
        let mut world = world();
        let workspace = &mut world.workspace;
        let dir = workspace.dir().to_owned();
        let params = Params::new(&Device::Cpu, 3);
        let (config, tokens) = (world.model.config.clone(), Arc::clone(world.model.tokens()));
        let other = SentenceModel::from_params(&params, config, tokens, RunId(2)).unwrap();
        // Sentence 0 is predicted by the first model, sentence 1 by the other.
        for (model, n) in [(&world.model, 0u64), (&other, 1)] {
            workspace.use_model(model, "{}").unwrap();
            let sentence = workspace.read().sentence(SentenceId(n)).unwrap();
            let found = ScoredTriple {
                triple: triple(&sentence, 0),
                scores: Scores {
                    rin: Some(0.9),
                    kernel: Some(0.9),
                    ..Scores::default()
                },
                runner_up: None,
            };
            let prediction = Prediction {
                sentence: sentence.id,
                run: model.run,
                covered: 4,
                entities: Vec::new(),
                triples: vec![found],
            };
            workspace.keep(model.run, &[prediction]).unwrap();
        }
        assert!(!workspace.index_is_current().unwrap());
        workspace.refresh_index(&mut |_, _| true).unwrap();

        let found = |workspace: &Workspace| {
            assert!(workspace.index_is_current().unwrap());
            let hits = search(&dir, "pred:/people/born", 9).unwrap().unwrap();
            let rows = workspace.read().rows(&[SentenceIdx(0), SentenceIdx(1)], 9);
            let predicted = rows.unwrap().iter().map(|r| r.summary).collect();
            (
                hits.rows.iter().map(|h| h.id.clone()).collect::<Vec<_>>(),
                predicted,
            )
        };
        let (of_other, lists): (_, Vec<_>) = found(workspace);
        assert_eq!(of_other.len(), 1);
        for (model, before) in [(&world.model, other.run), (&other, world.model.run)] {
            workspace.use_model(model, "{}").unwrap();
            assert!(!workspace.index_is_current().unwrap());
            assert!(workspace.follow_run(Some(before), model.run).unwrap());
            let followed = found(workspace);
            workspace.index.start_over().unwrap();
            workspace.refresh_index(&mut |_, _| true).unwrap();
            assert_eq!(followed, found(workspace), "as if all were made anew");
            let same = model.run == other.run;
            assert_eq!((followed.0 == of_other, followed.1 == lists), (same, same));
        }
    }
}
