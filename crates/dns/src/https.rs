//! The HTTPS record of names that the gateway serves over HTTP/3 (RFC 9460).
//!
//! It saves browsers the first connection over TCP, which would only tell them that there is HTTP/3.
//! A port other than 443 has a name of its own below the host (`_8443._https`, RFC 9460 §2.3).
//!
//! **Invariant:** there is a record only when the gateway listens for HTTP/3.

use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::HTTPS;
use hickory_proto::rr::rdata::svcb::{Alpn, SVCB, SvcParamKey, SvcParamValue};

/// Where HTTP/3 is served.
#[derive(Debug)]
pub(crate) struct Https {
    /// What precedes a host's key to make that of its port; nothing for the usual port.
    prefix: Vec<u8>,
}

/// What a name is to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    /// It has the record of the host with this key, which is so many labels above it.
    Record(&'a [u8], usize),
    /// It lies between a host and its record.
    Between(&'a [u8]),
}

impl Https {
    pub(crate) fn at(port: u16) -> Self {
        let mut prefix = Vec::new();
        if port != USUAL_PORT {
            push_label(&mut prefix, &format!("_{port}"));
            push_label(&mut prefix, SCHEME);
        }
        Self { prefix }
    }

    /// What the name with this key is.
    pub(crate) fn owner<'a>(&self, key: &'a [u8]) -> Option<Owner<'a>> {
        if self.prefix.is_empty() {
            return Some(Owner::Record(key, 0));
        }
        if let Some(host) = key.strip_prefix(&*self.prefix) {
            return Some(Owner::Record(host, PREFIX_LABELS));
        }
        let between = &self.prefix[self.prefix.len() - (SCHEME.len() + 1)..];
        key.strip_prefix(between).map(Owner::Between)
    }
}

/// The record of the host with this name.
pub(crate) fn record(host: Name) -> HTTPS {
    let alpn = Alpn(ALPN.iter().map(|protocol| (*protocol).to_owned()).collect());
    HTTPS(SVCB::new(1, host, vec![(SvcParamKey::Alpn, SvcParamValue::Alpn(alpn))]))
}

fn push_label(key: &mut Vec<u8>, label: &str) {
    // Invariant: a port and a scheme are shorter than 64 octets.
    key.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
    key.extend_from_slice(label.as_bytes());
}

/// What a URL without a port means.
const USUAL_PORT: u16 = 443;
const SCHEME: &str = "_https";
/// The port and the scheme.
const PREFIX_LABELS: usize = 2;
/// What is spoken besides HTTP/1.1, which is understood (RFC 9460 §9.5).
const ALPN: [&str; 2] = ["h3", "h2"];
