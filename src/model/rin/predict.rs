//! RIN without training: tags, the cells worth keeping, and how watched cells moved over the rounds.
//!
//! Works group by group of sentences under a memory budget, so a batch of long sentences needs no more than its longest.

use super::{CellLayout, Rin, State};
use crate::model::decode::{Cell, N_TAGS};
use crate::model::encoded::Encoded;
use candle_core::{D, DType, Result, Tensor, bail};
use candle_nn::ops::{sigmoid, softmax};

/// Floats of pair logits that one group of sentences may take: 32 MiB in f32, which the caches still half hold.
const GROUP_FLOATS: usize = 8 << 20;

/// What to report besides tags.
#[derive(Clone, Debug)]
pub struct RinRequest<'a> {
    /// Cells below this probability are not kept.
    pub keep: f32,
    /// Of a sentence's cells at most this many, the likeliest: an untrained model would keep them all.
    pub max_cells: usize,
    /// Reported whatever their probability, for every round; any order.
    pub watch: &'a [Cell],
}

/// One sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct RinSentence {
    /// The likeliest tag of each word.
    pub tags: Vec<u32>,
    /// Probability of each of the five tags, word by word.
    pub tag_probabilities: Vec<[f32; N_TAGS]>,
    /// Kept cells, in row order.
    pub cells: Vec<(Cell, f32)>,
    /// This sentence's watched cells in the request's order, each with its probability before round 1, 2, .., K and at the end (K + 1 numbers).
    pub watched: Vec<(Cell, Vec<f32>)>,
}

impl Rin {
    /// One entry a sentence. Fails on a watched cell outside the batch.
    pub fn predict(&self, encoded: &Encoded, request: &RinRequest) -> Result<Vec<RinSentence>> {
        let layout = &encoded.layout;
        let mut watch: Vec<Vec<Cell>> = vec![Vec::new(); layout.n_sentences()];
        for cell in request.watch {
            let inside = cell.sentence < watch.len()
                && cell.head.max(cell.tail) < layout.n_words(cell.sentence)
                && cell.relation < self.n_relations;
            if !inside {
                bail!("watched {cell:?} lies outside the batch");
            }
            watch[cell.sentence].push(*cell);
        }
        let rin = self.detached();
        let mut out = Vec::with_capacity(layout.n_sentences());
        while out.len() < layout.n_sentences() {
            let first = out.len();
            let end = self.group_end(&layout.word_starts, first);
            let starts = &layout.word_starts[first..=end];
            let (from, n) = (starts[0], starts[starts.len() - 1] - starts[0]);
            if n == 0 {
                out.extend((first..end).map(|_| RinSentence::empty()));
                continue;
            }
            let cells = CellLayout::from_words(starts.to_vec());
            let words = encoded.words.narrow(0, from, n)?.contiguous()?.detach();
            rin.predict_group(&words, &cells, first, &watch, request, &mut out)?;
        }
        Ok(out)
    }

    /// Sentences `first..end` fit the budget; at least one.
    pub(super) fn group_end(&self, word_starts: &[usize], first: usize) -> usize {
        let mut floats = 0;
        for b in first..word_starts.len() - 1 {
            let n = word_starts[b + 1] - word_starts[b];
            floats += n * n * self.pair.floats_per_cell();
            if floats > GROUP_FLOATS && b > first {
                return b;
            }
        }
        word_starts.len() - 1
    }

