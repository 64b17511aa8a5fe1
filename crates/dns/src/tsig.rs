//! Signed messages (TSIG, RFC 8945): who may transfer and update is who holds a key.
//!
//! **Invariant:** a request with a signature is either answered with one, made with the same key, or with
//! an error that says what is wrong with its own. Codes are compared in constant time.

mod wire;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use conduit_core::record::name::RecordName;

use self::wire::{Found, SignedRequest};
use crate::key::NameKey;
use crate::reply::{Encoded, Outcome, bare};

/// What a key's code is made with; shorter ones are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
}

impl Algorithm {
    /// Its name, as in configurations and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::HmacSha256 => hmac::HMAC_SHA256,
            Self::HmacSha384 => hmac::HMAC_SHA384,
            Self::HmacSha512 => hmac::HMAC_SHA512,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        let all = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];
        let folded = text.to_ascii_lowercase();
        all.into_iter()
            .find(|algorithm| algorithm.as_str() == folded)
            .ok_or_else(|| UnknownAlgorithm(text.chars().take(40).collect()))
    }
}

/// Not an algorithm that keys can have here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be used; use hmac-sha256, hmac-sha384 or hmac-sha512 (MD5 and SHA-1 are too weak)"
)]
pub struct UnknownAlgorithm(String);

/// A shared key.
pub struct Key {
    name: RecordName,
    wire_name: NameKey,
    algorithm: Algorithm,
    code: hmac::Key,
}

impl Key {
    /// A key of this name; the secret is what its text in base 64 stands for.
    pub fn new(name: RecordName, algorithm: Algorithm, secret: &[u8]) -> Self {
        let wire_name = NameKey::of_record(&name);
        Self { name, wire_name, algorithm, code: hmac::Key::new(algorithm.hmac(), secret) }
    }

    /// What both sides call it.
    pub fn name(&self) -> &RecordName {
        &self.name
    }

    fn code_bytes(&self) -> usize {
        self.code.algorithm().tag_len()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {})", self.name, self.algorithm)
    }
}

/// What the signature of a request comes to.
#[derive(Debug)]
pub(crate) enum Checked {
    /// There is none.
    Unsigned,
    /// It cannot be read.
    Malformed,
    /// It is wrong; this is the reply.
    Refused(Encoded),
    /// It is right.
    Signed(Exchange),
}

/// Checks the signature of a request against the keys, at this time in seconds.
pub(crate) fn check<'a>(
    request: &[u8],
    mut keys: impl Iterator<Item = &'a Arc<Key>>,
    now_s: impl FnOnce() -> u64,
) -> Checked {
    let signed = match wire::find(request) {
        Found::Nothing => return Checked::Unsigned,
        Found::Malformed => return Checked::Malformed,
        Found::Signed(signed) => signed,
    };
    let now_s = now_s();
    let same = |key: &&Arc<Key>| {
        key.wire_name.as_slice() == signed.key.as_slice()
            && signed.algorithm.as_slice() == wire_of(key.algorithm).as_slice()
    };
    let Some(key) = keys.find(same) else {
        return Checked::Refused(unsigned_error(request, &signed, Error::Key, now_s));
    };
    let whole = key.code_bytes();
    // Half of it, and ten octets, are the least that says anything (RFC 8945 §5.2.2.1).
    if signed.code.len() > whole || signed.code.len() < CODE_BYTES_MIN.max(whole / 2) {
        return Checked::Malformed;
    }
    let mut context = hmac::Context::with_key(&key.code);
    signed.feed(request, &mut context);
    let tag = context.sign();
    let expected = tag.as_ref().get(..signed.code.len()).unwrap_or_default();
    if verify_slices_are_equal(expected, &signed.code).is_err() {
        return Checked::Refused(unsigned_error(request, &signed, Error::Signature, now_s));
    }
    let mut exchange = Exchange {
        key: Arc::clone(key),
        signed_at_s: signed.time_s,
        request_code: signed.code.clone(),
        previous: signed.code.clone(),
        is_first: true,
    };
    let error = if now_s.abs_diff(signed.time_s) > u64::from(signed.fudge_s.min(FUDGE_S)) {
        Error::Time
    } else if signed.code.len() < whole {
        Error::Truncation
    } else {
        return Checked::Signed(exchange);
    };
    let mut encoded = error_reply(request, &signed);
    let told = match error {
        // The client sees its own time and ours (RFC 8945 §5.2.3).
        Error::Time => Told { error, time_s: signed.time_s, server_s: Some(now_s) },
        _ => Told { error, time_s: now_s, server_s: None },
    };
    exchange.sign_as(&mut encoded.bytes, &told);
    Checked::Refused(encoded)
}

