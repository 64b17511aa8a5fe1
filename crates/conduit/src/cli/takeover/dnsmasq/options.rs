//! All other options: those that have a key here, and why the others have none.

use std::net::IpAddr;

use conduit_dns::dnssec::anchors::AnchorPlace;
use toml::Value;

use super::super::found::Found;
use super::super::settings::Settings;
use super::{Gathered, domain, parts};

/// Takes an option over.
pub(super) fn take(
    option: &str,
    value: Option<&str>,
    found: &mut Found,
    gathered: &mut Gathered,
) -> Result<(), String> {
    let settings = &mut found.settings;
    match (option, value.unwrap_or_default()) {
        ("port", port) => {
            gathered.port = Some(port.parse().map_err(|_| format!("{port:?} is no port"))?)
        }
        ("listen-address", value) => {
            for address in parts(value) {
                let address: IpAddr =
                    address.parse().map_err(|_| format!("{address:?} is no address"))?;
                gathered.listen.push(address.to_string());
            }
        }
        ("domain", value) if value.contains(',') => {
            return Err("a domain for a part of the network is for DHCP".to_owned());
        }
        ("domain", "#") => {
            return Err("the domain of resolv.conf is not read; write it out".to_owned());
        }
        // Told at the end, when it is not ours; in files that are named it is found only now.
        ("domain", name) => {
            gathered.domain = gathered.domain.take().or_else(|| domain(name));
        }
        ("cache-size", count) => settings.set("dns.cache.size", cache_size(count)?),
        ("neg-ttl", ttl) => settings.set("dns.cache.negative_ttl", seconds(ttl, NEGATIVE_MAX_S)?),
        ("no-negcache", _) => settings.set("dns.cache.negative_ttl", "0s"),
        ("max-cache-ttl", ttl) => settings.set("dns.cache.max_ttl", seconds(ttl, MAX_MAX_S)?),
        ("min-cache-ttl", ttl) => settings.set("dns.cache.min_ttl", seconds(ttl, MIN_MAX_S)?),
        ("local-ttl", ttl) => settings.set("dns.ttl", seconds(ttl, TTL_MAX_S)?),
        ("no-0x20-encode", _) => settings.set("dns.mixed_case", false),
        // However long past its time.
        ("use-stale-cache", "0") => settings.set("dns.cache.serve_stale", format!("{MAX_MAX_S}s")),
        ("use-stale-cache", "") => settings.set("dns.cache.serve_stale", "1d"),
        ("use-stale-cache", ttl) => settings.set("dns.cache.serve_stale", seconds(ttl, MAX_MAX_S)?),
        ("stop-dns-rebind", _) => gathered.stops_rebind = true,
        ("rebind-domain-ok", value) => {
            for name in value.split(['/', ',']).filter(|name| !name.is_empty()) {
                settings.push("dns.rebind_allow", name.trim_start_matches('.'));
            }
        }
        ("bogus-nxdomain", value) => {
            let net = reversed(value).ok_or("it needs an address or a network")?;
            settings.line(BOGUS, "rpz", format!("{net}.rpz-ip CNAME ."))?;
        }
        ("dnssec" | "trust-anchor", value) => dnssec(option, value, settings, gathered)?,
        ("no-hosts", _) => gathered.no_hosts = true,
        ("user", user) => settings.set("gateway.user", user),
        ("all-servers", _) => settings.set("dns.fastest_first", Value::Boolean(true)),
        // So it is anyway.
        (
            "strict-order"
            | "bogus-priv"
            | "bind-interfaces"
            | "bind-dynamic"
            | "no-poll"
            | "clear-on-reload"
            | "local-service"
            | "no-daemon"
            | "keep-in-foreground"
            | "dns-loop-detect"
            | "no-dhcp-interface"
            | "no-round-robin"
            | "dnssec-check-unsigned",
            _,
        ) => {}
        (option, _) => return Err(why(option)),
    }
    Ok(())
}

/// Why an option is not carried over.
fn why(option: &str) -> String {
    let found = REASONS.iter().find(|(options, _)| {
        options.split(' ').any(|known| match known.strip_suffix('*') {
            Some(start) => option.starts_with(start),
            None => known == option,
        })
    });
    found.map_or("this option is not known here", |(_, reason)| reason).to_owned()
}

fn cache_size(count: &str) -> Result<String, String> {
    let count: u64 = count.parse().map_err(|_| format!("{count:?} is no number"))?;
    if count == 0 {
        return Err("answers are always kept; dns.cache.max_ttl says for how long".to_owned());
    }
    let bytes = count.saturating_mul(BYTES_PER_ANSWER).clamp(CACHE_BYTES_MIN, CACHE_BYTES_MAX);
    Ok(format!("{}KB", bytes / 1_000))
}

fn seconds(text: &str, max: u32) -> Result<String, String> {
    let seconds: u32 = text.parse().map_err(|_| format!("{text:?} is no number of seconds"))?;
    Ok(format!("{}s", seconds.min(max)))
}

