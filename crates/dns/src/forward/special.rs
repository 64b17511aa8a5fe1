//! Names that are answered here or nowhere, whoever is configured to be asked.
//!
//! Private networks' reverse names (RFC 6303), names that no DNS server may know (RFC 6761 and its
//! kin), and the name by which browsers ask whether they may go round this server.
//!
//! **Invariant:** a conditional forward is stronger: whoever runs a server for such names says so.

use crate::key::ancestry;

/// What is done with a name that is special.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// It does not exist.
    Nothing,
    /// It is this machine, whichever asks (RFC 6761 §6.3).
    Loopback,
}

/// Looks a folded name up.
pub(crate) fn of(name: &[u8], canary: bool) -> Option<Special> {
    if name == CANARY {
        return canary.then_some(Special::Nothing);
    }
    ancestry(name).find_map(|ancestor| {
        if ancestor == LOCALHOST {
            return Some(Special::Loopback);
        }
        let is_named = NAMES.contains(&ancestor);
        (is_named || is_private_reverse(ancestor)).then_some(Special::Nothing)
    })
}

/// Whether a name is the top of a private network's reverse names.
fn is_private_reverse(name: &[u8]) -> bool {
    if let Some(prefix) = name.strip_suffix(IN_ADDR_ARPA) {
        let mut labels = crate::key::labels(prefix).collect::<Vec<_>>();
        labels.reverse();
        return match labels.as_slice() {
            [b"0" | b"10" | b"127"] => true,
            [b"169", b"254"] | [b"192", b"168"] => true,
            [b"172", second] => is_within(second, 16, 31),
            [b"100", second] => is_within(second, 64, 127),
            // Documentation, and the broadcast address.
            [b"192", b"0", b"2"] | [b"198", b"51", b"100"] | [b"203", b"0", b"113"] => true,
            [b"255", b"255", b"255", b"255"] => true,
            _ => false,
        };
    }
    let Some(prefix) = name.strip_suffix(IP6_ARPA) else {
        return false;
    };
    let mut digits = crate::key::labels(prefix).collect::<Vec<_>>();
    digits.reverse();
    match digits.as_slice() {
        // fc00::/7 as its two halves, fe80::/10 as its four.
        [b"f", b"c" | b"d"] | [b"f", b"e", b"8" | b"9" | b"a" | b"b"] => true,
        // Documentation: 2001:db8::/32.
        [b"2", b"0", b"0", b"1", b"0", b"d", b"b", b"8"] => true,
        [zeros @ .., b"0" | b"1"] => zeros.len() == 31 && zeros.iter().all(|d| *d == b"0"),
        _ => false,
    }
}

fn is_within(label: &[u8], from: u8, to: u8) -> bool {
    let number = std::str::from_utf8(label).ok().and_then(|text| text.parse::<u8>().ok());
    number.is_some_and(|number| (from..=to).contains(&number))
}

const IN_ADDR_ARPA: &[u8] = b"\x07in-addr\x04arpa";
const IP6_ARPA: &[u8] = b"\x03ip6\x04arpa";
const LOCALHOST: &[u8] = b"\x09localhost";
/// Browsers that find that this name does not exist ask the system's server (Firefox).
const CANARY: &[u8] = b"\x13use-application-dns\x03net";
/// RFC 6761, 6762, 7686, 8375, 9476, and ICANN's `internal`.
const NAMES: [&[u8]; 8] = [
    b"\x07invalid",
    b"\x04test",
    b"\x05local",
    b"\x05onion",
    b"\x04home\x04arpa",
    b"\x03alt",
    b"\x08internal",
    b"\x09localhost\x0blocaldomain",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::tests::folded;

    #[test]
    fn special_names_stay_here() {
        let (nothing, loopback) = (Some(Special::Nothing), Some(Special::Loopback));
        let v6_loopback = format!("1.{}ip6.arpa.", "0.".repeat(31));
        for (name, expected) in [
            ("localhost.", loopback),
            ("a.localhost.", loopback),
            ("x.invalid.", nothing),
            ("printer.local.", nothing),
            ("x.onion.", nothing),
            ("nas.home.arpa.", nothing),
            ("1.1.0.10.in-addr.arpa.", nothing),
            ("10.in-addr.arpa.", nothing),
            ("1.20.172.in-addr.arpa.", nothing),
            ("1.32.172.in-addr.arpa.", None),
            ("1.168.192.in-addr.arpa.", nothing),
            ("1.64.100.in-addr.arpa.", nothing),
            ("8.8.8.8.in-addr.arpa.", None),
            ("1.0.0.d.f.ip6.arpa.", nothing),
            ("a.e.f.ip6.arpa.", nothing),
            ("8.b.d.0.1.0.0.2.ip6.arpa.", nothing),
            (&v6_loopback, nothing),
            ("0.0.ip6.arpa.", None),
            ("1.1.0.0.2.ip6.arpa.", None),
            ("in-addr.arpa.", None),
            ("arpa.", None),
            (".", None),
            ("example.com.", None),
            ("internal.example.com.", None),
            ("use-application-dns.net.", nothing),
            ("x.use-application-dns.net.", None),
        ] {
            assert_eq!(of(&folded(name), true), expected, "{name}");
        }
        assert_eq!(of(&folded("use-application-dns.net."), false), None);
    }
}
