//! What a line of a list asks for, whatever form it is written in.
//!
//! **Invariant:** a line that cannot be read is refused with a reason and harms no other.

use std::net::IpAddr;

use conduit_core::record::data::RecordData;
use ipnet::IpNet;

use super::entries::Scope;

/// What is done about a name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Deed {
    /// What the list does to its names.
    Block,
    NxDomain,
    NoData,
    /// 0.0.0.0 and ::.
    Null,
    /// Nothing: it is answered as if no list knew it.
    Pass,
    /// No reply at all.
    Drop,
    /// It is to be asked again over TCP.
    TcpOnly,
    /// It has this record, and a time for which that may be kept.
    Record(RecordData, Option<u32>),
}

/// What a line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Wish {
    /// Something about a name.
    Name { key: NameBuffer, scope: Scope, deed: Deed },
    /// The name that an address has, for the way back.
    Pointer { address: IpAddr, name: NameBuffer },
    /// Something about answers that hold an address of this network.
    Net { net: IpNet, deed: Deed },
}

/// A folded name on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameBuffer {
    bytes: [u8; NAME_BYTES_MAX],
    len: u8,
}

impl NameBuffer {
    /// Folds a name as people write it, with or without the last dot.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut name = Self { bytes: [0; NAME_BYTES_MAX], len: 0 };
        if text.is_empty() {
            return Err("there is no name");
        }
        let mut at = 0;
        for label in text.as_bytes().split(|byte| *byte == b'.') {
            let length = u8::try_from(label.len()).unwrap_or(u8::MAX);
            if label.is_empty() || length > LABEL_BYTES_MAX {
                return Err("a part of the name is empty or longer than 63 characters");
            }
            let is_legal = |c: &u8| c.is_ascii_alphanumeric() || *c == b'-' || *c == b'_';
            if !label.iter().all(is_legal) {
                return Err("this is no name in letters, digits, - and _");
            }
            // The root's octet needs room as well.
            let Some(room) = name
                .bytes
                .get_mut(at..=at + label.len())
                .filter(|_| at + label.len() < NAME_BYTES_MAX - 1)
            else {
                return Err("the name is longer than 253 characters");
            };
            room[0] = length;
            room[1..].copy_from_slice(label);
            room[1..].make_ascii_lowercase();
            at += 1 + label.len();
        }
        name.len = u8::try_from(at).unwrap_or(u8::MAX);
        Ok(name)
    }

    /// The key's bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::fmt::Debug for NameBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text_of(self.as_slice()))
    }
}

/// A key as people write it.
pub(crate) fn text_of(key: &[u8]) -> String {
    let labels = crate::key::labels(key).map(String::from_utf8_lossy);
    labels.collect::<Vec<_>>().join(".")
}

const NAME_BYTES_MAX: usize = 255;
const LABEL_BYTES_MAX: u8 = 63;
