//! What is sent to a forwarder, and whether something that came back answers it.
//!
//! **Invariant:** only what repeats our id and our question, letter by letter, is an answer. Case
//! is the one thing that may differ, and then it is said so, for the caller to be careful.

use super::question::Question;
use crate::options::COOKIE;
use crate::padding;
use crate::reply::HEADER_BYTES;

/// A query in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    bytes: Vec<u8>,
    question_end: usize,
}

/// What makes a query hard to guess; new for each one, from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Chance {
    /// The message's id.
    pub(crate) id: u16,
    /// One bit for each letter of the name: whether it is upper case (the trick called 0x20).
    pub(crate) case: [u8; 32],
}

impl Chance {
    /// From the operating system.
    ///
    /// # Errors
    /// When it has none, which no Linux that runs says.
    pub(crate) fn draw() -> std::io::Result<Self> {
        let mut bytes = [0; 34];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        let [id0, id1, case @ ..] = bytes;
        Ok(Self { id: u16::from_be_bytes([id0, id1]), case })
    }

    /// The same without mixed case.
    pub(crate) fn in_lower_case(self) -> Self {
        Self { case: [0; 32], ..self }
    }
}

/// How well a message answers a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// Id and question are ours, in our case.
    Exact,
    /// They are, and the case is not ours: somebody folds it, or guesses.
    Folded,
    /// Another question, another id, or no answer at all.
    Stranger,
}

impl Query {
    /// Puts a question into bytes; with EDNS and a cookie, which may be empty, unless the server does not
    /// know EDNS.
    pub(crate) fn new(question: &Question, chance: &Chance, cookie: Option<&[u8]>) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + question.name().len() + 72);
        let [high, low] = chance.id.to_be_bytes();
        let checking = if question.checking_disabled() { CHECKING_DISABLED } else { 0 };
        let additionals = u8::from(cookie.is_some());
        bytes.extend_from_slice(&[high, low, RECURSION_DESIRED, checking]);
        bytes.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, additionals]);
        push_mixed(&mut bytes, question.name(), &chance.case);
        bytes.push(0);
        bytes.extend_from_slice(&u16::from(question.rtype()).to_be_bytes());
        bytes.extend_from_slice(&CLASS_IN);
        let question_end = bytes.len();
        match cookie {
            Some([]) => bytes.extend_from_slice(&opt(question.dnssec_ok(), 0)),
            Some(cookie) => {
                // Invariant: a cookie has at most 40 octets.
                let [high, low] = u16::try_from(cookie.len()).unwrap_or(0).to_be_bytes();
                bytes.extend_from_slice(&opt(question.dnssec_ok(), 4 + cookie.len()));
                let [code_high, code_low] = COOKIE.to_be_bytes();
                bytes.extend_from_slice(&[code_high, code_low, high, low]);
                bytes.extend_from_slice(cookie);
            }
            None => {}
        }
        Self { bytes, question_end }
    }

    /// The same in a length that many have, for who sees nothing else of it.
    pub(crate) fn padded(mut self) -> Self {
        padding::pad(&mut self.bytes, padding::QUERY_STEP_BYTES);
        self
    }

    /// What goes on the wire, without TCP's length.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether a message answers this query.
    pub(crate) fn likeness(&self, message: &[u8]) -> Likeness {
        let Some(&[id0, id1, bits, _, q0, q1]) = message.first_chunk() else {
            return Likeness::Stranger;
        };
        let is_answer = bits & OPCODE_AND_RESPONSE == RESPONSE;
        if [id0, id1] != self.bytes[..2] || !is_answer || [q0, q1] != [0, 1] {
            return Likeness::Stranger;
        }
        let ours = &self.bytes[HEADER_BYTES..self.question_end];
        match message.get(HEADER_BYTES..self.question_end) {
            Some(theirs) if theirs == ours => Likeness::Exact,
            // Folding touches lengths and types too: none of them is a letter's octet in both.
            Some(theirs) if is_same_folded(theirs, ours) => Likeness::Folded,
            _ => Likeness::Stranger,
        }
    }
}

