//! The gateway that this process takes over from.
//!
//! **Invariant:** nothing of the state is touched before the lock has come, and nothing is decided
//! before the old process has left it; an old process that is gone has left it, too.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;

use conduit_core::inherited::{Inherited, Purpose};
use conduit_registry::store::SCHEMA_VERSION;

use super::channel::Channel;
use super::words::{FromNew, FromOld, Label};
use super::{PATIENCE, UpgradeError, VARIABLE};

/// The process that started this one to take over.
#[derive(Debug)]
pub struct Predecessor {
    channel: Channel,
    process: u32,
    waiting: u32,
    inherited: Inherited,
}

impl Predecessor {
    /// The gateway that started this process, with its sockets; `None` when it is started as usual.
    ///
    /// # Errors
    /// When there should be one, and is not.
    pub fn find() -> Result<Option<Self>, UpgradeError> {
        let Some(process) = std::env::var_os(VARIABLE) else {
            return Ok(None);
        };
        let process = process.to_str().and_then(|text| text.parse().ok());
        let process: u32 = process.ok_or(UpgradeError::NotFromGateway)?;
        let socket = io::stdin().as_fd().try_clone_to_owned().map_err(UpgradeError::Channel)?;
        let channel = Channel::of(socket, process).ok_or(UpgradeError::NotFromGateway)?;
        // So that nothing else holds the connection open.
        std::fs::File::open("/dev/null")
            .and_then(|nothing| Ok(rustix::stdio::dup2_stdin(nothing)?))
            .map_err(UpgradeError::Channel)?;
        let mut found = Self { channel, process, waiting: 0, inherited: Inherited::default() };
        found.receive_sockets()?;
        Ok(Some(found))
    }

    /// Its number.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// What tells it why this process does not take over.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub fn refusal(&self) -> Result<Refusal, UpgradeError> {
        self.channel.try_clone().map(Refusal).map_err(UpgradeError::Channel)
    }

    /// How many processes wait for their successors to end.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Its sockets, once.
    pub(crate) fn take_sockets(&mut self) -> Inherited {
        std::mem::take(&mut self.inherited)
    }

    /// Says that everything but the state is there, and waits for the state's lock. `socket` says
    /// whether the Unix socket was taken.
    pub(crate) fn prepared(&self, socket: bool) -> Result<OwnedFd, UpgradeError> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let message = FromNew::Prepared { version, schema: SCHEMA_VERSION, socket };
        self.channel.send(&message, &[], PATIENCE).map_err(UpgradeError::Channel)?;
        match self.channel.receive(PATIENCE).map_err(UpgradeError::Channel)? {
            Some((FromOld::State, descriptors)) => {
                descriptors.into_iter().next().ok_or(UpgradeError::GivenUp)
            }
            _ => Err(UpgradeError::GivenUp),
        }
    }

    /// Says that this process serves, and waits until the old one has left the state.
    pub(crate) async fn ready(self) -> Result<(), UpgradeError> {
        let waiting = move || {
            self.channel.send(&FromNew::Ready, &[], PATIENCE).map_err(UpgradeError::Channel)?;
            match self.channel.receive(PATIENCE) {
                // An old process that is gone writes nothing any more.
                Ok(Some((FromOld::Over, _)) | None) => Ok(()),
                Ok(Some(_)) => Err(UpgradeError::GivenUp),
                Err(error) => Err(UpgradeError::Channel(error)),
            }
        };
        let done = tokio::task::spawn_blocking(waiting).await;
        done.unwrap_or(Err(UpgradeError::GivenUp))
    }

    fn receive_sockets(&mut self) -> Result<(), UpgradeError> {
        loop {
            let received = self.channel.receive(PATIENCE).map_err(UpgradeError::Channel)?;
            let Some((FromOld::Sockets { labels, more, waiting }, descriptors)) = received else {
                return Err(UpgradeError::GivenUp);
            };
            for (label, descriptor) in labels.into_iter().zip(descriptors) {
                self.add(label, descriptor);
            }
            self.waiting = waiting;
            if !more {
                return Ok(());
            }
        }
    }

    fn add(&mut self, label: Label, socket: OwnedFd) {
        let purpose = match label {
            Label::Admin => Purpose::Admin,
            Label::AdminSocket { path } => {
                return self.inherited.add_unix(path, UnixListener::from(socket));
            }
            Label::DnsDatagrams => {
                return self.inherited.add_udp(Purpose::Dns, UdpSocket::from(socket));
            }
            Label::DnsStreams => Purpose::Dns,
            Label::DnsTls => Purpose::DnsTls,
            Label::Http => Purpose::Http,
            Label::Http3 => {
                return self.inherited.add_udp(Purpose::Http3, UdpSocket::from(socket));
            }
            Label::Http3Resting => {
                return self.inherited.add_udp(Purpose::Http3Resting, UdpSocket::from(socket));
            }
            Label::Https => Purpose::Https,
            Label::Stream => Purpose::Stream,
        };
        self.inherited.add_tcp(purpose, TcpListener::from(socket));
    }
}

/// Tells the old process why this one does not take over.
#[derive(Debug)]
pub struct Refusal(Channel);

impl Refusal {
    /// Says it; an old process that does not wait any more needs no reason.
    pub fn tell(&self, reason: &str) {
        let reason = reason.chars().take(REASON_CHARS_MAX).collect();
        self.0.send(&FromNew::Refused { reason }, &[], PATIENCE).ok();
    }
}

/// What of a reason is said.
const REASON_CHARS_MAX: usize = 4_096;
