//! Who asks, and what they may do.
//!
//! On the Unix socket the kernel says who asks: root and the user that the gateway runs as are
//! *admin*; whoever else the socket's mode lets in (its group, with 0660) is *operator*. Over TCP
//! an API token says it, as `Authorization: Bearer …` or `X-API-Key`; the token carries its role. A
//! request with neither header may show a session in the cookie `__Host-conduit` instead
//! ([`crate::session`]). What another site's page has the browser send is refused, and so is a change
//! without the session's word, so such a page cannot borrow anybody's rights.
//!
//! **Invariant:** a request that reaches a handler under `/api/v1` or `/metrics` has a [`Caller`] who may
//! make it; a path that nobody thought of needs [`Permission::Change`] for whatever is no read. Only what
//! begins and ends sessions judges its callers itself.

mod scoped;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use conduit_core::actor::{Actor, Permission, Role};
use conduit_core::clock::Timestamp;
use conduit_core::event::Event;
use conduit_core::scope::Scopes;
use conduit_registry::TokenHolder;
use http::{HeaderMap, Method, StatusCode, header};

use crate::error::ApiError;
use crate::limits::{REQUESTS_EACH, SECRET_BYTES_MAX};
use crate::peer::Peer;
use crate::session::is_read;
use crate::session::table::SessionId;
use crate::state::AdminState;

/// Somebody whose credentials were good.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Who, for the record.
    pub(crate) actor: Actor,
    role: Role,
    /// What the token is for that they showed; everything of whoever showed none.
    scopes: Scopes,
    /// What makes them so.
    pub(crate) proof: Proof,
}

/// What a caller showed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Proof {
    /// Nothing: the kernel says who it is.
    Peer,
    /// A session.
    Session(SessionId),
    /// The secret of the token with this id.
    Token(String),
}

impl Proof {
    fn of_token(actor: &Actor) -> Option<Self> {
        match actor {
            Actor::Token { id, .. } => Some(Self::Token(id.clone())),
            _ => None,
        }
    }
}

/// What was asked for, as the record shows it: method and path, without the query, which may hold
/// what its sender thought secret.
#[derive(Debug, Clone)]
pub(crate) struct Asked(pub(crate) String);

impl Asked {
    pub(crate) fn of(request: &Request) -> Self {
        let path: String = request.uri().path().chars().take(PATH_CHARS_MAX).collect();
        Self(format!("{} {path}", request.method()))
    }
}

