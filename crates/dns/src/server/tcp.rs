//! Streams of messages, each with its length in front (RFC 7766).
//!
//! **Invariant:** connections are bounded in number, and each step of one (a whole request, a
//! whole reply) in size and in time.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Next, Responder};
use crate::handler::{Asker, Transport};
use crate::leaving::Leaving;
use crate::reply::Drop;

/// One listener's loop.
pub(super) struct Server {
    listener: TcpListener,
    responder: Responder,
    permits: Arc<Semaphore>,
    tasks: Tasks,
    leaving: Leaving,
}

impl Server {
    /// Takes a bound listener over into the running runtime.
    pub(super) fn adopt(
        listener: std::net::TcpListener,
        responder: Responder,
        tasks: Tasks,
        leaving: Leaving,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            responder,
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            tasks,
            leaving,
        })
    }

    /// Accepts until the process stops.
    pub(super) async fn run(self) {
        let stop = self.tasks.stop().clone();
        stop.run_until_cancelled(async move {
            tokio::select! {
                () = self.leaving.begun() => {}
                () = self.accept_all() => {}
            }
            // Another process accepts now.
            drop(self);
            std::future::pending::<()>().await;
        })
        .await;
    }

    async fn accept_all(&self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => self.start(stream, peer),
                Err(error) => {
                    // Such as too many open files; a pause lets some be closed.
                    tracing::warn!(%error, "a DNS connection could not be accepted");
                    tokio::time::sleep(ACCEPT_ERROR_PAUSE).await;
                }
            }
        }
    }

    fn start(&self, stream: TcpStream, peer: SocketAddr) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            self.responder.dropped(Drop::Connections);
            return;
        };
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let connection = Connection {
            stream,
            peer,
            arrived_at: local.ip(),
            responder: self.responder.clone(),
            leaving: self.leaving.clone(),
        };
        let stop = self.tasks.stop().clone();
        self.tasks.job("dns-connection", async move {
            stop.run_until_cancelled(connection.run()).await;
            drop(permit);
        });
    }
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    arrived_at: IpAddr,
    responder: Responder,
    leaving: Leaving,
}

impl Connection {
    /// Answers one request after the other until the client is done, or does wrong.
    async fn run(mut self) {
        let mut request = Vec::new();
        loop {
            let leaving = self.leaving.clone();
            match leaving.at_most(IDLE_TIMEOUT, self.read(&mut request)).await {
                Some(Ok(true)) => {}
                Some(Ok(false) | Err(_)) => return,
                None if leaving.has_begun() => return,
                None => break,
            }
            let next = self.answer(&request);
            let reply = match next {
                Next::Send(reply) => reply,
                Next::Forward(waiting) => self.responder.forward(waiting, Transport::Tcp).await,
                // Whoever sends such things on a stream will not become sensible.
                Next::Nothing => return,
            };
            match timeout(IDLE_TIMEOUT, self.write(&reply)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_elapsed) => break,
            }
        }
        self.responder.dropped(Drop::Abuse);
    }

    fn answer(&self, request: &[u8]) -> Next {
        let tables = self.responder.tables();
        let local = tables.local(self.arrived_at);
        let asker = Asker { peer: self.peer, local, transport: Transport::Tcp };
        self.responder.respond(request, &asker, &tables)
    }

    /// Reads one request; `false` at the end of the stream or at a length that is out of bounds.
    async fn read(&mut self, request: &mut Vec<u8>) -> io::Result<bool> {
        let length = match self.stream.read_u16().await {
            Ok(length) => usize::from(length),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        };
        if length > REQUEST_BYTES_MAX {
            self.responder.dropped(Drop::Abuse);
            return Ok(false);
        }
        request.resize(length, 0);
        self.stream.read_exact(request).await?;
        Ok(true)
    }

    /// Writes length and reply at once: two segments would cost some clients a round trip.
    async fn write(&mut self, reply: &[u8]) -> io::Result<()> {
        let Ok(length) = u16::try_from(reply.len()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut framed = Vec::with_capacity(reply.len() + 2);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(reply);
        self.stream.write_all(&framed).await
    }
}

/// Connections per listener; DNS over TCP is the exception.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// For a whole request to arrive, and for a reply to be taken.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// A question with any sensible options; TCP itself would allow 65,535.
const REQUEST_BYTES_MAX: usize = 4096;
/// After a failed accept.
const ACCEPT_ERROR_PAUSE: Duration = Duration::from_millis(100);
