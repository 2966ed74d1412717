//! How far a job is and how long it will take.

use std::time::{Duration, Instant};

/// Rate and remaining time from counts. The rate is over the whole run: steadier than a window, and right for jobs
/// whose steps cost about the same.
#[derive(Clone, Debug)]
pub struct Progress {
    started: Instant,
    /// Work done by an earlier run that this one resumes; not part of the rate.
    resumed: u64,
    pub done: u64,
    pub total: u64,
}

impl Progress {
    pub fn new(total: u64, resumed: u64) -> Self {
        Self {
            started: Instant::now(),
            resumed,
            done: resumed,
            total,
        }
    }

    pub fn advance(&mut self, n: u64) {
        self.done += n;
    }

    /// Units a second; 0 before anything is done.
    pub fn rate(&self) -> f64 {
        self.rate_after(self.started.elapsed())
    }

    /// `None` until there is a rate to judge by.
    pub fn remaining(&self) -> Option<Duration> {
        remaining(self.rate(), self.total.saturating_sub(self.done))
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn rate_after(&self, elapsed: Duration) -> f64 {
        let seconds = elapsed.as_secs_f64();
        if seconds > 0.0 {
            (self.done - self.resumed) as f64 / seconds
        } else {
            0.0
        }
    }
}

fn remaining(rate: f64, left: u64) -> Option<Duration> {
    // A job that has all but stopped would overflow a Duration; a century is "unknown".
    let seconds = left as f64 / rate;
    (rate > 0.0 && seconds < 3.0e9).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resumed_work_does_not_count_as_speed() {
        let mut p = Progress::new(100, 60);
        assert_eq!(remaining(0.0, 40), None);
        p.advance(20);
        assert_eq!(p.rate_after(Duration::from_secs(10)), 2.0);
        assert_eq!(
            remaining(2.0, p.total - p.done),
            Some(Duration::from_secs(10))
        );
        assert_eq!(remaining(1e-12, 1 << 40), None);
    }
}
