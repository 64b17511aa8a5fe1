//! The session of a page in a browser: begun, shown, ended.
//!
//! **Invariant:** a session never continues another: each login makes a new secret, and ends the
//! session that the request showed.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::sessions as wire;
use conduit_audit::action::Action;
use conduit_audit::entry::Draft;
use conduit_core::clock::Timestamp;
use conduit_core::user::UserName;
use conduit_registry::Mutation;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, json};
use tokio::time::Instant;

use super::passkeys::said;
use super::{Admin, oidc};
use crate::auth::note_failure;
use crate::body::JsonBody;
use crate::convert::role;
use crate::error::ApiError;
use crate::limits::{PROVIDER_CODE_BYTES_MAX, SECRET_BYTES_MAX};
use crate::oidc::{NO_ROLE, Return};
use crate::password;
use crate::peer::Peer;
use crate::record::{decision_about, decision_with};
use crate::session::holder::Holder;
use crate::session::lockout::{Subject, locked};
use crate::session::passkeys::{Proven, Site};
use crate::session::{Present, client, cookie, crossing};
use crate::state::AdminState;

/// Begins a session of the dashboard, and gives its cookie.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    operation_id = "begin_session",
    tag = "sessions",
    request_body(
        content = wire::BeginSession,
        description = "a token, a code of `conduit login`, what a passkey's device said, what a provider sent back, or a user and the password",
        example = json!({ "user": "ada", "password": "correct horse battery" }),
    ),
    responses(
        (
            status = 200,
            body = wire::Session,
            description = "the session, with its cookie `__Host-conduit`",
            example = json!({
                "name": "ada", "role": "operator", "way": "password", "expires_at": "2026-11-21T20:29:04Z",
                "csrf": "52c9…"
            }),
        ),
        (status = 401, body = ErrorBody, description = "`login_failed`: it is wrong, or good no more"),
        (
            status = 403,
            body = ErrorBody,
            description = "`cross_site`; `host_refused`; `out_of_scope`: a token with scopes; `no_role`: the provider's groups give none",
        ),
        (status = 404, body = ErrorBody, description = "`no_provider`"),
        (status = 502, body = ErrorBody, description = "`provider_failed`"),
        (
            status = 429,
            body = ErrorBody,
            description = "`locked_out`: too many failed, Retry-After says when to try again; `busy`; `too_many_failures`",
        ),
    ),
)]
pub(crate) async fn begin(
    State(state): Admin,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    crossing::check(&Method::POST, &headers)?;
    let peer = request.extensions().get::<Peer>().cloned();
    let peer = peer.ok_or_else(wrong)?;
    let wish = JsonBody::<wire::BeginSession>::of(request).await?.0;
    let way = Way::of(wish)?;
    let address = client::address(&peer, &headers, state.listening.tcp);
    let subjects = way.subjects(address.clone());
    state.access.lockout.begin(&subjects, Instant::now()).map_err(locked)?;
    let tried = way.try_it(&state, &headers).await;
    let refusal = match &tried {
        Ok(Some(_)) => None,
        Ok(None) => Some((wrong(), way.told())),
        // Somebody whom the provider knows, and nobody here lets in.
        Err(error) if error.code() == NO_ROLE => {
            Some((error.clone(), format!("{}: {}", way.told(), error.message())))
        }
        Err(_) => None,
    };
    if let Some((error, told)) = refusal {
        let peer = peer.to_string();
        // Where our own proxy asks for somebody, both are told.
        let from = match peer.starts_with(&address) {
            true => peer,
            false => format!("{address} by way of {peer}"),
        };
        note_failure(&state, from, told)?;
        return Err(error);
    }
    let (holder, proven) = tried?.ok_or_else(wrong)?;
    state.access.lockout.succeed(&subjects, Instant::now());
    let now = Timestamp::now();
    let grant = holder.grant(&state.registry, now).ok_or_else(wrong)?;
    state.access.leave(&headers);
    let mut details = Map::new();
    details.insert("way".into(), json!(holder.way().as_str()));
    details.insert("address".into(), json!(address));
    details.insert("role".into(), json!(grant.role.as_str()));
    let message = format!("{} logged in from {address}", holder.actor());
    let login = (Action::Login, message.as_str(), details);
    decision_with(&state, holder.actor(), login, |record| written(record, proven)).await?;
    let (name, way) = (holder.name().to_owned(), holder.way());
    let opened = state.access.sessions.open(holder, Instant::now());
    let opened = opened.map_err(|error| ApiError::internal("beginning a session", &error))?;
    let last = now.plus(opened.left);
    let reply = wire::Session {
        name,
        way,
        role: role::shown(grant.role),
        expires_at: grant.ends.map_or(last, |ends| ends.min(last)).to_string(),
        csrf: opened.word,
    };
    Ok(with_cookie(cookie::given(&opened.secret), reply))
}

