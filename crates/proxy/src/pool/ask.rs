//! What a request asks of the pool, and what it hears when there is no place for it.

use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::Arc;

use conduit_core::policy::{Balance, HashKey, Sticky};
use foldhash::quality::FixedState;
use http::HeaderMap;

use crate::cookie;
use crate::upstream::Upstream;

/// What a request brings along for the choice; the same for all its tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wish {
    /// Requests with the same key go to the same upstream; only a consistent hash looks at it.
    pub key: u64,
    /// The id of the upstream that the client had before.
    pub held: Option<u64>,
}

impl Wish {
    /// What the head of a request from `client` wishes. Our own cookie is taken out of it: it is
    /// none of the upstream's business.
    pub(crate) fn of(
        balance: &Balance,
        sticky: Option<&Sticky>,
        headers: &mut HeaderMap,
        path: &str,
        client: IpAddr,
    ) -> Self {
        let key = match balance {
            Balance::Hash(key) => digest(key, headers, path, client),
            _ => 0,
        };
        let held = sticky.and_then(|sticky| cookie::take_id(headers, sticky.cookie.as_str()));
        Self { key, held }
    }

    /// What a connection from `client` wishes, of which nothing else is known.
    pub(crate) fn of_client(client: IpAddr) -> Self {
        Self { key: digest(&HashKey::Client, &HeaderMap::new(), "", client), held: None }
    }
}

fn digest(key: &HashKey, headers: &HeaderMap, path: &str, client: IpAddr) -> u64 {
    let value = match key {
        HashKey::Client => None,
        HashKey::Path => Some(path.as_bytes()),
        HashKey::Header(name) => headers.get(name.as_str()).map(http::HeaderValue::as_bytes),
        HashKey::Cookie(name) => cookie::find(headers, name.as_str()),
    };
    // Not keyed: several gateways send a client to the same upstream.
    match value {
        Some(value) => FixedState::default().hash_one(value),
        None => FixedState::default().hash_one(client.to_canonical()),
    }
}

/// One try of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// What it brought along.
    pub wish: Wish,
    /// Where it was already.
    pub tried: &'a [Arc<Upstream>],
    /// Whether an ejected upstream will do when none is admitted.
    pub any: bool,
}

impl Ask<'_> {
    pub(super) fn tried(&self, upstream: &Upstream) -> bool {
        self.tried.iter().any(|tried| std::ptr::eq(Arc::as_ptr(tried), upstream))
    }
}

/// Why there is no place for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No upstream is admitted, or all that are were tried.
    Nobody,
    /// Every upstream it may use has its fill.
    Full,
    /// The same, and so has the queue.
    QueueFull,
    /// It has waited for as long as it may.
    TimedOut,
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_key_comes_from_where_it_was_asked_for() {
        let client: IpAddr = "10.0.0.9".parse().expect("an address");
        let key = |balance: &str, cookies: &str, path: &str, client: IpAddr| {
            let mut headers = HeaderMap::new();
            headers.insert("cookie", HeaderValue::try_from(cookies).expect("a value"));
            headers.insert("x-user", HeaderValue::from_static("ada"));
            let balance = balance.parse().expect("a policy");
            Wish::of(&balance, None, &mut headers, path, client).key
        };
        let by_client = key("hash:client", "", "/a", client);
        assert_eq!(by_client, key("hash:client", "s=1", "/b", client));
        assert_eq!(by_client, Wish::of_client(client).key, "byte streams, too");
        let mapped = "::ffff:10.0.0.9".parse().expect("an address");
        assert_eq!(by_client, key("hash:client", "", "/a", mapped), "one client, two notations");
        assert_ne!(by_client, key("hash:client", "", "/a", "10.0.0.8".parse().expect("address")));
        assert_ne!(key("hash:path", "", "/a", client), key("hash:path", "", "/b", client));
        assert_ne!(key("hash:header:x-user", "", "/", client), by_client);
        assert_eq!(key("hash:header:x-none", "", "/", client), by_client, "has none: the client");
        let session = key("hash:cookie:session", "a=b; session=1", "/", client);
        assert_eq!(session, key("hash:cookie:session", "session=1; c=d", "/x", client));
        assert_ne!(session, key("hash:cookie:session", "session=2", "/", client));
        assert_eq!(key("round-robin", "", "/", client), 0);
    }
}
