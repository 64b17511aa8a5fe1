//! One-time codes: what `conduit login` prints, and a page trades for a session.
//!
//! **Invariant:** a code is good once, and for [`LOGIN_CODE_LIFETIME`].

use std::sync::{Mutex, PoisonError};

use conduit_core::actor::Role;
use tokio::time::Instant;

use super::holder::Holder;
use super::secret;
use crate::limits::{LOGIN_CODE_LIFETIME, LOGIN_CODES_MAX};

/// The codes that are good.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    good: Mutex<Vec<Code>>,
}

#[derive(Debug)]
struct Code {
    hash: [u8; 32],
    by: String,
    role: Role,
    ends: Instant,
}

impl Codes {
    /// Makes a code; when there are too many, the oldest is worthless.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn make(
        &self,
        by: String,
        role: Role,
        now: Instant,
    ) -> Result<String, getrandom::Error> {
        let code = secret::random::<CODE_BYTES>()?;
        let hash = secret::hash(PURPOSE, &code);
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.retain(|code| now < code.ends);
        let surplus = (good.len() + 1).saturating_sub(LOGIN_CODES_MAX);
        good.drain(..surplus);
        good.push(Code { hash, by, role, ends: now + LOGIN_CODE_LIFETIME });
        Ok(code)
    }

    /// Uses a code up, and says who begins a session with it.
    pub(crate) fn take(&self, code: &str, now: Instant) -> Option<Holder> {
        if !secret::is_shaped(code, CODE_BYTES) {
            return None;
        }
        let hash = secret::hash(PURPOSE, code);
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        let mut place = None;
        for (at, code) in good.iter().enumerate() {
            // Each is compared, so that the time does not tell which one it is.
            if secret::is_same(&code.hash, &hash) {
                place = Some(at);
            }
        }
        let place = place?;
        let code = good.remove(place);
        (now < code.ends).then_some(Holder::Login { by: code.by, role: code.role })
    }
}

/// Bytes of chance in a code.
const CODE_BYTES: usize = 16;
const PURPOSE: &str = "conduit login code";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once_and_for_a_while() {
        let (codes, now) = (Codes::default(), Instant::now());
        let make = |by: &str| codes.make(by.into(), Role::Admin, now).expect("chance");
        let (code, late) = (make("root"), make("root"));
        let holder = Holder::Login { by: "root".into(), role: Role::Admin };
        for wrong in ["", "x", &code[1..], &code.to_uppercase(), &"0".repeat(32)] {
            assert!(wrong == code || codes.take(wrong, now).is_none(), "{wrong}");
        }
        assert_eq!(codes.take(&code, now), Some(holder));
        assert_eq!(codes.take(&code, now), None, "used up");
        assert_eq!(codes.take(&late, now + LOGIN_CODE_LIFETIME), None, "too late");
    }

    #[test]
    fn the_oldest_of_too_many_is_worthless() {
        let (codes, now) = (Codes::default(), Instant::now());
        let make = |_| codes.make("root".into(), Role::Operator, now).expect("chance");
        let made: Vec<String> = (0..=LOGIN_CODES_MAX).map(make).collect();
        assert_eq!(codes.take(&made[0], now), None);
        assert!(made[1..].iter().all(|code| codes.take(code, now).is_some()));
    }
}
