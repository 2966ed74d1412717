//! The random rows of a queue, which show what the ranking does not choose, and what they say of the whole queue.
//!
//! Every candidate has a number that has nothing to do with any signal or verdict. The candidates with the lowest numbers that nobody has judged are
//! the control rows, in that order, unless the ranking brings them before. So the judged candidates below the lowest open number
//! are a random sample of all candidates, whoever judged them and by whichever list.

use super::queue::{Entry, Tally};
use crate::analysis::mix;
use crate::domain::{RelationId, SentenceId, Triple};
use crate::workspace::noise::candidates::Candidate;
use std::collections::HashMap;

/// The candidate's number; by sentence, spans and relation, the same every time.
pub fn chance(candidate: &Candidate) -> u64 {
    number(candidate.id, candidate.triple)
}

/// The same, for who has no candidate.
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
    /// The lowest number of those that are not in the list; `None` where all are.
    pub beyond: Option<u64>,
}

/// The first of the order, with random ones mixed in evenly: the next that was drawn stands where one is due, if the order has not brought it
/// before. So nothing that is suspicious waits for its turn among the random ones.
pub fn with_control(candidates: Vec<Entry>, limit: usize, control: f64) -> Mixed {
    let n = limit.min(candidates.len());
    let n_control = (control.clamp(0.0, 1.0) * n as f64).round() as usize;
    let numbers: Vec<u64> = candidates.iter().map(|(c, ..)| chance(c)).collect();
    let drawn = if n_control > 0 {
        lowest(&numbers, n)
    } else {
        Vec::new()
    };
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
    let beyond = left.map(|(_, number)| *number).min();
    Mixed { rows, beyond }
}

/// Places of the `n` lowest numbers, the lowest first.
fn lowest(numbers: &[u64], n: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..numbers.len()).collect();
    if n < places.len() {
        places.select_nth_unstable_by_key(n, |at| numbers[*at]);
        places.truncate(n);
    }
    places.sort_unstable_by_key(|at| numbers[*at]);
    places
}

/// A candidate that somebody judged, and whether the suspicion was right.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Answered {
    pub candidate: Candidate,
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
    /// `open`: candidates that nobody has judged, with their scores.
    pub fn count<'a>(
        open: impl Iterator<Item = (&'a Candidate, f32)>,
        judged: &[Answered],
    ) -> Self {
        let mut tallies = Self::default();
        let mut lowest: HashMap<Option<RelationId>, u64> = HashMap::new();
        for (candidate, score) in open {
            let (relation, number) = (candidate.triple.relation, chance(candidate));
            for key in [None, Some(relation)] {
                let lowest = lowest.entry(key).or_insert(number);
                *lowest = number.min(*lowest);
            }
            tallies.each(relation, |tally| {
                tally.left += 1;
                tally.expected += score;
            });
        }
        let until = |key| lowest.get(&key).copied();
        for answered in judged {
            let (relation, number) = (answered.candidate.triple.relation, answered.chance());
            tallies.each(relation, |tally| tally.judge(answered.yes));
            let below = |key| until(key).is_none_or(|until| number < until);
            if below(None) {
                tallies.all.sample.add(answered.yes);
            } else {
                tallies.later.push(*answered);
            }
            if below(Some(relation)) {
                let of = tallies.of.entry(relation).or_default();
                of.sample.add(answered.yes);
            }
        }
        tallies.all.until = until(None);
        for (relation, tally) in &mut tallies.of {
            tally.until = until(Some(*relation));
        }
        tallies
    }

    fn each(&mut self, relation: RelationId, change: impl Fn(&mut Tally)) {
        change(&mut self.all);
        change(self.of.entry(relation).or_default());
    }
}

impl Answered {
    pub fn chance(&self) -> u64 {
        chance(&self.candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::noise::{Case, Kind, SignalSet, before_verdicts};
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
        let mut by_chance = all.clone();
        by_chance.sort_by_key(chance);
        let by_rank = all.iter().take(2_000).copied();
        let judged: HashMap<SentenceId, Candidate> = by_rank
            .chain(by_chance.into_iter().take(200))
            .map(|c| (c.id, c))
            .collect();
        let open = all.iter().filter(|c| !judged.contains_key(&c.id));
        let answers = judged.values().map(|c| Answered {
            candidate: *c,
            yes: wrong(c.id.0),
        });
        let answers: Vec<Answered> = answers.collect();
        let tallies = Tallies::count(open.map(|c| (c, 0.5)), &answers);
        let all = &tallies.all;
        assert_eq!(all.left + all.judged, 10_000);
        assert!((200..260).contains(&all.sample.judged), "{all:?}");
        let share = all.sample.share().unwrap();
        assert!(share.low < 0.3 && 0.3 < share.high, "{share:?}");
        assert!(all.confirmed as f64 / all.judged as f64 > 0.9);
        let of: usize = tallies.of.values().map(|t| t.judged).sum();
        assert_eq!(of, all.judged);
        assert!(tallies.of.values().all(|t| t.sample.judged >= 50));
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
        let case = Case::plain(RelationId(0), &[]);
        let cases = vec![case; 2_000];
        // In the ranking's order.
        let scored = before_verdicts(&cases, Kind::Missing, &SignalSet::default());
        let entries = cases.iter().zip(scored).zip(0u64..);
        let entries = entries.map(|((case, scored), n)| (candidate(n, 0), scored, case.clone()));
        let mixed = with_control(entries.collect(), 200, 0.1);
        let rows: Vec<u64> = mixed.rows.iter().map(|(_, (c, ..))| c.id.0).collect();
        let unique: HashSet<u64> = rows.iter().copied().collect();
        assert_eq!((rows.len(), unique.len()), (200, 200));
        assert_eq!(mixed.rows.iter().filter(|(drawn, _)| *drawn).count(), 20);
        let early = rows[..50].iter().filter(|n| **n < 50).count();
        assert!(early >= 45, "{rows:?}");
        let number = |n: u64| chance(&candidate(n, 0));
        let others = (0..2_000).filter(|n| !unique.contains(n)).map(number);
        assert_eq!(mixed.beyond, others.min());
        let before = (0..2_000).filter(|n| number(*n) < mixed.beyond.unwrap());
        let before = before.count();
        assert!(before >= 20, "{before}");
    }
}
