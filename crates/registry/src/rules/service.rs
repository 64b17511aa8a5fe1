//! From what somebody asks for to the service it makes.

use std::sync::Arc;

use conduit_core::clock::Timestamp;
use conduit_core::domains::{DomainError, Domains};
use conduit_core::error::Chain;
use conduit_core::name::{Host, ServiceName};
use conduit_core::policy::{Policy, Preset};
use conduit_core::service::{DnsMode, ProbeSpec, Protocol, Service, TlsMode};

use super::listen::check_listen;
use crate::mutation::Registration;
use crate::rejection::Rejection;
use crate::settings::Settings;

/// Builds the service that a registration asks for, whatever else is registered.
///
/// # Errors
/// Says which rule the registration breaks.
pub fn build(
    asked: &Registration,
    settings: &Settings,
    now: Timestamp,
) -> Result<Service, Rejection> {
    let about = |rejection: Rejection| rejection.about(&asked.name);
    let hosts = hosts(asked, settings).map_err(about)?;
    check_upstreams(asked, settings).map_err(about)?;
    check_monitoring(asked, settings).map_err(about)?;
    check_listen(asked, settings).map_err(about)?;
    let tls = match (asked.protocol, asked.policy.listen, asked.policy.tls_passthrough) {
        (Protocol::Tcp, None, _) | (Protocol::Tcp, _, Some(true)) => TlsMode::Off,
        _ => asked.tls,
    };
    Ok(Service {
        name: asked.name.clone(),
        title: asked.title.clone(),
        hosts,
        upstreams: asked.upstreams.clone(),
        protocol: asked.protocol,
        tls,
        dns: dns_mode(asked, tls, settings).map_err(about)?,
        probe: probe(asked).map_err(about)?,
        when_all_ejected: asked.when_all_ejected,
        monitoring: asked.monitoring.clone(),
        policy: policy(asked).map_err(about)?,
        holds: Vec::new(),
        registered_at: now,
    })
}

fn hosts(asked: &Registration, settings: &Settings) -> Result<Vec<Host>, Rejection> {
    let limit = settings.limits.aliases_max;
    if asked.aliases.len() > limit {
        let message = format!("{} has more than {limit} aliases", asked.name);
        return Err(Rejection::new("limit", message));
    }
    let first = host(&asked.name, asked.domain.as_deref(), &settings.domains)?;
    let mut hosts = Vec::with_capacity(1 + asked.aliases.len());
    hosts.push(first);
    for alias in &asked.aliases {
        let alias = host(&asked.name, Some(alias), &settings.domains)?;
        if hosts.contains(&alias) {
            let message = format!("{} has the host {alias} twice", asked.name);
            return Err(Rejection::new("host_taken", message).hint("give it once"));
        }
        hosts.push(alias);
    }
    Ok(hosts)
}

fn host(name: &ServiceName, asked: Option<&str>, domains: &Domains) -> Result<Host, Rejection> {
    let host = domains.host_for(name, asked).map_err(|error| invalid_domain(&error, domains))?;
    if domains.iter().any(|domain| *domain == host) {
        let message = format!("{host} is a configured domain, so no service can have it as host");
        return Err(Rejection::new("invalid_domain", message).hint(
            "choose another name, or give a whole host with --domain (\"domain\" in the API)",
        ));
    }
    let reserved = domains.iter().any(|domain| {
        let label = host.as_str().strip_suffix(domain.as_str());
        let label = label.and_then(|head| head.strip_suffix('.'));
        label.is_some_and(ServiceName::is_reserved_label)
    });
    if reserved {
        let message = format!("{host} is kept for Conduit's own routes");
        return Err(Rejection::new("host_reserved", message).hint("choose another host"));
    }
    Ok(host)
}

fn invalid_domain(error: &DomainError, domains: &Domains) -> Rejection {
    Rejection::new("invalid_domain", Chain(error).to_string()).hint(format!(
        "use one of the configured domains ({}) or a whole host under one",
        domains.listed()
    ))
}

fn check_upstreams(asked: &Registration, settings: &Settings) -> Result<(), Rejection> {
    let name = &asked.name;
    let limit = settings.limits.upstreams_max;
    if asked.upstreams.is_empty() {
        return Err(Rejection::new("upstream_missing", format!("{name} has no upstream"))
            .hint("give one as --host HOST:PORT (\"upstream\" in the API)"));
    }
    if asked.upstreams.len() > limit {
        let message = format!("{name} has more than {limit} upstreams");
        return Err(Rejection::new("limit", message));
    }
    for (index, upstream) in asked.upstreams.iter().enumerate() {
        if asked.upstreams[..index].contains(upstream) {
            let message = format!("{name} has the upstream {upstream} twice");
            return Err(Rejection::new("upstream_duplicate", message).hint("give it once"));
        }
        settings.upstreams.check(upstream, &settings.domains).map_err(|reason| {
            let message = format!("{upstream} cannot be an upstream: {reason}");
            Rejection::new("upstream_refused", message).hint(reason.hint())
        })?;
    }
    Ok(())
}

