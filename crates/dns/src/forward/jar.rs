//! Cookies that a forwarder is shown, and shows (RFC 7873 §5.3).
//!
//! Whoever answers in a forwarder's place has to know the cookie that it was shown, beside port, id and case.
//!
//! **Invariant:** one cookie of each side, of bounded length. What we show one forwarder, no other one sees.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cookie::{CLIENT_BYTES, SERVER_BYTES_BOUNDS};
use crate::options::{COOKIE, Opt, find, opt_of};

/// What one forwarder is shown.
#[derive(Debug, Default)]
pub(crate) struct Jar(Mutex<Option<Kept>>);

#[derive(Debug)]
struct Kept {
    own: [u8; CLIENT_BYTES],
    /// Theirs; empty until they give one.
    theirs: Vec<u8>,
}

/// How an answer and its cookie look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taste {
    /// As it should, or as from a server that knows no cookies.
    Good,
    /// The server wants to be asked again, with the cookie that it gave (RFC 7873 §5.3).
    Renewed,
    /// Without a cookie from a server that has given one.
    Missing,
    /// With another cookie than ours: it is no answer to us.
    Foreign,
}

impl Jar {
    /// What to show; nothing when the system has no random numbers.
    pub(crate) fn cookie(&self) -> Vec<u8> {
        let mut jar = self.kept();
        if jar.is_none() {
            let mut own = [0; CLIENT_BYTES];
            *jar = getrandom::fill(&mut own).ok().map(|()| Kept { own, theirs: Vec::new() });
        }
        jar.as_ref().map(|kept| [kept.own.as_slice(), &kept.theirs].concat()).unwrap_or_default()
    }

    /// Looks at an answer to what was sent with `shown`, and keeps the cookie that comes with it.
    pub(crate) fn taste(&self, answer: &[u8], shown: &[u8]) -> Taste {
        let Some((own, before)) = shown.split_first_chunk::<CLIENT_BYTES>() else {
            return Taste::Good;
        };
        let opt = opt_of(answer);
        let Ok(cookie) = opt.map_or(Ok(None), |opt| find(opt.data, COOKIE)) else {
            return Taste::Foreign;
        };
        let Some((opt, cookie)) = opt.zip(cookie) else {
            return if before.is_empty() { Taste::Good } else { Taste::Missing };
        };
        match cookie.split_first_chunk::<CLIENT_BYTES>() {
            Some((echo, [])) if echo == own => Taste::Good,
            Some((echo, theirs)) if echo == own && SERVER_BYTES_BOUNDS.contains(&theirs.len()) => {
                if let Some(kept) = self.kept().as_mut() {
                    kept.theirs = theirs.to_vec();
                }
                if is_bad_cookie(answer, opt) { Taste::Renewed } else { Taste::Good }
            }
            _ => Taste::Foreign,
        }
    }

    /// The server has shown over TCP that it knows no cookies any more.
    pub(crate) fn forget(&self) {
        if let Some(kept) = self.kept().as_mut() {
            kept.theirs.clear();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// BADCOOKIE is 23: its low four bits are in the header, and the others in the OPT record.
fn is_bad_cookie(answer: &[u8], opt: Opt<'_>) -> bool {
    let low = answer.get(3).map_or(0, |bits| bits & 0x0f);
    (opt.code_high, low) == (1, 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::query::{Chance, Query};
    use crate::forward::tests::question;

    /// An answer with this code and cookie.
    fn answer(code: u16, cookie: &[u8]) -> Vec<u8> {
        let asked = question("a.example.", "A");
        let mut bytes = Query::new(&asked, &Chance::default(), Some(cookie)).as_slice().to_vec();
        bytes[2] |= 0x80;
        bytes[3] |= (code & 0x0f) as u8;
        let opt = bytes.len() - cookie.len() - if cookie.is_empty() { 11 } else { 15 };
        bytes[opt + 5] = (code >> 4) as u8;
        bytes
    }

    #[test]
    fn what_a_server_gives_is_shown_to_it_and_what_is_not_ours_is_foreign() {
        let jar = Jar::default();
        let shown = jar.cookie();
        assert_eq!((shown.len(), jar.cookie()), (8, shown.clone()), "the same each time");
        let with = |theirs: &[u8]| answer(0, &[&shown[..8], theirs].concat());
        assert_eq!(jar.taste(&answer(0, b""), &shown), Taste::Good, "it knows no cookies");
        assert_eq!(jar.taste(&with(b""), &shown), Taste::Good);
        for wrong in [&b"notmine!12345678"[..], b"notmine!", b"short"] {
            assert_eq!(jar.taste(&answer(0, wrong), &shown), Taste::Foreign);
        }
        assert_eq!(jar.taste(&with(b"1234567"), &shown), Taste::Foreign, "too short");
        assert_eq!(jar.taste(&with(&[7; 33]), &shown), Taste::Foreign, "too long");
        assert_eq!(jar.cookie(), shown, "nothing kept so far");
        assert_eq!(jar.taste(&with(b"12345678"), &shown), Taste::Good);
        let next = jar.cookie();
        assert_eq!(next[8..], *b"12345678");
        assert_eq!(jar.taste(&answer(0, b""), &next), Taste::Missing);
        let renewed = answer(23, &[&shown[..8], b"87654321"].concat());
        assert_eq!(jar.taste(&renewed, &next), Taste::Renewed);
        assert_eq!(jar.cookie()[8..], *b"87654321");
        jar.forget();
        assert_eq!(jar.cookie(), shown);
        assert_ne!(Jar::default().cookie(), shown, "another server sees another one");
    }
}
