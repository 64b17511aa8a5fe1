//! Accepting streams, in the clear (RFC 7766) and with TLS (RFC 7858).
//!
//! **Invariant:** connections are bounded in number for each listener, and a handshake in time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::tasks::Tasks;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::responder::Responder;
use super::stream::{Connection, Origin};
use crate::handler::Transport;
use crate::leaving::Leaving;
use crate::reply::Drop;

/// One listener's loop.
pub(super) struct Server {
    listener: TcpListener,
    /// For a listener whose clients speak TLS.
    acceptor: Option<TlsAcceptor>,
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
            acceptor: None,
            responder,
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            tasks,
            leaving,
        })
    }

    /// The same for clients that speak TLS.
    pub(super) fn with_tls(self, config: Arc<rustls::ServerConfig>) -> Self {
        Self { acceptor: Some(TlsAcceptor::from(config)), ..self }
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
        // Replies are written whole, so there is nothing to wait for.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a DNS connection delays small segments");
        }
        let transport = if self.acceptor.is_some() { Transport::Tls } else { Transport::Tcp };
        let origin = Origin { peer, arrived_at: local.ip(), transport };
        let (responder, leaving) = (self.responder.clone(), self.leaving.clone());
        let acceptor = self.acceptor.clone();
        let serve = async move {
            match acceptor {
                None => Connection::new(stream, origin, responder, leaving).run().await,
                Some(acceptor) => {
                    if let Some(stream) = shaken(&acceptor, stream, &responder, &leaving).await {
                        Connection::new(stream, origin, responder, leaving).run().await;
                    }
                }
            }
        };
        let stop = self.tasks.stop().clone();
        self.tasks.job("dns-connection", async move {
            stop.run_until_cancelled(serve).await;
            drop(permit);
        });
    }
}

/// Does the handshake; `None` when it fails or takes too long.
async fn shaken(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    responder: &Responder,
    leaving: &Leaving,
) -> Option<Box<tokio_rustls::server::TlsStream<TcpStream>>> {
    // On the heap: a handshake's state is large, and gone once it is over.
    let handshake = Box::pin(timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)));
    match leaving.at_most(HANDSHAKE_TIMEOUT, handshake).await {
        Some(Ok(Ok(stream))) => Some(Box::new(stream)),
        Some(Ok(Err(error))) => {
            tracing::debug!(%error, "a TLS handshake for DNS failed");
            responder.dropped(Drop::Handshake);
            None
        }
        Some(Err(_)) | None => {
            responder.dropped(Drop::Handshake);
            None
        }
    }
}

/// Connections per listener; DNS over streams is the exception.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// From the connection to the end of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept.
const ACCEPT_ERROR_PAUSE: Duration = Duration::from_millis(100);
