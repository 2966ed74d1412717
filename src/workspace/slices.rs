//! Slices: any query is a part of the corpus with figures of its own. Some are built in, others are kept by name in the workspace.

use super::asking::{Asked, matching};
use super::pass::each_view;
use super::study::PROTOCOL;
use super::{Tell, Workspace, searching, stored_rule};
use crate::analysis::{Counts, Interval, Patterns, sentence_counts};
use crate::domain::{RelationSchema, SentenceIdx};
use crate::index::{Searcher, query::parse};
use crate::store::Reader;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::Path;

const SETTING: &str = "slices";
/// More are a slip: each is a search and a set of sentences.
const MOST: usize = 200;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Slice {
    pub name: String,
    /// docs/query.md
    pub query: String,
}

/// A slice with its figures, under [`PROTOCOL`].
#[derive(Clone, PartialEq, Debug)]
pub struct Sliced {
    pub slice: Slice,
    /// Kept by a curator, not built in.
    pub kept: bool,
    /// Predicted sentences of the slice.
    pub sentences: u64,
    pub counts: Counts,
    /// Of precision, recall and F1.
    pub intervals: [Interval; 3],
}

/// By length, distance, overlap, knowledge-base coverage and entity type; the first is everything.
pub fn built_in(schema: &RelationSchema) -> Vec<Slice> {
    let fixed = [
        ("all sentences", ""),
        ("up to 20 words", "tokens<=20"),
        ("21 to 40 words", "tokens>20 tokens<=40"),
        ("over 40 words", "tokens>40"),
        ("heads and tails at most 5 words apart", "distance<=5"),
        ("6 to 15 words apart", "distance>5 distance<=15"),
        ("over 15 words apart", "distance>15"),
        ("overlap: Normal", "overlap:normal"),
        ("overlap: EPO", "overlap:epo"),
        ("overlap: SEO", "overlap:seo"),
        ("labels all in the knowledge base", "linked:all"),
        ("labels in part in the knowledge base", "linked:some"),
        ("labels not in the knowledge base", "linked:no"),
    ];
    let slice = |(name, query): (&str, &str)| Slice {
        name: name.to_owned(),
        query: query.to_owned(),
    };
    let quoted = |name: &str| name.replace('\\', "\\\\").replace('"', "\\\"");
    let types = schema.entity_types().iter().map(|kind| Slice {
        name: format!("with an entity of type {kind}"),
        query: format!("type:\"{}\"", quoted(kind)),
    });
    fixed.into_iter().map(slice).chain(types).collect()
}

/// Slices that a curator keeps, in the order in which they were kept.
pub fn kept(reader: &Reader) -> Result<Vec<Slice>> {
    let text = reader.setting(SETTING)?;
    Ok(text
        .and_then(|t| serde_json::from_str(&t).ok())
        .unwrap_or_default())
}

impl Workspace {
    /// Keeps a slice, in place of one with its name; refused where its query is wrong.
    pub fn keep_slice(&mut self, slice: Slice) -> Result<()> {
        let name = slice.name.trim();
        if name.is_empty() {
            bail!("a slice needs a name");
        }
        let asked = Asked::read(&slice.query);
        if let Err(error) = parse(&asked.rest, &self.schema) {
            bail!("{}: column {}: {error}", slice.query, error.column + 1);
        }
        asked.check(self.read())?;
        let mut slices = kept(self.read())?;
        if let Some(known) = slices.iter_mut().find(|s| s.name == name) {
            known.query = slice.query;
        } else if slices.len() >= MOST {
            bail!("{MOST} slices are kept already; drop one first");
        } else {
            let name = name.to_owned();
            let query = slice.query;
            slices.push(Slice { name, query });
        }
        self.write_slices(&slices)
    }

    pub fn drop_slice(&mut self, name: &str) -> Result<()> {
        let mut slices = kept(self.read())?;
        let before = slices.len();
        slices.retain(|s| s.name != name);
        if slices.len() == before {
            bail!("no slice is called `{name}`");
        }
        self.write_slices(&slices)
    }

    fn write_slices(&mut self, slices: &[Slice]) -> Result<()> {
        let text = serde_json::to_string(slices)?;
        Ok(self.store.set_setting(SETTING, &text)?)
    }
}

/// A slice, whether it is kept, and its sentences.
pub type Found = (Slice, bool, HashSet<SentenceIdx>);

