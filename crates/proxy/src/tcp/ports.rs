//! The control side of ports: bound before a registration is granted, handed to workers after.
//!
//! **Invariant:** a reservation that is dropped leaves nothing behind. A port that the published
//! table needs is either with every worker, or its fault is known here and it is tried again.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use conduit_core::inherited::{Inherited, Purpose};
use socket2::Socket;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::error::ProxyError;
use crate::listener::{Listeners, bind_first, bind_shared, open_queue, spread};
use crate::table::RouteTable;

/// Binds ports for all workers; cheap to clone.
#[derive(Clone)]
pub struct TcpPorts(Arc<Shared>);

struct Shared {
    addresses: Vec<IpAddr>,
    explain: Box<dyn Fn(&ProxyError) -> String + Send + Sync>,
    state: Mutex<State>,
    news: watch::Sender<()>,
}

/// What is known of ports that tables need.
struct State {
    /// What each worker has not taken over yet.
    mail: Vec<Mail>,
    /// Dead once no worker has a listener of it any more.
    held: BTreeMap<u16, Weak<()>>,
    faults: BTreeMap<u16, String>,
    /// Not before everything answers.
    listening: bool,
    /// Those of a former process that nobody has asked for yet.
    inherited: Inherited,
    /// Second handles of what workers have, for another process.
    spares: BTreeMap<u16, Vec<Socket>>,
}

type Mail = BTreeMap<u16, Vec<Door>>;

impl TcpPorts {
    /// Ports on the addresses of these listeners (those with TLS, if there are any), for as many
    /// workers; `explain` tells people why one cannot be bound.
    pub fn new(
        listeners: &Listeners,
        explain: impl Fn(&ProxyError) -> String + Send + Sync + 'static,
    ) -> Self {
        let tls = listeners.https_addresses();
        let listening = if tls.is_empty() { listeners.http_addresses() } else { tls };
        let mut addresses: Vec<IpAddr> = listening.iter().map(SocketAddr::ip).collect();
        addresses.sort();
        addresses.dedup();
        let mail = (0..listeners.workers()).map(|_| Mail::new()).collect();
        let state = State {
            mail,
            held: BTreeMap::new(),
            faults: BTreeMap::new(),
            listening: false,
            inherited: Inherited::default(),
            spares: BTreeMap::new(),
        };
        Self(Arc::new(Shared {
            addresses,
            explain: Box::new(explain),
            state: Mutex::new(state),
            news: watch::channel(()).0,
        }))
    }

    /// Binds the ports that `next` needs and `current` does not.
    ///
    /// # Errors
    /// Names the port that cannot be bound, and why; nothing is bound then.
    pub fn reserve(
        &self,
        current: &RouteTable,
        next: &RouteTable,
    ) -> Result<Reservation, PortRefused> {
        let new = next.ports().filter(|port| current.port(*port).is_none());
        let bound = new.map(|port| self.bind(port).map(|doors| (port, doors)));
        bound.collect::<Result<_, _>>().map(Reservation)
    }

    /// Hands what was reserved to the workers, who serve it once `next` is published, and forgets
    /// what `next` does not need.
    pub fn commit(&self, reservation: Reservation, next: &RouteTable) {
        let mut state = self.state();
        let needed = |port: &u16| next.port(*port).is_some();
        state.faults.retain(|port, _| needed(port));
        state.held.retain(|_, held| held.strong_count() > 0);
        state.spares.retain(|port, _| needed(port));
        for mail in &mut state.mail {
            mail.retain(|port, _| needed(port));
        }
        for (port, sockets) in reservation.0 {
            state.deliver(port, sockets);
        }
        drop(state);
        self.0.news.send_replace(());
    }

    /// Binds what the first table needs. A port that cannot be bound stops nothing: its service is
    /// down, and it is tried again.
    pub fn open(&self, table: &RouteTable) {
        for port in table.ports() {
            self.try_again(port);
        }
        // What no service wants any more is closed.
        drop(std::mem::take(&mut self.state().inherited));
    }

    /// Takes what is needed from the sockets of a former process, when the first table is opened.
    pub fn inherit(&self, inherited: Inherited) {
        self.state().inherited = inherited;
    }

