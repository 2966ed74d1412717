//! Held-out ranking of bag models: precision at a share of the positives, average precision, area, max F1, curve.
//!
//! Every (instance, relation other than NA) is one candidate. HRERE's "P@10 %" is the precision of the first
//! `floor(0.1 * positives)` candidates and NOT precision at 10 % recall (Xu & Barbosa 2019; specs: hrere 9).

/// One (instance, relation) with its probability. NA is no candidate, but its mass stays in the others' denominator.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Candidate {
    pub score: f64,
    pub positive: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PrecisionAt {
    /// Candidates looked at.
    pub k: usize,
    pub precision: f64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CurvePoint {
    pub recall: f64,
    pub precision: f64,
}

/// Candidates by falling score; equal scores stay in the order given, so the result is the same at every run. A score
/// that is not a number ranks last.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// Positions in the list given.
    order: Vec<usize>,
    positive: Vec<bool>,
    n_positives: usize,
}

impl Ranking {
    /// Every positive is among the candidates.
    pub fn new(candidates: &[Candidate]) -> Self {
        Self::with_missing(candidates, 0)
    }

    /// `n_missing` further positives got no score at all (their pair is not linked): they lower recall.
    pub fn with_missing(candidates: &[Candidate], n_missing: usize) -> Self {
        let score = |i: usize| match candidates[i].score {
            s if s.is_nan() => f64::NEG_INFINITY,
            s => s,
        };
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        let positive: Vec<bool> = order.iter().map(|&i| candidates[i].positive).collect();
        let n_positives = n_missing + positive.iter().filter(|p| **p).count();
        Self {
            order,
            positive,
            n_positives,
        }
    }

    pub fn order(&self) -> &[usize] {
        &self.order
    }
    pub fn n_positives(&self) -> usize {
        self.n_positives
    }

    /// Precision of the first `k` candidates (of all, if there are fewer); `None` for none.
    pub fn precision_at(&self, k: usize) -> Option<PrecisionAt> {
        let first = &self.positive[..k.min(self.positive.len())];
        let hits = first.iter().filter(|p| **p).count();
        (!first.is_empty()).then(|| PrecisionAt {
            k: first.len(),
            precision: hits as f64 / first.len() as f64,
        })
    }

    /// HRERE's P@q%: the first `floor(share * positives)` candidates; `None` when that is none.
    pub fn precision_at_share(&self, share: f64) -> Option<PrecisionAt> {
        // A little above, so that 0.3 of 10 is 3 although 0.3 * 10.0 may fall short of it.
        let k = (share.clamp(0.0, 1.0) * self.n_positives as f64 + 1e-9).floor();
        self.precision_at(k as usize)
    }

