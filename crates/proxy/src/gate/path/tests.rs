//! Paths in tables, and against the most generous reader there could be.

use std::collections::VecDeque;

use conduit_core::policy::PathPrefix;
use proptest::strategy::Strategy;

use super::*;

fn read(path: &str, depth: usize) -> Result<String, &'static str> {
    match straight(path, depth) {
        Ok(path) => Ok(path.into_owned()),
        Err(FailureKind::BadPath(why)) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn plain_paths_pass_as_they_are() {
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/v1/x.y/z-_~",
        "/a;b/c",
        "/a/b;c=d",
        "/%20",
        "/a/%C3%A9%3A%2525",
        "/...",
        "/.well-known/x",
        "/a/..b/b..",
        "/é",
    ] {
        assert!(matches!(straight(path, 0), Ok(Cow::Borrowed(_))), "{path}");
        assert_eq!(read(path, 0).as_deref(), Ok(path));
    }
}

#[test]
fn what_may_be_plain_becomes_plain() {
    for (path, expected) in [
        ("/%61pi", "/api"),
        ("/a%70i/%7Ex%2d", "/api/~x-"),
        ("/%41/%20%62", "/A/%20b"),
        ("/%C3%A9/%62", "/%C3%A9/b"),
    ] {
        assert_eq!(read(path, 0).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn what_is_read_in_two_ways_is_refused() {
    for path in [
        "",
        "*",
        "api",
        "//",
        "//api",
        "/api//x",
        "/api/../admin",
        "/api/..",
        "/./api",
        "/api/.",
        "/api\\admin",
        "/api/%2e%2e/admin",
        "/api/%2E/admin",
        "/api/x%2ey",
        "/api%2fadmin",
        "/api%2Fadmin",
        "/api/%5cadmin",
        "/api/%00",
        "/api/%0d%0a",
        "/api/%7f",
        "/api/..;/admin",
        "/api/..;x=1/admin",
        "/api/.;/admin",
        "/api/..%3b/admin",
        "/api/..%3B/admin",
        "/;/admin",
        "/;x",
        "/%3b/admin",
        "/%",
        "/%4",
        "/%zz",
        "/%u002e",
        "/%é0",
    ] {
        assert!(read(path, 0).is_err(), "{path}");
        assert!(read(path, 3).is_err(), "{path}");
    }
}

#[test]
fn where_rules_look_nothing_hides() {
    for path in ["/api;x/y", "/%40x/y", "/a%25b", "/a%3Bb"] {
        assert!(read(path, 1).is_err(), "{path}");
        assert!(read(path, 0).is_ok(), "{path}");
        assert!(read(&format!("/first{path}"), 1).is_ok(), "{path}");
        assert!(read(&format!("/first{path}"), 2).is_err(), "{path}");
    }
    assert_eq!(read("/%20x/y", 1).as_deref(), Ok("/%20x/y"));
}

/// A path as the most generous of servers reads it: decoded, backslashes turned, parameters cut off,
/// dots resolved, slashes merged.
fn as_read_by_an_upstream(path: &str) -> String {
    let mut bytes: VecDeque<u8> = path.bytes().collect();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.pop_front() {
        let digits: String = bytes.iter().take(2).map(|b| char::from(*b)).collect();
        match u8::from_str_radix(&digits, 16) {
            Ok(plain) if byte == b'%' && digits.len() == 2 => {
                bytes.drain(..2);
                decoded.push(plain);
            }
            _ => decoded.push(byte),
        }
    }
    let text = String::from_utf8_lossy(&decoded).replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or("") {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}

#[test]
fn the_generous_upstream_is_generous() {
    for (path, expected) in [
        ("/api/..;/admin", "/admin"),
        ("/api/%2e%2e%2fadmin", "/admin"),
        ("//api\\..//admin;x=1/", "/admin"),
    ] {
        assert_eq!(as_read_by_an_upstream(path), expected, "{path}");
    }
}

/// Paths made of what confuses servers.
fn confusing() -> impl Strategy<Value = String> {
    let one = (one_of("/ / / / // \\ %2f %5C -"), one_of(SEGMENTS))
        .prop_map(|(separator, segment)| [separator, segment].concat());
    let more = proptest::collection::vec(one, 0..6);
    (one_of("/ /api /api/x /@x"), more).prop_map(|(first, more)| [first, &more.concat()].concat())
}

fn one_of(words: &'static str) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(words.split(' ').collect::<Vec<_>>())
}

/// What segments of confusing paths are; the first one is empty.
const SEGMENTS: &str = " api api x admin API %61pi @x %40x . .. %2e .%2E ..; ..;x=1 .; ..%3b ..%3B \
    ; %3b api;x api%3bx x\\.. x%5c.. x%2f.. %2F %00 %20 % %25 %252e%252e ~ %7e é %c3%a9 %c0%ae";

proptest::proptest! {
    #[test]
    fn no_rule_is_evaded(path in confusing()) {
        for prefix in ["/api", "/api/x", "/@x"] {
            let prefix: PathPrefix = prefix.parse().expect("a prefix");
            let depth = prefix.as_str().matches('/').count();
            let Ok(forwarded) = straight(&path, depth) else { continue };
            let seen = as_read_by_an_upstream(&forwarded);
            // What a rule lets in is there for the upstream, too, and what it does not fit is not.
            let fits = prefix.rest(&forwarded).is_some();
            assert_eq!(fits, prefix.rest(&seen).is_some(), "{path}: {forwarded} read as {seen}");
            // The form is stable: a second gateway behind us reads the same.
            assert_eq!(straight(&forwarded, depth).as_deref(), Ok(&*forwarded));
            // And it means what the client meant.
            assert_eq!(seen, as_read_by_an_upstream(&path));
        }
    }

    #[test]
    fn any_text_is_judged(path in "/?.{0,40}", depth in 0_usize..4) {
        if let Ok(forwarded) = straight(&path, depth) {
            assert!(forwarded.starts_with('/') && !forwarded.contains("//"));
        }
    }
}
