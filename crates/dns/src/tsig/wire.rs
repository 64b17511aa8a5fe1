//! The record TSIG in messages: found at their end, and put there.
//!
//! **Invariant:** any bytes are accepted. A record TSIG anywhere but at the end makes a message malformed.

use aws_lc_rs::hmac::Context;
use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::{Algorithm, FUDGE_S, Key, Told, wire_of};
use crate::key::AskedKey;
use crate::reply::HEADER_BYTES;

/// What stands at the end of a message.
pub(super) enum Found {
    Nothing,
    Malformed,
    Signed(Box<SignedRequest>),
}

/// A request with a signature, in parts.
pub(super) struct SignedRequest {
    pub(super) key: AskedKey,
    pub(super) algorithm: AskedKey,
    pub(super) time_s: u64,
    pub(super) fudge_s: u16,
    pub(super) code: Vec<u8>,
    /// Where the question ends, when there is exactly one.
    pub(super) question: Option<usize>,
    /// Where the record begins.
    at: usize,
    original_id: [u8; 2],
    error: u16,
    other: Vec<u8>,
}

impl SignedRequest {
    /// What a request's code is made of: the message as it was before it was signed, and the record's
    /// fields (RFC 8945 §4.3.3).
    pub(super) fn feed(&self, request: &[u8], context: &mut Context) {
        let records = u16::from_be_bytes([request[10], request[11]]);
        context.update(&self.original_id);
        context.update(&request[2..10]);
        context.update(&records.saturating_sub(1).to_be_bytes());
        context.update(request.get(HEADER_BYTES..self.at).unwrap_or_default());
        feed_name(self.key.as_slice(), context);
        context.update(&CLASS_AND_TTL);
        feed_name(self.algorithm.as_slice(), context);
        context.update(&self.time_s.to_be_bytes()[2..]);
        context.update(&self.fudge_s.to_be_bytes());
        context.update(&self.error.to_be_bytes());
        context.update(&length(&self.other));
        context.update(&self.other);
    }
}

#[cfg(test)]
impl SignedRequest {
    pub(super) fn error(&self) -> u16 {
        self.error
    }

    pub(super) fn other(&self) -> &[u8] {
        &self.other
    }
}

/// Looks for the record at the end of a message that is at least as long as its head.
pub(super) fn find(message: &[u8]) -> Found {
    let count = |at: usize| {
        let bytes = message.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
        usize::from(u16::from_be_bytes(bytes.unwrap_or_default()))
    };
    let (questions, records) = (count(4), count(6) + count(8) + count(10));
    if count(10) == 0 {
        return Found::Nothing;
    }
    let Some(Place { question, at, misplaced }) = last_record(message, questions, records) else {
        // The decoder says what is wrong.
        return Found::Nothing;
    };
    if misplaced {
        return Found::Malformed;
    }
    let Some(fields) = skip_name(message, at) else {
        return Found::Nothing;
    };
    match message.get(fields..fields + 2) {
        Some(rtype) if rtype == RTYPE => {}
        _ => return Found::Nothing,
    }
    match read(message, at, fields) {
        Some(mut signed) => {
            signed.question = question.filter(|_| questions == 1);
            Found::Signed(Box::new(signed))
        }
        None => Found::Malformed,
    }
}

/// Where the last of the records begins, and where the first question ends; `None` where there is no
/// such place. A signature before it is told by [`Place::misplaced`].
fn last_record(message: &[u8], questions: usize, records: usize) -> Option<Place> {
    let mut place = Place { question: None, at: HEADER_BYTES, misplaced: false };
    for _ in 0..questions {
        place.at = skip_name(message, place.at)? + QUESTION_FIELDS_BYTES;
        place.question = place.question.or(Some(place.at));
    }
    for _ in 1..records {
        let fields = skip_name(message, place.at)?;
        let head = message.get(fields..fields + RECORD_FIELDS_BYTES)?;
        place.misplaced |= head.starts_with(RTYPE);
        let length = head.last_chunk().copied().unwrap_or_default();
        place.at = fields + RECORD_FIELDS_BYTES + usize::from(u16::from_be_bytes(length));
    }
    (place.at < message.len()).then_some(place)
}

/// What walking over a message finds.
struct Place {
    question: Option<usize>,
    at: usize,
    /// There is a signature that is not at the end (RFC 8945 §5.1).
    misplaced: bool,
}

/// Where a name ends.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += usize::from(length) + 1,
            0xc0..=0xff => return Some(at + 2),
            _ => return None,
        }
    }
}

