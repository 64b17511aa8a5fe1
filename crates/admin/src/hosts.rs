//! Which hosts a request over TCP may name.
//!
//! A page in a browser can be made to resolve its own name to this listener's address (DNS
//! rebinding), and would then talk to the API as if it were its own. It cannot change the `Host`
//! that the browser sends, so only hosts that are ours are answered.

use std::net::{IpAddr, SocketAddr};

use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri, header};

use crate::error::ApiError;

/// The hosts under which the TCP listener answers.
#[derive(Debug)]
pub(crate) struct AllowedHosts {
    names: Vec<String>,
    address: Option<IpAddr>,
}

impl AllowedHosts {
    /// `localhost`, `conduit.<domain>` for each domain, and the listener's own address.
    pub(crate) fn new(domains: &[String], listen: Option<SocketAddr>) -> Self {
        let ours = domains.iter().map(|domain| format!("conduit.{domain}"));
        Self {
            names: std::iter::once("localhost".to_owned()).chain(ours).collect(),
            address: listen.map(|address| address.ip()),
        }
    }

    /// Whether a request may pass; `local` is the address its connection came in on.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        local: Option<IpAddr>,
    ) -> Result<(), ApiError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(refused("a request needs exactly one Host"));
        };
        let host = host.to_str().ok().and_then(|text| text.parse().ok());
        let Some(host) = host else {
            return Err(refused("the Host of the request is not a host"));
        };
        // An absolute-form target goes before Host (RFC 9112 §3.2.2): both must be ours.
        for authority in [Some(&host), uri.authority()].into_iter().flatten() {
            if !self.allows(authority, local) {
                return Err(refused("this API does not answer under that Host"));
            }
        }
        Ok(())
    }

    fn allows(&self, authority: &Authority, local: Option<IpAddr>) -> bool {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse::<IpAddr>() {
            let address = address.to_canonical();
            return [local, self.address]
                .into_iter()
                .flatten()
                .any(|ours| ours.to_canonical() == address);
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

fn refused(message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "host_refused", message)
        .hint("use the listener's address, localhost, or conduit.<domain>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_hosts_are_answered() {
        let listen: SocketAddr = "0.0.0.0:9999".parse().expect("valid");
        let hosts = AllowedHosts::new(&["internal".into(), "lab.local".into()], Some(listen));
        let local: IpAddr = "10.0.0.1".parse().expect("valid");
        for (host, allowed) in [
            ("localhost", true),
            ("LOCALHOST:9999", true),
            ("conduit.internal", true),
            ("conduit.internal.:9999", true),
            ("conduit.lab.local", true),
            ("10.0.0.1:9999", true),
            ("0.0.0.0:9999", true),
            ("[::ffff:10.0.0.1]:9999", true),
            ("10.0.0.2", false),
            ("grafana.internal", false),
            ("evil.example", false),
            ("conduit.internal.evil.example", false),
            ("", false),
            ("a b", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("a header"));
            let uri = Uri::from_static("/");
            let result = hosts.check(&headers, &uri, Some(local));
            assert_eq!(result.is_ok(), allowed, "{host}");
        }
        let uri = Uri::from_static("/");
        assert!(hosts.check(&HeaderMap::new(), &uri, Some(local)).is_err());
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost".parse().expect("a header"));
        let uri = Uri::from_static("http://evil.example/");
        assert!(hosts.check(&headers, &uri, Some(local)).is_err());
        headers.append(header::HOST, "localhost".parse().expect("a header"));
        let uri = Uri::from_static("/");
        assert!(hosts.check(&headers, &uri, Some(local)).is_err());
    }
}
