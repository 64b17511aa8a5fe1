//! What flags make of a policy, and what they refuse.

use std::collections::BTreeSet;

use clap::Parser;
use conduit_core::policy::{Outliers, ServerName};
use serde_json::{Value, json};

use super::*;
use crate::cli::args::{Cli, Verb};

fn parse(words: &[&str]) -> Result<TrafficArgs, String> {
    let line = ["conduit", "register", "a", "h:1"].iter().chain(words);
    match Cli::try_parse_from(line).map_err(|error| error.to_string())?.verb {
        Verb::Register(args) => Ok(args.traffic),
        other => panic!("{other:?}"),
    }
}

fn policy(words: &[&str]) -> Result<Value, String> {
    let policy = of(&parse(words)?).map_err(|failure| failure.to_string())?;
    check(&policy).map_err(|failure| failure.to_string())?;
    Ok(serde_json::to_value(policy).expect("written"))
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_flag_says_its_part() {
    let digits = "ab".repeat(32);
    let key = format!("ci:sha3-256:{digits}");
    for (words, expected) in [
        (&["--preset", "vllm"][..], json!({ "preset": "vllm" })),
        (&["--preset", "auto"], json!({})),
        (&["--balance=hash:header:X-User"], json!({ "balance": "hash:header:x-user" })),
        (&["--sticky", "lab"], json!({ "sticky": { "cookie": "lab" } })),
        (&["--upstream-tls=insecure"], json!({ "upstream": { "tls": "insecure" } })),
        (&["--upstream-name", "A.b"], json!({ "upstream": { "server_name": "a.b" } })),
        (&["--upstream-host", "x:1"], json!({ "upstream": { "host": "x:1" } })),
        (&["--connect-timeout", "2"], json!({ "timeouts": { "connect": "2s" } })),
        (&["--first-byte-timeout=10m"], json!({ "timeouts": { "first_byte": "10m" } })),
        (&["--idle-timeout", "1h"], json!({ "timeouts": { "idle": "1h" } })),
        (&["--max-in-flight", "8"], json!({ "upstream": { "in_flight_max": 8 } })),
        (&["--queue", "0"], json!({ "upstream": { "queue_max": 0 } })),
        (&["--retries=0"], json!({ "retries": { "max": 0 } })),
        (&["--health-interval", "5s"], json!({ "probe": { "interval": "5s" } })),
        (&["--health-timeout", "1s"], json!({ "probe": { "timeout": "1s" } })),
        (&["--health-status=200,401"], json!({ "probe": { "status": "200,401" } })),
        (&["--health-body", "is up"], json!({ "probe": { "body": "is up" } })),
        (&["--health-kind", "grpc"], json!({ "probe": { "kind": "grpc" } })),
        (&["--path", "/a", "--path=/b/"], json!({ "paths": ["/a", "/b"] })),
        (
            &["--rewrite", "/a=/x", "--strip-prefix", "/b"],
            json!({ "rewrites": [{ "from": "/a", "to": "/x" }, { "from": "/b", "to": "/" }] }),
        ),
        (
            &["--redirect", "/a=/b?x=1,301", "--redirect", "/c=https://d/e,f"],
            json!({ "redirects": [
                { "from": "/a", "to": "/b?x=1", "status": "301" },
                { "from": "/c", "to": "https://d/e,f", "status": "308" },
            ] }),
        ),
        (
            &["--set-header", "X-A:  a: b", "--remove-header=X-B"],
            json!({ "request_headers": { "set": { "x-a": "a: b" }, "remove": ["x-b"] } }),
        ),
        (
            &["--set-response-header=X-A:", "--remove-response-header", "Server"],
            json!({ "response_headers": { "set": { "x-a": "" }, "remove": ["server"] } }),
        ),
        (&["--compress"], json!({ "compress": true })),
        (&["--body-limit", "10MB"], json!({ "body_max": "10MB" })),
        (
            &["--rate-limit", "600/m,burst=50,by=service"],
            json!({ "rate": { "requests": 600, "per": "1m", "burst": 50, "by": "service" } }),
        ),
        (
            &["--rate-limit=5/30s"],
            json!({ "rate": { "requests": 5, "per": "30s", "by": "client" } }),
        ),
        (
            &["--allow", "10.0.0.0/8", "--allow=fd00::1"],
            json!({ "allow": ["10.0.0.0/8", "fd00::1/128"] }),
        ),
        (
            &["--basic-auth", "ann:$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"],
            json!({ "basic_auth": [{ "user": "ann", "hash": "$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy" }] }),
        ),
        (
            &["--api-key", &key],
            json!({ "api_keys": [{ "name": "ci", "hash": format!("sha3-256:{digits}") }] }),
        ),
        (
            &["--forward-auth", "http://10.0.0.1:9/v"],
            json!({ "forward_auth": { "url": "http://10.0.0.1:9/v" } }),
        ),
        (
            &["--cors", "https://a.internal", "--cors=https://b.internal"],
            json!({ "cors": {
                "origins": ["https://a.internal", "https://b.internal"], "credentials": false
            } }),
        ),
        (&["--maintenance", "back at noon"], json!({ "maintenance": "back at noon" })),
        (&["--no-access-log"], json!({ "access_log": false })),
        (&["--listen", "5432"], json!({ "listen": 5432 })),
        (&["--tls-passthrough"], json!({ "tls_passthrough": true })),
        (&["--proxy-protocol=v2"], json!({ "upstream": { "proxy_header": "v2" } })),
        (&["--accept-proxy-protocol"], json!({ "accept_proxy_header": true })),
    ] {
        assert_eq!(policy(words).expect("taken"), expected, "{words:?}");
    }
}

#[test]
fn wrong_values_name_the_flag_and_the_mend() {
    for (words, flag, mend) in [
        (&["--preset", "olama"][..], "--preset", "or auto"),
        (&["--balance", "fast"], "--balance", "use round-robin"),
        (&["--sticky", "a b"], "--sticky", "name of a header or cookie"),
        (&["--upstream-tls", "sha256:12"], "--upstream-tls", "use verify, insecure"),
        (&["--connect-timeout", "0"], "--connect-timeout", "such as 30s"),
        (&["--max-in-flight", "0"], "--max-in-flight", "at least one"),
        (&["--queue", "99999"], "--queue", "can wait"),
        (&["--retries", "9"], "--retries", "at most 5"),
        (&["--health-status", "2xx"], "--health-status", "such as 200-299"),
        (&["--path", "api"], "--path", "such as /api"),
        (&["--rewrite", "/a"], "--rewrite", "write FROM=TO"),
        (&["--redirect", "/a=/b,309"], "--redirect", "one of 301"),
        (&["--set-header", "x-a"], "--set-header", "write 'Name: value'"),
        (&["--set-header", "Host: x"], "--set-header", "cannot be changed"),
        (&["--body-limit", "much"], "--body-limit", "such as 500KB"),
        (&["--rate-limit", "10"], "--rate-limit", "as in 10/s"),
        (&["--rate-limit", "0/s"], "--rate-limit", "set maintenance"),
        (&["--allow", "10.0.0.0/40"], "--allow", "such as 10.0.0.0/8"),
        (&["--basic-auth", "ann"], "--basic-auth", "write USER:HASH"),
        (&["--api-key", "ci:secret"], "--api-key", "openssl dgst -sha3-256"),
        (&["--forward-auth", "ftp://a"], "--forward-auth", "a URL such as"),
        (&["--cors", "a.internal"], "--cors", "an origin such as"),
        (&["--listen", "0"], "--listen", "from 1 to 65535"),
        (&["--proxy-protocol", "3"], "--proxy-protocol", "use v1 or v2"),
        (&["--sticky", "c", "--balance", "hash:client"], "--sticky", "use one of the two"),
        (&["--policy", "/nowhere/policy.toml"], "/nowhere/policy.toml", "cannot read"),
    ] {
        let error = policy(words).expect_err("refused");
        assert!(error.contains(flag) && error.contains(mend), "{words:?}: {error}");
    }
    for secret in [&["--basic-auth", "ann:hunter2"][..], &["--api-key", "ci:hunter2"]] {
        assert!(!policy(secret).expect_err("refused").contains("hunter2"));
    }
    assert!(parse(&["--file", "x", "--balance", "random"]).is_err());
}

#[test]
fn flags_win_over_the_file_key_by_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("policy.toml");
    let text = "preset = \"ollama\"\nbalance = \"random\"\npaths = [\"/a\"]\n\
        [timeouts]\nidle = \"5m\"\nconnect = \"1s\"\n";
    std::fs::write(&file, text).expect("written");
    let path = file.to_str().expect("UTF-8");
    let merged = policy(&["--policy", path, "--balance=peak-ewma", "--idle-timeout", "9s"]);
    let expected = json!({
        "preset": "ollama", "balance": "peak-ewma", "paths": ["/a"],
        "timeouts": { "connect": "1s", "idle": "9s" },
    });
    assert_eq!(merged.expect("taken"), expected);
    let looked = policy(&["--policy", path, "--preset", "auto"]).expect("taken");
    assert_eq!(looked.get("preset"), None);
    let named = policy(&["--policy", path, "--preset", "vllm"]).expect("taken");
    assert_eq!(named["preset"], "vllm");
}