    fn predict_group(
        &self,
        words: &Tensor,
        cells: &CellLayout,
        first: usize,
        watch: &[Vec<Cell>],
        request: &RinRequest,
        out: &mut Vec<RinSentence>,
    ) -> Result<()> {
        let watched: Vec<(usize, Cell)> = (0..cells.n_sentences())
            .flat_map(|b| watch[first + b].iter().map(move |cell| (b, *cell)))
            .collect();
        let mut history = Vec::new();
        let mut state = self.start(words)?;
        for _ in 0..self.config.rounds {
            history.push(self.watched(&state, cells, &watched)?);
            state = self.round(&state, cells)?;
        }
        history.push(self.watched(&state, cells, &watched)?);

        let tags = softmax(&self.tag.apply(&state.entity)?, D::Minus1)?;
        let tags: Vec<Vec<f32>> = tags.to_dtype(DType::F32)?.to_vec2()?;
        let sides = self.pair.sides(&state.relation)?;
        let logits = self.pair.all(&sides, cells)?.to_dtype(DType::F32)?;
        let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
        for b in 0..cells.n_sentences() {
            let tag_probabilities: Vec<[f32; N_TAGS]> = tags[cells.words(b)]
                .iter()
                .map(|p| std::array::from_fn(|t| p[t]))
                .collect();
            let of_sentence = watched.iter().enumerate().filter(|(_, w)| w.0 == b);
            out.push(RinSentence {
                tags: tag_probabilities.iter().map(most_likely).collect(),
                tag_probabilities,
                cells: self.kept(&logits, cells, b, first + b, request),
                watched: of_sentence
                    .map(|(i, w)| (w.1, history.iter().map(|round| round[i]).collect()))
                    .collect(),
            });
        }
        Ok(())
    }

    /// Probabilities of watched cells (sentence in the group, cell) in a state.
    fn watched(
        &self,
        state: &State,
        cells: &CellLayout,
        watched: &[(usize, Cell)],
    ) -> Result<Vec<f32>> {
        if watched.is_empty() {
            return Ok(Vec::new());
        }
        let device = state.relation.device();
        let words = |word: fn(&Cell) -> usize| {
            let at = watched
                .iter()
                .map(|(b, cell)| (cells.words(*b).start + word(cell)) as u32);
            Tensor::from_vec(at.collect(), watched.len(), device)
        };
        let sides = self.pair.sides(&state.relation)?;
        let logits = self
            .pair
            .at(&sides, &words(|c| c.head)?, &words(|c| c.tail)?)?;
        let p: Vec<Vec<f32>> = sigmoid(&logits)?.to_dtype(DType::F32)?.to_vec2()?;
        Ok(watched
            .iter()
            .zip(p)
            .map(|((_, cell), p)| p[cell.relation])
            .collect())
    }

    fn kept(
        &self,
        logits: &[f32],
        cells: &CellLayout,
        b: usize,
        sentence: usize,
        request: &RinRequest,
    ) -> Vec<(Cell, f32)> {
        let (n, l) = (cells.n_words(b), self.n_relations);
        let start = cells.index(b, 0, 0).unwrap_or(0) * l;
        // Most cells are far below: compare logits, and take few exponentials.
        let floor = logit(request.keep);
        let mut kept = Vec::new();
        for (i, &s) in logits[start..start + n * n * l].iter().enumerate() {
            if s < floor {
                continue;
            }
            let p = 1.0 / (1.0 + (-s).exp());
            let cell = Cell {
                sentence,
                head: i / l / n,
                tail: i / l % n,
                relation: i % l,
            };
            if p >= request.keep {
                kept.push((cell, p));
            }
            if kept.len() > 2 * request.max_cells + 1024 {
                keep_likeliest(&mut kept, request.max_cells);
            }
        }
        keep_likeliest(&mut kept, request.max_cells);
        kept.sort_unstable_by_key(|(cell, _)| *cell);
        kept
    }
}

impl RinSentence {
    fn empty() -> Self {
        Self {
            tags: Vec::new(),
            tag_probabilities: Vec::new(),
            cells: Vec::new(),
            watched: Vec::new(),
        }
    }
}

/// A hair below the logit of `p`, so that rounding never loses a cell exactly at the threshold.
fn logit(p: f32) -> f32 {
    let s = (p / (1.0 - p)).ln();
    if s.is_finite() {
        s - 1e-3
    } else {
        f32::NEG_INFINITY
    }
}

fn keep_likeliest(kept: &mut Vec<(Cell, f32)>, n: usize) {
    if kept.len() > n {
        kept.select_nth_unstable_by(n, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        kept.truncate(n);
    }
}

fn most_likely(p: &[f32; N_TAGS]) -> u32 {
    let mut best = 0;
    for tag in 1..N_TAGS {
        if p[tag] > p[best] {
            best = tag;
        }
    }
    best as u32
}
