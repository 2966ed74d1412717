//! The kernel head's two products: pieces through one matrix a relation, and heads by tails inside each sentence.
//!
//! `(E_b·W_h[i] + b_h[i]) · (E_p·W_t[i] + b_t[i])ᵀ · scale` (Li and Tian 2020). Only the cells of each sentence's own grid
//! exist; nothing is padded.

use super::known::{known2, known3};
use super::matrix::{Matrix, Out, multiply};
use super::padded::PaddedRows;
use super::rows::NO_ROW;
use super::simd::add_column_sums;
use super::{is_fused, values, values_of};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use gemm::Parallelism;
use rayon::prelude::*;
use std::sync::Arc;

/// Rows of `x` whose gradient one task computes.
const TASK_ROWS: usize = 64;

/// x [S, h], weight [R, h, r], bias [R, r] -> x·W_i + b_i, [R, S, r].
pub fn project(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let ((s, h), (relations, h_in, rank)) = (x.dims2()?, weight.dims3()?);
    if h != h_in || bias.dims() != [relations, rank] {
        bail!(
            "project: x {:?}, weight {:?}, bias {:?} do not fit",
            x.dims(),
            weight.dims(),
            bias.dims()
        );
    }
    if is_fused(x) {
        let op = Project {
            relations,
            s,
            h,
            rank,
        };
        return x
            .contiguous()?
            .apply_op3(&weight.contiguous()?, &bias.contiguous()?, op);
    }
    project_by_relation(x, weight, bias)
}

/// On any device; see the fused form's backward pass.
fn project_by_relation(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (relations, h, _) = weight.dims3()?;
    // A broadcast view, not a copy for each relation.
    let input = x
        .detach()
        .unsqueeze(0)?
        .broadcast_as((relations, x.dim(0)?, h))?;
    let w = weight.detach();
    let value = input
        .matmul(&w)?
        .broadcast_add(&bias.detach().unsqueeze(1)?)?;
    known3([x, weight, bias], value, move |grad| {
        let dx = grad.matmul(&w.t()?)?.sum(0)?;
        Ok([dx, input.t()?.matmul(grad)?, grad.sum(1)?])
    })
}

struct Project {
    relations: usize,
    s: usize,
    h: usize,
    rank: usize,
}

impl Project {
    fn x<'a>(&self, x: &'a [f32]) -> Matrix<'a> {
        Matrix::new(x, self.s, self.h, self.h)
    }
    fn weight<'a>(&self, weight: &'a [f32], relation: usize) -> Matrix<'a> {
        let from = relation * self.h * self.rank;
        Matrix::new(&weight[from..], self.h, self.rank, self.rank)
    }
}

impl CustomOp3 for Project {
    fn name(&self) -> &'static str {
        "project"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (values(x, x_layout)?, values(weight, weight_layout)?);
        let bias = values(bias, bias_layout)?;
        let mut out = Vec::with_capacity(self.relations * self.s * self.rank);
        for bias in bias.chunks_exact(self.rank.max(1)) {
            (0..self.s).for_each(|_| out.extend_from_slice(bias));
        }
        out.par_chunks_mut((self.s * self.rank).max(1))
            .enumerate()
            .for_each(|(i, out)| {
                multiply(
                    Out::add_to(out, self.rank),
                    1.0,
                    self.x(x),
                    self.weight(weight, i),
                    Parallelism::None,
                );
            });
        let shape = Shape::from((self.relations, self.s, self.rank));
        Ok((CpuStorage::F32(out), shape))
    }

    /// dx = Σ_i G_i·W_iᵀ, dW_i = xᵀ·G_i, db_i = column sums of G_i.
    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (xs, weights, grads) = (values_of(x)?, values_of(weight)?, values_of(&grad)?);
        let (xs, weights, grads): (&[f32], &[f32], &[f32]) = (&xs, &weights, &grads);
        let Self { s, h, rank, .. } = *self;
        let mut dx = vec![0.0; s * h];
        dx.par_chunks_mut((TASK_ROWS * h).max(1))
            .enumerate()
            .for_each(|(task, dx)| {
                let (first, n) = (task * TASK_ROWS, dx.len() / h);
                for i in 0..self.relations {
                    let grad = Matrix::new(&grads[(i * s + first) * rank..], n, rank, rank);
                    let out = match i {
                        0 => Out::overwrite(dx, h),
                        _ => Out::add_to(dx, h),
                    };
                    let weight = self.weight(weights, i).transposed();
                    multiply(out, 1.0, grad, weight, Parallelism::None);
                }
            });
        let mut dw = vec![0.0; weights.len()];
        let mut db = vec![0.0; self.relations * rank];
        dw.par_chunks_mut((h * rank).max(1))
            .zip(db.par_chunks_mut(rank.max(1)))
            .zip(grads.par_chunks((s * rank).max(1)))
            .for_each(|((dw, db), grad)| {
                multiply(
                    Out::overwrite(dw, rank),
                    1.0,
                    self.x(xs).transposed(),
                    Matrix::new(grad, s, rank, rank),
                    Parallelism::None,
                );
                add_column_sums(db, grad);
            });
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device());
        Ok((
            Some(tensor(dx, x)?),
            Some(tensor(dw, weight)?),
            Some(tensor(db, bias)?),
        ))
    }
}

