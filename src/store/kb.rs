//! The knowledge base as plain rows. What they mean is not known here.

use super::error::Failure;
use super::reader::meta;
use super::{Reader, Store, StoreError};
use rusqlite::{Transaction, params};

/// Entities, their other names, and facts by position in `entities` and `relations`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KbRows {
    /// Id and name.
    pub entities: Vec<(String, Option<String>)>,
    /// Entity and one more name of it.
    pub aliases: Vec<(u32, String)>,
    pub relations: Vec<String>,
    /// Head entity, relation, tail entity.
    pub facts: Vec<(u32, u32, u32)>,
}

/// What was new.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KbAdded {
    pub entities: usize,
    pub aliases: usize,
    pub relations: usize,
    pub facts: usize,
    /// Aliases and facts that point outside `entities` or `relations`; not added.
    pub dangling: usize,
}

impl Store {
    /// Merges rows into the knowledge base: what is known already is left as it is, but a name is added to an entity
    /// that had none. All or nothing.
    pub fn put_kb(&mut self, rows: &KbRows) -> Result<KbAdded, StoreError> {
        self.bulk
            .transaction("saving the knowledge base", |transaction| {
                let mut added = KbAdded::default();
                let entities = put_entities(transaction, rows, &mut added)?;
                let relations = put_relations(transaction, rows, &mut added)?;
                let key = |keys: &[i64], at: u32| keys.get(at as usize).copied();
                let mut alias = transaction
                    .prepare_cached("INSERT OR IGNORE INTO kb_aliases VALUES (?1, ?2)")?;
                for (entity, name) in &rows.aliases {
                    match key(&entities, *entity) {
                        Some(entity) => added.aliases += alias.execute(params![entity, name])?,
                        None => added.dangling += 1,
                    }
                }
                let mut insert = transaction
                    .prepare_cached("INSERT OR IGNORE INTO kb_facts VALUES (?1, ?2, ?3)")?;
                for (head, relation, tail) in &rows.facts {
                    let keys = (
                        key(&entities, *head),
                        key(&relations, *relation),
                        key(&entities, *tail),
                    );
                    match keys {
                        (Some(head), Some(relation), Some(tail)) => {
                            added.facts += insert.execute(params![head, relation, tail])?;
                        }
                        _ => added.dangling += 1,
                    }
                }
                raise_kb_revision(transaction)?;
                Ok(added)
            })
    }

    /// Empties the knowledge base.
    pub fn clear_kb(&mut self) -> Result<(), StoreError> {
        self.bulk.transaction("emptying the knowledge base", |transaction| {
            transaction.execute_batch(
                "DELETE FROM kb_facts; DELETE FROM kb_relations; DELETE FROM kb_aliases; DELETE FROM kb_entities;",
            )?;
            raise_kb_revision(transaction)?;
            Ok(())
        })
    }
}

fn raise_kb_revision(transaction: &Transaction) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE meta SET value = value + 1 WHERE key = 'kb_revision'",
        [],
    )?;
    Ok(())
}

/// Keys of `rows.entities`, in their order.
fn put_entities(
    transaction: &Transaction,
    rows: &KbRows,
    added: &mut KbAdded,
) -> Result<Vec<i64>, Failure> {
    let mut insert = transaction
        .prepare_cached("INSERT OR IGNORE INTO kb_entities (id, name) VALUES (?1, ?2)")?;
    let mut find = transaction.prepare_cached("SELECT key, name FROM kb_entities WHERE id = ?1")?;
    let mut rename =
        transaction.prepare_cached("UPDATE kb_entities SET name = ?2 WHERE key = ?1")?;
    let mut keys = Vec::with_capacity(rows.entities.len());
    for (id, name) in &rows.entities {
        if insert.execute(params![id, name])? == 1 {
            added.entities += 1;
            keys.push(transaction.last_insert_rowid());
            continue;
        }
        let (key, known): (i64, Option<String>) =
            find.query_one([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if let (None, Some(name)) = (known, name) {
            rename.execute(params![key, name])?;
        }
        keys.push(key);
    }
    Ok(keys)
}

fn put_relations(
    transaction: &Transaction,
    rows: &KbRows,
    added: &mut KbAdded,
) -> Result<Vec<i64>, Failure> {
    let mut insert =
        transaction.prepare_cached("INSERT OR IGNORE INTO kb_relations (name) VALUES (?1)")?;
    let mut find = transaction.prepare_cached("SELECT key FROM kb_relations WHERE name = ?1")?;
    let mut keys = Vec::with_capacity(rows.relations.len());
    for name in &rows.relations {
        added.relations += insert.execute([name])?;
        keys.push(find.query_one([name], |row| row.get(0))?);
    }
    Ok(keys)
}

impl Reader {
    /// All of the knowledge base, in the order in which it came in.
    pub fn kb(&self) -> Result<KbRows, StoreError> {
        self.database
            .run("reading the knowledge base", |connection| {
                let mut position = std::collections::HashMap::new();
                let mut rows = KbRows::default();
                let mut select =
                    connection.prepare("SELECT key, id, name FROM kb_entities ORDER BY key")?;
                let mut found = select.query([])?;
                while let Some(row) = found.next()? {
                    position.insert(row.get::<_, i64>(0)?, rows.entities.len() as u32);
                    rows.entities.push((row.get(1)?, row.get(2)?));
                }
                let mut relation_position = std::collections::HashMap::new();
                let mut select =
                    connection.prepare("SELECT key, name FROM kb_relations ORDER BY key")?;
                let mut found = select.query([])?;
                while let Some(row) = found.next()? {
                    relation_position.insert(row.get::<_, i64>(0)?, rows.relations.len() as u32);
                    rows.relations.push(row.get(1)?);
                }
                let dangling =
                    || Failure::Store(self.database.damaged("a fact without its entity"));
                let entity = |key: i64| position.get(&key).copied().ok_or_else(dangling);
                let mut select = connection.prepare("SELECT entity, alias FROM kb_aliases")?;
                let mut found = select.query([])?;
                while let Some(row) = found.next()? {
                    rows.aliases.push((entity(row.get(0)?)?, row.get(1)?));
                }
                let mut select = connection.prepare("SELECT head, relation, tail FROM kb_facts")?;
                let mut found = select.query([])?;
                while let Some(row) = found.next()? {
                    let relation = relation_position
                        .get(&row.get(1)?)
                        .copied()
                        .ok_or_else(dangling)?;
                    rows.facts
                        .push((entity(row.get(0)?)?, relation, entity(row.get(2)?)?));
                }
                Ok(rows)
            })
    }

    /// Facts and entities, for the status line.
    pub fn kb_counts(&self) -> Result<(usize, usize), StoreError> {
        self.database.run("counting facts", |connection| {
            let count = |table: &str| -> rusqlite::Result<i64> {
                let sql = format!("SELECT count(*) FROM {table}");
                connection.query_one(&sql, [], |row| row.get(0))
            };
            Ok((count("kb_facts")? as usize, count("kb_entities")? as usize))
        })
    }

    /// Rises with every change of the knowledge base.
    pub fn kb_revision(&self) -> Result<u64, StoreError> {
        self.database.run("reading the revision", |connection| {
            Ok(meta::<i64>(connection, "kb_revision")? as u64)
        })
    }
}
