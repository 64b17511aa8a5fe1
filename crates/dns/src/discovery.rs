//! How clients that know this server's address alone find that it is asked over TLS and HTTPS as well
//! (RFC 9462): the records of `_dns.resolver.arpa`.
//!
//! **Invariant:** `resolver.arpa` is answered here, and nobody else is asked about it (RFC 9462 §6.4). What is
//! named is served: there is no record for a protocol that is off, and none when nobody has the name
//! that certificates are for.

use hickory_proto::op::Query;
use hickory_proto::rr::rdata::svcb::{Alpn, IpHint, SVCB, SvcParamKey, SvcParamValue, Unknown};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::answer::{Answer, RrSet};
use crate::interfaces::Local;
use crate::key::{AskedKey, ancestry};
use crate::records::name_of;
use crate::reply::{Encoded, Outcome, Pending};
use crate::zone::{Zone, ZoneSettings};

/// The protocols under which this server is asked besides, the preferred one first.
#[derive(Debug)]
pub(crate) struct Encrypted {
    /// The name that certificates are for.
    target: Name,
    services: Vec<Service>,
}

#[derive(Debug)]
struct Service {
    /// Those in front of the hints, in the order of their keys.
    before: Vec<(SvcParamKey, SvcParamValue)>,
    /// Those behind.
    after: Vec<(SvcParamKey, SvcParamValue)>,
}

impl Encrypted {
    /// As it is configured; `None` when both are off.
    pub(crate) fn new(settings: &ZoneSettings) -> Option<Self> {
        let domain = name_of(settings.domains.default_suffix());
        let target = domain.prepend_label(LABEL).ok()?;
        let https = settings.https_port.map(|port| {
            let protocols: &[&str] =
                if settings.http3_port.is_some() { &["h2", "h3"] } else { &["h2"] };
            let path = Unknown(TEMPLATE.to_vec());
            Service {
                before: params(protocols, port, HTTPS_PORT),
                after: vec![(SvcParamKey::Unknown(DOHPATH), SvcParamValue::Unknown(path))],
            }
        });
        let tls = settings
            .tls_port
            .map(|port| Service { before: params(&["dot"], port, TLS_PORT), after: Vec::new() });
        let services: Vec<Service> = https.into_iter().chain(tls).collect();
        (!services.is_empty()).then_some(Self { target, services })
    }

    fn records(&self, v4: &[A], v6: &[AAAA]) -> Vec<RData> {
        let hints = || {
            let v4 = (!v4.is_empty()).then(|| {
                let hint = IpHint(v4.iter().take(HINTS_MAX).copied().collect());
                (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(hint))
            });
            let v6 = (!v6.is_empty()).then(|| {
                let hint = IpHint(v6.iter().take(HINTS_MAX).copied().collect());
                (SvcParamKey::Ipv6Hint, SvcParamValue::Ipv6Hint(hint))
            });
            v4.into_iter().chain(v6)
        };
        let record = |(priority, service): (u16, &Service)| {
            let all = service.before.iter().cloned().chain(hints());
            let all = all.chain(service.after.iter().cloned()).collect();
            RData::SVCB(SVCB::new(priority, self.target.clone(), all))
        };
        (1..).zip(&self.services).map(record).collect()
    }
}

fn params(protocols: &[&str], port: u16, usual: u16) -> Vec<(SvcParamKey, SvcParamValue)> {
    let alpn = protocols.iter().map(|protocol| (*protocol).to_owned()).collect();
    let mut params = vec![(SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(alpn)))];
    if port != usual {
        params.push((SvcParamKey::Port, SvcParamValue::Port(port)));
    }
    params
}

/// Whether a folded name is for discovery: at or below `resolver.arpa`.
pub(crate) fn is_under(key: &[u8]) -> bool {
    ancestry(key).any(|name| name == ZONE)
}

/// The reply about such a name; everything but the one set is there without anything (RFC 9462 §6.4).
pub(crate) fn answer(mut pending: Pending, zone: &Zone, local: &Local) -> Encoded {
    let asked = pending.asked().clone();
    pending.metadata.authoritative = true;
    let data = designated(&asked, zone, local);
    if !data.is_empty() {
        let record = |data| Record::from_rdata(asked.name().clone(), zone.ttl_s(), data);
        return pending.told(Outcome::Records, data.into_iter().map(record).collect(), None, None);
    }
    match zone.frame.apexes.first() {
        Some(apex) => {
            let owner = asked.name().trim_to(ZONE_LABELS);
            pending.nothing(Outcome::NoData, &zone.authority(owner, &apex.start))
        }
        None => pending.plain(Outcome::NoData),
    }
}

fn designated(asked: &Query, zone: &Zone, local: &Local) -> Vec<RData> {
    let is_it = AskedKey::of(asked.name()).as_slice() == OWNER;
    let is_wanted = matches!(asked.query_type(), RecordType::SVCB | RecordType::ANY);
    let Some(encrypted) = zone.frame.encrypted.as_ref().filter(|_| is_it && is_wanted) else {
        return Vec::new();
    };
    let v4: Vec<A> = match zone.answer(&encrypted.target, RecordType::A, local) {
        Answer::Records(RrSet::A(all)) => all.iter().copied().map(A).collect(),
        _ => Vec::new(),
    };
    let v6: Vec<AAAA> = match zone.answer(&encrypted.target, RecordType::AAAA, local) {
        Answer::Records(RrSet::Aaaa(all)) => all.iter().copied().map(AAAA).collect(),
        _ => Vec::new(),
    };
    match v4.is_empty() && v6.is_empty() {
        true => Vec::new(),
        false => encrypted.records(&v4, &v6),
    }
}

const OWNER: &[u8] = b"\x04_dns\x08resolver\x04arpa";
const ZONE: &[u8] = b"\x08resolver\x04arpa";
const ZONE_LABELS: usize = 2;
/// The gateway's name under each domain that is about DNS.
const LABEL: &str = "dns";
/// RFC 9461 §5.
const DOHPATH: u16 = 7;
/// As RFC 8484 has it.
const TEMPLATE: &[u8] = b"/dns-query{?dns}";
const HTTPS_PORT: u16 = 443;
const TLS_PORT: u16 = 853;
/// Addresses told as hints; names of ours have few.
const HINTS_MAX: usize = 8;

#[cfg(test)]
mod tests;
