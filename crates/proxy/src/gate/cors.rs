//! Which pages of other origins may use a service from a browser (the Fetch standard, §3.2).
//!
//! **Invariant:** preflights are answered here and never forwarded, before anybody is asked for a
//! password. What an upstream says about origins is replaced, and our own refusals say it too, so
//! that a page can read them.

use conduit_core::policy::{Cors, FieldName, MethodName};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};

use crate::body::ResponseBody;
use crate::failure::FailureKind;
use crate::respond;

/// The pages that may use a service, and how.
#[derive(Debug)]
pub(super) struct CorsRules {
    is_any: bool,
    origins: Box<[Box<str>]>,
    /// Empty means whatever a page asks for.
    methods: Box<[MethodName]>,
    /// Empty means whatever a page asks for.
    fields: Box<[FieldName]>,
    methods_listed: Option<HeaderValue>,
    fields_listed: Option<HeaderValue>,
    exposed: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

impl CorsRules {
    pub(super) fn compile(cors: &Cors) -> Self {
        let listed = |words: Vec<&str>| {
            let words = Some(words).filter(|words| !words.is_empty())?;
            HeaderValue::try_from(words.join(", ")).ok()
        };
        let max_age = cors.max_age.map_or(MAX_AGE_SECONDS, |span| span.get().as_secs());
        Self {
            is_any: cors.origins.iter().any(conduit_core::policy::Origin::is_any),
            origins: cors.origins.iter().map(|origin| origin.as_str().into()).collect(),
            methods: cors.methods.as_slice().into(),
            fields: cors.headers.as_slice().into(),
            methods_listed: listed(cors.methods.iter().map(MethodName::as_str).collect()),
            fields_listed: listed(cors.headers.iter().map(FieldName::as_str).collect()),
            exposed: listed(cors.expose.iter().map(FieldName::as_str).collect()),
            credentials: cors.credentials,
            max_age: HeaderValue::from(max_age),
        }
    }

    /// The origin of the page that asks, when it may use the service.
    pub(super) fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        if self.is_any {
            return Some(HeaderValue::from_static("*"));
        }
        let known = |known: &str| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
        self.origins.iter().any(|one| known(one)).then(|| origin.clone())
    }

    /// The answer to a preflight; `None` when the request is none.
    pub(super) fn preflight<B>(
        &self,
        request: &Request<B>,
    ) -> Option<Result<Response<ResponseBody>, FailureKind>> {
        let headers = request.headers();
        let method = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        if request.method() != Method::OPTIONS || !headers.contains_key(header::ORIGIN) {
            return None;
        }
        let fields = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        if self.origin(headers).is_none() || !self.serves(method, fields) {
            return Some(Err(FailureKind::OriginRefused));
        }
        Some(Ok(self.welcome(headers, method, fields)))
    }

    /// Marks a response for the page at `origin`, or for nobody.
    pub(super) fn mark(&self, headers: &mut HeaderMap, origin: Option<&HeaderValue>, is_own: bool) {
        if !is_own {
            for name in &REPLACED {
                headers.remove(name);
            }
        }
        if !self.is_any {
            // Also where there is no origin: a cache must not give this answer to a page.
            append_vary(headers, "Origin");
        }
        let Some(origin) = origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            let allowed = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, allowed);
        }
        if let Some(exposed) = &self.exposed {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }

    fn serves(&self, method: &HeaderValue, fields: Option<&HeaderValue>) -> bool {
        let listed = |name: &[u8]| {
            self.fields.iter().any(|field| field.as_str().as_bytes().eq_ignore_ascii_case(name))
        };
        let mut asked = fields
            .into_iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|name| !name.is_empty());
        let method_fits = self.methods.is_empty()
            || self.methods.iter().any(|one| one.as_str().as_bytes() == method.as_bytes());
        method_fits && (self.fields.is_empty() || asked.all(listed))
    }

    fn welcome(
        &self,
        asked: &HeaderMap,
        method: &HeaderValue,
        fields: Option<&HeaderValue>,
    ) -> Response<ResponseBody> {
        let mut response = respond::own(StatusCode::NO_CONTENT, "text/plain", bytes::Bytes::new());
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        let methods = self.methods_listed.as_ref().unwrap_or(method);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
        if let Some(fields) = self.fields_listed.as_ref().or(fields) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, fields.clone());
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        if asked.contains_key(REQUEST_PRIVATE_NETWORK) {
            headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
        let vary = HeaderValue::from_static(
            "Access-Control-Request-Method, Access-Control-Request-Headers",
        );
        headers.insert(header::VARY, vary);
        response
    }
}

