//! Logistic regression with soft targets and an L2 penalty, minimised by L-BFGS: one distribution over the classes, or each class for itself.
//!
//! loss(W, b) = -Σ_i Σ_k t_ik ln softmax(W z_i + b)_k + l2/2 ||W||², z the features: scaled to mean 0 and deviation 1 over the training rows
//! where they are dense, as they are where most are zero.
//! A row may have several right answers: its target is then a distribution (a pair with two labels counts half for each). With
//! [`Link::Independent`] the loss is the sum of each class's own binary cross entropy, and a row's targets are 0 or 1.

use argmin::core::{CostFunction, Executor, Gradient, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use rayon::prelude::*;
use std::cell::RefCell;

/// Rows summed together; fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 128;

#[derive(thiserror::Error, Debug, PartialEq)]
pub enum LogisticError {
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        what: &'static str,
        expected: usize,
        found: usize,
    },
    #[error("the regression did not come to an end: {0}")]
    Solver(String),
}

/// A feature and its value.
pub type Term = (u32, f32);

/// Rows of which most features are zero: the others, row after row.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    terms: Vec<Term>,
    /// Where each row begins, and the end.
    starts: Vec<usize>,
    /// Features of a row.
    width: usize,
}

impl Terms {
    /// Of rows each of which names a feature once at most.
    pub fn new<R: IntoIterator<Item = Term>>(
        rows: impl IntoIterator<Item = R>,
        width: usize,
    ) -> Self {
        let (mut terms, mut starts) = (Vec::new(), vec![0]);
        for row in rows {
            terms.extend(row.into_iter().filter(|(_, value)| *value != 0.0));
            starts.push(terms.len());
        }
        Self {
            terms,
            starts,
            width,
        }
    }

    pub fn count(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    fn row(&self, i: usize) -> &[Term] {
        &self.terms[self.starts[i]..self.starts[i + 1]]
    }
}

/// How logits become probabilities.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// One distribution over the classes.
    Softmax,
    /// A probability for each class.
    Independent,
}

#[derive(Clone, Copy, Debug)]
pub struct RegressionOptions {
    pub link: Link,
    pub l2: f64,
    pub iterations: u64,
}

/// A fitted regression.
#[derive(Clone, Debug, PartialEq)]
pub struct Regression {
    link: Link,
    mean: Vec<f32>,
    /// 1 / deviation; 0 for a feature that never varies.
    scale: Vec<f32>,
    /// `[width, classes]`
    weights: Vec<f32>,
    /// One a class.
    bias: Vec<f32>,
}

impl Regression {
    /// Of `rows` of one length, scaled to mean 0 and deviation 1. `targets`: [rows, classes], each row summing to one.
    pub fn fit(
        rows: &[&[f32]],
        targets: &[f32],
        n_classes: usize,
        options: RegressionOptions,
    ) -> Result<Self, LogisticError> {
        let (mean, scale) = moments(rows);
        let scaled = rows.iter().map(|row| {
            let row = row.iter().zip(&mean).zip(&scale);
            row.zip(0..).map(|(((v, m), s), j)| (j, (v - m) * s))
        });
        let terms = Terms::new(scaled, mean.len());
        let fitted = Self::fit_terms(&terms, targets, n_classes, options)?;
        Ok(Self {
            mean,
            scale,
            ..fitted
        })
    }

    /// As [`Regression::fit`], of rows taken as they are.
    pub fn fit_terms(
        terms: &Terms,
        targets: &[f32],
        n_classes: usize,
        options: RegressionOptions,
    ) -> Result<Self, LogisticError> {
        let (n, width) = (terms.count(), terms.width);
        if targets.len() != n * n_classes {
            return Err(LogisticError::Shape {
                what: "targets",
                expected: n * n_classes,
                found: targets.len(),
            });
        }
        let problem = Problem {
            terms,
            targets,
            n_classes,
            link: options.link,
            l2: options.l2,
            last: RefCell::new(None),
        };
        let solver = LBFGS::new(MoreThuenteLineSearch::new(), 8)
            .with_tolerance_grad(1e-4 * (n.max(1) as f64).sqrt())
            .map_err(solver_error)?;
        let start = vec![0.0; (width + 1) * n_classes];
        let done = Executor::new(problem, solver)
            .configure(|state| state.param(start).max_iters(options.iterations))
            .run()
            .map_err(solver_error)?;
        let best = done.state.get_best_param().cloned().unwrap_or_default();
        let best: Vec<f32> = best.iter().map(|v| *v as f32).collect();
        let (weights, bias) = best.split_at(width * n_classes);
        Ok(Self {
            link: options.link,
            mean: vec![0.0; width],
            scale: vec![1.0; width],
            weights: weights.to_vec(),
            bias: bias.to_vec(),
        })
    }

    pub fn n_classes(&self) -> usize {
        self.bias.len()
    }

    /// Probabilities of the classes for one row.
    pub fn probabilities(&self, row: &[f32]) -> Vec<f32> {
        self.probabilities_of((0..).zip(row.iter().copied()))
    }

