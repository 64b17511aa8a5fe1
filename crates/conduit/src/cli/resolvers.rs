//! The DNS servers this machine itself uses, for `setup --upstream-dns system` and `doctor`.

use std::net::IpAddr;
use std::path::Path;

/// The resolvers behind systemd-resolved when it runs, else those of `resolv.conf`; loopback ones
/// are left out, since they may well be ourselves.
pub(crate) fn of_this_machine() -> Vec<IpAddr> {
    let places = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];
    let texts = places.iter().filter_map(|path| std::fs::read_to_string(Path::new(path)).ok());
    texts.map(|text| parse(&text)).find(|found| !found.is_empty()).unwrap_or_default()
}

/// All that `resolv.conf` names, in their order: those that programs really ask.
pub(crate) fn listed() -> Vec<IpAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    servers(&text)
}

fn parse(text: &str) -> Vec<IpAddr> {
    servers(text).into_iter().filter(|ip| !ip.is_loopback()).collect()
}

/// Each once.
fn servers(text: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        let address: Option<IpAddr> = words.next().and_then(|word| word.parse().ok());
        if let Some(ip) = address.filter(|ip| !found.contains(ip)) {
            found.push(ip);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_nonsense_are_left_out() {
        let text = "# x\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nnameserver 10.0.0.1\n\
                    nameserver fe80::1%eth0\nsearch internal\nnameserver\n";
        assert_eq!(parse(text), ["10.0.0.1".parse::<IpAddr>().expect("valid")]);
        let all: Vec<String> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(all, ["127.0.0.53", "10.0.0.1"]);
    }
}
