//! Requests that another site's page had the browser send.
//!
//! `SameSite=Strict` and the session's word are enough for browsers that know them; what the
//! browser says about where a request comes from is checked besides.

use http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::is_read;
use crate::error::ApiError;

/// Lets a request pass that our own page, or no page at all, sent.
///
/// # Errors
/// When `Sec-Fetch-Site` or `Origin` says otherwise.
pub(crate) fn check(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    let is_ours = site_is_ours(method, headers) && origin_is_ours(headers);
    if is_ours {
        return Ok(());
    }
    let message = "this request comes from a page of another site";
    Err(ApiError::new(StatusCode::FORBIDDEN, "cross_site", message)
        .hint("open the dashboard itself, and do it there"))
}

fn site_is_ours(method: &Method, headers: &HeaderMap) -> bool {
    headers.get_all(SITE).iter().all(|site| match site.as_bytes() {
        b"same-origin" => true,
        // Somebody typed the address.
        b"none" => is_read(method),
        _ => false,
    })
}

/// A page has our origin when it was fetched from the very host that it asks now; which of our
/// hosts that may be, the listener has judged already.
fn origin_is_ours(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        let page = SCHEMES.iter().find_map(|scheme| origin.strip_prefix(scheme));
        page.zip(host).is_some_and(|(page, host)| page.eq_ignore_ascii_case(host))
    })
}

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SCHEMES: [&str; 2] = ["https://", "http://"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_pass() {
        const SITE: &str = "sec-fetch-site";
        for (get, post, pairs) in [
            (true, true, vec![]),
            (true, true, vec![(SITE, "same-origin")]),
            (true, false, vec![(SITE, "none")]),
            (false, false, vec![(SITE, "same-site")]),
            (false, false, vec![(SITE, "cross-site")]),
            (false, false, vec![(SITE, "")]),
            (false, false, vec![(SITE, "same-origin"), (SITE, "cross-site")]),
            (true, true, vec![("origin", "https://conduit.internal:8443")]),
            (true, true, vec![("origin", "https://CONDUIT.internal:8443")]),
            (true, true, vec![(SITE, "same-origin"), ("origin", "http://conduit.internal:8443")]),
            (false, false, vec![("origin", "https://conduit.internal")]),
            (false, false, vec![("origin", "https://grafana.internal:8443")]),
            (false, false, vec![("origin", "https://conduit.internal:8443.evil.example")]),
            (false, false, vec![("origin", "null")]),
            (false, false, vec![("origin", "")]),
            (false, false, vec![(SITE, "same-origin"), ("origin", "https://evil.example")]),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "conduit.internal:8443".parse().expect("a header"));
            for (name, value) in &pairs {
                headers.append(*name, value.parse().expect("a header"));
            }
            assert_eq!(check(&Method::GET, &headers).is_ok(), get, "GET {pairs:?}");
            for method in [Method::POST, Method::DELETE, Method::PUT] {
                assert_eq!(check(&method, &headers).is_ok(), post, "{method} {pairs:?}");
            }
        }
    }
}
