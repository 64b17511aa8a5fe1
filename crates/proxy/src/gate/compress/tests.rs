//! Who gets what compressed, in tables.

use super::*;
use crate::fixture::fields;

#[test]
fn the_client_chooses_and_we_among_equals() {
    use Coding::{Brotli, Gzip, Zstd};
    for (accept, expected) in [
        ("gzip, deflate, br, zstd", Some(Zstd)),
        ("gzip, deflate, br", Some(Brotli)),
        ("gzip", Some(Gzip)),
        ("GZIP;Q=1.0", Some(Gzip)),
        ("x-gzip", Some(Gzip)),
        ("zstd;q=0.5, gzip;q=0.8", Some(Gzip)),
        ("zstd;q=0, *", Some(Brotli)),
        ("*", Some(Zstd)),
        ("*;q=0", None),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("gzip;q=0.001", Some(Gzip)),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", Some(Gzip)),
        ("identity;q=0, gzip", Some(Gzip)),
        ("deflate", None),
        ("", None),
        ("gzip;q=2", None),
        ("gzip;q=0.0001", None),
        ("gzip;level=9", None),
    ] {
        assert_eq!(preferred(&fields(&[("accept-encoding", accept)])), expected, "{accept}");
    }
    assert_eq!(preferred(&HeaderMap::new()), None);
    let lines = fields(&[("accept-encoding", "gzip;q=0.1"), ("accept-encoding", "br")]);
    assert_eq!(preferred(&lines), Some(Brotli));
}

#[test]
fn only_what_is_safe_is_compressed() {
    let html = ("content-type", "text/html; charset=utf-8");
    let long = ("content-length", "1024");
    assert!(fits(&fields(&[html, long]), false));
    assert!(fits(&fields(&[html, long]), true));
    assert!(fits(&fields(&[html]), false), "a stream of a page");
    assert!(!fits(&fields(&[html]), true), "perhaps tokens");
    assert!(!fits(&fields(&[html, ("content-length", "1023")]), false));
    assert!(!fits(&fields(&[html, ("content-length", "junk")]), false));
    assert!(!fits(&fields(&[long]), false), "no type");
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-encoding", "identity"),
        ("content-range", "bytes 0-9/10"),
        ("content-digest", "sha-256=:x:"),
        ("cache-control", "public, No-Transform"),
    ] {
        assert!(!fits(&fields(&[html, long, (name, value)]), false), "{name}: {value}");
    }
    for (content_type, expected) in [
        ("application/JSON", true),
        ("image/svg+xml", true),
        ("text/event-stream", false),
        ("text/event-stream; charset=utf-8", false),
        ("application/x-ndjson", false),
        ("application/stream+json", false),
        ("application/grpc", false),
        ("application/grpc-web+proto", false),
        ("application/octet-stream", false),
        ("image/png", false),
        ("video/mp4", false),
    ] {
        assert_eq!(fits(&fields(&[("content-type", content_type), long]), false), expected);
    }
}

#[test]
fn a_strong_tag_becomes_weak() {
    for (before, after) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\"")] {
        let mut headers = fields(&[("etag", before)]);
        weaken(&mut headers);
        assert_eq!(headers["etag"], after);
    }
}

#[test]
fn models_are_known_by_their_paths() {
    for (path, expected) in [
        ("/v1/chat/completions", true),
        ("/openai/v1/models", true),
        ("/api/generate", true),
        ("/api/chat?x", true),
        ("/v1", false),
        ("/api/v2/x", false),
        ("/?/v1/", false),
    ] {
        let request = Request::get(path).body(()).expect("a request");
        assert_eq!(Wish::of(&request).is_model, expected, "{path}");
    }
}