    /// As [`Regression::probabilities`], of the features that are not zero; of a regression fitted to such rows.
    pub fn probabilities_of(&self, terms: impl Iterator<Item = Term>) -> Vec<f32> {
        let mut logits = self.bias.clone();
        let classes = logits.len();
        for (j, value) in terms {
            let j = j as usize;
            let z = (value - self.mean[j]) * self.scale[j];
            axpy(
                z,
                &self.weights[j * classes..(j + 1) * classes],
                &mut logits,
            );
        }
        match self.link {
            Link::Softmax => {
                softmax(&mut logits);
            }
            Link::Independent => logits.iter_mut().for_each(|l| *l = sigmoid(*l)),
        }
        logits
    }

    /// What feature `j` adds to the logit of class `of`, for a row that has `value` there.
    pub fn share(&self, j: usize, value: f32, of: usize) -> f32 {
        let weight = self.weights[j * self.n_classes() + of];
        (value - self.mean[j]) * self.scale[j] * weight
    }
}

fn solver_error(error: argmin::core::Error) -> LogisticError {
    LogisticError::Solver(error.to_string())
}

fn axpy(a: f32, x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// In place; returns ln of the sum of exponentials.
fn softmax(logits: &mut [f32]) -> f32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in logits.iter_mut() {
        *value = (*value - top).exp();
        sum += *value;
    }
    for value in logits.iter_mut() {
        *value /= sum;
    }
    top + sum.ln()
}

/// Mean and 1 / deviation of each feature.
pub(super) fn moments(rows: &[&[f32]]) -> (Vec<f32>, Vec<f32>) {
    let n = rows.len().max(1) as f64;
    let width = rows.first().map_or(0, |row| row.len());
    let (mut sum, mut squares) = (vec![0f64; width], vec![0f64; width]);
    for row in rows {
        for (j, value) in row.iter().enumerate() {
            sum[j] += f64::from(*value);
            squares[j] += f64::from(*value) * f64::from(*value);
        }
    }
    let mean: Vec<f64> = sum.iter().map(|s| s / n).collect();
    let scale = mean.iter().zip(&squares).map(|(m, q)| {
        let variance = (q / n - m * m).max(0.0);
        if variance > 1e-12 {
            (1.0 / variance.sqrt()) as f32
        } else {
            0.0
        }
    });
    let scale = scale.collect();
    (mean.iter().map(|m| *m as f32).collect(), scale)
}

/// A parameter vector with its cost and gradient.
type Evaluated = (Vec<f64>, f64, Vec<f64>);

struct Problem<'a> {
    terms: &'a Terms,
    targets: &'a [f32],
    n_classes: usize,
    link: Link,
    l2: f64,
    /// The solver asks for cost and gradient of a point one after the other.
    last: RefCell<Option<Evaluated>>,
}

impl Problem<'_> {
    fn evaluate(&self, param: &[f64]) -> (f64, Vec<f64>) {
        if let Some((at, cost, gradient)) = &*self.last.borrow()
            && at == param
        {
            return (*cost, gradient.clone());
        }
        let weights: Vec<f32> = param.iter().map(|v| *v as f32).collect();
        let starts: Vec<usize> = (0..self.terms.count()).step_by(CHUNK).collect();
        let (terms, targets, classes) = (self.terms, self.targets, (self.n_classes, self.link));
        let parts: Vec<(f64, Vec<f32>)> = starts
            .par_iter()
            .map(|from| chunk(terms, targets, classes, &weights, *from))
            .collect();
        let n_weights = self.terms.width * self.n_classes;
        let penalty: f64 = param[..n_weights].iter().map(|w| w * w).sum();
        let mut cost = 0.5 * self.l2 * penalty;
        let mut gradient: Vec<f64> = param
            .iter()
            .enumerate()
            .map(|(i, w)| if i < n_weights { self.l2 * w } else { 0.0 })
            .collect();
        for (loss, part) in parts {
            cost += loss;
            for (sum, value) in gradient.iter_mut().zip(part) {
                *sum += f64::from(value);
            }
        }
        *self.last.borrow_mut() = Some((param.to_vec(), cost, gradient.clone()));
        (cost, gradient)
    }
}

/// Loss and gradient of the rows `from..from + CHUNK`.
fn chunk(
    terms: &Terms,
    targets: &[f32],
    (classes, link): (usize, Link),
    weights: &[f32],
    from: usize,
) -> (f64, Vec<f32>) {
    let mut gradient = vec![0.0; weights.len()];
    let bias = terms.width * classes;
    let of = |j: u32| j as usize * classes..(j as usize + 1) * classes;
    let mut loss = 0.0;
    for i in from..(from + CHUNK).min(terms.count()) {
        let mut p = weights[bias..].to_vec();
        for (j, value) in terms.row(i) {
            axpy(*value, &weights[of(*j)], &mut p);
        }
        let target = &targets[i * classes..(i + 1) * classes];
        loss += match link {
            Link::Softmax => softmax_loss(&mut p, target),
            Link::Independent => independent_loss(&mut p, target),
        };
        for (j, value) in terms.row(i) {
            axpy(*value, &p, &mut gradient[of(*j)]);
        }
        axpy(1.0, &p, &mut gradient[bias..]);
    }
    (loss, gradient)
}

