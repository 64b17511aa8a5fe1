//! Certificates that others use: which may be issued, and which revoked.
//!
//! **Invariant:** no certificate is issued for a name that is not ours, for a name of the gateway
//! itself, or, when a program asks, for a name that the gateway serves with its own leaves.

use std::sync::Arc;

use conduit_core::catalog::Catalog;
use conduit_core::certificate::{Issuance, IssuedKind, Purpose};
use conduit_core::name::Host;
use conduit_core::service::{DnsMode, TlsMode};

use super::{Act, Plan, Step, active};
use crate::mutation::{Cause, Revoking};
use crate::rejection::Rejection;
use crate::settings::Settings;

/// Judges a wish for a certificate. Whether the authority permits its names and addresses, and
/// whether its key is a good one, is found out when it is signed.
pub(super) fn issue(
    catalog: &Catalog,
    wish: &Issuance,
    settings: &Settings,
) -> Result<Plan, Rejection> {
    if wish.purpose != Purpose::Client && wish.hosts.is_empty() && wish.addresses.is_empty() {
        let message = "a certificate for a server needs a host or an address";
        return Err(Rejection::new("no_names", message).hint("say which with --host or --address"));
    }
    let names = wish.hosts.len() + wish.addresses.len();
    if names > NAMES_MAX {
        let message =
            format!("{names} names are too many for one certificate, at most {NAMES_MAX}");
        return Err(Rejection::new("too_many_names", message));
    }
    wish.hosts.iter().try_for_each(|host| may_be_named(catalog, host, wish.kind, settings))?;
    Ok(Plan { issue: Some(Box::new(wish.clone())), ..Plan::default() })
}

fn may_be_named(
    catalog: &Catalog,
    host: &Host,
    kind: IssuedKind,
    settings: &Settings,
) -> Result<(), Rejection> {
    if settings.domains.suffix_of(host).is_none() {
        let listed = settings.domains.listed();
        let message = format!("{host} is not under a domain of ours ({listed})");
        return Err(Rejection::new("not_ours", message));
    }
    if settings.builtin.as_ref().is_some_and(|builtin| builtin.hosts.contains(host)) {
        let message = format!("{host} is the gateway's own name");
        return Err(Rejection::new("host_reserved", message));
    }
    let served = |kind| kind == IssuedKind::Acme;
    match catalog.by_host(host) {
        // A person may give a service its own certificate, say to speak TLS beyond the gateway.
        Some(service)
            if served(kind)
                && service.tls == TlsMode::Issued
                && service.dns == DnsMode::Gateway =>
        {
            let message = format!(
                "{host} belongs to the service {}, which the gateway serves with its own \
                 certificate",
                service.name
            );
            Err(Rejection::new("host_served", message).about(&service.name))
        }
        _ => Ok(()),
    }
}

/// Judges a wish to revoke.
pub(super) fn revoke(
    catalog: &Catalog,
    wish: &Revoking,
    settings: &Settings,
) -> Result<Plan, Rejection> {
    let mut steps = Vec::new();
    if let Some(name) = &wish.service {
        if settings.builtin.as_ref().is_some_and(|builtin| builtin.name == *name) {
            let message = format!("the leaves of {name} are made anew at every start");
            return Err(Rejection::new("builtin", message)
                .hint(format!("run `conduit certs rotate {name}`"))
                .about(name));
        }
        let service = active(catalog, name)?;
        if service.tls == TlsMode::Off {
            let message = format!("{name} is served without TLS, so it has no leaf");
            return Err(Rejection::new("no_leaf", message).about(name));
        }
        let act = Act::Reissue { service, cause: Cause::Rotate };
        steps.push(Step { name: name.clone(), act });
    } else if wish.certificates.is_empty() {
        return Err(Rejection::new("empty", "no certificate was named"));
    }
    let standing: Vec<_> =
        wish.certificates.iter().filter(|c| c.revoked.is_none()).map(Arc::clone).collect();
    let revoke = Revoking { certificates: standing, ..wish.clone() };
    let nothing = revoke.certificates.is_empty() && revoke.service.is_none();
    Ok(Plan { steps, revoke: (!nothing).then(|| Box::new(revoke)), ..Plan::default() })
}

/// More would not fit a handshake well.
const NAMES_MAX: usize = 100;
