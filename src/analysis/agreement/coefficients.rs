//! Cohen's kappa and Krippendorff's alpha for nominal values.

use std::collections::BTreeMap;

/// Agreement of two curators beyond chance. J. Cohen, A coefficient of agreement for nominal scales, Educational and
/// Psychological Measurement 20 (1960): (p_o - p_e) / (1 - p_e).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Kappa {
    /// Items that both decided.
    pub items: usize,
    /// Share of them on which they agree, p_o.
    pub observed: f64,
    /// `None` without items, and where both gave everything one value: chance alone would agree as well.
    pub kappa: Option<f64>,
}

/// Kappa over the items that both have decided.
pub fn kappa<V: Ord + Copy>(pairs: &[(V, V)]) -> Kappa {
    let n = pairs.len() as f64;
    let mut first: BTreeMap<V, f64> = BTreeMap::new();
    let mut second: BTreeMap<V, f64> = BTreeMap::new();
    for (a, b) in pairs {
        *first.entry(*a).or_default() += 1.0;
        *second.entry(*b).or_default() += 1.0;
    }
    let agree = pairs.iter().filter(|(a, b)| a == b).count() as f64;
    let observed = if pairs.is_empty() { 0.0 } else { agree / n };
    let by_chance = first.iter().map(|(v, a)| a * second.get(v).unwrap_or(&0.0));
    let expected = by_chance.sum::<f64>() / (n * n).max(1.0);
    Kappa {
        items: pairs.len(),
        observed,
        kappa: (!pairs.is_empty() && expected < 1.0)
            .then(|| (observed - expected) / (1.0 - expected)),
    }
}

/// Krippendorff's alpha, nominal values, missing ones left out. K. Krippendorff, Computing Krippendorff's alpha-reliability
/// (2011): 1 - D_o / D_e from the coincidences within units. A unit with one value says nothing. `None` without two units' worth
/// of values, and where all values are equal.
pub fn alpha<V: Ord + Copy>(units: &[Vec<V>]) -> Option<f64> {
    let mut totals: BTreeMap<V, f64> = BTreeMap::new();
    let mut disagreement = 0.0;
    for unit in units.iter().filter(|u| u.len() > 1) {
        let mut counts: BTreeMap<V, f64> = BTreeMap::new();
        for value in unit {
            *counts.entry(*value).or_default() += 1.0;
            *totals.entry(*value).or_default() += 1.0;
        }
        let m = unit.len() as f64;
        let same: f64 = counts.values().map(|c| c * c).sum();
        // Ordered pairs of different values, each unit weighing as many values as it has.
        disagreement += (m * m - same) / (m - 1.0);
    }
    let n: f64 = totals.values().sum();
    let expected: f64 = n * n - totals.values().map(|c| c * c).sum::<f64>();
    (expected > 0.0).then(|| 1.0 - (n - 1.0) * disagreement / expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values by letter; `.` is a missing one.
    fn units(raters: &[&str]) -> Vec<Vec<char>> {
        let n = raters[0].chars().count();
        let of = |at: usize| {
            let values = raters.iter().filter_map(|r| r.chars().nth(at));
            values.filter(|c| *c != '.').collect()
        };
        (0..n).map(of).collect()
    }

    /// Values of scikit-learn 1.9.1 (cohen_kappa_score), krippendorff 0.8 and NLTK's AnnotationTask.
    #[test]
    fn coefficients_are_those_of_scikit_learn_and_krippendorff() {
        let near = |found: Option<f64>, expected: f64| {
            assert!(
                found.is_some_and(|f| (f - expected).abs() < 1e-12),
                "{found:?} {expected}"
            );
        };
        let pairs: Vec<(char, char)> = "aarruaraarruaaar"
            .chars()
            .zip("aararaararruuaaa".chars())
            .collect();
        let both = kappa(&pairs);
        assert_eq!((both.items, both.observed), (16, 0.625));
        near(both.kappa, 0.36);
        let three = ["aarruaraarruaaar", "a.rru.raar.ua..r", "aa.ra.ararru.aa."];
        near(alpha(&units(&three)), 0.7448275862068966);
        // The example of Krippendorff (2011): four observers, twelve units.
        let four = [
            "123321412...",
            "1233224125.3",
            ".3332342251.",
            "12332441251.",
        ];
        near(alpha(&units(&four)), 0.743421052631579);
        near(kappa(&[('a', 'a'), ('a', 'a'), ('a', 'r')]).kappa, 0.0);
    }

    #[test]
    fn where_chance_would_do_as_well_there_is_no_coefficient() {
        assert_eq!(kappa::<char>(&[]).kappa, None);
        assert_eq!(kappa(&[('a', 'a'); 3]).kappa, None);
        assert_eq!(kappa(&[('a', 'a'); 3]).observed, 1.0);
        assert_eq!(alpha::<char>(&[]), None);
        assert_eq!(alpha(&units(&["aaa", "aaa"])), None);
        assert_eq!(alpha(&units(&["a.", ".r"])), None);
    }
}
