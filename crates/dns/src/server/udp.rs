//! Datagrams: read in batches, answered one by one, sent back in batches through the same socket.
//!
//! **Invariant:** a reply leaves from the address at which its request arrived, also on a wildcard
//! socket. Forwarded questions are answered by jobs, so that they hold up nobody.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::tasks::Tasks;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::inbox::Inbox;
use super::outbox::{Outbox, send_one};
use super::path::Path;
use super::responder::{Later, Next, Responder};
use crate::handler::{Asker, Transport};
use crate::leaving::Leaving;
use crate::metrics::Tally;
use crate::reply::Drop;

/// One socket's loop.
pub(super) struct Server {
    line: Arc<Line>,
    responder: Responder,
    tasks: Tasks,
    leaving: Leaving,
}

/// A socket with its address.
struct Line {
    socket: UdpSocket,
    address: SocketAddr,
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
        let line = Line { address: socket.local_addr()?, socket };
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
        let is_wildcard = self.line.address.ip().is_unspecified();
        let mut inbox = Box::new(Inbox::new(is_wildcard));
        let mut outbox = Box::new(Outbox::new(is_wildcard));
        let mut left = std::pin::pin!(self.leaving.begun());
        loop {
            let received = tokio::select! {
                biased;
                () = &mut left => return,
                received = self.line.receive(&mut inbox) => received,
            };
            let Ok(count) = received.inspect_err(|error| tracing::debug!(%error, "DNS receive"))
            else {
                // Such as an ICMP error about an earlier reply; a pause, lest it repeats at once.
                self.responder.dropped(Drop::Receive);
                tokio::time::sleep(RECEIVE_ERROR_PAUSE).await;
                continue;
            };
            self.answer_batch(&inbox, count, &mut outbox);
            self.line.send_all(&mut outbox, &self.responder).await;
        }
    }

    /// Answers what was read, with every table read once.
    fn answer_batch(&self, inbox: &Inbox, count: usize, outbox: &mut Outbox) {
        let tables = self.responder.tables();
        let mut tally = Tally::default();
        for (request, path) in inbox.iter(count) {
            let arrived_at = path.source.map_or_else(|| self.line.address.ip(), |s| s.address);
            let local = tables.local(arrived_at);
            let asker = Asker { peer: path.peer, local, transport: Transport::Udp };
            if let Some(written) = tables.short(request, &asker, outbox.room()) {
                tally.count(written.outcome);
                outbox.push(written.len, &path);
                continue;
            }
            match self.responder.respond(request, &asker, &tables) {
                // A transfer takes a stream.
                Next::Nothing | Next::Transfer(_) => {}
                Next::Send(reply) => match outbox.room().get_mut(..reply.len()) {
                    Some(room) => {
                        room.copy_from_slice(&reply);
                        outbox.push(reply.len(), &path);
                    }
                    // Replies over UDP are never longer than the room for one.
                    None => self.responder.dropped(Drop::Unsent),
                },
                Next::Forward(waiting) => self.forward(waiting, path),
            }
        }
        self.responder.count_all(Transport::Udp, &tally);
    }

    fn forward(&self, waiting: Box<Later>, path: Path) {
        let (line, responder) = (Arc::clone(&self.line), self.responder.clone());
        let stop = self.tasks.stop().clone();
        self.tasks.job("dns-forward", async move {
            let forwarded = responder.forward(waiting, Transport::Udp);
            if let Some(reply) = stop.run_until_cancelled(forwarded).await {
                line.send(&reply, &path, &responder).await;
            }
        });
    }
}

impl Line {
    async fn receive(&self, inbox: &mut Inbox) -> io::Result<usize> {
        let socket = self.socket.as_raw_fd();
        self.socket.async_io(Interest::READABLE, || inbox.fill(socket)).await
    }

    /// Sends what waits; what cannot be sent is counted and forgotten.
    async fn send_all(&self, outbox: &mut Outbox, responder: &Responder) {
        let socket = self.socket.as_raw_fd();
        while !outbox.is_done() {
            let sent = self.socket.async_io(Interest::WRITABLE, || outbox.send(socket)).await;
            if let Err(error) = sent {
                tracing::debug!(%error, "a DNS reply could not be sent");
                responder.dropped(Drop::Unsent);
                outbox.skip();
            }
        }
    }

    /// The same for one reply that was long in coming.
    async fn send(&self, reply: &[u8], path: &Path, responder: &Responder) {
        let socket = self.socket.as_raw_fd();
        let sent = || send_one(socket, reply, path);
        if let Err(error) = self.socket.async_io(Interest::WRITABLE, sent).await {
            tracing::debug!(%error, peer = %path.peer, "a DNS reply could not be sent");
            responder.dropped(Drop::Unsent);
        }
    }
}

/// After a failed receive.
const RECEIVE_ERROR_PAUSE: Duration = Duration::from_millis(10);
