//! Records that hosts have by themselves: how the gateway serves them.
//!
//! A host with a certificate has an HTTPS record (RFC 9460), which saves browsers the first connection
//! that would only tell them of HTTP/2, HTTP/3 or another port, and the SRV record `_https._tcp`. A host of
//! a `tcp` service with a port of the gateway has `_NAME._tcp`. A port other than 443 has an HTTPS record
//! of its own besides (`_8443._https`, RFC 9460 §2.3).
//!
//! They are worked out from the name that was asked for, and are no entries of the table: four for each
//! of 10,000 hosts would be more than all the rest of it.
//!
//! **Invariant:** there is a record only where the gateway listens. What is between a host and its record
//! exists.

use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::svcb::{Alpn, IpHint, SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, AAAA, HTTPS, SRV};
use hickory_proto::serialize::binary::BinEncodable;

use crate::key::NameKey;
use crate::views::Addresses;
use crate::zone::{RrSets, ZoneSettings};

/// How the gateway serves sites.
#[derive(Debug)]
pub(crate) struct Sites {
    port: u16,
    /// The label of the port's own record; none for the usual port.
    own: Option<String>,
    params: Vec<(SvcParamKey, SvcParamValue)>,
    /// The same, as messages have them.
    wire: Box<[u8]>,
}

/// What a name is to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// It lies between the host and a record.
    Between,
    /// It has the host's HTTPS record.
    Https,
    /// It has the SRV record of this service, in lower case.
    Srv(&'a [u8]),
}

/// The host of a name that may have a record by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner<'a> {
    /// The host's key.
    pub(crate) host: &'a [u8],
    /// How many labels above the name it is.
    pub(crate) above: usize,
    pub(crate) kind: Kind<'a>,
}

impl Sites {
    /// As it is configured; `None` when no site is served with a certificate.
    pub(crate) fn new(settings: &ZoneSettings) -> Option<Self> {
        let port = settings.https_port?;
        let protocols: &[&str] =
            if settings.http3_port.is_some() { &["h3", "h2"] } else { &["h2"] };
        let alpn = protocols.iter().map(|protocol| (*protocol).to_owned()).collect();
        let mut params = vec![(SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(alpn)))];
        if port != USUAL_PORT {
            params.push((SvcParamKey::Port, SvcParamValue::Port(port)));
        }
        let own = (port != USUAL_PORT).then(|| format!("_{port}"));
        let record = SVCB::new(1, Name::root(), params.clone()).to_bytes().ok()?;
        let wire = record.get(PRIORITY_AND_ROOT_BYTES..)?.into();
        Some(Self { port, own, params, wire })
    }

    /// What stands behind the target in the HTTPS record of any host, without hints.
    pub(crate) fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The HTTPS record of a host; configured addresses are hints.
    pub(crate) fn https(&self, host: Name, addresses: Option<Addresses<'_>>) -> HTTPS {
        let mut params = self.params.clone();
        let Addresses { v4, v6 } = addresses.unwrap_or(Addresses { v4: &[], v6: &[] });
        if !v4.is_empty() {
            let hint = v4.iter().take(HINTS_MAX).copied().map(A).collect();
            params.push((SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(hint))));
        }
        if !v6.is_empty() {
            let hint = v6.iter().take(HINTS_MAX).copied().map(AAAA).collect();
            params.push((SvcParamKey::Ipv6Hint, SvcParamValue::Ipv6Hint(IpHint(hint))));
        }
        HTTPS(SVCB::new(1, host, params))
    }
}

/// The hosts that a name with this key could have a record for; each is to be looked up.
pub(crate) fn owners(key: &[u8]) -> impl Iterator<Item = Owner<'_>> {
    let own = Owner { host: key, above: 0, kind: Kind::Https };
    std::iter::once(own).chain(below(key))
}

/// The same for names below their host.
fn below(key: &[u8]) -> Option<Owner<'_>> {
    let (first, rest) = split(key)?;
    let kind_of = |second: &[u8]| match (second, first.strip_prefix(b"_")?) {
        // Which port it is is checked where the settings are known.
        (HTTPS_LABEL, _) => Some(Kind::Https),
        (TCP_LABEL, service) => Some(Kind::Srv(service)),
        _ => None,
    };
    let second = split(rest).and_then(|(second, host)| Some((kind_of(second)?, host)));
    let Some((kind, host)) = second else {
        let is_between = first == HTTPS_LABEL || first == TCP_LABEL;
        return is_between.then_some(Owner { host: rest, above: 1, kind: Kind::Between });
    };
    Some(Owner { host, above: 2, kind })
}

/// Whether a host with these sets is what an owner takes it for, and the port of its SRV record.
pub(crate) fn port(
    owner: &Owner<'_>,
    key: &[u8],
    sets: &RrSets,
    sites: Option<&Sites>,
) -> Option<u16> {
    let RrSets::Gateway { is_https, stream } = sets else {
        return None;
    };
    let sites = sites.filter(|_| *is_https);
    let stream = stream.as_ref();
    let own = || sites?.own.as_deref();
    let first = || split(key).map(|(label, _)| label);
    match owner.kind {
        Kind::Https if owner.above == 0 => sites.map(|sites| sites.port),
        Kind::Https => sites.filter(|_| own().map(str::as_bytes) == first()).map(|s| s.port),
        Kind::Between if first() == Some(TCP_LABEL) => {
            sites.map(|sites| sites.port).or_else(|| stream.map(|(_, port)| *port))
        }
        Kind::Between => sites.filter(|_| own().is_some()).map(|sites| sites.port),
        Kind::Srv(b"https") => sites.map(|sites| sites.port),
        Kind::Srv(service) => {
            stream.filter(|(name, _)| name.as_bytes() == service).map(|(_, port)| *port)
        }
    }
}

/// The names below a host with these sets that have a record.
pub(crate) fn names_below(key: &[u8], sets: &RrSets, sites: Option<&Sites>) -> Vec<NameKey> {
    let RrSets::Gateway { is_https, stream } = sets else {
        return Vec::new();
    };
    let sites = sites.filter(|_| *is_https);
    let below = |labels: [&[u8]; 2]| {
        let mut name = Vec::with_capacity(key.len() + labels[0].len() + labels[1].len() + 2);
        for label in labels {
            // Invariant: labels are at most 63 octets.
            name.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
            name.extend_from_slice(label);
        }
        name.extend_from_slice(key);
        NameKey::from(name.as_slice())
    };
    let site = sites.map(|_| below([HTTPS_LABEL, TCP_LABEL]));
    let own = sites.and_then(|sites| sites.own.as_deref());
    let own = own.map(|label| below([label.as_bytes(), HTTPS_LABEL]));
    let stream = stream.as_ref().map(|(name, _)| below([format!("_{name}").as_bytes(), TCP_LABEL]));
    site.into_iter().chain(own).chain(stream).collect()
}

/// The SRV record of a host.
pub(crate) fn srv(port: u16, host: Name) -> SRV {
    SRV::new(0, 0, port, host)
}

/// The first label of a key, and the rest.
fn split(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = key.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// What stands before the parameters of a record whose target is the root.
const PRIORITY_AND_ROOT_BYTES: usize = 3;
/// What a URL without a port means.
const USUAL_PORT: u16 = 443;
const HTTPS_LABEL: &[u8] = b"_https";
const TCP_LABEL: &[u8] = b"_tcp";
/// More addresses are found by asking for them.
pub(crate) const HINTS_MAX: usize = 8;
