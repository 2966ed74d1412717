//! The kernel head's losses (specs/kernel_head section 3).

use super::grid::{self, Grid, pieces_of, position, union};
use super::{Kernel, KernelLoss, KernelPair};
use crate::model::encoded::{BatchLayout, Encoded};
use crate::model::ops::{bce_sum, is_fused};
use candle_core::{Result, Tensor, bail};
use std::collections::BTreeMap;
use std::ops::Range;

/// Floats of projections that one run of sentences may take, on each side: 128 MiB in f32. A backward pass adds up a
/// gradient as large as the kernels for each run, so runs should be few.
const RUN_FLOATS: usize = 32 << 20;

/// One sentence: its cells, which of them count and which are positive.
struct Sheet {
    grid: Grid,
    /// [R, heads, tails]: weight of each cell in the loss, 0 outside the mask.
    weights: Vec<f32>,
    /// [R, heads, tails]: 0 or 1.
    gold: Vec<f32>,
}

impl Kernel {
    /// The loss that the config names, over all sentences that have a pair; `None` when no cell counts (such a batch has no
    /// gradient). Pairs need no order; cells of repeated or overlapping pairs count once, and are positive if any pair says so.
    pub fn loss(&self, encoded: &Encoded, pairs: &[KernelPair]) -> Result<Option<Tensor>> {
        let mut sheets = self.sheets(&encoded.layout, pairs)?;
        if !weigh(&mut sheets, self.n_relations(), self.config.loss) {
            return Ok(None);
        }
        let grids: Vec<Grid> = sheets.iter().map(|s| s.grid.clone()).collect();
        let mut total: Option<Tensor> = None;
        let padded = !is_fused(&encoded.piece_top);
        for run in grid::runs(&grids, self.floats_per_piece(), RUN_FLOATS, padded) {
            let logits = self.logits(encoded, &grids[run.clone()])?;
            let sheets = &sheets[run];
            let gold = by_relation(sheets, self.n_relations(), |sheet| &sheet.gold);
            let weights = by_relation(sheets, self.n_relations(), |sheet| &sheet.weights);
            let sum = bce_sum(&logits, gold, Some(weights))?;
            total = Some(match total {
                Some(total) => (total + sum)?,
                None => sum,
            });
        }
        Ok(total)
    }

    /// One sheet a sentence, with weight 1 in the mask.
    fn sheets(&self, layout: &BatchLayout, pairs: &[KernelPair]) -> Result<Vec<Sheet>> {
        let mut of_sentence: BTreeMap<usize, Vec<Placed>> = BTreeMap::new();
        for pair in pairs {
            if let Some(relation) = pair.relations.iter().find(|r| **r >= self.n_relations()) {
                bail!("{pair:?} has relation {relation} of {}", self.n_relations());
            }
            let placed = Placed {
                head: pieces_of(layout, pair.sentence, pair.head)?,
                tail: pieces_of(layout, pair.sentence, pair.tail)?,
                pair,
            };
            of_sentence.entry(pair.sentence).or_default().push(placed);
        }
        let sheets = of_sentence.into_iter();
        Ok(sheets
            .map(|(sentence, pairs)| Sheet::new(sentence, &pairs, self.n_relations()))
            .collect())
    }
}

/// Values of some sheets in the logits' order: relation after relation, in each sheet after sheet.
fn by_relation(sheets: &[Sheet], relations: usize, values: fn(&Sheet) -> &[f32]) -> Vec<f32> {
    let part = |sheet, relation| {
        let all = values(sheet);
        let n = all.len() / relations;
        &all[relation * n..(relation + 1) * n]
    };
    (0..relations)
        .flat_map(|relation| sheets.iter().map(move |sheet| part(sheet, relation)))
        .flatten()
        .copied()
        .collect()
}

/// A pair and its packed pieces.
struct Placed<'a> {
    head: Range<usize>,
    tail: Range<usize>,
    pair: &'a KernelPair,
}

impl Sheet {
    fn new(sentence: usize, pairs: &[Placed], n_relations: usize) -> Self {
        let grid = Grid {
            sentence,
            heads: union(pairs.iter().map(|p| p.head.clone())),
            tails: union(pairs.iter().map(|p| p.tail.clone())),
        };
        let n = n_relations * grid.heads.len() * grid.tails.len();
        let mut sheet = Sheet {
            grid,
            weights: vec![0.0; n],
            gold: vec![0.0; n],
        };
        for placed in pairs {
            sheet.add(placed, n_relations);
        }
        sheet
    }

    fn add(&mut self, placed: &Placed, n_relations: usize) {
        let rows = position(&self.grid.heads, &placed.head);
        let columns = position(&self.grid.tails, &placed.tail);
        let (height, width) = (self.grid.heads.len(), self.grid.tails.len());
        let fill = |values: &mut [f32], relation: usize| {
            for row in rows.clone() {
                let start = (relation * height + row) * width;
                values[start + columns.start..start + columns.end].fill(1.0);
            }
        };
        for relation in 0..n_relations {
            if placed.pair.relations.contains(&relation) {
                fill(&mut self.gold, relation);
            } else if placed.pair.ignore.contains(&relation) {
                continue;
            }
            fill(&mut self.weights, relation);
        }
    }
}

/// Turns masks into weights; false when no cell has any.
fn weigh(sheets: &mut [Sheet], n_relations: usize, loss: KernelLoss) -> bool {
    let n_sheets = sheets.len();
    let mut counted = 0usize;
    for sheet in sheets.iter_mut() {
        let n = sheet.weights.len() / n_relations.max(1);
        let relations = sheet.weights.chunks_mut(n.max(1));
        for (weights, gold) in relations.zip(sheet.gold.chunks(n.max(1))) {
            let cells: f32 = match loss {
                KernelLoss::MaskMean => weights.iter().sum(),
                // Positive cells are in the mask.
                KernelLoss::Eq9 => gold.iter().sum(),
            };
            counted += usize::from(cells > 0.0);
            let weight = if cells > 0.0 { 1.0 / cells } else { 0.0 };
            weights.iter_mut().for_each(|w| *w *= weight);
        }
    }
    let parts = match loss {
        KernelLoss::MaskMean => counted,
        KernelLoss::Eq9 => n_sheets,
    };
    for sheet in sheets {
        sheet
            .weights
            .iter_mut()
            .for_each(|w| *w /= parts.max(1) as f32);
    }
    counted > 0
}
