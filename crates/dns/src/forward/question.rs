//! A question that is not about our names, as the key of everything that is kept about it.
//!
//! **Invariant:** two questions that may have the same answer have the same key: the name is
//! folded, and the flags are those that change what a forwarder says. The class is always IN.

use hickory_proto::rr::{Name, RecordType};

use crate::key::AskedKey;
use crate::reply::Pending;
use crate::short::question::Question as Plain;

/// One question, as its key: flags, type, name. It is on the stack; tables own theirs as boxes of
/// the same bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    bytes: [u8; KEY_BYTES_MAX],
    len: usize,
}

impl Question {
    /// What a client asked.
    pub(crate) fn of(pending: &Pending) -> Self {
        let dnssec_ok = pending.edns.is_some_and(|edns| edns.0);
        let flags = flags(dnssec_ok, pending.metadata.checking_disabled);
        let name = AskedKey::of(pending.asked().name());
        Self::new(flags, pending.asked().query_type(), name.as_slice())
    }

    /// The same of a plain question.
    pub(crate) fn of_plain(plain: &Plain<'_>) -> Self {
        let dnssec_ok = plain.edns.is_some_and(|edns| edns.0);
        Self::new(flags(dnssec_ok, plain.checking_disabled()), plain.rtype, plain.key())
    }

    /// A question as most clients ask it, without any flags.
    pub(crate) fn plain(name: &Name, rtype: RecordType) -> Self {
        Self::new(0, rtype, AskedKey::of(name).as_slice())
    }

    /// A question that tells nothing about who asks: the root's name servers.
    pub(crate) fn harmless() -> Self {
        Self::new(0, RecordType::NS, &[])
    }

    /// A question about a folded name whose answer is to be judged: with signatures, and whatever the server
    /// thinks of them (RFC 6840 §5.9).
    pub(crate) fn to_judge(name: &[u8], rtype: RecordType) -> Self {
        Self::new(DNSSEC_OK | CHECKING_DISABLED, rtype, name)
    }

    /// Whether what is said will be judged, here or by the client.
    pub(crate) fn is_to_judge(&self) -> bool {
        self.dnssec_ok() && self.checking_disabled()
    }

    fn new(flags: u8, rtype: RecordType, name: &[u8]) -> Self {
        let mut question = Self { bytes: [0; KEY_BYTES_MAX], len: HEAD_BYTES + name.len() };
        let [high, low] = u16::from(rtype).to_be_bytes();
        question.bytes[..HEAD_BYTES].copy_from_slice(&[flags, high, low]);
        question.bytes[HEAD_BYTES..question.len].copy_from_slice(name);
        question
    }

    /// The name's labels, folded, without the root.
    pub(crate) fn name(&self) -> &[u8] {
        name_in(self.key())
    }

    /// What is asked for.
    pub(crate) fn rtype(&self) -> RecordType {
        RecordType::from(u16::from_be_bytes([self.bytes[1], self.bytes[2]]))
    }

    /// Whether signatures are wanted.
    pub(crate) fn dnssec_ok(&self) -> bool {
        self.bytes[0] & DNSSEC_OK != 0
    }

    /// Whether the client checks signatures itself.
    pub(crate) fn checking_disabled(&self) -> bool {
        self.bytes[0] & CHECKING_DISABLED != 0
    }

    /// The key's bytes.
    pub(crate) fn key(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn flags(dnssec_ok: bool, checking_disabled: bool) -> u8 {
    (u8::from(dnssec_ok) * DNSSEC_OK) | (u8::from(checking_disabled) * CHECKING_DISABLED)
}

/// The name in a key's bytes.
pub(crate) fn name_in(key: &[u8]) -> &[u8] {
    key.get(HEAD_BYTES..).unwrap_or_default()
}

const DNSSEC_OK: u8 = 1;
const CHECKING_DISABLED: u8 = 2;
/// Flags and type.
const HEAD_BYTES: usize = 3;
/// With the longest name.
const KEY_BYTES_MAX: usize = HEAD_BYTES + 255;