/// Validation, and where its chains begin.
fn dnssec(
    option: &str,
    value: &str,
    settings: &mut Settings,
    gathered: &mut Gathered,
) -> Result<(), String> {
    if option == "dnssec" {
        gathered.validates = true;
        settings.set("dns.dnssec", Value::Boolean(true));
        return Ok(());
    }
    let (zone, line) = anchor(value).ok_or("it needs domain,tag,algorithm,type,digest")?;
    line.parse::<AnchorPlace>()?;
    settings.push("dns.trust_anchors", line);
    gathered.anchored.push(zone);
    Ok(())
}

/// The zone of a trust anchor, and the anchor as a zone file has it.
fn anchor(value: &str) -> Option<(String, String)> {
    let mut all = parts(value);
    if all.first().is_some_and(|class| ["IN", "CH", "HS"].contains(&class.as_str())) {
        all.remove(0);
    }
    let [zone, tag, algorithm, kind, digest @ ..] = all.as_slice() else { return None };
    let name = zone.trim_end_matches('.').to_ascii_lowercase();
    Some((name.clone(), format!("{name}. IN DS {tag} {algorithm} {kind} {}", digest.concat())))
}

/// An address or a network as policy zones write it: `24.0.2.0.192`.
fn reversed(text: &str) -> Option<String> {
    let net: ipnet::IpNet = match text.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => text.parse().ok()?,
    };
    let parts: Vec<String> = match net.trunc().network() {
        IpAddr::V4(v4) => v4.octets().iter().rev().map(ToString::to_string).collect(),
        IpAddr::V6(v6) => v6.segments().iter().rev().map(|part| format!("{part:x}")).collect(),
    };
    Some(format!("{}.{}", net.prefix_len(), parts.join(".")))
}

const REASONS: [(&str, &str); 16] = [
    (
        "dhcp-host",
        "Conduit hands out no addresses; if others ask for its name, give it a record with `conduit dns add`",
    ),
    (
        "localise-queries",
        "a name has all its addresses wherever it is asked; only the gateway's own depend on that",
    ),
    (
        "dhcp-* enable-ra ra-param pxe-* no-ping read-ethers leasefile-ro script-arp bootp-dynamic",
        "Conduit hands out no addresses; keep a DHCP server for that, and let it name Conduit as the DNS server",
    ),
    ("tftp-* enable-tftp", "Conduit serves no files for starting machines"),
    (
        "interface except-interface auth-server auth-zone auth-soa auth-sec-servers auth-peer auth-ttl",
        "interfaces and zones are not named here: give addresses in dns.listen; every domain of the gateway is a zone",
    ),
    ("expand-hosts", "names of hosts files stay as they are written; write them with their domain"),
    (
        "log-queries log-facility log-async log-debug quiet-dhcp quiet-dhcp6 quiet-ra quiet-tftp log-malloc",
        "what is logged is under [log] and in the metrics",
    ),
    ("group pid-file", "the process is kept by the system's service manager"),
    (
        "dnssec-* proxy-dnssec",
        "what nobody signs needs a proof, limits are fixed, and forwarders' own judgement is not passed on; see dns.dnssec",
    ),
    (
        "dns-rr naptr-record interface-name synth-domain dynamic-host alias localmx selfmx mx-target",
        "Conduit has no such record; add what it comes to with `conduit dns add`",
    ),
    (
        "domain-needed",
        "names without a dot are asked of forwarders like others, unless a list or a forward says otherwise",
    ),
    ("filterwin2k filter-A filter-AAAA filter-rr", "answers are not thinned by type"),
    (
        "edns-packet-max dns-forward-max max-tcp-connections query-port min-port max-port port-limit max-ttl",
        "limits are fixed, and listed in docs/limits.md",
    ),
    ("rebind-localhost-ok", "name whoever answers with 127.0.0.x in dns.rebind_allow"),
    (
        "add-mac add-subnet add-cpe-id strip-mac strip-subnet umbrella conntrack ipset nftset connmark-allowlist connmark-allowlist-enable",
        "Conduit tells forwarders and the firewall nothing about clients",
    ),
    (
        "enable-dbus enable-ubus dumpfile dumpmask cache-rr ignore-address fast-dns-retry",
        "there is nothing like it here",
    ),
];
/// What an answer takes in memory, as a rule.
const BYTES_PER_ANSWER: u64 = 400;
const CACHE_BYTES_MIN: u64 = 100_000;
const CACHE_BYTES_MAX: u64 = 1_000_000_000;
const NEGATIVE_MAX_S: u32 = 3 * 3_600;
const MAX_MAX_S: u32 = 7 * 86_400;
const MIN_MAX_S: u32 = 3_600;
const TTL_MAX_S: u32 = 86_400;
const BOGUS: &str = "imported-bogus";
