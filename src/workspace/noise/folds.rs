//! `redress folds`: what models that never saw a pair say of it, names hidden, for every pair of the workspace.

use super::pairs::pairs;
use crate::analysis::noise::{FoldModels, Link, RegressionOptions, Subspace, fold_of};
use crate::domain::{RelationId, SentenceId, SentenceIdx, TokenSpan};
use crate::export::{Overwrite, write_atomically};
use crate::model::masked::MaskedPair;
use crate::model::sentence::SentenceModel;
use crate::store::Reader;
use crate::workspace::pass::Pages;
use crate::workspace::{Tell, stored_rule};
use anyhow::{Context, Result, bail};
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file in a workspace's directory.
const FILE: &str = "folds.safetensors";
/// 1 had no `text`.
const VERSION: (&str, &str) = ("redress_folds", "2");
const VERSIONS: [&str; 2] = ["1", "2"];
/// Coordinates of a pair's features that are kept.
const TEXT: usize = 16;
/// Labelled pairs that the regressions learn from at most; more are only asked after.
const MAX_TRAINED: usize = 12_000;
/// Pairs encoded together.
const CHUNK: usize = 256;

#[derive(Clone, Debug)]
pub struct FoldOptions {
    pub folds: usize,
    pub seed: u64,
    pub l2: f64,
}

