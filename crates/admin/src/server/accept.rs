//! The accept loops.
//!
//! **Invariant:** an error of one connection, or of accepting one, never ends a loop; no more than
//! [`CONNECTIONS_MAX`] connections are open on each listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use conduit_core::tasks::Tasks;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::connection;
use super::socket::SocketFile;
use crate::hosts::AllowedHosts;
use crate::limits::CONNECTIONS_MAX;
use crate::peer::{Peer, user_name};

/// Accepts on the Unix socket until the tasks are to stop; then its file goes.
pub(super) async fn unix(listener: UnixListener, file: SocketFile, router: Router, tasks: Tasks) {
    let _file = file;
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Some(permit) = permit(&permits, &tasks).await else {
            return;
        };
        let accepted = tokio::select! {
            () = tasks.stop().cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                recover(&error).await;
                continue;
            }
        };
        let (router, open) = (router.clone(), tasks.clone());
        tasks.job("admin connection", async move {
            let _permit = permit;
            match recognise(&stream).await {
                Ok(peer) => connection::serve(stream, router, peer, None, open).await,
                Err(error) => tracing::warn!(%error, "a peer's credentials cannot be read"),
            }
        });
    }
}

/// Accepts on the TCP listener until the tasks are to stop.
pub(super) async fn tcp(
    listener: TcpListener,
    hosts: Arc<AllowedHosts>,
    router: Router,
    tasks: Tasks,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Some(permit) = permit(&permits, &tasks).await else {
            return;
        };
        let accepted = tokio::select! {
            () = tasks.stop().cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok((stream, address)) => (stream, address),
            Err(error) => {
                recover(&error).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection is gone before it was served");
            continue;
        }
        let (router, open) = (router.clone(), tasks.clone());
        let hosts = Arc::clone(&hosts);
        tasks.job("admin connection", async move {
            let _permit = permit;
            let local = stream.local_addr().ok().map(|a: SocketAddr| a.ip());
            let check = Some((hosts, local));
            connection::serve(stream, router, Peer::Tcp(peer), check, open).await;
        });
    }
}

async fn permit(
    permits: &Arc<Semaphore>,
    tasks: &Tasks,
) -> Option<tokio::sync::OwnedSemaphorePermit> {
    tokio::select! {
        () = tasks.stop().cancelled() => None,
        permit = Arc::clone(permits).acquire_owned() => permit.ok(),
    }
}

async fn recognise(stream: &UnixStream) -> io::Result<Peer> {
    let uid = stream.peer_cred()?.uid();
    Ok(Peer::Local { uid, user: user_name(uid).await })
}

/// Waits when accepting failed for want of something that only time brings, such as descriptors.
async fn recover(error: &io::Error) {
    let of_the_peer = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    );
    if !of_the_peer {
        tracing::warn!(%error, "accepting on an admin listener failed");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
