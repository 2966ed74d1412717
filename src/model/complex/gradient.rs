//! Loss and closed-form gradient of one pre-training batch (golden `complex_pretrain`).
//!
//! ```text
//! L = mean_i softplus(-y_i phi_i) + lambda * sum of six batch mean-squares
//! ```
//!
//! The mean-squares run over the *stored* rows of the batch, negatives and repetitions included: head re/im, tail re/im,
//! relation re/im. The gradient holds the touched rows only. Each row is summed by one thread over its triples in batch
//! order, so the result does not depend on the number of threads.

use super::{ComplexTables, EntityForm, Fact};
use rayon::prelude::*;

/// Gradient of the rows of one pair of tables: row `rows[i]` owns `re[i * dim..]` and `im[i * dim..]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowGradient {
    /// Distinct, ascending.
    pub rows: Vec<u32>,
    pub re: Vec<f32>,
    pub im: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BatchGradient {
    pub scores: Vec<f32>,
    /// Mean softplus(-y phi).
    pub data_loss: f32,
    /// Sum of the six mean-squares, without lambda.
    pub mean_squares: f32,
    /// data_loss + lambda * mean_squares.
    pub loss: f32,
    pub entities: RowGradient,
    pub relations: RowGradient,
}

/// One triple and its sign: +1 for a fact, -1 for a corrupted one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signed {
    pub fact: Fact,
    pub sign: f32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Head,
    Relation,
    Tail,
}

/// One place where a row occurs in the batch.
#[derive(Clone, Copy)]
struct Occurrence {
    row: u32,
    triple: u32,
    role: Role,
}

/// The distinct rows of one pair of tables that a batch touches, as the score reads them.
struct Gathered {
    rows: Vec<u32>,
    /// Occurrences of each row, in batch order.
    occurrences: Vec<Vec<Occurrence>>,
    re: Vec<f32>,
    im: Vec<f32>,
}

/// Both parts of the entities or of the relations, and how the score reads them.
#[derive(Clone, Copy)]
struct TablePair<'a> {
    re: &'a [f32],
    im: &'a [f32],
    form: EntityForm,
}

/// Loss and gradients of `batch`. Rows must exist (the caller checked its facts); an empty batch has loss 0.
pub fn batch_gradient(tables: &ComplexTables, batch: &[Signed], lambda: f32) -> BatchGradient {
    let d = tables.dim;
    let n = batch.len().max(1) as f32;
    let entity_tables = TablePair {
        re: &tables.ent_re,
        im: &tables.ent_im,
        form: tables.entity,
    };
    let relation_tables = TablePair {
        re: &tables.rel_re,
        im: &tables.rel_im,
        form: EntityForm::Plain,
    };
    let ends = occurrences(batch, &[Role::Head, Role::Tail]);
    let entities = Gathered::of(ends, entity_tables, d);
    let relations = Gathered::of(occurrences(batch, &[Role::Relation]), relation_tables, d);
    let local = local_rows(batch.len(), &entities, &relations);
    let scores: Vec<f32> = local
        .par_iter()
        .map(|&at| score(&entities, &relations, at, d))
        .collect();
    // -y phi of each triple; d softplus(-y phi) / d phi = -y sigmoid(-y phi)
    let margins = || {
        batch
            .iter()
            .zip(&scores)
            .map(|(s, phi)| (s.sign, -s.sign * phi))
    };
    let data_loss: f64 = margins().map(|(_, m)| f64::from(softplus(m))).sum();
    let data_loss = (data_loss / f64::from(n)) as f32;
    let slopes: Vec<f32> = margins().map(|(y, m)| -y * sigmoid(m) / n).collect();
    let cells = n * d as f32;
    let squares = entities.squares(entity_tables, d) + relations.squares(relation_tables, d);
    let mean_squares = (squares / f64::from(cells)) as f32;
    let step = Step {
        dim: d,
        entities: &entities,
        relations: &relations,
        local: &local,
        slopes: &slopes,
        // d of one mean-square by a stored value x is 2x / cells, once for each occurrence of its row.
        decay: 2.0 * lambda / cells,
    };
    BatchGradient {
        data_loss,
        mean_squares,
        loss: data_loss + lambda * mean_squares,
        entities: step.gradient(&entities, entity_tables),
        relations: step.gradient(&relations, relation_tables),
        scores,
    }
}

fn occurrences(batch: &[Signed], roles: &[Role]) -> Vec<Occurrence> {
    let row_of = |fact: Fact, role: Role| match role {
        Role::Head => fact.head,
        Role::Tail => fact.tail,
        Role::Relation => fact.relation,
    };
    let mut out: Vec<Occurrence> = (0u32..)
        .zip(batch)
        .flat_map(|(triple, s)| {
            roles.iter().map(move |&role| Occurrence {
                row: row_of(s.fact, role),
                triple,
                role,
            })
        })
        .collect();
    out.sort_unstable_by_key(|o| (o.row, o.triple, o.role));
    out
}