fn dns_mode(asked: &Registration, tls: TlsMode, settings: &Settings) -> Result<DnsMode, Rejection> {
    let name = &asked.name;
    let listens = asked.protocol == Protocol::Tcp && asked.policy.listen.is_some();
    let fitting = match tls {
        _ if listens => DnsMode::Gateway,
        TlsMode::Issued => settings.dns_default,
        TlsMode::Off => DnsMode::Direct,
    };
    let dns = asked.dns.unwrap_or(fitting);
    if asked.protocol == Protocol::Tcp && dns == DnsMode::Gateway && !listens {
        let message = format!("{name} speaks tcp and has no port of the gateway to pass through");
        return Err(Rejection::new("invalid_dns", message).hint(
            "give a port with --listen (\"policy\": {\"listen\": PORT} in the API), or use \
             --dns direct (\"dns\": \"direct\")",
        ));
    }
    if let (true, DnsMode::Direct, Some(port)) = (listens, dns, asked.policy.listen) {
        let message = format!(
            "{name} listens on port {port} of the gateway, so its names must lead to the gateway"
        );
        return Err(Rejection::new("invalid_dns", message)
            .hint("leave --dns out (\"dns\" in the API), or leave the port out"));
    }
    let named = asked.upstreams.iter().find(|u| u.socket().is_none());
    if dns == DnsMode::Direct
        && let Some(upstream) = named
    {
        let message = format!("{name} is answered directly, but {upstream} is not an address");
        let hint = match asked.protocol {
            Protocol::H2c | Protocol::Http | Protocol::Https => {
                "give an IP address, or use --dns gateway (\"dns\": \"gateway\" in the API)"
            }
            Protocol::Tcp => {
                "give an IP address, or a port of the gateway with --listen (\"policy\": \
                 {\"listen\": PORT} in the API)"
            }
        };
        return Err(Rejection::new("direct_needs_address", message).hint(hint));
    }
    Ok(dns)
}

fn probe(asked: &Registration) -> Result<ProbeSpec, Rejection> {
    match (asked.protocol, &asked.probe) {
        (Protocol::Tcp, Some(_)) => {
            let message = format!("{} speaks tcp, so no path can be probed", asked.name);
            Err(Rejection::new("invalid_probe", message)
                .hint("leave the path out; tcp services are probed by connecting"))
        }
        (Protocol::Tcp, None) => Ok(ProbeSpec::Connect),
        (_, Some(path)) => Ok(ProbeSpec::Path(path.clone())),
        (_, None) => Ok(match asked.policy.preset.and_then(Preset::probe_path) {
            Some(path) => ProbeSpec::Path(path),
            None => ProbeSpec::Default,
        }),
    }
}

fn policy(asked: &Registration) -> Result<Arc<Policy>, Rejection> {
    let invalid = |reason: String| {
        let message = format!("the policy of {} cannot be carried out: {reason}", asked.name);
        Rejection::new("invalid_policy", message)
    };
    asked.policy.with_preset().check().map_err(|error| invalid(error.to_string()))?;
    let stranger =
        asked.policy.shares.iter().find(|share| !asked.upstreams.contains(&share.upstream));
    if let Some(share) = stranger {
        return Err(invalid(format!(
            "shares names {}, which is no upstream of it",
            share.upstream
        )));
    }
    Ok(Arc::clone(&asked.policy))
}

fn check_monitoring(asked: &Registration, settings: &Settings) -> Result<(), Rejection> {
    let limit = settings.limits.monitoring_bytes_max;
    let monitoring = &asked.monitoring;
    let texts = [&monitoring.kind, &monitoring.container_name, &monitoring.ssh_host];
    let bad = |text: &&String| text.len() > limit || text.chars().any(char::is_control);
    if texts.into_iter().flatten().any(|text| bad(&text)) {
        let message = format!(
            "a monitoring value of {} is longer than {limit} bytes or holds control characters",
            asked.name
        );
        return Err(Rejection::new("invalid_monitoring", message));
    }
    // An SSH destination that starts with `-` would be read as an option.
    if monitoring.ssh_host.as_ref().is_some_and(|host| host.starts_with('-')) {
        let message = format!("the SSH host of {} starts with '-'", asked.name);
        return Err(Rejection::new("invalid_monitoring", message));
    }
    Ok(())
}
