//! Leaves and the authority's certificates, as they go out. Keys never do.

use conduit_api::v1::tls as wire;
use conduit_core::clock::Timestamp;
use conduit_core::leaf::{Leaf, LeafPair};
use conduit_core::name::ServiceName;
use conduit_tls::authority::{Authority, IntermediateInfo, RootInfo};
use conduit_tls::error::TlsError;
use conduit_tls::inspect::inspect;

/// Both leaves of a service; `full` adds what only the details show.
pub(crate) fn pair(
    service: &ServiceName,
    pair: &LeafPair,
    full: bool,
    now: Timestamp,
) -> Result<Vec<wire::Certificate>, TlsError> {
    let renew_at = pair.renew_at();
    pair.iter().map(|leaf| certificate(service, leaf, renew_at, full, now)).collect()
}

/// Where a pair is in its life.
pub(crate) fn status(
    renew_at: Timestamp,
    not_after: Timestamp,
    now: Timestamp,
) -> wire::CertificateStatus {
    if now >= not_after {
        wire::CertificateStatus::Expired
    } else if now >= renew_at {
        wire::CertificateStatus::Expiring
    } else {
        wire::CertificateStatus::Valid
    }
}

/// Everything a client needs to trust us.
pub(crate) fn authority(authority: &Authority) -> wire::Authority {
    wire::Authority {
        bundle_pem: authority.bundle_pem().to_owned(),
        roots: authority.roots().iter().map(root).collect(),
        intermediates: authority.intermediates().iter().map(intermediate).collect(),
    }
}

fn certificate(
    service: &ServiceName,
    leaf: &Leaf,
    renew_at: Timestamp,
    full: bool,
    now: Timestamp,
) -> Result<wire::Certificate, TlsError> {
    let details = inspect(&leaf.certificate_der)?;
    let purposes = details.extended_key_usages.into_iter();
    let usages = details.key_usages.into_iter().map(str::to_owned);
    Ok(wire::Certificate {
        name: service.to_string(),
        // A leaf names the hosts in the order of the service: the primary one first.
        domain: details.sans.first().cloned().unwrap_or_default(),
        sans: details.sans,
        algorithm: details.algorithm,
        subject: details.subject,
        issuer: details.issuer,
        serial: details.serial,
        not_before: leaf.not_before.to_string(),
        not_after: leaf.not_after.to_string(),
        renew_at: renew_at.to_string(),
        fingerprint_sha256: leaf.fingerprint.to_string(),
        status: status(renew_at, leaf.not_after, now),
        key_usages: if full { usages.chain(purposes).collect() } else { Vec::new() },
        pem: full.then_some(details.pem),
    })
}

fn root(root: &RootInfo) -> wire::AuthorityCertificate {
    wire::AuthorityCertificate {
        subject: root.subject.clone(),
        algorithm: root.algorithm.to_string(),
        fingerprint_sha256: root.fingerprint.to_string(),
        not_before: root.not_before.to_string(),
        not_after: root.not_after.to_string(),
        pem: root.pem.clone(),
    }
}

fn intermediate(intermediate: &IntermediateInfo) -> wire::AuthorityCertificate {
    wire::AuthorityCertificate {
        subject: intermediate.subject.clone(),
        algorithm: intermediate.algorithm.to_string(),
        fingerprint_sha256: intermediate.fingerprint.to_string(),
        not_before: intermediate.not_before.to_string(),
        not_after: intermediate.not_after.to_string(),
        pem: intermediate.pem.clone(),
    }
}
