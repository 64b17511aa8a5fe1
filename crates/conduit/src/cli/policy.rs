//! From flags to a policy.
//!
//! **Invariant:** what a flag says wins over what `--policy FILE` says, key by key.

use std::path::Path;

use conduit_core::policy::{
    ApiKey, BasicUser, Clocks, Cors, FieldName, FieldValue, Fields, ForwardAuth, InvalidPolicy,
    PathPrefix, Policy, Preset, ProbePolicy, RateKey, RateLimit, Redirect, RedirectStatus, Retries,
    Rewrite, Share, Span, Sticky, UpstreamUse,
};
use conduit_core::upstream::UpstreamAddr;
use ipnet::IpNet;

use super::args::TrafficArgs;
use super::exit::Failure;
use super::written;

/// `--preset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PresetChoice {
    /// The gateway is to look.
    Auto,
    /// This one.
    Named(Preset),
}

/// A field with its new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    name: FieldName,
    value: FieldValue,
}

/// An upstream as it is typed, `HOST[:PORT][,weight=N][,priority=N]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypedUpstream<'a> {
    /// Without its options.
    pub(crate) address: &'a str,
    weight: Option<u16>,
    priority: Option<u8>,
}

impl<'a> TypedUpstream<'a> {
    /// Takes the options off.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let mut typed =
            Self { address: parts.next().unwrap_or_default(), weight: None, priority: None };
        for option in parts {
            let wrong = || {
                format!("{option:?} is not an option of an upstream; use weight=N or priority=N")
            };
            match option.split_once('=') {
                Some(("weight", n)) => typed.weight = Some(n.parse().map_err(|_| wrong())?),
                Some(("priority", n)) => typed.priority = Some(n.parse().map_err(|_| wrong())?),
                _ => return Err(wrong()),
            }
        }
        Ok(typed)
    }

    /// Its share, when it was given one.
    pub(crate) fn share(&self, upstream: &UpstreamAddr) -> Option<Share> {
        if self.weight.is_none() && self.priority.is_none() {
            return None;
        }
        Some(Share {
            upstream: upstream.clone(),
            weight: self.weight.unwrap_or(1),
            priority: self.priority.unwrap_or(0),
        })
    }
}

/// The policy that the flags ask for, over that of the file.
pub(crate) fn of(args: &TrafficArgs) -> Result<Policy, Failure> {
    let below = args.whole.policy.as_deref().map(file).transpose()?.unwrap_or_default();
    let policy = typed(args)?.over(below);
    Ok(match args.whole.preset {
        Some(PresetChoice::Auto) => Policy { preset: None, ..policy },
        _ => policy,
    })
}

/// Refuses what cannot be carried out, in the words of the flags.
pub(crate) fn check(policy: &Policy) -> Result<(), Failure> {
    policy.with_preset().check().map_err(|InvalidPolicy { part, reason }| {
        let flag = FLAGS.iter().find(|(key, flag)| *key == part && !flag.is_empty());
        let place = flag.map_or_else(|| format!("policy, {part}"), |(_, flag)| (*flag).to_owned());
        Failure::usage(format!("{place}: {reason}"))
    })
}

fn file(path: &Path) -> Result<Policy, Failure> {
    written::read(path)
}