fn read(message: &[u8], at: usize, fields: usize) -> Option<SignedRequest> {
    let (class_and_ttl, rest) = message.get(fields + 2..)?.split_first_chunk::<6>()?;
    let (length, data) = rest.split_first_chunk::<2>()?;
    if *class_and_ttl != CLASS_AND_TTL || data.len() != usize::from(u16::from_be_bytes(*length)) {
        return None;
    }
    let data_at = message.len() - data.len();
    let after = skip_name(message, data_at)?;
    let (time, rest) = message.get(after..)?.split_first_chunk::<6>()?;
    let (fudge, rest) = rest.split_first_chunk::<2>()?;
    let (code, rest) = counted(rest)?;
    let (original_id, rest) = rest.split_first_chunk::<2>()?;
    let (error, rest) = rest.split_first_chunk::<2>()?;
    let (other, rest) = counted(rest)?;
    let [t0, t1, t2, t3, t4, t5] = *time;
    rest.is_empty().then_some(())?;
    Some(SignedRequest {
        key: name(message, at)?,
        algorithm: name(message, data_at)?,
        time_s: u64::from_be_bytes([0, 0, t0, t1, t2, t3, t4, t5]),
        fudge_s: u16::from_be_bytes(*fudge),
        code: code.to_vec(),
        question: None,
        at,
        original_id: *original_id,
        error: u16::from_be_bytes(*error),
        other: other.to_vec(),
    })
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn name(message: &[u8], at: usize) -> Option<AskedKey> {
    let mut decoder = BinDecoder::new(message).clone(u16::try_from(at).ok()?);
    Name::read(&mut decoder).ok().map(|name| AskedKey::of(&name))
}

/// The code of the message before.
pub(super) fn feed_code(code: &[u8], context: &mut Context) {
    context.update(&length(code));
    context.update(code);
}

/// The fields of the record, for the first message of a side.
pub(super) fn feed_variables(key: &Key, told: &Told, context: &mut Context) {
    feed_name(key.wire_name.as_slice(), context);
    context.update(&CLASS_AND_TTL);
    feed_name(wire_of(key.algorithm).as_slice(), context);
    feed_timers(told, context);
    context.update(&(told.error as u16).to_be_bytes());
    let other = other(told);
    context.update(&length(&other));
    context.update(&other);
}

/// The times of the record, all that is signed of it in later messages.
pub(super) fn feed_timers(told: &Told, context: &mut Context) {
    context.update(&told.time_s.to_be_bytes()[2..]);
    context.update(&FUDGE_S.to_be_bytes());
}

fn feed_name(key: &[u8], context: &mut Context) {
    context.update(key);
    context.update(&[0]);
}

/// Puts the record at the end of a message.
pub(super) fn append(
    message: &mut Vec<u8>,
    key: &[u8],
    algorithm: Algorithm,
    told: &Told,
    code: &[u8],
) {
    append_names(message, key, wire_of(algorithm).as_slice(), told, code);
}

/// The same with names as a request had them.
pub(super) fn append_raw(
    message: &mut Vec<u8>,
    key: &AskedKey,
    algorithm: &AskedKey,
    told: &Told,
    code: &[u8],
) {
    append_names(message, key.as_slice(), algorithm.as_slice(), told, code);
}

fn append_names(message: &mut Vec<u8>, key: &[u8], algorithm: &[u8], told: &Told, code: &[u8]) {
    let (id, other) = ([message[0], message[1]], other(told));
    message.extend_from_slice(key);
    message.push(0);
    message.extend_from_slice(RTYPE);
    message.extend_from_slice(&CLASS_AND_TTL);
    let mut data = algorithm.to_vec();
    data.push(0);
    data.extend_from_slice(&told.time_s.to_be_bytes()[2..]);
    data.extend_from_slice(&FUDGE_S.to_be_bytes());
    data.extend_from_slice(&length(code));
    data.extend_from_slice(code);
    data.extend_from_slice(&id);
    data.extend_from_slice(&(told.error as u16).to_be_bytes());
    data.extend_from_slice(&length(&other));
    data.extend_from_slice(&other);
    message.extend_from_slice(&length(&data));
    message.extend_from_slice(&data);
    let records = u16::from_be_bytes([message[10], message[11]]).saturating_add(1);
    message[10..HEADER_BYTES].copy_from_slice(&records.to_be_bytes());
}

fn other(told: &Told) -> Vec<u8> {
    told.server_s.map(|now_s| now_s.to_be_bytes()[2..].to_vec()).unwrap_or_default()
}

/// Invariant: codes, names and what else is measured here are far below 64 KiB.
fn length(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes()
}

/// How long the record is that a message with a right request gets.
pub(super) fn signature_bytes(key: &Key) -> usize {
    let names = key.wire_name.as_slice().len() + key.algorithm.as_str().len() + 3;
    // Times, lengths, the id and the error.
    names + RECORD_FIELDS_BYTES + 16 + key.code_bytes()
}

/// The head of a message.
pub(super) const HEAD_BYTES: usize = HEADER_BYTES;
/// Type and class.
const QUESTION_FIELDS_BYTES: usize = 4;
/// Type, class, TTL and the length of the data.
const RECORD_FIELDS_BYTES: usize = 10;
/// TSIG.
const RTYPE: &[u8] = &[0, 250];
/// ANY, and nothing.
const CLASS_AND_TTL: [u8; 6] = [0, 255, 0, 0, 0, 0];
