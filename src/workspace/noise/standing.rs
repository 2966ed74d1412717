//! Where a queue stands, in numbers and in the words that the command line and the screen share.

use super::queue::{Order, QueueKind, Tally};
use crate::analysis::gain::{FEWEST, FEWEST_HITS};
use crate::analysis::{Change, Estimate};

/// What stands above a list of a queue.
#[derive(Clone, PartialEq, Debug)]
pub struct Standing {
    pub kind: QueueKind,
    pub order: Order,
    pub tally: Tally,
    /// Scores are probabilities that a regression on the verdicts gives; else `expected` is none.
    pub calibrated: bool,
    /// Out-of-fold signals were there.
    pub folds: bool,
    /// On the screen: decisions until the queue is ranked anew.
    pub anew_in: Option<u64>,
}

impl Standing {
    /// Of rules, duplicates and changes: no scores, no sample, one order.
    pub fn is_list(&self) -> bool {
        !matches!(self.kind, QueueKind::Noise(_))
    }

    pub fn title(&self) -> String {
        match self.kind {
            QueueKind::Noise(kind) => format!("probably {}", kind.name()),
            QueueKind::Rules => "labels that rules ask about".to_owned(),
            QueueKind::Duplicates => "labels on which duplicates disagree".to_owned(),
            QueueKind::Changed(Change::Fixed) => "fixed by the current run".to_owned(),
            QueueKind::Changed(Change::Broken) => "broken by the current run".to_owned(),
        }
    }

    /// What is left and what was judged.
    pub fn counts(&self) -> String {
        let t = &self.tally;
        if self.is_list() {
            return format!(
                "{} left; {} judged since they were listed",
                t.left, t.judged
            );
        }
        let found = match t.judged {
            0 => String::new(),
            n => format!(
                ", {} {} ({} %)",
                t.confirmed,
                self.kind.name(),
                percent(t.confirmed as f64 / n as f64)
            ),
        };
        format!("{} left; {} judged{found}", t.left, t.judged)
    }

    /// There are verdicts of both kinds, and the ranking is from before them.
    pub fn is_behind(&self) -> bool {
        let t = &self.tally;
        !self.calibrated && 0 < t.confirmed && t.confirmed < t.judged
    }

    /// What the scores expect of those that are left.
    pub fn expectation(&self) -> String {
        match self.calibrated {
            true => format!(
                "scores expect {:.0} more of those left to be {}",
                self.tally.expected,
                self.kind.name()
            ),
            false => "scores are no probabilities until there are verdicts of both kinds".into(),
        }
    }

    /// Base rate and what is still to find, by the random rows alone.
    pub fn stop(&self) -> String {
        let t = &self.tally;
        match self.kind {
            QueueKind::Noise(_) => {}
            QueueKind::Rules => return "a rule asks and changes nothing by itself".to_owned(),
            QueueKind::Duplicates => {
                return "labelled in one, not in another that names both".to_owned();
            }
            QueueKind::Changed(Change::Fixed) => {
                return "decided wrongly before, rightly now, by the labels that stand".to_owned();
            }
            QueueKind::Changed(Change::Broken) => {
                return "decided rightly before, wrongly now, by the labels that stand".to_owned();
            }
        }
        let sample = t.sample;
        let (Some(share), Some(to_find)) = (
            sample.share(),
            sample.to_find(t.left + t.judged, t.judged, t.confirmed),
        ) else {
            return "no random row judged yet, so no base rate".to_owned();
        };
        let drawn = format!(
            "random rows: {} of {} {}",
            sample.hits,
            sample.judged,
            self.kind.name()
        );
        // A handful says nothing, and none found among them does not say that there is none.
        if t.left > 0 && sample.judged < FEWEST {
            return format!("{drawn}; a base rate takes {FEWEST}");
        }
        if t.left > 0 && sample.hits < FEWEST_HITS {
            return format!(
                "{drawn}, base rate at most {} %; at most {:.0} to find",
                percent(share.high),
                to_find.high
            );
        }
        let Estimate { value, low, high } = to_find;
        format!(
            "{drawn}, base rate {} % ({}–{} %); {value:.0} to find ({low:.0}–{high:.0})",
            percent(share.value),
            percent(share.low),
            percent(share.high),
        )
    }

    /// Everything, for a line below a list.
    pub fn summary(&self) -> String {
        if self.is_list() {
            return format!("{}; {}", self.counts(), self.stop());
        }
        let mut text = format!("{}; {}; {}", self.counts(), self.expectation(), self.stop());
        if !self.folds {
            text += "; `redress folds` adds the strongest signal";
        }
        text
    }
}

/// `12` for .12, with a decimal below 10.
pub fn percent(share: f64) -> String {
    let p = share * 100.0;
    if p > 0.0 && p < 9.95 {
        format!("{p:.1}")
    } else {
        format!("{p:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Sample;
    use crate::analysis::noise::Kind;

    #[test]
    fn a_queue_says_where_it_stands() {
        let mut standing = Standing {
            kind: QueueKind::Noise(Kind::Wrong),
            order: Order::Suspicious,
            tally: Tally {
                left: 980,
                ..Tally::default()
            },
            calibrated: false,
            folds: false,
            anew_in: None,
        };
        assert_eq!(
            standing.summary(),
            "980 left; 0 judged; scores are no probabilities until there are verdicts of both kinds; \
             no random row judged yet, so no base rate; `redress folds` adds the strongest signal"
        );
        standing.tally = Tally {
            left: 900,
            judged: 100,
            confirmed: 60,
            expected: 31.4,
            sample: Sample {
                judged: 25,
                hits: 3,
            },
            until: None,
        };
        assert!(standing.is_behind());
        (standing.calibrated, standing.folds) = (true, true);
        assert!(!standing.is_behind());
        assert_eq!(
            standing.summary(),
            "900 left; 100 judged, 60 wrong (60 %); scores expect 31 more of those left to be wrong; \
             random rows: 3 of 25 wrong, base rate 12 % (4.2–30 %); 60 to find (0–240)"
        );
        standing.tally.sample = Sample { judged: 9, hits: 9 };
        assert_eq!(
            standing.stop(),
            "random rows: 9 of 9 wrong; a base rate takes 10"
        );
        standing.tally.sample = Sample {
            judged: 25,
            hits: 0,
        };
        assert_eq!(
            standing.stop(),
            "random rows: 0 of 25 wrong, base rate at most 13 %; at most 73 to find"
        );
    }
}
