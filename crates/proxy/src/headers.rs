//! What changes between the head a client sent and the head an upstream gets, and back.
//!
//! **Invariant:** no hop-by-hop field crosses (RFC 9110 §7.6.1), listed ones included; what tells an
//! upstream about the client is ours, or a trusted proxy's, whatever anybody else claimed; there is
//! exactly one `Host`. What a client lists in `Connection` is gone before anything is set by us.

mod claims;
pub(crate) mod told;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::IpAddr;

use conduit_core::policy::HostPolicy;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::framing::{self, OtherCoding};
use crate::limits::REQUEST_ID_BYTES_MAX;
use crate::upstream::{Upstream, own_host};

/// What an upstream is told about the client of one connection, prepared once per connection; once
/// per request behind a trusted proxy.
#[derive(Debug)]
pub(crate) struct Client {
    address: IpAddr,
    real_ip: HeaderValue,
    forwarded_for: HeaderValue,
    scheme: &'static str,
    /// What the client asked a trusted proxy for.
    host: Option<HeaderValue>,
    forwarded: String,
    /// The host that was asked for last, and the whole of `Forwarded` with it: the requests of a
    /// connection are nearly always for one host.
    last: RefCell<Option<(HeaderValue, HeaderValue)>>,
}

impl Client {
    /// A client at this address, over `https` or `http`.
    pub(crate) fn new(address: IpAddr, scheme: &'static str) -> Self {
        Self::behind(&[address.to_canonical()], scheme, None)
    }

    /// A client with the proxies between it and us, the client first.
    fn behind(hops: &[IpAddr], scheme: &'static str, host: Option<HeaderValue>) -> Self {
        let mut chain = String::new();
        let mut forwarded = String::new();
        for (place, hop) in hops.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            // Writing to a String cannot fail.
            let written = write!(chain, "{comma}{hop}").and_then(|()| match hop {
                IpAddr::V4(_) => write!(forwarded, "{comma}for={hop}"),
                IpAddr::V6(_) => write!(forwarded, "{comma}for=\"[{hop}]\""),
            });
            debug_assert!(written.is_ok());
        }
        forwarded.push_str(";proto=");
        forwarded.push_str(scheme);
        forwarded.push_str(";host=");
        let address = hops.first().copied().unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
        // Invariant: addresses and commas are visible ASCII.
        let value = |text: String| {
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
        };
        let real_ip = value(address.to_string());
        // One allocation for both, in the usual case.
        let forwarded_for = if hops.len() == 1 { real_ip.clone() } else { value(chain) };
        let last = RefCell::default();
        Self { address, real_ip, forwarded_for, scheme, host, forwarded, last }
    }

    /// Where the client is: what lists of addresses, limits and logs go by.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether the client came over TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.scheme == "https"
    }

    /// What the client asked for; `host` is what it asked us for, unless a proxy knows better.
    pub(crate) fn asked_for<'a>(&'a self, host: &'a HeaderValue) -> &'a HeaderValue {
        self.host.as_ref().unwrap_or(host)
    }
}

/// Takes from a client's head what is not to be passed on, before anything looks at it or adds to
/// it. `trusted` says whether the client is a proxy whose claims are believed; `request_id` is used
/// when the client gave none, or none that is fit to be logged.
pub(crate) fn receive(
    headers: &mut HeaderMap,
    trusted: bool,
    request_id: impl FnOnce() -> HeaderValue,
) {
    let trailers = wants_trailers(headers);
    strip(headers);
    remove(headers, is_of_requests);
    claims::drop_claims(headers, trusted);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        // RFC 9110 §10.1.4: TE is listed, since it ends at the next hop.
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    headers.remove(header::EXPECT);
    if !headers.get(&X_REQUEST_ID).is_some_and(is_sane_id) {
        headers.insert(X_REQUEST_ID, request_id());
    }
}

