//! Destinations, and the lines of known hosts files.

use russh::keys::PublicKey;

use crate::ssh::{Pins, Verdict};
use conduit_core::destination::Destination;

/// The first line is a destination, the rest a known hosts file. A destination that is understood is
/// shown without control characters and blanks, and so that it is understood as the same. A file
/// never makes a revoked key a good one, and what it pins for a host it also pins when a line that
/// nobody understands stands before it.
pub fn monitor_ssh(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let parsed = Destination::parse(first);
    if let Ok(destination) = &parsed {
        let shown = destination.to_string();
        assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?}");
        assert!(!shown.starts_with('-') && !destination.host().starts_with('-'), "{shown}");
        assert_eq!(Destination::parse(&shown), parsed, "{shown}");
        assert_eq!(Destination::parse(&format!("ssh://{shown}")), parsed, "{shown}");
    }
    let Ok(key) = PublicKey::from_openssh(KEY) else {
        return;
    };
    let (host, port) =
        parsed.map_or_else(|_| ("gpu".to_owned(), 22), |d| (d.host().to_owned(), d.port()));
    let judge = |text: &str| Pins::parse(text).judge(&host, port, &key);
    let verdict = judge(rest);
    assert_eq!(judge(&format!("@unknown {host} x\nhalf\n\u{0}\n{rest}")), verdict);
    assert_eq!(judge(&format!("{rest}\n@revoked * {KEY}\n")), Verdict::Revoked);
    let pinned = if port == 22 { host.clone() } else { format!("[{host}]:{port}") };
    let with_pin = judge(&format!("{rest}\n{pinned} {KEY}\n"));
    let expected = if verdict == Verdict::Revoked { Verdict::Revoked } else { Verdict::Pinned };
    assert_eq!(with_pin, expected);
}

/// Some key.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHvHNubiC09HLqzfJPOlvw4neTrg/rPW4ED6ASnPbFMO";