/// Adds a field's name to `Vary`, unless it is there.
pub(super) fn append_vary(headers: &mut HeaderMap, name: &'static str) {
    let names = |value: &HeaderValue| {
        let mut all = value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
        all.any(|one| one == b"*" || one.eq_ignore_ascii_case(name.as_bytes()))
    };
    if !headers.get_all(header::VARY).iter().any(names) {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
}

/// What only we say about origins.
const REPLACED: [HeaderName; 7] = [
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
    HeaderName::from_static(ALLOW_PRIVATE_NETWORK),
];
/// Asked for by pages of wider networks (Private Network Access, §3.1).
const REQUEST_PRIVATE_NETWORK: &str = "access-control-request-private-network";
const ALLOW_PRIVATE_NETWORK: &str = "access-control-allow-private-network";
/// How long a browser may remember an answer, unless the policy says so.
const MAX_AGE_SECONDS: u64 = 600;

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(toml: &str) -> CorsRules {
        CorsRules::compile(&serde_json::from_str::<Cors>(toml).expect("a policy"))
    }

    fn asks(
        rules: &CorsRules,
        method: Method,
        lines: &[(&'static str, &'static str)],
    ) -> Option<u16> {
        let mut request = Request::new(());
        *request.method_mut() = method;
        for (name, value) in lines {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        let answer = rules.preflight(&request)?;
        Some(answer.map_or(403, |response| response.status().as_u16()))
    }

    #[test]
    fn a_preflight_is_answered_for_what_is_allowed() {
        let strict = rules(
            r#"{"origins": ["https://Chat.internal"], "methods": ["PUT", "GET"],
                "headers": ["X-Token", "content-type"]}"#,
        );
        let loose = rules(r#"{"origins": ["*"]}"#);
        let chat = ("origin", "https://chat.internal");
        let put = ("access-control-request-method", "PUT");
        let options = || Method::OPTIONS;
        assert_eq!(asks(&strict, options(), &[chat, put]), Some(204));
        let fields = ("access-control-request-headers", "x-token,Content-Type");
        assert_eq!(asks(&strict, options(), &[chat, put, fields]), Some(204));
        let fields = ("access-control-request-headers", "x-token, x-other");
        assert_eq!(asks(&strict, options(), &[chat, put, fields]), Some(403));
        assert_eq!(asks(&loose, options(), &[chat, put, fields]), Some(204));
        let delete = ("access-control-request-method", "DELETE");
        assert_eq!(asks(&strict, options(), &[chat, delete]), Some(403));
        for origin in ["https://evil.internal", "https://chat.internal.evil", "null", ""] {
            assert_eq!(asks(&strict, options(), &[("origin", origin), put]), Some(403), "{origin}");
        }
        // These are none.
        assert_eq!(asks(&strict, options(), &[chat]), None);
        assert_eq!(asks(&strict, options(), &[put]), None);
        assert_eq!(asks(&strict, Method::GET, &[chat, put]), None);
    }

    #[test]
    fn what_an_upstream_says_about_origins_is_replaced() {
        let rules = rules(
            r#"{"origins": ["https://chat.internal"], "credentials": true, "expose": ["X-A", "x-b"]}"#,
        );
        let upstreams = || {
            let mut headers = HeaderMap::new();
            headers.append("access-control-allow-origin", HeaderValue::from_static("*"));
            headers.append("access-control-allow-methods", HeaderValue::from_static("*"));
            headers.append("vary", HeaderValue::from_static("Accept-Encoding"));
            headers
        };
        let origin = HeaderValue::from_static("https://chat.internal");
        let mut headers = upstreams();
        rules.mark(&mut headers, Some(&origin), false);
        assert_eq!(headers["access-control-allow-origin"], "https://chat.internal");
        assert_eq!(headers["access-control-allow-credentials"], "true");
        assert_eq!(headers["access-control-expose-headers"], "x-a, x-b");
        assert!(!headers.contains_key("access-control-allow-methods"));
        let vary: Vec<_> = headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["Accept-Encoding", "Origin"]);
        let mut headers = upstreams();
        rules.mark(&mut headers, None, false);
        assert!(!headers.contains_key("access-control-allow-origin"));
        assert_eq!(headers.get_all("vary").iter().count(), 2);
    }

    #[test]
    fn a_name_is_in_vary_once() {
        for (before, expected) in [("origin", 1), ("*", 1), ("Accept, ORIGIN", 1), ("Accept", 2)] {
            let mut headers = HeaderMap::new();
            headers.append("vary", HeaderValue::from_static(before));
            append_vary(&mut headers, "Origin");
            assert_eq!(headers.get_all("vary").iter().count(), expected, "{before}");
        }
    }
}
