//! Which host a request is for.
//!
//! **Invariant:** what comes out is lower case, has no port and no trailing dot, and is made of
//! letters, digits, `-`, `_` and `.` only (or is an address in brackets), so that it can be looked
//! up and written to logs. A request has exactly one host or is refused.

use std::borrow::Cow;

use http::header::{self, HeaderMap};
use http::{Uri, Version};

use crate::failure::FailureKind;

/// The host of a request, from `:authority`, an absolute target, or `Host`.
///
/// They must agree where there are several (RFC 9112 §3.2, RFC 9113 §8.3.1).
pub(crate) fn of_request<'a>(
    uri: &'a Uri,
    headers: &'a HeaderMap,
    version: Version,
) -> Result<Cow<'a, str>, FailureKind> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(FailureKind::BadAuthority("there is more than one Host"));
    }
    let host = host
        .map(|value| {
            let text = value.to_str().map_err(|_| NOT_A_HOST)?;
            parse(text).ok_or(NOT_A_HOST)
        })
        .transpose()?;
    let target =
        uri.authority().map(|authority| parse(authority.as_str()).ok_or(NOT_A_HOST)).transpose()?;
    match (target, host) {
        (Some(target), Some(host)) if target != host => {
            Err(FailureKind::BadAuthority("Host and the request's target disagree"))
        }
        // RFC 9112 §3.2: every HTTP/1.1 request has a Host, an absolute target or not.
        (Some(_), None) if version == Version::HTTP_11 => Err(NO_HOST),
        (Some(name), _) | (None, Some(name)) => Ok(name),
        (None, None) => Err(NO_HOST),
    }
}

/// Parses `HOST[:PORT]` into a host to look up; `None` when it is not one.
pub(crate) fn parse(text: &str) -> Option<Cow<'_, str>> {
    let (host, port) = split_port(text)?;
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    if !digits || (!port.is_empty() && port.parse::<u16>().is_err()) {
        return None;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || host.len() > HOST_BYTES_MAX {
        return None;
    }
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Some(Cow::Owned(host.to_ascii_lowercase()))
    } else {
        Some(Cow::Borrowed(host))
    }
}

/// Splits the port off; it is empty when there is none.
fn split_port(text: &str) -> Option<(&str, &str)> {
    if text.starts_with('[') {
        let end = text.find(']')?;
        let (host, rest) = text.split_at(end + 1);
        let inner = &host[1..end];
        inner.parse::<std::net::Ipv6Addr>().ok()?;
        return match rest {
            "" => Some((host, "")),
            _ => rest.strip_prefix(':').map(|port| (host, port)),
        };
    }
    let (host, port) = text.split_once(':').unwrap_or((text, ""));
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let dotted_well = !host.starts_with('.') && !host.contains("..");
    (host.bytes().all(legal) && dotted_well).then_some((host, port))
}

const NOT_A_HOST: FailureKind = FailureKind::BadAuthority("it is not a host name");
const NO_HOST: FailureKind = FailureKind::BadAuthority("there is none");
/// Names are at most 253 octets in presentation form.
const HOST_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn hosts_are_folded_and_ports_cut_off() {
        for (text, expected) in [
            ("grafana.internal", Some("grafana.internal")),
            ("Grafana.Internal.:8443", Some("grafana.internal")),
            ("grafana.internal:", Some("grafana.internal")),
            ("10.0.0.1:80", Some("10.0.0.1")),
            ("[::1]:443", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            ("[::1]x", None),
            ("[zz]", None),
            ("a:b", None),
            ("a:99999", None),
            ("a:+1", None),
            ("a@b", None),
            ("a b", None),
            ("a..b", None),
            (".a", None),
            ("", None),
            (".", None),
            (":80", None),
            ("a/b", None),
        ] {
            assert_eq!(parse(text).as_deref(), expected, "{text}");
        }
        assert_eq!(parse(&"a".repeat(254)), None);
    }

    #[test]
    fn a_request_has_exactly_one_host() {
        let bad = |uri: &str, hosts: &[&'static str], version| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_static(host));
            }
            let uri: Uri = uri.parse().expect("target");
            of_request(&uri, &headers, version).map(Cow::into_owned)
        };
        let v11 = Version::HTTP_11;
        assert_eq!(bad("/", &["A.internal"], v11).as_deref(), Ok("a.internal"));
        assert!(bad("/", &[], v11).is_err());
        assert!(bad("/", &["a.internal", "a.internal"], v11).is_err());
        assert!(bad("http://a.internal/", &["b.internal"], v11).is_err());
        assert!(bad("http://a.internal/", &[], v11).is_err());
        assert!(bad("http://a.internal:80/", &["a.internal"], v11).is_ok());
        assert!(bad("https://a.internal/", &[], Version::HTTP_2).is_ok());
    }
}
