//! Registrations: one service, or many at once.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::services as wire;
use conduit_core::clock::Timestamp;
use conduit_core::health::Health;
use conduit_core::name::ServiceName;
use conduit_core::policy::Preset;
use conduit_proxy::fingerprint::Fingerprint;
use conduit_proxy::health::board::ServiceHealth;
use conduit_registry::{Committed, Mutation, OutcomeKind, RegisterOptions};
use http::StatusCode;

use super::services::whole;
use super::{Admin, Answer, By};
use crate::body::{BulkBody, JsonBody};
use crate::control::Checks;
use crate::convert::register::{registration, registrations, unknown};
use crate::convert::service::{Known, Sight, outcome, service};
use crate::error::ApiError;
use crate::limits::{AUTO_MAX, WAIT_HEALTHY_SECONDS_MAX};
use crate::precondition::IfMatch;
use crate::state::AdminState;

/// Registers a service: it resolves and is served from the answer on.
///
/// The same registration again changes nothing and answers 200 with `"changed": false`. With
/// `dry_run` nothing is changed in any case; with `replace` an active service of that name may differ,
/// and with `If-Match` it must be as it was read.
#[utoipa::path(
    post,
    path = "/services",
    operation_id = "register_service",
    tag = "services",
    params(
        ("If-Match" = Option<String>, Header, description = "The tag that the service of that name must have."),
    ),
    request_body(
        content = wire::RegisterService,
        example = json!({ "name": "grafana", "host": "10.0.1.50:3000", "health": "/api/health", "wait_healthy": 10 }),
    ),
    responses(
        (status = 200, body = wire::RegisterReply, description = "it was there already, or was replaced, or it was a dry run"),
        (status = 201, body = wire::RegisterReply, description = "a new service"),
        (status = 409, body = ErrorBody, description = "`name_taken` or `host_taken`"),
        (status = 412, body = ErrorBody, description = "`changed_meanwhile`: the service has another tag, or is gone"),
        (status = 422, body = ErrorBody, description = "`invalid_body`, or a value cannot be; `code` names which"),
    ),
)]
pub(crate) async fn one(
    State(state): Admin,
    caller: By,
    precondition: IfMatch,
    JsonBody(wish): JsonBody<wire::RegisterService>,
) -> Result<Response, ApiError> {
    let wait_healthy = wait_healthy(&wish)?;
    let found = looked_at(&state, std::slice::from_ref(&wish)).await?.pop().flatten();
    let asked = registration(&wish, found.as_ref().map(|found| found.preset))?;
    let name = asked.name.clone();
    caller.0.may_change(Some(name.as_str()))?;
    let sight = whole(&caller);
    let mutation = Mutation::Register {
        services: vec![asked],
        options: RegisterOptions { dry_run: wish.dry_run, prune: false, replace: wish.replace },
    };
    let mutation = precondition.guard(&state, &name, mutation)?;
    let committed = state.registry.apply(caller.0.actor, mutation).await?;
    let kind = match committed.outcomes.first() {
        Some(outcome) => outcome.kind,
        None => OutcomeKind::Unchanged,
    };
    let health = if wish.dry_run { None } else { settled(&state, &name, wait_healthy).await };
    let probed = health.as_ref().is_some_and(|h| h.last_probe_at.is_some());
    let reply = wire::RegisterReply {
        generation: committed.generation.0,
        changed: committed.changed && !wish.dry_run,
        dry_run: wish.dry_run,
        outcome: outcome(kind),
        service: match committed.planned.first() {
            Some(planned) => Some(service(planned, Known::default(), state.ports(), sight)),
            None => shown(&state, &name, health, sight),
        },
        probed,
        fingerprint: found.map(told),
    };
    let created = kind == OutcomeKind::Created && !wish.dry_run;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(reply)).into_response())
}

/// Registers many services: all of them, or none.
#[utoipa::path(
    post,
    path = "/services:bulk",
    operation_id = "register_services",
    tag = "services",
    request_body(
        content = wire::RegisterBulk,
        example = json!({ "services": [{ "name": "grafana", "host": "10.0.1.50:3000" }, { "name": "ollama", "host": "10.0.1.51:11434", "preset": "ollama" }], "dry_run": true }),
    ),
    responses(
        (
            status = 200,
            body = wire::BulkReply,
            description = "what became of each",
            example = json!({
                "generation": 7, "changed": false, "dry_run": true,
                "outcomes": [{ "name": "grafana", "outcome": "created" }]
            }),
        ),
        (status = 409, body = ErrorBody, description = "`name_taken` or `host_taken`"),
        (status = 422, body = ErrorBody, description = "`invalid_body`, or a value cannot be; the message names the element"),
    ),
)]
pub(crate) async fn many(
    State(state): Admin,
    caller: By,
    request: axum::extract::Request,
) -> Answer<wire::BulkReply> {
    // A body may be large, so few are in memory at a time.
    let Ok(_permit) = state.bulks.try_acquire() else {
        return Err(ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            "other bulk registrations are in progress",
        )
        .retry_after(1));
    };
    let BulkBody(bulk) = BulkBody::<wire::RegisterBulk>::read(request).await?;
    let found = looked_at(&state, &bulk.services).await?;
    let presets: Vec<_> = found.iter().map(|f| f.as_ref().map(|found| found.preset)).collect();
    let services = registrations(&bulk, &presets)?;
    let (dry_run, prune, replace) = (bulk.dry_run, bulk.prune, bulk.replace);
    // Whatever is not in it would go.
    if prune {
        caller.0.may_change(None)?;
    }
    for service in &services {
        caller.0.may_change(Some(service.name.as_str()))?;
    }
    // It may be large, and deciding takes as much again.
    drop(bulk);
    let options = RegisterOptions { dry_run, prune, replace };
    let mutation = Mutation::Register { services, options };
    let committed = state.registry.apply(caller.0.actor, mutation).await?;
    Ok(Json(bulk_reply(&committed, dry_run, found)))
}

