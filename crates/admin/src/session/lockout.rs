//! Who has to wait before the next login, and for how long.
//!
//! A login counts as failed from the moment it is tried until it has succeeded, so trying many at
//! once gains nothing.
//!
//! **Invariant:** at most [`LOCKED_MAX`] addresses and names are remembered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use crate::error::ApiError;
use crate::limits::{
    FAILURES_PER_ADDRESS, FAILURES_PER_NAME, LOCKED_FIRST, LOCKED_FORGET, LOCKED_LAST, LOCKED_MAX,
};

/// What failures are counted for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// Where logins come from.
    Address(String),
    /// Whose name is tried, whether or not there is such a user.
    Name(String),
}

impl Subject {
    fn free(&self) -> u32 {
        match self {
            Self::Address(_) => FAILURES_PER_ADDRESS,
            Self::Name(_) => FAILURES_PER_NAME,
        }
    }
}

/// Failed logins.
#[derive(Debug, Default)]
pub(crate) struct Lockout {
    failures: Mutex<HashMap<Subject, Failures>>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
    until: Instant,
}

impl Lockout {
    /// Counts a login that is about to be tried.
    ///
    /// # Errors
    /// When one of its subjects has to wait: for how long. Nothing is counted then.
    pub(crate) fn begin(&self, subjects: &[Subject], now: Instant) -> Result<(), Duration> {
        let mut failures = self.lock();
        let waits = subjects.iter().filter_map(|subject| {
            let until = failures.get(subject)?.until;
            until.checked_duration_since(now).filter(|wait| !wait.is_zero())
        });
        if let Some(wait) = waits.max() {
            return Err(wait);
        }
        for subject in subjects {
            let known = failures.get(subject).copied();
            let known = known.filter(|known| now.duration_since(known.last) < LOCKED_FORGET);
            let count = known.map_or(0, |known| known.count).saturating_add(1);
            if !failures.contains_key(subject) {
                make_room(&mut failures, now);
            }
            let until = now + wait_after(count, subject.free());
            failures.insert(subject.clone(), Failures { count, last: now, until });
        }
        Ok(())
    }

    /// Takes back what [`Lockout::begin`] counted: the login was right. A name begins anew; an address
    /// keeps its other failures, since whoever has one account could try others' otherwise.
    pub(crate) fn succeed(&self, subjects: &[Subject], now: Instant) {
        let mut failures = self.lock();
        for subject in subjects {
            match (subject, failures.get_mut(subject)) {
                (Subject::Address(_), Some(known)) if known.count > 1 => {
                    known.count -= 1;
                    known.until = now;
                }
                _ => {
                    failures.remove(subject);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody is told who has to wait.
pub(crate) fn locked(wait: Duration) -> ApiError {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "locked_out",
        format!("too many logins failed; the next may be tried in {seconds} s"),
    )
    .hint("a link of `conduit login` works for a name that has to wait")
    .retry_after(seconds)
}

fn make_room(failures: &mut HashMap<Subject, Failures>, now: Instant) {
    if failures.len() < LOCKED_MAX {
        return;
    }
    failures.retain(|_, known| now.duration_since(known.last) < LOCKED_FORGET);
    while failures.len() >= LOCKED_MAX {
        let oldest = failures.iter().min_by_key(|(_, known)| known.last);
        let Some(subject) = oldest.map(|(subject, _)| subject.clone()) else {
            return;
        };
        failures.remove(&subject);
    }
}

/// How long the next login has to wait after so many failures.
fn wait_after(count: u32, free: u32) -> Duration {
    let Some(doublings) = count.checked_sub(free) else {
        return Duration::ZERO;
    };
    LOCKED_FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(LOCKED_LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Vec<Subject> {
        vec![Subject::Name(text.into())]
    }

    #[test]
    fn waits_grow_up_to_a_limit() {
        for (count, seconds) in [(0, 0), (4, 0), (5, 1), (6, 2), (9, 16), (14, 512), (15, 900)] {
            assert_eq!(wait_after(count, 5), Duration::from_secs(seconds), "{count}");
        }
        assert_eq!(wait_after(u32::MAX, 5), LOCKED_LAST);
    }

    #[test]
    fn a_name_waits_after_its_failures_and_others_do_not() {
        let (lockout, now) = (Lockout::default(), Instant::now());
        for _ in 0..FAILURES_PER_NAME {
            assert_eq!(lockout.begin(&name("ada"), now), Ok(()));
        }
        assert_eq!(lockout.begin(&name("ada"), now), Err(LOCKED_FIRST));
        assert_eq!(lockout.begin(&name("bob"), now), Ok(()));
        let later = now + LOCKED_FIRST;
        assert_eq!(lockout.begin(&name("ada"), later), Ok(()));
        assert_eq!(lockout.begin(&name("ada"), later), Err(LOCKED_FIRST * 2));
        let much_later = later + LOCKED_FORGET;
        assert_eq!(lockout.begin(&name("ada"), much_later), Ok(()));
        assert_eq!(lockout.begin(&name("ada"), much_later), Ok(()), "forgotten");
    }

    #[test]
    fn a_right_login_frees_its_name_and_takes_back_its_own_count_of_the_address() {
        let (lockout, now) = (Lockout::default(), Instant::now());
        let address = Subject::Address("10.0.0.1".into());
        let both = |user: &str| vec![Subject::Name(user.into()), address.clone()];
        for n in 1..FAILURES_PER_ADDRESS {
            assert_eq!(lockout.begin(&both(&format!("user-{n}")), now), Ok(()));
        }
        for _ in 0..9 {
            assert_eq!(lockout.begin(&both("ada"), now), Ok(()));
            lockout.succeed(&both("ada"), now);
        }
        assert_eq!(lockout.begin(&both("eve"), now), Ok(()));
        assert_eq!(lockout.begin(&both("ada"), now), Err(LOCKED_FIRST), "the address waits");
    }

    #[test]
    fn the_table_is_bounded() {
        let (lockout, start) = (Lockout::default(), Instant::now());
        for n in 0..LOCKED_MAX + 5 {
            let now = start + Duration::from_millis(u64::try_from(n).expect("few"));
            lockout.begin(&name(&n.to_string()), now).expect("the first");
        }
        let failures = lockout.lock();
        assert_eq!(failures.len(), LOCKED_MAX);
        assert!(!failures.contains_key(&Subject::Name("0".into())));
    }
}
