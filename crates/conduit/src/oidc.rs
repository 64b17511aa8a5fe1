//! Logins through a provider of identities: how it is reached, and what it is shown.

use std::io;
use std::sync::Arc;

use conduit_admin::control::BoxFuture;
use conduit_admin::oidc::Oidc;
use conduit_admin::oidc::outside::{Outside, OutsideError};
use conduit_monitor::secret::SecretFrom;
use conduit_tls::authority::Authority;

use crate::error::AppError;
use crate::fetch::Fetch;
use crate::planes::Served;
use crate::roots;
use crate::selfcheck::reachable;

/// The logins that the configuration wants; `None` when it wants none.
pub(crate) fn logins(served: &Served<'_>) -> Result<Option<Oidc>, AppError> {
    let config = &served.config.admin.oidc;
    if !config.is_on() {
        return Ok(None);
    }
    let failed = |source: io::Error| AppError::Runtime { what: "logins by OpenID Connect", source };
    let bundle = served.authority.map(Authority::bundle_pem);
    let tls = roots::client(bundle).map_err(failed)?;
    let https = served.addresses.https.first().copied().map(reachable);
    let fetch = Fetch::new(tls, served.routes.clone(), https);
    let way = Way { fetch, secret: config.secret.clone() };
    Ok(Some(Oidc::new(config.settings.clone(), Arc::new(way))))
}

/// The way to the provider.
struct Way {
    fetch: Fetch,
    secret: Option<SecretFrom>,
}

impl Outside for Way {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> BoxFuture<'static, Result<http::Response<Vec<u8>>, OutsideError>> {
        let fetch = self.fetch.clone();
        Box::pin(async move { fetch.send(request).await.map_err(OutsideError) })
    }

    fn secret(&self) -> BoxFuture<'_, Result<Option<String>, OutsideError>> {
        Box::pin(async {
            let Some(secret) = &self.secret else {
                return Ok(None);
            };
            let secret = secret.read().await.map_err(|error| OutsideError(error.to_string()))?;
            Ok(Some(secret.reveal().to_owned()))
        })
    }
}