/// Lets a request pass when its caller may make it; the handler finds the [`Caller`].
pub(crate) async fn authorize(
    State(state): State<Arc<AdminState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match recognise(&state, &request) {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    if let Err(error) = caller.require(needed_for(request.method(), request.uri().path())) {
        return error.into_response();
    }
    if let Err(error) = caller.within_scopes(request.method(), request.uri().path()) {
        return error.into_response();
    }
    if let Err(error) = caller.within_rate(&state) {
        return error.into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Lets only admins pass, and auditors who read; stands behind [`authorize`].
pub(crate) async fn admins_only(request: Request, next: Next) -> Response {
    match request.extensions().get::<Caller>() {
        Some(caller) => match caller.require(needed_among_admins(request.method())) {
            Ok(()) => next.run(request).await,
            Err(error) => error.into_response(),
        },
        None => unauthorized().into_response(),
    }
}

impl Caller {
    /// Whether they may see secrets.
    pub(crate) fn is_admin(&self) -> bool {
        self.role.may(Permission::Administer)
    }

    /// What they may do.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Whether what they showed is still worth something; for answers that go on.
    pub(crate) fn is_still_good(&self, state: &AdminState) -> bool {
        let now = Timestamp::now();
        match &self.proof {
            Proof::Peer => true,
            Proof::Session(id) => {
                state.access.lasts(&state.registry, id, (tokio::time::Instant::now(), now))
            }
            Proof::Token(id) => state.registry.token_grant(id, now).is_some(),
        }
    }

    /// Counts one more request; the kernel's word for somebody on this machine is not counted.
    fn within_rate(&self, state: &AdminState) -> Result<(), ApiError> {
        if self.proof == Proof::Peer {
            return Ok(());
        }
        state.rates.take(self.proof.clone()).map_err(|wait| {
            let message = format!("{} asks more than {REQUESTS_EACH} times a second", self.actor);
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message)
                .retry_after(seconds)
        })
    }

    fn require(&self, permission: Permission) -> Result<(), ApiError> {
        if self.role.may(permission) {
            return Ok(());
        }
        let role = permission.least();
        let message = format!("this needs the role {role}, and {} has {}", self.actor, self.role);
        Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
            .hint("`conduit token create --role ROLE` makes a token; run it as root or as the gateway's user"))
    }
}

/// What a request needs at least, by its path below `/api/v1`.
pub(crate) fn needed_for(method: &Method, path: &str) -> Permission {
    let mut parts = path.split('/').skip(1);
    match (is_read(method), parts.next(), parts.next(), parts.next(), parts.next()) {
        // Who asks our DNS for what, and what is kept of that, is about people.
        (true, Some("dns"), Some("queries" | "why"), ..) => Permission::Observe,
        (true, ..) => Permission::Read,
        (false, Some("tls"), ..) => Permission::Certify,
        // A person's own: the handler judges.
        (false, Some("users"), Some(_), Some("password"), None) => Permission::Read,
        (false, Some("users"), Some(_), Some("passkeys"), _) => Permission::Read,
        (false, ..) => Permission::Change,
    }
}

/// What a request for one of the admins' paths needs.
pub(crate) fn needed_among_admins(method: &Method) -> Permission {
    if is_read(method) { Permission::Review } else { Permission::Administer }
}

fn recognise(state: &AdminState, request: &Request) -> Result<Caller, ApiError> {
    let Some(peer) = request.extensions().get::<Peer>() else {
        return Err(unauthorized());
    };
    if let Peer::Local { uid, user } = peer {
        return Ok(local(*uid, user.clone()));
    }
    let now = Timestamp::now();
    let headers = request.headers();
    if !shows_token(headers) {
        let times = (tokio::time::Instant::now(), now);
        let present = state.access.present(&state.registry, request.method(), headers, times)?;
        if let Some(present) = present {
            let (found, role) = (present.found, present.role);
            return Ok(Caller {
                actor: found.holder.actor(),
                role,
                scopes: Scopes::default(),
                proof: Proof::Session(found.id),
            });
        }
    }
    if let Some(secret) = secret_of(headers)
        && let Some(TokenHolder { actor, role, scopes }) = state.registry.authenticate(secret, now)
        && let Some(proof) = Proof::of_token(&actor)
    {
        return Ok(Caller { actor, role, scopes, proof });
    }
    let asked = request.extensions().get::<Asked>();
    note_failure(state, peer.to_string(), asked.map(|asked| asked.0.clone()).unwrap_or_default())?;
    Err(unauthorized())
}

/// Puts a failed authentication on record.
///
/// # Errors
/// When there were so many that further ones are not recorded.
pub(crate) fn note_failure(
    state: &AdminState,
    peer: String,
    request: String,
) -> Result<(), ApiError> {
    if !state.throttle.admit(tokio::time::Instant::now()) {
        return Err(too_many());
    }
    state.events.send(Event::AuthFailed { at: Timestamp::now(), peer, request });
    Ok(())
}

/// Whether a request has a header for a token; then its cookies mean nothing.
fn shows_token(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key(API_KEY)
}

fn local(uid: u32, user: Option<String>) -> Caller {
    let ours = rustix::process::geteuid().as_raw();
    let role = if uid == 0 || uid == ours { Role::Admin } else { Role::Operator };
    let scopes = Scopes::default();
    Caller { actor: Actor::Local { uid, user }, role, scopes, proof: Proof::Peer }
}

/// The secret that a request shows; `None` when it shows none, two, or one that is too long.
fn secret_of(headers: &HeaderMap) -> Option<&str> {
    let bearer = single(headers, header::AUTHORIZATION.as_str()).map(|value| {
        let (scheme, secret) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
    });
    let key = single(headers, API_KEY);
    let secret = match (bearer, key) {
        (Some(secret), None) => secret?,
        (None, Some(secret)) => secret,
        _ => return None,
    };
    (!secret.is_empty() && secret.len() <= SECRET_BYTES_MAX).then_some(secret)
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn unauthorized() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "this needs a valid API token")
        .hint("`conduit token create` makes one; send it as Authorization: Bearer TOKEN")
}

fn too_many() -> ApiError {
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_failures",
        "too many requests without a valid API token",
    )
    .retry_after(60)
}

const API_KEY: &str = "x-api-key";
/// Of a path in the record.
const PATH_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().expect("a header"));
        }
        map
    }

    #[test]
    fn one_secret_is_taken_from_either_header() {
        let long = format!("Bearer {}", "x".repeat(SECRET_BYTES_MAX + 1));
        for (pairs, expected) in [
            (&[("authorization", "Bearer abc")][..], Some("abc")),
            (&[("authorization", "bearer  abc ")], Some("abc")),
            (&[("x-api-key", "abc")], Some("abc")),
            (&[("authorization", "Basic abc")], None),
            (&[("authorization", "Bearer ")], None),
            (&[("authorization", "abc")], None),
            (&[("authorization", &long)], None),
            (&[("authorization", "Bearer a"), ("x-api-key", "b")], None),
            (&[("x-api-key", "a"), ("x-api-key", "b")], None),
            (&[], None),
        ] {
            assert_eq!(secret_of(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn reads_need_less_than_changes() {
        use Permission::{Administer, Certify, Change, Read, Review};
        for (path, change) in [
            ("/services", Change),
            ("/tls/grafana/rotate", Certify),
            ("/tls", Certify),
            ("/tlsx", Change),
            ("/users", Change),
            ("/users/ada/password", Read),
            ("/users/ada/password/x", Change),
            ("/users/ada/passkeys", Read),
            ("/users/ada/passkeys/begin", Read),
            ("/users/ada/role", Change),
            ("/users//password", Read),
            ("/metrics", Change),
            ("", Change),
        ] {
            assert_eq!(needed_for(&Method::GET, path), Read, "{path}");
            for method in [Method::POST, Method::DELETE, Method::PUT, Method::PATCH] {
                assert_eq!(needed_for(&method, path), change, "{method} {path}");
            }
        }
        assert_eq!(needed_among_admins(&Method::GET), Review);
        assert_eq!(needed_among_admins(&Method::POST), Administer);
    }

    #[test]
    fn root_and_our_own_user_are_admins_and_others_operators() {
        let ours = rustix::process::geteuid().as_raw();
        assert_eq!(local(0, None).role, Role::Admin);
        assert_eq!(local(ours, None).role, Role::Admin);
        assert_eq!(local(ours + 4_000, None).role, Role::Operator);
    }
}
