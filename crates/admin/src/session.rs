//! Sessions of the dashboard: what a page in a browser has instead of a token.
//!
//! Everything here is in memory: a restart logs everybody out.
//!
//! **Invariant:** the secrets of sessions and codes are kept as hashes only.
//! **Invariant:** a session gives no more than what it began with: it is over once the token is
//! revoked or expired, the user or the passkey removed or the password changed, and its role is looked up at each request.

pub(crate) mod client;
pub(crate) mod codes;
pub(crate) mod cookie;
pub(crate) mod crossing;
pub(crate) mod holder;
pub(crate) mod lockout;
pub(crate) mod origin;
pub(crate) mod passkeys;
pub(crate) mod pending;
pub(crate) mod secret;
pub(crate) mod table;

use conduit_core::actor::Role;
use conduit_core::clock::Timestamp;
use conduit_registry::Registry;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use tokio::time::Instant;

use self::codes::Codes;
use self::lockout::Lockout;
use self::passkeys::Passkeys;
use self::table::{Found, SessionId, Sessions};
use crate::error::ApiError;

/// Who is logged in, who may, and who has to wait.
#[derive(Debug, Default)]
pub(crate) struct Access {
    pub(crate) sessions: Sessions,
    pub(crate) codes: Codes,
    pub(crate) lockout: Lockout,
    pub(crate) passkeys: Passkeys,
}

/// A session that is good for the request at hand.
#[derive(Debug)]
pub(crate) struct Present {
    pub(crate) found: Found,
    /// What its holder may do now.
    pub(crate) role: Role,
    /// When it is over at the latest.
    pub(crate) ends: Timestamp,
}

impl Access {
    /// The session that a request shows; `None` when it shows none.
    ///
    /// # Errors
    /// When another site's page sent the request, when it changes something without the session's
    /// word, and when the session is over.
    pub(crate) fn present(
        &self,
        registry: &Registry,
        method: &Method,
        headers: &HeaderMap,
        now: (Instant, Timestamp),
    ) -> Result<Option<Present>, ApiError> {
        let Some(shown) = cookie::shown(headers) else {
            return Ok(None);
        };
        crossing::check(method, headers)?;
        let found = self.sessions.find(shown, now.0).ok_or_else(over)?;
        let Some(grant) = found.holder.grant(registry, now.1) else {
            self.sessions.end(shown);
            return Err(over());
        };
        if !is_read(method) && !says_word(headers, &found.word) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "csrf",
                "a change within a session needs the session's word",
            )
            .hint("send the csrf of GET /api/v1/session as x-conduit-csrf"));
        }
        let last = now.1.plus(found.left);
        let ends = grant.ends.map_or(last, |ends| ends.min(last));
        Ok(Some(Present { role: grant.role, ends, found }))
    }

    /// Whether a session is still good; asking does not make it less idle.
    pub(crate) fn lasts(
        &self,
        registry: &Registry,
        id: &SessionId,
        now: (Instant, Timestamp),
    ) -> bool {
        let holder = self.sessions.holder(id, now.0);
        holder.is_some_and(|holder| holder.grant(registry, now.1).is_some())
    }

    /// Ends the session that a request shows, if any: a new one never continues an old one.
    pub(crate) fn leave(&self, headers: &HeaderMap) {
        if let Some(secret) = cookie::shown(headers) {
            self.sessions.end(secret);
        }
    }
}

/// Whether a method changes nothing.
pub(crate) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn says_word(headers: &HeaderMap, word: &str) -> bool {
    let mut said = headers.get_all(CSRF).iter();
    match (said.next(), said.next()) {
        (Some(said), None) => secret::is_same(said.as_bytes(), word.as_bytes()),
        _ => false,
    }
}

fn over() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "session_over", "this session is over")
        .hint("log in again: `conduit login` prints a link")
}

/// What repeats the session's word, so that no other site's page can make the browser send it.
pub(crate) const CSRF: HeaderName = HeaderName::from_static("x-conduit-csrf");
