//! When real traffic ejects an upstream.
//!
//! **Invariant:** pure. Never more than half of a pool is away for being slow, and traffic alone
//! never ejects the last admitted upstream unless that was asked for.

use std::fmt;
use std::time::Duration;

use conduit_core::policy::Outliers;

/// The rules of one pool, defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Failures in a row that eject; `None` is never.
    pub failures: Option<u32>,
    /// The first probation.
    pub probation: Duration,
    /// Whether the last admitted upstream may go, too.
    pub eject_last: bool,
    /// How many times slower than the others an upstream may be; `None` is any number.
    pub slow_factor: Option<u32>,
}

impl Rules {
    /// What a policy asks for.
    pub fn of(asked: &Outliers) -> Self {
        let failures = u32::from(asked.failures.unwrap_or(FAILURES_DEFAULT));
        Self {
            failures: (failures > 0).then_some(failures),
            probation: asked.probation.map_or(PROBATION_DEFAULT, |span| span.get()),
            eject_last: asked.eject_last.unwrap_or(false),
            slow_factor: asked.slow_factor.map(u32::from),
        }
    }

    /// Whether an upstream may be ejected where `admitted` are, itself included.
    pub fn may_eject(&self, admitted: usize) -> bool {
        admitted > 1 || self.eject_last
    }
}

/// How long one upstream takes to its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Its place in the pool.
    pub place: usize,
    /// The median of its recent times.
    pub median: Duration,
}

impl Pace {
    /// The pace of an upstream, when there are enough times to speak of one.
    pub fn of(place: usize, mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let median = *times.get(times.len() / 2)?;
        (times.len() >= SAMPLES_LEAST).then_some(Self { place, median })
    }
}

/// An upstream that is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slow {
    /// Its place in the pool.
    pub place: usize,
    /// What it takes.
    pub median: Duration,
    /// What the others take.
    pub against: Duration,
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slow: {} against {}", Spoken(self.median), Spoken(self.against))
    }
}

/// Finds the slowest of a pool of `total` upstreams, of which `away` receive nothing, when it is
/// more than `factor` times slower than the median of three or more, or than the other of two.
pub fn slowest(paces: &[Pace], factor: u32, away: usize, total: usize) -> Option<Slow> {
    if (away + 1) * 2 > total {
        return None;
    }
    let worst = paces.iter().max_by_key(|pace| pace.median)?;
    let mut medians: Vec<Duration> = paces.iter().map(|pace| pace.median).collect();
    medians.sort_unstable();
    let against = match medians.len() {
        0 | 1 => return None,
        // The lower one: with two it is the other, with more the slow are not to vouch for each other.
        many => medians[(many - 1) / 2],
    };
    let slow = worst.median > against.saturating_mul(factor).max(SLOW_LEAST);
    slow.then_some(Slow { place: worst.place, median: worst.median, against })
}

/// A time as people say it: `4.2 s`, `300 ms`.
struct Spoken(Duration);

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            0 => f.write_str("under 1 ms"),
            millis @ 1..=99 => write!(f, "{millis} ms"),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}

/// Failures in a row that eject when the policy says nothing.
const FAILURES_DEFAULT: u16 = 5;
/// The first probation when the policy says nothing.
const PROBATION_DEFAULT: Duration = Duration::from_secs(30);
/// How many recent times make a pace.
pub const SAMPLES_LEAST: usize = 20;
/// What takes no longer than this is slow for nobody.
const SLOW_LEAST: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn paces(medians_ms: &[u64]) -> Vec<Pace> {
        let medians = medians_ms.iter().enumerate();
        medians.map(|(place, ms)| Pace { place, median: Duration::from_millis(*ms) }).collect()
    }

    #[test]
    fn the_slowest_is_judged_by_the_others() {
        let cases = [
            // (why, medians in ms, away, total, who)
            ("alone there is nothing to compare", &[9_000][..], 0, 3, None),
            ("of two, the other counts", &[4_200, 300], 0, 2, Some(0)),
            ("of three, the median", &[300, 310, 4_200], 0, 3, Some(2)),
            ("exactly the factor is not more", &[300, 300, 1_200], 0, 3, None),
            ("the slow do not vouch for each other", &[300, 300, 4_000, 4_200], 0, 4, Some(3)),
            ("half is enough", &[300, 300, 4_200], 2, 4, None),
            ("one more fits", &[300, 300, 4_200], 1, 4, Some(2)),
            ("never more than half of three", &[300, 4_200], 1, 3, None),
            ("what nobody would notice", &[1, 1, 9], 0, 3, None),
            ("what somebody would", &[1, 1, 11], 0, 3, Some(2)),
        ];
        for (why, medians, away, total, who) in cases {
            let slow = slowest(&paces(medians), 4, away, total);
            assert_eq!(slow.map(|slow| slow.place), who, "{why}");
        }
    }

    #[test]
    fn a_pace_needs_enough_times() {
        let times = |count| vec![Duration::from_millis(5); count];
        assert_eq!(Pace::of(0, times(SAMPLES_LEAST - 1)), None);
        let median = Duration::from_millis(5);
        assert_eq!(Pace::of(3, times(SAMPLES_LEAST)), Some(Pace { place: 3, median }));
    }

    #[test]
    fn the_reason_reads_as_people_say_it() {
        let told = |median, against| Slow { place: 0, median, against }.to_string();
        let ms = Duration::from_millis;
        assert_eq!(told(ms(4_212), ms(300)), "slow: 4.2 s against 0.3 s");
        assert_eq!(told(ms(40), ms(2)), "slow: 40 ms against 2 ms");
        assert_eq!(told(ms(40), Duration::ZERO), "slow: 40 ms against under 1 ms");
    }

    #[test]
    fn silence_means_the_defaults_and_zero_never() {
        let rules = Rules::of(&Outliers::default());
        let second = Duration::from_secs(1);
        let expected = (Some(5), second * 30, false, None);
        let told = (rules.failures, rules.probation, rules.eject_last, rules.slow_factor);
        assert_eq!(told, expected);
        let never = Outliers { failures: Some(0), ..Outliers::default() };
        assert_eq!(Rules::of(&never).failures, None);
    }

    proptest::proptest! {
        #[test]
        fn half_of_a_pool_always_stays(
            medians in proptest::collection::vec(0_u64..100_000, 0..9),
            missing in 0_usize..4,
        ) {
            let total = medians.len() + missing;
            let mut left = paces(&medians);
            let mut away = missing;
            while let Some(slow) = slowest(&left, 2, away, total) {
                left.retain(|pace| pace.place != slow.place);
                away += 1;
                assert!(away * 2 <= total, "{away} of {total}");
                assert!(!left.is_empty());
            }
        }
    }
}
