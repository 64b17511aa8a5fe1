//! Logins through a provider of identities, as they are configured.
//!
//! **Invariant:** the secret itself is never here, only where it is.

use conduit_admin::oidc::settings::OidcSettings;
use conduit_monitor::secret::SecretFrom;

/// Logins through a provider of identities; with an empty issuer there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// Which provider, and what people may do for it.
    pub settings: OidcSettings,
    /// Where the client's secret is; `None` of a public client.
    pub secret: Option<SecretFrom>,
}

impl Oidc {
    /// Whether there are such logins.
    pub fn is_on(&self) -> bool {
        !self.settings.issuer.is_empty()
    }
}
