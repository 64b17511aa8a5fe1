//! Ports of the gateway that `tcp` services listen on: who may have which.
//!
//! **Invariant:** a port has one service, or several that a client's TLS hello tells apart: then
//! each of them speaks TLS, ended here or passed through, and they agree on the PROXY protocol,
//! which comes before the hello.

use std::collections::HashMap;

use conduit_core::catalog::Catalog;
use conduit_core::policy::{Balance, HashKey, Policy};
use conduit_core::service::{Protocol, Service, TlsMode};

use super::register::leaving;
use super::{Act, Step};
use crate::mutation::Registration;
use crate::rejection::Rejection;
use crate::settings::Settings;

/// Judges what one registration asks of a port, whatever else is registered.
pub(super) fn check_listen(asked: &Registration, settings: &Settings) -> Result<(), Rejection> {
    let (name, policy) = (&asked.name, &asked.policy);
    check_upstream_tls(asked)?;
    if asked.protocol != Protocol::Tcp {
        return match tcp_only(policy) {
            Some(part) => {
                let message = format!("{name} speaks {}, and {part} is for tcp", asked.protocol);
                Err(Rejection::new("invalid_listen", message).hint(format!(
                    "leave {part} out, or register it with --protocol tcp (\"protocol\": \"tcp\" \
                     in the API)"
                )))
            }
            None => Ok(()),
        };
    }
    if let Some(part) = http_only(policy) {
        let message = format!("{name} speaks tcp, and {part} is for http");
        return Err(Rejection::new("invalid_policy", message)
            .hint(format!("leave {part} out: nobody looks into a byte stream")));
    }
    if let Some(socket) = asked.upstreams.iter().find(|addr| addr.unix().is_some()) {
        let message = format!("{name} speaks tcp, and {socket} is a Unix socket");
        return Err(Rejection::new("invalid_upstream", message)
            .hint("give an address with a port: byte streams go to those only"));
    }
    let Some(port) = policy.listen else {
        return match tcp_only(policy) {
            Some(part) => {
                let message = format!("{name} has {part} but no port of the gateway");
                Err(Rejection::new("invalid_listen", message).hint(
                    "give a port with --listen (\"policy\": {\"listen\": PORT} in the API): a \
                     service that is answered directly never meets the gateway",
                ))
            }
            None => Ok(()),
        };
    };
    match settings.own_ports.iter().find(|(own, _)| *own == port) {
        Some((_, key)) => {
            let message = format!("port {port} is Conduit's own ({key}); {name} cannot have it");
            Err(Rejection::new("port_reserved", message)
                .hint(format!("choose another port, or change {key} in the configuration")))
        }
        None => Ok(()),
    }
}

/// What says how an upstream's certificate is judged is refused where there is none: whoever asked
/// for it believes that there is TLS.
fn check_upstream_tls(asked: &Registration) -> Result<(), Rejection> {
    let upstream = &asked.policy.upstream;
    let parts = [
        ("upstream.tls", upstream.tls.is_some()),
        ("upstream.server_name", upstream.server_name.is_some()),
    ];
    match first_asked(&parts).filter(|_| asked.protocol != Protocol::Https) {
        Some(part) => {
            let message = format!(
                "{} speaks {} with its upstream, and {part} is for https",
                asked.name, asked.protocol
            );
            Err(Rejection::new("invalid_policy", message).hint(format!(
                "register it with --protocol https (\"protocol\": \"https\" in the API), or leave \
                 {part} out"
            )))
        }
        None => Ok(()),
    }
}

