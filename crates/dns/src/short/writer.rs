//! A reply, written into given room.
//!
//! **Invariant:** nothing is written beyond the limit of the question or the room: what does not fit gives
//! `None`, and the reply is made elsewhere.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{Name, RecordType};

use super::Written;
use super::question::{DNSSEC_OK, Question};
use crate::answer::{NEGATIVE_TTL_S, RrSet};
use crate::automatic::HINTS_MAX;
use crate::reply::{HEADER_BYTES, Outcome, UDP_REPLY_BYTES_MAX};
use crate::views::Addresses as Hints;
use crate::zone::Start;

/// The reply so far.
pub(super) struct Writer<'a> {
    room: &'a mut [u8],
    at: usize,
    answers: u8,
    authorities: u8,
    additionals: u8,
    name_bytes: usize,
    edns_flags: Option<u8>,
    is_whole: bool,
}

impl<'a> Writer<'a> {
    /// Begins with the header and the question, in the case it was asked.
    pub(super) fn new(
        room: &'a mut [u8],
        question: &Question<'_>,
        recursion_available: bool,
    ) -> Self {
        let limit = question.limit.min(room.len());
        let mut writer = Self {
            room: room.get_mut(..limit).unwrap_or_default(),
            at: 0,
            answers: 0,
            authorities: 0,
            additionals: 0,
            name_bytes: question.key().len() + 1,
            edns_flags: question.edns.map(|edns| if edns.0 { DNSSEC_OK } else { 0 }),
            is_whole: false,
        };
        let begun = writer.put(question.bytes());
        if begun.is_some() {
            writer.room[2] = RESPONSE | AUTHORITATIVE | (writer.room[2] & RECURSION_DESIRED);
            let available = if recursion_available { RECURSION_AVAILABLE } else { 0 };
            writer.room[3] = available | (writer.room[3] & CHECKING_DISABLED);
        }
        writer.is_whole = begun.is_some();
        writer
    }

    /// Addresses of the name that was asked for.
    pub(super) fn addresses(&mut self, set: RrSet<'_>, ttl_s: u32) -> Option<()> {
        let before = self.answers;
        let count = self.all(set, ttl_s)?;
        self.answers = before.checked_add(count)?;
        Some(())
    }

    /// The same beside the answer.
    pub(super) fn beside(&mut self, set: RrSet<'_>, ttl_s: u32) -> Option<()> {
        let count = self.all(set, ttl_s)?;
        self.additionals = self.additionals.checked_add(count)?;
        Some(())
    }

    fn all(&mut self, set: RrSet<'_>, ttl_s: u32) -> Option<u8> {
        match set {
            RrSet::A(all) => {
                for address in all {
                    self.record(RecordType::A, ttl_s, &address.octets())?;
                }
                u8::try_from(all.len()).ok()
            }
            RrSet::Aaaa(all) => {
                for address in all {
                    self.record(RecordType::AAAA, ttl_s, &address.octets())?;
                }
                u8::try_from(all.len()).ok()
            }
            _ => None,
        }
    }

    /// One record of the name that was asked for.
    pub(super) fn answer(&mut self, rtype: RecordType, ttl_s: u32, data: &[u8]) -> Option<()> {
        self.record(rtype, ttl_s, data)?;
        self.answers = self.answers.checked_add(1)?;
        Some(())
    }

    /// The HTTPS record of the name that was asked for; `params` are behind its target, which is not
    /// compressed (RFC 9460 §2.2), and hints behind those.
    pub(super) fn site(
        &mut self,
        ttl_s: u32,
        params: &[u8],
        hints: Option<Hints<'_>>,
    ) -> Option<()> {
        self.head(RecordType::HTTPS, ttl_s, 0)?;
        let begin = self.at;
        self.put(&SERVICE_MODE)?;
        let to = self.at.checked_add(self.name_bytes)?;
        if to > self.room.len() {
            return None;
        }
        self.room.copy_within(HEADER_BYTES..HEADER_BYTES + self.name_bytes, self.at);
        self.at = to;
        self.put(params)?;
        if let Some(Hints { v4, v6 }) = hints {
            self.hint(IPV4_HINT, v4.iter().map(Ipv4Addr::octets))?;
            self.hint(IPV6_HINT, v6.iter().map(Ipv6Addr::octets))?;
        }
        let length = u16::try_from(self.at - begin).ok()?;
        self.room.get_mut(begin - 2..begin)?.copy_from_slice(&length.to_be_bytes());
        self.answers = self.answers.checked_add(1)?;
        Some(())
    }

    fn hint<const N: usize>(
        &mut self,
        key: u8,
        addresses: impl ExactSizeIterator<Item = [u8; N]>,
    ) -> Option<()> {
        let count = addresses.len().min(HINTS_MAX);
        if count == 0 {
            return Some(());
        }
        self.put(&[0, key, 0, u8::try_from(count * N).ok()?])?;
        addresses.take(count).try_for_each(|address| self.put(&address))
    }

