//! Paths that the upstream sees differently.
//!
//! `Location` and other fields of responses are left as they are: a program that lives under a
//! prefix has to know it, and `X-Forwarded-Prefix` tells.
//!
//! **Invariant:** whole segments are replaced, and the query stays.

use conduit_core::policy::{PathPrefix, Rewrite};
use http::Uri;
use http::header::{HeaderMap, HeaderValue};

use super::set_path;
use crate::failure::FailureKind;

/// The rewrites of a route.
#[derive(Debug)]
pub(super) struct Rewrites(Box<[Rule]>);

#[derive(Debug)]
struct Rule {
    from: PathPrefix,
    to: PathPrefix,
    /// What of `from` is not in `to`, when something is only taken away from the beginning.
    stripped: Option<HeaderValue>,
}

impl Rewrites {
    pub(super) fn compile(rewrites: &[Rewrite]) -> Self {
        Self(rewrites.iter().map(Rule::of).collect())
    }

    /// Rewrites a path by the first rule that fits; returns the prefix that it took away.
    pub(super) fn apply(&self, uri: &mut Uri) -> Result<Option<HeaderValue>, FailureKind> {
        let path = uri.path();
        let fits = |rule: &&Rule| rule.from.rest(path).is_some();
        let Some(rule) = self.0.iter().find(fits) else {
            return Ok(None);
        };
        let path = rule.rewritten(path);
        set_path(uri, path)?;
        Ok(rule.stripped.clone())
    }
}

/// Tells an upstream what was taken away, behind what a trusted proxy took away before.
pub(super) fn set_prefix(headers: &mut HeaderMap, prefix: &HeaderValue) {
    let before = headers.get(X_FORWARDED_PREFIX).map_or(&b""[..], HeaderValue::as_bytes);
    let before = before.strip_suffix(b"/").unwrap_or(before);
    let whole = [before, prefix.as_bytes()].concat();
    let whole = HeaderValue::from_bytes(&whole).unwrap_or_else(|_| prefix.clone());
    headers.insert(X_FORWARDED_PREFIX, whole);
}

impl Rule {
    fn of(rewrite: &Rewrite) -> Self {
        let (from, to) = (bare(&rewrite.from), bare(&rewrite.to));
        let stripped = from.strip_suffix(to).filter(|prefix| !prefix.is_empty());
        Self {
            from: rewrite.from.clone(),
            to: rewrite.to.clone(),
            stripped: stripped.and_then(|prefix| HeaderValue::from_str(prefix).ok()),
        }
    }

    fn rewritten(&self, path: &str) -> String {
        let rest = self.from.rest(path).unwrap_or(path);
        let path = [bare(&self.to), rest].concat();
        if path.is_empty() { "/".to_owned() } else { path }
    }
}

/// The prefix, or nothing for `/`.
fn bare(prefix: &PathPrefix) -> &str {
    match prefix.as_str() {
        "/" => "",
        text => text,
    }
}

/// Where programs look for the path that they live under.
const X_FORWARDED_PREFIX: &str = "x-forwarded-prefix";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_segments_are_replaced_and_the_query_stays() {
        let rewrite = |from: &str, to: &str| Rewrite {
            from: from.parse().expect("a prefix"),
            to: to.parse().expect("a prefix"),
        };
        let rewrites = Rewrites::compile(&[
            rewrite("/grafana", "/"),
            rewrite("/a/b", "/b"),
            rewrite("/api", "/v2/api"),
            rewrite("/x", "/y"),
            rewrite("/x/z", "/never"),
        ]);
        for (before, after, prefix) in [
            ("/grafana", "/", Some("/grafana")),
            ("/grafana/d/1?x=/grafana", "/d/1?x=/grafana", Some("/grafana")),
            ("/grafanas", "/grafanas", None),
            ("/a/b/c", "/b/c", Some("/a")),
            ("/api/q?w", "/v2/api/q?w", None),
            ("/x/z", "/y/z", None),
            ("https://h.internal/api", "https://h.internal/v2/api", None),
            ("/", "/", None),
        ] {
            let mut uri: Uri = before.parse().expect("a target");
            let taken = rewrites.apply(&mut uri).expect("a path");
            assert_eq!(uri.to_string(), after, "{before}");
            assert_eq!(taken, prefix.map(HeaderValue::from_static), "{before}");
        }
        let mut uri: Uri = "/a".parse().expect("a target");
        let base = Rewrites::compile(&[rewrite("/", "/base")]);
        assert_eq!(base.apply(&mut uri), Ok(None));
        assert_eq!(uri, "/base/a");
    }

    #[test]
    fn a_prefix_goes_behind_the_one_that_is_there() {
        let mut headers = HeaderMap::new();
        set_prefix(&mut headers, &HeaderValue::from_static("/b"));
        assert_eq!(headers[X_FORWARDED_PREFIX], "/b");
        headers.insert(X_FORWARDED_PREFIX, HeaderValue::from_static("/a/"));
        set_prefix(&mut headers, &HeaderValue::from_static("/b"));
        assert_eq!(headers[X_FORWARDED_PREFIX], "/a/b");
    }
}
