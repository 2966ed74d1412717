//! The random rows of a queue, which show what the ranking does not choose, and what they say of the whole queue.
//!
//! Every candidate draws a number that has nothing to do with any verdict. The candidates with the lowest numbers that nobody has judged are
//! the control rows, in that order, unless the ranking brings them before. So the judged candidates below the lowest open number
//! are a random sample of all candidates, whoever judged them and by whichever list. What is rare is looked for where it is likelier, and
//! counted for less there ([`Chances`]).

use super::queue::{Entry, Tally};
use crate::analysis::noise::{Case, Kind};
use crate::analysis::{Drawn, draw_number, mix};
use crate::domain::{RelationId, SentenceId, Triple};
use crate::workspace::noise::candidates::Candidate;
use std::collections::HashMap;

/// How likely candidates are to be drawn.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Chances {
    /// What a candidate has beside its out-of-fold probability; `None`: all are equally likely.
    beside: Option<f64>,
}

impl Chances {
    /// Wrong labels: all alike. Missing ones are so rare that even chances hardly ever meet one: each candidate is drawn by its out-of-fold
    /// probability plus the mean of all, so that half of the draws go where they find something and half where nobody expects
    /// anything. Neither depends on a verdict, except through folds made after it.
    pub fn new<'a>(kind: Kind, cases: impl Iterator<Item = &'a Case>) -> Self {
        if kind == Kind::Wrong {
            return Self::default();
        }
        let (mut sum, mut n) = (0.0, 0usize);
        for case in cases {
            sum += expected(case);
            n += 1;
        }
        Self {
            beside: (sum > 0.0).then(|| sum / n as f64),
        }
    }

    fn weight(&self, case: &Case) -> f64 {
        self.beside.map_or(1.0, |beside| expected(case) + beside)
    }

    /// A case's weight, where not all have the same.
    pub fn uneven_weight(&self, case: &Case) -> Option<f64> {
        self.beside.map(|_| self.weight(case))
    }

    pub fn of(&self, candidate: &Candidate, case: &Case) -> Chance {
        let weight = self.weight(case);
        Chance {
            weight,
            number: draw_number(number(candidate.id, candidate.triple), weight),
        }
    }

    /// A sample of nothing.
    fn sample(&self) -> Drawn {
        self.beside.map_or_else(Drawn::default, Drawn::uneven)
    }
}

fn expected(case: &Case) -> f64 {
    case.out_of_fold.map_or(0.0, |f| f64::from(f.p))
}

/// A candidate's place in the order of chance, and how likely it was to have an early one.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Chance {
    pub number: f64,
    pub weight: f64,
}

/// A triple's bits; by sentence, spans and relation, the same every time.
pub fn number(id: SentenceId, triple: Triple) -> u64 {
    let t = triple;
    let places = [t.head.start(), t.head.end(), t.tail.start(), t.tail.end()];
    let parts = places.map(|p| p as u64);
    let parts = parts.into_iter().chain([u64::from(t.relation.0)]);
    parts.fold(mix(id.0), |hash, part| mix(hash ^ part))
}

/// A list with random rows in it.
pub struct Mixed {
    /// Whether a row stands where it does because it was drawn, and the row.
    pub rows: Vec<(bool, Entry)>,
    /// The lowest number of those that are not in the list; infinite where all are.
    pub beyond: f64,
}

