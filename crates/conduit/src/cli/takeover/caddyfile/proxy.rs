//! `reverse_proxy`: upstreams, and what is asked of them.

use serde_json::json;

use super::super::found::Found;
use super::super::source::Lines;
use super::blocks::Line;
use super::site::{Site, beginning};

/// Takes a `reverse_proxy` over.
pub(super) fn take(
    lines: &Lines,
    (matcher, words): (Option<&str>, &[String]),
    line: &Line,
    path: &str,
    site: &mut Site,
    found: &mut Found,
) -> Result<(), String> {
    if !site.upstreams.is_empty() {
        return Err(
            "a service has one pool of upstreams; register another one for this path".into()
        );
    }
    let below = beginning(matcher.unwrap_or("*"), path)?;
    let inside = || line.block.iter().flatten();
    let more = inside().filter(|line| line.words.first().is_some_and(|word| word == "to"));
    let all: Vec<&String> = words.iter().chain(more.flat_map(|line| &line.words[1..])).collect();
    for text in all {
        let (address, protocol) = upstream(text)?;
        if site.protocol.is_some() && site.protocol != protocol {
            return Err("the upstreams of a service speak one protocol".into());
        }
        site.protocol = protocol;
        site.upstreams.push(address);
    }
    if below != "/" {
        site.push("paths", json!(below));
    }
    for sub in inside() {
        if let Err(reason) = subdirective(lines, sub, site, found) {
            found.leave(&lines.place(sub.number), &sub.words.join(" "), reason);
        }
    }
    Ok(())
}

/// An upstream as it is written here, and what it speaks when that is not HTTP.
fn upstream(text: &str) -> Result<(String, Option<&'static str>), String> {
    let (rest, protocol, port) = match text.split_once("://") {
        Some(("http", rest)) => (rest, None, 80),
        Some(("https", rest)) => (rest, Some("https"), 443),
        Some(("h2c", rest)) => (rest, Some("h2c"), 80),
        Some((scheme, _)) => return Err(format!("an upstream cannot speak {scheme}")),
        None => (text, None, 80),
    };
    let rest = rest.trim_end_matches('/');
    if rest.contains(['{', '/']) {
        return Err("an upstream is HOST:PORT".into());
    }
    let (host, given) = match rest.rsplit_once(':') {
        Some((host, given)) if !given.contains(']') => (host, given.to_owned()),
        _ => (rest, port.to_string()),
    };
    let host = match host {
        "" | "localhost" => "127.0.0.1",
        host => host,
    };
    Ok((format!("{host}:{given}"), protocol))
}

fn subdirective(
    lines: &Lines,
    line: &Line,
    site: &mut Site,
    found: &mut Found,
) -> Result<(), String> {
    let Some((name, words)) = line.words.split_first() else {
        return Ok(());
    };
    let first = words.first().map_or("", String::as_str);
    match name.as_str() {
        // Answers are passed on as they come.
        "to" | "flush_interval" | "trusted_proxies" => Ok(()),
        "lb_policy" => {
            let balance = match first {
                "round_robin" => "round-robin",
                "random" | "random_choose" => "random",
                "least_conn" => "least-requests",
                "ip_hash" | "client_ip_hash" => "hash:client",
                "uri_hash" => "hash:path",
                _ => return Err("there is no such balance; see --balance".into()),
            };
            site.policy.insert("balance".into(), json!(balance));
            Ok(())
        }
        "health_uri" => {
            site.health = Some(first.to_owned());
            Ok(())
        }
        "header_up" => header_up(words, site),
        "header_down" => site.field("response_headers", words),
        "transport" => {
            for inner in line.block.iter().flatten() {
                if let Err(reason) = transport(inner, site) {
                    found.leave(&lines.place(inner.number), &inner.words.join(" "), reason);
                }
            }
            Ok(())
        }
        _ if name.starts_with("health_") => {
            Err("see health.interval and --probe of `conduit register`".into())
        }
        _ => Err("this is not carried over".into()),
    }
}

fn header_up(words: &[String], site: &mut Site) -> Result<(), String> {
    let [name, value] = words else {
        return site.field("request_headers", words);
    };
    let lower = name.to_ascii_lowercase();
    match (lower.as_str(), value.as_str()) {
        ("host", "{upstream_hostport}" | "{http.reverse_proxy.upstream.hostport}") => {
            site.set("upstream", "host", json!("upstream"));
            Ok(())
        }
        // Upstreams are told so anyway.
        ("host", "{host}" | "{http.request.host}" | "{hostport}") => Ok(()),
        ("x-real-ip" | "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host", value)
            if value.contains('{') =>
        {
            Ok(())
        }
        ("host", value) if !value.contains('{') => {
            site.set("upstream", "host", json!(value));
            Ok(())
        }
        _ => site.field("request_headers", words),
    }
}

fn transport(line: &Line, site: &mut Site) -> Result<(), String> {
    let value = line.words.get(1).map_or("", String::as_str);
    match line.words.first().map_or("", String::as_str) {
        "tls" => site.protocol = Some("https"),
        "tls_insecure_skip_verify" => {
            site.protocol = Some("https");
            site.set("upstream", "tls", json!("insecure"));
        }
        "tls_server_name" => site.set("upstream", "server_name", json!(value)),
        "versions" if value == "h2c" => site.protocol = Some("h2c"),
        _ => return Err("this is not carried over; see the timeouts of `conduit register`".into()),
    }
    Ok(())
}
