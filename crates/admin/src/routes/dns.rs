//! DNS: what we answer, a real query, and the cache of others' answers. Records of operators have a
//! [module](super::dns_records) of their own.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::dns as wire;
use conduit_api::v1::error::ErrorBody;
use conduit_audit::action::Action;
use conduit_core::service::{DnsMode, Service};
use conduit_dns::client::check_question;
use conduit_dns::forward::status::ForwarderStatus;
use conduit_dns::mdns::status::{Conflict, Status};
use serde::Deserialize;

use super::{Admin, Answer, By, dns_lists, dns_records};
use crate::error::ApiError;
use crate::paging::Paging;
use crate::params::Options;
use crate::record::decision;
use crate::state::AdminState;

/// The options of [`resolve`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    /// The name to ask for.
    #[param(example = "grafana.internal")]
    name: String,
    /// The type to ask for.
    #[param(default = "A")]
    #[serde(rename = "type", default = "address")]
    record_type: String,
}

/// Lists what each host of each service resolves to, and the records of the zone beside them.
#[utoipa::path(
    get,
    path = "/dns",
    operation_id = "list_dns_entries",
    tag = "dns",
    params(Paging),
    responses(
        (status = 200, body = wire::DnsList, description = "by name"),
        (status = 422, body = ErrorBody, description = "`invalid_query`, or `invalid`: the limit is out of bounds"),
    ),
)]
pub(crate) async fn list(
    State(state): Admin,
    Options(paging): Options<Paging>,
) -> Answer<wire::DnsList> {
    let gateway = state.control.gateway();
    let catalog = state.registry.catalog().load_full();
    let services = catalog.iter().flat_map(|service| entries_of(service, &gateway.addresses));
    let (hosts, hosts_left_out) = dns_lists::entries(&state, &paging);
    let entries = services.chain(dns_records::entries(&state)).chain(hosts);
    let mut entries: Vec<(String, wire::DnsEntry)> =
        entries.map(|entry| (key(&entry), entry)).collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries.dedup_by(|(a, _), (b, _)| a == b);
    let (entries, next_after) = paging.part(entries, |(key, _)| key)?;
    let mdns = state.control.mdns();
    let entries = entries.into_iter().map(|(_, entry)| with_conflicts(entry, &mdns)).collect();
    Ok(Json(wire::DnsList {
        version: state.zone.load().version().to_string(),
        domains: gateway.domains,
        listen: gateway.dns.iter().map(ToString::to_string).collect(),
        entries,
        next_after,
        hosts_left_out,
    }))
}

/// Asks our own server a real question.
#[utoipa::path(
    get,
    path = "/dns/resolve",
    operation_id = "resolve_name",
    tag = "dns",
    params(Question),
    responses(
        (
            status = 200,
            body = wire::ResolveReply,
            description = "what it answered",
            example = json!({
                "name": "web.internal", "type": "A", "status": "NOERROR", "authoritative": true,
                "answers": [{ "name": "web.internal.", "type": "A", "ttl": 30, "value": "127.0.0.1" }],
                "server": "127.0.0.1:1053", "elapsed_ms": 0.338
            }),
        ),
        (status = 503, body = ErrorBody, description = "`unavailable`: DNS is off, or it does not answer; `timeout`"),
        (status = 422, body = ErrorBody, description = "`invalid_query`, or `invalid`: no such name or type can be asked for"),
    ),
)]
pub(crate) async fn resolve(
    State(state): Admin,
    Options(question): Options<Question>,
) -> Answer<wire::ResolveReply> {
    let Question { name, record_type } = question;
    resolved(&state, name, record_type).await.map(Json)
}

/// Asks our own server.
pub(super) async fn resolved(
    state: &AdminState,
    name: String,
    record_type: String,
) -> Result<wire::ResolveReply, ApiError> {
    let found = state.control.resolve(&name, &record_type).await?;
    let answers = found.answers.into_iter().map(|record| wire::ResolvedRecord {
        name: record.name,
        record_type: record.record_type,
        ttl: record.ttl,
        value: record.value,
    });
    Ok(wire::ResolveReply {
        answers: answers.collect(),
        list: found.list,
        name,
        record_type,
        status: found.status,
        authoritative: found.authoritative,
        server: found.server.to_string(),
        elapsed_ms: found.elapsed.as_secs_f64() * 1_000.0,
    })
}

/// The options of [`flush`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flushed {
    /// The one name whose answers are dropped; without it, all are.
    #[param(example = "example.com")]
    name: Option<String>,
}

