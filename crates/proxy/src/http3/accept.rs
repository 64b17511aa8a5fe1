//! Taking QUIC connections in, as many as there may be.
//!
//! **Invariant:** a packet whose sender is not known to be where it says costs little: when many
//! handshakes are under way, it is answered with a token to come back with (RFC 9000 §8.1.2). When
//! there is no room, a client is refused at once and goes back to TCP, where it can wait.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use quinn::{Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime};

use super::conn;
use super::port::Slot;
use crate::limits::hits::Limit;
use crate::limits::{ACCEPT_PAUSE, H3_HANDSHAKES_MAX};
use crate::worker::{Open, Worker};

/// Accepts on one slot until stopped.
pub(crate) async fn accept(worker: Rc<Worker>, slot: Slot, server: ServerConfig) {
    let stop = worker.tasks().stop().clone();
    let under_way = Rc::new(Cell::new(0));
    while !stop.is_cancelled() {
        let endpoint = match listen(&slot, &server) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                tracing::error!(%error, "a UDP socket could not be adopted");
                return;
            }
        };
        loop {
            let incoming = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                incoming = endpoint.accept() => incoming,
            };
            let Some(incoming) = incoming else {
                // Its socket failed, and with it every connection on it; TCP goes on.
                tracing::warn!("a UDP socket failed; HTTP/3 begins anew on it");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                break;
            };
            admit(&worker, incoming, &under_way);
        }
        // What is open goes on without new ones.
        endpoint.set_server_config(None);
    }
}

fn listen(slot: &Slot, server: &ServerConfig) -> std::io::Result<Endpoint> {
    let ids = slot.ids;
    let mut config = EndpointConfig::default();
    config.cid_generator(move || Box::new(ids));
    let socket = slot.socket.try_clone()?;
    Endpoint::new(config, Some(server.clone()), socket, Arc::new(TokioRuntime))
}

fn admit(worker: &Rc<Worker>, incoming: Incoming, under_way: &Rc<Cell<usize>>) {
    if under_way.get() >= H3_HANDSHAKES_MAX && incoming.may_retry() {
        worker.metrics().http3().retried();
        // It may not be asked twice; then it is dropped.
        incoming.retry().ok();
        return;
    }
    let client = incoming.remote_address().ip();
    let Some(room) = worker.admission().room_now() else {
        worker.metrics().hits().count(Limit::Connections);
        worker.metrics().http3().refused();
        incoming.refuse();
        return;
    };
    let Some(admitted) = worker.admission().admit(room, client) else {
        worker.metrics().http3().refused();
        incoming.refuse();
        return;
    };
    let connecting = match incoming.accept() {
        Ok(connecting) => connecting,
        Err(error) => {
            worker.metrics().handshake_failed();
            tracing::debug!(%error, "a QUIC connection was not accepted");
            return;
        }
    };
    let connection = worker.connections().enter(admitted);
    let handshake = Handshake::begin(under_way);
    let worker = Rc::clone(worker);
    worker.tasks().clone().local_job("connection", async move {
        let _open = Open::new(Rc::clone(&worker));
        conn::serve(worker, connection, connecting, || drop(handshake)).await;
    });
}

/// A handshake that is under way, until it is dropped.
struct Handshake(Rc<Cell<usize>>);

impl Handshake {
    fn begin(under_way: &Rc<Cell<usize>>) -> Self {
        under_way.set(under_way.get() + 1);
        Self(Rc::clone(under_way))
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
