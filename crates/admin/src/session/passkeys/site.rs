//! Where a page is: what a device binds its keys to.

use std::sync::Arc;

use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};
use webauthn_rp::request::{AsciiDomain, RpId};

use crate::error::ApiError;

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
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority: Authority = host.and_then(|host| host.parse().ok()).ok_or_else(nameless)?;
        let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let is_address = name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok();
        let party = AsciiDomain::try_from(name.clone()).ok().filter(|_| !is_address);
        let party = RpId::Domain(party.ok_or_else(nameless)?);
        // Browsers take the machine itself for safe without TLS, and nothing else.
        let scheme = if name == "localhost" { "http" } else { "https" };
        let port = authority.port_u16().filter(|port| scheme == "http" || *port != 443);
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let origin = format!("{scheme}://{name}{port}");
        Ok(Self { party, host: name.into(), origin })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use http::HeaderValue;

    use super::*;

    pub(crate) fn site(host: &'static str) -> Result<Site, ApiError> {
        Site::of(&HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]))
    }

    #[test]
    fn a_site_is_a_name_with_its_port() {
        for (host, origin) in [
            ("conduit.internal", "https://conduit.internal"),
            ("Conduit.Internal.:8443", "https://conduit.internal:8443"),
            ("conduit.internal:443", "https://conduit.internal"),
            ("localhost:9999", "http://localhost:9999"),
        ] {
            assert_eq!(site(host).expect(host).origin, origin);
        }
        for host in ["127.0.0.1:9999", "[::1]:9999", ""] {
            assert!(site(host).is_err(), "{host}");
        }
    }
}
