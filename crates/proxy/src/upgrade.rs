//! Connections that stop being HTTP: WebSocket and everything else that answers 101.
//!
//! hyper hands both sides over and forgets them, so its graceful shutdown does not see them; they are
//! in the worker's book as tunnels instead.
//!
//! **Invariant:** a tunnel holds the permit of the connection it came from, has no idle limit, and is
//! ended by its peers or by the deadline of a stop.

use std::pin::pin;
use std::rc::Rc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, split};

use crate::connections::{Connection, Held};
use crate::limits::TUNNEL_LINGER;
use crate::upstream::InFlight;
use crate::worker::Worker;

/// Joins the two sides, once hyper hands them over, until both have ended, or the upstream has.
pub(crate) fn join(
    worker: &Rc<Worker>,
    connection: &Connection,
    downstream: OnUpgrade,
    upstream: OnUpgrade,
    in_flight: InFlight,
    held: Option<Held>,
) {
    let place = connection.tunnel();
    let counted = Rc::clone(worker);
    worker.tasks().local_job("tunnel", async move {
        counted.metrics().tunnel_opened();
        let outcome = place.until_cut(copy(downstream, upstream)).await;
        counted.metrics().tunnel_closed();
        match outcome {
            Some(Ok((up, down))) => tracing::debug!(up, down, "a tunnel ended"),
            Some(Err(error)) => tracing::debug!(%error, "a tunnel broke"),
            None => tracing::debug!("a tunnel was cut"),
        }
        drop((in_flight, held));
    });
}

async fn copy(
    downstream: OnUpgrade,
    upstream: OnUpgrade,
) -> Result<(u64, u64), Box<dyn std::error::Error>> {
    let (downstream, upstream) = tokio::try_join!(downstream, upstream)?;
    let (from_client, to_client) = split(TokioIo::new(downstream));
    let (from_upstream, to_upstream) = split(TokioIo::new(upstream));
    let mut up = pin!(pump(from_client, to_upstream));
    let mut down = pin!(pump(from_upstream, to_client));
    let (up, down) = tokio::select! {
        // A client that has said everything may still listen for as long as it likes.
        up = &mut up => (up?, down.await?),
        // An upstream that has said everything hardly listens any more.
        down = &mut down => {
            let late = tokio::time::timeout(TUNNEL_LINGER, up).await;
            (late.unwrap_or(Ok(0))?, down?)
        }
    };
    Ok((up, down))
}

/// Copies one direction, sending each piece at once, and passes its end on.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> std::io::Result<u64> {
    let copied = tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await?;
    Ok(copied)
}
