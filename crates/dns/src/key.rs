//! Names as keys of the zone's table: wire form without the root, in lower case.
//!
//! **Invariant:** two names that DNS calls equal (RFC 4343) have the same key, and the key of a
//! name's parent is a suffix of the name's key.

use std::borrow::Borrow;
use std::sync::Arc;

use conduit_core::name::Host;
use conduit_core::record::name::RecordName;
use hickory_proto::rr::Name;

/// An owned key; cheap to clone, so that a table can be copied for each change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NameKey(Arc<[u8]>);

impl NameKey {
    /// The key of a host.
    pub(crate) fn of(host: &Host) -> Self {
        Self::of_text(host.as_str())
    }

    /// The key of the name of a record.
    pub(crate) fn of_record(name: &RecordName) -> Self {
        Self::of_text(name.as_str())
    }

    /// The key of a name in text, with legal labels.
    pub(crate) fn of_text(text: &str) -> Self {
        Self::from(AskedKey::of_text(text).as_slice())
    }

    /// The key's bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for NameKey {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl Borrow<[u8]> for NameKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// The key of a name that was asked for, on the stack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AskedKey {
    bytes: [u8; NAME_BYTES_MAX],
    len: usize,
}

impl AskedKey {
    /// Folds the name; one that is too long to be a name gets the root's key, which is nobody's.
    pub(crate) fn of(name: &Name) -> Self {
        let mut key = Self { bytes: [0; NAME_BYTES_MAX], len: 0 };
        for label in name.iter() {
            let end = key.len + 1 + label.len();
            let Some(room) = key.bytes.get_mut(key.len..end) else {
                key.len = 0;
                return key;
            };
            room[0] = u8::try_from(label.len()).unwrap_or(u8::MAX);
            room[1..].copy_from_slice(label);
            room[1..].make_ascii_lowercase();
            key.len = end;
        }
        key
    }

    /// The key of a name in text, with legal labels in lower case; one that is too long to be a name gets the
    /// root's key.
    pub(crate) fn of_text(text: &str) -> Self {
        let mut key = Self { bytes: [0; NAME_BYTES_MAX], len: 0 };
        for label in text.split('.') {
            let end = key.len + 1 + label.len();
            let Some(room) = key.bytes.get_mut(key.len..end) else {
                key.len = 0;
                return key;
            };
            // Invariant: labels of hosts and of records are at most 63 octets.
            room[0] = u8::try_from(label.len()).unwrap_or(u8::MAX);
            room[1..].copy_from_slice(label.as_bytes());
            key.len = end;
        }
        key
    }

    /// Folds the name at the beginning of `wire`; `None` when it is compressed, cut or no name.
    pub(crate) fn of_wire(wire: &[u8]) -> Option<Self> {
        let mut len = 0;
        loop {
            match usize::from(*wire.get(len)?) {
                0 => break,
                length @ 1..=LABEL_BYTES_MAX => len += 1 + length,
                _ => return None,
            }
        }
        // The root takes an octet, too.
        if len >= NAME_BYTES_MAX {
            return None;
        }
        let mut key = Self { bytes: [0; NAME_BYTES_MAX], len };
        let name = key.bytes.get_mut(..len)?;
        name.copy_from_slice(wire.get(..len)?);
        // Lengths are below the letters.
        name.make_ascii_lowercase();
        Some(key)
    }