/// Tells an upstream about the client. `host` is what the client asked us for, port and all.
pub(crate) fn announce(headers: &mut HeaderMap, client: &Client, host: HeaderValue) {
    let asked_for = client.asked_for(&host);
    headers.insert(header::FORWARDED, forwarded(client, asked_for));
    headers.insert(X_FORWARDED_HOST, asked_for.clone());
    headers.insert(X_FORWARDED_FOR, client.forwarded_for.clone());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(client.scheme));
    headers.insert(X_REAL_IP, client.real_ip.clone());
    headers.insert(header::HOST, host);
}

/// What `Host` says to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostField {
    /// What the client asked us for.
    Keep,
    /// The upstream's own address.
    Upstream,
    /// Always this.
    Fixed(HeaderValue),
}

impl HostField {
    /// Makes a policy ready.
    pub(crate) fn of(policy: Option<&HostPolicy>) -> Self {
        match policy {
            None | Some(HostPolicy::Keep) => Self::Keep,
            Some(HostPolicy::Upstream) => Self::Upstream,
            // A text that cannot be a field was refused when the policy was read.
            Some(HostPolicy::Fixed(host)) => {
                HeaderValue::from_str(host).map_or(Self::Keep, Self::Fixed)
            }
        }
    }
}

/// Sets `Host` for a try with `upstream`; what the client asked for stays in `X-Forwarded-Host`.
pub(crate) fn set_host(headers: &mut HeaderMap, field: &HostField, upstream: &Upstream) {
    let host = match field {
        HostField::Keep => return,
        HostField::Fixed(host) => host.clone(),
        // Invariant: an upstream's address is visible ASCII.
        HostField::Upstream => match HeaderValue::try_from(own_host(upstream.addr())) {
            Ok(host) => host,
            Err(_) => return,
        },
    };
    headers.insert(header::HOST, host);
}

/// Turns a client's head into the beginning of a question about it: without hop-by-hop fields and
/// without what it claims.
pub(crate) fn drop_for_question(headers: &mut HeaderMap) {
    strip(headers);
    remove(headers, is_of_requests);
    claims::drop_claims(headers, false);
}

/// Whether the client waits to be told that its body may follow.
pub(crate) fn expects_continue(headers: &HeaderMap) -> bool {
    let expected = headers.get(header::EXPECT);
    expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(CONTINUE.as_bytes()))
}

/// Asks the upstream whether the body may follow.
pub(crate) fn expect_continue(headers: &mut HeaderMap) {
    headers.insert(header::EXPECT, HeaderValue::from_static(CONTINUE));
}

/// Whether a request is gRPC's, whose two directions go on independently.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(GRPC.as_bytes()))
}

/// Turns an upstream's head into what the client gets.
pub(crate) fn to_client(headers: &mut HeaderMap) -> Result<(), OtherCoding> {
    let judged = framing::of_response(headers);
    strip(headers);
    judged
}

/// Takes from a client's trailers what they may not say (RFC 9110 §6.5.1): an upstream may take them
/// for fields of the head, which was judged without them.
pub(crate) fn receive_trailers(trailers: &mut HeaderMap) {
    strip(trailers);
    remove(trailers, is_of_requests);
    remove(trailers, is_of_heads);
    claims::drop_claims(trailers, false);
}

/// The same for an upstream's.
pub(crate) fn trailers_to_client(trailers: &mut HeaderMap) {
    strip(trailers);
    remove(trailers, is_of_heads);
}

/// Whether an upstream switches to something that `asked` names (RFC 9110 §7.8).
pub(crate) fn is_asked_for(asked: &HeaderValue, headers: &HeaderMap) -> bool {
    let members = |value: &HeaderValue| {
        let members = value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
        members.map(<[u8]>::to_ascii_lowercase).collect::<Vec<_>>()
    };
    let asked = members(asked);
    headers.get_all(header::UPGRADE).iter().flat_map(members).all(|one| asked.contains(&one))
}

