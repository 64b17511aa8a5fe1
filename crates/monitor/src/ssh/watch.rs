//! The library's view of us: whose host key is right, and no to everything that a server may start.

use std::future::{Ready, ready};
use std::sync::Arc;

use conduit_core::destination::Destination;
use russh::Channel;
use russh::client::{ChannelOpenHandle, Handler, Msg, Session};
use russh::keys::{PublicKey, PublicKeyOrCertificate};

use super::fault::Fault;
use super::known_hosts::{Pins, Verdict};
use super::pins::fingerprint;

/// Judges the host key of one connection, also when it is exchanged anew.
pub(crate) struct Watch {
    destination: Destination,
    /// `None` only asks for the key.
    pins: Option<Arc<Pins>>,
}

impl Watch {
    /// Holds the machine to its pins.
    pub(crate) fn holding(destination: &Destination, pins: Arc<Pins>) -> Self {
        Self { destination: destination.clone(), pins: Some(pins) }
    }

    /// Ends the connection as soon as the key is seen.
    pub(crate) fn looking(destination: &Destination) -> Self {
        Self { destination: destination.clone(), pins: None }
    }

    fn judge(&self, key: PublicKey) -> Result<bool, Fault> {
        let Some(pins) = &self.pins else {
            return Err(Fault::Shown(Box::new(key)));
        };
        let host = self.destination.to_string();
        let fingerprint = fingerprint(&key);
        match pins.judge(self.destination.host(), self.destination.port(), &key) {
            Verdict::Pinned => Ok(true),
            Verdict::Unpinned => Err(Fault::Unpinned { host, fingerprint }),
            Verdict::Changed => Err(Fault::Changed { host, fingerprint }),
            Verdict::Revoked => Err(Fault::Revoked { host, fingerprint }),
        }
    }
}

/// What a callback gives.
type Done = Ready<Result<(), Fault>>;

// The library accepts channels that a server opens unless it is told otherwise; a dropped `reply`
// refuses. We never ask for a forwarding, so none of these is ever right.
impl Handler for Watch {
    type Error = Fault;

    fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> impl Future<Output = Result<bool, Fault>> + Send {
        ready(self.judge(shown.public_key()))
    }

    fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        refused()
    }

    fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket_path: &str,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        refused()
    }

    fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        refused()
    }

    fn server_channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        refused()
    }

    fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator_address: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        refused()
    }

    fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket_path: &str,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        refused()
    }

    fn server_channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _originator_address: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        refused()
    }
}

fn refused() -> Done {
    ready(Ok(()))
}
