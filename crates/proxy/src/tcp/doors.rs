//! The ports of one worker: listeners that come and go with the published table.
//!
//! **Invariant:** a listener is served from the moment its port is in the table, and closed when it
//! is there no more; connections go on. Whoever waits in its queue then is accepted first.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use conduit_core::live;
use conduit_core::tasks::Tasks;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::table::RouteTable;
use crate::tcp::ports::{Door, Mailbox};
use crate::tcp::proxy_header::Ends;
use crate::tcp::relay::scratch;
use crate::tcp::serve::{Shared, serve};
use crate::tcp::tls;
use crate::worker::{Open, ProxySettings, Worker};

/// What a worker needs to keep its ports.
#[derive(Debug)]
pub(crate) struct Doors {
    mailbox: Mailbox,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Doors {
    /// Of one worker; `None` when there are no ports at all.
    pub(crate) fn of(
        settings: &ProxySettings,
        worker: usize,
        table: &live::Reader<RouteTable>,
    ) -> Option<Self> {
        let ports = settings.tcp.as_ref()?;
        let tls = settings.tls.as_ref().map(|https| tls::config(https, table.clone()));
        Some(Self { mailbox: ports.mailbox(worker), tls })
    }

    /// Opens and closes listeners as tables are published, until `accepting` is stopped.
    pub(crate) async fn keep(mut self, worker: Rc<Worker>, accepting: Tasks) {
        let shared = Shared { tls: self.tls.take(), scratch: scratch() };
        let mut table = worker.table().clone();
        let mut open: HashMap<u16, CancellationToken> = HashMap::new();
        loop {
            let now = table.load_full();
            open.retain(|port, stop| {
                let stays = now.port(*port).is_some();
                if !stays {
                    stop.cancel();
                }
                stays
            });
            for (port, doors) in self.mailbox.take(&now) {
                let stop = accepting.stop().child_token();
                for door in doors {
                    let accepting_here =
                        accept(Rc::clone(&worker), shared.clone(), door, stop.clone());
                    accepting.local_job("tcp accept", accepting_here);
                }
                // Those of a service that had the port before, and is gone.
                if let Some(old) = open.insert(port, stop) {
                    old.cancel();
                }
            }
            tokio::select! {
                () = accepting.stop().cancelled() => return,
                () = table.changed() => {}
                () = self.mailbox.changed() => {}
            }
        }
    }
}

/// Accepts until stopped, and then whoever is already waiting.
async fn accept(worker: Rc<Worker>, shared: Shared, door: Door, stop: CancellationToken) {
    let (socket, _held) = door.into_parts();
    let listener = match crate::listener::listen(socket).map(TcpListener::from_std) {
        Ok(Ok(listener)) => listener,
        Ok(Err(error)) => {
            tracing::error!(%error, "a listener could not be adopted");
            return;
        }
        Err(error) => {
            tracing::error!(%error, "a port of a tcp service does not listen");
            return;
        }
    };
    let serve = |stream, peer, room| begin(&worker, &shared, room, stream, peer);
    worker.take_in(listener, &stop, serve).await;
}

fn begin(
    worker: &Rc<Worker>,
    shared: &Shared,
    room: OwnedSemaphorePermit,
    stream: TcpStream,
    peer: SocketAddr,
) {
    // Without an address of its own it is gone already.
    let Ok(own) = stream.local_addr() else {
        return;
    };
    let Some(admitted) = worker.admission().admit(room, peer.ip()) else {
        return;
    };
    let place = worker.connections().enter_tunnel(admitted);
    let (worker, shared) = (Rc::clone(worker), shared.clone());
    let tasks = worker.tasks().clone();
    tasks.local_job("tcp connection", async move {
        let _open = Open::new(Rc::clone(&worker));
        serve(worker, place, shared, stream, Ends { source: peer, destination: own }).await;
    });
}
