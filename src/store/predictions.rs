//! Model runs and what they said, sentence by sentence.

use super::bytes::{Cursor, Malformed, Writer};
use super::error::Failure;
use super::names::{Names, Translation};
use super::reader::idx_of;
use super::sentence_bytes::{relation_of, span, span_of, triple, triple_of, type_of};
use super::writer::{bump, set_meta};
use super::{Reader, Store, StoreError};
use crate::domain::{
    Prediction, RelationId, RelationSchema, RunId, ScoredEntity, ScoredTriple, Scores, SentenceId,
    SentenceIdx,
};
use rusqlite::{Connection, OptionalExtension, params};

/// Version of a prediction's bytes. 2 added the probability of the spans.
const VERSION: u64 = 2;

/// A prediction always names its model; this says which model that was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunInfo {
    pub id: RunId,
    /// The model's card as JSON; the store does not look into it.
    pub model: String,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

impl Store {
    /// Registers a run; one that is known keeps its first entry.
    pub fn put_run(&mut self, run: &RunInfo) -> Result<(), StoreError> {
        self.bulk.transaction("registering a model run", |transaction| {
            transaction.execute(
                "INSERT INTO runs (id, model, at_ms) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING",
                params![run.id.0 as i64, run.model, run.at_ms],
            )?;
            Ok(())
        })
    }

    /// Makes a registered run the one that screens show.
    pub fn set_current_run(&mut self, run: RunId) -> Result<(), StoreError> {
        let session = self.session;
        self.bulk
            .transaction("changing the current run", |transaction| {
                run_key(transaction, run)?;
                set_meta(transaction, "current_run", run.0 as i64)?;
                bump(transaction, session)?;
                Ok(())
            })
    }

    /// Writes predictions of a registered run, over older ones of the same run; ids are those of `schema`, the
    /// model's own is fine. One transaction: resuming after a kill starts at a batch's edge.
    pub fn put_predictions(
        &mut self,
        run: RunId,
        predictions: &[Prediction],
        schema: &RelationSchema,
    ) -> Result<(), StoreError> {
        let session = self.session;
        self.bulk.transaction("saving predictions", |transaction| {
            let key = run_key(transaction, run)?;
            let numbers = Translation::intern(transaction, schema)?;
            let mut insert = transaction
                .prepare_cached("INSERT OR REPLACE INTO predictions VALUES (?1, ?2, ?3)")?;
            for prediction in predictions {
                let idx = idx_of(transaction, prediction.sentence)?;
                insert.execute(params![key, idx.0, encode(prediction, &numbers)])?;
            }
            drop(insert);
            bump(transaction, session)?;
            Ok(())
        })
    }

    /// Drops a run's predictions to save space. The run stays on record: corrections may name it.
    pub fn drop_predictions(&mut self, run: RunId) -> Result<(), StoreError> {
        let session = self.session;
        self.bulk
            .transaction("dropping predictions", |transaction| {
                let key = run_key(transaction, run)?;
                transaction.execute("DELETE FROM predictions WHERE run = ?1", [key])?;
                bump(transaction, session)?;
                Ok(())
            })
    }
}

