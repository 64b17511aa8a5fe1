//! Where a page is: what a device binds its keys to.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use webauthn_rp::request::{AsciiDomain, RpId};

use crate::error::ApiError;
use crate::session::origin::Origin;

/// The page that a request comes from: what a device binds its keys to.
#[derive(Debug)]
pub(crate) struct Site {
    pub(super) party: RpId,
    pub(super) host: Arc<str>,
    pub(super) origin: String,
}

impl Site {
    /// By the request's host, which was judged to be ours.
    ///
    /// # Errors
    /// When it is an address: devices make keys for names only.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let nameless = || {
            let message = "passkeys are for a name, and this page has only an address";
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "no_passkeys_here", message)
                .hint("open the dashboard as https://conduit.<domain>")
        };
        let page = Origin::of(headers).filter(Origin::is_name).ok_or_else(nameless)?;
        let party = AsciiDomain::try_from(page.host().to_string()).map_err(|_| nameless())?;
        Ok(Self { party: RpId::Domain(party), host: page.host(), origin: page.as_str().to_owned() })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::session::origin::tests::headers;

    pub(crate) fn site(host: &'static str) -> Result<Site, ApiError> {
        Site::of(&headers(host))
    }

    #[test]
    fn a_site_is_a_name_with_its_port() {
        let named = site("Conduit.Internal.:8443").expect("a site");
        assert_eq!(
            (&*named.host, &*named.origin),
            ("conduit.internal", "https://conduit.internal:8443")
        );
        for host in ["127.0.0.1:9999", "[::1]:9999", ""] {
            assert!(site(host).is_err(), "{host}");
        }
    }
}
