//! Paths that lead somewhere else.
//!
//! **Invariant:** a redirect to a path names the scheme and the host that the client used, and never
//! leads a client in circles on its own.

use conduit_core::policy::{PathPrefix, Redirect};
use http::header::{self, HeaderValue};
use http::{Response, StatusCode, Uri};

use super::Visitor;
use crate::body::ResponseBody;
use crate::respond;

/// The redirects of a route.
#[derive(Debug)]
pub(super) struct Redirects(Box<[Rule]>);

#[derive(Debug)]
struct Rule {
    from: PathPrefix,
    to: Box<str>,
    status: StatusCode,
    /// Where a target is that `from` covers itself: there it does not apply.
    inside: Option<PathPrefix>,
}

impl Redirects {
    pub(super) fn compile(redirects: &[Redirect]) -> Self {
        Self(redirects.iter().map(Rule::of).collect())
    }

    /// The answer to a request, when one of them fits: the first.
    pub(super) fn answer(
        &self,
        uri: &Uri,
        visitor: &Visitor<'_>,
    ) -> Option<Response<ResponseBody>> {
        let path = uri.path();
        let (rule, rest) = self.0.iter().find_map(|rule| Some((rule, rule.rest(path)?)))?;
        let location = rule.location(rest, uri.query());
        let location = if rule.to.starts_with('/') {
            let scheme = if visitor.is_tls { "https" } else { "http" };
            let host = visitor.host.to_str().ok()?;
            format!("{scheme}://{host}{location}")
        } else {
            location
        };
        let mut response =
            respond::own(rule.status, "text/plain; charset=utf-8", MOVED.as_bytes().into());
        response.headers_mut().insert(header::LOCATION, HeaderValue::try_from(location).ok()?);
        Some(response)
    }
}

impl Rule {
    fn of(redirect: &Redirect) -> Self {
        let to = redirect.to.as_str();
        let path = to.split(['?', '#']).next().unwrap_or(to);
        let inside = path.parse::<PathPrefix>().ok();
        Self {
            from: redirect.from.clone(),
            to: to.into(),
            status: StatusCode::from_u16(redirect.status.get())
                .unwrap_or(StatusCode::PERMANENT_REDIRECT),
            inside: inside.filter(|target| redirect.from.rest(target.as_str()).is_some()),
        }
    }

    /// What follows in a path that this redirect is for.
    fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        let arrived = self.inside.as_ref().is_some_and(|target| target.rest(path).is_some());
        if arrived { None } else { self.from.rest(path) }
    }

    /// The target, with what follows when it asks for that, and with the query.
    fn location(&self, rest: &str, query: Option<&str>) -> String {
        let (to, fragment) = match self.to.find('#') {
            Some(place) => self.to.split_at(place),
            None => (&*self.to, ""),
        };
        let mut location = to.to_owned();
        if to.ends_with('/') {
            location.push_str(rest.trim_start_matches('/'));
        }
        if let Some(query) = query {
            location.push(if to.contains('?') { '&' } else { '?' });
            location.push_str(query);
        }
        location.push_str(fragment);
        location
    }
}

/// For people whose programs do not follow.
const MOVED: &str = "this has moved\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(from: &str, to: &str, uri: &str) -> Option<String> {
        let redirect = Redirect {
            from: from.parse().expect("a prefix"),
            to: to.parse().expect("a target"),
            status: "302".parse().expect("a status"),
        };
        let rule = Rule::of(&redirect);
        let uri: Uri = uri.parse().expect("a target");
        rule.rest(uri.path()).map(|rest| rule.location(rest, uri.query()))
    }

    #[test]
    fn what_follows_is_appended_when_the_target_ends_with_a_slash() {
        for (from, to, uri, expected) in [
            ("/old", "/new", "/old", Some("/new")),
            ("/old", "/new", "/old/a?b=c", Some("/new?b=c")),
            ("/old", "/new/", "/old/a/b?c=d", Some("/new/a/b?c=d")),
            ("/old", "/new/", "/old", Some("/new/")),
            ("/old", "/new", "/older", None),
            ("/old", "https://x.internal/y/", "/old/z", Some("https://x.internal/y/z")),
            ("/old", "/new?a=1#top", "/old?b=2", Some("/new?a=1&b=2#top")),
            ("/", "https://x.internal/", "/a?b", Some("https://x.internal/a?b")),
            // What is there already stays there.
            ("/", "/app/", "/", Some("/app/")),
            ("/", "/app/", "/app/x", None),
            ("/a", "/a", "/a", None),
        ] {
            assert_eq!(leads(from, to, uri).as_deref(), expected, "{from} {to} {uri}");
        }
    }
}
