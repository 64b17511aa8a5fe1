//! Users with passwords, checked where nobody waits for it.
//!
//! A password's hash takes a tenth of a second to check, on purpose. So it is checked on a blocking
//! thread, a few at a time, and what was right is remembered for a while.
//!
//! **Invariant:** an unknown user costs what a known one does. What is remembered is a keyed digest,
//! and belongs to one hash: with the hash it is forgotten.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc;
use conduit_core::policy::BasicUser;
use sha3::{Digest as _, Sha3_256};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::credentials::Basic;

/// The users of one service.
pub(super) struct Passwords {
    users: Arc<[User]>,
    secret: [u8; 32],
    proven: Mutex<HashMap<[u8; 32], Instant>>,
}

struct User {
    name: Arc<str>,
    hash: Box<str>,
}

/// What became of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is this user.
    Right(Arc<str>),
    /// It is not.
    Wrong,
    /// Too many are waiting to be checked.
    Busy,
}

impl Passwords {
    /// `None` without users.
    pub(super) fn new(users: &[BasicUser]) -> Option<Self> {
        if users.is_empty() {
            return None;
        }
        let mut secret = [0; 32];
        // Without randomness the digests are still not reversible, only comparable.
        if let Err(error) = getrandom::fill(&mut secret) {
            tracing::warn!(%error, "no randomness; remembered passwords have no key of their own");
        }
        let users = users
            .iter()
            .map(|user| User { name: user.user.as_str().into(), hash: user.hash.as_str().into() });
        Some(Self { users: users.collect(), secret, proven: Mutex::default() })
    }

    /// Whether the password is the user's.
    pub(super) async fn check(&self, basic: Basic) -> Judgement {
        let place = self.users.iter().position(|user| user.name.as_bytes() == basic.user());
        // Somebody's hash is checked in any case.
        let asked = place.unwrap_or(0);
        let digest = self.digest(&self.users[asked], &basic);
        if let Some(place) = place.filter(|_| self.is_proven(&digest)) {
            return Judgement::Right(Arc::clone(&self.users[place].name));
        }
        let Ok(_waiting) = WAITING.try_acquire() else {
            return Judgement::Busy;
        };
        let Ok(permit) = CHECKING.acquire().await else {
            return Judgement::Busy;
        };
        let users = Arc::clone(&self.users);
        let checked = tokio::task::spawn_blocking(move || {
            // The permit goes with the work, also when nobody waits for it any more.
            let _permit = permit;
            is_right(&users[asked].hash, basic.password())
        });
        match (checked.await, place) {
            (Ok(true), Some(place)) => {
                self.remember(digest);
                Judgement::Right(Arc::clone(&self.users[place].name))
            }
            _ => Judgement::Wrong,
        }
    }

    fn digest(&self, user: &User, basic: &Basic) -> [u8; 32] {
        // A hash is visible ASCII and a name has no colon, so the parts cannot run together.
        let parts = [&self.secret[..], user.hash.as_bytes(), b"\0", basic.pair()];
        parts.into_iter().fold(Sha3_256::new(), Sha3_256::chain_update).finalize().into()
    }

    fn is_proven(&self, digest: &[u8; 32]) -> bool {
        let proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        proven.get(digest).is_some_and(|until| Instant::now() < *until)
    }

    fn remember(&self, digest: [u8; 32]) {
        let now = Instant::now();
        let mut proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        if proven.len() >= PROVEN_MAX {
            proven.retain(|_, until| now < *until);
        }
        if proven.len() >= PROVEN_MAX
            && let Some(oldest) = proven.iter().min_by_key(|(_, until)| **until).map(|(d, _)| *d)
        {
            proven.remove(&oldest);
        }
        proven.insert(digest, now + PROVEN_FOR);
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("users", &self.users.len()).finish_non_exhaustive()
    }
}

/// Checks one password, slowly. A hash that cannot be read fits nothing.
fn is_right(hash: &str, password: &[u8]) -> bool {
    if hash.starts_with("$argon2") {
        return phc::PasswordHash::new(hash)
            .is_ok_and(|parsed| Argon2::default().verify_password(password, &parsed).is_ok());
    }
    bcrypt::verify(password, hash).unwrap_or(false)
}

/// Passwords checked at once, in the whole process: the other cores are for requests.
const CHECKING_MAX: usize = 2;
static CHECKING: Semaphore = Semaphore::const_new(CHECKING_MAX);
/// Passwords that are being checked or wait for it, in the whole process; more are told to come
/// back.
const WAITING_MAX: usize = 64;
static WAITING: Semaphore = Semaphore::const_new(WAITING_MAX);
/// Right passwords that are remembered, per service.
const PROVEN_MAX: usize = 1_024;
/// How long a right password is remembered.
const PROVEN_FOR: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn users(list: &[(&str, &str)]) -> Passwords {
        let list: Vec<BasicUser> = list
            .iter()
            .map(|(user, hash)| BasicUser {
                user: user.parse().expect("a name"),
                hash: hash.parse().expect("a hash"),
            })
            .collect();
        Passwords::new(&list).expect("users")
    }

    fn basic(pair: &str) -> Basic {
        use base64::Engine as _;
        let coded = base64::engine::general_purpose::STANDARD.encode(pair);
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Basic {coded}").parse().expect("a value"));
        Basic::of(&headers).expect("credentials")
    }

    #[tokio::test]
    async fn passwords_are_checked_and_remembered() {
        let bcrypt = bcrypt::hash("one", 4).expect("a hash");
        let users = users(&[("ann", &bcrypt), ("bob", ARGON)]);
        assert_eq!(users.check(basic("ann:one")).await, Judgement::Right("ann".into()));
        assert_eq!(users.check(basic("bob:two")).await, Judgement::Right("bob".into()));
        assert_eq!(users.proven.lock().expect("whole").len(), 2);
        assert_eq!(users.check(basic("ann:one")).await, Judgement::Right("ann".into()));
        for wrong in ["ann:two", "bob:one", "bob:", "eve:one", "Ann:one"] {
            assert_eq!(users.check(basic(wrong)).await, Judgement::Wrong, "{wrong}");
        }
        assert_eq!(users.proven.lock().expect("whole").len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded_and_ends() {
        let users = users(&[("ann", &bcrypt::hash("one", 4).expect("a hash"))]);
        for count in 0..(PROVEN_MAX + 10) {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&count.to_be_bytes());
            users.remember(digest);
        }
        assert_eq!(users.proven.lock().expect("whole").len(), PROVEN_MAX);
        let last = users.digest(&users.users[0], &basic("ann:one"));
        users.remember(last);
        assert!(users.is_proven(&last));
        tokio::time::advance(PROVEN_FOR).await;
        assert!(!users.is_proven(&last));
    }

    /// Of "two", made by the reference implementation.
    const ARGON: &str = "$argon2id$v=19$m=64,t=1,p=1$XfUlvhWukra9TQB3OUd1jQ$B8ZAiE4kQ/dXIPUxYylWXztpN2v0LCLrMsSAVRcJoK0";
}
