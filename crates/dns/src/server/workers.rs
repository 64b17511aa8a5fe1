//! The threads that answer datagrams, each with sockets of its own.
//!
//! **Invariant:** a worker shares nothing with others but the tables and the counters, and its early death is the
//! process's.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{SyncSender, sync_channel};

use conduit_core::tasks::Tasks;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::oneshot;

use super::responder::Responder;
use super::udp::Server;
use crate::error::DnsError;
use crate::handler::Transport;
use crate::leaving::Leaving;

/// What a worker is to do.
pub(super) struct Plan {
    pub(super) sockets: Vec<(SocketAddr, UdpSocket)>,
    pub(super) responder: Responder,
    /// What forwarded questions are answered by.
    pub(super) jobs: Tasks,
    pub(super) leaving: Leaving,
}

/// Starts a thread that answers until `tasks` stops.
///
/// # Errors
/// When the thread or its runtime cannot be made, or a socket cannot be adopted.
pub(super) fn start(index: usize, plan: Plan, tasks: &Tasks) -> Result<(), DnsError> {
    let (begun, beginning) = sync_channel(1);
    let (ended, end) = oneshot::channel::<()>();
    let of_worker = tasks.child();
    let body = move || {
        run(plan, &of_worker, &begun);
        // Told by its end, also by that of a panic.
        drop(ended);
    };
    let thread = std::thread::Builder::new().name(format!("dns-{index}"));
    thread.spawn(body).map_err(|source| DnsError::StartWorker { source })?;
    // A thread that ends without a word has panicked, and said why.
    let failed = |ended| Err(DnsError::StartWorker { source: io::Error::other(ended) });
    beginning.recv().unwrap_or_else(failed)?;
    tasks.service("dns-worker", async move {
        // There is nothing to tell but the end.
        let _end = end.await;
    });
    Ok(())
}

fn run(plan: Plan, tasks: &Tasks, begun: &SyncSender<Result<(), DnsError>>) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let prepared = runtime
        .map_err(|source| DnsError::StartWorker { source })
        .and_then(|runtime| Ok((adopt(plan, &runtime)?, runtime)));
    let (outcome, prepared) = match prepared {
        Ok(prepared) => (Ok(()), Some(prepared)),
        Err(error) => (Err(error), None),
    };
    // Nobody waits any more only when the process is ending.
    let is_heard = begun.send(outcome).is_ok();
    let Some((servers, runtime)) = prepared.filter(|_| is_heard) else {
        return;
    };
    runtime.block_on(async {
        for server in servers {
            tasks.local_service("dns-udp", server.run());
        }
        tasks.stop().cancelled().await;
        tasks.finish().await;
    });
}

fn adopt(plan: Plan, runtime: &LocalRuntime) -> Result<Vec<Server>, DnsError> {
    let Plan { sockets, responder, jobs, leaving } = plan;
    let _entered = runtime.enter();
    let adopted = sockets.into_iter().map(|(address, socket)| {
        let server = Server::adopt(socket, responder.clone(), jobs.clone(), leaving.clone());
        server.map_err(|source| DnsError::Adopt { address, transport: Transport::Udp, source })
    });
    adopted.collect()
}
