//! Sentences that say the same in the same or nearly the same words.
//!
//! Exact duplicates have the same words once case and punctuation are gone. Near duplicates share at least a given part of their runs of three words
//! (Jaccard similarity). They are found by MinHash (Broder 1997): the least of a hash over a set is the same for two sets with the probability of their
//! similarity. Of [`BANDS`] times [`ROWS`] such hashes, sentences that agree in a whole band are compared word by word (locality-sensitive
//! hashing; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4), so nothing is called alike that is not.
//!
//! A sentence costs some 100 bytes while the whole corpus is looked at (100 MB for a million); its text is asked for again when it is compared.

use super::mix::mix;
use std::collections::BTreeMap;

/// Words in a run.
const SHINGLE: usize = 3;
/// Two sentences of similarity s meet in some band with probability 1 - (1 - s^ROWS)^BANDS: .9998 at s = .8, .64 at .5.
pub const BANDS: usize = 16;
pub const ROWS: usize = 4;
/// A sentence is compared with this many before it in its band at most: a band that thousands share costs no more than a short one.
const COMPARED: usize = 8;

/// What is kept of a sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sketch {
    exact: u64,
    bands: [u32; BANDS],
}

/// A sentence's words as duplicates are told by: letters and digits, lower-cased.
pub fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|w| !w.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Its runs of three words as numbers, each once, in order; a shorter sentence is one run.
pub fn shingles(words: &[String]) -> Vec<u64> {
    let hash = |run: &[String]| run.iter().fold(0, |h, word| mix(h ^ fnv(word)));
    let mut runs: Vec<u64> = match words.len() {
        0 => Vec::new(),
        1..=SHINGLE => vec![hash(words)],
        _ => words.windows(SHINGLE).map(hash).collect(),
    };
    runs.sort_unstable();
    runs.dedup();
    runs
}

/// The share of runs that both have among those that either has; 0 where neither has any. Both in order.
pub fn similarity(a: &[u64], b: &[u64]) -> f64 {
    let (mut i, mut j, mut both) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        both += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    let either = a.len() + b.len() - both;
    if either == 0 {
        0.0
    } else {
        both as f64 / either as f64
    }
}

/// `None` for a sentence without a word.
pub fn sketch(words: &[String]) -> Option<Sketch> {
    let runs = shingles(words);
    if runs.is_empty() {
        return None;
    }
    let exact = words.iter().fold(1, |h, word| mix(h ^ fnv(word)));
    let signature = minima(&runs);
    let mut bands = [0; BANDS];
    for (band, rows) in bands.iter_mut().zip(signature.chunks(ROWS)) {
        *band = rows.iter().fold(0, |h, row| mix(h ^ row)) as u32;
    }
    Some(Sketch { exact, bands })
}

/// The least of each hash over the runs.
fn minima(runs: &[u64]) -> [u64; BANDS * ROWS] {
    let mut least = [u64::MAX; BANDS * ROWS];
    for run in runs {
        for (seed, least) in (1..).zip(&mut least) {
            *least = mix(run ^ mix(seed)).min(*least);
        }
    }
    least
}

/// FNV-1a.
fn fnv(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Sentences that are alike, by their numbers in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub members: Vec<usize>,
    /// All have the same words.
    pub exact: bool,
}

/// Groups of two and more, by their first members. `runs` gives the [`shingles`] of a sentence; `tell` hears of bands done and says whether to go
/// on; `None` when stopped. A group holds whoever is alike to one of its members. The same sketches give the same groups.
pub fn groups<E>(
    sketches: &[Option<Sketch>],
    at_least: f64,
    runs: &mut dyn FnMut(usize) -> Result<Vec<u64>, E>,
    tell: &mut dyn FnMut(usize) -> bool,
) -> Result<Option<Vec<Group>>, E> {
    let mut sets = Sets::new(sketches.len());
    let mut by_words: Vec<(u64, usize)> = (0..)
        .zip(sketches)
        .filter_map(|(i, s)| Some((s.as_ref()?.exact, i)))
        .collect();
    by_words.sort_unstable();
    let mut alone = Vec::with_capacity(by_words.len());
    for same in by_words.chunk_by(|a, b| a.0 == b.0) {
        alone.push(same[0].1);
        for (_, i) in &same[1..] {
            sets.join(same[0].1, *i);
        }
    }
    alone.sort_unstable();
    for band in 0..BANDS {
        if !tell(band) {
            return Ok(None);
        }
        let hash = |i: usize| sketches[i].map(|s| s.bands[band]);
        let mut places: Vec<(Option<u32>, usize)> = alone.iter().map(|i| (hash(*i), *i)).collect();
        places.sort_unstable();
        for same in places.chunk_by(|a, b| a.0 == b.0).filter(|s| s.len() > 1) {
            compare(same, at_least, &mut sets, runs)?;
        }
    }
    Ok(tell(BANDS).then(|| sets.groups(sketches)))
}