/// heads [R, S, r], tails [R, T, r]; grid g owns the next `grids[g].0` heads and `grids[g].1` tails. Gives for each relation
/// scale · heads·tailsᵀ of the grids, one after another, [R, N].
pub fn grid_products(
    heads: &Tensor,
    tails: &Tensor,
    grids: &[(usize, usize)],
    scale: f64,
) -> Result<Tensor> {
    let ((relations, s, rank), (relations_t, t, rank_t)) = (heads.dims3()?, tails.dims3()?);
    let sums = grids.iter().fold((0, 0), |a, g| (a.0 + g.0, a.1 + g.1));
    if relations != relations_t || rank != rank_t || sums != (s, t) || relations * rank == 0 {
        bail!(
            "grid_products: heads {:?} and tails {:?} for {sums:?} pieces do not fit",
            heads.dims(),
            tails.dims()
        );
    }
    if !is_fused(heads) {
        return padded_grid_products(heads, tails, grids, scale);
    }
    let op = GridProducts {
        grids: grids.to_vec(),
        scale: scale as f32,
        relations,
        heads: s,
        tails: t,
        rank,
    };
    heads.contiguous()?.apply_op2(&tails.contiguous()?, op)
}

/// On any device: one product over grids padded to the largest.
fn padded_grid_products(
    heads: &Tensor,
    tails: &Tensor,
    grids: &[(usize, usize)],
    scale: f64,
) -> Result<Tensor> {
    let padded = Arc::new(PaddedGrids::new(heads, grids)?);
    if padded.n_cells == 0 {
        return Tensor::zeros((heads.dim(0)?, 0), heads.dtype(), heads.device());
    }
    let rows = padded.spread(heads, 0)?;
    let columns = (padded.spread(tails, 1)? * scale)?;
    let value = padded.cells(&rows.matmul(&columns.t()?)?)?;
    known2([heads, tails], value, move |grad| {
        let grad = padded.grid(grad)?;
        let d_rows = grad.matmul(&columns)?;
        let d_columns = (grad.t()?.matmul(&rows)? * scale)?;
        Ok([padded.gather(&d_rows, 0)?, padded.gather(&d_columns, 1)?])
    })
}

/// Where the pieces and cells of grids stand when each grid has as many rows and columns as any, [R, G, rows, columns].
struct PaddedGrids {
    relations: usize,
    n_grids: usize,
    n_cells: usize,
    /// Rows and columns of a padded grid.
    size: [usize; 2],
    /// Heads and tails: the piece of each padded place of all grids, and the place of each piece.
    pieces: [(Tensor, Tensor); 2],
    /// The padded place of each cell, and the cell of each place.
    cells: (Tensor, Tensor),
}

impl PaddedGrids {
    /// `heads` [R, S, r].
    fn new(heads: &Tensor, grids: &[(usize, usize)]) -> Result<Self> {
        let (device, relations) = (heads.device(), heads.dim(0)?);
        let n_grids = grids.len();
        let rows = PaddedRows::of_lengths(grids.iter().map(|g| g.0));
        let columns = PaddedRows::of_lengths(grids.iter().map(|g| g.1));
        let size = [rows.longest, columns.longest];
        let tensor = |values: Vec<u32>| {
            let n = values.len();
            Tensor::from_vec(values, n, device)
        };
        let pieces = |side: PaddedRows| Result::Ok((tensor(side.packed_row)?, tensor(side.place)?));
        let square = size[0] * size[1];
        let (mut places, mut cell_of) = (Vec::new(), vec![NO_ROW; n_grids * square]);
        for (g, (s, t)) in grids.iter().enumerate() {
            for place in (0..*s).flat_map(|i| (0..*t).map(move |j| i * size[1] + j)) {
                cell_of[g * square + place] = places.len() as u32;
                places.push((g * square + place) as u32);
            }
        }
        let n_cells = places.len();
        Ok(Self {
            relations,
            n_grids,
            n_cells,
            size,
            pieces: [pieces(rows)?, pieces(columns)?],
            cells: (tensor(places)?, tensor(cell_of)?),
        })
    }