/// Drops the cached answers of other servers.
#[utoipa::path(
    post,
    path = "/dns/flush",
    operation_id = "flush_dns",
    tag = "dns",
    params(Flushed),
    responses(
        (status = 200, body = wire::FlushReply, description = "whose were dropped"),
        (status = 422, body = ErrorBody, description = "`invalid_query`, or `invalid`: that is no name"),
    ),
)]
pub(crate) async fn flush(
    State(state): Admin,
    caller: By,
    Options(Flushed { name }): Options<Flushed>,
) -> Answer<wire::FlushReply> {
    let message = match &name {
        Some(name) => {
            // Nobody was ever asked about what is no name.
            check_question(name, "A").map_err(|error| ApiError::invalid(error.to_string()))?;
            format!("Flushed {name:?} from the DNS cache")
        }
        None => "Flushed the DNS cache".to_owned(),
    };
    decision(&state, caller.0.actor, Action::DnsFlush, &message).await?;
    let dropped = state.control.flush_dns(name.as_deref());
    Ok(Json(wire::FlushReply { forwarders: dropped }))
}

/// Tells what is kept of other servers' answers, and how those servers do.
#[utoipa::path(
    get,
    path = "/dns/cache",
    operation_id = "dns_cache",
    tag = "dns",
    responses(
        (status = 200, body = wire::DnsCacheReply, description = "counts since the start"),
    ),
)]
pub(crate) async fn cache(State(state): Admin) -> Json<wire::DnsCacheReply> {
    let status = state.control.forwarding();
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let forwarder = |one: ForwarderStatus| wire::DnsForwarder {
        address: one.address.to_string(),
        domains: one.domains,
        up: one.is_up,
        queries: one.queries,
        failures: one.failures,
        latency_ms: (!one.latency.is_zero()).then_some(one.latency.as_secs_f64() * 1_000.0),
    };
    Json(wire::DnsCacheReply {
        entries: count(status.entries),
        bytes: count(status.bytes),
        size: count(status.size),
        hits: status.hits,
        misses: status.misses,
        joined: status.joined,
        stale: status.stale,
        prefetches: status.prefetches,
        evicted: status.evicted,
        rebind_dropped: status.kept_out,
        overflows: status.overflows,
        dnssec: wire::DnssecCounts {
            enabled: status.dnssec.is_on,
            secure: status.dnssec.secure,
            insecure: status.dnssec.insecure,
            bogus: status.dnssec.bogus,
            overworked: status.dnssec.overworked,
            zones: count(status.dnssec.zones),
        },
        in_flight: count(status.in_flight),
        forwarders: status.forwarders.into_iter().map(forwarder).collect(),
    })
}

fn entries_of(service: &Service, gateway: &[String]) -> Vec<wire::DnsEntry> {
    let addresses = match service.dns {
        DnsMode::Gateway => gateway.to_vec(),
        DnsMode::Direct => own_addresses(service),
    };
    let entry = |host: &conduit_core::name::Host| wire::DnsEntry {
        name: service.name.to_string(),
        domain: host.to_string(),
        ip: addresses.first().cloned(),
        addresses: addresses.clone(),
        mode: service.dns.to_string(),
        source: "service".into(),
        record_type: None,
        data: None,
        ttl: None,
        created_at: service.registered_at.to_string(),
        mdns_conflicts: Vec::new(),
    };
    service.hosts.iter().map(entry).collect()
}

/// The same with who else has the name on multicast DNS.
fn with_conflicts(mut entry: wire::DnsEntry, mdns: &Status) -> wire::DnsEntry {
    let of_name = mdns.conflicts().filter(|(_, conflict)| conflict.name == entry.domain);
    let shown = |(interface, conflict): (&str, &Conflict)| wire::MdnsConflict {
        interface: interface.to_owned(),
        from: conflict.from.clone(),
        says: conflict.says.clone(),
    };
    entry.mdns_conflicts = of_name.map(shown).collect();
    entry
}

/// What an entry is found by; a name may have several records.
fn key(entry: &wire::DnsEntry) -> String {
    match (&entry.record_type, &entry.data) {
        (Some(kind), Some(data)) => format!("{} {kind} {data}", entry.domain),
        _ => entry.domain.clone(),
    }
}

fn own_addresses(service: &Service) -> Vec<String> {
    let sockets = service.upstreams.iter().filter_map(|u| u.socket());
    let mut addresses: Vec<String> = sockets.map(|socket| socket.ip().to_string()).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

fn address() -> String {
    "A".into()
}