    /// Second handles of all sockets, for another process.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub fn duplicates(&self) -> io::Result<Vec<(Purpose, OwnedFd)>> {
        let state = self.state();
        let all = state.spares.values().flatten();
        all.map(|socket| Ok((Purpose::Stream, socket.try_clone()?.into()))).collect()
    }

    /// Gives up the second handles, so that a socket is closed when its workers close it.
    pub fn give_up_spares(&self) {
        self.state().spares.clear();
    }

    /// Tries again what could not be bound, for ever.
    pub async fn keep_trying(self) {
        loop {
            sleep(RETRY_INTERVAL).await;
            let faulty: Vec<u16> = self.state().faults.keys().copied().collect();
            for port in faulty {
                self.try_again(port);
            }
        }
    }

    /// Why a port that is needed is not bound.
    pub fn fault(&self, port: u16) -> Option<String> {
        self.state().faults.get(&port).cloned()
    }

    /// What one worker takes its sockets from; from now on they listen.
    pub(crate) fn mailbox(&self, worker: usize) -> Mailbox {
        self.state().listen(worker);
        Mailbox { ports: self.clone(), worker, news: self.0.news.subscribe() }
    }

    fn try_again(&self, port: u16) {
        let bound = self.bind(port);
        let mut state = self.state();
        match bound {
            Ok(doors) => {
                if state.faults.remove(&port).is_some() {
                    tracing::info!(port, "a port of a tcp service is bound now");
                }
                state.deliver(port, doors);
            }
            Err(refused) => {
                let known = state.faults.insert(port, refused.reason.clone());
                if known.as_ref() != Some(&refused.reason) {
                    tracing::error!(
                        port,
                        reason = refused.reason,
                        "a tcp service cannot be reached"
                    );
                }
            }
        }
        drop(state);
        self.0.news.send_replace(());
    }

    /// Binds a port on every address, for every worker.
    fn bind(&self, port: u16) -> Result<Vec<Vec<Socket>>, PortRefused> {
        let (workers, ours) = {
            let state = self.state();
            let held = state.held.get(&port).is_some_and(|held| held.strong_count() > 0);
            (state.mail.len(), held)
        };
        let refused = |error: ProxyError| PortRefused { port, reason: (self.0.explain)(&error) };
        let mut all: Vec<Vec<Socket>> = (0..workers).map(|_| Vec::new()).collect();
        for ip in &self.0.addresses {
            let address = SocketAddr::new(*ip, port);
            let inherited = self.state().inherited.take_tcp(Purpose::Stream, address);
            if !inherited.is_empty() {
                let inherited = inherited.into_iter().map(Socket::from).collect();
                let shares = spread(address, inherited, workers).map_err(refused)?;
                for (sockets, share) in all.iter_mut().zip(shares) {
                    sockets.extend(share);
                }
                continue;
            }
            // Workers may not have closed it since its last service went; that is no holder.
            let first = match ours {
                true => bind_shared(address).map(Some),
                false => bind_first(address),
            };
            let Some(first) = first.map_err(refused)? else {
                continue;
            };
            let mut first = Some(first);
            for sockets in &mut all {
                let socket = match first.take() {
                    Some(socket) => socket,
                    None => bind_shared(address).map_err(refused)?,
                };
                sockets.push(socket);
            }
        }
        Ok(all)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is in it stays true whatever panicked while it was held.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Hands the sockets of a port to the workers. Clients are queued from now on: a worker takes
    /// a moment to adopt its socket.
    fn deliver(&mut self, port: u16, sockets: Vec<Vec<Socket>>) {
        if self.listening
            && let Err(error) = sockets.iter().flatten().try_for_each(open_queue)
        {
            self.fail(port, &error);
            return;
        }
        let held = Arc::new(());
        self.held.insert(port, Arc::downgrade(&held));
        let spares = sockets.iter().flatten().map(Socket::try_clone);
        match spares.collect() {
            Ok(spares) => drop(self.spares.insert(port, spares)),
            // It is served all the same; an upgrade will bind it anew.
            Err(error) => tracing::warn!(port, %error, "a port has no spare handles"),
        }
        for (mail, sockets) in self.mail.iter_mut().zip(sockets) {
            let doors = sockets.into_iter().map(|socket| Door { socket, held: Arc::clone(&held) });
            mail.insert(port, doors.collect());
        }
    }

    /// Lets clients be queued at what was bound before anything answered.
    fn listen(&mut self, worker: usize) {
        self.listening = true;
        let mut failed = Vec::new();
        for (port, doors) in self.mail.get(worker).into_iter().flatten() {
            if let Err(error) = doors.iter().try_for_each(|door| open_queue(&door.socket)) {
                failed.push((*port, error));
            }
        }
        for (port, error) in failed {
            self.fail(port, &error);
        }
    }

    /// No worker serves a port that one of them cannot.
    fn fail(&mut self, port: u16, error: &io::Error) {
        tracing::error!(port, %error, "a port of a tcp service does not listen");
        self.faults.insert(port, format!("port {port} cannot listen: {error}"));
        self.spares.remove(&port);
        for mail in &mut self.mail {
            mail.remove(&port);
        }
    }
}

impl fmt::Debug for TcpPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpPorts").field("addresses", &self.0.addresses).finish_non_exhaustive()
    }
}

/// Ports that are bound and do not listen; dropped, they are free again.
#[derive(Debug)]
pub struct Reservation(Vec<(u16, Vec<Vec<Socket>>)>);

/// A port that cannot be bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PortRefused {
    /// Which one.
    pub port: u16,
    /// Why, and what to do.
    pub reason: String,
}

/// One listener of one worker, on its way there.
#[derive(Debug)]
pub(crate) struct Door {
    socket: Socket,
    held: Arc<()>,
}

impl Door {
    /// The socket, and what says that it is still held.
    pub(crate) fn into_parts(self) -> (Socket, Arc<()>) {
        (self.socket, self.held)
    }
}

/// What a worker takes its sockets from.
#[derive(Debug)]
pub(crate) struct Mailbox {
    ports: TcpPorts,
    worker: usize,
    news: watch::Receiver<()>,
}

impl Mailbox {
    /// Takes what `table` needs; the rest waits for the table that needs it.
    pub(crate) fn take(&self, table: &RouteTable) -> Mail {
        let mut state = self.ports.state();
        let Some(mail) = state.mail.get_mut(self.worker) else {
            return Mail::new();
        };
        mail.extract_if(.., |port, _| table.port(*port).is_some()).collect()
    }

    /// Waits for something new.
    pub(crate) async fn changed(&mut self) {
        if self.news.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// How often a port that could not be bound is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
