//! Names and options in the target of a request.
//!
//! **Invariant:** an unknown option is refused, never ignored.

use axum::extract::{FromRequestParts, Path, Query};
use conduit_core::name::ServiceName;
use conduit_core::node::NodeName;
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// The `{name}` of a path: of a registered service, or Conduit's own.
#[derive(Debug)]
pub(crate) struct Name(pub(crate) ServiceName);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = segment(parts, state).await?;
        if text == ServiceName::conduit().as_str() {
            return Ok(Self(ServiceName::conduit()));
        }
        match ServiceName::parse(&text) {
            Ok(name) => Ok(Self(name)),
            // No service can have that name, so there is none.
            Err(_) => Err(ApiError::no_service(&text)),
        }
    }
}

/// The `{name}` of a path: of a node.
#[derive(Debug)]
pub(crate) struct NodeParam(pub(crate) NodeName);

impl<S: Send + Sync> FromRequestParts<S> for NodeParam {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = segment(parts, state).await?;
        // No node can have a name that does not parse, so there is none.
        NodeName::parse(&text).map(Self).map_err(|_| ApiError::no_node(&text))
    }
}

/// The `{id}` of a path.
#[derive(Debug)]
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        segment(parts, state).await.map(Self)
    }
}

/// The query of a request.
#[derive(Debug)]
pub(crate) struct Options<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Options<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(options)) => Ok(Self(options)),
            Err(rejection) => Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_query",
                rejection.body_text(),
            )),
        }
    }
}

async fn segment<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, ApiError> {
    match Path::<String>::from_request_parts(parts, state).await {
        Ok(Path(text)) => Ok(text),
        Err(_) => {
            Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid_path", "the path is not UTF-8"))
        }
    }
}
