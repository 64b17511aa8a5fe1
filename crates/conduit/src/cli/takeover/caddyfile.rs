//! A Caddyfile: each site with one pool of upstreams becomes a service.
//!
//! **Invariant:** a directive is carried over as what it means, or told with its line; a site of which the
//! upstreams cannot be told is no service.

mod blocks;
mod proxy;
mod site;

use conduit_core::name::{Host, ServiceName};

use self::blocks::Line;
use super::found::Found;
use super::source::Lines;

/// Takes a Caddyfile over.
pub(crate) fn read(lines: &Lines, found: &mut Found) {
    let all = match blocks::read(&lines.text) {
        Ok(all) => all,
        Err((line, reason)) => {
            found.leave(&lines.place(line), "(the whole file)", reason);
            return;
        }
    };
    // A file of one site may do without braces.
    if let [first, rest @ ..] = all.as_slice()
        && first.block.is_none()
        && first.words.first().is_some_and(|word| is_address(word))
    {
        one(lines, first, rest, found);
        return;
    }
    for line in &all {
        match (line.words.first(), &line.block) {
            (None, Some(options)) => {
                for option in options {
                    global(lines, option, found);
                }
            }
            (Some(word), Some(_)) if word.starts_with('(') => {
                let reason =
                    "snippets are not carried over; write them out where they are imported";
                found.leave(&lines.place(line.number), &line.words.join(" "), reason);
            }
            (Some(_), Some(block)) => one(lines, line, block, found),
            _ => found.leave(&lines.place(line.number), &line.words.join(" "), "this is no site"),
        }
    }
}

fn is_address(word: &str) -> bool {
    word.contains(['.', ':']) && !word.starts_with('(')
}

/// What is so anyway, or has no place here.
fn global(lines: &Lines, option: &Line, found: &mut Found) {
    let first = option.words.first().map_or("", String::as_str);
    if matches!(first, "local_certs" | "skip_install_trust" | "email" | "admin" | "auto_https") {
        return;
    }
    let reason = match first {
        "http_port" | "https_port" => "ports are proxy.http_listen and proxy.https_listen",
        "log" => "the access log is under [access_log]",
        "servers" | "grace_period" => "see proxy.limits and gateway.drain",
        _ => "this option is not carried over",
    };
    found.leave(&lines.place(option.number), &option.words.join(" "), reason);
}

/// One site.
fn one(lines: &Lines, head: &Line, block: &[Line], found: &mut Found) {
    let place = lines.place(head.number);
    let mut hosts: Vec<String> = Vec::new();
    let mut is_plain = true;
    for address in
        head.words.iter().flat_map(|word| word.split(',')).filter(|word| !word.is_empty())
    {
        match host_of(address, found) {
            Ok((host, plain)) => {
                is_plain &= plain;
                if !hosts.contains(&host) {
                    hosts.push(host);
                }
            }
            Err(reason) => found.leave(&place, address, reason),
        }
    }
    let Some(first) = hosts.first().cloned() else {
        return;
    };
    let name = name_of(&first, found);
    let asked = site::Asked { place: &place, name, hosts, is_plain };
    if let Some(service) = site::service(lines, asked, block, found) {
        found.services.push((place, service));
    }
}

/// The host of an address, and whether it is served without TLS.
fn host_of(address: &str, found: &Found) -> Result<(String, bool), String> {
    let (rest, is_plain) = match (address.strip_prefix("http://"), address.strip_prefix("https://"))
    {
        (Some(rest), _) => (rest, true),
        (_, Some(rest)) => (rest, false),
        _ => (address, false),
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !path.is_empty() {
        return Err(
            "an address with a path is no host; a service's paths are its policy".to_owned()
        );
    }
    let (host, port) = host.split_once(':').unwrap_or((host, ""));
    if host.is_empty() || host.contains('*') || host.contains('{') {
        return Err("a service has hosts of its own: neither every host, nor a wildcard".to_owned());
    }
    let host = Host::parse(host).map_err(|error| error.to_string())?;
    if !found.is_ours(host.as_str()) {
        return Err(format!(
            "{host} is not under a domain of the gateway ({})",
            found.domains.join(", ")
        ));
    }
    if !matches!(port, "" | "80" | "443") {
        return Err(format!("every site is on the gateway's own ports, and not on {port}"));
    }
    Ok((host.to_string(), is_plain || port == "80"))
}

/// The host's first label, with more of the host when another service has that name.
fn name_of(host: &str, found: &Found) -> String {
    let labels: Vec<&str> = host.split('.').collect();
    let is_free = |name: &String| found.services.iter().all(|(_, other)| other.name != *name);
    let names = (1..=labels.len()).map(|count| labels[..count].join("-"));
    let mut names = names.filter(|name| ServiceName::parse(name).is_ok());
    names.find(is_free).unwrap_or_else(|| labels[0].to_owned())
}

#[cfg(test)]
mod tests;
