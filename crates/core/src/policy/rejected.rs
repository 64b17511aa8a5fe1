//! What does not go together in a policy, or is too much.

use super::{Balance, Policy};

/// A policy that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {reason}")]
pub struct InvalidPolicy {
    /// The key, such as `cors.credentials`.
    pub part: &'static str,
    /// What is wrong, and what to do.
    pub reason: String,
}

pub(super) fn check(policy: &Policy) -> Result<(), InvalidPolicy> {
    lists(policy)?;
    numbers(policy)?;
    together(policy)
}

fn wrong(part: &'static str, reason: impl Into<String>) -> Result<(), InvalidPolicy> {
    Err(InvalidPolicy { part, reason: reason.into() })
}

fn lists(policy: &Policy) -> Result<(), InvalidPolicy> {
    let lists = [
        ("shares", policy.shares.len()),
        ("paths", policy.paths.len()),
        ("redirects", policy.redirects.len()),
        ("rewrites", policy.rewrites.len()),
        ("request_headers.set", policy.request_headers.set.len()),
        ("request_headers.remove", policy.request_headers.remove.len()),
        ("response_headers.set", policy.response_headers.set.len()),
        ("response_headers.remove", policy.response_headers.remove.len()),
        ("allow", policy.allow.len()),
        ("basic_auth", policy.basic_auth.len()),
        ("api_keys", policy.api_keys.len()),
    ];
    match lists.iter().find(|(_, length)| *length > LIST_MAX) {
        Some((part, _)) => wrong(part, format!("at most {LIST_MAX} are possible")),
        None => Ok(()),
    }
}

fn numbers(policy: &Policy) -> Result<(), InvalidPolicy> {
    if policy.shares.iter().any(|share| !(1..=WEIGHT_MAX).contains(&share.weight)) {
        return wrong("shares", format!("a weight is a number from 1 to {WEIGHT_MAX}"));
    }
    if policy.rate.is_some_and(|rate| rate.requests == 0 || rate.burst == Some(0)) {
        return wrong("rate", "allow at least one request; to allow none, set maintenance");
    }
    if policy.retries.max.is_some_and(|max| max > RETRIES_MAX) {
        return wrong("retries.max", format!("at most {RETRIES_MAX} are possible"));
    }
    if policy.upstream.in_flight_max == Some(0) {
        return wrong("upstream.in_flight_max", "allow at least one request");
    }
    if policy.upstream.queue_max.is_some_and(|max| max > QUEUE_MAX) {
        return wrong("upstream.queue_max", format!("at most {QUEUE_MAX} can wait"));
    }
    if policy.listen == Some(0) {
        return wrong("listen", "give a port from 1 to 65535");
    }
    let zero = [policy.probe.unhealthy_after, policy.probe.healthy_after].contains(&Some(0));
    if zero {
        return wrong("probe", "the counts of unhealthy_after and healthy_after start at 1");
    }
    if policy.outliers.slow_factor.is_some_and(|factor| factor < 2) {
        return wrong("outliers.slow_factor", "give 2 or more");
    }
    let long = [&policy.maintenance, &policy.probe.body, &policy.probe.grpc_service]
        .into_iter()
        .flatten()
        .any(|text| text.len() > TEXT_BYTES_MAX);
    if long {
        return wrong("maintenance", format!("a text can have at most {TEXT_BYTES_MAX} bytes"));
    }
    Ok(())
}

fn together(policy: &Policy) -> Result<(), InvalidPolicy> {
    for (index, share) in policy.shares.iter().enumerate() {
        if policy.shares[..index].iter().any(|other| other.upstream == share.upstream) {
            return wrong("shares", format!("{} is there twice", share.upstream));
        }
    }
    for (index, user) in policy.basic_auth.iter().enumerate() {
        if policy.basic_auth[..index].iter().any(|other| other.user == user.user) {
            return wrong("basic_auth", format!("{} is there twice", user.user));
        }
    }
    for (index, key) in policy.api_keys.iter().enumerate() {
        if policy.api_keys[..index].iter().any(|o| o.name == key.name || o.hash == key.hash) {
            return wrong("api_keys", format!("{} is there twice", key.name));
        }
    }
    if let Some(cors) = &policy.cors {
        if cors.origins.is_empty() || cors.origins.len() > LIST_MAX {
            return wrong("cors.origins", format!("give from 1 to {LIST_MAX} origins"));
        }
        if cors.credentials && cors.origins.iter().any(super::access::Origin::is_any) {
            return wrong("cors.credentials", "browsers refuse them for \"*\"; name the origins");
        }
    }
    if policy.sticky.is_some() && matches!(policy.balance, Some(Balance::Hash(_))) {
        return wrong(
            "sticky",
            "a hash keeps clients on their upstream already; use one of the two",
        );
    }
    let fixed = policy.request_headers.set.keys().chain(&policy.request_headers.remove);
    let fixed = fixed.chain(policy.response_headers.set.keys());
    let mut fixed = fixed.chain(&policy.response_headers.remove);
    if let Some(name) = fixed.find(|name| FRAMING.contains(&name.as_str())) {
        let reason = format!("{name} belongs to the connection and cannot be changed");
        return wrong("request_headers", reason);
    }
    Ok(())
}

/// Items of any list.
const LIST_MAX: usize = 256;
const WEIGHT_MAX: u16 = 1_000;
const RETRIES_MAX: u8 = 5;
const QUEUE_MAX: u32 = 10_000;
const TEXT_BYTES_MAX: usize = 2_000;
/// Fields that say where a message ends and who it is for.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
