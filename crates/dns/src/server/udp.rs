//! Datagrams: read in batches, answered one by one through the same socket.
//!
//! **Invariant:** a reply leaves from the address at which its request arrived, also on a wildcard
//! socket. Forwarded questions are answered by jobs, so that they hold up nobody.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::tasks::Tasks;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::{Next, Responder};
use crate::forward::Waiting;
use crate::handler::Transport;
use crate::leaving::Leaving;
use crate::reply::Drop;

/// One socket's loop.
pub(super) struct Server {
    line: Arc<Line>,
    responder: Responder,
    tasks: Tasks,
    leaving: Leaving,
}

/// A socket with what sending and receiving on it needs.
struct Line {
    socket: UdpSocket,
    state: UdpSocketState,
    address: SocketAddr,
}

/// One datagram's way back.
#[derive(Clone, Copy)]
struct Path {
    peer: SocketAddr,
    /// Set on wildcard sockets only; others have one address anyway.
    source: Option<IpAddr>,
}

impl Server {
    /// Takes a bound socket over into the running runtime.
    pub(super) fn adopt(
        socket: std::net::UdpSocket,
        responder: Responder,
        tasks: Tasks,
        leaving: Leaving,
    ) -> io::Result<Self> {
        let socket = UdpSocket::from_std(socket)?;
        let line = Line {
            state: UdpSocketState::new((&socket).into())?,
            address: socket.local_addr()?,
            socket,
        };
        Ok(Self { line: Arc::new(line), responder, tasks, leaving })
    }

    /// Answers until the process stops.
    pub(super) async fn run(self) {
        let stop = self.tasks.stop().clone();
        stop.run_until_cancelled(async move {
            self.answer_all().await;
            // What was read is answered, and the socket goes with its last answer.
            drop(self);
            std::future::pending::<()>().await;
        })
        .await;
    }

    /// Answers until another process does; what was read is answered here.
    async fn answer_all(&self) {
        let mut storage = vec![0; BATCH_DATAGRAMS * RECEIVE_BUFFER_BYTES];
        let mut metas = [RecvMeta::default(); BATCH_DATAGRAMS];
        let mut left = std::pin::pin!(self.leaving.begun());
        loop {
            let received = tokio::select! {
                biased;
                () = &mut left => return,
                received = self.line.receive(&mut storage, &mut metas) => received,
            };
            let Ok(count) = received.inspect_err(|error| tracing::debug!(%error, "DNS receive"))
            else {
                // Such as an ICMP error about an earlier reply; a pause, lest it repeats at once.
                self.responder.dropped(Drop::Receive);
                tokio::time::sleep(RECEIVE_ERROR_PAUSE).await;
                continue;
            };
            let buffers = storage.chunks_exact(RECEIVE_BUFFER_BYTES);
            for (buffer, meta) in buffers.zip(&metas).take(count) {
                self.answer_buffer(buffer, meta).await;
            }
        }
    }

    /// Answers what one buffer holds: several datagrams of a peer may have been coalesced.
    async fn answer_buffer(&self, buffer: &[u8], meta: &RecvMeta) {
        let filled = buffer.get(..meta.len).unwrap_or(buffer);
        let path = self.line.path_of(meta);
        let arrived_at = path.source.unwrap_or_else(|| self.line.address.ip());
        let local = self.responder.local(arrived_at);
        for request in filled.chunks(meta.stride.max(1)) {
            match self.responder.respond(request, path.peer, local, Transport::Udp) {
                Next::Nothing => {}
                Next::Send(reply) => self.line.send(&reply, path, &self.responder).await,
                Next::Forward(waiting) => self.forward(waiting, path),
            }
        }
    }

    fn forward(&self, waiting: Waiting, path: Path) {
        let (line, responder) = (Arc::clone(&self.line), self.responder.clone());
        let stop = self.tasks.stop().clone();
        self.tasks.job("dns-forward", async move {
            let forwarded = responder.forward(waiting, Transport::Udp);
            if let Some(reply) = stop.run_until_cancelled(forwarded).await {
                line.send(&reply, path, &responder).await;
            }
        });
    }
}

impl Line {
    async fn receive(&self, storage: &mut [u8], metas: &mut [RecvMeta]) -> io::Result<usize> {
        let mut buffers = storage.chunks_exact_mut(RECEIVE_BUFFER_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH_DATAGRAMS] =
            std::array::from_fn(|_| IoSliceMut::new(buffers.next().unwrap_or_default()));
        self.socket
            .async_io(Interest::READABLE, || {
                let socket = (&self.socket).into();
                self.state.recv(socket, &mut slices, metas)
            })
            .await
    }

    fn path_of(&self, meta: &RecvMeta) -> Path {
        let is_wildcard = self.address.ip().is_unspecified();
        Path { peer: meta.addr, source: meta.dst_ip.filter(|_| is_wildcard) }
    }

    /// Sends one reply; one that cannot be sent is counted and forgotten.
    async fn send(&self, reply: &[u8], path: Path, responder: &Responder) {
        let transmit = Transmit {
            destination: path.peer,
            ecn: None,
            contents: reply,
            segment_size: None,
            src_ip: path.source,
        };
        let sent = self
            .socket
            .async_io(Interest::WRITABLE, || self.state.try_send((&self.socket).into(), &transmit))
            .await;
        if let Err(error) = sent {
            tracing::debug!(%error, peer = %path.peer, "a DNS reply could not be sent");
            responder.dropped(Drop::Unsent);
        }
    }
}

/// Datagrams read by one system call.
const BATCH_DATAGRAMS: usize = quinn_udp::BATCH_SIZE;
/// The kernel may coalesce datagrams of one peer up to this; most of it is never touched.
const RECEIVE_BUFFER_BYTES: usize = 64 << 10;
/// After a failed receive.
const RECEIVE_ERROR_PAUSE: Duration = Duration::from_millis(10);