impl Default for FoldOptions {
    fn default() -> Self {
        Self {
            folds: 5,
            seed: 1,
            l2: 1000.0,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct FoldReport {
    pub pairs: usize,
    pub labelled: usize,
    pub trained_on: usize,
    pub relations: usize,
    pub folds: usize,
    pub model: String,
}

/// An ordered pair in a sentence.
pub type PairKey = (SentenceId, TokenSpan, TokenSpan);

/// Out-of-fold distributions of a workspace's pairs.
pub struct OutOfFolds {
    relations: Vec<String>,
    /// Each relation's share of the labels.
    priors: Vec<f32>,
    rows: HashMap<PairKey, usize>,
    /// [pairs, relations]: one distribution, and each relation for itself.
    p: Vec<f16>,
    alone: Vec<f16>,
    /// [pairs, `n_text`]: how the sentence speaks of the pair.
    text: Vec<f16>,
    n_text: usize,
}

impl OutOfFolds {
    pub fn relations(&self) -> &[String] {
        &self.relations
    }
    pub fn priors(&self) -> &[f32] {
        &self.priors
    }
    /// Probabilities of the relations for a pair, as one distribution and each for itself; `None`: it was not there when the folds
    /// were made.
    pub fn of(&self, key: &PairKey) -> Option<[&[f16]; 2]> {
        let n = self.relations.len();
        let row = *self.rows.get(key)?;
        let of_row = row * n..(row + 1) * n;
        Some([self.p.get(of_row.clone())?, self.alone.get(of_row)?])
    }
    /// Coordinates of the pair's features, names hidden; `None` also where the folds are of before they were kept.
    pub fn text(&self, key: &PairKey) -> Option<Arc<[f32]>> {
        let row = *self.rows.get(key)?;
        let of_row = self.text.get(row * self.n_text..(row + 1) * self.n_text)?;
        (self.n_text > 0).then(|| of_row.iter().map(|v| v.to_f32()).collect())
    }
}

struct Asked {
    idx: SentenceIdx,
    head: TokenSpan,
    tail: TokenSpan,
    fold: usize,
    /// Numbers of the relations that stand.
    labels: Vec<usize>,
}

pub fn folds_file(workspace: &Path) -> PathBuf {
    workspace.join(FILE)
}

/// Fits and asks, and writes the file whole or not at all; `None` when stopped. `tell` hears pairs encoded.
pub fn make_folds(
    dir: &Path,
    model: &SentenceModel,
    options: &FoldOptions,
    tell: Tell,
) -> Result<Option<FoldReport>> {
    let reader = Reader::open(dir)?;
    let schema = reader.schema()?;
    let (asked, relations) = ask(&reader, options)?;
    if relations.len() < 2 {
        bail!(
            "folds need labels of two relations at least; this workspace has {}",
            relations.len()
        );
    }
    let work = Work {
        reader: &reader,
        model,
        options,
        asked: &asked,
        n_relations: relations.len(),
    };
    let train = trained(&asked);
    let Some(features) = work.features(&train, tell)? else {
        return Ok(None);
    };
    let rows: Vec<&[f32]> = features.chunks(model.masked_width()).collect();
    let Some(fitted) = work.fit(&train, &rows, tell)? else {
        return Ok(None);
    };
    let space = Subspace::fit(&rows, TEXT, options.seed);
    let Some(answers) = work.answers(&train, &rows, &fitted, &space, tell)? else {
        return Ok(None);
    };
    let names = relations.iter().map(|r| schema.name(*r).to_owned());
    write(
        dir,
        &work,
        &names.collect::<Vec<_>>(),
        &work.priors(&train),
        &answers,
    )?;
    Ok(Some(FoldReport {
        pairs: asked.len(),
        labelled: asked.iter().filter(|a| !a.labels.is_empty()).count(),
        trained_on: train.len(),
        relations: relations.len(),
        folds: options.folds,
        model: model.run.to_string(),
    }))
}

/// The two ways to ask.
const LINKS: [Link; 2] = [Link::Softmax, Link::Independent];

/// What is kept of every pair, in order.
#[derive(Default)]
struct Answers {
    /// [pairs, relations] for each of [`LINKS`].
    p: [Vec<f16>; 2],
    /// [pairs, n_text]
    text: Vec<f16>,
    n_text: usize,
}

/// Deviations that a coordinate may be off.
const MOST: f32 = 6.0;

struct Work<'a> {
    reader: &'a Reader,
    model: &'a SentenceModel,
    options: &'a FoldOptions,
    asked: &'a [Asked],
    n_relations: usize,
}

impl Work<'_> {
    /// Of the pairs to learn from.
    fn features(&self, train: &[usize], tell: Tell) -> Result<Option<Vec<f32>>> {
        let mut features = Vec::with_capacity(train.len() * self.model.masked_width());
        for (n, chunk) in train.chunks(CHUNK).enumerate() {
            if !tell((n * CHUNK) as u64, self.asked.len() as u64) {
                return Ok(None);
            }
            features.extend(self.encode(chunk)?);
        }
        Ok(Some(features))
    }

    fn fit(&self, train: &[usize], rows: &[&[f32]], tell: Tell) -> Result<Option<[FoldModels; 2]>> {
        let folds: Vec<usize> = train.iter().map(|i| self.asked[*i].fold).collect();
        let (done, total) = (train.len() as u64, self.asked.len() as u64);
        let mut fit = |link| {
            let options = RegressionOptions {
                link,
                l2: self.options.l2,
                iterations: 100,
            };
            let (n, n_folds) = (self.n_relations, self.options.folds);
            let targets = self.targets(train, link);
            FoldModels::fit(rows, &targets, n, &folds, n_folds, options, &mut |_| {
                tell(done, total)
            })
        };
        let (Some(one), Some(each)) = (fit(LINKS[0])?, fit(LINKS[1])?) else {
            return Ok(None);
        };
        Ok(Some([one, each]))
    }

    fn targets(&self, train: &[usize], link: Link) -> Vec<f32> {
        let mut targets = vec![0.0; train.len() * self.n_relations];
        for (row, i) in train.iter().enumerate() {
            let labels = &self.asked[*i].labels;
            for label in labels {
                targets[row * self.n_relations + label] = match link {
                    Link::Softmax => 1.0 / labels.len() as f32,
                    Link::Independent => 1.0,
                };
            }
        }
        targets
    }

    /// Each relation's share of the labels.
    fn priors(&self, train: &[usize]) -> Vec<f32> {
        let mut counts = vec![0f32; self.n_relations];
        for label in train.iter().flat_map(|i| &self.asked[*i].labels) {
            counts[*label] += 1.0;
        }
        let total: f32 = counts.iter().sum();
        counts.iter().map(|c| c / total.max(1.0)).collect()
    }

    /// For every pair, in order; pairs that were learned from are not encoded again.
    fn answers(
        &self,
        train: &[usize],
        rows: &[&[f32]],
        fitted: &[FoldModels; 2],
        space: &Subspace,
        tell: Tell,
    ) -> Result<Option<Answers>> {
        let known: HashMap<usize, usize> =
            train.iter().enumerate().map(|(row, i)| (*i, row)).collect();
        let mut answers = Answers {
            n_text: space.n(),
            ..Answers::default()
        };
        let (mut done, total) = (train.len(), self.asked.len());
        let numbers: Vec<usize> = (0..total).collect();
        for chunk in numbers.chunks(CHUNK) {
            if !tell(done.min(total) as u64, total as u64) {
                return Ok(None);
            }
            let new: Vec<usize> = chunk
                .iter()
                .copied()
                .filter(|i| !known.contains_key(i))
                .collect();
            let encoded = self.encode(&new)?;
            done += new.len();
            let mut fresh = encoded.chunks(self.model.masked_width());
            for i in chunk {
                let row = match known.get(i) {
                    Some(row) => rows[*row],
                    None => fresh.next().unwrap_or_default(),
                };
                for (answers, models) in answers.p.iter_mut().zip(fitted) {
                    let p = models.probabilities(self.asked[*i].fold, row);
                    answers.extend(p.into_iter().map(f16::from_f32));
                }
                let text = space.project(row).into_iter();
                // A sentence that is like no other stays within what 16 bits hold.
                let text = text.map(|v| f16::from_f32(v.clamp(-MOST, MOST)));
                answers.text.extend(text);
            }
        }
        Ok(Some(answers))
    }

    fn encode(&self, which: &[usize]) -> Result<Vec<f32>> {
        let mut sentences = HashMap::new();
        for i in which {
            let idx = self.asked[*i].idx;
            if let Entry::Vacant(entry) = sentences.entry(idx)
                && let Some(id) = self.reader.id_of(idx)?
            {
                entry.insert(self.reader.sentence(id)?);
            }
        }
        let pairs = which.iter().map(|i| {
            let a = &self.asked[*i];
            MaskedPair {
                sentence: &sentences[&a.idx],
                head: a.head,
                tail: a.tail,
            }
        });
        Ok(self.model.masked_features(&pairs.collect::<Vec<_>>())?)
    }
}

/// All pairs with the labels that stand on them, by their numbers, and the relations that occur.
fn ask(reader: &Reader, options: &FoldOptions) -> Result<(Vec<Asked>, Vec<RelationId>)> {
    let rule = stored_rule(reader)?;
    let (mut asked, mut relations) = (Vec::new(), BTreeSet::new());
    let mut pages = Pages::start();
    while let Some(page) = pages.next(reader, &rule)? {
        for (idx, viewed) in &page {
            for pair in pairs(&viewed.annotation) {
                let (head, tail) = (pair.head, pair.tail);
                let keys = [viewed.entity_key(head), viewed.entity_key(tail)];
                relations.extend(pair.standing.iter().copied());
                asked.push(Asked {
                    idx: *idx,
                    head,
                    tail,
                    fold: fold_of(&keys[0], &keys[1], options.seed, options.folds),
                    labels: pair.standing.iter().map(|r| r.index()).collect(),
                });
            }
        }
    }
    let relations: Vec<RelationId> = relations.into_iter().collect();
    let places: HashMap<usize, usize> = relations
        .iter()
        .enumerate()
        .map(|(i, r)| (r.index(), i))
        .collect();
    for a in &mut asked {
        a.labels.retain_mut(|label| match places.get(label) {
            Some(place) => {
                *label = *place;
                true
            }
            None => false,
        });
    }
    Ok((asked, relations))
}

/// Labelled pairs to learn from, evenly over the corpus where there are too many.
fn trained(asked: &[Asked]) -> Vec<usize> {
    let labelled: Vec<usize> = (0..asked.len())
        .filter(|i| !asked[*i].labels.is_empty())
        .collect();
    let step = labelled.len().div_ceil(MAX_TRAINED).max(1);
    labelled.into_iter().step_by(step).collect()
}

fn write(
    dir: &Path,
    work: &Work,
    relations: &[String],
    priors: &[f32],
    answers: &Answers,
) -> Result<()> {
    let n = work.asked.len();
    let (mut ids, mut spans) = (Vec::with_capacity(n * 8), Vec::with_capacity(n * 16));
    for a in work.asked {
        let id = work.reader.id_of(a.idx)?.context("a sentence went away")?;
        ids.extend(id.0.to_le_bytes());
        for place in [a.head.start(), a.head.end(), a.tail.start(), a.tail.end()] {
            spans.extend((place as u32).to_le_bytes());
        }
    }
    let priors: Vec<u8> = priors.iter().flat_map(|v| v.to_le_bytes()).collect();
    let bytes = |values: &[f16]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let (p, alone): (Vec<u8>, Vec<u8>) = (bytes(&answers.p[0]), bytes(&answers.p[1]));
    let (text, n_text): (Vec<u8>, usize) = (bytes(&answers.text), answers.n_text);
    let r = relations.len();
    let tensors = [
        ("sentences", TensorView::new(Dtype::U64, vec![n], &ids)?),
        ("spans", TensorView::new(Dtype::U32, vec![n, 4], &spans)?),
        ("priors", TensorView::new(Dtype::F32, vec![r], &priors)?),
        ("p", TensorView::new(Dtype::F16, vec![n, r], &p)?),
        ("alone", TensorView::new(Dtype::F16, vec![n, r], &alone)?),
        ("text", TensorView::new(Dtype::F16, vec![n, n_text], &text)?),
    ];
    let about = HashMap::from([
        (VERSION.0.to_owned(), VERSION.1.to_owned()),
        ("relations".to_owned(), serde_json::to_string(relations)?),
    ]);
    let bytes = safetensors::serialize(tensors, Some(about))?;
    write_atomically(&folds_file(dir), Overwrite::Replace, |out| {
        out.write_all(&bytes)
    })?;
    Ok(())
}

/// The workspace's folds; `None` where none were made. A file that cannot be read says so and how to make it anew.
pub fn read_folds(dir: &Path) -> Result<Option<OutOfFolds>> {
    let file = folds_file(dir);
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let read = decode(&bytes);
    read.with_context(|| {
        format!(
            "{}: cannot be read; make it anew with `redress folds`",
            file.display()
        )
    })
    .map(Some)
}

fn decode(bytes: &[u8]) -> Result<OutOfFolds> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let about = header.metadata().as_ref().context("no metadata")?;
    let version = about.get(VERSION.0).map_or("", String::as_str);
    if !VERSIONS.contains(&version) {
        bail!("not of version {}", VERSIONS.join(" or "));
    }
    let relations: Vec<String> =
        serde_json::from_str(about.get("relations").context("no relations")?)?;
    let tensors = SafeTensors::deserialize(bytes)?;
    let part = |name: &str, dtype: Dtype| -> Result<&[u8]> {
        let tensor = tensors.tensor(name)?;
        if tensor.dtype() != dtype {
            bail!("{name} is of another type");
        }
        Ok(tensor.data())
    };
    let words = |name| -> Result<Vec<u32>> {
        let chunks = part(name, Dtype::U32)?.chunks_exact(4);
        Ok(chunks
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect())
    };
    let ids = part("sentences", Dtype::U64)?.chunks_exact(8);
    let ids: Vec<u64> = ids
        .map(|b| b.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)))
        .collect();
    let spans = words("spans")?;
    let priors = part("priors", Dtype::F32)?.chunks_exact(4);
    let priors: Vec<f32> = priors
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    let halves = |name| -> Result<Vec<f16>> {
        let chunks = part(name, Dtype::F16)?.chunks_exact(2);
        Ok(chunks.map(|b| f16::from_le_bytes([b[0], b[1]])).collect())
    };
    let (p, alone) = (halves("p")?, halves("alone")?);
    let n = ids.len();
    let text = match version {
        "1" => Vec::new(),
        _ => halves("text")?,
    };
    let n_text = text.len().checked_div(n).unwrap_or(0);
    if spans.len() != 4 * n
        || p.len() != n * relations.len()
        || alone.len() != p.len()
        || priors.len() != relations.len()
        || text.len() != n * n_text
    {
        bail!("its parts do not fit together");
    }
    let mut rows = HashMap::with_capacity(n);
    for (row, (id, s)) in ids.into_iter().zip(spans.chunks_exact(4)).enumerate() {
        let span = |a: u32, b: u32| TokenSpan::new(a as usize, b as usize).context("an empty span");
        rows.insert((SentenceId(id), span(s[0], s[1])?, span(s[2], s[3])?), row);
    }
    Ok(OutOfFolds {
        relations,
        priors,
        rows,
        p,
        alone,
        text,
        n_text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One pair, two relations, and text of three coordinates where `version` has any.
    fn file(version: &str, n_text: usize) -> Vec<u8> {
        let halves = |values: &[f32]| -> Vec<u8> {
            let bytes = values.iter().map(|v| f16::from_f32(*v).to_le_bytes());
            bytes.flatten().collect()
        };
        let (id, spans) = (
            7u64.to_le_bytes(),
            [0u32, 1, 2, 4].map(u32::to_le_bytes).concat(),
        );
        let priors = [0.25f32, 0.75].map(f32::to_le_bytes).concat();
        let (p, alone) = (halves(&[0.5, 0.5]), halves(&[0.125, 0.25]));
        let text = halves(&[1.5, -2.0, 0.5, 9.0][..n_text]);
        let mut tensors = vec![
            ("sentences", TensorView::new(Dtype::U64, vec![1], &id)),
            ("spans", TensorView::new(Dtype::U32, vec![1, 4], &spans)),
            ("priors", TensorView::new(Dtype::F32, vec![2], &priors)),
            ("p", TensorView::new(Dtype::F16, vec![1, 2], &p)),
            ("alone", TensorView::new(Dtype::F16, vec![1, 2], &alone)),
        ];
        if version != "1" {
            tensors.push(("text", TensorView::new(Dtype::F16, vec![1, n_text], &text)));
        }
        let about = HashMap::from([
            (VERSION.0.to_owned(), version.to_owned()),
            ("relations".to_owned(), r#"["a", "b"]"#.to_owned()),
        ]);
        let tensors = tensors.into_iter().map(|(name, t)| (name, t.unwrap()));
        safetensors::serialize(tensors, Some(about)).unwrap()
    }

    #[test]
    fn folds_of_before_the_text_was_kept_are_read_and_newer_ones_are_not() {
        let span = |from, to| TokenSpan::new(from, to).unwrap();
        let key = (SentenceId(7), span(0, 1), span(2, 4));
        let old = decode(&file("1", 0)).unwrap();
        let [p, alone] = old.of(&key).unwrap();
        assert_eq!((p[0].to_f32(), alone[1].to_f32()), (0.5, 0.25));
        assert_eq!((old.text(&key), old.priors()), (None, &[0.25, 0.75][..]));
        let new = decode(&file("2", 3)).unwrap();
        assert_eq!(new.text(&key).as_deref(), Some(&[1.5, -2.0, 0.5][..]));
        assert_eq!(new.text(&(SentenceId(8), key.1, key.2)), None);
        // A corpus in which nothing differs has no coordinates.
        assert_eq!(decode(&file("2", 0)).unwrap().text(&key), None);
        let newer = decode(&file("3", 3)).err().unwrap().to_string();
        assert!(newer.contains("not of version 1 or 2"), "{newer}");
        let cut = file("2", 3);
        for end in 0..cut.len() {
            assert!(decode(&cut[..end]).is_err(), "{end}");
        }
    }
}