/// Whether a question differs from ours in the case of its name alone.
fn is_same_folded(theirs: &[u8], ours: &[u8]) -> bool {
    let name_end = ours.len().saturating_sub(TYPE_AND_CLASS_BYTES);
    theirs[name_end..] == ours[name_end..] && {
        let mut at = 0;
        while at < name_end {
            let (Some(&length), Some(&other)) = (ours.get(at), theirs.get(at)) else {
                return false;
            };
            let label = at + 1..at + 1 + usize::from(length);
            let same = match (ours.get(label.clone()), theirs.get(label)) {
                (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
                _ => false,
            };
            if length != other || !same {
                return false;
            }
            at += 1 + usize::from(length);
        }
        true
    }
}

/// Whether a message was cut and should be asked for over TCP.
pub(crate) fn is_truncated(message: &[u8]) -> bool {
    message.get(2).is_some_and(|bits| bits & TRUNCATED != 0)
}

/// An OPT record: our size, whether signatures are wanted, and the length of the options behind it.
pub(crate) fn opt(dnssec_ok: bool, options_len: usize) -> [u8; OPT_BYTES] {
    // Invariant: options are a cookie and a reason, which are short.
    let [length_high, length_low] = u16::try_from(options_len).unwrap_or(0).to_be_bytes();
    let [high, low] = crate::reply::UDP_REPLY_BYTES_MAX.to_be_bytes();
    let flags = if dnssec_ok { 0x80 } else { 0 };
    [0, 0, 41, high, low, 0, 0, flags, 0, length_high, length_low]
}

fn push_mixed(bytes: &mut Vec<u8>, name: &[u8], case: &[u8; 32]) {
    let is_upper = |bit: usize| case.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1);
    let mut bit = 0;
    for label in crate::key::labels(name) {
        // Invariant: a label of a decoded name has at most 63 octets.
        bytes.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        for &octet in label {
            bytes.push(if is_upper(bit) { octet.to_ascii_uppercase() } else { octet });
            bit += 1;
        }
    }
}

/// The length of an OPT record without options.
pub(crate) const OPT_BYTES: usize = 11;
const CLASS_IN: [u8; 2] = [0, 1];
const TYPE_AND_CLASS_BYTES: usize = 4;
const RECURSION_DESIRED: u8 = 0x01;
const CHECKING_DISABLED: u8 = 0x10;
const TRUNCATED: u8 = 0x02;
const RESPONSE: u8 = 0x80;
const OPCODE_AND_RESPONSE: u8 = 0xf8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::tests::question;
    use hickory_proto::op::Message;

    #[test]
    fn a_query_is_what_others_can_read() {
        let chance = Chance { id: 0x4711, case: [0b0101_0101; 32] };
        let asked = question("www.Example.com.", "AAAA");
        let message = Message::from_vec(Query::new(&asked, &chance, Some(b"ourcooki")).as_slice());
        let message = message.expect("parses");
        assert_eq!(message.metadata.id, 0x4711);
        assert!(message.metadata.recursion_desired && !message.metadata.checking_disabled);
        assert_eq!(message.queries[0].name().to_ascii(), "WwW.eXaMpLe.CoM.");
        assert_eq!(message.edns.map(|edns| edns.max_payload()), Some(1232));
        let bytes = Query::new(&asked, &chance, Some(b"ourcooki"));
        assert!(bytes.as_slice().ends_with(b"\0\x0a\0\x08ourcooki"));
        let plain = Query::new(&asked, &chance.in_lower_case(), None);
        let message = Message::from_vec(plain.as_slice()).expect("parses");
        assert_eq!(message.queries[0].name().to_ascii(), "www.example.com.");
        assert!(message.edns.is_none());
    }

    #[test]
    fn only_our_own_question_is_an_answer() {
        let chance = Chance { id: 7, case: [0xff; 32] };
        let query = Query::new(&question("ab.example.", "A"), &chance, Some(&[]));
        let mut reply = query.as_slice().to_vec();
        reply[2] |= 0x80;
        assert_eq!(query.likeness(&reply), Likeness::Exact);
        let changed = |at: usize, to: u8| {
            let mut other = reply.clone();
            other[at] = to;
            query.likeness(&other)
        };
        assert_eq!(changed(13, b'a'), Likeness::Folded);
        for (at, to) in
            [(0, 1), (1, 9), (2, 1), (2, 0x90), (5, 0), (5, 2), (12, 3), (13, b'c'), (25, 28)]
        {
            assert_eq!(changed(at, to), Likeness::Stranger, "{at} {to}");
        }
        for length in 0..reply.len() - OPT_BYTES {
            assert_eq!(query.likeness(&reply[..length]), Likeness::Stranger, "{length}");
        }
        let root = Query::new(&Question::harmless(), &chance, None);
        let mut reply = root.as_slice().to_vec();
        reply[2] |= 0x80;
        assert_eq!(root.likeness(&reply), Likeness::Exact);
    }
}
