//! A question that is not about our names, as the key of everything that is kept about it.
//!
//! **Invariant:** two questions that may have the same answer have the same key: the name is
//! folded, and the flags are those that change what a forwarder says. The class is always IN.

use hickory_proto::rr::RecordType;

use crate::key::AskedKey;
use crate::reply::Pending;

/// One question; small, and on the stack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    name: AskedKey,
    rtype: u16,
    flags: u8,
}

impl Question {
    /// What a client asked.
    pub(crate) fn of(pending: &Pending) -> Self {
        let dnssec_ok = pending.edns.is_some_and(|edns| edns.0);
        let checking_disabled = pending.metadata.checking_disabled;
        Self {
            name: AskedKey::of(pending.question.name()),
            rtype: pending.question.query_type().into(),
            flags: (u8::from(dnssec_ok) * DNSSEC_OK)
                | (u8::from(checking_disabled) * CHECKING_DISABLED),
        }
    }

    /// A question that tells nothing about who asks: the root's name servers.
    pub(crate) fn harmless() -> Self {
        Self { name: AskedKey::root(), rtype: RecordType::NS.into(), flags: 0 }
    }

    /// The name's labels, folded, without the root.
    pub(crate) fn name(&self) -> &[u8] {
        self.name.as_slice()
    }

    /// What is asked for.
    pub(crate) fn rtype(&self) -> RecordType {
        RecordType::from(self.rtype)
    }

    /// Whether signatures are wanted.
    pub(crate) fn dnssec_ok(&self) -> bool {
        self.flags & DNSSEC_OK != 0
    }

    /// Whether the client checks signatures itself.
    pub(crate) fn checking_disabled(&self) -> bool {
        self.flags & CHECKING_DISABLED != 0
    }

    /// The key in bytes: flags, type, name.
    pub(crate) fn key(&self) -> Key {
        let mut key = Key { bytes: [0; KEY_BYTES_MAX], len: HEAD_BYTES + self.name().len() };
        let [high, low] = self.rtype.to_be_bytes();
        key.bytes[..HEAD_BYTES].copy_from_slice(&[self.flags, high, low]);
        key.bytes[HEAD_BYTES..key.len].copy_from_slice(self.name());
        key
    }
}

/// A key on the stack; tables own theirs as boxes of the same bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    bytes: [u8; KEY_BYTES_MAX],
    len: usize,
}

impl Key {
    /// The key's bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
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
