//! API keys: which one a request came with, and what it opens.
//!
//! **Invariant:** what is kept is the digest of each key, and all of them are compared in constant
//! time. A path that an upstream could read in two ways opens nothing for a key that is bound to
//! paths.

use std::borrow::Cow;
use std::sync::Arc;

use conduit_core::policy::{ApiKey, MethodName, PathPrefix};
use http::{HeaderMap, HeaderName, Method};
use sha3::{Digest as _, Sha3_256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

/// The keys of one service.
#[derive(Debug)]
pub(super) struct Keys(Box<[Key]>);

/// One key, as it is known here.
#[derive(Debug)]
pub(super) struct Key {
    /// What it is called.
    pub(super) name: Arc<str>,
    digest: [u8; 32],
    paths: Vec<PathPrefix>,
    methods: Vec<MethodName>,
}

impl Keys {
    /// `None` without keys.
    pub(super) fn new(keys: &[ApiKey]) -> Option<Self> {
        let known = |key: &ApiKey| Key {
            name: key.name.as_str().into(),
            digest: key.hash.0,
            paths: key.paths.clone(),
            methods: key.methods.clone(),
        };
        (!keys.is_empty()).then(|| Self(keys.iter().map(known).collect()))
    }

    /// The key with this text.
    pub(super) fn find(&self, text: &[u8]) -> Option<&Key> {
        let digest: [u8; 32] = Sha3_256::digest(text).into();
        let mut found = Choice::from(0);
        let mut place = 0_u32;
        for (key, index) in self.0.iter().zip(0_u32..) {
            let same = key.digest.ct_eq(&digest);
            place.conditional_assign(&index, same);
            found |= same;
        }
        self.0.get(usize::try_from(place).ok()?).filter(|_| found.into())
    }
}

impl Key {
    /// What it may not do of this request; `None` when it may.
    pub(super) fn lacks(&self, method: &Method, path: &str) -> Option<String> {
        let fits = |allowed: &MethodName| {
            allowed.as_str() == method.as_str()
                || (*method == Method::HEAD && allowed.as_str() == "GET")
        };
        if !self.methods.is_empty() && !self.methods.iter().any(fits) {
            let all: Vec<&str> = self.methods.iter().map(MethodName::as_str).collect();
            return Some(format!("may not use this method; it may use {}", all.join(", ")));
        }
        if self.paths.is_empty() {
            return None;
        }
        let Some(plain) = plain(path) else {
            return Some("is bound to paths, and this one can be read in two ways".to_owned());
        };
        if self.paths.iter().any(|prefix| prefix.rest(&plain).is_some()) {
            return None;
        }
        let all: Vec<&str> = self.paths.iter().map(PathPrefix::as_str).collect();
        Some(format!("does not open this path; it opens {}", all.join(", ")))
    }

    /// The same of what its fields say: the upstream might take it for a request of another method.
    pub(super) fn lacks_in(&self, headers: &HeaderMap) -> Option<String> {
        if self.methods.is_empty() {
            return None;
        }
        let field = headers.keys().find(|field| names_a_method(field))?;
        Some(format!("is bound to methods, and {field} may name another one"))
    }
}

/// Whether many servers take what this field says for the request's method; some take `_` for `-`.
fn names_a_method(field: &HeaderName) -> bool {
    let same = |(known, said): (u8, u8)| known == said || (known == b'-' && said == b'_');
    let field = field.as_str();
    ["x-http-method", "x-http-method-override", "x-method-override"]
        .iter()
        .any(|known| known.len() == field.len() && known.bytes().zip(field.bytes()).all(same))
}

/// The path without percent coding; `None` when somebody could read it as another one: with dot
/// segments, empty ones, coded slashes, or backslashes.
fn plain(path: &str) -> Option<Cow<'_, str>> {
    let decoded = decoded(path)?;
    let has_slash = |b: &u8| matches!(b, b'/' | b'\\');
    let slashes = decoded.bytes().filter(|b| has_slash(b)).count();
    if slashes != path.bytes().filter(|b| *b == b'/').count() || decoded.contains('%') {
        return None;
    }
    let mut segments = decoded.strip_prefix('/')?.split('/').peekable();
    while let Some(segment) = segments.next() {
        // Some servers cut parameters off a segment before they look at it.
        let mut parts = segment.split(';');
        let nameless = parts.clone().next().is_none_or(str::is_empty);
        let is_end = segment.is_empty() && segments.peek().is_none();
        let dots = parts.any(|part| matches!(part, "." | ".."));
        if dots || segment.chars().any(char::is_control) || (nameless && !is_end) {
            return None;
        }
    }
    Some(decoded)
}

