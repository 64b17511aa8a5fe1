//! Changes that are made only to what their caller has read: `ETag` and `If-Match` (RFC 9110 §8.8.3,
//! §13.1.1).
//!
//! A tag stands for a service as it is registered, not for how it is doing.
//!
//! **Invariant:** the registry's writer compares once more, so nothing comes in between.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use conduit_core::name::ServiceName;
use conduit_core::service::Service;
use conduit_registry::Mutation;
use conduit_registry::rules::changed_meanwhile;
use http::header;
use http::request::Parts;
use sha3::{Digest as _, Sha3_256};

use crate::convert::service::{Known, Ports, Sight, service};
use crate::error::ApiError;
use crate::state::AdminState;

/// The tag of a service, quotes included.
pub(crate) fn tag(registered: &Service) -> String {
    // Secrets count too, and whoever may not see them has the same tag.
    let sight = Sight { secrets: true, effective: false };
    let shown = service(registered, Known::default(), Ports::default(), sight);
    // Invariant: what goes out in answers always serializes.
    let text = serde_json::to_vec(&shown).unwrap_or_default();
    format!("\"{}\"", hex::encode(&Sha3_256::digest(text)[..TAG_BYTES]))
}

/// What `If-Match` asks for.
#[derive(Debug)]
pub(crate) enum IfMatch {
    /// Nothing: it is not there.
    Nothing,
    /// `*`: that there is something.
    Something,
    /// That it has one of these tags.
    Tags(Vec<String>),
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let mut tags = Vec::new();
        for value in parts.headers.get_all(header::IF_MATCH) {
            let text = value.to_str().map_err(|_| malformed())?;
            if text.trim() == "*" {
                return Ok(Self::Something);
            }
            tags.extend(text.split(',').map(|tag| tag.trim().to_owned()));
        }
        if tags.is_empty() {
            return Ok(Self::Nothing);
        }
        let is_tag = |tag: &String| {
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"')
        };
        if tags.len() > TAGS_MAX || !tags.iter().all(is_tag) {
            return Err(malformed());
        }
        Ok(Self::Tags(tags))
    }
}

impl IfMatch {
    /// The same change to a service, made only if it is as it is asked for.
    ///
    /// # Errors
    /// When it is not by now.
    pub(crate) fn guard(
        &self,
        state: &AdminState,
        name: &ServiceName,
        then: Mutation,
    ) -> Result<Mutation, ApiError> {
        if matches!(self, Self::Nothing) {
            return Ok(then);
        }
        let now = state.registry.catalog().load().get(name).cloned();
        match now.filter(|service| self.takes(service)) {
            Some(seen) => Ok(Mutation::WhileUnchanged { seen, then: Box::new(then) }),
            None => Err(changed_meanwhile(name).into()),
        }
    }

    fn takes(&self, service: &Arc<Service>) -> bool {
        match self {
            Self::Nothing | Self::Something => true,
            Self::Tags(tags) => tags.contains(&tag(service)),
        }
    }
}

fn malformed() -> ApiError {
    ApiError::invalid("If-Match is no list of entity tags")
        .hint("send the ETag of GET /api/v1/services/NAME, with its quotes, or *")
}

const TAG_BYTES: usize = 16;
/// More than anybody has use for.
const TAGS_MAX: usize = 32;