    /// Reads the name at a place of a message that we encoded; what is no name gets the root's key.
    pub(crate) fn read(message: &[u8], mut at: usize) -> Self {
        let nobody = Self { bytes: [0; NAME_BYTES_MAX], len: 0 };
        let mut key = nobody;
        // Each step is a label or leads back to one, and a name has few.
        for _ in 0..2 * NAME_BYTES_MAX {
            match (message.get(at), message.get(at + 1)) {
                (Some(0), _) => return key,
                (Some(&high), Some(&low)) if high & 0xc0 == 0xc0 => {
                    at = usize::from(u16::from_be_bytes([high & 0x3f, low]));
                }
                (Some(&length), _) if length & 0xc0 == 0 => {
                    let end = at + 1 + usize::from(length);
                    let (Some(label), Some(room)) = (
                        message.get(at..end),
                        key.bytes.get_mut(key.len..key.len + 1 + usize::from(length)),
                    ) else {
                        return nobody;
                    };
                    room.copy_from_slice(label);
                    room[1..].make_ascii_lowercase();
                    key.len += room.len();
                    at = end;
                }
                _ => return nobody,
            }
        }
        nobody
    }

    /// The key of the wildcard right below a name.
    pub(crate) fn wildcard_of(parent: &[u8]) -> Self {
        let mut key = Self { bytes: [0; NAME_BYTES_MAX], len: 0 };
        let len = WILDCARD.len() + parent.len();
        if let Some(room) = key.bytes.get_mut(..len) {
            room[..WILDCARD.len()].copy_from_slice(WILDCARD);
            room[WILDCARD.len()..].copy_from_slice(parent);
            key.len = len;
        }
        key
    }

    /// The key's bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl From<&NameKey> for AskedKey {
    fn from(key: &NameKey) -> Self {
        let mut asked = Self { bytes: [0; NAME_BYTES_MAX], len: 0 };
        if let Some(room) = asked.bytes.get_mut(..key.0.len()) {
            room.copy_from_slice(&key.0);
            asked.len = key.0.len();
        }
        asked
    }
}

/// A key and then the keys of its ancestors, without the root.
pub(crate) fn ancestry(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = key;
    std::iter::from_fn(move || {
        let length = usize::from(*rest.first()?);
        let this = rest;
        rest = rest.get(length + 1..).unwrap_or(&[]);
        Some(this)
    })
}

/// Whether a key is that of a name in text.
pub(crate) fn is_text(key: &[u8], text: &str) -> bool {
    key.len() == text.len() + 1 && labels(key).eq(text.split('.').map(str::as_bytes))
}

/// The labels of a key, the leftmost first.
pub(crate) fn labels(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    ancestry(key).filter_map(|name| {
        let (length, rest) = name.split_first()?;
        rest.get(..usize::from(*length))
    })
}

/// The label of a wildcard.
const WILDCARD: &[u8] = b"\x01*";
/// RFC 1035 §2.3.4.
const LABEL_BYTES_MAX: usize = 63;
/// Names have at most 255 octets on the wire (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_names_fold_to_the_hosts_key() {
        let host = NameKey::of(&Host::parse("a.lab.internal").expect("valid"));
        let asked = AskedKey::of(&Name::from_ascii("A.LaB.internal.").expect("valid"));
        assert_eq!(host.as_slice(), asked.as_slice());
        assert_eq!(AskedKey::from(&host).as_slice(), asked.as_slice());
        for (text, expected) in [
            ("a.lab.internal", true),
            ("a.lab.interna", false),
            ("a.labxinternal", false),
            ("a-lab.internal", false),
            ("b.lab.internal", false),
        ] {
            assert_eq!(is_text(asked.as_slice(), text), expected, "{text}");
            let key = AskedKey::of_text(text);
            assert_eq!(key.as_slice() == asked.as_slice(), expected, "{text}");
        }
        assert_eq!(AskedKey::of_text(&"a.".repeat(200)).as_slice(), b"", "no name is that long");
        let ancestors: Vec<&[u8]> = ancestry(asked.as_slice()).collect();
        assert_eq!(ancestors.len(), 3);
        assert_eq!(ancestors[2], b"\x08internal");
        let labels: Vec<&[u8]> = labels(asked.as_slice()).collect();
        assert_eq!(labels, [b"a".as_slice(), b"lab", b"internal"]);
        assert_eq!(ancestry(AskedKey::of(&Name::root()).as_slice()).count(), 0);
    }
}
