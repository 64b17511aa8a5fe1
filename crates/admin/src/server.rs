//! Binding the two listeners, and serving one router on both.
//!
//! **Invariant:** binding finds out everything that can go wrong; serving cannot fail. Both
//! listeners serve the same router: only how a caller is recognised differs.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conduit_core::inherited::{Inherited, Purpose};
use conduit_core::tasks::Tasks;
use socket2::{Domain, Protocol, Socket, Type};
use tokio_util::sync::CancellationToken;

use crate::error::AdminError;
use crate::hosts::AllowedHosts;
use crate::router;
use crate::settings::AdminSettings;
use crate::state::AdminState;

mod accept;
mod connection;
mod socket;

pub use socket::FileOwner;
use socket::SocketFile;

/// The control plane over HTTP.
#[derive(Debug)]
pub struct Admin;

impl Admin {
    /// Binds what the settings ask for; nothing is accepted yet.
    ///
    /// # Errors
    /// Names the address or path, and who holds it when that is known.
    pub fn bind(settings: &AdminSettings) -> Result<Bound, AdminError> {
        Self::bind_or_inherit(settings, &mut Inherited::default())
    }

    /// The same; sockets of a former process are served on. The file of such a Unix socket is not
    /// ours until [`FileOwner::take`].
    ///
    /// # Errors
    /// As [`Admin::bind`].
    pub fn bind_or_inherit(
        settings: &AdminSettings,
        inherited: &mut Inherited,
    ) -> Result<Bound, AdminError> {
        let mut tcp = |address| {
            let former = inherited.take_tcp(Purpose::Admin, address).into_iter().next();
            former.map_or_else(|| bind_tcp(address), |listener| adopt_tcp(address, listener))
        };
        let tcp = settings.listen.map(&mut tcp).transpose()?;
        let unix = match &settings.socket {
            Some(path) => Some(match inherited.take_unix(path) {
                Some(listener) => socket::adopt(path, listener)?,
                None => socket::bind(path, settings.socket_mode, settings.socket_gid)?,
            }),
            None => None,
        };
        Ok(Bound { unix, tcp })
    }
}

/// Listeners that are bound and do not accept yet.
#[derive(Debug)]
pub struct Bound {
    unix: Option<(UnixListener, SocketFile)>,
    tcp: Option<(TcpListener, SocketAddr)>,
}

impl Bound {
    /// Both listeners of two bindings: what is missing here is taken from `other`.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { unix: self.unix.or(other.unix), tcp: self.tcp.or(other.tcp) }
    }

    /// The real addresses.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            socket: self.unix.as_ref().map(|(_, file)| file.path().to_owned()),
            tcp: self.tcp.as_ref().map(|(_, address)| *address),
        }
    }

    /// Second handles of the listeners, for another process: that of the Unix socket, which is found
    /// at the path of [`Bound::addresses`], and the other one.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub fn duplicates(&self) -> io::Result<(Option<OwnedFd>, Option<OwnedFd>)> {
        let unix = self.unix.as_ref().map(|(listener, _)| listener.try_clone()).transpose()?;
        let tcp = self.tcp.as_ref().map(|(listener, _)| listener.try_clone()).transpose()?;
        Ok((unix.map(OwnedFd::from), tcp.map(OwnedFd::from)))
    }

    /// Whose the file of the Unix socket is.
    pub fn file_owner(&self) -> Option<FileOwner> {
        self.unix.as_ref().map(|(_, file)| file.owner())
    }

    /// Starts to serve; each listener is a service of `tasks`, each connection a job. What is
    /// returned is cancelled once nothing is accepted any more.
    ///
    /// Must be called inside the runtime that is to serve.
    ///
    /// # Errors
    /// When the runtime does not take the sockets.
    pub fn serve(
        self,
        mut state: AdminState,
        tasks: &Tasks,
    ) -> Result<CancellationToken, AdminError> {
        let closed = CancellationToken::new();
        let accepts = Arc::new(closed.clone().drop_guard());
        state.listening = self.addresses();
        state.tasks = tasks.clone();
        let domains = state.control.gateway().domains;
        let hosts = AllowedHosts::new(&domains, state.listening.tcp);
        let state = Arc::new(state);
        let router = router::build(Arc::clone(&state));
        let (stop, feeding) = (tasks.stop().clone(), Arc::clone(&state));
        tasks.service("admin events", async move {
            stop.run_until_cancelled(feeding.feed.run()).await;
        });
        if let Some((listener, file)) = self.unix {
            let path = file.path().to_owned();
            let listener = tokio::net::UnixListener::from_std(listener)
                .map_err(|source| AdminError::BindUnix { path, source })?;
            let accepting = accept::unix(listener, file, router.clone(), tasks.clone());
            let accepts = Arc::clone(&accepts);
            tasks.service("admin socket", async move {
                accepting.await;
                drop(accepts);
            });
        }
        if let Some((listener, address)) = self.tcp {
            let listener = tokio::net::TcpListener::from_std(listener)
                .map_err(|source| AdminError::BindTcp { address, source })?;
            let accepting = accept::tcp(listener, Arc::new(hosts), router, tasks.clone());
            tasks.service("admin listener", async move {
                accepting.await;
                drop(accepts);
            });
        }
        Ok(closed)
    }
}

/// Where the control plane really listens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    /// The Unix socket.
    pub socket: Option<PathBuf>,
    /// The TCP address, with the port that port 0 became.
    pub tcp: Option<SocketAddr>,
}

impl Addresses {
    /// The socket's path.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }
}

fn adopt_tcp(
    wanted: SocketAddr,
    listener: TcpListener,
) -> Result<(TcpListener, SocketAddr), AdminError> {
    let address = listener.set_nonblocking(true).and_then(|()| listener.local_addr());
    let failed = |source| AdminError::BindTcp { address: wanted, source };
    address.map(|address| (listener, address)).map_err(failed)
}

fn bind_tcp(address: SocketAddr) -> Result<(TcpListener, SocketAddr), AdminError> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for the connections of the one before it.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from(socket);
        let real = listener.local_addr()?;
        Ok((listener, real))
    };
    bind().map_err(|source| AdminError::BindTcp { address, source })
}

const BACKLOG: i32 = 128;
