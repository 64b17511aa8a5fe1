//! A URL that messages go to.
//!
//! **Invariant:** shown with its host only: paths of webhooks are secrets.

use std::fmt;

use http::Uri;

/// An `http` or `https` URL.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place(Uri);

impl Place {
    /// Takes a URL of one of the schemes `http` and `https`, with a host and without a password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "write a URL such as https://alerts.example/hook".to_owned();
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority().ok_or_else(wrong)?;
        if !is_http || authority.host().is_empty() {
            return Err(wrong());
        }
        if authority.as_str().contains('@') {
            return Err("a URL has no name and password in it; use secret_file".into());
        }
        Ok(Self(uri))
    }

    pub(super) fn is_tls(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// The host, an IPv6 address without its brackets.
    pub(super) fn host(&self) -> &str {
        self.0.host().unwrap_or_default().trim_matches(['[', ']'])
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or_else(|| if self.is_tls() { 443 } else { 80 })
    }

    /// What the `Host` field says.
    pub(super) fn authority(&self) -> &str {
        self.0.authority().map_or("", |authority| authority.as_str())
    }

    /// Path and query.
    pub(super) fn path(&self) -> &str {
        self.0.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The same host with another path.
    pub(super) fn at(&self, path: &str) -> Option<Self> {
        let mut parts = self.0.clone().into_parts();
        parts.path_and_query = Some(path.parse().ok()?);
        Uri::from_parts(parts).ok().map(Self)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.0.scheme_str().unwrap_or_default(), self.authority())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_show_their_host_only() {
        let place =
            Place::parse("https://hooks.example:8443/services/T0/SECRET?x=1").expect("a URL");
        assert_eq!((place.host(), place.port()), ("hooks.example", 8443));
        assert_eq!(place.path(), "/services/T0/SECRET?x=1");
        assert_eq!(format!("{place} {place:?}").matches("SECRET").count(), 0);
        assert_eq!(Place::parse("http://[::1]/").expect("a URL").host(), "::1");
        for bad in ["", "ftp://x/", "/hook", "https://a:b@c/", "https://", "x y"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }
}
