//! Records of operators in our zone: added, removed, listed.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conduit_api::v1::dns as wire;
use conduit_api::v1::error::ErrorBody;
use conduit_core::clock::Timestamp;
use conduit_core::record::data::RecordData;
use conduit_core::record::kind::RecordType;
use conduit_core::record::name::RecordName;
use conduit_core::record::{Record, RecordTtl};
use conduit_registry::{Committed, Mutation, RecordsToRemove};
use http::StatusCode;
use serde::Deserialize;

use super::{Admin, Answer, By};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::params::Options;
use crate::state::AdminState;

/// Adds a record to our zone: it is answered from the answer on.
///
/// The same record again changes nothing and answers 200 with `"changed": false`; with another `ttl` it
/// takes the place of the one that was there.
#[utoipa::path(
    post,
    path = "/dns/records",
    operation_id = "add_dns_record",
    tag = "dns",
    request_body(
        content = wire::AddRecord,
        example = json!({ "name": "nas.internal", "type": "A", "data": "10.0.0.7", "ttl": 300 }),
    ),
    responses(
        (status = 200, body = wire::AddRecordReply, description = "it was there already, perhaps with another TTL"),
        (status = 201, body = wire::AddRecordReply, description = "a new record"),
        (status = 409, body = ErrorBody, description = "`record_conflict`: it cannot be beside what is there; `record_fixed`: the configuration gives it, with another TTL"),
        (status = 422, body = ErrorBody, description = "`invalid_body`; `invalid_name`, `invalid_type`, `invalid_data` or `invalid_ttl`; `host_reserved`; `limit`"),
    ),
)]
pub(crate) async fn add(
    State(state): Admin,
    caller: By,
    JsonBody(wish): JsonBody<wire::AddRecord>,
) -> Result<Response, ApiError> {
    let record = wanted(&wish)?;
    let was_there = is_there(&state, &record);
    let mutation = Mutation::AddRecord(Box::new(record.clone()));
    let committed = state.registry.apply(caller.0.actor, mutation).await?;
    let status = match committed.changed && !was_there {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let reply = wire::AddRecordReply {
        generation: committed.generation.0,
        changed: committed.changed,
        record: shown(committed.records.first().unwrap_or(&record)),
    };
    Ok((status, Json(reply)).into_response())
}

/// The record that is asked for.
pub(super) fn wanted(wish: &wire::AddRecord) -> Result<Record, ApiError> {
    let kind = kind(&wish.record_type)?;
    let ttl = wish.ttl.map(RecordTtl::from_seconds).transpose();
    Ok(Record {
        name: name(&wish.name)?,
        data: data(kind, &wish.data)?,
        ttl: ttl.map_err(|error| ApiError::unparsed("invalid_ttl", &error))?,
        added_at: Timestamp::now(),
    })
}

/// Which records are to go.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Whose.
    #[param(example = "nas.internal")]
    name: String,
    /// Those of this type; of every type when absent.
    #[param(example = "A")]
    #[serde(rename = "type")]
    record_type: Option<String>,
    /// The one with this data; needs `type`.
    #[param(example = "10.0.0.7")]
    data: Option<String>,
}

/// Removes records from our zone; their rows stay.
#[utoipa::path(
    delete,
    path = "/dns/records",
    operation_id = "remove_dns_records",
    tag = "dns",
    params(Which),
    responses(
        (status = 200, body = wire::RemoveRecordsReply, description = "the records that are answered no more"),
        (status = 404, body = ErrorBody, description = "`not_found`: there is no such record"),
        (status = 409, body = ErrorBody, description = "`record_fixed`: the configuration gives it"),
        (status = 422, body = ErrorBody, description = "`invalid_query`; `invalid_name`, `invalid_type` or `invalid_data`; `invalid`: data without type"),
    ),
)]
pub(crate) async fn remove(
    State(state): Admin,
    caller: By,
    Options(which): Options<Which>,
) -> Answer<wire::RemoveRecordsReply> {
    let kind = which.record_type.as_deref().map(kind).transpose()?;
    let data = match (kind, &which.data) {
        (Some(kind), Some(text)) => Some(data(kind, text)?),
        (None, Some(_)) => return Err(ApiError::invalid("data needs the type that it is of")),
        (_, None) => None,
    };
    let asked = RecordsToRemove { name: name(&which.name)?, kind, data };
    let mutation = Mutation::RemoveRecords(Box::new(asked));
    let Committed { generation, records, .. } =
        state.registry.apply(caller.0.actor, mutation).await?;
    Ok(Json(wire::RemoveRecordsReply {
        generation: generation.0,
        removed: records.iter().map(shown).collect(),
    }))
}

/// Every record with where it comes from, in no particular order.
pub(super) fn entries(state: &AdminState) -> Vec<wire::DnsEntry> {
    let catalog = state.registry.catalog().load_full();
    let given = catalog.records().flat_map(|records| records.iter());
    let given = given.map(|record| entry(record, "record"));
    let fixed = state.control.fixed_records();
    fixed.iter().map(|record| entry(record, "config")).chain(given).collect()
}

pub(super) fn entry(record: &Record, source: &str) -> wire::DnsEntry {
    let address = match &record.data {
        RecordData::A(address) => Some(address.to_string()),
        RecordData::Aaaa(address) => Some(address.to_string()),
        _ => None,
    };
    wire::DnsEntry {
        name: String::new(),
        domain: record.name.to_string(),
        ip: address.clone(),
        addresses: address.into_iter().collect(),
        mode: "record".into(),
        source: source.into(),
        record_type: Some(record.data.kind().to_string()),
        data: Some(record.data.to_string()),
        ttl: record.ttl.map(RecordTtl::seconds),
        created_at: record.added_at.to_string(),
        mdns_conflicts: Vec::new(),
    }
}

pub(super) fn shown(record: &Record) -> wire::DnsRecord {
    wire::DnsRecord {
        name: record.name.to_string(),
        record_type: record.data.kind().to_string(),
        data: record.data.to_string(),
        ttl: record.ttl.map(RecordTtl::seconds),
        created_at: record.added_at.to_string(),
    }
}

fn is_there(state: &AdminState, record: &Record) -> bool {
    let catalog = state.registry.catalog().load_full();
    catalog.records_at(record.name.as_str()).iter().any(|other| other.is_same(record))
}

fn name(text: &str) -> Result<RecordName, ApiError> {
    RecordName::parse(text).map_err(|error| ApiError::unparsed("invalid_name", &error))
}

fn kind(text: &str) -> Result<RecordType, ApiError> {
    text.parse().map_err(|error| ApiError::unparsed("invalid_type", &error))
}

fn data(kind: RecordType, text: &str) -> Result<RecordData, ApiError> {
    RecordData::parse(kind, text).map_err(|error| ApiError::unparsed("invalid_data", &error))
}