/// Joins those of a band that are alike.
fn compare<E>(
    same: &[(Option<u32>, usize)],
    at_least: f64,
    sets: &mut Sets,
    runs: &mut dyn FnMut(usize) -> Result<Vec<u64>, E>,
) -> Result<(), E> {
    let mut before: std::collections::VecDeque<(usize, Vec<u64>)> = Default::default();
    for (_, i) in same {
        let mine = runs(*i)?;
        for (other, theirs) in &before {
            if sets.root(*i) != sets.root(*other) && similarity(&mine, theirs) >= at_least {
                sets.join(*other, *i);
            }
        }
        before.push_back((*i, mine));
        if before.len() > COMPARED {
            before.pop_front();
        }
    }
    Ok(())
}

/// Disjoint sets; a set is known by its least member.
struct Sets {
    up: Vec<usize>,
}

impl Sets {
    fn new(n: usize) -> Self {
        Self {
            up: (0..n).collect(),
        }
    }
    fn root(&mut self, mut i: usize) -> usize {
        while self.up[i] != i {
            self.up[i] = self.up[self.up[i]];
            i = self.up[i];
        }
        i
    }
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (least, other) = (a.min(b), a.max(b));
        self.up[other] = least;
    }
    fn groups(mut self, sketches: &[Option<Sketch>]) -> Vec<Group> {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for i in 0..self.up.len() {
            let root = self.root(i);
            if root != i {
                members.entry(root).or_insert_with(|| vec![root]).push(i);
            }
        }
        let words = |i: usize| sketches[i].map(|s| s.exact);
        let group = |members: Vec<usize>| Group {
            exact: members.iter().all(|i| words(*i) == words(members[0])),
            members,
        };
        members.into_values().map(group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn found(texts: &[&str], at_least: f64) -> Vec<(Vec<usize>, bool)> {
        let sketches: Vec<_> = texts.iter().map(|t| sketch(&words(t))).collect();
        let mut runs = |i: usize| Ok::<_, Infallible>(shingles(&words(texts[i])));
        let groups = groups(&sketches, at_least, &mut runs, &mut |_| true).unwrap();
        let groups = groups.unwrap().into_iter();
        groups.map(|g| (g.members, g.exact)).collect()
    }

    const LONG: &str = "Ada Norwood, who grew up in Larkhaven and now lives in Port Ellis, joined Tessel Instruments as its chief \
                        engineer in 1998, a year after the company moved its laboratories to the harbour";

    #[test]
    fn the_same_words_are_exact_and_a_changed_word_is_near() {
        let changed = LONG.replace("harbour", "airport");
        let shouted = LONG.to_uppercase().replace(',', " ;");
        let texts = [
            LONG,
            "",
            "Another sentence.",
            &changed,
            &shouted,
            "",
            "another SENTENCE",
        ];
        assert_eq!(
            found(&texts, 0.8),
            [(vec![0, 3, 4], false), (vec![2, 6], true)]
        );
        assert_eq!(
            found(&texts, 0.99),
            [(vec![0, 4], true), (vec![2, 6], true)]
        );
        // Order is part of the words.
        assert!(found(&["a b c d", "d c b a"], 0.5).is_empty());
    }

    #[test]
    fn who_stops_hears_nothing() {
        let sketches = vec![sketch(&words(LONG)); 2];
        let mut runs = |_: usize| Ok::<_, Infallible>(Vec::new());
        assert_eq!(
            groups(&sketches, 0.8, &mut runs, &mut |band| band < 3),
            Ok(None)
        );
    }

    proptest! {
        /// The share of equal minima estimates the similarity: standard error sqrt(s (1 - s) / 64) = .0625 at most.
        #[test]
        fn minima_estimate_the_similarity(shared in 1u64..400, own in 0u64..200, seed: u64) {
            let set = |from: u64| -> Vec<u64> {
                let mut runs: Vec<u64> = (0..shared).chain(from..from + own).map(|i| mix(seed ^ i)).collect();
                runs.sort_unstable();
                runs
            };
            let (a, b) = (set(10_000), set(20_000));
            let exact = shared as f64 / (shared + 2 * own) as f64;
            prop_assert!((similarity(&a, &b) - exact).abs() < 1e-12);
            let equal = minima(&a).iter().zip(minima(&b)).filter(|(x, y)| **x == *y).count();
            let estimate = equal as f64 / (BANDS * ROWS) as f64;
            // Five standard errors: once in a million cases by chance.
            prop_assert!((estimate - exact).abs() <= 5.0 * 0.0625, "{estimate} {exact}");
        }

        /// Every sentence is in one group at most, and its group holds one that is alike.
        #[test]
        fn groups_hold_what_is_alike(texts in proptest::collection::vec("[ab]( [abc]){0,6}", 0..24)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut seen = std::collections::HashSet::new();
            let runs: Vec<_> = texts.iter().map(|t| shingles(&words(t))).collect();
            for (members, exact) in found(&texts, 0.8) {
                for i in &members {
                    prop_assert!(seen.insert(*i));
                    let alike = |j: &usize| j != i && similarity(&runs[*i], &runs[*j]) >= 0.8;
                    prop_assert!(members.iter().any(alike));
                    prop_assert!(!exact || words(texts[*i]) == words(texts[members[0]]));
                }
            }
        }
    }
}