    /// [R, S, r] -> [R, G, rows, r], zeros where a grid has none. A constant.
    fn spread(&self, pieces: &Tensor, side: usize) -> Result<Tensor> {
        let rank = pieces.dim(2)?;
        pieces
            .detach()
            .contiguous()?
            .index_select(&self.pieces[side].0, 1)?
            .reshape((self.relations, self.n_grids, self.size[side], rank))
    }

    /// The reverse of [`spread`](Self::spread).
    fn gather(&self, padded: &Tensor, side: usize) -> Result<Tensor> {
        padded.flatten(1, 2)?.index_select(&self.pieces[side].1, 1)
    }

    /// [R, G, rows, columns] -> the cells that exist, grid after grid, [R, N].
    fn cells(&self, grids: &Tensor) -> Result<Tensor> {
        grids.flatten(1, 3)?.index_select(&self.cells.0, 1)
    }

    /// The reverse of [`cells`](Self::cells), zeros elsewhere.
    fn grid(&self, cells: &Tensor) -> Result<Tensor> {
        let places = cells.index_select(&self.cells.1, 1)?;
        places.reshape((self.relations, self.n_grids, self.size[0], self.size[1]))
    }
}

#[cfg(test)]
fn plain_grid_products(
    heads: &Tensor,
    tails: &Tensor,
    grids: &[(usize, usize)],
    scale: f64,
) -> Result<Tensor> {
    let (mut parts, mut from) = (Vec::with_capacity(grids.len()), (0, 0));
    for &(s, t) in grids {
        let (rows, columns) = (heads.narrow(1, from.0, s)?, tails.narrow(1, from.1, t)?);
        let cells = rows
            .contiguous()?
            .matmul(&columns.transpose(1, 2)?.contiguous()?)?;
        parts.push((cells * scale)?.flatten_from(1)?);
        from = (from.0 + s, from.1 + t);
    }
    Tensor::cat(&parts, 1)
}

struct GridProducts {
    grids: Vec<(usize, usize)>,
    scale: f32,
    relations: usize,
    heads: usize,
    tails: usize,
    rank: usize,
}

/// Where a grid's rows, columns and cells begin.
#[derive(Clone, Copy)]
struct Place {
    size: (usize, usize),
    head: usize,
    tail: usize,
    cell: usize,
}

impl GridProducts {
    fn places(&self) -> Vec<Place> {
        let (mut head, mut tail, mut cell) = (0, 0, 0);
        let place = |&size: &(usize, usize)| {
            let place = Place {
                size,
                head,
                tail,
                cell,
            };
            (head, tail) = (head + size.0, tail + size.1);
            cell += size.0 * size.1;
            place
        };
        self.grids.iter().map(place).collect()
    }
    /// N, of each relation.
    fn n_cells(&self) -> usize {
        self.grids.iter().map(|g| g.0 * g.1).sum()
    }
    fn rows<'a>(&self, all: &'a [f32], relation: usize, place: &Place) -> Matrix<'a> {
        let from = (relation * self.heads + place.head) * self.rank;
        Matrix::new(&all[from..], place.size.0, self.rank, self.rank)
    }
    fn columns<'a>(&self, all: &'a [f32], relation: usize, place: &Place) -> Matrix<'a> {
        let from = (relation * self.tails + place.tail) * self.rank;
        Matrix::new(&all[from..], place.size.1, self.rank, self.rank)
    }
    fn cells<'a>(&self, all: &'a [f32], relation: usize, place: &Place) -> Matrix<'a> {
        let (s, t) = place.size;
        Matrix::new(&all[relation * self.n_cells() + place.cell..], s, t, t)
    }
}

