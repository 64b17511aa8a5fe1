//! The document that describes all of this to programs.

use axum::response::{IntoResponse, Response};
use http::header;

use crate::document;

/// Describes this API as OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "get_document",
    tag = "status",
    responses((status = 200, body = Object, description = "this document")),
)]
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document::text()).into_response()
}
