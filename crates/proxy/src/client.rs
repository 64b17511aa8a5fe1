//! Connections to upstreams, kept for the next request.
//!
//! Each worker has a pool of its own, keyed by address, so nothing here is shared or locked.
//! Responses hand their connection back when they end; nobody waits for that and no task is
//! started for it.
//!
//! **Invariant:** a connection is in the pool only between responses: one whose response was not
//! read to its end is closed instead. At most [`UPSTREAM_IDLE_MAX`] per address, each for at most
//! [`UPSTREAM_IDLE_TIMEOUT`].

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use conduit_core::tasks::Tasks;
use foldhash::fast::RandomState;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::limits::{
    BUFFER_BYTES_MAX, REPLAY_AFTER, UPSTREAM_IDLE_MAX, UPSTREAM_IDLE_TIMEOUT, keepalive,
};

/// The pool of one worker.
pub(crate) struct Client {
    idle: RefCell<HashMap<SocketAddr, Vec<Idle>, RandomState>>,
    closed: Cell<bool>,
    connect_timeout: Duration,
    tasks: Tasks,
}

struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
    responses: u32,
}

/// Whether a kept connection can be expected to take one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It was idle for long, or has never served a second request.
    MayClose,
    /// It has just worked.
    None,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// The system said no.
    Refused(io::Error),
    /// Nobody answered in time.
    TimedOut,
}

impl Client {
    /// An empty pool whose connections are driven by `tasks`.
    pub(crate) fn new(connect_timeout: Duration, tasks: Tasks) -> Self {
        Self { idle: RefCell::default(), closed: Cell::new(false), connect_timeout, tasks }
    }

    /// The connection that was used last, and whether its owner may just be closing it.
    pub(crate) fn reuse(self: &Rc<Self>, address: SocketAddr) -> Option<(Lease, Doubt)> {
        let mut idle = self.idle.borrow_mut();
        let list = idle.get_mut(&address)?;
        let mut place = list.len();
        while place > 0 {
            place -= 1;
            if list[place].sender.is_closed() {
                list.remove(place);
            } else if list[place].sender.is_ready() {
                let found = list.remove(place);
                // Some servers close after one response without announcing it, most after a while.
                let proven = found.responses > 1 && found.since.elapsed() < REPLAY_AFTER;
                let doubt = if proven { Doubt::None } else { Doubt::MayClose };
                return Some((self.lease(address, found.sender, found.responses), doubt));
            }
            // What is neither is still being read by us or written to by the client.
        }
        None
    }

    /// Opens a connection.
    pub(crate) async fn connect(
        self: &Rc<Self>,
        address: SocketAddr,
    ) -> Result<Lease, ConnectError> {
        let stream = tokio::time::timeout(self.connect_timeout, TcpStream::connect(address))
            .await
            .map_err(|_| ConnectError::TimedOut)?
            .map_err(ConnectError::Refused)?;
        stream.set_nodelay(true).map_err(ConnectError::Refused)?;
        let socket = socket2::SockRef::from(&stream);
        socket.set_tcp_keepalive(&keepalive()).map_err(ConnectError::Refused)?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| ConnectError::Refused(io::Error::other(e)))?;
        self.tasks.local_job("upstream connection", async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%address, %error, "a connection to an upstream ended");
            }
        });
        Ok(self.lease(address, sender, 0))
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, list| {
            list.retain(|idle| {
                let age = now.saturating_duration_since(idle.since);
                !idle.sender.is_closed() && age < UPSTREAM_IDLE_TIMEOUT
            });
            !list.is_empty()
        });
    }

    /// Closes everything idle, and from now on whatever is handed back.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.idle.borrow_mut().clear();
    }

    fn lease(
        self: &Rc<Self>,
        address: SocketAddr,
        sender: SendRequest<RequestBody>,
        responses: u32,
    ) -> Lease {
        Lease { client: Rc::clone(self), address, sender, responses }
    }
}

/// A connection in use; closed when dropped, unless it is given back.
pub(crate) struct Lease {
    client: Rc<Client>,
    address: SocketAddr,
    sender: SendRequest<RequestBody>,
    /// How many responses it has delivered before this one.
    responses: u32,
}

impl Lease {
    /// What sends requests over it.
    pub(crate) fn sender(&mut self) -> &mut SendRequest<RequestBody> {
        &mut self.sender
    }

    /// Keeps it for the next request: its response was read to the end.
    pub(crate) fn give_back(self) {
        if self.client.closed.get() || self.sender.is_closed() {
            return;
        }
        let mut idle = self.client.idle.borrow_mut();
        let list = idle.entry(self.address).or_default();
        if list.len() < UPSTREAM_IDLE_MAX {
            list.push(Idle {
                sender: self.sender,
                since: Instant::now(),
                responses: self.responses.saturating_add(1),
            });
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.address).finish()
    }
}
