//! The record: its newest entries, and whether it still verifies.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::audit::{AuditList, AuditReport};
use conduit_api::v1::error::ErrorBody;
use conduit_audit::verify::verify_file;
use serde::Deserialize;

use super::{Admin, Answer};
use crate::convert::entry::{entry, report};
use crate::error::ApiError;
use crate::limits::{AUDIT_LIMIT_DEFAULT, AUDIT_LIMIT_MAX};
use crate::params::Options;

/// The options of [`list`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// How many entries at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// Only entries before this place in the chain.
    before: Option<u64>,
}

/// Lists entries of the record, the newest first.
#[utoipa::path(
    get,
    path = "/audit",
    operation_id = "list_entries",
    tag = "audit",
    params(Page),
    responses(
        (status = 200, body = AuditList, description = "one page"),
        (status = 422, body = ErrorBody, description = "`invalid_query`, or `invalid`: limit is out of bounds"),
    ),
)]
pub(crate) async fn list(State(state): Admin, Options(page): Options<Page>) -> Answer<AuditList> {
    let limit = page.limit.unwrap_or(AUDIT_LIMIT_DEFAULT);
    if !(1..=AUDIT_LIMIT_MAX).contains(&limit) {
        let message = format!("limit must be from 1 to {AUDIT_LIMIT_MAX}");
        return Err(ApiError::invalid(message));
    }
    let found = state.registry.entries(limit, page.before).await?;
    let full = found.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let last = found.last().map(|entry| entry.sequence);
    Ok(Json(AuditList {
        next_before: last.filter(|sequence| full && *sequence > 0),
        entries: found.into_iter().map(entry).collect(),
    }))
}

/// Verifies the whole record: every hash, every signature, every link.
#[utoipa::path(
    get,
    path = "/audit/verify",
    operation_id = "verify_record",
    tag = "audit",
    responses(
        (
            status = 200,
            body = AuditReport,
            description = "what was found; `valid` says whether it was nothing",
            example = json!({
                "valid": true, "entries": 23, "failures": [],
                "head": "c0a751f972f978e69b38fb9d6ece1905dcffb0ce5fa4a5fa263b8764f9463880"
            }),
        ),
    ),
)]
pub(crate) async fn verify(State(state): Admin) -> Answer<AuditReport> {
    let database = state.state_dir.join(DATABASE);
    let seal = state.state_dir.join(SEAL);
    let verifying = tokio::task::spawn_blocking(move || verify_file(&database, &seal));
    match verifying.await {
        Ok(Ok(found)) => Ok(Json(report(&found))),
        Ok(Err(error)) => Err(ApiError::internal("verifying the record", &error)),
        Err(error) => Err(ApiError::internal("verifying the record", &error)),
    }
}

/// In the state directory.
const DATABASE: &str = "conduit.db";
const SEAL: &str = "seal";