fn typed(args: &TrafficArgs) -> Result<Policy, Failure> {
    let TrafficArgs { whole, upstreams, probes, paths, access, tcp } = args;
    let on = |flag: bool| flag.then_some(true);
    let strip = PathPrefix::root();
    let stripped =
        paths.strip_prefix.iter().map(|from| Rewrite { from: from.clone(), to: strip.clone() });
    Ok(Policy {
        preset: match whole.preset {
            Some(PresetChoice::Named(preset)) => Some(preset),
            Some(PresetChoice::Auto) | None => None,
        },
        balance: upstreams.balance.clone(),
        sticky: upstreams.sticky.clone().map(|cookie| Sticky { cookie }),
        timeouts: Clocks {
            connect: upstreams.connect_timeout,
            first_byte: upstreams.first_byte_timeout,
            idle: upstreams.idle_timeout,
            client: None,
        },
        retries: Retries { max: upstreams.retries, ..Retries::default() },
        upstream: UpstreamUse {
            tls: upstreams.upstream_tls.clone(),
            server_name: upstreams.upstream_name.clone(),
            host: upstreams.upstream_host.clone(),
            proxy_header: tcp.proxy_protocol,
            in_flight_max: upstreams.max_in_flight,
            queue_max: upstreams.queue,
            ..UpstreamUse::default()
        },
        probe: ProbePolicy {
            kind: probes.health_kind,
            interval: probes.health_interval,
            timeout: probes.health_timeout,
            status: probes.health_status.clone(),
            body: probes.health_body.clone(),
            ..ProbePolicy::default()
        },
        paths: paths.path.clone(),
        redirects: paths.redirect.clone(),
        rewrites: paths.rewrite.iter().cloned().chain(stripped).collect(),
        request_headers: fields(&paths.set_header, &paths.remove_header),
        response_headers: fields(&paths.set_response_header, &paths.remove_response_header),
        compress: on(paths.compress),
        body_max: paths.body_limit,
        allow: access.allow.clone(),
        rate: access.rate_limit,
        basic_auth: access.basic_auth.iter().map(|text| user(text)).collect::<Result<_, _>>()?,
        api_keys: access.api_key.iter().map(|text| key(text)).collect::<Result<_, _>>()?,
        forward_auth: access.forward_auth.clone().map(|url| ForwardAuth { url, copy: Vec::new() }),
        cors: (!access.cors.is_empty()).then(|| Cors {
            origins: access.cors.clone(),
            methods: Vec::new(),
            headers: Vec::new(),
            expose: Vec::new(),
            credentials: false,
            max_age: None,
        }),
        maintenance: access.maintenance.clone(),
        access_log: access.no_access_log.then_some(false),
        listen: tcp.listen,
        tls_passthrough: on(tcp.tls_passthrough),
        accept_proxy_header: on(tcp.accept_proxy_protocol),
        ..Policy::default()
    })
}

fn fields(set: &[Header], remove: &[FieldName]) -> Fields {
    let set = set.iter().map(|header| (header.name.clone(), header.value.clone()));
    Fields { set: set.collect(), remove: remove.to_vec() }
}

fn user(text: &str) -> Result<BasicUser, Failure> {
    let wrong = |reason: &dyn std::fmt::Display| Failure::usage(format!("--basic-auth: {reason}"));
    let (user, hash) = text
        .split_once(':')
        .ok_or_else(|| wrong(&"write USER:HASH").hint("`htpasswd -nB USER` prints such a line"))?;
    Ok(BasicUser {
        user: user.parse().map_err(|error| wrong(&error))?,
        hash: hash
            .parse()
            .map_err(|error| wrong(&error).hint("`htpasswd -nB USER` prints such a line"))?,
    })
}

fn key(text: &str) -> Result<ApiKey, Failure> {
    let wrong = |reason: &dyn std::fmt::Display| Failure::usage(format!("--api-key: {reason}"));
    let hint = "`printf %s KEY | openssl dgst -sha3-256` prints the digits";
    let (name, hash) =
        text.split_once(':').ok_or_else(|| wrong(&"write NAME:sha3-256:HEX").hint(hint))?;
    Ok(ApiKey {
        name: name.parse().map_err(|error| wrong(&error))?,
        hash: hash.parse().map_err(|error| wrong(&error).hint(hint))?,
        paths: Vec::new(),
        methods: Vec::new(),
    })
}

/// Reads `--preset`.
pub(crate) fn preset(text: &str) -> Result<PresetChoice, String> {
    match text {
        "auto" => Ok(PresetChoice::Auto),
        _ => text.parse().map(PresetChoice::Named).map_err(|error| format!("{error}, or auto")),
    }
}

/// Reads `FROM=TO`.
pub(crate) fn rewrite(text: &str) -> Result<Rewrite, String> {
    let (from, to) = text.split_once('=').ok_or("write FROM=TO, as in /api=/v1")?;
    Ok(Rewrite { from: word(from)?, to: word(to)? })
}

/// Reads `FROM=TO[,STATUS]`.
pub(crate) fn redirect(text: &str) -> Result<Redirect, String> {
    let (from, to) = text.split_once('=').ok_or("write FROM=TO, as in /old=/new,301")?;
    // A target may hold commas itself.
    let (to, status) = match to.rsplit_once(',') {
        Some((to, status)) if status.bytes().all(|b| b.is_ascii_digit()) => (to, word(status)?),
        _ => (to, RedirectStatus::default()),
    };
    Ok(Redirect { from: word(from)?, to: word(to)?, status })
}

