//! Options that say who is asked.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::super::found::{Found, Place};
use super::super::source::Lines;
use super::{Gathered, parts};

/// Takes an option over; false when it is none of these.
pub(super) fn take(
    place: &Place,
    option: &str,
    value: Option<&str>,
    found: &mut Found,
    gathered: &mut Gathered,
) -> Result<bool, String> {
    match (option, value) {
        ("server" | "local", Some(value)) => server(place, value, found)?,
        ("rev-server", Some(value)) => reverse(value, found)?,
        ("no-resolv", None) => gathered.no_resolv = true,
        ("resolv-file", Some(path)) => {
            gathered.resolv_files.push((place.clone(), path.to_owned()));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// `server=/ONE/OTHER/ADDRESS#PORT`, or without names.
fn server(place: &Place, value: &str, found: &mut Found) -> Result<(), String> {
    let Some(rest) = value.strip_prefix('/') else {
        let address = address(value)?;
        found.settings.push("dns.forwarders", address);
        return Ok(());
    };
    let (names, to) = rest.rsplit_once('/').ok_or("a slash is missing behind the domains")?;
    let to = match to {
        "" => Vec::new(),
        "#" => return Err("names within others that are asked as usual cannot be said".to_owned()),
        to => vec![address(to)?],
    };
    let mut domains = Vec::new();
    for name in names.split('/') {
        let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        if name == "#" && !to.is_empty() {
            // Every name there is.
            to.iter().for_each(|to| found.settings.push("dns.forwarders", to.as_str()));
        } else if name == "#" {
            found.leave(
                place,
                value,
                "without forwarders nobody is asked: leave dns.forwarders empty",
            );
        } else if name.is_empty() {
            found.leave(place, value, "names without a dot have no servers of their own");
        } else if !found.is_ours(&name) {
            domains.push(name);
        } else if !to.is_empty() {
            let reason = format!("{name} is the gateway's own, and never asked elsewhere");
            found.leave(place, value, reason);
        }
    }
    found.settings.forward(&domains, &to);
    Ok(())
}

/// `rev-server=NETWORK,ADDRESS#PORT`
fn reverse(value: &str, found: &mut Found) -> Result<(), String> {
    let parts = parts(value);
    let [network, to] = parts.as_slice() else {
        return Err("it needs a network and a server".to_owned());
    };
    let network = if network.contains('/') {
        network.clone()
    } else {
        let address: IpAddr = network.parse().map_err(|_| format!("{network:?} is no network"))?;
        format!("{network}/{}", if address.is_ipv4() { 32 } else { 128 })
    };
    network.parse::<ipnet::IpNet>().map_err(|_| format!("{network:?} is no network"))?;
    found.settings.forward(&[network], &[address(to)?]);
    Ok(())
}

/// `10.0.0.53#5353`, as a forwarder is written here.
fn address(text: &str) -> Result<String, String> {
    let (text, rest) = text.split_once('@').unwrap_or((text, ""));
    if !rest.is_empty() {
        return Err(
            "servers are asked by whatever way the machine has: leave out what is behind @".into(),
        );
    }
    let (host, port) = text.split_once('#').unwrap_or((text, ""));
    let ip: IpAddr = host
        .parse()
        .map_err(|_| format!("{host:?} is no address; forwarders are given by address"))?;
    match port {
        "" | "53" => Ok(ip.to_string()),
        port => {
            let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
            Ok(SocketAddr::new(ip, port).to_string())
        }
    }
}

/// Without `no-resolv`, the servers of resolv.conf are asked as well.
pub(super) fn finish(place: &Place, found: &mut Found, gathered: &Gathered) {
    if gathered.no_resolv {
        return;
    }
    if gathered.resolv_files.is_empty() {
        let reason = "dnsmasq also asks the servers of /etc/resolv.conf; \
                      `conduit setup --upstream-dns system` takes those";
        found.leave(place, "(no no-resolv)", reason);
    }
    for (place, path) in &gathered.resolv_files {
        let lines = match Lines::read(Path::new(path)) {
            Ok(lines) => lines,
            Err(failure) => {
                found.leave(place, path, failure.message);
                continue;
            }
        };
        for (_, line) in lines.iter() {
            let server = line.trim().strip_prefix("nameserver").map(str::trim);
            if let Some(server) = server.and_then(|text| text.parse::<IpAddr>().ok()) {
                found.settings.push("dns.forwarders", server.to_string());
            }
        }
    }
}