/// The first of the order, with random ones mixed in evenly: the next that was drawn stands where one is due, if the order has not brought it
/// before. So nothing that is suspicious waits for its turn among the random ones.
pub fn with_control(candidates: Vec<Entry>, limit: usize, control: f64, chances: Chances) -> Mixed {
    let n = limit.min(candidates.len());
    let n_control = (control.clamp(0.0, 1.0) * n as f64).round() as usize;
    let numbers = candidates
        .iter()
        .map(|(c, _, case)| chances.of(c, case).number);
    let numbers: Vec<f64> = numbers.collect();
    let mut drawn: Vec<usize> = (0..candidates.len()).collect();
    if n < drawn.len() {
        drawn.select_nth_unstable_by(n, |a, b| numbers[*a].total_cmp(&numbers[*b]));
        drawn.truncate(n);
    }
    drawn.sort_unstable_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
    let (mut drawn, mut ranked) = (drawn.into_iter(), 0..candidates.len());
    let mut candidates: Vec<Option<Entry>> = candidates.into_iter().map(Some).collect();
    let mut rows = Vec::with_capacity(n);
    for i in 0..n {
        // The k-th random row stands where k of n_control are due.
        let due = (i + 1) * n_control / n > i * n_control / n;
        let mut take = |at: usize| candidates[at].take();
        let next = match due {
            true => drawn.by_ref().find_map(&mut take).map(|c| (true, c)),
            false => None,
        };
        rows.extend(next.or_else(|| ranked.find_map(take).map(|c| (false, c))));
    }
    let left = candidates.iter().zip(&numbers).filter(|(c, _)| c.is_some());
    let beyond = left.fold(f64::INFINITY, |least, (_, number)| number.min(least));
    Mixed { rows, beyond }
}

/// A candidate that somebody judged, and whether the suspicion was right.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Answered {
    pub candidate: Candidate,
    pub chance: Chance,
    pub yes: bool,
}

/// Counts of a queue, of all relations and of each.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    pub all: Tally,
    pub of: HashMap<RelationId, Tally>,
    /// Judged ones that come after the sample's end: they are in it as soon as it goes that far.
    pub later: Vec<Answered>,
}

impl Tallies {
    /// `open`: candidates that nobody has judged, their places in the order of chance and their scores.
    pub fn count(
        open: impl Iterator<Item = (Candidate, Chance, f32)>,
        judged: &[Answered],
        chances: Chances,
    ) -> Self {
        let mut tallies = Self::default();
        tallies.all.sample = chances.sample();
        let mut lowest: HashMap<Option<RelationId>, f64> = HashMap::new();
        for (candidate, chance, score) in open {
            let relation = candidate.triple.relation;
            for key in [None, Some(relation)] {
                let lowest = lowest.entry(key).or_insert(f64::INFINITY);
                *lowest = chance.number.min(*lowest);
            }
            tallies.each(relation, chances, |tally| {
                tally.left += 1;
                tally.expected += score;
            });
        }
        let until = |key| lowest.get(&key).copied().unwrap_or(f64::INFINITY);
        for answered in judged {
            let relation = answered.candidate.triple.relation;
            tallies.each(relation, chances, |tally| tally.judge(answered.yes));
            let Chance { number, weight } = answered.chance;
            if number < until(None) {
                tallies.all.sample.add(weight, answered.yes);
            }
            if number < until(Some(relation)) {
                let of = tallies.of.entry(relation).or_default();
                of.sample.add(weight, answered.yes);
            }
        }
        let later = judged.iter().filter(|a| a.chance.number >= until(None));
        tallies.later = later.copied().collect();
        tallies.all.sample.close(until(None));
        for (relation, tally) in &mut tallies.of {
            tally.sample.close(until(Some(*relation)));
        }
        tallies
    }

