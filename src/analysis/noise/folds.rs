//! Out-of-fold label distributions: what models say that never saw the pair.
//!
//! Folds are disjoint by entity pair, not by sentence: a model that saw another sentence of the pair repeats what the knowledge base
//! said of it.

use super::logistic::{LogisticError, Regression, RegressionOptions};
use sha2::{Digest, Sha256};

/// The fold of an entity pair; head and tail exchanged are the same pair.
pub fn fold_of(head: &str, tail: &str, seed: u64, n_folds: usize) -> usize {
    let (a, b) = if head <= tail {
        (head, tail)
    } else {
        (tail, head)
    };
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update((a.len() as u64).to_be_bytes());
    hash.update(a.as_bytes());
    hash.update(b.as_bytes());
    let digest = hash.finalize();
    let start = digest
        .iter()
        .take(8)
        .fold(0, |n, byte| n << 8 | u64::from(*byte));
    (start % n_folds.max(1) as u64) as usize
}

/// One regression a fold, each fitted to the rows of the other folds.
pub struct FoldModels {
    models: Vec<Regression>,
}

impl FoldModels {
    /// `targets` [rows, classes]; `folds`: of each row. `tell` hears the fold and stops by `false`.
    pub fn fit(
        rows: &[&[f32]],
        targets: &[f32],
        n_classes: usize,
        folds: &[usize],
        n_folds: usize,
        options: RegressionOptions,
        tell: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Self>, LogisticError> {
        let mut models = Vec::with_capacity(n_folds);
        for fold in 0..n_folds {
            if !tell(fold) {
                return Ok(None);
            }
            let (mut train, mut wanted) = (Vec::new(), Vec::new());
            for i in (0..rows.len()).filter(|i| folds[*i] != fold) {
                train.push(rows[i]);
                wanted.extend_from_slice(&targets[i * n_classes..(i + 1) * n_classes]);
            }
            models.push(Regression::fit(&train, &wanted, n_classes, options)?);
        }
        Ok(Some(Self { models }))
    }

    /// What the models that never saw `fold` say of a row: a distribution over the classes.
    pub fn probabilities(&self, fold: usize, row: &[f32]) -> Vec<f32> {
        self.models[fold].probabilities(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_in_one_fold_whichever_way_round() {
        for seed in 0..20 {
            let fold = fold_of("Ada Lum", "Tamm", seed, 5);
            assert!(fold < 5);
            assert_eq!(fold, fold_of("Tamm", "Ada Lum", seed, 5));
        }
        let spread: std::collections::HashSet<usize> = (0..40)
            .map(|i| fold_of(&i.to_string(), "x", 1, 5))
            .collect();
        assert_eq!(spread.len(), 5);
    }

    #[test]
    fn nothing_is_learned_from_the_own_fold() {
        // Two kinds of rows; in fold 0 every label is wrong, and only fold 0 says so.
        let n = 40;
        let rows: Vec<f32> = (0..n).map(|i| (i % 2) as f32).collect();
        let folds: Vec<usize> = (0..n).map(|i| usize::from(i >= 10)).collect();
        let targets: Vec<f32> = (0..n)
            .flat_map(|i| {
                let label = if i < 10 { 1 - i % 2 } else { i % 2 };
                [
                    f32::from(u8::from(label == 0)),
                    f32::from(u8::from(label == 1)),
                ]
            })
            .collect();
        let options = RegressionOptions {
            l2: 0.1,
            iterations: 100,
            link: crate::analysis::noise::Link::Softmax,
        };
        let rows: Vec<&[f32]> = rows.chunks(1).collect();
        let fit = |go: bool| FoldModels::fit(&rows, &targets, 2, &folds, 2, options, &mut |_| go);
        let models = fit(true).unwrap().unwrap();
        for i in 0..10 {
            let p = models.probabilities(0, rows[i]);
            assert!(p[i % 2] > 0.8, "row {i}: {p:?}");
        }
        assert!(fit(false).unwrap().is_none());
    }
}
