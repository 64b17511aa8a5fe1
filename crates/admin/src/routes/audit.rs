//! The record: its newest entries, and whether it still verifies.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use bytes::Bytes;
use conduit_api::v1::audit::{AuditList, AuditProof, AuditReport};
use conduit_api::v1::error::ErrorBody;
use conduit_audit::proof::Proof;
use conduit_audit::verify::verify_file;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::streams::{Open, response};
use super::{Admin, Answer, By};
use crate::convert::entry::{entry, proof, report};
use crate::error::ApiError;
use crate::limits::{AUDIT_LIMIT_DEFAULT, AUDIT_LIMIT_MAX};
use crate::params::{Id, Options};
use crate::state::AdminState;

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

/// Proves one entry: what was sealed, and by which key.
#[utoipa::path(
    get,
    path = "/audit/{sequence}/proof",
    operation_id = "prove_entry",
    tag = "audit",
    params(("sequence" = u64, Path, description = "The entry's place in the chain.", example = 0)),
    responses(
        (status = 200, body = AuditProof, description = "the proof, which can be judged without this gateway"),
        (status = 404, body = ErrorBody, description = "`not_found`: there is no such entry"),
    ),
)]
pub(crate) async fn prove(State(state): Admin, Id(sequence): Id) -> Answer<AuditProof> {
    let none = || {
        let shown: String = sequence.chars().take(SHOWN_CHARS).collect();
        ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("there is no entry {shown:?}"))
            .hint("`conduit audit tail` shows the newest with their numbers")
    };
    let place: u64 = sequence.parse().map_err(|_| none())?;
    let database = state.state_dir.join(DATABASE);
    let seal = state.state_dir.join(SEAL);
    let proving = tokio::task::spawn_blocking(move || Proof::from_file(&database, &seal, place));
    match proving.await {
        Ok(Ok(found)) => found.map(|found| Json(proof(found))).ok_or_else(none),
        Ok(Err(error)) => Err(ApiError::internal("proving an entry", &error)),
        Err(error) => Err(ApiError::internal("proving an entry", &error)),
    }
}

/// Exports the whole record as it is now, oldest first, in the lines of `audit.log`.
#[utoipa::path(
    get,
    path = "/audit/export",
    operation_id = "export_record",
    tag = "audit",
    responses(
        (status = 200, body = String, content_type = "application/x-ndjson", description = "one line of JSON for each entry"),
    ),
)]
pub(crate) async fn export(
    State(state): Admin,
    Extension(caller): By,
) -> Result<Response, ApiError> {
    let newest = state.registry.entries(1, None).await?;
    let count = newest.first().map_or(0, |entry| entry.sequence.saturating_add(1));
    let export = Export { open: Open::new(Arc::clone(&state), caller)?, state, next: 0, count };
    let pieces = stream::unfold(export, |mut export| async move {
        let page = export.page().await?;
        Some((Ok::<_, Infallible>(page), export))
    });
    let name = HeaderValue::from_static("attachment; filename=\"audit.jsonl\"");
    let mut response = response("application/x-ndjson", pieces);
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

/// One client that takes the record away, a page at a time.
struct Export {
    open: Open,
    state: Arc<AdminState>,
    next: u64,
    /// What is decided meanwhile is not part of it.
    count: u64,
}

impl Export {
    /// The next page; `None` at the end, and when the record cannot be read to its end.
    async fn page(&mut self) -> Option<Bytes> {
        if self.next >= self.count || !self.open.may_go_on() {
            return None;
        }
        let end = self.count.min(self.next + u64::from(AUDIT_LIMIT_MAX));
        let found = self.state.registry.entries(AUDIT_LIMIT_MAX, Some(end)).await;
        let found =
            found.inspect_err(|error| tracing::warn!(%error, "an export broke off")).ok()?;
        let mut text = String::new();
        // Where entries are missing, the page reaches back to what was written before.
        for entry in found.iter().rev().filter(|entry| entry.sequence >= self.next) {
            text.push_str(&entry.to_line());
            text.push('\n');
        }
        self.next = end;
        Some(text.into())
    }
}

/// How much of a wrong number is shown.
const SHOWN_CHARS: usize = 32;
/// In the state directory.
const DATABASE: &str = "conduit.db";
const SEAL: &str = "seal";
