//! Taking connections in, as many as there may be.

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::conn;
use crate::limits::ACCEPT_PAUSE;
use crate::limits::hits::Limit;

impl Worker {
    /// Accepts until stopped, and then whoever is already waiting.
    pub(super) async fn accept(
        self: Rc<Self>,
        listener: std::net::TcpListener,
        acceptor: Option<TlsAcceptor>,
    ) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "a listener could not be adopted");
                return;
            }
        };
        let serve = |stream, peer, room| self.serve(stream, peer, room, acceptor.as_ref());
        self.take_in(listener, self.tasks.stop(), serve).await;
    }

    /// Hands each connection to `serve`, with its place, until stopped, and then whoever is already
    /// waiting.
    pub(crate) async fn take_in(
        &self,
        listener: TcpListener,
        stop: &CancellationToken,
        serve: impl Fn(TcpStream, SocketAddr, OwnedSemaphorePermit),
    ) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.admission.until_room() => {}
            }
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Another listener may have taken the last place meanwhile.
                    let room = tokio::select! {
                        biased;
                        room = self.admission.room() => room,
                        () = stop.cancelled() => None,
                    };
                    let Some(room) = room else { break };
                    serve(stream, peer, room);
                }
                Err(error) => self.pause(&error).await,
            }
        }
        // Closing a listener resets clients that wait in its queue.
        let Ok(listener) = listener.into_std() else {
            return;
        };
        while let Some(room) = self.admission.room_now()
            && let Ok((stream, peer)) = listener.accept()
            && stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            serve(stream, peer, room);
        }
    }

    fn serve(
        self: &Rc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        room: OwnedSemaphorePermit,
        acceptor: Option<&TlsAcceptor>,
    ) {
        let Some(admitted) = self.admission.admit(room, peer.ip()) else {
            return;
        };
        let connection = self.connections.enter(admitted);
        let worker = Rc::clone(self);
        let acceptor = acceptor.cloned();
        self.tasks.local_job("connection", async move {
            let _open = Open::new(Rc::clone(&worker));
            match acceptor {
                Some(acceptor) => {
                    conn::serve_https(worker, connection, stream, peer, acceptor).await;
                }
                None => conn::serve_http(worker, connection, stream, peer).await,
            }
        });
    }

    /// Waits when accepting failed for want of resources; other failures concern one client only.
    async fn pause(&self, error: &std::io::Error) {
        use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return;
        }
        self.metrics.hits().count(Limit::FileDescriptors);
        tracing::warn!(%error, "accepting a connection failed");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Counts a connection while it is open, also when its task panics.
pub(crate) struct Open(Rc<Worker>);

impl Open {
    pub(crate) fn new(worker: Rc<Worker>) -> Self {
        worker.metrics.connection_opened();
        Self(worker)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connection_closed();
    }
}
