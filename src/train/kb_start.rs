//! Where the knowledge-base side of the bag models starts: relation rows that already tell NA from relations.
//!
//! Pre-trained tables rank entities; they know nothing of NA, and their scores of different relations for one pair were never
//! weighed against each other. With a random NA row (the paper) p_G is arbitrary until the joint training has moved the
//! rows, which at its rate takes tens of thousands of steps. Here the relation rows alone, NA's too, are fitted first: softmax
//! regression of the training bags' classes on the fixed entity vectors, which is J_G with only w free, plus `l2` times
//! the mean square of each row's change from its start.

use super::optim::{Adam, AdamConfig, gradients};
use crate::model::complex::tensor::{EntityRows, relation_scores};
use crate::model::complex::{ComplexTables, EntityForm};
use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::ops::log_softmax;

/// How relation rows start.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "rows", deny_unknown_fields)]
pub enum KbStart {
    /// Pre-trained rows; NA and classes without facts uniform 0..1 (the paper).
    Drawn,
    /// Fitted to the training bags by `steps` of Adam.
    Fitted { steps: usize, rate: f64, l2: f64 },
}

/// A pair with vectors, and its class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct KbExample {
    pub head: u32,
    pub tail: u32,
    pub class: u32,
}

/// The tables with fitted relation rows, and the mean cross-entropy of the last step. Rows of `examples` must exist.
pub fn fit_relations(
    tables: &ComplexTables,
    examples: &[KbExample],
    (steps, rate, l2): (usize, f64, f64),
) -> Result<(ComplexTables, f32)> {
    let (dim, n, classes) = (tables.dim, examples.len(), tables.n_relations);
    if n == 0 {
        return Ok((tables.clone(), 0.0));
    }
    let device = Device::Cpu;
    let read = |table: &[f32], row: fn(&KbExample) -> u32| {
        let rows = examples.iter().map(|e| row(e) as usize * dim);
        let values: Vec<f32> = rows
            .flat_map(|at| &table[at..at + dim])
            .map(|&x| tables.entity.value(x))
            .collect();
        Tensor::from_vec(values, (n, dim), &device)
    };
    let (h_re, h_im) = (
        read(&tables.ent_re, |e| e.head)?,
        read(&tables.ent_im, |e| e.head)?,
    );
    let (t_re, t_im) = (
        read(&tables.ent_re, |e| e.tail)?,
        read(&tables.ent_im, |e| e.tail)?,
    );
    let mut picked = vec![0f32; n * classes];
    for (i, example) in examples.iter().enumerate() {
        picked[i * classes + example.class as usize] = -1.0 / n as f32;
    }
    let picked = Tensor::from_vec(picked, (n, classes), &device)?;
    let start = |table: &[f32]| Tensor::from_slice(table, (classes, dim), &device);
    let (start_re, start_im) = (start(&tables.rel_re)?, start(&tables.rel_im)?);
    let params = [
        ("im".to_owned(), Var::from_tensor(&start_im)?),
        ("re".to_owned(), Var::from_tensor(&start_re)?),
    ];
    let (im, re) = (params[0].1.as_tensor(), params[1].1.as_tensor());
    let mut adam = Adam::new(AdamConfig::default());
    let mut reached = 0.0;
    for _ in 0..steps {
        let (head, tail) = (
            EntityRows {
                re: &h_re,
                im: &h_im,
            },
            EntityRows {
                re: &t_re,
                im: &t_im,
            },
        );
        // Entity values were read through their form already.
        let scores = relation_scores(head, tail, re, im, EntityForm::Plain)?;
        let data = (log_softmax(&scores, D::Minus1)? * &picked)?.sum_all()?;
        let moved = (re - &start_re)?.sqr()?.mean_all()? + (im - &start_im)?.sqr()?.mean_all()?;
        let loss = (&data + (moved? * l2)?)?;
        adam.step(
            &params,
            &gradients(&params, &mut loss.backward()?)?,
            1.0,
            |_| rate,
        )?;
        reached = data.to_scalar()?;
    }
    let mut fitted = tables.clone();
    fitted.rel_re = re.flatten_all()?.to_vec1()?;
    fitted.rel_im = im.flatten_all()?.to_vec1()?;
    Ok((fitted, reached))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::complex::TableInit;

    #[test]
    fn fitted_rows_tell_the_classes_of_pairs_apart() {
        let init = TableInit::Normal { std: 0.5 };
        let tables = ComplexTables::init(40, 3, 8, EntityForm::Plain, init, 3);
        // Made by hidden rows, so that rows exist which tell them apart.
        let hidden = ComplexTables {
            rel_re: tables.rel_im.iter().map(|x| 6.0 * x).collect(),
            rel_im: tables.rel_re.iter().map(|x| -6.0 * x).collect(),
            ..tables.clone()
        };
        let best = |tables: &ComplexTables, head, tail| {
            let scores = tables.scores_of_relations(head, tail);
            (0u32..)
                .zip(scores)
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .unwrap()
                .0
        };
        let pairs = (0..40).flat_map(|h| (0..40).map(move |t| (h, t)));
        let all: Vec<KbExample> = pairs
            .filter(|(h, t)| h != t)
            .map(|(head, tail)| KbExample {
                head,
                tail,
                class: best(&hidden, head, tail),
            })
            .collect();
        let right = |tables: &ComplexTables| {
            let right = all
                .iter()
                .filter(|e| best(tables, e.head, e.tail) == e.class);
            right.count() as f64 / all.len() as f64
        };
        let (fitted, loss) = fit_relations(&tables, &all, (150, 0.1, 0.0)).unwrap();
        assert!(right(&tables) < 0.6, "{}", right(&tables));
        assert!(right(&fitted) > 0.97, "{}", right(&fitted));
        assert!(loss < 0.2);
        assert_eq!(fitted.ent_re, tables.ent_re);
        let (held, _) = fit_relations(&tables, &all, (150, 0.1, 1e6)).unwrap();
        let change = |t: &ComplexTables| {
            let pairs = t.rel_re.iter().zip(&tables.rel_re);
            pairs.map(|(a, b)| (a - b).abs()).fold(0f32, f32::max)
        };
        assert!(change(&held) < 0.2 && change(&fitted) > 0.5);
        assert_eq!(
            fit_relations(&tables, &[], (9, 0.1, 0.0)).unwrap().0,
            tables
        );
    }
}
