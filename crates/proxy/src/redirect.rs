//! What plain HTTP is answered with when it is not forwarded: the way to HTTPS, and the trust bundle.
//!
//! **Invariant:** a route with leaves is never served in the clear. The trust bundle is the one
//! thing offered without encryption on purpose: it is public, and its fingerprint is compared out of
//! band.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode, Uri};

use crate::body::ResponseBody;
use crate::respond;

/// The same resource over HTTPS. `host` has no port; `port` is where we serve TLS.
pub(crate) fn to_https(host: &str, port: u16, target: &Uri) -> Response<ResponseBody> {
    let path = target.path_and_query().map_or("/", |path| path.as_str());
    // `OPTIONS *` names no resource.
    let path = if path.starts_with('/') { path } else { "/" };
    let location = match port {
        443 => format!("https://{host}{path}"),
        _ => format!("https://{host}:{port}{path}"),
    };
    let mut response = respond::own(
        StatusCode::PERMANENT_REDIRECT,
        "text/plain; charset=utf-8",
        Bytes::from_static(b"this service is served over HTTPS\n"),
    );
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Whether a request that no route claims asks for the trust bundle.
pub(crate) fn asks_for_bundle(method: &Method, target: &Uri) -> bool {
    (method == Method::GET || method == Method::HEAD) && target.path() == BUNDLE_PATH
}

/// The trust bundle, as the file that browsers and phones offer to install.
pub(crate) fn bundle(pem: &Bytes) -> Response<ResponseBody> {
    respond::own(StatusCode::OK, "application/x-x509-ca-cert", pem.clone())
}

/// Where the trust bundle is, on every host that is not a service's.
const BUNDLE_PATH: &str = "/ca.crt";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_named_unless_it_is_the_usual_one() {
        for (port, target, expected) in [
            (443, "/a?b=c", "https://grafana.internal/a?b=c"),
            (8443, "/", "https://grafana.internal:8443/"),
            (8443, "http://grafana.internal:8080/x", "https://grafana.internal:8443/x"),
            (443, "*", "https://grafana.internal/"),
        ] {
            let target: Uri = target.parse().expect("target");
            let response = to_https("grafana.internal", port, &target);
            assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
            assert_eq!(response.headers()[header::LOCATION], expected);
        }
    }
}