    /// The SOA record of the domain whose name stands at `at`; the label before it stands at `before`.
    pub(super) fn start(
        &mut self,
        numbers: [u32; 5],
        start: &Start,
        at: usize,
        before: Option<usize>,
    ) -> Option<()> {
        self.put(&pointer(at)?)?;
        self.put(&u16::from(RecordType::SOA).to_be_bytes())?;
        self.put(&CLASS_IN)?;
        self.put(&NEGATIVE_TTL_S.to_be_bytes())?;
        let length_at = self.at;
        self.put(&[0, 0])?;
        self.near(&start.nameserver, at, before)?;
        self.near(&start.contact, at, before)?;
        for number in numbers {
            self.put(&number.to_be_bytes())?;
        }
        let length = u16::try_from(self.at - length_at - 2).ok()?;
        self.room.get_mut(length_at..length_at + 2)?.copy_from_slice(&length.to_be_bytes());
        self.authorities = 1;
        Some(())
    }

    /// A name right below the domain at `at`, or the domain itself.
    fn near(&mut self, name: &Name, at: usize, before: Option<usize>) -> Option<()> {
        let below = usize::from(name.num_labels()) - labels_at(self.room, at)?;
        if below == 0 {
            return self.put(&pointer(at)?);
        }
        let label = name.iter().next()?;
        let known = before.filter(|before| self.room.get(before + 1..at) == Some(label));
        if let Some(known) = known {
            return self.put(&pointer(known)?);
        }
        self.put(&[u8::try_from(label.len()).ok()?])?;
        self.put(label)?;
        self.put(&pointer(at)?)
    }

    /// Ends the reply.
    pub(super) fn finish(mut self, outcome: Outcome) -> Option<Written> {
        if let Some(flags) = self.edns_flags {
            let [high, low] = UDP_REPLY_BYTES_MAX.to_be_bytes();
            self.put(&[0, 0, OPT, high, low, 0, 0, flags, 0, 0, 0])?;
            self.additionals = self.additionals.checked_add(1)?;
        }
        if !self.is_whole {
            return None;
        }
        self.room[3] |= outcome.code().low();
        self.room[6..HEADER_BYTES].copy_from_slice(&[
            0,
            self.answers,
            0,
            self.authorities,
            0,
            self.additionals,
        ]);
        Some(Written { len: self.at, outcome })
    }

    fn record(&mut self, rtype: RecordType, ttl_s: u32, data: &[u8]) -> Option<()> {
        self.head(rtype, ttl_s, u16::try_from(data.len()).ok()?)?;
        self.put(data)
    }

    /// What stands before the data of a record of the name that was asked for.
    fn head(&mut self, rtype: RecordType, ttl_s: u32, length: u16) -> Option<()> {
        let [kind_high, kind_low] = u16::from(rtype).to_be_bytes();
        let [a, b, c, d] = ttl_s.to_be_bytes();
        let [high, low] = length.to_be_bytes();
        let [name_high, name_low] = QUESTION;
        self.put(&[name_high, name_low, kind_high, kind_low, 0, 1, a, b, c, d, high, low])
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at + bytes.len();
        self.room.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }
}

/// How many labels the name at `at` has, which is not compressed.
fn labels_at(bytes: &[u8], at: usize) -> Option<usize> {
    let (mut at, mut labels) = (at, 0);
    loop {
        match bytes.get(at)? {
            0 => return Some(labels),
            length => at += 1 + usize::from(*length),
        }
        labels += 1;
    }
}

/// What stands for a name that was written before (RFC 1035 §4.1.4).
fn pointer(at: usize) -> Option<[u8; 2]> {
    let at = u16::try_from(at).ok().filter(|at| *at < POINTER)?;
    Some((POINTER | at).to_be_bytes())
}

const RESPONSE: u8 = 0x80;
const AUTHORITATIVE: u8 = 0x04;
const RECURSION_DESIRED: u8 = 0x01;
const RECURSION_AVAILABLE: u8 = 0x80;
const CHECKING_DISABLED: u8 = 0x10;
const CLASS_IN: [u8; 2] = [0, 1];
const OPT: u8 = 41;
/// The keys of hints (RFC 9460 §14.3.2).
const IPV4_HINT: u8 = 4;
const IPV6_HINT: u8 = 6;
/// The two bits that mark a pointer.
const POINTER: u16 = 0xc000;
/// A pointer to the name of the question.
const QUESTION: [u8; 2] = [0xc0, 12];
/// The priority of a record that says how, rather than where (RFC 9460 §2.4.1).
const SERVICE_MODE: [u8; 2] = [0, 1];
