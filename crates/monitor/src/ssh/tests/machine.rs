//! A machine with an SSH server that behaves as it is told, well or badly.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use conduit_core::tasks::Tasks;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Handle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::ssh::tether::Tether;

/// What a machine does when it is asked to run something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Hears the script to its end, prints this, and ends with this status.
    Prints(&'static str, u32),
    /// Prints this at once, whatever the script.
    IsForced(&'static str),
    /// Prints this and keeps the channel open.
    Lingers(&'static str),
    /// Prints this and hangs up.
    HangsUp(&'static str),
    /// Complains of this and ends with 127.
    Complains(&'static str),
    /// Prints without an end.
    Floods,
    /// Complains without an end.
    FloodsComplaints,
    /// Refuses to run anything.
    Refuses,
    /// Says nothing.
    IsSilent,
    /// Opens a channel to us, and prints what came of it.
    OpensChannels,
}

/// The machine; it stops when dropped.
pub(super) struct Machine {
    pub(super) port: u16,
    pub(super) shared: Arc<Shared>,
    tasks: Tasks,
}

/// What it knows and has seen.
pub(super) struct Shared {
    host_key: Mutex<PrivateKey>,
    manner: Mutex<Manner>,
    banner: Mutex<Option<String>>,
    /// Whose key is let in.
    client: PublicKey,
    pub(super) connections: AtomicUsize,
    pub(super) users: Mutex<Vec<String>>,
    pub(super) commands: Mutex<Vec<String>>,
    pub(super) scripts: Mutex<Vec<u8>>,
    tethers: Mutex<Vec<Tether>>,
    tasks: Tasks,
}

impl Machine {
    /// A machine on a free port of this one.
    pub(super) async fn start(client: &PublicKey, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let machine = Self::absent(client, manner, listener.local_addr().expect("bound").port());
        let shared = Arc::clone(&machine.shared);
        let stop = machine.tasks.stop().clone();
        machine.tasks.job("listener", async move {
            while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
                shared.serve(stream);
            }
        });
        machine
    }

    /// A machine that nothing leads to; [`Shared::serve`] does.
    pub(super) fn absent(client: &PublicKey, manner: Manner, port: u16) -> Self {
        let tasks = Tasks::new(CancellationToken::new());
        let shared = Shared {
            host_key: Mutex::new(new_key()),
            manner: Mutex::new(manner),
            banner: Mutex::default(),
            client: client.clone(),
            connections: AtomicUsize::default(),
            users: Mutex::default(),
            commands: Mutex::default(),
            scripts: Mutex::default(),
            tethers: Mutex::default(),
            tasks: tasks.clone(),
        };
        Self { port, shared: Arc::new(shared), tasks }
    }

    pub(super) fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().expect("unpoisoned") = manner;
    }

    pub(super) fn greet(&self, banner: String) {
        *self.shared.banner.lock().expect("unpoisoned") = Some(banner);
    }

    pub(super) fn host_key(&self) -> PublicKey {
        self.shared.host_key.lock().expect("unpoisoned").public_key().clone()
    }

    pub(super) fn change_key(&self) {
        *self.shared.host_key.lock().expect("unpoisoned") = new_key();
    }

    /// Cuts all connections.
    pub(super) fn hang_up(&self) {
        self.shared.hang_up();
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Waits until no connection is left.
    pub(super) async fn is_left_alone(&self) {
        while Arc::strong_count(&self.shared) > 2 {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.tasks.stop().cancel();
        self.shared.hang_up();
    }
}

impl Shared {
    pub(super) fn serve<S>(self: &Arc<Self>, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let (tether, stream) = Tether::tie(stream, u64::MAX);
        self.tethers.lock().expect("unpoisoned").push(tether);
        let config = server::Config {
            keys: vec![self.host_key.lock().expect("unpoisoned").clone()],
            auth_rejection_time: std::time::Duration::ZERO,
            ..server::Config::default()
        };
        let session = OneSession { shared: Arc::clone(self) };
        self.tasks.job("session", async move {
            if let Ok(running) = server::run_stream(Arc::new(config), stream, session).await {
                let _ended = running.await;
            }
        });
    }

    fn hang_up(&self) {
        self.tethers.lock().expect("unpoisoned").clear();
    }

    fn manner(&self) -> Manner {
        *self.manner.lock().expect("unpoisoned")
    }
}

struct OneSession {
    shared: Arc<Shared>,
}

impl OneSession {
    fn act(&self, channel: ChannelId, handle: Handle) {
        let shared = Arc::clone(&self.shared);
        let acting = act(shared.manner(), channel, handle);
        shared.tasks.job("command", acting);
    }
}

async fn act(manner: Manner, channel: ChannelId, handle: Handle) {
    // Whoever asked may be gone; that is what some of these are for.
    let print = |text: &'static str| handle.data(channel, text.as_bytes());
    let mut status = 0;
    match manner {
        Manner::Prints(text, with) => {
            let _gone = print(text).await;
            status = with;
        }
        Manner::IsForced(text) => {
            let _gone = print(text).await;
        }
        Manner::Lingers(text) => {
            let _gone = print(text).await;
            return;
        }
        Manner::HangsUp(text) => {
            let _gone = print(text).await;
            let why = russh::Disconnect::ByApplication;
            let _gone = handle.disconnect(why, String::new(), String::new()).await;
            return;
        }
        Manner::Complains(text) => {
            let _gone = handle.extended_data(channel, 1, text.as_bytes()).await;
            status = 127;
        }
        Manner::Floods => while handle.data(channel, vec![b'x'; 32 << 10]).await.is_ok() {},
        Manner::FloodsComplaints => {
            while handle.extended_data(channel, 1, vec![b'x'; 32 << 10]).await.is_ok() {}
        }
        Manner::OpensChannels => {
            let agent = handle.channel_open_agent().await.is_ok();
            let back = handle.channel_open_forwarded_tcpip("a", 1, "b", 2).await.is_ok();
            let session = handle.channel_open_session().await.is_ok();
            let opened = agent || back || session;
            let _gone = print(if opened { "opened" } else { "@@refused\n@@end\n" }).await;
        }
        Manner::Refuses | Manner::IsSilent => return,
    }
    let _gone = handle.exit_status_request(channel, status).await;
    let _gone = handle.eof(channel).await;
    let _gone = handle.close(channel).await;
}

impl server::Handler for OneSession {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        Ok(self.shared.banner.lock().expect("unpoisoned").clone())
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        self.shared.users.lock().expect("unpoisoned").push(user.to_owned());
        let is_right = key.public_key.key_data() == self.shared.client.key_data();
        Ok(if is_right { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        let place = (host.to_owned(), u16::try_from(port).expect("a port"));
        let Ok(mut there) = TcpStream::connect(place).await else {
            return Ok(());
        };
        reply.accept().await;
        self.shared.tasks.job("forwarding", async move {
            let mut here = channel.into_stream();
            let _ended = tokio::io::copy_bidirectional(&mut here, &mut there).await;
        });
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let command = String::from_utf8_lossy(command).into_owned();
        self.shared.commands.lock().expect("unpoisoned").push(command);
        match self.shared.manner() {
            Manner::Refuses => session.channel_failure(channel)?,
            Manner::IsForced(_) => {
                session.channel_success(channel)?;
                self.act(channel, session.handle());
            }
            _ => session.channel_success(channel)?,
        }
        Ok(())
    }

    async fn data(
        &mut self,
        _channel: ChannelId,
        data: &[u8],
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.shared.scripts.lock().expect("unpoisoned").extend_from_slice(data);
        Ok(())
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if !matches!(self.shared.manner(), Manner::IsForced(_)) {
            self.act(channel, session.handle());
        }
        Ok(())
    }
}

pub(super) fn new_key() -> PrivateKey {
    let mut random = russh::keys::key::safe_rng();
    PrivateKey::random(&mut random, Algorithm::Ed25519).expect("a key")
}
