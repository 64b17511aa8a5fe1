//! EDNS options: those of messages that come, and those of replies.
//!
//! **Invariant:** reading is total and takes no memory. A reply has the options that its request asked
//! for, or none.

use std::time::Duration;

use hickory_proto::rr::rdata::opt::EdnsOption;

use crate::cookie::Cookie;
use crate::wire;

/// What a reply's OPT record carries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Seldom there, so it takes no room in those that have none.
    pub(crate) cookie: Option<Box<Cookie>>,
    pub(crate) reason: Option<Reason>,
    /// How long a connection is kept, to a client that asks (RFC 7828).
    pub(crate) keepalive: Option<Keepalive>,
}

/// How long a connection is kept without any question, in tenths of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keepalive(u16);

impl Keepalive {
    pub(crate) fn of(time: Duration) -> Self {
        Self(u16::try_from(time.as_millis() / 100).unwrap_or(u16::MAX))
    }
}

/// Why a reply is as it is (RFC 8914).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A zone is signed with an algorithm that cannot be verified.
    AlgorithmUnsupported = 1,
    /// Its keys are vouched for in a way that cannot be.
    DigestUnsupported = 2,
    /// An answer that is past its time.
    Stale = 3,
    /// What the owner signed is something else.
    Bogus = 6,
    /// The owner's signature has ended.
    SignatureExpired = 7,
    /// It begins later.
    SignatureNotYetValid = 8,
    /// No key fits.
    KeyMissing = 9,
    /// There is no signature where there should be one.
    SignaturesMissing = 10,
    /// There is no proof that something does not exist.
    ProofMissing = 12,
    /// Addresses of the inside were left out.
    Blocked = 15,
    /// The client may not ask that.
    Prohibited = 18,
    /// The absence that it tells of is past its time.
    StaleAbsence = 19,
    /// It is no name of ours, and we ask nobody.
    NotAuthoritative = 20,
    /// Nobody answered.
    Unreachable = 22,
    /// Proofs hash names more often than is computed.
    Iterations = 27,
}

impl Options {
    /// What they take in an OPT record.
    pub(crate) fn len(&self) -> usize {
        let cookie = self.cookie.as_ref().map_or(0, |cookie| OPTION_HEAD_BYTES + cookie.len());
        let reason = self.reason.map_or(0, |_| OPTION_HEAD_BYTES + 2);
        let keepalive = self.keepalive.map_or(0, |_| OPTION_HEAD_BYTES + 2);
        cookie + reason + keepalive
    }

    /// Writes them behind an OPT record's length.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        for option in self.iter() {
            let EdnsOption::Unknown(code, data) = option else { continue };
            bytes.extend_from_slice(&code.to_be_bytes());
            // Invariant: at most 24 octets.
            bytes.extend_from_slice(&u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
            bytes.extend_from_slice(&data);
        }
    }

    /// As the library has them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = EdnsOption> {
        let cookie =
            self.cookie.as_ref().map(|cookie| EdnsOption::Unknown(COOKIE, cookie.to_vec()));
        let reason = self.reason.map(|reason| {
            EdnsOption::Unknown(EXTENDED_ERROR, (reason as u16).to_be_bytes().to_vec())
        });
        let keepalive = self
            .keepalive
            .map(|Keepalive(tenths)| EdnsOption::Unknown(KEEPALIVE, tenths.to_be_bytes().to_vec()));
        cookie.into_iter().chain(keepalive).chain(reason)
    }
}

/// A message's OPT record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opt<'a> {
    /// The upper bits of the message's code.
    pub(crate) code_high: u8,
    /// Its options.
    pub(crate) data: &'a [u8],
}

/// The OPT record of a message; `None` without one, or when it cannot be found.
pub(crate) fn opt_of(message: &[u8]) -> Option<Opt<'_>> {
    let found = wire::opt_of(message)?;
    // They stand where others have their TTL (RFC 6891 §6.1.3).
    Some(Opt { code_high: *message.get(found.ttl.start)?, data: message.get(found.data)? })
}

/// The first option of this kind in an OPT record's data.
///
/// # Errors
/// When the options do not end where the data does (RFC 6891 §6.1.2).
pub(crate) fn find(data: &[u8], wanted: u16) -> Result<Option<&[u8]>, Overrun> {
    let mut found = None;
    let mut rest = data;
    while !rest.is_empty() {
        let ([c0, c1, l0, l1], behind) = rest.split_first_chunk().ok_or(Overrun)?;
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let (data, behind) = behind.split_at_checked(length).ok_or(Overrun)?;
        if u16::from_be_bytes([*c0, *c1]) == wanted {
            found.get_or_insert(data);
        }
        rest = behind;
    }
    Ok(found)
}

/// Options that run over their record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overrun;

/// The option of cookies.
pub(crate) const COOKIE: u16 = 10;
/// The option of connections that are kept.
pub(crate) const KEEPALIVE: u16 = 11;
/// The option of extended errors (RFC 8914).
pub(crate) const EXTENDED_ERROR: u16 = 15;
/// Code and length.
pub(crate) const OPTION_HEAD_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_or_refused() {
        let two = b"\0\x03\0\0\0\x0a\0\x02hi\0\x0a\0\x01x";
        assert_eq!(find(two, COOKIE), Ok(Some(&b"hi"[..])));
        assert_eq!(find(two, 7), Ok(None));
        assert_eq!(find(b"", 7), Ok(None));
        for wrong in [&b"\0"[..], b"\0\x0a\0", b"\0\x0a\0\x03hi", b"\0\x03\0\0\0"] {
            assert_eq!(find(wrong, COOKIE), Err(Overrun), "{wrong:?}");
        }
    }
}
