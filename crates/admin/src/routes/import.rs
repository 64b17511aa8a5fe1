//! What other programs' files ask for, taken over as one decision.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::import as wire;
use conduit_api::v1::services::{Outcome, RegisterBulk};
use conduit_audit::{Action, Draft, Status};
use conduit_core::clock::Timestamp;
use conduit_core::record::Record;
use conduit_registry::{Importing, Mutation, Rejection};
use http::StatusCode;
use serde_json::{Map, json};

use super::{Admin, Answer, By, dns_records};
use crate::body::BulkBody;
use crate::convert::register::registrations;
use crate::convert::service::outcome;
use crate::error::ApiError;

/// Takes over what a file asks for: services, all of them or nothing, and records.
///
/// A record that cannot be, since a service has its name or an alias is there, is left out and told in
/// `refused`. The same import again changes nothing.
#[utoipa::path(
    post,
    path = "/import",
    operation_id = "import_file",
    tag = "services",
    request_body(
        content = wire::ImportRequest,
        example = json!({
            "kind": "dnsmasq", "source": "/etc/dnsmasq.conf", "dry_run": true,
            "records": [{ "name": "nas.internal", "type": "A", "data": "10.0.0.7" }]
        }),
    ),
    responses(
        (status = 200, body = wire::ImportReply, description = "what became of it"),
        (status = 409, body = ErrorBody, description = "`name_taken` or `host_taken`"),
        (status = 422, body = ErrorBody, description = "`invalid_body`, or a value cannot be; the message names the element"),
        (status = 429, body = ErrorBody, description = "`busy`: others import or register in bulk"),
    ),
)]
pub(crate) async fn import(
    State(state): Admin,
    caller: By,
    request: axum::extract::Request,
) -> Answer<wire::ImportReply> {
    // It may take over anything, so that whoever may change a part alone may not.
    caller.0.may_change(None)?;
    let Ok(_permit) = state.bulks.try_acquire() else {
        let message = "other bulk registrations are in progress";
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", message).retry_after(1));
    };
    let BulkBody(asked) = BulkBody::<wire::ImportRequest>::read(request).await?;
    let (dry_run, replace) = (asked.dry_run, asked.replace);
    let records = asked
        .records
        .iter()
        .enumerate()
        .map(|(index, wish)| dns_records::wanted(wish).map_err(|error| error.at_record(index)));
    let records: Vec<Record> = records.collect::<Result<_, _>>()?;
    let draft = draft(&asked, caller.0.actor.clone());
    let bulk = RegisterBulk { services: asked.services, ..RegisterBulk::default() };
    let none = vec![None; bulk.services.len()];
    let services = registrations(&bulk, &none)?;
    let importing = Importing { services, replace, records, draft, dry_run };
    let mutation = Mutation::Import(Box::new(importing));
    let committed = state.registry.apply(caller.0.actor, mutation).await?;
    let outcomes = committed.outcomes.iter().map(|done| Outcome {
        name: done.name.to_string(),
        outcome: outcome(done.kind),
        fingerprint: None,
    });
    Ok(Json(wire::ImportReply {
        generation: committed.generation.0,
        changed: committed.changed && !dry_run,
        dry_run,
        services: outcomes.collect(),
        records: committed.records.iter().map(dns_records::shown).collect(),
        refused: committed.refused.iter().map(refused).collect(),
    }))
}

/// One entry for the whole, beside those for each service and record.
fn draft(asked: &wire::ImportRequest, actor: conduit_core::actor::Actor) -> Box<Draft> {
    let short = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect::<String>();
    let (source, kind) = (short(&asked.source), short(&asked.kind));
    let (services, records) = (asked.services.len(), asked.records.len());
    let mut details = Map::new();
    details.insert("source".into(), json!(source));
    details.insert("kind".into(), json!(kind));
    details.insert("services".into(), json!(services));
    details.insert("records".into(), json!(records));
    Box::new(Draft {
        at: Timestamp::now(),
        actor,
        action: Action::Import,
        status: Status::Success,
        message: format!("Imported {source}: {services} services and {records} records"),
        details,
    })
}

fn refused((index, rejection): &(usize, Rejection)) -> wire::RefusedRecord {
    wire::RefusedRecord {
        index: u64::try_from(*index).unwrap_or(u64::MAX),
        code: rejection.code.to_owned(),
        message: rejection.message.clone(),
    }
}

/// Of a path or a word that is recorded.
const TEXT_CHARS_MAX: usize = 300;
