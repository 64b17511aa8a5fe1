//! Messages in bytes, looked at without decoding them.
//!
//! **Invariant:** nothing outside the message is read, and a look at it costs at most one step for
//! each of its bytes; what is not well formed ends the look.

use std::ops::Range;

use crate::reply::HEADER_BYTES;

/// The records of a message, in order.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    wire: &'a [u8],
    at: usize,
    left: [u16; 3],
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) section: Section,
    pub(crate) rtype: u16,
    /// Whether it is the root's.
    pub(crate) is_root: bool,
    /// Where its TTL stands.
    pub(crate) ttl: Range<usize>,
    pub(crate) data: Range<usize>,
}

/// A part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Answer,
    Authority,
    Additional,
}

impl<'a> Records<'a> {
    /// Those of a message with one question or none; `None` when it has more, or is too short.
    pub(crate) fn of(wire: &'a [u8]) -> Option<Self> {
        let counts = [number(wire, 6)?, number(wire, 8)?, number(wire, 10)?];
        let at = match number(wire, 4)? {
            0 => HEADER_BYTES,
            1 => name_end(wire, HEADER_BYTES)? + TYPE_AND_CLASS_BYTES,
            _ => return None,
        };
        Some(Self { wire, at, left: counts })
    }

    /// Whether all of them were read, and nothing follows.
    pub(crate) fn is_at_end(&self) -> bool {
        self.left == [0; 3] && self.at == self.wire.len()
    }

    fn read(&self, section: Section) -> Option<Found> {
        let head = name_end(self.wire, self.at)?;
        let rtype = number(self.wire, head)?;
        let ttl = head + TYPE_AND_CLASS_BYTES;
        let data = ttl + TTL_BYTES + LENGTH_BYTES;
        let length = usize::from(number(self.wire, ttl + TTL_BYTES)?);
        self.wire.get(data..data + length)?;
        let is_root = head == self.at + 1;
        let (ttl, data) = (ttl..ttl + TTL_BYTES, data..data + length);
        Some(Found { section, rtype, is_root, ttl, data })
    }
}

impl Iterator for Records<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        let index = self.left.iter().position(|left| *left > 0)?;
        let section = [Section::Answer, Section::Authority, Section::Additional][index];
        let found = self.read(section)?;
        self.left[index] -= 1;
        self.at = found.data.end;
        Some(found)
    }
}

/// The OPT record of a message that is well formed (RFC 6891 §6.1.2).
pub(crate) fn opt_of(wire: &[u8]) -> Option<Found> {
    let is_opt =
        |found: &Found| found.section == Section::Additional && found.rtype == OPT && found.is_root;
    Records::of(wire)?.find(is_opt)
}

/// For how many seconds an answer may be kept: its smallest TTL, and without records what the SOA
/// says (RFC 8484 §5.1). Zero when nothing says so.
pub(crate) fn lifetime_s(wire: &[u8]) -> u32 {
    let Some(records) = Records::of(wire) else {
        return 0;
    };
    let seconds = |at: Range<usize>| {
        let bytes = wire.get(at).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    };
    let (mut positive, mut negative) = (None::<u32>, 0);
    for found in records {
        let ttl = seconds(found.ttl.clone());
        match found.section {
            Section::Answer => positive = Some(positive.map_or(ttl, |before| before.min(ttl))),
            Section::Authority if found.rtype == SOA => {
                let minimum = found.data.end.saturating_sub(TTL_BYTES)..found.data.end;
                negative = ttl.min(seconds(minimum));
            }
            Section::Authority | Section::Additional => {}
        }
    }
    positive.unwrap_or(negative)
}

/// Where a name that begins at `start` ends.
fn name_end(wire: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        match *wire.get(at)? {
            0 => return Some(at + 1),
            pointer if pointer >= POINTER => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

fn number(wire: &[u8], at: usize) -> Option<u16> {
    let bytes = wire.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_be_bytes(bytes))
}

const TYPE_AND_CLASS_BYTES: usize = 4;
pub(crate) const TTL_BYTES: usize = 4;
pub(crate) const LENGTH_BYTES: usize = 2;
const POINTER: u8 = 0xc0;
const OPT: u16 = 41;
const SOA: u16 = 6;

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, Message, Query};
    use hickory_proto::rr::rdata::{A, SOA};
    use hickory_proto::rr::{Name, RData, Record, RecordType};

    use super::*;

    fn message() -> Message {
        let name = Name::from_ascii("www.example.com.").expect("valid");
        let mut message = Message::query();
        message.add_query(Query::query(name, RecordType::A));
        message
    }

    fn record(owner: &str, ttl: u32, data: RData) -> Record {
        Record::from_rdata(Name::from_ascii(owner).expect("valid"), ttl, data)
    }

    #[test]
    fn the_lifetime_is_the_shortest_of_what_counts() {
        let soa = |minimum| {
            let name = || Name::from_ascii("ns.example.com.").expect("valid");
            RData::SOA(SOA::new(name(), name(), 1, 2, 3, 4, minimum))
        };
        let lifetime = |message: &Message| lifetime_s(&message.to_vec().expect("encodes"));
        let mut answer = message();
        assert_eq!(lifetime(&answer), 0);
        answer.add_authority(record("example.com.", 300, soa(20)));
        answer.set_edns(Edns::new());
        assert_eq!(lifetime(&answer), 20);
        answer.authorities[0].ttl = 7;
        assert_eq!(lifetime(&answer), 7);
        answer.add_answer(record("www.example.com.", 90, RData::A(A::new(1, 2, 3, 4))));
        answer.add_answer(record("www.example.com.", 60, RData::A(A::new(1, 2, 3, 5))));
        assert_eq!(lifetime(&answer), 60);
    }

    #[test]
    fn every_record_is_found_and_a_cut_message_ends_the_look() {
        let mut answer = message();
        answer.add_answer(record("www.example.com.", 60, RData::A(A::new(1, 2, 3, 5))));
        answer.set_edns(Edns::new());
        let wire = answer.to_vec().expect("encodes");
        let mut records = Records::of(&wire).expect("well formed");
        assert_eq!(records.by_ref().count(), 2);
        assert!(records.is_at_end());
        assert!(opt_of(&wire).is_some_and(|opt| opt.data.end == wire.len()));
        let mut elsewhere = wire.clone();
        let owner = wire.len() - 11;
        elsewhere.splice(owner..=owner, *b"\x01a\0");
        assert_eq!(opt_of(&elsewhere), None, "not the root's");
        for length in 0..wire.len() {
            assert_eq!(opt_of(&wire[..length]), None, "{length}");
            let ended = Records::of(&wire[..length]).is_none_or(|mut all| {
                all.by_ref().for_each(drop);
                !all.is_at_end()
            });
            assert!(ended, "{length}");
        }
    }
}
