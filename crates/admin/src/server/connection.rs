//! One connection: HTTP/1.1 with limits, each request handed to the router.
//!
//! **Invariant:** a client that sends nothing, or slowly, holds its connection for at most
//! [`HEAD_TIMEOUT`]; once the room is to close, for at most [`CLOSE_TIMEOUT`].

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use conduit_core::tasks::Tasks;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::hosts::AllowedHosts;
use crate::limits::{CLOSE_TIMEOUT, FRESH_GRACE, HEAD_BYTES_MAX, HEAD_TIMEOUT};
use crate::peer::Peer;
use crate::router::secured;

/// The hosts that a TCP connection may ask for, and the address it came in on.
pub(super) type HostCheck = Option<(Arc<AllowedHosts>, Option<IpAddr>)>;

/// Serves a connection to its end, or until the tasks are to stop and the requests in progress are through.
pub(super) async fn serve<S>(stream: S, router: Router, peer: Peer, check: HostCheck, tasks: Tasks)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = CancellationToken::new();
    let first = asked.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        first.cancel();
        let (router, peer, check) = (router.clone(), peer.clone(), check.clone());
        async move { answer(router, peer, check, request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = tasks.stop().cancelled() => {
            let closing = async {
                // Whoever was accepted just now has a request under way.
                tokio::select! {
                    biased;
                    ended = connection.as_mut() => return ended,
                    () = asked.cancelled() => {}
                    () = tokio::time::sleep(FRESH_GRACE) => {}
                }
                connection.as_mut().graceful_shutdown();
                connection.await
            };
            match tokio::time::timeout(CLOSE_TIMEOUT, closing).await {
                Ok(ended) => ended,
                Err(_) => return tracing::debug!("an admin connection was cut at the deadline"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an admin connection ended early");
    }
}

async fn answer(
    router: Router,
    peer: Peer,
    check: HostCheck,
    request: Request<Incoming>,
) -> Result<axum::response::Response, Infallible> {
    if let Some((hosts, local)) = &check
        && let Err(refused) = hosts.check(request.headers(), request.uri(), *local)
    {
        return Ok(secured(refused.into_response()));
    }
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(peer);
    let request = Request::from_parts(parts, Body::new(body));
    router.oneshot(request).await
}