/// The sentences of a slice; an error says what is wrong with its query. The searcher's index must be that of the reader's state.
pub fn sentences_of(
    workspace: (&Path, &Reader),
    searcher: &Searcher,
    query: &str,
) -> Result<HashSet<SentenceIdx>> {
    match matching(workspace, searcher, query)? {
        Ok(found) => Ok(found.into_iter().collect()),
        Err(error) => bail!("{query}: column {}: {error}", error.column + 1),
    }
}

/// Figures of each slice from one pass over the corpus. `None` when `tell` stopped it.
pub fn measure(reader: &Reader, slices: Vec<Found>, tell: Tell) -> Result<Option<Vec<Sliced>>> {
    struct Adding {
        of: HashSet<SentenceIdx>,
        sentences: u64,
        counts: Counts,
        patterns: Patterns<1>,
    }
    let adding = slices.into_iter().map(|(slice, is_kept, of)| {
        let found = Adding {
            of,
            sentences: 0,
            counts: Counts::default(),
            patterns: Patterns::default(),
        };
        (slice, is_kept, found)
    });
    let mut adding: Vec<_> = adding.collect();
    let rule = stored_rule(reader)?;
    let whole = each_view(reader, &rule, tell, |idx, viewed| {
        let Some(alignment) = &viewed.alignment else {
            return Ok(());
        };
        let (counts, _) = sentence_counts(alignment);
        for (_, _, slice) in adding.iter_mut().filter(|(_, _, s)| s.of.contains(&idx)) {
            slice.sentences += 1;
            slice.counts.add(counts);
            if counts != Counts::default() {
                slice.patterns.add([counts]);
            }
        }
        Ok(())
    })?;
    let measured = (0u64..)
        .zip(adding)
        .map(|(i, (slice, kept, found))| Sliced {
            slice,
            kept,
            sentences: found.sentences,
            counts: found.counts,
            intervals: found.patterns.prf(found.sentences, i + 10_000),
        });
    Ok(whole.then(|| measured.collect()))
}

/// What `redress evaluate` prints of slices.
#[derive(Clone, Debug, Serialize)]
pub struct SlicesReport {
    pub protocol: String,
    pub slices: Vec<SliceReport>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SliceReport {
    pub name: String,
    pub query: String,
    pub sentences: u64,
    #[serde(flatten)]
    pub score: super::evaluate::Score,
    /// 95 % interval of F1 by bootstrap over sentences.
    pub f1_interval: [f64; 2],
}

/// The slices asked for, then with `all` those built in and those kept, over the stored predictions of the workspace in `dir`. `within`
/// narrows each, as `split:dev`.
pub fn evaluate(
    dir: &Path,
    asked: &[String],
    all: bool,
    within: &str,
    tell: Tell,
) -> Result<SlicesReport> {
    searching::with_index(dir, &mut |reader, index| {
        let searcher = index.searcher();
        let of = |query: &str| sentences_of((dir, reader), &searcher, query);
        let part = of(within)?;
        let mut slices: Vec<Found> = Vec::new();
        for query in asked {
            let (name, query) = (query.clone(), query.clone());
            let found = of(&query)?;
            slices.push((Slice { name, query }, true, found));
        }
        if all {
            let built_in = built_in(&reader.schema()?).into_iter().map(|s| (s, false));
            let kept = kept(reader)?.into_iter().map(|s| (s, true));
            // A query that no longer holds here leaves its slice out.
            let found = |(s, kept): (Slice, bool)| of(&s.query).ok().map(|of| (s, kept, of));
            slices.extend(built_in.chain(kept).filter_map(found));
        }
        for (slice, _, found) in &mut slices {
            found.retain(|idx| part.contains(idx));
            if !within.is_empty() {
                slice.query = match slice.query.trim() {
                    "" => within.to_owned(),
                    query => format!("({query}) {within}"),
                };
            }
        }
        let found = measure(reader, slices, tell)?.context("stopped")?;
        Ok(SlicesReport {
            protocol: format!("{PROTOCOL}, labels that stand"),
            slices: found.into_iter().map(SliceReport::from).collect(),
        })
    })
}

impl From<Sliced> for SliceReport {
    fn from(s: Sliced) -> Self {
        let [_, _, f1] = s.intervals;
        Self {
            name: s.slice.name,
            query: s.slice.query,
            sentences: s.sentences,
            score: s.counts.into(),
            f1_interval: [f1.low, f1.high],
        }
    }
}
