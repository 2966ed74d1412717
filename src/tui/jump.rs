//! Letters that jump: short labels, none the beginning of another.

/// Home row first, so that the common case costs the least movement. Without `q`: it reads as "leave".
const LETTERS: &[u8] = b"asdfghjklweruiopzxcvnmtyb";

/// More than this many places are never labelled at once.
pub const MAX_LABELS: usize = LETTERS.len() * LETTERS.len();

/// `n` labels of equal length, one letter if that is enough, else two. At most [`MAX_LABELS`].
pub fn labels(n: usize) -> Vec<String> {
    let letter = |i: usize| char::from(LETTERS[i % LETTERS.len()]);
    if n <= LETTERS.len() {
        return (0..n).map(|i| letter(i).to_string()).collect();
    }
    (0..n.min(MAX_LABELS))
        .map(|i| [letter(i / LETTERS.len()), letter(i)].iter().collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn labels_differ_and_none_begins_another() {
        for n in [0, 1, 25, 26, 300, MAX_LABELS, MAX_LABELS + 9] {
            let all = labels(n);
            assert_eq!(all.len(), n.min(MAX_LABELS));
            assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
            assert!(all.windows(2).all(|w| w[0].len() == w[1].len()));
        }
        assert_eq!(labels(3), ["a", "s", "d"]);
    }
}