/// Tells whose session the request shows, and its word for changes.
#[utoipa::path(
    get,
    path = "/api/v1/session",
    operation_id = "get_session",
    tag = "sessions",
    responses(
        (status = 200, body = wire::Session, description = "the session", example = json!({
                "name": "ada", "role": "operator", "way": "password", "expires_at": "2026-11-21T20:29:04Z",
                "csrf": "52c9…"
            })),
        (status = 401, body = ErrorBody, description = "`no_session`; `session_over`"),
        (status = 403, body = ErrorBody, description = "`cross_site`; `host_refused`"),
    ),
)]
pub(crate) async fn show(
    State(state): Admin,
    headers: HeaderMap,
) -> Result<Json<wire::Session>, ApiError> {
    let present = present(&state, &Method::GET, &headers)?;
    Ok(Json(wire::Session {
        name: present.found.holder.name().to_owned(),
        way: present.found.holder.way(),
        role: role::shown(present.role),
        expires_at: present.ends.to_string(),
        csrf: present.found.word,
    }))
}

/// Ends the session that the request shows.
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    operation_id = "end_session",
    tag = "sessions",
    responses(
        (status = 200, body = wire::EndedSession, description = "whose it was"),
        (status = 401, body = ErrorBody, description = "`no_session`; `session_over`"),
        (status = 403, body = ErrorBody, description = "`csrf`; `cross_site`; `host_refused`"),
    ),
)]
pub(crate) async fn end(State(state): Admin, headers: HeaderMap) -> Result<Response, ApiError> {
    let holder = present(&state, &Method::DELETE, &headers)?.found.holder;
    // Over first: what cannot be recorded must not keep anybody logged in.
    state.access.leave(&headers);
    let message = format!("{} logged out", holder.actor());
    decision_about(&state, holder.actor(), Action::Logout, &message, Map::new()).await?;
    Ok(with_cookie(cookie::taken(), wire::EndedSession { name: holder.name().to_owned() }))
}

/// What somebody shows to get in.
enum Way {
    Code(String),
    /// With the name, when it can be one.
    Password(Option<UserName>, String),
    Passkey(Vec<u8>),
    Oidc(wire::OidcReturn),
    Token(String),
}

/// What a login writes: its record, and what changed with the use of a passkey.
fn written(record: Box<Draft>, proven: Option<Proven>) -> Mutation {
    match proven {
        Some(Proven { user, id, state }) => {
            Mutation::UsePasskey { name: user.name.clone(), id, state, record }
        }
        None => Mutation::Record(record),
    }
}

impl Way {
    fn of(wish: wire::BeginSession) -> Result<Self, ApiError> {
        let secret = (wish.token, wish.code, wish.user, wish.password);
        let way = match (secret, wish.passkey, wish.oidc) {
            ((None, None, None, None), Some(passkey), None) => {
                return said(&passkey).map(Self::Passkey);
            }
            ((None, None, None, None), None, Some(back)) => Self::Oidc(back),
            ((Some(token), None, None, None), None, None) => Self::Token(token),
            ((None, Some(code), None, None), None, None) => Self::Code(code),
            ((None, None, Some(user), Some(password)), None, None) => {
                Self::Password(UserName::parse(&user).ok(), password)
            }
            _ => {
                let message = "a login has a token, a code, a passkey, what a provider sent back, \
                               or a user and a password";
                return Err(ApiError::invalid(message));
            }
        };
        let (secret, limit) = match &way {
            Self::Code(secret) | Self::Password(_, secret) | Self::Token(secret) => {
                (secret, SECRET_BYTES_MAX)
            }
            Self::Oidc(back) => (&back.code, PROVIDER_CODE_BYTES_MAX),
            Self::Passkey(_) => return Ok(way),
        };
        if secret.is_empty() || secret.len() > limit {
            return Err(wrong());
        }
        Ok(way)
    }

