//! The workspace's knowledge base: read in, kept in the store, linked and turned into labels.

use super::import::is_pipe;
use super::{PAGE, Tell, Workspace};
use crate::domain::{Entity, GoldSource, GoldTriple, SentenceIdx};
pub use crate::kb::{ColumnOrder, Columns};

use crate::kb::{
    KnowledgeBase, KnowledgeBaseBuilder, Labeller, LabellingCounts, Linker, NameScope, RelationMap,
    read_names, read_triples,
};
use crate::store::{KbAdded, KbRows, NewGold, Reader};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// A knowledge base and the linker over its names.
pub struct Knowledge {
    pub kb: KnowledgeBase,
    pub linker: Linker,
}

impl Knowledge {
    /// `None` when the workspace has no facts.
    pub fn load(reader: &Reader) -> Result<Option<Self>> {
        if reader.kb_counts()?.0 == 0 {
            return Ok(None);
        }
        let kb = from_rows(&reader.kb()?);
        let linker = Linker::new(&kb);
        Ok(Some(Self { kb, linker }))
    }
}

#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct KbReport {
    pub files: Vec<KbFileReport>,
    pub added_entities: usize,
    pub added_aliases: usize,
    pub added_facts: usize,
    pub entities: usize,
    pub facts: usize,
}

#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct KbFileReport {
    pub file: String,
    pub lines: u64,
    pub added: u64,
    pub duplicates: u64,
    /// How the columns were read and why (triples).
    pub order: String,
    pub problems: u64,
    pub first_problems: Vec<String>,
}

#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct LabelReport {
    pub sentences: u64,
    pub labelled_sentences: u64,
    pub mentions: u64,
    pub linked: u64,
    pub labels: u64,
    pub per_relation: Vec<(String, u64)>,
}

/// `nyt24`, `identity`, or a TOML file.
pub fn relation_map(name: &str) -> Result<RelationMap> {
    match name {
        "nyt24" => Ok(RelationMap::nyt24()),
        "identity" => Ok(RelationMap::identity()),
        file => {
            let text = std::fs::read_to_string(file).with_context(|| {
                format!("{file}: expected `nyt24`, `identity`, or a TOML file (docs/kb.md)")
            })?;
            Ok(RelationMap::from_toml(file, &text)?)
        }
    }
}

/// Fails with the first file that is missing, a folder or not ours to read, before a workspace is made for it.
pub fn can_be_read<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    for file in files.into_iter().filter(|f| !is_pipe(f)) {
        if file.is_dir() {
            bail!("{}: this is a folder; name the files in it", file.display());
        }
        std::fs::File::open(file).with_context(|| format!("{}: cannot read", file.display()))?;
    }
    Ok(())
}

impl Workspace {
    /// Adds triples, then names, to the workspace's knowledge base.
    pub fn import_kb(
        &mut self,
        triples: &[PathBuf],
        names: &[PathBuf],
        order: ColumnOrder,
    ) -> Result<KbReport> {
        let mut builder = KnowledgeBaseBuilder::default();
        let mut report = KbReport::default();
        for file in triples {
            let read = read_triples(file, order, &mut builder)?;
            report.files.push(KbFileReport {
                file: read.file.to_string(),
                lines: read.lines,
                added: read.added,
                duplicates: read.duplicates,
                order: format!("{} ({})", read.order.columns.name(), read.order.reason),
                problems: read.problems.count,
                first_problems: read.problems.kept.iter().map(ToString::to_string).collect(),
            });
        }
        if triples.is_empty() {
            // Names alone are for entities of an earlier import.
            for (id, name) in self.read().kb()?.entities {
                builder.add_name(&id, name.as_deref().unwrap_or(&id));
            }
        }
        for file in names {
            let read = read_names(file, NameScope::EntitiesWithFacts, &mut builder)?;
            report.files.push(KbFileReport {
                file: read.file.to_string(),
                lines: read.lines,
                added: read.added,
                duplicates: read.duplicates,
                problems: read.problems.count,
                first_problems: read.problems.kept.iter().map(ToString::to_string).collect(),
                ..KbFileReport::default()
            });
        }
        let (kb, _) = builder.build();
        let added: KbAdded = self.store.put_kb(&to_rows(&kb))?;
        self.store.flush()?;
        (
            report.added_entities,
            report.added_aliases,
            report.added_facts,
        ) = (added.entities, added.aliases, added.facts);
        (report.facts, report.entities) = self.read().kb_counts()?;
        Ok(report)
    }

