//! Which host keys are known: the lines of known hosts files, ours and OpenSSH's.
//!
//! **Invariant:** a line that is not understood pins nothing, and hides no other line. A host with
//! a pin is known by its pins alone: another key of it, of whatever type, is a changed key.

use aws_lc_rs::hmac;
use conduit_core::destination::SSH_PORT;
use russh::keys::ssh_key::known_hosts::{HostPatterns, Marker};
use russh::keys::{Algorithm, EcdsaCurve, PublicKey, parse_public_key_base64};

use crate::glob::Glob;

/// What is pinned.
#[derive(Debug, Clone, Default)]
pub struct Pins {
    lines: Vec<Line>,
}

/// What the pins say of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the host's.
    Pinned,
    /// The host has no pin.
    Unpinned,
    /// The host has a pin, and this is another key.
    Changed,
    /// A line says that nobody is to trust it.
    Revoked,
}

#[derive(Debug, Clone)]
struct Line {
    is_revoked: bool,
    hosts: HostPatterns,
    key: PublicKey,
}

impl Pins {
    /// Reads the text of a known hosts file; at most `LINES_MAX` lines of it.
    pub fn parse(text: &str) -> Self {
        Self { lines: text.lines().take(LINES_MAX).filter_map(parse_line).collect() }
    }

    /// Adds those of another file.
    pub(crate) fn extend(&mut self, other: Self) {
        self.lines.extend(other.lines);
    }

    /// Judges the key that a host shows at a port.
    pub fn judge(&self, host: &str, port: u16, key: &PublicKey) -> Verdict {
        let name = pin_name(host, port);
        let mut verdict = Verdict::Unpinned;
        for line in self.lines.iter().filter(|line| is_named(&line.hosts, &name)) {
            let is_same = line.key.key_data() == key.key_data();
            match (line.is_revoked, is_same) {
                (true, true) => return Verdict::Revoked,
                (false, true) => verdict = Verdict::Pinned,
                (false, false) if verdict == Verdict::Unpinned => verdict = Verdict::Changed,
                _ => {}
            }
        }
        verdict
    }

    /// The types of key to ask a host for, those it is known by first: a host shows one key only,
    /// and it should be the pinned one.
    pub(crate) fn types_for(&self, host: &str, port: u16) -> Vec<Algorithm> {
        let name = pin_name(host, port);
        let is_pinned = |algorithm: &Algorithm| {
            let mut lines = self.lines.iter().filter(|line| !line.is_revoked);
            lines.any(|line| line.key.algorithm() == *algorithm && is_named(&line.hosts, &name))
        };
        let (mut first, rest): (Vec<_>, Vec<_>) =
            HOST_KEY_TYPES.iter().cloned().partition(is_pinned);
        first.extend(rest);
        first
    }
}

/// One line: a marker perhaps, hosts, a type, a key, perhaps a comment. What is of no use here (a
/// comment, a certificate authority, a type that we cannot check) is nothing.
fn parse_line(line: &str) -> Option<Line> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let mut words = line.split_ascii_whitespace();
    let mut word = words.next().filter(|word| !word.starts_with('#'))?;
    let mut is_revoked = false;
    if word.starts_with('@') {
        match word.parse().ok()? {
            Marker::Revoked => is_revoked = true,
            Marker::CertAuthority => return None,
        }
        word = words.next()?;
    }
    let hosts = word.parse().ok()?;
    let kind = words.next()?;
    let key = parse_public_key_base64(words.next()?).ok()?;
    let algorithm = key.algorithm();
    let is_useful = algorithm.as_str() == kind && HOST_KEY_TYPES.contains(&algorithm);
    is_useful.then_some(Line { is_revoked, hosts, key })
}

fn is_named(hosts: &HostPatterns, name: &str) -> bool {
    match hosts {
        HostPatterns::HashedName { salt, hash } => {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
            hmac::verify(&key, name.as_bytes(), hash).is_ok()
        }
        HostPatterns::Patterns(patterns) => {
            let fits = |pattern: &str| {
                Glob::parse(&pattern.to_ascii_lowercase()).is_ok_and(|glob| glob.matches(name))
            };
            let refused = patterns.iter().filter_map(|p| p.strip_prefix('!')).any(fits);
            !refused && patterns.iter().any(|pattern| fits(pattern))
        }
    }
}

/// How known hosts files name a host at a port: `host`, or `[host]:port` for another port than 22.
pub(super) fn pin_name(host: &str, port: u16) -> String {
    if port == SSH_PORT { host.to_owned() } else { format!("[{host}]:{port}") }
}