/// Reads `Name: value`.
pub(crate) fn header(text: &str) -> Result<Header, String> {
    let (name, value) = text.split_once(':').ok_or("write 'Name: value'")?;
    Ok(Header { name: word(name)?, value: word(value.trim())? })
}

/// Reads `N/s`, `N/m`, `N/h` or `N/30s`, with `,burst=B` and `,by=KEY`.
pub(crate) fn rate(text: &str) -> Result<RateLimit, String> {
    let wrong = || "write N/s or N/m, as in 10/s, 600/m or 10/s,burst=50".to_owned();
    let mut parts = text.split(',');
    let (requests, per) = parts.next().and_then(|p| p.split_once('/')).ok_or_else(wrong)?;
    let per = match per {
        "s" | "m" | "h" => format!("1{per}"),
        other => other.to_owned(),
    };
    let mut rate = RateLimit {
        requests: requests.parse().map_err(|_| wrong())?,
        per: word::<Span>(&per)?,
        burst: None,
        by: RateKey::default(),
    };
    for option in parts {
        match option.split_once('=') {
            Some(("burst", burst)) => rate.burst = Some(burst.parse().map_err(|_| wrong())?),
            Some(("by", key)) => rate.by = word(key)?,
            _ => return Err(wrong()),
        }
    }
    Ok(rate)
}

/// Reads a network, or a single address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let single = text.parse::<std::net::IpAddr>().map(IpNet::from);
    single.or_else(|_| text.parse()).map_err(|_| "write a network such as 10.0.0.0/8".to_owned())
}

fn word<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Every key of a policy with the flag for it; empty where only a file or the API can say it.
pub(crate) const FLAGS: [(&str, &str); 61] = [
    ("preset", "--preset"),
    ("balance", "--balance"),
    ("sticky", "--sticky"),
    ("sticky.cookie", "--sticky"),
    ("shares", "--host"),
    ("shares.upstream", "--host"),
    ("shares.weight", "--host"),
    ("shares.priority", "--host"),
    ("slow_start", ""),
    ("timeouts.connect", "--connect-timeout"),
    ("timeouts.first_byte", "--first-byte-timeout"),
    ("timeouts.idle", "--idle-timeout"),
    ("timeouts.client", ""),
    ("retries.max", "--retries"),
    ("retries.budget_percent", ""),
    ("retries.on_status", ""),
    ("upstream.tls", "--upstream-tls"),
    ("upstream.server_name", "--upstream-name"),
    ("upstream.host", "--upstream-host"),
    ("upstream.origin", ""),
    ("upstream.proxy_header", "--proxy-protocol"),
    ("upstream.in_flight_max", "--max-in-flight"),
    ("upstream.queue_max", "--queue"),
    ("upstream.queue_timeout", ""),
    ("probe.kind", "--health-kind"),
    ("probe.interval", "--health-interval"),
    ("probe.timeout", "--health-timeout"),
    ("probe.unhealthy_after", ""),
    ("probe.healthy_after", ""),
    ("probe.status", "--health-status"),
    ("probe.body", "--health-body"),
    ("probe.grpc_service", ""),
    ("outliers.failures", ""),
    ("outliers.probation", ""),
    ("outliers.eject_last", ""),
    ("outliers.slow_factor", ""),
    ("paths", "--path"),
    ("redirects", "--redirect"),
    ("rewrites", "--rewrite"),
    ("request_headers", "--set-header"),
    ("request_headers.set", "--set-header"),
    ("request_headers.remove", "--remove-header"),
    ("response_headers.set", "--set-response-header"),
    ("response_headers.remove", "--remove-response-header"),
    ("compress", "--compress"),
    ("body_max", "--body-limit"),
    ("allow", "--allow"),
    ("rate", "--rate-limit"),
    ("rate.requests", "--rate-limit"),
    ("rate.per", "--rate-limit"),
    ("rate.burst", "--rate-limit"),
    ("rate.by", "--rate-limit"),
    ("basic_auth", "--basic-auth"),
    ("api_keys", "--api-key"),
    ("forward_auth", "--forward-auth"),
    ("cors.origins", "--cors"),
    ("maintenance", "--maintenance"),
    ("access_log", "--no-access-log"),
    ("listen", "--listen"),
    ("tls_passthrough", "--tls-passthrough"),
    ("accept_proxy_header", "--accept-proxy-protocol"),
];

#[cfg(test)]
mod tests;
