//! The newest lines of the query log.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::queries as wire;
use serde::Deserialize;

use super::{Admin, Answer};
use crate::control::ControlError;
use crate::error::ApiError;
use crate::limits::{QUERIES_DEFAULT, QUERIES_MAX};
use crate::params::Options;

/// The options of [`list`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// How many lines at most.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    limit: Option<u32>,
    /// Only lines behind this number, as `last` tells it.
    after: Option<u64>,
    /// Only lines with this in their name.
    #[param(example = "grafana")]
    name: Option<String>,
    /// Only lines of clients whose address begins with this.
    #[param(example = "10.0.1.")]
    client: Option<String>,
    /// Only lines with this outcome (`nxdomain`), response code (`NXDOMAIN`) or source (`cache`).
    #[param(example = "nxdomain")]
    outcome: Option<String>,
}

/// Lists the newest queries that were told, as `dns.query_log` has it.
#[utoipa::path(
    get,
    path = "/dns/queries",
    operation_id = "list_dns_queries",
    tag = "dns",
    params(Wanted),
    responses(
        (
            status = 200,
            body = wire::QueryList,
            description = "the newest first, and since the gateway started",
            example = json!({
                "logged": "all", "sample": 1.0, "clients": "full", "output": "memory", "lost": 0, "last": 7,
                "queries": [{
                    "sequence": 7, "time": "2026-11-23T16:51:07.214031Z", "client": "10.0.1.7", "transport": "udp",
                    "name": "grafana.internal", "type": "A", "outcome": "records", "rcode": "NOERROR",
                    "source": "service", "service": "grafana", "answers": ["A 10.0.0.1"], "duration_ms": 0.041
                }]
            }),
        ),
        (status = 422, body = ErrorBody, description = "`invalid_query`, or `invalid`: the limit is out of bounds"),
        (status = 503, body = ErrorBody, description = "`unavailable`: DNS is off"),
    ),
)]
pub(crate) async fn list(
    State(state): Admin,
    Options(wanted): Options<Wanted>,
) -> Answer<wire::QueryList> {
    let limit = wanted.limit.unwrap_or(QUERIES_DEFAULT);
    if !(1..=QUERIES_MAX).contains(&limit) {
        return Err(ApiError::invalid(format!("limit must be from 1 to {QUERIES_MAX}")));
    }
    let Some(view) = state.control.queries(wanted.after) else {
        return Err(off());
    };
    let fitting = view.queries.into_iter().filter(|query| wanted.fits(query));
    Ok(Json(wire::QueryList {
        logged: view.settings.logged.as_str().to_owned(),
        sample: view.settings.share.value(),
        clients: view.settings.clients.as_str().to_owned(),
        output: view.output,
        lost: view.lost,
        last: view.last,
        queries: fitting.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect(),
    }))
}

/// Without DNS there is nothing to tell.
pub(super) fn off() -> ApiError {
    ControlError::Unavailable("DNS is off (dns.enabled = false)".into()).into()
}

impl Wanted {
    fn fits(&self, query: &wire::DnsQuery) -> bool {
        let name = self.name.as_ref().is_none_or(|part| {
            let part = part.to_ascii_lowercase();
            query.name.as_ref().is_some_and(|name| name.contains(&part))
        });
        let client = self.client.as_ref().is_none_or(|start| {
            query.client.as_ref().is_some_and(|client| client.starts_with(start.as_str()))
        });
        let outcome = self.outcome.as_ref().is_none_or(|word| {
            let rcode = query.rcode.as_deref().unwrap_or("dropped");
            [&query.outcome, rcode, &query.source].iter().any(|own| own.eq_ignore_ascii_case(word))
        });
        name && client && outcome
    }
}
