//! The dashboard: the files that Vite made of `ui/` in `ui/dist`, from inside the binary.
//!
//! **Invariant:** a path is only ever compared with the names of embedded files, so no request can
//! reach the disk; what a page may load is in [`POLICY`], and it is ours alone.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::ApiError;
use crate::oidc::CALLBACK;
use crate::page;
use crate::state::AdminState;

/// The dashboard's paths: its views, for which the one page is answered, and its files.
pub(crate) fn router() -> Router<Arc<AdminState>> {
    let views = VIEWS.iter().fold(Router::new(), |router, path| router.route(path, get(view)));
    views.route("/assets/{*path}", get(asset)).route("/favicon.svg", get(icon))
}

/// The files, each as it is and compressed as `NAME.br` and `NAME.gz` where that is smaller. None
/// when nobody built them.
#[derive(RustEmbed)]
#[folder = "ui/dist"]
#[allow_missing = true]
struct Dist;

async fn view(state: State<Arc<AdminState>>, headers: HeaderMap) -> Response {
    match answer(PAGE, &headers) {
        Some(response) => response,
        None => page::index(state).await.into_response(),
    }
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    answer(&format!("assets/{path}"), &headers).ok_or_else(missing)
}

async fn icon(headers: HeaderMap) -> Result<Response, ApiError> {
    answer("favicon.svg", &headers).ok_or_else(missing)
}