/// The protocol that a request or a response switches to, when it does.
///
/// `h2c` is not passed on: nothing behind us could be told apart from requests any more.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let listed = tokens(headers, &header::CONNECTION).any(|t| t.eq_ignore_ascii_case(b"upgrade"));
    let protocol = headers.get(header::UPGRADE)?;
    // What is not text could hide the word.
    let h2c = protocol.to_str().ok()?.to_ascii_lowercase().contains("h2c");
    (listed && !h2c).then(|| protocol.clone())
}

/// Says that this head switches the connection to `protocol`.
pub(crate) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    let listed = match headers.contains_key(header::TE) {
        true => "upgrade, te",
        false => "upgrade",
    };
    headers.insert(header::CONNECTION, HeaderValue::from_static(listed));
    headers.insert(header::UPGRADE, protocol);
}

/// Whether a request id can be kept: short, visible, nothing that a log could trip over.
fn is_sane_id(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    !bytes.is_empty() && bytes.len() <= REQUEST_ID_BYTES_MAX && bytes.iter().all(plain)
}

/// Removes the hop-by-hop fields, and those that `Connection` lists.
fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let listed: Vec<HeaderName> = tokens(headers, &header::CONNECTION)
            // What is listed most goes in any case, and needs no name of its own.
            .filter(|token| !token.eq_ignore_ascii_case(KEEP_ALIVE.as_bytes()))
            .filter_map(|token| HeaderName::from_bytes(token).ok())
            .filter(|name| !KEPT.contains(name))
            .collect();
        for name in listed {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    remove(headers, is_hop_by_hop);
}

/// Most heads have none of what goes, so the usual cost is one look at each name.
fn remove(headers: &mut HeaderMap, goes: fn(&HeaderName) -> bool) {
    while let Some(name) = headers.keys().find(|name| goes(name)).cloned() {
        headers.remove(name);
    }
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TE)
        && tokens(headers, &header::TE).any(|t| t.eq_ignore_ascii_case(b"trailers"))
}

/// The members of a comma-separated field, over all its lines. A member that is not text spoils
/// none of the others.
pub(crate) fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

/// `for=…;proto=…;host=…` (RFC 7239).
fn forwarded(client: &Client, host: &HeaderValue) -> HeaderValue {
    let mut last = client.last.borrow_mut();
    match &*last {
        Some((asked, whole)) if asked == host => whole.clone(),
        _ => {
            let whole = write_forwarded(client, host);
            // A copy: the field itself is a part of the buffer that the head was read into, which
            // would stay for as long as the connection does.
            let kept = HeaderValue::from_bytes(host.as_bytes());
            *last = kept.ok().map(|host| (host, whole.clone()));
            whole
        }
    }
}

fn write_forwarded(client: &Client, host: &HeaderValue) -> HeaderValue {
    let host = host.to_str().unwrap_or_default();
    let mut text = String::with_capacity(client.forwarded.len() + host.len() + 2);
    text.push_str(&client.forwarded);
    // A port or brackets make it more than a token. Writing to a String cannot fail.
    let quoted = host.contains([':', '[']);
    let written = if quoted { write!(text, "\"{host}\"") } else { write!(text, "{host}") };
    written
        .ok()
        .and_then(|()| HeaderValue::try_from(text).ok())
        .unwrap_or_else(|| HeaderValue::from_static("for=unknown"))
}

/// Whether a field ends at this hop even when `Connection` does not list it.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        KEEP_ALIVE | "proxy-connection" | "proxy-authenticate" | "transfer-encoding" | "upgrade"
    )
}

/// The same of those that only requests have.
fn is_of_requests(name: &HeaderName) -> bool {
    matches!(name.as_str(), "http2-settings" | "proxy-authorization" | "te")
}

/// Whether a field belongs in a head, since it says how the message is framed, routed, authorised or
/// read.
fn is_of_heads(name: &HeaderName) -> bool {
    OF_HEADS.contains(name)
}

