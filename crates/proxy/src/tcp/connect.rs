//! From a service of byte streams to a connection with one of its upstreams.
//!
//! **Invariant:** no upstream is tried twice for one connection, and at most [`TRIES_MAX`] are tried.
//! Nothing of the client was sent before, so another try repeats nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use conduit_core::service::WhenAllEjected;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connect;
use crate::pool::{Ask, Refused, Wish};
use crate::table::Route;
use crate::tcp::refusal::Refusal;
use crate::upstream::{InFlight, Observation, Seen, Upstream};

/// A connection to an upstream, counted in flight.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) stream: TcpStream,
    pub(crate) in_flight: InFlight,
}

/// Connects to an upstream of `route`, for `client`, that has connected to `own`.
///
/// # Errors
/// When there is none to try, or none that answers in time.
pub(crate) async fn connect(
    route: &Route,
    client: IpAddr,
    own: SocketAddr,
) -> Result<Reached, Refusal> {
    let wish = Wish::of_client(client);
    let mut tried: Vec<Arc<Upstream>> = Vec::new();
    let mut refusal = None;
    while tried.len() < TRIES_MAX {
        let any = route.when_all_ejected == WhenAllEjected::Try && tried.is_empty();
        let in_flight = match route.pool.reserve(&Ask { wish, tried: &tried, any }) {
            Ok(in_flight) => in_flight,
            Err(Refused::Full) => return Err(refusal.unwrap_or(Refusal::Full)),
            Err(_) => return Err(refusal.unwrap_or(Refusal::NoUpstream)),
        };
        let upstream = Arc::clone(in_flight.upstream());
        match attempt(route, &upstream, own).await {
            Ok(stream) => {
                // What failed before was not the beginning of a row.
                upstream.observe(Seen::Whole);
                return Ok(Reached { stream, in_flight });
            }
            Err(cause) => {
                if cause == Refusal::ConnectFailed {
                    upstream.report(Observation::ConnectFailed);
                }
                refusal = Some(cause);
                tried.push(upstream);
            }
        }
    }
    Err(refusal.unwrap_or(Refusal::NoUpstream))
}

async fn attempt(
    route: &Route,
    upstream: &Upstream,
    own: SocketAddr,
) -> Result<TcpStream, Refusal> {
    // A name may have no address yet.
    let address = upstream.socket().ok_or(Refusal::ConnectFailed)?;
    if address == SocketAddr::new(own.ip().to_canonical(), own.port()) {
        return Err(Refusal::Loop);
    }
    match timeout(route.policy.timeouts.connect, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            if let Err(error) = connect::prepare(&stream) {
                // It is gone already; reading will say so.
                tracing::debug!(%error, "a connection's options could not be set");
            }
            Ok(stream)
        }
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "an upstream did not accept");
            Err(Refusal::ConnectFailed)
        }
        Err(_) => Err(Refusal::ConnectFailed),
    }
}

/// How many upstreams are tried for one connection.
const TRIES_MAX: usize = 3;
