//! One check of one upstream: connect, and for HTTP ask for a path, for gRPC for its health.
//!
//! Each probe uses a fresh connection, opened like those of requests, follows no redirect, and reads
//! a body only when a text is to be found in it.
//!
//! **Invariant:** an answer of an upstream costs at most [`PROBE_HEAD_BYTES_MAX`] and, where a text
//! is looked for, [`PROBE_BODY_BYTES_MAX`] of memory, and the probe's deadline of time, whatever it
//! sends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::upstream::UpstreamAddr;
use tokio::time::{Instant, timeout_at};

mod ask;
mod failure;
mod get;

pub use ask::{Ask, Counts, Get};
pub use failure::{Failure, Outcome};
use get::get_over_http2;

use crate::connect::{Opened, Place, Transport, Version, Versions};
use crate::health::grpc;
use crate::resolve::{ResolveError, Resolver};

/// One check, ready to run.
#[derive(Debug, Clone)]
pub struct Probe {
    /// What to connect to.
    pub addr: UpstreamAddr,
    /// Where it was reached last, tried first when the name has several addresses.
    pub last: Option<SocketAddr>,
    /// How to speak to it.
    pub transport: Arc<Transport>,
    /// What to ask.
    pub ask: Ask,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it ended.
    pub outcome: Outcome,
    /// The address that took the connection, when one did.
    pub socket: Option<SocketAddr>,
    /// How long it took.
    pub latency: Duration,
}

impl Probe {
    /// Runs the check; always ends within the timeout.
    pub async fn run(&self, resolver: &Resolver) -> Finding {
        let started = Instant::now();
        let mut socket = None;
        let attempt = self.attempt(resolver, &mut socket);
        let outcome = match timeout_at(started + self.timeout, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Failed(Failure::TimedOut(self.timeout)),
        };
        Finding { outcome, socket, latency: started.elapsed() }
    }

    async fn attempt(&self, resolver: &Resolver, socket: &mut Option<SocketAddr>) -> Outcome {
        let places = match self.places(resolver).await {
            Ok(places) => places,
            Err(error) => return Outcome::Failed(error.into()),
        };
        let mut failure = Failure::NameUnknown;
        for place in places {
            let opening = resolver.connector().open(&place, &self.transport, Versions::Any);
            match opening.await {
                Ok(opened) => {
                    *socket = place.socket();
                    return self.put(opened).await;
                }
                Err(error) => failure = error.into(),
            }
        }
        Outcome::Failed(failure)
    }

    async fn places(&self, resolver: &Resolver) -> Result<Vec<Place>, ResolveError> {
        if let Some(path) = self.addr.unix() {
            return Ok(vec![Place::Unix(Arc::clone(path))]);
        }
        let found = resolver.lookup(&self.addr, self.last).await?;
        Ok(found.into_iter().map(Place::Tcp).collect())
    }

    async fn put(&self, opened: Opened) -> Outcome {
        let scheme = self.transport.scheme();
        let asked = match (&self.ask, opened.version) {
            (Ask::Get(asked), Version::Http2) => {
                match get_over_http2(opened.stream, &scheme, asked).await {
                    // How gRPC servers answer a path that is only a guess.
                    Err(Failure::Reset)
                        if asked.counts == Counts::Below500 && asked.body.is_none() =>
                    {
                        Ok(())
                    }
                    asked => asked,
                }
            }
            (Ask::Grpc { service, host }, _) => {
                grpc::check(opened.stream, &scheme, service, host).await
            }
            (ask, _) => return ask.put(opened.stream).await,
        };
        asked.map_or_else(Outcome::Failed, |()| Outcome::Passed)
    }
}

/// How an upstream's log tells a probe from a person.
pub(super) const USER_AGENT: &str = concat!("conduit-probe/", env!("CARGO_PKG_VERSION"));
/// How much of an answer's head a probe reads before it gives up; hyper's least is 8 KiB.
pub const PROBE_HEAD_BYTES_MAX: usize = 16 * 1024;
/// How much of a body is searched for a text.
pub const PROBE_BODY_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests;
