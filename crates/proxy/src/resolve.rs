//! Host names of upstreams, looked up outside the request path.
//!
//! Only the prober asks; requests use the address that it found last. A name is looked up before
//! every probe, so an upstream that moves is followed within one interval.
//!
//! **Invariant:** an address that the configuration does not allow is never handed on, also when it
//! hides behind a name.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use conduit_core::upstream::{UpstreamAddr, UpstreamHost};
use tokio::net::lookup_host;

use crate::connect::Connector;

/// Looks up upstreams with the system's resolver, for those who then connect; cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    allows: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    connector: Connector,
}

impl Resolver {
    /// A resolver that hands on the addresses that `allows` lets through.
    pub fn new(allows: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self { allows: Arc::new(allows), connector: Connector::default() }
    }

    /// The same, for connections opened by `connector`.
    #[must_use]
    pub fn with_connector(self, connector: Connector) -> Self {
        Self { connector, ..self }
    }

    /// What opens connections to what was found.
    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Where to try to connect, in this order: `last` first while the name still has it.
    ///
    /// # Errors
    /// When there is no address, as for a Unix socket, or none that is allowed. Literal addresses were judged when they
    /// were registered.
    pub async fn lookup(
        &self,
        addr: &UpstreamAddr,
        last: Option<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let name = match addr.host() {
            UpstreamHost::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, addr.port())]),
            UpstreamHost::Name(name) => name,
            UpstreamHost::Unix(_) => return Err(ResolveError::NotFound),
        };
        let found =
            lookup_host((&**name, addr.port())).await.map_err(|_| ResolveError::NotFound)?;
        self.choose(found, last)
    }

    fn choose(
        &self,
        found: impl Iterator<Item = SocketAddr>,
        last: Option<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let mut all = found.peekable();
        if all.peek().is_none() {
            return Err(ResolveError::NotFound);
        }
        let mut allowed: Vec<SocketAddr> = Vec::new();
        for socket in all.filter(|socket| (self.allows)(socket.ip().to_canonical())) {
            if !allowed.contains(&socket) {
                allowed.push(socket);
            }
        }
        // Stable: only the last one moves to the front.
        allowed.sort_by_key(|socket| Some(*socket) != last);
        allowed.truncate(ADDRESSES_MAX);
        if allowed.is_empty() { Err(ResolveError::NotAllowed) } else { Ok(allowed) }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// Why an upstream has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// All of its addresses are refused by the configuration.
    #[error("the name resolves to an address that is not allowed")]
    NotAllowed,
    /// The name is unknown, or the resolver did not answer.
    #[error("the name was not found")]
    NotFound,
}

/// How many addresses of one name a probe tries.
const ADDRESSES_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(text: &str) -> Vec<SocketAddr> {
        let all = text.split_whitespace();
        all.map(|socket| socket.parse().unwrap()).collect()
    }

    #[test]
    fn candidates_are_allowed_once_and_begin_with_the_last_one_that_worked() {
        let cases = [
            // (found, last, expected)
            ("10.0.0.1:1 10.0.0.2:1", None, "10.0.0.1:1 10.0.0.2:1"),
            ("10.0.0.1:1 10.0.0.2:1", Some("10.0.0.2:1"), "10.0.0.2:1 10.0.0.1:1"),
            ("10.0.0.1:1 10.0.0.2:1", Some("10.0.0.9:1"), "10.0.0.1:1 10.0.0.2:1"),
            ("10.0.0.1:1 10.0.0.1:1", None, "10.0.0.1:1"),
            ("169.254.169.254:1 10.0.0.1:1", Some("169.254.169.254:1"), "10.0.0.1:1"),
            ("[::ffff:169.254.169.254]:1 10.0.0.1:1", None, "10.0.0.1:1"),
            (
                "[fd00::1]:1 [fd00::2]:1 [fd00::3]:1 [fd00::4]:1 [fd00::5]:1",
                None,
                "[fd00::1]:1 [fd00::2]:1 [fd00::3]:1 [fd00::4]:1",
            ),
        ];
        let resolver = Resolver::new(|ip| match ip {
            IpAddr::V4(v4) => !v4.is_link_local(),
            IpAddr::V6(_) => true,
        });
        for (found, last, expected) in cases {
            let last = last.map(|text| text.parse().unwrap());
            let chosen = resolver.choose(sockets(found).into_iter(), last);
            assert_eq!(chosen, Ok(sockets(expected)), "{found}, last {last:?}");
        }
        let none = resolver.choose(sockets("").into_iter(), None);
        assert_eq!(none, Err(ResolveError::NotFound));
        let refused = resolver.choose(sockets("169.254.1.1:1").into_iter(), None);
        assert_eq!(refused, Err(ResolveError::NotAllowed));
    }

    #[tokio::test]
    async fn a_literal_address_is_taken_as_it_was_registered() {
        let addr = UpstreamAddr::parse("[fd00::1]:9").unwrap();
        let resolver = Resolver::new(|_| false);
        assert_eq!(resolver.lookup(&addr, None).await, Ok(sockets("[fd00::1]:9")));
    }
}
