//! The random rows of a queue, which show what the ranking does not choose, and what they say of the whole queue.
//!
//! Every candidate has a number that has nothing to do with any signal. The candidates with the lowest numbers that nobody has judged are the
//! control rows, in that order; they stand among the ranked ones and nowhere else. So the judged candidates below the lowest open number are a random
//! sample of all candidates, whoever judged them and by whichever list.

use super::queue::{Entry, Tally};
use crate::analysis::mix;
use crate::domain::{RelationId, SentenceId, Triple};
use crate::workspace::noise::candidates::Candidate;
use std::collections::{HashMap, HashSet};

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

/// The first of the order, with random ones mixed in evenly.
pub fn with_control(candidates: Vec<Entry>, limit: usize, control: f64) -> Vec<(bool, Entry)> {
    let n = limit.min(candidates.len());
    let n_control = (control.clamp(0.0, 1.0) * n as f64).round() as usize;
    if n_control == 0 {
        return candidates.into_iter().take(n).map(|c| (false, c)).collect();
    }
    let mut by_chance: Vec<usize> = (0..candidates.len()).collect();
    by_chance.sort_by_cached_key(|i| chance(&candidates[*i].0));
    by_chance.truncate(n_control);
    let drawn: HashSet<usize> = by_chance.into_iter().collect();
    let (mut control, mut ranked) = (Vec::new(), Vec::new());
    for (i, entry) in candidates.into_iter().enumerate() {
        if drawn.contains(&i) {
            control.push(entry);
        } else {
            ranked.push(entry);
        }
    }
    control.sort_by_cached_key(|(candidate, ..)| chance(candidate));
    let (mut control, mut ranked) = (control.into_iter(), ranked.into_iter());
    let mut rows = Vec::with_capacity(n);
    for i in 0..n {
        // The k-th random row stands where k of n_control are due.
        let due = (i + 1) * n_control / n > i * n_control / n;
        let next = if due {
            control.next().map(|c| (true, c))
        } else {
            None
        };
        rows.extend(next.or_else(|| ranked.next().map(|c| (false, c))));
    }
    rows
}

/// Counts of a queue, of all relations and of each.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    pub all: Tally,
    pub of: HashMap<RelationId, Tally>,
}

impl Tallies {
    /// `open`: candidates that nobody has judged, with their scores; `judged`: the others, and whether the suspicion was right.
    pub fn count<'a>(
        open: impl Iterator<Item = (&'a Candidate, f32)>,
        judged: &[(Candidate, bool)],
    ) -> Self {
        let mut tallies = Self::default();
        let mut lowest: HashMap<Option<RelationId>, u64> = HashMap::new();
        for (candidate, score) in open {
            let (relation, number) = (candidate.triple.relation, chance(candidate));
            for key in [None, Some(relation)] {
                let lowest = lowest.entry(key).or_insert(u64::MAX);
                *lowest = number.min(*lowest);
            }
            tallies.each(relation, |tally| {
                tally.left += 1;
                tally.expected += score;
            });
        }
        for (candidate, yes) in judged {
            let (relation, number) = (candidate.triple.relation, chance(candidate));
            tallies.each(relation, |tally| tally.judge(*yes));
            let below = |key| lowest.get(&key).is_none_or(|lowest| number < *lowest);
            if below(None) {
                tallies.all.sample.add(*yes);
            }
            if below(Some(relation)) {
                let of = tallies.of.entry(relation).or_default();
                of.sample.add(*yes);
            }
        }
        tallies
    }

    fn each(&mut self, relation: RelationId, change: impl Fn(&mut Tally)) {
        change(&mut self.all);
        change(self.of.entry(relation).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SentenceId, SentenceIdx, TokenSpan, Triple};

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
        let answers: Vec<(Candidate, bool)> =
            judged.values().map(|c| (*c, wrong(c.id.0))).collect();
        let tallies = Tallies::count(open.map(|c| (c, 0.5)), &answers);
        let all = tallies.all;
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
    fn control_rows_stand_evenly_and_in_the_order_of_chance() {
        let numbers: HashSet<u64> = (0..1_000).map(|n| chance(&candidate(n, 0))).collect();
        assert_eq!(numbers.len(), 1_000);
        assert_ne!(chance(&candidate(1, 0)), chance(&candidate(1, 1)));
    }
}
