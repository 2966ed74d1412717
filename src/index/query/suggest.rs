//! "Did you mean": the nearest of the names that would have been right.

/// The candidate fewest edits away, if it is near enough to be meant; else the first that contains what was typed.
pub(super) fn nearest<'a>(
    typed: &str,
    candidates: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    // Names are short; a pasted page is not a typing error.
    let typed: String = typed.to_lowercase().chars().take(64).collect();
    let allowed = (typed.chars().count() / 3).max(1);
    let near = candidates
        .clone()
        .map(|name| (distance(&typed, &name.to_lowercase()), name))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, _)| *d);
    near.map(|(_, name)| name).or_else(|| {
        candidates
            .filter(|name| typed.len() > 2 && name.to_lowercase().contains(&typed))
            .min_by_key(|name| name.len())
    })
}

/// Levenshtein distance in characters; a swap of neighbours counts once (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_nothing_far() {
        let check = |typed: &str, expected: Option<&str>| {
            let names = ["place_lived", "place_of_birth", "gold", "pred"];
            assert_eq!(nearest(typed, names.into_iter()), expected, "{typed}");
        };
        check("gol", Some("gold"));
        check("glod", Some("gold"));
        check("Place_Livde", Some("place_lived"));
        check("birth", Some("place_of_birth"));
        check("zzzz", None);
        check("", None);
    }
}
