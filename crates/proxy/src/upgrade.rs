//! Connections that stop being HTTP: WebSocket and everything else that answers 101.
//!
//! hyper lets the client's side go and forgets it, so its graceful shutdown does not see these; they are
//! in the worker's book as tunnels instead.
//!
//! **Invariant:** a tunnel holds the permit of the connection it came from, has no idle limit, and is
//! ended by its peers or by the deadline of a stop.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, split};
use tokio::sync::oneshot;

use crate::connect::Stream;
use crate::connections::{Connection, Held};
use crate::limits::TUNNEL_LINGER;
use crate::metrics::ServiceCounters;
use crate::rewound::Rewound;
use crate::upstream::InFlight;
use crate::worker::Worker;

/// Bytes in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

impl fmt::Debug for dyn Duplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Duplex")
    }
}

/// Where the client's side of a tunnel comes from.
pub(crate) enum Downstream {
    /// A connection, from the task that spoke HTTP/1.1 on it.
    Connection(oneshot::Receiver<Box<dyn Duplex>>),
    /// A stream of HTTP/2, from hyper.
    Stream(OnUpgrade),
}

impl Downstream {
    async fn stream(self) -> Result<Box<dyn Duplex>, Box<dyn std::error::Error>> {
        Ok(match self {
            Self::Connection(connection) => connection.await?,
            Self::Stream(stream) => Box::new(TokioIo::new(stream.await?)),
        })
    }
}

/// Joins the two sides, once the client's is handed over, until both have ended, or the upstream has.
pub(crate) fn join(
    worker: &Rc<Worker>,
    connection: &Connection,
    downstream: Downstream,
    upstream: Rewound<Stream>,
    in_flight: InFlight,
    held: Option<Held>,
) {
    let counters = worker.metrics().service(in_flight.upstream().service());
    let place = connection.tunnel();
    let counted = Rc::clone(worker);
    worker.tasks().local_job("tunnel", async move {
        counted.metrics().tunnel_opened();
        let outcome = place.until_cut(copy(downstream, upstream, &counters)).await;
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
    downstream: Downstream,
    upstream: Rewound<Stream>,
    counters: &ServiceCounters,
) -> Result<(u64, u64), Box<dyn std::error::Error>> {
    let (from_client, to_client) = split(downstream.stream().await?);
    let (from_upstream, to_upstream) = split(upstream);
    let from_client = Counted { stream: from_client, count: |n| counters.tunnel_received(n) };
    let from_upstream = Counted { stream: from_upstream, count: |n| counters.tunnel_sent(n) };
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
) -> io::Result<u64> {
    let copied = tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await?;
    Ok(copied)
}

/// One direction, whose bytes are counted as they are read: a tunnel may be open for days.
struct Counted<S, C> {
    stream: S,
    count: C,
}

impl<S: AsyncRead + Unpin, C: Fn(u64) + Unpin> AsyncRead for Counted<S, C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        (self.count)((buffer.filled().len() - before) as u64);
        polled
    }
}