/// No port may have two services after all steps, unless TLS tells them apart.
pub(super) fn check_ports(catalog: &Catalog, steps: &[Step]) -> Result<(), Rejection> {
    let put = |step: &Step| match &step.act {
        Act::Create { next } | Act::Replace { next, .. } => next.listen().is_some(),
        Act::Deregister { .. } | Act::Hold { .. } | Act::Keep | Act::Reissue { .. } => false,
    };
    if !steps.iter().any(put) {
        return Ok(());
    }
    let leaving = leaving(steps);
    let staying = catalog.iter().filter(|service| !leaving.contains(&service.name));
    // Services that share a port are alike in what matters here, so one stands for all.
    let mut taken: HashMap<u16, &Service> = HashMap::new();
    for service in staying {
        if let Some(port) = service.listen() {
            taken.entry(port).or_insert(service);
        }
    }
    for step in steps {
        let (Act::Create { next } | Act::Replace { next, .. }) = &step.act else {
            continue;
        };
        let Some(port) = next.listen() else { continue };
        match taken.get(&port) {
            Some(owner) => check_sharing(owner, next, port)?,
            None => drop(taken.insert(port, next)),
        }
    }
    Ok(())
}

fn check_sharing(owner: &Service, next: &Service, port: u16) -> Result<(), Rejection> {
    let refused = |why: String, hint: &str| {
        let message = format!("port {port} belongs to {}{why}", owner.name);
        Err(Rejection::new("port_taken", message).hint(hint).about(&next.name))
    };
    let plain = [owner, next].into_iter().find(|service| !tells_its_name(service));
    if let Some(plain) = plain {
        return refused(
            format!(", and {} is reached without TLS, so nothing tells the two apart", plain.name),
            "choose another port, deregister the other service, or give both TLS (\"tls\": true, \
             or --tls-passthrough)",
        );
    }
    let expects = |service: &Service| service.policy.accept_proxy_header == Some(true);
    if expects(owner) != expects(next) {
        return refused(
            ", and only one of the two expects the PROXY protocol, which comes first".to_owned(),
            "choose another port, or give both --accept-proxy-protocol",
        );
    }
    Ok(())
}

/// Whether a client says in its TLS hello that it wants this service.
fn tells_its_name(service: &Service) -> bool {
    service.tls == TlsMode::Issued || service.policy.tls_passthrough == Some(true)
}

/// A part of the policy that only a port of the gateway gives a meaning.
fn tcp_only(policy: &Policy) -> Option<&'static str> {
    let parts = [
        ("listen", policy.listen.is_some()),
        ("tls_passthrough", policy.tls_passthrough == Some(true)),
        ("accept_proxy_header", policy.accept_proxy_header == Some(true)),
        ("upstream.proxy_header", policy.upstream.proxy_header.is_some()),
    ];
    first_asked(&parts)
}

/// A part of the policy that needs requests; what is asked for is refused rather than ignored.
fn http_only(policy: &Policy) -> Option<&'static str> {
    let upstream = &policy.upstream;
    let parts = [
        ("api_keys", !policy.api_keys.is_empty()),
        ("balance by path, header or cookie", hashes_requests(policy)),
        ("basic_auth", !policy.basic_auth.is_empty()),
        ("body_max", policy.body_max.is_some()),
        ("compress", policy.compress.is_some()),
        ("cors", policy.cors.is_some()),
        ("forward_auth", policy.forward_auth.is_some()),
        ("maintenance", policy.maintenance.is_some()),
        ("outliers.slow_factor", policy.outliers.slow_factor.is_some()),
        ("paths", !policy.paths.is_empty()),
        ("rate", policy.rate.is_some()),
        ("redirects", !policy.redirects.is_empty()),
        ("request_headers", policy.request_headers != Default::default()),
        ("response_headers", policy.response_headers != Default::default()),
        ("retries", policy.retries != Default::default()),
        ("rewrites", !policy.rewrites.is_empty()),
        ("sticky", policy.sticky.is_some()),
        ("timeouts.first_byte", policy.timeouts.first_byte.is_some()),
        ("upstream.host", upstream.host.is_some()),
        ("upstream.origin", upstream.origin.is_some()),
        ("upstream.queue_max", upstream.queue_max.is_some()),
        ("upstream.queue_timeout", upstream.queue_timeout.is_some()),
    ];
    first_asked(&parts)
}

fn hashes_requests(policy: &Policy) -> bool {
    matches!(&policy.balance, Some(Balance::Hash(key)) if *key != HashKey::Client)
}

fn first_asked(parts: &[(&'static str, bool)]) -> Option<&'static str> {
    parts.iter().find(|(_, asked)| *asked).map(|(part, _)| *part)
}