    /// One point after every candidate.
    pub fn curve(&self) -> impl Iterator<Item = CurvePoint> + '_ {
        let mut hits = 0usize;
        self.positive.iter().enumerate().map(move |(i, positive)| {
            hits += usize::from(*positive);
            CurvePoint {
                recall: hits as f64 / self.n_positives.max(1) as f64,
                precision: hits as f64 / (i + 1) as f64,
            }
        })
    }

    /// About `n` points of the curve for drawing, spread over recall; the first and last are kept.
    pub fn curve_points(&self, n: usize) -> Vec<CurvePoint> {
        let step = 1.0 / n.max(1) as f64;
        let (mut points, mut next): (Vec<CurvePoint>, f64) = (Vec::new(), 0.0);
        let last = self.positive.len().saturating_sub(1);
        for (i, point) in self.curve().enumerate() {
            if point.recall >= next || i == 0 || i == last {
                points.push(point);
                next = point.recall + step;
            }
        }
        points
    }

    /// Step sum: mean over the positives of the precision where each is found.
    pub fn average_precision(&self) -> f64 {
        let found = self
            .curve()
            .zip(&self.positive)
            .filter(|(_, positive)| **positive);
        found.map(|(point, _)| point.precision).sum::<f64>() / self.n_positives.max(1) as f64
    }

    /// Trapezoids under the curve from its first point on: smaller than average precision, because nothing is counted
    /// before that point.
    pub fn trapezoid_area(&self) -> f64 {
        let mut previous: Option<CurvePoint> = None;
        let mut area = 0.0;
        for point in self.curve() {
            if let Some(p) = previous {
                area += (point.recall - p.recall) * (point.precision + p.precision) / 2.0;
            }
            previous = Some(point);
        }
        area
    }

    /// The best F1 at any cut; 0 without positives.
    pub fn max_f1(&self) -> f64 {
        let f1 = |p: CurvePoint| match p.precision + p.recall {
            0.0 => 0.0,
            sum => 2.0 * p.precision * p.recall / sum,
        };
        self.curve().map(f1).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::super::score::tests::golden;
    use super::*;
    use serde_json::Value;

    fn numbers(value: &Value) -> Vec<f64> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect()
    }

    fn close(found: f64, expected: &Value) {
        let expected = expected.as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn rankings_equal_the_golden_one() {
        let (golden, _) = golden("metrics_ranking");
        let n_classes = golden["in"]["probs"]["shape"][1].as_u64().unwrap() as usize;
        let probabilities = numbers(&golden["in"]["probs"]["data"]);
        let gold = numbers(&golden["in"]["gold"]);
        let mut candidates = Vec::new();
        for (row, gold) in probabilities.chunks(n_classes).zip(gold) {
            let relations = row.iter().enumerate().skip(1);
            candidates.extend(relations.map(|(r, &score)| Candidate {
                score,
                positive: r == gold as usize,
            }));
        }
        let ranking = Ranking::new(&candidates);
        let out = &golden["out"];
        let order: Vec<f64> = ranking.order().iter().map(|i| *i as f64).collect();
        assert_eq!(order, numbers(&out["order"]));
        for (point, (p, r)) in ranking.curve().zip(
            numbers(&out["precision"]["data"])
                .into_iter()
                .zip(numbers(&out["recall"]["data"])),
        ) {
            assert!((point.precision - p).abs() < 1e-9 && (point.recall - r).abs() < 1e-9);
        }
        close(ranking.average_precision(), &out["ap"]);
        close(ranking.trapezoid_area(), &out["auc_trapezoid"]);
        close(ranking.max_f1(), &out["max_f1"]);
        assert_eq!(
            ranking.n_positives() as u64,
            out["positives"].as_u64().unwrap()
        );
        for (share, key) in [(0.5, "50%"), (1.0, "100%")] {
            let at = ranking.precision_at_share(share).unwrap();
            assert_eq!(at.k as u64, out["p_at"][key]["k"].as_u64().unwrap());
            close(at.precision, &out["p_at"][key]["p"]);
        }
        for n in [3, 5] {
            close(
                ranking.precision_at(n).unwrap().precision,
                &out["p_at_n"][n.to_string()],
            );
        }
    }

    #[test]
    fn a_perfect_ranking_scores_one_everywhere() {
        let candidates: Vec<Candidate> = (0..100)
            .map(|i| Candidate {
                score: -f64::from(i),
                positive: i < 10,
            })
            .collect();
        let ranking = Ranking::new(&candidates);
        for share in [0.1, 0.3, 0.5, 1.0] {
            let at = ranking.precision_at_share(share).unwrap();
            assert_eq!(
                (at.k, at.precision),
                ((share * 10.0_f64).round() as usize, 1.0)
            );
        }
        assert_eq!((ranking.average_precision(), ranking.max_f1()), (1.0, 1.0));
        let points = ranking.curve_points(5);
        assert!(
            points.len() <= 8 && points[0].recall == 0.1 && points.last().unwrap().precision == 0.1
        );
    }

    #[test]
    fn degenerate_rankings_are_no_panic() {
        let none = Ranking::new(&[]);
        assert_eq!(
            (
                none.average_precision(),
                none.trapezoid_area(),
                none.max_f1()
            ),
            (0.0, 0.0, 0.0)
        );
        assert_eq!(
            (none.precision_at_share(0.1), none.curve_points(0).len()),
            (None, 0)
        );
        let nan = Ranking::with_missing(
            &[
                Candidate {
                    score: f64::NAN,
                    positive: false,
                },
                Candidate {
                    score: 0.1,
                    positive: true,
                },
            ],
            1,
        );
        assert_eq!((nan.order(), nan.average_precision()), (&[1, 0][..], 0.5));
    }
}