const KEEP_ALIVE: &str = "keep-alive";
/// See [`is_of_heads`].
const OF_HEADS: [HeaderName; 14] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::EXPECT,
    header::HOST,
    header::MAX_FORWARDS,
    header::RANGE,
    header::SET_COOKIE,
    header::TE,
    header::TRAILER,
];
/// Fields that a client cannot have removed by listing them: the framing stays ours.
const KEPT: [HeaderName; 2] = [header::CONTENT_LENGTH, header::HOST];
const CONTINUE: &str = "100-continue";
const GRPC: &str = "application/grpc";
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// Ties the lines of several logs together.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn sent(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = map(lines);
        let client = Client::new("10.0.0.9".parse().expect("address"), "https");
        let host = HeaderValue::from_static("grafana.internal:8443");
        receive(&mut headers, false, || HeaderValue::from_static("made"));
        announce(&mut headers, &client, host);
        headers
    }

    #[test]
    fn nothing_of_a_head_is_kept_for_the_next() {
        let client = Client::new([10, 0, 0, 7].into(), "https");
        let buffer = bytes::Bytes::copy_from_slice(b"host: web.internal\r\n\r\n");
        let host = HeaderValue::from_maybe_shared(buffer.slice(6..18)).expect("a host");
        for _ in 0..2 {
            let told = forwarded(&client, &host);
            assert_eq!(told, "for=10.0.0.7;proto=https;host=web.internal");
        }
        drop(host);
        assert!(buffer.is_unique(), "a quiet connection would keep the buffer it was read into");
    }

    #[test]
    fn hop_by_hop_fields_end_here() {
        let headers = sent(&[
            ("connection", "close, X-Secret , host, content-length"),
            ("connection", "x-other"),
            ("x-secret", "1"),
            ("x-other", "2"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic eA=="),
            ("te", "gzip, trailers"),
            ("upgrade", "h2c"),
            ("content-length", "3"),
            ("accept", "*/*"),
        ]);
        assert_eq!(headers["connection"], "te");
        for gone in ["x-secret", "x-other", "keep-alive", "upgrade"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["content-length"], "3");
        assert_eq!(headers["host"], "grafana.internal:8443");
        assert_eq!(headers["accept"], "*/*");
    }

    #[test]
    fn claims_of_clients_are_replaced() {
        let headers = sent(&[
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-for", "5.6.7.8"),
            ("x_forwarded_for", "9.9.9.9"),
            ("x-forwarded-prefix", "/admin"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("x-request-id", "has space"),
        ]);
        let all = |name: &str| headers.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(all("x-forwarded-for"), ["10.0.0.9"]);
        assert_eq!(all("x-real-ip"), ["10.0.0.9"]);
        assert_eq!(all("x-forwarded-proto"), ["https"]);
        assert_eq!(all("x-forwarded-host"), ["grafana.internal:8443"]);
        assert_eq!(all("forwarded"), ["for=10.0.0.9;proto=https;host=\"grafana.internal:8443\""]);
        assert_eq!(all("x-request-id"), ["made"]);
        assert!(!headers.contains_key("x_forwarded_for"));
        assert!(!headers.contains_key("x-forwarded-prefix"));
    }

    #[test]
    fn a_sane_request_id_is_kept() {
        let headers = sent(&[("x-request-id", "3f2a-77")]);
        assert_eq!(headers["x-request-id"], "3f2a-77");
    }

    #[test]
    fn upgrades_need_both_fields_and_never_h2c() {
        let asks = |lines: &[_]| upgrade(&map(lines)).is_some();
        assert!(asks(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]));
        assert!(!asks(&[("upgrade", "websocket")]));
        assert!(!asks(&[("connection", "upgrade"), ("upgrade", "h2c")]));
        assert!(!asks(&[("connection", "upgrade")]));
    }
}
