//! The token pairs of a sentence that are worth computing: pieces inside candidate spans, heads by tails.

use crate::domain::TokenSpan;
use crate::model::encoded::{BatchLayout, Encoded};
use crate::model::ops::take_rows;
use candle_core::{Result, Tensor, bail};
use std::ops::Range;

/// Rows and columns of one sentence: packed pieces, ascending, each once, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub sentence: usize,
    pub heads: Vec<usize>,
    pub tails: Vec<usize>,
}

/// Packed pieces of a span of words; fails outside what the encoder saw.
pub(super) fn pieces_of(
    layout: &BatchLayout,
    sentence: usize,
    span: TokenSpan,
) -> Result<Range<usize>> {
    if sentence >= layout.n_sentences() || span.end() > layout.n_words(sentence) {
        bail!(
            "words {}..{} of sentence {sentence} lie outside the batch of {} sentences",
            span.start(),
            span.end(),
            layout.n_sentences()
        );
    }
    Ok(layout.pieces(sentence, span.range()))
}

/// All pieces of some ranges, ascending, each once.
pub(super) fn union(ranges: impl Iterator<Item = Range<usize>>) -> Vec<usize> {
    let mut pieces: Vec<usize> = ranges.flatten().collect();
    pieces.sort_unstable();
    pieces.dedup();
    pieces
}

/// Where a range of packed pieces lies in a list that holds all of them.
pub(super) fn position(list: &[usize], pieces: &Range<usize>) -> Range<usize> {
    let start = list.partition_point(|&piece| piece < pieces.start);
    start..start + pieces.len()
}

/// E_b of all grids' heads, one after another: [S, h].
pub(super) fn head_features(encoded: &Encoded, grids: &[Grid]) -> Result<Tensor> {
    let pieces = select(
        &encoded.piece_low,
        grids.iter().flat_map(|g| g.heads.iter().copied()),
    )?;
    let owners = grids
        .iter()
        .flat_map(|g| std::iter::repeat_n(g.sentence, g.heads.len()));
    pieces + select(&encoded.sent, owners)?
}

/// E_p of all grids' tails, one after another: [S, h].
pub(super) fn tail_features(encoded: &Encoded, grids: &[Grid]) -> Result<Tensor> {
    select(
        &encoded.piece_top,
        grids.iter().flat_map(|g| g.tails.iter().copied()),
    )
}

fn select(from: &Tensor, rows: impl Iterator<Item = usize>) -> Result<Tensor> {
    take_rows(from, rows.map(|row| row as u32).collect())
}

/// Cuts `grids` into runs whose projections fit `floats`; at least one grid each. `padded`: every grid of a run costs as much as its
/// largest.
pub(super) fn runs(
    grids: &[Grid],
    floats_per_piece: usize,
    floats: usize,
    padded: bool,
) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let (mut start, mut pieces, mut most) = (0, 0, 0);
    for (i, grid) in grids.iter().enumerate() {
        let more = grid.heads.len().max(grid.tails.len());
        let with_it = match padded {
            true => (i - start + 1) * most.max(more),
            false => pieces + more,
        };
        if i > start && with_it * floats_per_piece > floats {
            runs.push(start..i);
            (start, pieces, most) = (i, 0, 0);
        }
        (pieces, most) = (pieces + more, most.max(more));
    }
    if start < grids.len() {
        runs.push(start..grids.len());
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_fit_the_budget_and_cover_all_grids() {
        let grid = |n: usize| Grid {
            sentence: 0,
            heads: (0..n).collect(),
            tails: vec![0],
        };
        let check_as = |padded: bool, sizes: &[usize], ends: &[usize]| {
            let grids: Vec<Grid> = sizes.iter().map(|&n| grid(n)).collect();
            let runs = runs(&grids, 10, 100, padded);
            let found: Vec<usize> = runs.iter().map(|run| run.end).collect();
            assert_eq!(found, ends, "{sizes:?}");
            let covered: Vec<usize> = runs.into_iter().flatten().collect();
            assert_eq!(covered, (0..sizes.len()).collect::<Vec<_>>());
        };
        let check = |sizes: &[usize], ends: &[usize]| check_as(false, sizes, ends);
        check(&[], &[]);
        check(&[5, 5, 5], &[2, 3]);
        check(&[2, 3], &[2]);
        check(&[1, 50, 50], &[1, 2, 3]);
        check(&[3, 3, 4, 10, 10], &[3, 4, 5]);
        check(&[4, 4, 4], &[2, 3]);
        check_as(true, &[1, 1, 1, 6, 1, 1], &[3, 4, 6]);
        check_as(true, &[5, 5, 5], &[2, 3]);
    }

    #[test]
    fn positions_count_in_the_union() {
        let list = union([4..6, 9..10, 5..7].into_iter());
        assert_eq!(list, [4, 5, 6, 9]);
        assert_eq!(position(&list, &(5..7)), 1..3);
        assert_eq!(position(&list, &(9..10)), 3..4);
    }
}