    fn subjects(&self, address: String) -> Vec<Subject> {
        let name = match self {
            Self::Password(Some(name), _) => Some(Subject::Name(name.to_string())),
            _ => None,
        };
        std::iter::once(Subject::Address(address)).chain(name).collect()
    }

    async fn try_it(
        &self,
        state: &AdminState,
        headers: &HeaderMap,
    ) -> Result<Option<(Holder, Option<Proven>)>, ApiError> {
        let holder = match self {
            Self::Passkey(said) => {
                let (site, users) = (Site::of(headers)?, state.registry.users().load_full());
                let proven = state.access.passkeys.finish_login(&site, &users, said);
                let holder = |proven: &Proven| Holder::of_passkey(&proven.user, &proven.id);
                return Ok(proven.map(|proven| (holder(&proven), Some(proven))));
            }
            Self::Oidc(back) => {
                let back = Return {
                    code: &back.code,
                    state: &back.state,
                    key: &back.key,
                    issuer: back.issuer.as_deref(),
                };
                let person = oidc::provider(state)?.finish(&oidc::page(headers)?, &back).await?;
                person.map(Holder::of_person)
            }
            Self::Code(code) => state.access.codes.take(code, Instant::now()),
            Self::Password(name, password) => {
                let users = state.registry.users().load_full();
                let user = name.as_ref().and_then(|name| users.get(name));
                let hash = user.and_then(|user| user.password.clone());
                let fits = password::verify(hash, password.clone()).await?;
                user.filter(|_| fits).map(|user| Holder::of_user(user))
            }
            Self::Token(secret) => {
                let known = state.registry.authenticate(secret, Timestamp::now());
                if known.as_ref().is_some_and(|known| !known.scopes.is_everything()) {
                    let message = "a token that is for parts of the API begins no session";
                    return Err(ApiError::new(StatusCode::FORBIDDEN, "out_of_scope", message)
                        .hint("use one without scopes, or `conduit login`"));
                }
                known.and_then(|known| Holder::of_token(known.actor))
            }
        };
        Ok(holder.map(|holder| (holder, None)))
    }

    /// For the record: what was tried, without what is secret.
    fn told(&self) -> String {
        match self {
            Self::Code(_) => format!("{ASKED} with a code"),
            // What is no name may be a password in the wrong field.
            Self::Password(None, _) => format!("{ASKED} with a password"),
            Self::Password(Some(name), _) => format!("{ASKED} as {name}"),
            Self::Passkey(_) => format!("{ASKED} with a passkey"),
            Self::Oidc(_) => format!("{ASKED} through the provider"),
            Self::Token(_) => format!("{ASKED} with a token"),
        }
    }
}

fn present(state: &AdminState, method: &Method, headers: &HeaderMap) -> Result<Present, ApiError> {
    let times = (Instant::now(), Timestamp::now());
    state.access.present(&state.registry, method, headers, times)?.ok_or_else(|| {
        ApiError::new(StatusCode::UNAUTHORIZED, "no_session", "nobody is logged in here")
            .hint("`conduit login` prints a link into the dashboard")
    })
}

fn with_cookie<T: serde::Serialize>(cookie: Option<HeaderValue>, body: T) -> Response {
    let mut response = Json(body).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// The same words whatever was wrong: nobody learns which names, tokens or codes there are.
fn wrong() -> ApiError {
    let message = "this login is wrong, or good no more";
    ApiError::new(StatusCode::UNAUTHORIZED, "login_failed", message)
        .hint("`conduit login` on the gateway prints a new link")
}

const ASKED: &str = "POST /api/v1/session";