fn decoded(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digit = |b: u8| char::from(b).to_digit(16);
        bytes.push(u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use conduit_core::policy::KeyHash;
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str, text: &str, paths: &[&str], methods: &[&str]) -> ApiKey {
        ApiKey {
            name: name.parse().expect("a name"),
            hash: KeyHash(Sha3_256::digest(text).into()),
            paths: paths.iter().map(|p| p.parse().expect("a prefix")).collect(),
            methods: methods.iter().map(|m| m.parse().expect("a method")).collect(),
        }
    }

    #[test]
    fn a_key_is_found_by_its_text() {
        let keys: Vec<_> =
            (0..20).map(|n| key(&n.to_string(), &format!("k{n}"), &[], &[])).collect();
        let keys = Keys::new(&keys).expect("keys");
        for n in 0..20 {
            let found = keys.find(format!("k{n}").as_bytes()).expect("known");
            assert_eq!(&*found.name, n.to_string());
        }
        for text in ["", "k", "k20", "K1"] {
            assert!(keys.find(text.as_bytes()).is_none(), "{text}");
        }
        assert!(Keys::new(&[]).is_none());
        // printf %s k1 | openssl dgst -sha3-256
        let written = "sha3-256:89a6df64f1536985fcb7326c0e56f03762b581b2253cf9fadc695c8dbb740a96";
        let hash: KeyHash = written.parse().expect("a hash");
        assert_eq!(hash, key("a", "k1", &[], &[]).hash);
    }

    #[test]
    fn a_key_opens_its_paths_and_methods() {
        let keys = Keys::new(&[key("a", "a", &["/v1", "/health"], &["GET", "POST"])]).expect("one");
        let found = keys.find(b"a").expect("known");
        for (method, path, lacks) in [
            (Method::GET, "/v1", None),
            (Method::POST, "/v1/chat/completions", None),
            (Method::HEAD, "/health/", None),
            (Method::GET, "/v1/a%20b", None),
            (Method::GET, "/%761/x", None),
            (Method::DELETE, "/v1", Some("may use GET, POST")),
            (Method::GET, "/v10", Some("opens /v1, /health")),
            (Method::GET, "/", Some("does not open")),
            (Method::GET, "/v1/../admin", Some("two ways")),
            (Method::GET, "/v1/%2e%2E/admin", Some("two ways")),
            (Method::GET, "/v1/..%2fadmin", Some("two ways")),
            (Method::GET, "/v1/..;a=b/admin", Some("two ways")),
            (Method::GET, "/v1/;a", Some("two ways")),
            (Method::GET, "/v1/a;..", Some("two ways")),
            (Method::GET, "/v1/a;b=c", None),
            (Method::GET, "/v1/%5c..%5cadmin", Some("two ways")),
            (Method::GET, "/v1\\..\\admin", Some("two ways")),
            (Method::GET, "//v1/x", Some("two ways")),
            (Method::GET, "/v1/%252e%252e/admin", Some("two ways")),
            (Method::GET, "/v1/%zz", Some("two ways")),
            (Method::GET, "/v1/%00", Some("two ways")),
            (Method::OPTIONS, "*", Some("may not use")),
        ] {
            let found = found.lacks(&method, path);
            match lacks {
                None => assert_eq!(found, None, "{path}"),
                Some(part) => assert!(found.expect(path).contains(part), "{path}"),
            }
        }
        let all = Keys::new(&[key("b", "b", &[], &[])]).expect("one");
        assert_eq!(all.find(b"b").expect("known").lacks(&Method::DELETE, "/../x"), None);
    }

    #[test]
    fn a_key_that_is_bound_to_methods_opens_no_request_that_names_another() {
        let keys = [key("bound", "a", &[], &["GET"]), key("free", "b", &["/v1"], &[])];
        let keys = Keys::new(&keys).expect("two");
        for (field, is_one) in [
            ("X-HTTP-Method-Override", true),
            ("x_http_method_override", true),
            ("x-http-method", true),
            ("X-Method-Override", true),
            ("x-http-methods", false),
            ("access-control-request-method", false),
        ] {
            let name = HeaderName::from_bytes(field.as_bytes()).expect("a name");
            let headers = HeaderMap::from_iter([(name, http::HeaderValue::from_static("DELETE"))]);
            let lacks = |text: &[u8]| keys.find(text).expect("known").lacks_in(&headers);
            assert_eq!(lacks(b"a").is_some(), is_one, "{field}");
            assert_eq!(lacks(b"b"), None, "{field}");
        }
    }

    proptest! {
        #[test]
        fn what_is_opened_stays_below_its_path(path in "/v1(/|%2[fFeE]|%5c|\\.|;|a|%61|\\\\){0,12}") {
            let keys = Keys::new(&[key("a", "a", &["/v1"], &[])]).expect("one");
            if keys.find(b"a").expect("known").lacks(&Method::GET, &path).is_none() {
                // The least forgiving reader: everything decoded, every kind of slash a slash.
                let read = decoded(&path).expect("legal").replace('\\', "/");
                prop_assert!(read.starts_with("/v1"));
                prop_assert!(!read.split(['/', ';']).any(|segment| matches!(segment, "." | "..")), "{}", path);
            }
        }
    }
}
