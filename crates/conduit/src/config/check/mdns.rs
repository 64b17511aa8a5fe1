//! Multicast DNS: whether, and where.

use conduit_core::domains::Domains;

use super::super::dns::Mdns;
use super::super::file;
use super::judge::Judge;
use super::parse;

pub(super) fn mdns(judge: &mut Judge, given: &file::Dns, domains: &Domains) -> Mdns {
    let enabled = judge.switch(&given.mdns, false);
    if let Some(switch) = given.mdns.as_ref().filter(|_| enabled)
        && !domains.iter().any(|domain| domain.as_str().rsplit('.').next() == Some("local"))
    {
        let reason = format!(
            "is about names under local, and the domains are {}; add \"local\" to gateway.domains",
            domains.listed()
        );
        judge.refuse("dns.mdns", &switch.origin, reason);
    }
    let interfaces = judge.list(
        "dns.mdns_interfaces",
        &given.mdns_interfaces,
        Vec::new(),
        INTERFACES_MAX,
        interface,
    );
    Mdns { enabled, interfaces }
}

/// A name that an interface can have; it need not be there yet.
fn interface(text: &str) -> Result<String, String> {
    let name = text.trim();
    let is_legal = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '"');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_legal) {
        return Err(format!("{:?} is not an interface's name such as eth0", parse::short(text)));
    }
    Ok(name.to_owned())
}

/// As many as are served at once when none are named.
const INTERFACES_MAX: usize = 32;
/// The system's.
const NAME_BYTES_MAX: usize = 15;