impl CustomOp2 for GridProducts {
    fn name(&self) -> &'static str {
        "grid-products"
    }

    fn cpu_fwd(
        &self,
        heads: &CpuStorage,
        heads_layout: &Layout,
        tails: &CpuStorage,
        tails_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (heads, tails) = (values(heads, heads_layout)?, values(tails, tails_layout)?);
        let mut out = vec![0.0; self.relations * self.n_cells()];
        let mut tasks = Vec::with_capacity(self.grids.len() * self.relations);
        let mut left = &mut out[..];
        let places = self.places();
        for relation in 0..self.relations {
            for place in &places {
                let (out, rest) = left.split_at_mut(place.size.0 * place.size.1);
                left = rest;
                tasks.push((*place, relation, out));
            }
        }
        tasks
            .into_par_iter()
            .with_min_len(32)
            .for_each(|(place, relation, out)| {
                multiply(
                    Out::overwrite(out, place.size.1),
                    self.scale,
                    self.rows(heads, relation, &place),
                    self.columns(tails, relation, &place).transposed(),
                    Parallelism::None,
                );
            });
        let shape = Shape::from((self.relations, self.n_cells()));
        Ok((CpuStorage::F32(out), shape))
    }

    /// d heads = scale · G·tails, d tails = scale · Gᵀ·heads.
    fn bwd(
        &self,
        heads: &Tensor,
        tails: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (head_values, tail_values) = (values_of(heads)?, values_of(tails)?);
        let grads = values_of(&grad)?;
        let (hs, ts, grads): (&[f32], &[f32], &[f32]) = (&head_values, &tail_values, &grads);
        let (mut d_heads, mut d_tails) = (vec![0.0; hs.len()], vec![0.0; ts.len()]);
        let places = self.places();
        d_heads
            .par_chunks_mut((self.heads * self.rank).max(1))
            .zip(d_tails.par_chunks_mut((self.tails * self.rank).max(1)))
            .enumerate()
            .for_each(|(relation, (d_heads, d_tails))| {
                for place in &places {
                    let cells = self.cells(grads, relation, place);
                    let product = |out, a, b| multiply(out, self.scale, a, b, Parallelism::None);
                    product(
                        Out::overwrite(&mut d_heads[place.head * self.rank..], self.rank),
                        cells,
                        self.columns(ts, relation, place),
                    );
                    product(
                        Out::overwrite(&mut d_tails[place.tail * self.rank..], self.rank),
                        cells.transposed(),
                        self.rows(hs, relation, place),
                    );
                }
            });
        Ok((
            Some(Tensor::from_vec(d_heads, heads.shape(), heads.device())?),
            Some(Tensor::from_vec(d_tails, tails.shape(), tails.device())?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn projection_value_gradients_and_bits() -> Result<()> {
        for (s, h, relations, rank) in [(1, 3, 2, 2), (5, 4, 3, 6), (130, 17, 5, 20)] {
            let plain = |v: &[Tensor]| -> Result<Tensor> {
                let x = v[0].unsqueeze(0)?.broadcast_as((relations, s, h))?;
                x.contiguous()?
                    .matmul(&v[1])?
                    .broadcast_add(&v[2].unsqueeze(1)?)
            };
            check_op(
                &format!("project {s}x{h}, {relations} of {rank}"),
                &[&[s, h], &[relations, h, rank], &[relations, rank]],
                |v| project(&v[0], &v[1], &v[2]),
                plain,
            )?;
            check_op(
                &format!("project by relation {s}x{h}, {relations} of {rank}"),
                &[&[s, h], &[relations, h, rank], &[relations, rank]],
                |v| project_by_relation(&v[0], &v[1], &v[2]),
                plain,
            )?;
        }
        Ok(())
    }

    #[test]
    fn grid_value_gradients_and_bits() -> Result<()> {
        type Grids = &'static [(usize, usize)];
        let table: &[(Grids, usize, usize)] = &[
            (&[(1, 1)], 1, 1),
            (&[(2, 3), (1, 4)], 3, 5),
            (&[(7, 7), (20, 3), (1, 9)], 6, 33),
        ];
        for &(grids, relations, rank) in table {
            let sums = grids.iter().fold((0, 0), |a, g| (a.0 + g.0, a.1 + g.1));
            check_op(
                &format!("grids {grids:?}, {relations} of {rank}"),
                &[&[relations, sums.0, rank], &[relations, sums.1, rank]],
                |v| grid_products(&v[0], &v[1], grids, 0.5),
                |v| plain_grid_products(&v[0], &v[1], grids, 0.5),
            )?;
            check_op(
                &format!("padded grids {grids:?}, {relations} of {rank}"),
                &[&[relations, sums.0, rank], &[relations, sums.1, rank]],
                |v| padded_grid_products(&v[0], &v[1], grids, 0.5),
                |v| plain_grid_products(&v[0], &v[1], grids, 0.5),
            )?;
        }
        Ok(())
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() -> Result<()> {
        let (x, w, b) = (
            random(&[2, 3], 1)?,
            random(&[2, 3, 4], 2)?,
            random(&[2, 4], 3)?,
        );
        assert!(project(&x, &w, &b).is_ok());
        assert!(project(&b, &w, &b).is_err());
        assert!(grid_products(&w, &w, &[(1, 3), (2, 0)], 1.0).is_ok());
        assert!(grid_products(&w, &w, &[(1, 3)], 1.0).is_err());
        Ok(())
    }
}
