//! One upstream of one service, by hand: drained, ejected, admitted.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::upstreams as wire;
use conduit_core::clock::Timestamp;
use conduit_core::hold::HoldKind;
use conduit_core::name::ServiceName;
use conduit_core::upstream::UpstreamAddr;
use conduit_proxy::health::board::ServiceHealth;
use conduit_registry::Mutation;
use http::StatusCode;
use http::request::Parts;

use super::{Admin, Answer, By};
use crate::convert::health as convert;
use crate::error::ApiError;

/// Takes one upstream out of traffic, or back.
///
/// `{wish}` is the upstream and a verb: `10.0.1.50:3000:drain`, `:eject` or `:admit`.
#[utoipa::path(
    post,
    path = "/services/{name}/upstreams/{wish}",
    operation_id = "steer_upstream",
    tag = "services",
    params(
        ("name" = String, Path, description = "The service.", example = "grafana"),
        ("wish" = String, Path, description = "HOST:PORT and one of `:drain`, `:eject` and `:admit`.", pattern = "^.+:(drain|eject|admit)$", example = "10.0.1.50:3000:drain"),
    ),
    responses(
        (status = 200, body = wire::UpstreamReply, description = "how the upstream is now"),
        (status = 404, body = ErrorBody, description = "`not_found`: no active service has that name; `upstream_not_found`: it has no such upstream; `no_such_path`: the verb is another"),
        (status = 422, body = ErrorBody, description = "`invalid_upstream`: that is no HOST:PORT"),
    ),
)]
pub(crate) async fn act(
    State(state): Admin,
    caller: By,
    Wish { name, upstream, kind }: Wish,
) -> Answer<wire::UpstreamReply> {
    let mutation = Mutation::Hold {
        name: name.clone(),
        upstream: upstream.clone(),
        kind,
        by: caller.0.actor.to_string(),
    };
    let committed = state.registry.apply(caller.0.actor, mutation).await?;
    if kind.is_none() {
        state.health.admit(&name, &upstream);
    }
    let health = state.health.service(&name, Timestamp::now());
    let shown = health.as_ref().and_then(|h| h.upstreams.iter().find(|u| u.addr == upstream));
    Ok(Json(wire::UpstreamReply {
        generation: committed.generation.0,
        changed: committed.changed,
        service: name.to_string(),
        upstream: upstream.to_string(),
        health: shown.map(convert::upstream),
        note: kind.and(health).and_then(|health| note(&name, &health)),
    }))
}

/// What an operator should know who took the last one away.
fn note(name: &ServiceName, health: &ServiceHealth) -> Option<String> {
    use conduit_core::health::UpstreamState::{Admitted, Unproven};
    let left = health.upstreams.iter().any(|u| matches!(u.state, Admitted | Unproven));
    (!left).then(|| {
        format!("no upstream of {name} receives traffic now; its requests get 503 until one does")
    })
}

/// What is asked for, and of whom.
#[derive(Debug)]
pub(crate) struct Wish {
    name: ServiceName,
    upstream: UpstreamAddr,
    /// `None` admits.
    kind: Option<HoldKind>,
}

impl<S: Send + Sync> FromRequestParts<S> for Wish {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Ok(Path((name, wish))) = path else {
            let message = "the path is not UTF-8";
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid_path", message));
        };
        let name = ServiceName::parse(&name).map_err(|_| ApiError::no_service(&name))?;
        let (upstream, verb) = wish.rsplit_once(':').unwrap_or((&wish, ""));
        let kind = match verb {
            "drain" => Some(HoldKind::Drain),
            "eject" => Some(HoldKind::Eject),
            "admit" => None,
            _ => {
                let message = "this path ends in HOST:PORT and a verb";
                return Err(ApiError::new(StatusCode::NOT_FOUND, "no_such_path", message)
                    .hint("the verbs are :drain, :eject and :admit"));
            }
        };
        let upstream = UpstreamAddr::parse(upstream)
            .map_err(|error| ApiError::unparsed("invalid_upstream", &error))?;
        Ok(Self { name, upstream, kind })
    }
}
