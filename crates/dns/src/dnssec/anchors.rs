//! Trust anchors: where chains of keys begin.
//!
//! **Invariant:** an anchor is a digest of a key, under the name of its zone; the root's own are built in, and
//! give way when others are named for the root.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::rr::Name;

use super::crypto;
use super::name::{self, with_root};
use super::rdata::{Ds, Key};
use crate::key::AskedKey;

/// The keys that are believed without a signature, by zone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Anchors(Vec<(Box<[u8]>, Vec<Ds>)>);

impl Anchors {
    /// The root's keys of 2017 and 2024, from <https://data.iana.org/root-anchors/root-anchors.xml>.
    pub fn root() -> Self {
        let mut anchors = Self::default();
        for line in ROOT {
            // Invariant: a test reads them.
            drop(anchors.add(line));
        }
        anchors
    }

    /// Adds what a line of a zone file says: a DS, or a DNSKEY. Empty lines and comments add nothing.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn add(&mut self, line: &str) -> Result<(), String> {
        let line = line.split(';').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let Some(owner) = words.next() else { return Ok(()) };
        let zone =
            Name::from_ascii(owner).map_err(|error| format!("{owner:?} is no name: {error}"))?;
        let zone: Box<[u8]> = AskedKey::of(&zone).as_slice().into();
        let is_before = |word: &&str| {
            word.eq_ignore_ascii_case("IN") || word.bytes().all(|octet| octet.is_ascii_digit())
        };
        let mut words = words.skip_while(is_before);
        let ds = match words.next() {
            Some(word) if word.eq_ignore_ascii_case("DS") => ds_of(words),
            Some(word) if word.eq_ignore_ascii_case("DNSKEY") => key_of(&zone, words),
            _ => None,
        };
        let ds = ds.ok_or_else(|| wrong(line))?;
        if !crypto::is_algorithm(ds.algorithm) || !crypto::is_digest(ds.digest_type) {
            return Err(format!(
                "{line:?} has an algorithm or a digest that is not supported; algorithms are 8, 10, 13, 14 and 15, digests 2 and 4"
            ));
        }
        let place = match self.0.iter().position(|(name, _)| *name == zone) {
            Some(place) => place,
            None if self.0.len() == ZONES_MAX => {
                return Err(format!("anchors for more than {ZONES_MAX} zones"));
            }
            None => {
                self.0.push((zone, Vec::new()));
                self.0.len() - 1
            }
        };
        match self.0.get_mut(place) {
            Some((_, all)) if all.contains(&ds) => Ok(()),
            Some((_, all)) if all.len() < KEYS_MAX => {
                all.push(ds);
                Ok(())
            }
            _ => Err(format!("more than {KEYS_MAX} anchors for {owner}")),
        }
    }

    /// These, and the root's own unless there are some for the root.
    pub fn or_root(mut self) -> Self {
        if self.at(b"").is_none() {
            self.0.extend(Self::root().0);
        }
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a zone.
    pub(super) fn at(&self, zone: &[u8]) -> Option<&[Ds]> {
        self.0.iter().find(|(name, _)| **name == *zone).map(|(_, all)| all.as_slice())
    }

    /// The closest zone at or above a name that has some.
    pub(super) fn above<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        with_root(name).find(|ancestor| self.at(ancestor).is_some())
    }
}

/// Where anchors are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnchorPlace {
    /// Here: one.
    Line(String),
    /// In this file, one a line.
    File(PathBuf),
}

impl FromStr for AnchorPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("is empty; write a DS, a DNSKEY or the path of a file".to_owned());
        }
        if text.starts_with('/') {
            return Ok(Self::File(text.into()));
        }
        Anchors::default().add(text)?;
        Ok(Self::Line(text.to_owned()))
    }
}

impl fmt::Display for AnchorPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => f.write_str(line),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Display for Anchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zones = self.0.iter().map(|(zone, all)| {
            let tags: Vec<String> = all.iter().map(|ds| ds.tag.to_string()).collect();
            format!("{} {}", name::print(zone), tags.join(" "))
        });
        f.write_str(&zones.collect::<Vec<_>>().join(", "))
    }
}