impl Gathered {
    fn of(sorted: Vec<Occurrence>, tables: TablePair, d: usize) -> Self {
        let occurrences: Vec<Vec<Occurrence>> = sorted
            .chunk_by(|a, b| a.row == b.row)
            .map(<[Occurrence]>::to_vec)
            .collect();
        let rows: Vec<u32> = occurrences.iter().map(|group| group[0].row).collect();
        let read = |table: &[f32]| -> Vec<f32> {
            let mut out = vec![0.0; rows.len() * d];
            let targets = out.par_chunks_mut(d).with_min_len(64);
            targets.zip(rows.par_iter()).for_each(|(out, &row)| {
                for (to, &from) in out.iter_mut().zip(&table[row as usize * d..]) {
                    *to = tables.form.value(from);
                }
            });
            out
        };
        Self {
            re: read(tables.re),
            im: read(tables.im),
            rows,
            occurrences,
        }
    }

    fn row(&self, local: u32, d: usize) -> (&[f32], &[f32]) {
        let at = local as usize * d..(local as usize + 1) * d;
        (&self.re[at.clone()], &self.im[at])
    }

    /// Sum over occurrences of the squares of both stored parts.
    fn squares(&self, tables: TablePair, d: usize) -> f64 {
        let of_row = |&row: &u32| -> f64 {
            let at = row as usize * d..(row as usize + 1) * d;
            let parts = tables.re[at.clone()].iter().chain(&tables.im[at]);
            f64::from(parts.map(|x| x * x).sum::<f32>())
        };
        self.rows
            .iter()
            .zip(&self.occurrences)
            .map(|(row, group)| of_row(row) * group.len() as f64)
            .sum()
    }
}

/// For each triple, where its head, relation and tail lie among the gathered rows.
fn local_rows(n: usize, entities: &Gathered, relations: &Gathered) -> Vec<[u32; 3]> {
    let mut out = vec![[0u32; 3]; n];
    for gathered in [entities, relations] {
        for (local, group) in (0u32..).zip(&gathered.occurrences) {
            for occurrence in group {
                out[occurrence.triple as usize][occurrence.role as usize] = local;
            }
        }
    }
    out
}

fn score(entities: &Gathered, relations: &Gathered, [h, r, t]: [u32; 3], d: usize) -> f32 {
    let ((h_re, h_im), (t_re, t_im)) = (entities.row(h, d), entities.row(t, d));
    let (r_re, r_im) = relations.row(r, d);
    (0..d)
        .map(|k| {
            r_re[k] * (h_re[k] * t_re[k] + h_im[k] * t_im[k])
                + r_im[k] * (h_re[k] * t_im[k] - h_im[k] * t_re[k])
        })
        .sum()
}

struct Step<'a> {
    dim: usize,
    entities: &'a Gathered,
    relations: &'a Gathered,
    local: &'a [[u32; 3]],
    slopes: &'a [f32],
    decay: f32,
}

impl Step<'_> {
    /// Each row: form'(row) * sum over occurrences of slope * d phi + decay * occurrences * stored row.
    fn gradient(&self, of: &Gathered, tables: TablePair) -> RowGradient {
        let d = self.dim;
        let mut out = RowGradient {
            rows: of.rows.clone(),
            re: vec![0.0; of.rows.len() * d],
            im: vec![0.0; of.rows.len() * d],
        };
        let targets = out.re.par_chunks_mut(d).zip(out.im.par_chunks_mut(d));
        targets
            .zip(of.occurrences.par_iter())
            .with_min_len(16)
            .enumerate()
            .for_each(|(local, ((re, im), group))| {
                for &occurrence in group {
                    self.add_slope(occurrence, re, im);
                }
                let decay = self.decay * group.len() as f32;
                let (value_re, value_im) = of.row(local as u32, d);
                let stored = group[0].row as usize * d;
                for k in 0..d {
                    re[k] = re[k] * tables.form.slope(value_re[k]) + decay * tables.re[stored + k];
                    im[k] = im[k] * tables.form.slope(value_im[k]) + decay * tables.im[stored + k];
                }
            });
        out
    }

    /// Adds slope * d phi / d (the row as the score reads it).
    fn add_slope(&self, occurrence: Occurrence, re: &mut [f32], im: &mut [f32]) {
        let d = self.dim;
        let triple = occurrence.triple as usize;
        let ([h, r, t], slope) = (self.local[triple], self.slopes[triple]);
        let ((h_re, h_im), (t_re, t_im)) = (self.entities.row(h, d), self.entities.row(t, d));
        let (r_re, r_im) = self.relations.row(r, d);
        match occurrence.role {
            Role::Head => {
                for k in 0..d {
                    re[k] += slope * (r_re[k] * t_re[k] + r_im[k] * t_im[k]);
                    im[k] += slope * (r_re[k] * t_im[k] - r_im[k] * t_re[k]);
                }
            }
            Role::Tail => {
                for k in 0..d {
                    re[k] += slope * (h_re[k] * r_re[k] - h_im[k] * r_im[k]);
                    im[k] += slope * (h_im[k] * r_re[k] + h_re[k] * r_im[k]);
                }
            }
            Role::Relation => {
                for k in 0..d {
                    re[k] += slope * (h_re[k] * t_re[k] + h_im[k] * t_im[k]);
                    im[k] += slope * (h_re[k] * t_im[k] - h_im[k] * t_re[k]);
                }
            }
        }
    }
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
