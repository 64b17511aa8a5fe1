//! One-time codes, for whoever is on the gateway's own machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::Json;
use axum::extract::State;
use conduit_api::v1::sessions as wire;
use conduit_audit::action::Action;
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use conduit_core::name::ServiceName;
use http::StatusCode;
use serde_json::{Map, json};
use tokio::time::Instant;

use super::{Admin, Answer, By};
use crate::convert::role;
use crate::error::ApiError;
use crate::limits::LOGIN_CODE_LIFETIME;
use crate::record::decision_about;
use crate::state::AdminState;

/// Makes a one-time code for the dashboard, over the Unix socket only.
#[utoipa::path(
    post,
    path = "/login-codes",
    operation_id = "make_login_code",
    tag = "sessions",
    responses(
        (status = 200, body = wire::LoginCode, description = "the code, and the link with it"),
    ),
)]
pub(crate) async fn make(State(state): Admin, caller: By) -> Answer<wire::LoginCode> {
    let (actor, role) = (caller.0.actor.clone(), caller.0.role());
    if !matches!(actor, Actor::Local { .. }) {
        let message = "codes are made over the Unix socket only";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
            .hint("run `conduit login` on the gateway"));
    }
    let expires_at = Timestamp::now().plus(LOGIN_CODE_LIFETIME).to_string();
    let mut details = Map::new();
    details.insert("role".into(), json!(role.as_str()));
    details.insert("expires_at".into(), json!(expires_at));
    let message = format!("Made a one-time link for {actor}");
    let by = actor.to_string();
    decision_about(&state, actor, Action::LoginCode, &message, details).await?;
    let code = state.access.codes.make(by, role, Instant::now());
    let code = code.map_err(|error| ApiError::internal("making a code", &error))?;
    let https = state.dashboard();
    let local = state.listening.tcp.map(|listen| format!("http://{}", reachable(listen)));
    let link = |place: String| format!("{place}/#login={code}");
    Ok(Json(wire::LoginCode {
        url: https.or_else(|| local.clone()).map(link),
        local_url: local.map(link),
        role: role::shown(role),
        expires_at,
        code: code.clone(),
    }))
}

impl AdminState {
    /// Where the dashboard is served over HTTPS; `None` when Conduit itself has no route.
    fn dashboard(&self) -> Option<String> {
        let gateway = self.control.gateway();
        let (domain, https) = (gateway.domains.first()?, gateway.https.first()?);
        self.table.load().route(&ServiceName::conduit())?;
        let port = match https.port() {
            HTTPS_PORT => String::new(),
            port => format!(":{port}"),
        };
        Some(format!("https://{}.{domain}{port}", ServiceName::conduit()))
    }
}

/// Where a browser on this machine finds a listener.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

const HTTPS_PORT: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_found_on_this_machine() {
        for (listen, expected) in [
            ("127.0.0.1:9999", "127.0.0.1:9999"),
            ("0.0.0.0:9999", "127.0.0.1:9999"),
            ("[::]:9999", "[::1]:9999"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            let listen = listen.parse().expect("valid");
            assert_eq!(reachable(listen).to_string(), expected);
        }
    }
}