/// The embedded file in the smallest coding that the client takes; `None` when there is none of
/// this name and of a known kind.
fn answer(name: &str, asked: &HeaderMap) -> Option<Response> {
    let kind = kind_of(name)?;
    let plain = Dist::get(name)?;
    let tag = tag_of(&plain);
    let (coding, file) = coded(name, plain, asked);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let kept = if name.starts_with("assets/") { KEPT } else { ASKED_AGAIN };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    if let Ok(value) = HeaderValue::try_from(tag.as_str()) {
        headers.insert(header::ETAG, value);
    }
    if has_seen(asked, &tag) {
        return Some((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    let body = match file.data {
        Cow::Borrowed(embedded) => Body::from(embedded),
        Cow::Owned(read) => Body::from(read),
    };
    Some((headers, body).into_response())
}

fn coded(
    name: &str,
    plain: EmbeddedFile,
    asked: &HeaderMap,
) -> (Option<&'static str>, EmbeddedFile) {
    for (coding, suffix) in CODINGS {
        if accepts(asked, coding)
            && let Some(file) = Dist::get(&format!("{name}.{suffix}"))
        {
            return (Some(coding), file);
        }
    }
    (None, plain)
}

/// Whether the client takes a coding by its name; a weight of 0 refuses it (RFC 9110 §12.5.3).
fn accepts(asked: &HeaderMap, coding: &str) -> bool {
    let values = asked.get_all(header::ACCEPT_ENCODING).iter();
    let mut offers = values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    offers.any(|offer| {
        let (word, weight) = offer.split_once(';').unwrap_or((offer, ""));
        let weight = weight.trim().strip_prefix("q=").map(|q| q.trim().parse::<f32>());
        word.trim().eq_ignore_ascii_case(coding) && weight.is_none_or(|q| q.is_ok_and(|q| q > 0.0))
    })
}

fn has_seen(asked: &HeaderMap, tag: &str) -> bool {
    let value = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    value.is_some_and(|seen| seen.split(',').any(|one| one.trim() == tag))
}

/// Weak, because each coding of a file has the same one.
fn tag_of(file: &EmbeddedFile) -> String {
    let hash = &file.metadata.sha256_hash()[..TAG_BYTES];
    format!("W/\"{}\"", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn kind_of(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    KINDS.iter().find(|(known, _)| *known == extension).map(|(_, kind)| *kind)
}

fn missing() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "no_such_path", "the dashboard has no such file")
        .hint("load the page again: it may be from another version of this gateway")
}

const PAGE: &str = "index.html";
/// The paths of the views, as `ui/src/router.tsx` has them, and the way back from a provider.
const VIEWS: &[&str] = &[
    "/",
    "/services",
    "/services/{name}",
    "/routing",
    "/dns",
    "/tls",
    "/servers",
    "/servers/{name}",
    "/audit",
    "/settings",
    CALLBACK,
];
/// What the page may load: its own files and our API. Nothing inline, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; font-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// For files whose names hold their hash: a year, and never asked about again.
const KEPT: &str = "public, max-age=31536000, immutable";
/// For the page: kept, but asked about each time.
const ASKED_AGAIN: &str = "no-cache";
/// Codings and the suffixes of their files, the smallest first.
const CODINGS: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];
/// The kinds of files that are served, by their extensions.
const KINDS: &[(&str, &str)] = &[
    ("css", "text/css; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("woff2", "font/woff2"),
];
/// Bytes of the SHA-256 that make a tag.
const TAG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn asking(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect("a header"))])
    }

    fn is_built() -> bool {
        let is_built = Dist::get(PAGE).is_some();
        if !is_built {
            let told = b"SKIPPED: the dashboard was not built (make ui-build)\n";
            drop(std::io::stderr().write_all(told));
        }
        is_built
    }

    fn a_script() -> String {
        let name = Dist::iter().find(|name| name.ends_with(".js"));
        name.expect("a script").into_owned()
    }

    #[test]
    fn codings_are_taken_by_name_and_weight() {
        for (offer, coding, taken) in [
            ("gzip, deflate, br", "br", true),
            ("gzip;q=0.5, BR;q=1", "br", true),
            ("gzip, br;q=0", "br", false),
            ("gzip, br; q=0.0", "br", false),
            ("br;q=much", "br", false),
            ("*", "br", false),
            ("", "gzip", false),
            ("gzip", "gzip", true),
        ] {
            let asked = asking(header::ACCEPT_ENCODING, offer);
            assert_eq!(accepts(&asked, coding), taken, "{offer}");
        }
    }

    #[test]
    fn nothing_but_the_files_is_served() {
        let none = HeaderMap::new();
        for name in [
            "assets/../../Cargo.toml",
            "/etc/passwd",
            "assets/",
            "assets/..%2findex.html",
            "",
            "x.js",
        ] {
            assert!(answer(name, &none).is_none(), "{name}");
        }
        // The compressed forms are no files of their own.
        if is_built() {
            assert!(answer(&format!("{}.br", a_script()), &none).is_none());
        }
    }

    #[test]
    fn the_page_is_asked_about_and_its_files_are_kept() {
        if !is_built() {
            return;
        }
        let none = HeaderMap::new();
        let page = answer(PAGE, &none).expect("the page");
        assert_eq!(page.headers()[header::CACHE_CONTROL], ASKED_AGAIN);
        assert_eq!(page.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
        let script = answer(&a_script(), &none).expect("a script");
        assert_eq!(script.headers()[header::CACHE_CONTROL], KEPT);
        assert!(script.headers().get(header::CONTENT_ENCODING).is_none());
        let tag = page.headers()[header::ETAG].to_str().expect("text").to_owned();
        let again = answer(PAGE, &asking(header::IF_NONE_MATCH, &tag)).expect("the page");
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn the_smallest_coding_that_the_client_takes_is_sent() {
        if !is_built() {
            return;
        }
        let script = a_script();
        for (offer, coding) in [("gzip, br", "br"), ("gzip", "gzip")] {
            let asked = asking(header::ACCEPT_ENCODING, offer);
            let response = answer(&script, &asked).expect("a script");
            assert_eq!(response.headers()[header::CONTENT_ENCODING], coding);
        }
    }

    #[test]
    fn the_page_holds_nothing_inline() {
        if !is_built() {
            return;
        }
        let page = Dist::get(PAGE).expect("the page");
        let text = String::from_utf8(page.data.into_owned()).expect("UTF-8");
        assert!(!text.contains("<style") && !text.contains(" style="), "{text}");
        for script in text.split("<script").skip(1) {
            let (tag, rest) = script.split_once('>').expect("an end");
            assert!(tag.contains("src=\"/assets/") && rest.starts_with("</script>"), "{script}");
        }
        assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
    }
}