/// A signed request, whose replies are signed too.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    key: Arc<Key>,
    signed_at_s: u64,
    request_code: Vec<u8>,
    /// The code of the request, then that of the message before.
    previous: Vec<u8>,
    is_first: bool,
}

impl Exchange {
    /// Whose key it is.
    pub(crate) fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// When the client says that it signed.
    pub(crate) fn signed_at_s(&self) -> u64 {
        self.signed_at_s
    }

    /// What no two requests have alike.
    pub(crate) fn request_code(&self) -> &[u8] {
        &self.request_code
    }

    /// How much longer a signature makes a message.
    pub(crate) fn bytes(&self) -> usize {
        wire::signature_bytes(&self.key)
    }

    /// Signs the first message of an answer, or the next one of a stream (RFC 8945 §5.3).
    pub(crate) fn sign(&mut self, message: &mut Vec<u8>, now_s: u64) {
        self.sign_as(message, &Told { error: Error::None, time_s: now_s, server_s: None });
    }

    fn sign_as(&mut self, message: &mut Vec<u8>, told: &Told) {
        let mut context = hmac::Context::with_key(&self.key.code);
        wire::feed_code(&self.previous, &mut context);
        context.update(message);
        if self.is_first {
            wire::feed_variables(&self.key, told, &mut context);
        } else {
            wire::feed_timers(told, &mut context);
        }
        let code = context.sign();
        wire::append(
            message,
            self.key.wire_name.as_slice(),
            self.key.algorithm,
            told,
            code.as_ref(),
        );
        self.previous = code.as_ref().to_vec();
        self.is_first = false;
    }
}

/// Signs a request of ours, such as a NOTIFY; the answer can be checked with what comes back.
pub(crate) fn sign_request(key: &Arc<Key>, message: &mut Vec<u8>, now_s: u64) {
    let mut context = hmac::Context::with_key(&key.code);
    let told = Told { error: Error::None, time_s: now_s, server_s: None };
    context.update(message);
    wire::feed_variables(key, &told, &mut context);
    let code = context.sign();
    wire::append(message, key.wire_name.as_slice(), key.algorithm, &told, code.as_ref());
}

/// What a signature says besides the code.
#[derive(Debug, Clone, Copy)]
struct Told {
    error: Error,
    time_s: u64,
    /// Our time, when the client's is wrong.
    server_s: Option<u64>,
}

/// What is wrong with a signature (RFC 8945 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Error {
    None = 0,
    Signature = 16,
    Key = 17,
    Time = 18,
    Truncation = 22,
}

/// The request's head and question, with the code that says that it is not believed.
fn error_reply(request: &[u8], signed: &SignedRequest) -> Encoded {
    let id = u16::from_be_bytes([request[0], request[1]]);
    let mut encoded = bare(id, request[2], Outcome::NotAuth);
    if let Some(question) = signed.question.and_then(|end| request.get(wire::HEAD_BYTES..end)) {
        encoded.bytes.extend_from_slice(question);
        encoded.bytes[5] = 1;
    }
    encoded
}

/// Neither a wrong key nor a wrong code is answered with a signature (RFC 8945 §5.3.2).
fn unsigned_error(request: &[u8], signed: &SignedRequest, error: Error, now_s: u64) -> Encoded {
    let mut encoded = error_reply(request, signed);
    let told = Told { error, time_s: now_s, server_s: None };
    wire::append_raw(&mut encoded.bytes, &signed.key, &signed.algorithm, &told, &[]);
    encoded
}

/// The algorithm's name as a key.
fn wire_of(algorithm: Algorithm) -> NameKey {
    NameKey::of_text(algorithm.as_str())
}

/// How far the clocks of both sides may be apart (RFC 8945 §10).
pub(crate) const FUDGE_S: u16 = 300;
/// The least of a code that is worth comparing.
const CODE_BYTES_MIN: usize = 10;

#[cfg(test)]
mod tests;
