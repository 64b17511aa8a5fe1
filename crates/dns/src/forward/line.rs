//! A connection to a forwarder that is asked over TLS or HTTPS: opened when it is needed, shared by
//! all questions, and closed when it has been idle.
//!
//! **Invariant:** nothing is ever asked in the clear instead. A question is asked again when
//! the connection that was there already turned out to be gone, since asking changes nothing. Questions that wait are
//! bounded, here and on the connection; connecting is bounded in time, and goes on for others when
//! the one who began it has given up.

mod https;
mod reason;
mod tls;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conduit_core::tasks::Tasks;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::address::{ForwarderAddr, Over};
use super::trust::{H2, Trust};

/// The way to one forwarder.
#[derive(Debug)]
pub(crate) struct Line {
    shared: Arc<Shared>,
    queue: Mutex<Option<mpsc::Sender<Ask>>>,
    tasks: Tasks,
}

/// What a connection is made with.
#[derive(Debug)]
struct Shared {
    to: ForwarderAddr,
    trust: Trust,
    /// Why it could not be reached, as it was told last.
    told: Mutex<Option<String>>,
}

/// A question that waits for its answer.
struct Ask {
    query: Vec<u8>,
    reply: oneshot::Sender<Result<Vec<u8>, Lost>>,
}

/// Why a question has no answer.
#[derive(Debug, Clone)]
enum Lost {
    /// The connection ended first.
    Gone,
    /// The server did not give one.
    Refused(Arc<str>),
    /// There is no connection.
    Unreachable(Arc<str>),
}

impl Line {
    pub(crate) fn new(to: ForwarderAddr, trust: Trust) -> Self {
        Self {
            shared: Arc::new(Shared { to, trust, told: Mutex::default() }),
            queue: Mutex::default(),
            tasks: Tasks::new(CancellationToken::new()),
        }
    }

    /// Asks, and gives the message that came back, with the query's id; deadlines are the caller's.
    pub(crate) async fn ask(&self, query: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            let (queue, is_new) = self.queue();
            let (reply, answered) = oneshot::channel();
            match queue.try_send(Ask { query: query.to_vec(), reply }) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => {
                    return Err(io::Error::other("too many questions wait for it"));
                }
                Err(mpsc::error::TrySendError::Closed(_)) => continue,
            }
            match answered.await.unwrap_or(Err(Lost::Gone)) {
                Ok(message) => return Ok(message),
                Err(Lost::Unreachable(reason) | Lost::Refused(reason)) => {
                    return Err(io::Error::other(&*reason));
                }
                // It may have been closed while the question was on its way.
                Err(Lost::Gone) if !is_new => {}
                Err(Lost::Gone) => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
    }

    /// The way into the connection, and whether it was begun for this.
    fn queue(&self) -> (mpsc::Sender<Ask>, bool) {
        let mut open = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = open.as_ref().filter(|queue| !queue.is_closed()) {
            return (queue.clone(), false);
        }
        let (queue, asks) = mpsc::channel(QUEUE_MAX);
        *open = Some(queue.clone());
        let (shared, tasks) = (Arc::clone(&self.shared), self.tasks.clone());
        self.tasks.job("dns-forwarder", async move {
            let mut asks = asks;
            // On the heap: a connection's state is large, and most of it only for its handshake.
            let lost = Box::pin(shared.serve(&mut asks, &tasks)).await;
            asks.close();
            while let Ok(Ask { reply, .. }) = asks.try_recv() {
                reply.send(Err(lost.clone())).ok();
            }
        });
        (queue, true)
    }
}

impl Shared {
    /// Connects, and asks what is to be asked until the connection ends.
    async fn serve(&self, asks: &mut mpsc::Receiver<Ask>, tasks: &Tasks) -> Lost {
        let (name, config) = match self.to.over() {
            Over::Plain => return Lost::Unreachable("it is asked in the clear".into()),
            Over::Tls { name } => (name, self.trust.dot()),
            Over::Https { name, .. } => (name, self.trust.h2()),
        };
        let connecting = timeout(CONNECT_TIMEOUT, self.connect(name, config));
        let stream = match connecting.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.unreachable(&reason::of(&error)),
            Err(_elapsed) => return self.unreachable("it did not answer in time"),
        };
        let ended = match self.to.over() {
            Over::Https { name, path } => {
                let spoken = stream.get_ref().1.alpn_protocol() == Some(H2);
                match spoken {
                    true => https::speak(stream, (self.to.socket(), name, path), asks, tasks).await,
                    false => Err("it does not speak HTTP/2".to_owned()),
                }
            }
            Over::Plain | Over::Tls { .. } => {
                self.reached();
                tls::speak(stream, asks).await;
                Ok(())
            }
        };
        match ended {
            Ok(()) => {
                self.reached();
                Lost::Gone
            }
            Err(reason) => self.unreachable(&reason),
        }
    }

    async fn connect(
        &self,
        name: &ServerName<'static>,
        config: &Arc<ClientConfig>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.to.socket()).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await
    }

    /// Says once why, and again when the reason is another one: a wrong certificate has to be seen.
    fn unreachable(&self, reason: &str) -> Lost {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_deref() != Some(reason) {
            tracing::warn!(forwarder = %self.to, reason, "a forwarder cannot be reached");
            *told = Some(reason.to_owned());
        }
        Lost::Unreachable(reason.into())
    }

    fn reached(&self) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Questions that wait for a connection.
const QUEUE_MAX: usize = 512;
/// Questions on one connection that wait for their answers.
const IN_FLIGHT_MAX: usize = 256;
/// For a connection and its handshake: as long as a question is asked at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Without a question, until a connection is closed; public servers close theirs at about this.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Without an answer while questions wait, until a connection is given up.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);