impl Reader {
    /// Every run on record, oldest first.
    pub fn runs(&self) -> Result<Vec<RunInfo>, StoreError> {
        self.database.run("listing model runs", |connection| {
            let mut select =
                connection.prepare_cached("SELECT id, model, at_ms FROM runs ORDER BY key")?;
            let runs = select.query_map([], |row| {
                Ok(RunInfo {
                    id: RunId(row.get::<_, i64>(0)? as u64),
                    model: row.get(1)?,
                    at_ms: row.get(2)?,
                })
            })?;
            Ok(runs.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// `None` when the run has not predicted this sentence.
    pub fn prediction(&self, run: RunId, id: SentenceId) -> Result<Option<Prediction>, StoreError> {
        self.database.run("reading a prediction", |connection| {
            let payload: Option<Vec<u8>> = connection
                .prepare_cached(
                    "SELECT p.payload FROM predictions p JOIN runs r ON r.key = p.run \
                     JOIN sentences s ON s.idx = p.idx WHERE r.id = ?1 AND s.id = ?2",
                )?
                .query_row([run.0 as i64, id.0 as i64], |row| row.get(0))
                .optional()?;
            payload
                .map(|bytes| self.with_names(connection, |names| decode(run, id, &bytes, names)))
                .transpose()
        })
    }

    pub fn has_prediction(&self, run: RunId, id: SentenceId) -> Result<bool, StoreError> {
        self.database.run("looking for a prediction", |connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT 1 FROM predictions p JOIN runs r ON r.key = p.run \
                     JOIN sentences s ON s.idx = p.idx WHERE r.id = ?1 AND s.id = ?2",
                )?
                .exists([run.0 as i64, id.0 as i64])?)
        })
    }

    /// A run's predictions for the sentences `from..from + limit` of the corpus, those that exist.
    pub fn predictions(
        &self,
        run: RunId,
        from: SentenceIdx,
        limit: u32,
    ) -> Result<Vec<(SentenceIdx, Prediction)>, StoreError> {
        self.database.run("reading predictions", |connection| {
            let mut select = connection.prepare_cached(
                "SELECT p.idx, s.id, p.payload FROM predictions p JOIN runs r ON r.key = p.run \
                 JOIN sentences s ON s.idx = p.idx \
                 WHERE r.id = ?1 AND p.idx >= ?2 AND p.idx < ?3 ORDER BY p.idx",
            )?;
            let end = i64::from(from.0) + i64::from(limit);
            let mut rows = select.query(params![run.0 as i64, from.0, end])?;
            let mut predictions = Vec::new();
            while let Some(row) = rows.next()? {
                let id = SentenceId(row.get::<_, i64>(1)? as u64);
                let payload: Vec<u8> = row.get(2)?;
                let prediction =
                    self.with_names(connection, |names| decode(run, id, &payload, names))?;
                predictions.push((SentenceIdx(row.get(0)?), prediction));
            }
            Ok(predictions)
        })
    }

    /// Predictions kept of a run, and their bytes without SQLite's own.
    pub fn kept_of_run(&self, run: RunId) -> Result<(u64, u64), StoreError> {
        self.database.run("counting predictions", |connection| {
            let mut select = connection.prepare_cached(
                "SELECT count(*), coalesce(sum(length(p.payload)), 0) FROM predictions p \
                 JOIN runs r ON r.key = p.run WHERE r.id = ?1",
            )?;
            Ok(select.query_row([run.0 as i64], |row| {
                Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64))
            })?)
        })
    }

    /// What a run has predicted already, in corpus order: a resumed run leaves these out.
    pub fn predicted(&self, run: RunId) -> Result<Vec<SentenceIdx>, StoreError> {
        self.database.run("listing predicted sentences", |connection| {
            let mut select = connection.prepare_cached(
                "SELECT p.idx FROM predictions p JOIN runs r ON r.key = p.run WHERE r.id = ?1 ORDER BY p.idx",
            )?;
            let idxs = select.query_map([run.0 as i64], |row| Ok(SentenceIdx(row.get(0)?)))?;
            Ok(idxs.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn run_key(connection: &Connection, run: RunId) -> Result<i64, Failure> {
    connection
        .prepare_cached("SELECT key FROM runs WHERE id = ?1")?
        .query_row([run.0 as i64], |row| row.get(0))
        .optional()?
        .ok_or(Failure::Store(StoreError::UnknownRun(run)))
}

fn encode(prediction: &Prediction, numbers: &Translation) -> Vec<u8> {
    let mut out = Writer::default();
    out.number(VERSION);
    out.number(prediction.covered.into());
    out.length(prediction.entities.len());
    for entity in &prediction.entities {
        span(&mut out, entity.span);
        out.optional(entity.kind.map(|k| numbers.entity_type(k).into()));
        out.float(entity.score);
    }
    out.length(prediction.triples.len());
    for scored in &prediction.triples {
        triple(&mut out, scored.triple, numbers);
        let scores = slots(&scored.scores);
        // One bit a system that has a score, then the scores.
        let present = (0..).zip(scores).filter(|(_, s)| s.is_some());
        out.number(present.fold(0, |bits, (i, _): (u32, _)| bits | 1 << i));
        scores.iter().flatten().for_each(|s| out.float(*s));
        out.number(scored.runner_up.is_some().into());
        if let Some((relation, score)) = scored.runner_up {
            out.number(numbers.relation(relation).into());
            out.float(score);
        }
    }
    out.0
}

fn slots(scores: &Scores) -> [Option<f32>; 8] {
    let Scores {
        rin,
        kernel,
        spans,
        base,
        naive,
        full,
        kb,
        mutual,
    } = *scores;
    [rin, kernel, base, naive, full, kb, mutual, spans]
}

fn decode(
    run: RunId,
    id: SentenceId,
    bytes: &[u8],
    names: &Names,
) -> Result<Prediction, Malformed> {
    // Spans are checked against their sentence where they are drawn; here only against overflow.
    const ANY_LENGTH: usize = u32::MAX as usize;
    let mut bytes = Cursor(bytes);
    if !(1..=VERSION).contains(&bytes.number()?) {
        return Err("a prediction has an unknown version");
    }
    let covered = bytes.small()?;
    let n_entities = bytes.count()?;
    let mut entities = Vec::with_capacity(n_entities);
    for _ in 0..n_entities {
        entities.push(ScoredEntity {
            span: span_of(&mut bytes, ANY_LENGTH)?,
            kind: type_of(&mut bytes, names)?,
            score: bytes.float()?,
        });
    }
    let n_triples = bytes.count()?;
    let mut triples = Vec::with_capacity(n_triples);
    for _ in 0..n_triples {
        triples.push(ScoredTriple {
            triple: triple_of(&mut bytes, ANY_LENGTH, names)?,
            scores: scores_of(&mut bytes)?,
            runner_up: runner_up_of(&mut bytes, names)?,
        });
    }
    bytes.end()?;
    Ok(Prediction {
        sentence: id,
        run,
        covered,
        entities,
        triples,
    })
}

fn scores_of(bytes: &mut Cursor) -> Result<Scores, Malformed> {
    let present = bytes.number()?;
    let mut score = |system: u32| -> Result<Option<f32>, Malformed> {
        if present >> system & 1 == 1 {
            bytes.float().map(Some)
        } else {
            Ok(None)
        }
    };
    Ok(Scores {
        rin: score(0)?,
        kernel: score(1)?,
        base: score(2)?,
        naive: score(3)?,
        full: score(4)?,
        kb: score(5)?,
        mutual: score(6)?,
        spans: score(7)?,
    })
}

fn runner_up_of(bytes: &mut Cursor, names: &Names) -> Result<Option<(RelationId, f32)>, Malformed> {
    match bytes.byte()? {
        0 => Ok(None),
        _ => Ok(Some((relation_of(bytes, names)?, bytes.float()?))),
    }
}