#[test]
fn upstreams_are_typed_with_their_shares() {
    for (text, address, weight, priority) in [
        ("h:1", "h:1", None, None),
        ("h:1,weight=3", "h:1", Some(3), None),
        ("h:1,priority=1,weight=2", "h:1", Some(2), Some(1)),
    ] {
        let typed = TypedUpstream::parse(text).expect(text);
        assert_eq!((typed.address, typed.weight, typed.priority), (address, weight, priority));
    }
    for wrong in ["h:1,weight=x", "h:1,weight", "h:1,share=2", "h:1,priority=300"] {
        assert!(TypedUpstream::parse(wrong).expect_err(wrong).contains("weight=N"), "{wrong}");
    }
}

#[test]
fn every_flag_of_the_table_exists() {
    let command = <Cli as clap::CommandFactory>::command();
    let register = command.find_subcommand("register").expect("a verb");
    let known: Vec<&str> = register.get_arguments().filter_map(|arg| arg.get_long()).collect();
    for (key, flag) in FLAGS.iter().filter(|(_, flag)| !flag.is_empty()) {
        assert!(known.contains(&flag.trim_start_matches("--")), "{key}: {flag}");
    }
}

/// A policy with every key. Written without `..`, so that a new key is missed here by the compiler
/// and then in the document by the test.
#[expect(clippy::too_many_lines, reason = "every key, once")]
fn everything() -> Policy {
    fn p<T: std::str::FromStr>(text: &str) -> T {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }
    let span = Some(p("1s"));
    let fields = || Fields { set: [(p("x-a"), p("1"))].into(), remove: vec![p("x-b")] };
    Policy {
        preset: Some(Preset::Ollama),
        balance: Some(p("random")),
        sticky: Some(Sticky { cookie: p("c") }),
        shares: vec![Share {
            upstream: UpstreamAddr::parse("h:1").expect("valid"),
            weight: 2,
            priority: 1,
        }],
        slow_start: span,
        timeouts: Clocks { connect: span, first_byte: span, idle: span, client: span },
        retries: Retries { max: Some(1), budget_percent: Some(20), on_status: Some(true) },
        upstream: UpstreamUse {
            tls: Some(p("verify")),
            server_name: Some(p::<ServerName>("a.b")),
            host: Some(p("keep")),
            origin: Some(p("keep")),
            proxy_header: Some(p("v1")),
            in_flight_max: Some(1),
            queue_max: Some(1),
            queue_timeout: span,
        },
        probe: ProbePolicy {
            kind: Some(p("http")),
            interval: span,
            timeout: span,
            unhealthy_after: Some(1),
            healthy_after: Some(1),
            status: Some(p("200")),
            body: Some("ok".into()),
            grpc_service: Some("s".into()),
        },
        outliers: Outliers {
            failures: Some(1),
            probation: span,
            eject_last: Some(true),
            slow_factor: Some(2),
        },
        paths: vec![p("/a")],
        redirects: vec![Redirect { from: p("/a"), to: p("/b"), status: p("301") }],
        rewrites: vec![Rewrite { from: p("/a"), to: p("/b") }],
        request_headers: fields(),
        response_headers: fields(),
        compress: Some(true),
        body_max: Some(p("1MB")),
        allow: vec![p("10.0.0.0/8")],
        rate: Some(RateLimit { requests: 1, per: p("1s"), burst: Some(1), by: p("client") }),
        basic_auth: vec![BasicUser {
            user: p("u"),
            hash: p("$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"),
        }],
        api_keys: vec![ApiKey {
            name: p("n"),
            hash: p(&format!("sha3-256:{}", "ab".repeat(32))),
            paths: vec![p("/a")],
            methods: vec![p("GET")],
        }],
        forward_auth: Some(ForwardAuth { url: p("http://a/"), copy: vec![p("x-a")] }),
        cors: Some(Cors {
            origins: vec![p("*")],
            methods: vec![p("GET")],
            headers: vec![p("x-a")],
            expose: vec![p("x-a")],
            credentials: false,
            max_age: span,
        }),
        maintenance: Some("soon".into()),
        access_log: Some(false),
        listen: Some(1),
        tls_passthrough: Some(true),
        accept_proxy_header: Some(true),
    }
}

/// The keys that hold values, such as `shares.weight`; the fields that headers set are values.
fn keys(prefix: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) if !prefix.ends_with("headers.set") => {
            for (key, value) in fields {
                let dot = if prefix.is_empty() { "" } else { "." };
                keys(&format!("{prefix}{dot}{key}"), value, found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().for_each(|item| keys(prefix, item, found));
        }
        _ => {
            found.insert(prefix.to_owned());
        }
    }
}

#[test]
fn the_document_has_every_key_with_its_flag_and_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.md");
    let document = std::fs::read_to_string(path).expect("docs/policy.md");
    let mut all = BTreeSet::new();
    keys("", &serde_json::to_value(everything()).expect("written"), &mut all);
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
    let told: BTreeSet<String> =
        rows.iter().filter_map(|row| row.split('`').nth(1)).map(str::to_owned).collect();
    assert_eq!(told, all, "keys of docs/policy.md (left) and of Policy (right)");
    for (key, flag) in FLAGS.iter().filter(|(_, flag)| !flag.is_empty()) {
        let row = rows.iter().find(|row| row.starts_with(&format!("| `{key}` |")));
        assert!(row.is_none_or(|row| row.contains(flag)), "{key} lacks {flag}");
    }
}
