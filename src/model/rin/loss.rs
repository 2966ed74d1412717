//! RIN's loss (specs/rin section 5): cross-entropy of tags plus binary cross-entropy of every cell.

use super::{RinOutput, RinTargets};
use crate::model::decode::{Cell, N_TAGS};
use crate::model::ops::{allowed_loss, bce_sum};
use candle_core::{Result, Tensor, bail};

/// Sums over a batch; scalars.
pub struct RinLoss {
    pub tags: Tensor,
    pub cells: Tensor,
    pub n_sentences: usize,
    pub n_words: usize,
}

impl RinLoss {
    /// (L_ner + L_re) / B, as published.
    pub fn per_sentence(&self) -> Result<Tensor> {
        self.total()? / self.n_sentences.max(1) as f64
    }

    /// (L_ner + L_re) / words: the scale for joint training with the kernel head (specs/bank section 4; ours).
    pub fn per_word(&self) -> Result<Tensor> {
        self.total()? / self.n_words.max(1) as f64
    }

    fn total(&self) -> Result<Tensor> {
        &self.tags + &self.cells
    }
}

impl RinOutput {
    /// Every real cell counts, the diagonal too; cells of `targets.ignore_cells` are left out unless another triple makes
    /// them positive. Fails on targets that do not fit the batch.
    pub fn loss(&self, targets: &RinTargets) -> Result<RinLoss> {
        Ok(RinLoss {
            tags: self.tag_loss(&targets.tags)?,
            cells: self.cell_loss(targets)?,
            n_sentences: self.cells.n_sentences(),
            n_words: self.cells.total_words(),
        })
    }

    fn tag_loss(&self, tags: &[u32]) -> Result<Tensor> {
        let n_words = self.cells.total_words();
        if tags.len() != n_words || tags.iter().any(|&tag| tag as usize >= N_TAGS) {
            bail!(
                "RIN's targets have {} tags, expected {n_words} below {N_TAGS}",
                tags.len()
            );
        }
        let mut gold = vec![false; n_words * N_TAGS];
        for (word, &tag) in tags.iter().enumerate() {
            gold[word * N_TAGS + tag as usize] = true;
        }
        allowed_loss(&self.tag_logits, &gold)
    }

    fn cell_loss(&self, targets: &RinTargets) -> Result<Tensor> {
        let logits = &self.cell_logits;
        let n = logits.elem_count();
        let mut gold = vec![0f32; n];
        for cell in &targets.cells {
            gold[self.position(cell)?] = 1.0;
        }
        let mut ignored = Vec::new();
        for cell in &targets.ignore_cells {
            let position = self.position(cell)?;
            if gold[position] == 0.0 {
                ignored.push(position);
            }
        }
        let weights = (!ignored.is_empty()).then(|| {
            let mut weights = vec![1f32; n];
            for position in ignored {
                weights[position] = 0.0;
            }
            weights
        });
        bce_sum(logits, gold, weights)
    }

    /// Where a cell's logit lies in the flattened [C, l].
    fn position(&self, cell: &Cell) -> Result<usize> {
        let l = self.cell_logits.dim(1)?;
        match self.cells.index(cell.sentence, cell.head, cell.tail) {
            Some(index) if cell.relation < l => Ok(index * l + cell.relation),
            _ => bail!(
                "{cell:?} lies outside the batch: {} sentences, {l} relations",
                self.cells.n_sentences()
            ),
        }
    }
}
