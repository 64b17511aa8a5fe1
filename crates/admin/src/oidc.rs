//! Logging in through a provider of identities (OpenID Connect Core 1.0, code flow with PKCE).
//!
//! The dashboard's page begins, goes to the provider with what it got, comes back with a code, and
//! trades that for a session like any other way in; the browser is asked for nothing else.
//!
//! **Invariant:** a login is finished once, in time, on the host where it began, and by the page that
//! began it: what ties them is never part of a URL.

mod claims;
pub mod outside;
mod provider;
pub mod settings;

use std::fmt;
use std::sync::Arc;

use conduit_core::actor::Role;
use http::StatusCode;
use tokio::time::Instant;

use self::claims::Claims;
pub(crate) use self::claims::Subject;
use self::outside::Outside;
use self::provider::{Asked, Failure, Provider};
use self::settings::OidcSettings;
use crate::error::ApiError;
use crate::session::origin::Origin;
use crate::session::pending::Pending;
use crate::session::secret;

/// Logins through one provider.
pub struct Oidc {
    settings: OidcSettings,
    provider: Provider,
    pending: Pending<Begun>,
}

/// A login that began.
struct Begun {
    host: Arc<str>,
    /// The hash of what the page keeps.
    key: [u8; 32],
    asked: Asked,
}

/// What a page needs to go to the provider and to come back.
pub(crate) struct Departure {
    /// Where to go.
    pub(crate) url: String,
    /// What to bring back, which the provider never sees.
    pub(crate) key: String,
}

/// What a page comes back with.
pub(crate) struct Return<'a> {
    pub(crate) code: &'a str,
    pub(crate) state: &'a str,
    pub(crate) key: &'a str,
    /// Who sent it back (RFC 9207), when the provider says so.
    pub(crate) issuer: Option<&'a str>,
}

/// Somebody whom the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// Who they are to the provider, for ever.
    pub(crate) subject: Subject,
    /// What they are called.
    pub(crate) name: String,
    /// What they may do here.
    pub(crate) role: Role,
}

impl Oidc {
    /// Logins as configured; nobody is asked before somebody wants in.
    pub fn new(settings: OidcSettings, outside: Arc<dyn Outside>) -> Self {
        let provider = Provider::new(&settings, outside);
        Self { settings, provider, pending: Pending::default() }
    }

    /// What the button says.
    pub(crate) fn label(&self) -> &str {
        &self.settings.label
    }

    /// Begins a login of whoever comes from an address.
    pub(crate) async fn begin(&self, page: &Origin, address: &str) -> Result<Departure, ApiError> {
        let chance = |error| ApiError::internal("beginning a login through the provider", &error);
        let mut state = [0; STATE_BYTES];
        getrandom::fill(&mut state).map_err(chance)?;
        let key = secret::random::<KEY_BYTES>().map_err(chance)?;
        let begun = self.provider.begin(hex::encode(state), &page.redirect(CALLBACK)).await;
        let (url, asked) = begun.map_err(refused)?;
        let begun = Begun { host: page.host(), key: secret::hash(KEY, &key), asked };
        self.pending.put(u128::from_be_bytes(state), address, begun, Instant::now());
        Ok(Departure { url, key })
    }

    /// Finishes a login; `None` when what came back proves nothing.
    pub(crate) async fn finish(
        &self,
        page: &Origin,
        back: &Return<'_>,
    ) -> Result<Option<Person>, ApiError> {
        let begun = number(back.state).and_then(|n| self.pending.take(n, Instant::now()));
        let Some(begun) = begun else {
            return Ok(None);
        };
        let is_same = secret::is_same(&begun.key, &secret::hash(KEY, back.key));
        let is_theirs = back.issuer.is_none_or(|issuer| issuer == self.settings.issuer);
        if !is_same || !is_theirs || begun.host != page.host() {
            return Ok(None);
        }
        let lacks = |claims: &Claims| self.settings.lacks(claims);
        match self.provider.finish(begun.asked, back.code, &lacks).await {
            Ok(claims) => self.person(&claims).map(Some),
            Err(Failure::Proof(reason)) => {
                tracing::info!(%reason, "a login through the provider was refused");
                Ok(None)
            }
            Err(failure) => Err(refused(failure)),
        }
    }

    fn person(&self, claims: &Claims) -> Result<Person, ApiError> {
        let subject = claims.subject();
        let name = claims.name(&self.settings.name_claim);
        let groups = claims.words(&self.settings.roles_claim);
        let Some(role) = self.settings.roles.role_of(&groups) else {
            let claim = &self.settings.roles_claim;
            tracing::info!(%name, ?groups, claim, "the provider's groups give no role here");
            let message = format!("{} knows {name:?}, who has no role here", self.label());
            return Err(ApiError::new(StatusCode::FORBIDDEN, NO_ROLE, message)
                .hint("an admin names their group in admin.oidc.roles"));
        };
        Ok(Person { subject, name, role })
    }
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.settings.issuer).finish_non_exhaustive()
    }
}

/// The place of a login that began: its state, as a number.
fn number(state: &str) -> Option<u128> {
    let is_shaped = secret::is_shaped(state, STATE_BYTES);
    is_shaped.then(|| u128::from_str_radix(state, 16).ok()).flatten()
}

/// The reason goes to the log: whoever is not logged in is not told how the site is built.
fn refused(failure: Failure) -> ApiError {
    let reason = failure.to_string();
    tracing::warn!(%reason, "the identity provider cannot be used");
    let message = "the identity provider does not answer as it should";
    ApiError::new(StatusCode::BAD_GATEWAY, "provider_failed", message)
        .hint("the gateway's log says why; the other ways in still work")
}

/// The dashboard's page that the provider sends people back to.
pub(crate) const CALLBACK: &str = "/login/oidc";
/// The code of a person without a role.
pub(crate) const NO_ROLE: &str = "no_role";
/// Bytes of chance in a state: as many as its place has.
const STATE_BYTES: usize = 16;
/// Bytes of chance in what ties a login to its page.
const KEY_BYTES: usize = 32;
const KEY: &str = "conduit oidc";
