//! Which fields are claims: about where a request came from, and about who sent it.
//!
//! Upstreams believe such fields, so nobody but us, and proxies that the operator trusts, may set
//! them. CGI and its heirs fold `-`, `_` and `.` into one, so every spelling counts.
//!
//! **Invariant:** whatever spelling an upstream could fold into a claim is a claim here.

use http::header::{HeaderMap, HeaderName};

/// Removes what a client claims. With `trusted`, what a proxy said stays, except what is set by us
/// anyway and what only looks like it.
pub(super) fn drop_claims(headers: &mut HeaderMap, trusted: bool) {
    let goes = if trusted { is_alias } else { is_claim };
    // Most requests have none, so the usual cost is one pass.
    while let Some(name) = headers.keys().find(|name| goes(name)).cloned() {
        headers.remove(name);
    }
}

/// Whether a field claims something about the client.
fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    match name {
        WORD => false,
        [b'x', b'-' | b'_' | b'.', rest @ ..] => EXTENDED.iter().any(|claim| claim.fits(rest)),
        [b'c' | b'f' | b'r' | b's' | b't', ..] => PLAIN.iter().any(|claim| claim.fits(name)),
        _ => false,
    }
}

/// Whether a field is a claim in a spelling that nobody means well with.
fn is_alias(name: &HeaderName) -> bool {
    name.as_str().contains(['_', '.']) && is_claim(name)
}

/// Names of claims, with `-` where `_` and `.` count as well.
enum Claim {
    /// Just this one.
    Is(&'static str),
    /// All that begin like this.
    Begins(&'static str),
    /// Just this one, unless it is spelled right.
    Alias(&'static str),
}

impl Claim {
    fn fits(&self, name: &[u8]) -> bool {
        match self {
            Self::Is(whole) => whole.len() == name.len() && begins(name, whole),
            Self::Begins(start) => begins(name, start),
            Self::Alias(whole) => {
                whole.len() == name.len() && begins(name, whole) && name != whole.as_bytes()
            }
        }
    }
}

fn begins(name: &[u8], start: &str) -> bool {
    let folded =
        |(is, should): (&u8, u8)| *is == should || (should == b'-' && matches!(is, b'_' | b'.'));
    name.len() >= start.len() && name.iter().zip(start.bytes()).all(folded)
}

/// Claims that do not begin with `x-`.
const PLAIN: [Claim; 10] = [
    Claim::Is("client-ip"),
    // Where a request ends; CGI takes either spelling.
    Claim::Alias("content-length"),
    Claim::Alias("transfer-encoding"),
    Claim::Is("forwarded"),
    // Authelia's and CGI's: the user, the groups, the name, the address.
    Claim::Begins("remote-"),
    // nginx's and Apache's words for a client's certificate.
    Claim::Begins("ssl-client-"),
    Claim::Begins("tailscale-user-"),
    Claim::Is("true-client-ip"),
    Claim::Is("cf-connecting-ip"),
    Claim::Begins("cf-access-"),
];
/// Claims that begin with `x-`, without it.
const EXTENDED: [Claim; 23] = [
    Claim::Begins("forwarded"),
    Claim::Is("real-ip"),
    Claim::Begins("remote-"),
    // oauth2-proxy's.
    Claim::Begins("auth-request-"),
    // Authentik's.
    Claim::Begins("authentik-"),
    Claim::Begins("authenticated-"),
    // Grafana's.
    Claim::Begins("webauth-"),
    // Kong's.
    Claim::Begins("consumer-"),
    // Traefik's, HAProxy's and Envoy's words for a client's certificate.
    Claim::Begins("client-cert"),
    Claim::Begins("client-dn"),
    Claim::Begins("client-verify"),
    Claim::Begins("ssl-"),
    // Azure's, AWS's and Google's.
    Claim::Begins("ms-client-principal"),
    Claim::Begins("amzn-oidc-"),
    Claim::Begins("goog-authenticated-user-"),
    Claim::Begins("goog-iap-"),
    Claim::Begins("pomerium-"),
    Claim::Begins("vouch-"),
    // Cloudflare's and Fastly's, and many a framework's.
    Claim::Is("client-ip"),
    Claim::Is("cluster-client-ip"),
    // Ours.
    Claim::Begins("conduit-"),
    // Frameworks take the path from these, past every rule about paths.
    Claim::Begins("original-"),
    Claim::Begins("rewrite-"),
];

/// What our own dashboard repeats with each change: no claim, and spelled like this only.
const WORD: &[u8] = b"x-conduit-csrf";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn claims_are_known_in_every_spelling() {
        for (name, expected) in [
            ("forwarded", true),
            ("x-forwarded-for", true),
            ("x_forwarded_for", true),
            ("x.forwarded-proto", true),
            ("x-forwarded-user", true),
            ("x-forwarded", true),
            ("x-real-ip", true),
            ("x_real.ip", true),
            ("remote-user", true),
            ("remote_user", true),
            ("x-remote-user", true),
            ("x-auth-request-email", true),
            ("x_auth_request_email", true),
            ("x-webauth-user", true),
            ("x-authenticated-user", true),
            ("x-consumer-id", true),
            ("x-client-cert", true),
            ("x-client-cert-dn", true),
            ("ssl-client-verify", true),
            ("x-ssl-client-verify", true),
            ("x_ssl_cert", true),
            ("x-client-dn", true),
            ("x-client-verify", true),
            ("x-ms-client-principal-name", true),
            ("x-amzn-oidc-identity", true),
            ("x-amzn-trace-id", false),
            ("x-goog-authenticated-user-email", true),
            ("x-goog-iap-jwt-assertion", true),
            ("x-goog-api-key", false),
            ("x-pomerium-jwt-assertion", true),
            ("x-vouch-user", true),
            ("ssl_client_s_dn", true),
            ("x-conduit-user", true),
            ("x-conduit-csrf", false),
            ("x_conduit_csrf", true),
            ("x-conduit-csrf-user", true),
            ("x-original-url", true),
            ("true-client-ip", true),
            ("x-request-id", false),
            ("x-requested-with", false),
            ("x-real-ipv6", false),
            ("accept", false),
            ("referer", false),
            ("sec-fetch-mode", false),
            ("cookie", false),
            ("content-type", false),
            ("content-length", false),
            ("content_length", true),
            ("transfer.encoding", true),
            ("transfer-encoding", false),
            ("te", false),
            ("x", false),
            ("x-", false),
        ] {
            let name = HeaderName::from_static(name);
            assert_eq!(is_claim(&name), expected, "{name}");
        }
    }

    #[test]
    fn a_trusted_proxy_is_believed_but_not_its_look_alikes() {
        let mut headers = HeaderMap::new();
        for name in ["remote-user", "remote_user", "x-forwarded-prefix", "x.forwarded.prefix"] {
            headers.insert(name, HeaderValue::from_static("a"));
        }
        drop_claims(&mut headers, true);
        let mut kept: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["remote-user", "x-forwarded-prefix"]);
        drop_claims(&mut headers, false);
        assert!(headers.is_empty());
    }
}