    /// Links every mention to the knowledge base and, with `map`, labels every pair that has a fact. Distant labels of
    /// an earlier labelling are replaced; imported and human ones stay.
    pub fn label(&mut self, map: Option<&RelationMap>, tell: Tell) -> Result<LabelReport> {
        let Some(knowledge) = Knowledge::load(self.read())? else {
            bail!(
                "this workspace has no knowledge base; add one with `redress kb import TRIPLES --names FILE`"
            );
        };
        let mut schema = self.schema.clone();
        let nothing = RelationMap::identity().keep_only(Vec::<String>::new());
        let labeller = Labeller::new(
            &knowledge.kb,
            &knowledge.linker,
            map.unwrap_or(&nothing),
            &mut schema,
        )?;
        self.schema = schema;
        let mut counts = LabellingCounts::default();
        let total = u64::from(self.read().sentence_count()?);
        let mut next = Some(SentenceIdx(0));
        while let Some(from) = next {
            if !tell(counts.sentences, total) {
                bail!(
                    "stopped; sentences labelled so far keep their labels, run `redress label` again for the rest"
                );
            }
            let page = self.read().page(from, PAGE)?;
            let changes: Vec<NewGold> = page
                .sentences
                .iter()
                .map(|(_, sentence)| {
                    let labelled = labeller.label(sentence);
                    counts.add(&labelled);
                    let link =
                        |i: usize| labelled.links[i].map(|l| knowledge.kb.id(l.entity).clone());
                    let entities: Vec<Entity> = sentence
                        .entities
                        .iter()
                        .enumerate()
                        .map(|(i, e)| Entity {
                            link: link(i),
                            ..e.clone()
                        })
                        .collect();
                    let mut gold: Vec<GoldTriple> = sentence.gold.clone();
                    if map.is_some() {
                        gold.retain(|g| g.source != GoldSource::Distant);
                        let known: std::collections::HashSet<_> =
                            gold.iter().map(|g| g.triple).collect();
                        gold.extend(
                            labelled
                                .gold
                                .into_iter()
                                .filter(|g| !known.contains(&g.triple)),
                        );
                    }
                    NewGold {
                        sentence: sentence.id,
                        entities,
                        gold,
                    }
                })
                .collect();
            self.store.set_gold(&changes, &self.schema)?;
            next = page.next;
        }
        self.store.save_schema(&self.schema)?;
        self.store.flush()?;
        self.refresh_index(&mut |_, _| true)?;
        let per_relation = counts
            .per_relation
            .iter()
            .map(|(r, n)| (self.schema.name(*r).to_owned(), *n))
            .collect();
        Ok(LabelReport {
            sentences: counts.sentences,
            labelled_sentences: counts.labelled_sentences,
            mentions: counts.links.total(),
            linked: counts.links.linked + counts.links.ambiguous,
            labels: counts.labels,
            per_relation,
        })
    }
}

fn to_rows(kb: &KnowledgeBase) -> KbRows {
    let mut rows = KbRows {
        relations: kb.relations().to_vec(),
        ..KbRows::default()
    };
    for entity in kb.entities() {
        let name = kb.is_named(entity).then(|| kb.name(entity));
        rows.aliases
            .extend(kb.aliases(entity).iter().map(|a| (entity.0, a.clone())));
        rows.entities.push((kb.id(entity).to_string(), name));
    }
    rows.facts = kb
        .facts()
        .iter()
        .map(|f| (f.head.0, f.relation.0, f.tail.0))
        .collect();
    rows
}

fn from_rows(rows: &KbRows) -> KnowledgeBase {
    let mut builder = KnowledgeBaseBuilder::default();
    let id = |i: u32| rows.entities.get(i as usize).map(|e| e.0.as_str());
    for (head, relation, tail) in &rows.facts {
        if let (Some(h), Some(r), Some(t)) =
            (id(*head), rows.relations.get(*relation as usize), id(*tail))
        {
            builder.add_fact(h, r, t);
        }
    }
    for (entity, name) in &rows.entities {
        if let Some(name) = name {
            builder.add_name(entity, name);
        }
    }
    for (entity, alias) in &rows.aliases {
        if let Some(id) = id(*entity) {
            builder.add_name(id, alias);
        }
    }
    builder.build().0
}