    fn each(&mut self, relation: RelationId, chances: Chances, change: impl Fn(&mut Tally)) {
        change(&mut self.all);
        change(self.of.entry(relation).or_insert_with(|| Tally {
            sample: chances.sample(),
            ..Tally::default()
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::noise::{OutOfFold, SignalSet, rank_sum};
    use crate::domain::{SentenceId, SentenceIdx, TokenSpan, Triple};
    use std::collections::HashSet;

    fn candidate(n: u64, relation: u16) -> Candidate {
        let span = |a| TokenSpan::new(a, a + 1).unwrap();
        Candidate {
            idx: SentenceIdx(n as u32),
            id: SentenceId(n),
            triple: Triple {
                head: span(0),
                relation: RelationId(relation),
                tail: span(2),
            },
        }
    }

    #[test]
    fn the_sample_is_of_all_candidates_not_of_the_ranking() {
        // 10,000 candidates of which 30 % are wrong; the ranking has found 2,000 of them and little else, the control rows 200 at random.
        let wrong = |n: u64| n < 3_000;
        let all: Vec<Candidate> = (0..10_000).map(|n| candidate(n, (n % 3) as u16)).collect();
        let even = Chances::default();
        let chance = |c: &Candidate| {
            let weight = 1.0;
            let number = draw_number(number(c.id, c.triple), weight);
            Chance { number, weight }
        };
        let mut by_chance = all.clone();
        by_chance.sort_by(|a, b| chance(a).number.total_cmp(&chance(b).number));
        let by_rank = all.iter().take(2_000).copied();
        let judged: HashMap<SentenceId, Candidate> = by_rank
            .chain(by_chance.into_iter().take(200))
            .map(|c| (c.id, c))
            .collect();
        let open = all.iter().filter(|c| !judged.contains_key(&c.id));
        let answers = judged.values().map(|c| Answered {
            candidate: *c,
            chance: chance(c),
            yes: wrong(c.id.0),
        });
        let answers: Vec<Answered> = answers.collect();
        let tallies = Tallies::count(open.map(|c| (*c, chance(c), 0.5)), &answers, even);
        let all = &tallies.all;
        assert_eq!(all.left + all.judged, 10_000);
        let sample = all.sample.counts();
        assert!((200..260).contains(&sample.judged), "{all:?}");
        let share = sample.share().unwrap();
        assert!(share.low < 0.3 && 0.3 < share.high, "{share:?}");
        assert!(all.confirmed as f64 / all.judged as f64 > 0.9);
        let of: usize = tallies.of.values().map(|t| t.judged).sum();
        assert_eq!(of, all.judged);
        assert!(tallies.of.values().all(|t| t.sample.counts().judged >= 50));
    }

    #[test]
    fn no_two_triples_draw_the_same_bits() {
        let bits = |n, relation| {
            let c = candidate(n, relation);
            number(c.id, c.triple)
        };
        let all: HashSet<u64> = (0..1_000).map(|n| bits(n, 0)).collect();
        assert_eq!(all.len(), 1_000);
        assert_ne!(bits(1, 0), bits(1, 1));
    }

    #[test]
    fn what_is_suspicious_keeps_its_place_and_the_lowest_numbers_are_listed() {
        // In the ranking's order: forty that are expected to be missing, then many that are not.
        let case = |n: u64| Case {
            relation: RelationId(0),
            others: Vec::new(),
            implied: 0.0,
            out_of_fold: Some(OutOfFold {
                p: if n < 40 { 0.9 } else { 0.001 },
                prior: 0.1,
                best_other: 0.0,
                alone: 0.0,
            }),
            text: None,
            model: None,
            gap: 1,
            pair_frequency: 1,
            head_first: true,
            length: 9,
        };
        let cases: Vec<Case> = (0..2_000).map(case).collect();
        let chances = Chances::new(Kind::Missing, cases.iter());
        let scored = rank_sum(&cases, Kind::Missing, &SignalSet::default());
        let entries = cases.iter().zip(scored).zip(0u64..);
        let entries = entries.map(|((case, scored), n)| (candidate(n, 0), scored, case.clone()));
        let mixed = with_control(entries.collect(), 200, 0.1, chances);
        let rows: Vec<u64> = mixed.rows.iter().map(|(_, (c, ..))| c.id.0).collect();
        let unique: HashSet<u64> = rows.iter().copied().collect();
        assert_eq!((rows.len(), unique.len()), (200, 200));
        assert_eq!(mixed.rows.iter().filter(|(drawn, _)| *drawn).count(), 20);
        let early = rows[..50].iter().filter(|n| **n < 40).count();
        assert_eq!(early, 40, "{rows:?}");
        let number = |n: u64| chances.of(&candidate(n, 0), &cases[n as usize]).number;
        let others = (0..2_000).filter(|n| !unique.contains(n)).map(number);
        assert_eq!(mixed.beyond, others.fold(f64::INFINITY, f64::min));
        let before = (0..2_000).filter(|n| number(*n) < mixed.beyond).count();
        assert!(before >= 20, "{before}");
    }
}