/// Looks at the upstreams of those that ask for the preset `auto`, before anything is decided. A
/// service whose upstream does not answer keeps the preset that it has.
async fn looked_at(
    state: &AdminState,
    wishes: &[wire::RegisterService],
) -> Result<Vec<Option<Fingerprint>>, ApiError> {
    let mut asked = Vec::new();
    let mut indices = Vec::new();
    for (index, wish) in wishes.iter().enumerate() {
        if let Some(upstream) = unknown(wish)? {
            asked.push(upstream);
            indices.push(index);
        }
    }
    if asked.len() > AUTO_MAX {
        let message =
            format!("at most {AUTO_MAX} services of one request can have the preset auto");
        return Err(ApiError::invalid(message).hint("name the presets, or use several requests"));
    }
    let mut found: Vec<Option<Fingerprint>> = vec![None; wishes.len()];
    if asked.is_empty() {
        return Ok(found);
    }
    for (index, looked) in indices.into_iter().zip(state.control.fingerprints(&asked).await) {
        let before = if looked.answered { None } else { preset_of(state, &wishes[index].name) };
        found[index] = Some(match before {
            Some(preset) => Fingerprint {
                preset,
                evidence: format!("{}; kept what it was", looked.evidence),
                ..looked
            },
            None => looked,
        });
    }
    Ok(found)
}

fn preset_of(state: &AdminState, name: &str) -> Option<Preset> {
    let (_, service) = state.active(&ServiceName::parse(name).ok()?).ok()?;
    service.policy.preset
}

fn told(found: Fingerprint) -> wire::Fingerprint {
    wire::Fingerprint { preset: found.preset.to_string(), evidence: found.evidence }
}

fn wait_healthy(wish: &wire::RegisterService) -> Result<Option<Duration>, ApiError> {
    match wish.wait_healthy {
        Some(seconds) if seconds > WAIT_HEALTHY_SECONDS_MAX => {
            let message = format!("wait_healthy can be at most {WAIT_HEALTHY_SECONDS_MAX} seconds");
            Err(ApiError::invalid(message))
        }
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
}

/// Waits for health when that was asked for; else the answer is what is known at once, since a
/// registration is live by now and whoever wants the first probe's outcome can ask for it.
async fn settled(
    state: &AdminState,
    name: &ServiceName,
    wait_healthy: Option<Duration>,
) -> Option<ServiceHealth> {
    let Some(within) = wait_healthy else {
        return state.health.service(name, Timestamp::now());
    };
    let mut board = state.health.clone();
    let healthy = async {
        loop {
            match board.service(name, Timestamp::now()) {
                // Degraded by another upstream or by its leaf: it answers, but it is not healthy.
                Some(health) if health.health != Health::Healthy => board.changed().await,
                // Healthy, or deregistered in the meantime.
                _ => return,
            }
        }
    };
    // In time or not, what is known then is the answer.
    let _in_time = tokio::time::timeout(within, healthy).await.is_ok();
    state.health.service(name, Timestamp::now())
}

/// The service after a registration; absent when a dry run speaks of one that is not there.
fn shown(
    state: &AdminState,
    name: &ServiceName,
    health: Option<ServiceHealth>,
    sight: Sight,
) -> Option<wire::Service> {
    let (_, found) = state.active(name).ok()?;
    let known = Known {
        deregistered_at: None,
        leaves: state.control.leaves(name),
        health: health.or_else(|| state.health.service(name, Timestamp::now())),
        checks: Checks::default(),
    };
    Some(service(&found, known, state.ports(), sight))
}

fn bulk_reply(
    committed: &Committed,
    dry_run: bool,
    found: Vec<Option<Fingerprint>>,
) -> wire::BulkReply {
    // Outcomes are in the order of the wish; what was pruned comes last and was not looked at.
    let found = found.into_iter().map(|found| found.map(told)).chain(std::iter::repeat(None));
    let outcomes = committed.outcomes.iter().zip(found).map(|(done, fingerprint)| wire::Outcome {
        name: done.name.to_string(),
        outcome: outcome(done.kind),
        fingerprint,
    });
    wire::BulkReply {
        generation: committed.generation.0,
        changed: committed.changed && !dry_run,
        dry_run,
        outcomes: outcomes.collect(),
    }
}
