//! Names as keys (see [`crate::key`]): their order in a signed zone, and how they are told.
//!
//! **Invariant:** keys are folded, so that comparing octets compares names.

use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::key::{ancestry, labels};

/// The order of RFC 4034 §6.1: by the last label first.
pub(super) fn canonical(a: &[u8], b: &[u8]) -> Ordering {
    let reversed = |name| {
        let mut all: Vec<&[u8]> = labels(name).collect();
        all.reverse();
        all
    };
    reversed(a).cmp(&reversed(b))
}

/// Whether a name is `top` or below it.
pub(super) fn is_within(name: &[u8], top: &[u8]) -> bool {
    with_root(name).any(|ancestor| ancestor == top)
}

/// Whether a name is below `top`.
pub(super) fn is_below(name: &[u8], top: &[u8]) -> bool {
    name != top && is_within(name, top)
}

/// A name and its ancestors, the root among them.
pub(super) fn with_root(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    ancestry(name).chain(std::iter::once(&[][..]))
}

/// The name above; the root's is the root.
pub(crate) fn parent(name: &[u8]) -> &[u8] {
    with_root(name).nth(1).unwrap_or_default()
}

/// How many labels it has.
pub(super) fn depth(name: &[u8]) -> usize {
    ancestry(name).count()
}

/// The last `labels` labels of a name.
pub(super) fn last(name: &[u8], labels: usize) -> &[u8] {
    with_root(name).nth(depth(name).saturating_sub(labels)).unwrap_or_default()
}

/// The longest name that both are at or below.
pub(super) fn shared<'a>(a: &'a [u8], b: &[u8]) -> &'a [u8] {
    with_root(a).find(|ancestor| is_within(b, ancestor)).unwrap_or_default()
}

/// Reads an uncompressed name; gives its key and what follows it.
pub(super) fn read(octets: &[u8]) -> Option<(Box<[u8]>, &[u8])> {
    let mut at = 0;
    loop {
        match usize::from(*octets.get(at)?) {
            0 => break,
            length if length <= LABEL_BYTES_MAX => at += length + 1,
            _ => return None,
        }
    }
    if at >= NAME_BYTES_MAX {
        return None;
    }
    let (name, rest) = octets.split_at_checked(at)?;
    // Lengths are below the letters.
    Some((name.to_ascii_lowercase().into(), rest.get(1..)?))
}

/// As people write it, with a dot at its end.
pub(crate) fn print(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len() + 1);
    for label in labels(name) {
        for &octet in label {
            match octet {
                b'.' | b'\\' => {
                    text.push('\\');
                    text.push(char::from(octet));
                }
                0x21..=0x7e => text.push(char::from(octet)),
                // Writing to a string cannot fail.
                _ => drop(write!(text, "\\{octet:03}")),
            }
        }
        text.push('.');
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

const LABEL_BYTES_MAX: usize = 63;
/// With the root's octet.
const NAME_BYTES_MAX: usize = 255;

#[cfg(test)]
pub(super) mod tests {
    use hickory_proto::rr::Name;

    use super::*;
    use crate::key::AskedKey;

    pub(crate) fn key(text: &str) -> Box<[u8]> {
        AskedKey::of(&Name::from_ascii(text).expect("valid")).as_slice().into()
    }

    #[test]
    fn names_are_in_the_order_of_the_standard() {
        // RFC 4034 §6.1.
        let names = [
            ".",
            "example.",
            "a.example.",
            "yljkjljk.a.example.",
            "Z.a.example.",
            "zABC.a.EXAMPLE.",
            "z.example.",
        ];
        let mut names: Vec<Vec<u8>> = names.iter().map(|name| key(name).into()).collect();
        names.extend([1, b'*', 200].map(|octet| [&[1, octet][..], &key("z.example.")].concat()));
        for pair in names.windows(2) {
            assert_eq!(canonical(&pair[0], &pair[1]), Ordering::Less, "{pair:?}");
        }
    }

    #[test]
    fn parts_of_names_are_found() {
        let name = key("a.b.example.");
        assert_eq!(print(parent(&name)), "b.example.");
        assert_eq!(print(last(&name, 1)), "example.");
        assert_eq!(print(last(&name, 0)), ".");
        assert_eq!(print(last(&name, 9)), "a.b.example.");
        assert_eq!(print(shared(&name, &key("x.b.example."))), "b.example.");
        assert_eq!(print(shared(&name, &key("other."))), ".");
        assert!(is_within(&name, b"") && is_below(&name, &key("example.")));
        assert!(!is_below(&name, &name) && !is_within(&name, &key("ample.")));
        assert_eq!(print(b"\x03a.b\x01\0"), "a\\.b.\\000.");
    }

    #[test]
    fn only_whole_names_are_read() {
        let (name, rest) = read(b"\x01A\x00rest").expect("a name");
        assert_eq!((&*name, rest), (&b"\x01a"[..], &b"rest"[..]));
        assert!(read(b"\x01a").is_none() && read(b"\xc0\x0c").is_none() && read(b"").is_none());
        assert!(read(&[[1, b'a'].repeat(128), vec![0]].concat()).is_none(), "too long");
    }
}
