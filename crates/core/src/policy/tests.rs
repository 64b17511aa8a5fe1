//! What is written and read, refused, and filled by presets.

use super::*;

fn read(json: &str) -> Policy {
    serde_json::from_str(json).expect(json)
}

fn refused(json: &str) -> String {
    match serde_json::from_str::<Policy>(json) {
        Err(error) => error.to_string(),
        Ok(policy) => policy.check().expect_err(json).to_string(),
    }
}

#[test]
fn what_is_written_is_read_back() {
    for json in [
        "{}",
        r#"{"preset":"ollama","balance":"hash:header:x-user"}"#,
        r#"{"shares":[{"upstream":"10.0.0.1:80","weight":3,"priority":1}],"slow_start":"30s"}"#,
        r#"{"timeouts":{"connect":"2s","first_byte":"10m"},"retries":{"max":0}}"#,
        r#"{"upstream":{"tls":"insecure","host":"upstream","in_flight_max":8,"queue_max":0}}"#,
        r#"{"probe":{"kind":"grpc","status":"200-299,401"},"outliers":{"failures":0}}"#,
        r#"{"paths":["/api"],"rewrites":[{"from":"/api","to":"/"}],"body_max":"100MB"}"#,
        r#"{"request_headers":{"set":{"x-a":"1"},"remove":["x-b"]},"compress":true}"#,
        r#"{"allow":["10.0.0.0/8"],"rate":{"requests":10,"per":"1s","by":"client"}}"#,
        r#"{"cors":{"origins":["https://chat.internal"],"credentials":true}}"#,
        r#"{"forward_auth":{"url":"http://10.0.1.9:9091/verify","copy":["remote-user"]}}"#,
    ] {
        let policy = read(json);
        policy.check().expect(json);
        assert_eq!(serde_json::to_string(&policy).expect("written"), json);
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    for (json, reason) in [
        (r#"{"balanse":"random"}"#, "unknown field `balanse`"),
        (r#"{"balance":"fastest"}"#, "use round-robin, random"),
        (r#"{"timeouts":{"connect":0}}"#, "a length of time"),
        (r#"{"body_max":"much"}"#, "a size such as"),
        (r#"{"paths":["api"]}"#, "the beginning of a path"),
        (r#"{"paths":["/a/../b"]}"#, "the beginning of a path"),
        (r#"{"redirects":[{"from":"/a","to":"//evil.example"}]}"#, "an absolute path or an"),
        (r#"{"request_headers":{"set":{"x-a":"1\r\nx-b: 2"}}}"#, "visible ASCII"),
        (r#"{"request_headers":{"set":{"Transfer-Encoding":"chunked"}}}"#, "cannot be changed"),
        (r#"{"cors":{"origins":["*"],"credentials":true}}"#, "cors.credentials"),
        (r#"{"basic_auth":[{"user":"a","hash":"secret"}]}"#, "\"…\" is not a hashed password"),
        (r#"{"shares":[{"upstream":"10.0.0.1:80","weight":0}]}"#, "a weight is a number"),
        (r#"{"sticky":{"cookie":"c"},"balance":"hash:client"}"#, "use one of the two"),
        (r#"{"probe":{"status":"2xx"}}"#, "a set of statuses"),
        (r#"{"upstream":{"in_flight_max":0}}"#, "at least one request"),
        (r#"{"listen":0}"#, "a port from 1"),
    ] {
        let text = refused(json);
        assert!(text.contains(reason), "{json}: {text}");
    }
}

#[test]
fn hashes_that_take_too_long_to_check_are_refused() {
    let rest = "abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcde";
    for (hash, legal) in [
        (format!("$2b$10${rest}"), true),
        (format!("$2y$14${rest}"), true),
        (format!("$2b$15${rest}"), false),
        (format!("$2b$10${rest}x"), false),
        ("$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g".to_owned(), true),
        ("$argon2id$v=19$m=4194304,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g".to_owned(), false),
        ("$argon2id$v=19$t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g".to_owned(), false),
    ] {
        assert_eq!(hash.parse::<PasswordHash>().is_ok(), legal, "{hash}");
    }
}

#[test]
fn a_preset_fills_what_is_silent() {
    let policy = read(r#"{"preset":"ollama","timeouts":{"idle":"5m"}}"#);
    let policy = policy.with_preset();
    assert_eq!(policy.timeouts.idle, "5m".parse().ok());
    assert_eq!(policy.timeouts.first_byte, "15m".parse().ok());
    assert_eq!(policy.upstream.origin, Some(OriginPolicy::Remove));
    let kept = read(r#"{"preset":"ollama","upstream":{"host":"keep"}}"#);
    let kept = kept.with_preset();
    assert_eq!(kept.upstream.host, Some(HostPolicy::Keep));
}

#[test]
fn every_preset_can_be_carried_out() {
    for preset in Preset::ALL {
        assert_eq!(preset.as_str().parse(), Ok(preset));
        let checked = preset.defaults().check();
        assert_eq!(checked, Ok(()), "{preset}");
        let written = serde_json::to_string(&preset.defaults()).expect("written");
        assert_eq!(read(&written), preset.defaults());
    }
}

#[test]
fn prefixes_fit_whole_segments() {
    let api: PathPrefix = "/api/".parse().expect("a prefix");
    for (path, rest) in [("/api", Some("")), ("/api/v1", Some("/v1")), ("/apis", None), ("/", None)]
    {
        assert_eq!(api.rest(path), rest, "{path}");
    }
    let all: PathPrefix = "/".parse().expect("a prefix");
    assert_eq!(all.rest("/x"), Some("/x"));
}

#[test]
fn sizes_are_read_as_people_write_them() {
    for (text, bytes) in [
        ("100MB", Some(100_000_000)),
        ("64KiB", Some(65_536)),
        ("5 m", Some(5_000_000)),
        ("x", None),
    ] {
        assert_eq!(text.parse::<Size>().ok().map(|size| size.0), bytes, "{text}");
    }
    assert_eq!(Size(65_536).to_string(), "64KiB");
    assert_eq!(Size(0).to_string(), "0");
}