fn ds_of<'w>(mut words: impl Iterator<Item = &'w str>) -> Option<Ds> {
    let tag = words.next()?.parse().ok()?;
    let algorithm = words.next()?.parse().ok()?;
    let digest_type = words.next()?.parse().ok()?;
    let hex: String = words.collect();
    let digest = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
    let length = match digest_type {
        2 => 32,
        4 => 48,
        _ => digest.len(),
    };
    (digest.len() == length && !digest.is_empty()).then(|| Ds {
        tag,
        algorithm,
        digest_type,
        digest: digest.into(),
    })
}

fn key_of<'w>(zone: &[u8], mut words: impl Iterator<Item = &'w str>) -> Option<Ds> {
    let flags: u16 = words.next()?.parse().ok()?;
    let protocol: u8 = words.next()?.parse().ok()?;
    let algorithm: u8 = words.next()?.parse().ok()?;
    let public = STANDARD.decode(words.collect::<String>()).ok()?;
    let data = [&flags.to_be_bytes()[..], &[protocol, algorithm], &public].concat();
    let key = Key::read(&data)?;
    let digest = crypto::digest_of(DIGEST_SHA256, zone, &data)?;
    Some(Ds { tag: key.tag, algorithm, digest_type: DIGEST_SHA256, digest: digest.as_ref().into() })
}

fn wrong(line: &str) -> String {
    let line: String = line.trim().chars().take(80).collect();
    format!(
        "{line:?} is neither a DS nor a DNSKEY on one line; write \". IN DS 20326 8 2 E06D44B8…\" or the absolute path of a file of such lines"
    )
}

const ROOT: [&str; 2] = [
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
];
const DIGEST_SHA256: u8 = 2;
/// Zones with anchors of their own.
const ZONES_MAX: usize = 64;
/// Of one zone.
const KEYS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roots_keys_are_built_in() {
        let root = Anchors::root();
        assert_eq!(root.to_string(), ". 20326 38696");
        // As the root publishes its key of 2024.
        let key = ". 20014 IN DNSKEY 257 3 8 AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidltpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQWOmOElZsjICMQMC3aeHbGiShvZsx4wMYSjH8e7Vrhbu6irwCzVBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/wOZqqzL/dL/q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTvoB+ZOT4YeGyxMvHmbrxlFzGOHOijtzN+u1TQNatX2XBuzZNQ1K+s2CXkPIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc=";
        let mut given = Anchors::default();
        given.add(key).expect("a key");
        assert_eq!(given.at(b""), root.at(b"").map(|all| &all[1..]));
    }

    #[test]
    fn lines_are_anchors_comments_or_mistakes() {
        let mut anchors = Anchors::default();
        for line in ["", "  ; nothing", "corp.Example. 3600 IN DS 1 13 2 AB ; cut"] {
            let is_right = anchors.add(line).is_ok();
            assert_eq!(is_right, !line.contains("DS"), "{line}");
        }
        let digest = "0123456789abcdef0123456789ABCDEF 0123456789abcdef0123456789abcdef";
        anchors.add(&format!("Corp.Example. IN DS 1 13 2 {digest}")).expect("right");
        anchors.add(&format!("corp.example DS 1 13 2 {digest}")).expect("the same");
        assert_eq!(anchors.to_string(), "corp.example. 1");
        let name = name::tests::key("a.corp.example.");
        assert_eq!(anchors.above(&name), Some(&name[2..]));
        assert_eq!(anchors.above(b"\x05other"), None);
        assert_eq!(anchors.clone().or_root().above(b"\x05other"), Some(&[][..]));
        for (line, says) in [
            ("corp.example. IN A 10.0.0.1", "neither a DS nor a DNSKEY"),
            ("corp.example. IN DS 1 5 1 00", "not supported"),
            ("corp.example. IN DS 1 13 2 zz", "neither"),
            ("corp.example. IN DNSKEY 257 3 13 !", "neither"),
            ("a..b IN DS 1 13 2 00", "is no name"),
        ] {
            let error = anchors.add(line).expect_err(line);
            assert!(error.contains(says), "{error}");
        }
        for tag in 2..=KEYS_MAX {
            anchors.add(&format!("corp.example. DS {tag} 13 2 {digest}")).expect("room");
        }
        assert!(anchors.add(&format!("corp.example. DS 99 13 2 {digest}")).is_err());
    }
}
