//! The sessions there are.
//!
//! **Invariant:** at most [`SESSIONS_MAX`], and of one holder [`SESSIONS_EACH_MAX`]; none is found
//! after [`SESSION_IDLE`] without a request, or [`SESSION_LIFETIME`] after its beginning.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::holder::Holder;
use super::secret;
use crate::limits::{SESSION_IDLE, SESSION_LIFETIME, SESSIONS_EACH_MAX, SESSIONS_MAX};

/// The sessions, by the hashes of their secrets.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<SessionId, Session>>,
}

/// Which session: the hash of its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId([u8; 32]);

impl SessionId {
    fn of(secret: &str) -> Self {
        Self(secret::hash(ID, secret))
    }
}

#[derive(Debug)]
struct Session {
    holder: Holder,
    ends: Instant,
    seen: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.ends || now.duration_since(self.seen) >= SESSION_IDLE
    }
}

/// A session that was just begun.
pub(crate) struct Opened {
    /// For the cookie; kept nowhere.
    pub(crate) secret: String,
    /// What the page has to repeat with each change.
    pub(crate) word: String,
    /// How long it lasts at most.
    pub(crate) left: Duration,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("left", &self.left).finish_non_exhaustive()
    }
}

/// A session that is not over.
pub(crate) struct Found {
    /// Which it is.
    pub(crate) id: SessionId,
    /// Whose it is.
    pub(crate) holder: Holder,
    /// What the page has to repeat with each change.
    pub(crate) word: String,
    /// How long it lasts at most.
    pub(crate) left: Duration,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("holder", &self.holder).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Begins a session; when there are too many, the one that was idle for longest is over.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn open(&self, holder: Holder, now: Instant) -> Result<Opened, getrandom::Error> {
        let secret = secret::random::<SECRET_BYTES>()?;
        let mut open = self.lock();
        open.retain(|_, session| !session.is_over(now));
        let of_holder = |session: &Session| session.holder.is_same(&holder);
        make_room(&mut open, SESSIONS_EACH_MAX, of_holder);
        make_room(&mut open, SESSIONS_MAX, |_| true);
        let session = Session { holder, ends: now + SESSION_LIFETIME, seen: now };
        open.insert(SessionId::of(&secret), session);
        Ok(Opened { word: word_of(&secret), secret, left: SESSION_LIFETIME })
    }

    /// The session with a secret, which is not idle any more.
    pub(crate) fn find(&self, secret: &str, now: Instant) -> Option<Found> {
        let id = SessionId::of(secret);
        let mut open = self.lock();
        let session = open.get_mut(&id)?;
        if session.is_over(now) {
            open.remove(&id);
            return None;
        }
        session.seen = now;
        let left = session.ends.duration_since(now);
        Some(Found { id, holder: session.holder.clone(), word: word_of(secret), left })
    }

    /// Whose a session is, unless it is over.
    pub(crate) fn holder(&self, id: &SessionId, now: Instant) -> Option<Holder> {
        let open = self.lock();
        open.get(id).filter(|session| !session.is_over(now)).map(|session| session.holder.clone())
    }

    /// Ends the session with a secret.
    pub(crate) fn end(&self, secret: &str) -> Option<Holder> {
        self.lock().remove(&SessionId::of(secret)).map(|session| session.holder)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends what was idle for longest, until there is room for one more of those that count.
fn make_room(
    open: &mut HashMap<SessionId, Session>,
    max: usize,
    counts: impl Fn(&Session) -> bool,
) {
    loop {
        let counted = open.iter().filter(|(_, session)| counts(session));
        if counted.clone().count() < max {
            return;
        }
        let Some(idle) = counted.min_by_key(|(_, session)| session.seen).map(|(id, _)| *id) else {
            return;
        };
        open.remove(&idle);
    }
}

/// The session's word: the page has it, and it does not tell the secret.
fn word_of(secret: &str) -> String {
    hex::encode(secret::hash(WORD, secret))
}

/// Bytes of chance in a session's secret.
pub(crate) const SECRET_BYTES: usize = 32;
const ID: &str = "conduit session";
const WORD: &str = "conduit session csrf";

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(id: &str) -> Holder {
        Holder::Token { id: id.into(), name: id.into() }
    }

    fn open(sessions: &Sessions, id: &str, now: Instant) -> Opened {
        sessions.open(holder(id), now).expect("chance")
    }

    #[test]
    fn a_session_is_found_by_its_secret_until_it_is_ended() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let one = open(&sessions, "a", now);
        let other = open(&sessions, "a", now);
        assert!(one.secret != other.secret && one.word != other.word && one.word != one.secret);
        let found = sessions.find(&one.secret, now).expect("there");
        assert_eq!((found.holder, found.word), (holder("a"), one.word.clone()));
        assert!(sessions.find(&one.word, now).is_none());
        assert!(sessions.find("", now).is_none());
        assert_eq!(sessions.end(&one.secret), Some(holder("a")));
        assert_eq!(sessions.end(&one.secret), None);
        assert!(sessions.find(&one.secret, now).is_none());
        assert!(sessions.find(&other.secret, now).is_some());
        let kept =
            format!("{sessions:?} {one:?} {found:?}", found = sessions.find(&other.secret, now));
        assert!(!kept.contains(&one.secret) && !kept.contains(&other.secret));
    }

    #[test]
    fn it_ends_when_idle_and_in_any_case() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let idle = open(&sessions, "a", start).secret;
        assert!(sessions.find(&idle, start + SESSION_IDLE).is_none());
        let busy = open(&sessions, "a", start).secret;
        let step = SESSION_IDLE - Duration::from_secs(1);
        let mut now = start + step;
        while now < start + SESSION_LIFETIME {
            let found = sessions.find(&busy, now).expect("in use");
            assert_eq!(found.left, start + SESSION_LIFETIME - now);
            now += step;
        }
        assert!(sessions.find(&busy, start + SESSION_LIFETIME).is_none());
    }

    #[test]
    fn there_is_room_for_so_many_and_the_idlest_go_first() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let at =
            |seconds: usize| start + Duration::from_millis(u64::try_from(seconds).expect("few"));
        let mine: Vec<String> =
            (0..SESSIONS_EACH_MAX).map(|n| open(&sessions, "me", at(n)).secret).collect();
        assert!(sessions.find(&mine[0], at(100)).is_some(), "not idle any more");
        let last = open(&sessions, "me", at(101)).secret;
        assert!(sessions.find(&mine[1], at(102)).is_none(), "the idlest");
        for kept in [&mine[0], &mine[2], &last] {
            assert!(sessions.find(kept, at(103)).is_some());
        }
        for n in 0..SESSIONS_MAX {
            open(&sessions, &format!("other-{n}"), at(200 + n));
        }
        assert_eq!(sessions.lock().len(), SESSIONS_MAX);
        assert!(sessions.find(&last, at(5_000)).is_none());
    }
}
