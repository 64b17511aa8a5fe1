//! Bodies of requests: read within limits, then parsed.
//!
//! **Invariant:** no more than the limit is ever held in memory, and no longer than
//! [`BODY_TIMEOUT`] is waited for it. An unknown field is refused, never ignored.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::limits::{BODY_BYTES_MAX, BODY_TIMEOUT, BULK_BYTES_MAX};

/// A body of at most [`BODY_BYTES_MAX`], parsed from JSON.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        read_json(request, BODY_BYTES_MAX).await.map(Self)
    }
}

impl<T: DeserializeOwned> JsonBody<T> {
    /// The same by hand, for whoever looks at the request first.
    pub(crate) async fn of(request: Request) -> Result<Self, ApiError> {
        read_json(request, BODY_BYTES_MAX).await.map(Self)
    }
}

/// A body of at most [`BULK_BYTES_MAX`], parsed from JSON; read by hand, once there is room for it.
#[derive(Debug)]
pub(crate) struct BulkBody<T>(pub(crate) T);

impl<T: DeserializeOwned> BulkBody<T> {
    pub(crate) async fn read(request: Request) -> Result<Self, ApiError> {
        read_json(request, BULK_BYTES_MAX).await.map(Self)
    }
}

async fn read_json<T: DeserializeOwned>(request: Request, bytes_max: usize) -> Result<T, ApiError> {
    if !is_json(request.headers()) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "the body must be JSON",
        )
        .hint("send Content-Type: application/json"));
    }
    let bytes = read(request.into_body(), bytes_max).await?;
    parse(&bytes)
}

/// Parses a body; the error says where and why, in the parser's words about the caller's text.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let status = match error.classify() {
            serde_json::error::Category::Data => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::BAD_REQUEST,
        };
        ApiError::new(status, "invalid_body", format!("the body is refused: {error}"))
    })
}

/// Reads a body of at most so many bytes.
pub(crate) async fn read(body: Body, bytes_max: usize) -> Result<Bytes, ApiError> {
    let reading = Limited::new(body, bytes_max).collect();
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
        Ok(Err(_)) => {
            Err(ApiError::new(StatusCode::BAD_REQUEST, "incomplete_body", "the body ended early"))
        }
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "slow_body",
            format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs()),
        )),
    }
}

fn too_large(bytes_max: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("the body is larger than {bytes_max} bytes"),
    )
    .hint("register many services with POST /api/v1/services:bulk, in several parts if need be")
}

/// Whether a body says that it is JSON, in UTF-8 when it says which encoding.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let Some(text) = value.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let kind = text.split(';').next().unwrap_or(text).trim();
    kind.eq_ignore_ascii_case("application/json")
}