/// The host keys that we can check, best first. RSA is not among them: the library is built without
/// it, for the crate that it needs has an open advisory.
pub(crate) const HOST_KEY_TYPES: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
];
/// The longest line that is looked at, in bytes.
const LINE_BYTES_MAX: usize = 16 << 10;
/// The most lines of a file that are looked at.
const LINES_MAX: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).expect("a key")
    }

    #[test]
    fn plain_hashed_and_pattern_lines_pin() {
        let pins = Pins::parse(FILE);
        for (host, port, shown, verdict) in [
            ("gpu", 22, ONE, Verdict::Pinned),
            ("gpu", 22, TWO, Verdict::Changed),
            ("gpu", 22, P256, Verdict::Changed),
            ("gpu", 2222, ONE, Verdict::Unpinned),
            ("other", 2222, TWO, Verdict::Pinned),
            ("other", 22, TWO, Verdict::Unpinned),
            ("hidden", 22, ONE, Verdict::Pinned),
            ("hidden", 22, TWO, Verdict::Changed),
            ("a.rack", 22, TWO, Verdict::Pinned),
            ("bad.rack", 22, TWO, Verdict::Unpinned),
            ("unknown", 22, ONE, Verdict::Unpinned),
            ("stolen", 22, P256, Verdict::Revoked),
            ("signed", 22, ONE, Verdict::Unpinned),
            ("old", 22, ONE, Verdict::Unpinned),
        ] {
            assert_eq!(pins.judge(host, port, &key(shown)), verdict, "{host}:{port} {shown}");
        }
    }

    #[test]
    fn a_host_is_asked_for_the_type_that_is_pinned() {
        let pins = Pins::parse(&format!("gpu {P256}\n"));
        assert_eq!(pins.types_for("gpu", 22)[0], key(P256).algorithm());
        assert_eq!(pins.types_for("else", 22), HOST_KEY_TYPES);
    }

    #[test]
    fn other_ports_are_part_of_the_name() {
        assert_eq!(pin_name("host", 22), "host");
        assert_eq!(pin_name("host", 2222), "[host]:2222");
        assert_eq!(pin_name("fd00::1", 22), "fd00::1");
        assert_eq!(pin_name("fd00::1", 23), "[fd00::1]:23");
    }

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHvHNubiC09HLqzfJPOlvw4neTrg/rPW4ED6ASnPbFMO";
    const TWO: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIXAZCkWLvV4foaFVuY2OPV2o9fcXiPBqY8L137fMAdq";
    const P256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBB+fsMtcd/KIhrj2werUFQ/VYIPDU1k9EmwMKc9Yn/TUNLg9k340Hzs7alDzZUWKfSuVHhGxiUs/WVzoADmKgpk=";
    const FILE: &str = "\
# a comment

GPU,10.0.1.20\tssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHvHNubiC09HLqzfJPOlvw4neTrg/rPW4ED6ASnPbFMO made by hand
[other]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIXAZCkWLvV4foaFVuY2OPV2o9fcXiPBqY8L137fMAdq
|1|V5jOM6JgwDOF/N5EjRUqSCZKRI0=|8rmtkbDVcJFq4+23kPr/Npknn+E= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHvHNubiC09HLqzfJPOlvw4neTrg/rPW4ED6ASnPbFMO
*.rack,!bad.rack ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIXAZCkWLvV4foaFVuY2OPV2o9fcXiPBqY8L137fMAdq
@revoked sto*,!storage ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBB+fsMtcd/KIhrj2werUFQ/VYIPDU1k9EmwMKc9Yn/TUNLg9k340Hzs7alDzZUWKfSuVHhGxiUs/WVzoADmKgpk=
@cert-authority signed ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHvHNubiC09HLqzfJPOlvw4neTrg/rPW4ED6ASnPbFMO
old ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDG+pkDBwRR9tZL4HGSYUhT5SzbGPA+uf3OZSC5ARK6x+aydT7MlpMYK3WoneO0ctDHRjrY+F0nplwcHJCPKNDQrmhVxEOb+OO9xMy4XfF2h0GWbPlD1LUV5qFTkax6dVmFThkN1bK3Me4MF8s9lae0hYybI7UagGvQl4Dn3b4jhD0cdE2Shu7Ta2Su9moaS7jbiKdvesGS5zPf8BYTJXGyeoS0NTECBoICVGrJF4RYnwbIjbfh5tqW0z6Q6ZhCViarwIepDwtq8jO8aziV2NWy+1vlCgNrYZounIlE42e2lVEkx2mFk9Q4SKTNUYTBS8J/hSA+FmycP48SrqVlF20R
half
half ssh-ed25519
half ssh-ed25519 AAAA
half ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIHvHNubiC09HLqzfJPOlvw4neTrg/rPW4ED6ASnPbFMO
|1|x|y ssh-ed25519 z
@nobody knows this
";
}
