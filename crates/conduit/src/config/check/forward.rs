//! Other people's names: who is asked about which, what is believed, and what is kept.

use std::time::Duration;

use conduit_dns::forward::Suffix;
use conduit_dns::forward::address::ForwarderAddr;
use conduit_dns::forward::settings::{CacheSettings, Conditional, ForwardSettings};

use super::super::file;
use super::super::value::{Given, Sourced, Text};
use super::judge::Judge;
use super::parse;
use super::planes::whole_seconds;

pub(super) fn forward(judge: &mut Judge, given: &file::Dns) -> ForwardSettings {
    let default = ForwardSettings::default();
    ForwardSettings {
        forwarders: judge.list(
            "dns.forwarders",
            &given.forwarders,
            Vec::new(),
            FORWARDERS_MAX,
            str::parse,
        ),
        conditional: conditional(judge, &given.forward),
        own: default.own,
        fastest_first: judge.switch(&given.fastest_first, default.fastest_first),
        mixed_case: judge.switch(&given.mixed_case, default.mixed_case),
        rebind_protection: judge.switch(&given.rebind_protection, default.rebind_protection),
        rebind_allow: judge.list(
            "dns.rebind_allow",
            &given.rebind_allow,
            Vec::new(),
            REBIND_ALLOW_MAX,
            str::parse,
        ),
        canary: judge.switch(&given.doh_canary, default.canary),
        cache: cache(judge, &given.cache),
        validation: None,
        trust: None,
    }
}

fn conditional(
    judge: &mut Judge,
    given: &Given<Vec<Sourced<file::DnsForward>>>,
) -> Vec<Conditional> {
    let Some(given) = given else {
        return Vec::new();
    };
    if given.value.len() > CONDITIONAL_MAX {
        let reason = format!("{} are too many; at most {CONDITIONAL_MAX}", given.value.len());
        judge.refuse("dns.forward", &given.origin, reason);
        return Vec::new();
    }
    let mut all: Vec<Conditional> = Vec::with_capacity(given.value.len());
    for element in &given.value {
        let Sourced { value: file::DnsForward { domains, to, dnssec }, origin } = element;
        if domains.is_empty() || domains.len() > DOMAINS_MAX {
            let reason = format!("domains names {}; give 1 to {DOMAINS_MAX}", domains.len());
            judge.refuse("dns.forward", origin, reason);
        }
        if to.len() > FORWARDERS_MAX {
            let reason = format!("to names {} servers; at most {FORWARDERS_MAX}", to.len());
            judge.refuse("dns.forward", origin, reason);
        }
        let is_validated = dnssec.unwrap_or(true);
        let mut next = Conditional { domains: Vec::new(), to: Vec::new(), is_validated };
        for domain in domains {
            let known = || all.iter().flat_map(|other| &other.domains).chain(&next.domains);
            match domain.value.0.parse::<Suffix>() {
                Ok(suffix) if known().any(|other| *other == suffix) => {
                    let reason = format!("{suffix} is named twice; give it one list of servers");
                    judge.refuse("dns.forward", &domain.origin, reason);
                }
                Ok(suffix) => next.domains.push(suffix),
                Err(reason) => judge.refuse("dns.forward", &domain.origin, reason),
            }
        }
        next.to = servers(judge, to);
        all.push(next);
    }
    all
}

fn servers(judge: &mut Judge, given: &[Sourced<Text>]) -> Vec<ForwarderAddr> {
    let mut servers = Vec::with_capacity(given.len());
    for element in given {
        match element.value.0.parse() {
            Ok(server) => servers.push(server),
            Err(reason) => judge.refuse("dns.forward", &element.origin, reason),
        }
    }
    servers
}

fn cache(judge: &mut Judge, given: &file::DnsCache) -> CacheSettings {
    let default = CacheSettings::default();
    let seconds = |judge: &mut Judge, key, given: &Given<Text>, default, max| {
        judge.take(key, given, default, |text| {
            whole_seconds(parse::duration(text, Duration::ZERO, max)?)
        })
    };
    let cache = CacheSettings {
        size: judge.take("dns.cache.size", &given.size, default.size, |text| {
            let size = parse::size(text, CACHE_SIZE_MIN, CACHE_SIZE_MAX)?;
            usize::try_from(size).map_err(|_| "does not fit this machine".to_owned())
        }),
        ttl_min: seconds(judge, "dns.cache.min_ttl", &given.min_ttl, default.ttl_min, HOUR),
        ttl_max: seconds(judge, "dns.cache.max_ttl", &given.max_ttl, default.ttl_max, WEEK),
        negative_ttl_max: seconds(
            judge,
            "dns.cache.negative_ttl",
            &given.negative_ttl,
            default.negative_ttl_max,
            3 * HOUR,
        ),
        serve_stale: seconds(
            judge,
            "dns.cache.serve_stale",
            &given.serve_stale,
            default.serve_stale,
            WEEK,
        ),
        prefetch: judge.switch(&given.prefetch, default.prefetch),
    };
    if let Some(min) = given.min_ttl.as_ref().filter(|_| cache.ttl_min > cache.ttl_max) {
        let reason = "is longer than dns.cache.max_ttl".to_owned();
        judge.refuse("dns.cache.min_ttl", &min.origin, reason);
    }
    cache
}

const HOUR: Duration = Duration::from_secs(3_600);
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// For the same names.
const FORWARDERS_MAX: usize = 8;
const CONDITIONAL_MAX: usize = 256;
/// In one table.
const DOMAINS_MAX: usize = 64;
const REBIND_ALLOW_MAX: usize = 256;
const CACHE_SIZE_MIN: u64 = 100_000;
const CACHE_SIZE_MAX: u64 = 4_000_000_000;