/// Loss of one row; logits become the loss's slope.
fn softmax_loss(logits: &mut [f32], target: &[f32]) -> f64 {
    let before = logits.to_vec();
    let log_sum = softmax(logits);
    let mut loss = 0.0;
    for ((p, logit), t) in logits.iter_mut().zip(before).zip(target) {
        loss += f64::from(*t) * f64::from(log_sum - logit);
        *p -= t;
    }
    loss
}

/// As [`softmax_loss`]; max(x, 0) - x t + ln(1 + e^-|x|) does not overflow.
fn independent_loss(logits: &mut [f32], target: &[f32]) -> f64 {
    let mut loss = 0.0;
    for (logit, t) in logits.iter_mut().zip(target) {
        let x = *logit;
        loss += f64::from(x.max(0.0) - x * t + (-x.abs()).exp().ln_1p());
        *logit = sigmoid(x) - t;
    }
    loss
}

impl CostFunction for Problem<'_> {
    type Param = Vec<f64>;
    type Output = f64;
    fn cost(&self, param: &Self::Param) -> Result<f64, argmin::core::Error> {
        Ok(self.evaluate(param).0)
    }
}

impl Gradient for Problem<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;
    fn gradient(&self, param: &Self::Param) -> Result<Vec<f64>, argmin::core::Error> {
        Ok(self.evaluate(param).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: RegressionOptions = RegressionOptions {
        l2: 1.0,
        iterations: 100,
        link: Link::Softmax,
    };

    #[test]
    fn gradient_is_that_of_the_loss() {
        for link in [Link::Softmax, Link::Independent] {
            check_gradient(link);
        }
    }

    fn check_gradient(link: Link) {
        let z = [0.3, -1.2, 0.7, 2.0, -0.4, 0.1, 1.1, 0.9];
        let targets = [1.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 1.0, 0.2, 0.3, 0.5];
        let rows = z.chunks(2).map(|r| [(0, r[0]), (1, r[1])]);
        let problem = Problem {
            terms: &Terms::new(rows, 2),
            targets: &targets,
            n_classes: 3,
            link,
            l2: 0.7,
            last: RefCell::new(None),
        };
        let at = [0.2, -0.1, 0.4, 0.3, 0.8, -0.5, 0.1, 0.0, -0.2];
        let (_, gradient) = problem.evaluate(&at);
        for i in 0..at.len() {
            let moved = |by: f64| {
                let mut at = at;
                at[i] += by;
                problem.evaluate(&at).0
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (slope - gradient[i]).abs() < 1e-3,
                "{i}: {slope} {}",
                gradient[i]
            );
        }
    }

    #[test]
    fn a_feature_that_tells_classes_apart_is_found_and_a_constant_one_does_no_harm() {
        let rows: Vec<f32> = (0..60).flat_map(|i| [(i % 3) as f32, 7.0]).collect();
        let targets: Vec<f32> = (0..60)
            .flat_map(|i| (0..3).map(move |k| f32::from(u8::from(i % 3 == k))))
            .collect();
        let rows: Vec<&[f32]> = rows.chunks(2).collect();
        let fitted = Regression::fit(&rows, &targets, 3, OPTIONS).unwrap();
        for k in 0..3 {
            let p = fitted.probabilities(&[k as f32, 7.0]);
            assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let best = (0..3).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap();
            assert_eq!(best, k, "{p:?}");
        }
        assert_eq!(fitted.share(1, 7.0, 0), 0.0);
        assert!(fitted.share(0, 0.0, 0) > 0.0);
        // Same data, same bits.
        assert_eq!(
            Regression::fit(&rows, &targets, 3, OPTIONS).unwrap(),
            fitted
        );
    }

    #[test]
    fn half_a_label_each_gives_half_the_probability_each() {
        let rows = [&[0.0f32][..]; 8];
        let targets = [0.5, 0.5, 0.0].repeat(8);
        let fitted = Regression::fit(&rows, &targets, 3, OPTIONS).unwrap();
        let p = fitted.probabilities(&[0.0]);
        assert!(
            (p[0] - 0.5).abs() < 0.02 && (p[1] - 0.5).abs() < 0.02,
            "{p:?}"
        );
        let both = [1.0, 1.0, 0.0].repeat(8);
        let independent = RegressionOptions {
            link: Link::Independent,
            ..OPTIONS
        };
        let fitted = Regression::fit(&rows, &both, 3, independent).unwrap();
        let q = fitted.probabilities(&[0.0]);
        assert!(q[0] > 0.9 && q[1] > 0.9 && q[2] < 0.1, "{q:?}");
        let wrong = Regression::fit(&rows, &[1.0], 3, OPTIONS);
        assert!(matches!(wrong, Err(LogisticError::Shape { .. })));
    }
}
