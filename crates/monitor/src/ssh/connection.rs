//! A connection to a machine: opened in stages, each with a deadline and an error of its own.
//!
//! **Invariant:** whoever drops a connection, or the future that opens one, ends it: the socket is
//! closed and the library's task with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::destination::Destination;
use russh::client::{self, AuthResult, Handle};
use russh::keys::{Algorithm, PrivateKeyWithHashAlg};
use russh::{AlgorithmKind, Preferred, SshId, cipher, kex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::credential::Credential;
use super::fault::{Fault, clean};
use super::known_hosts::Pins;
use super::pins::{self, fingerprint};
use super::tether::Tether;
use super::watch::Watch;
use super::{Access, Server};

/// A connection on which commands can be run.
pub(crate) struct Connection {
    pub(super) handle: Handle<Watch>,
    pub(super) tether: Tether,
    /// Where it leads, for people.
    pub(super) place: String,
    /// What it goes through; it must live as long.
    _jump: Option<Box<Self>>,
}

impl Connection {
    /// Connects to a server, through its jump host if it has one, and proves who we are.
    pub(crate) async fn open(server: &Server, access: &Access) -> Result<Self, Fault> {
        let pins = Arc::new(load_pins(server, access).await?);
        let Some(jump) = &server.jump else {
            let stream = dial(&server.destination).await?;
            return Self::begin(stream, &server.destination, pins, server, access, None).await;
        };
        let stream = dial(jump).await?;
        let through = Self::begin(stream, jump, Arc::clone(&pins), server, access, None).await?;
        let stream = through.lead_on(&server.destination).await?;
        Self::begin(stream, &server.destination, pins, server, access, Some(through)).await
    }

    /// Whether the other side is known to be gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// A stream through this machine to another one.
    pub(super) async fn lead_on(
        &self,
        destination: &Destination,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, Fault> {
        let (place, within) = (destination.to_string(), CONNECT_DEADLINE);
        let opening = self.handle.channel_open_direct_tcpip(
            destination.host(),
            u32::from(destination.port()),
            ORIGINATOR.0,
            ORIGINATOR.1,
        );
        let opened = timeout(within, opening).await;
        let opened = opened.map_err(|_| Fault::TimedOut {
            place: format!("{place} through {}", self.place),
            stage: "connect",
            within,
        })?;
        let channel = opened.map_err(|error| Fault::Jump {
            jump: self.place.clone(),
            place,
            cause: error.to_string(),
        })?;
        Ok(channel.into_stream())
    }

    /// Begins with whoever is at the other end of `stream`, and proves who we are.
    pub(super) async fn begin<S>(
        stream: S,
        destination: &Destination,
        pins: Arc<Pins>,
        server: &Server,
        access: &Access,
        jump: Option<Self>,
    ) -> Result<Self, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let types = pins.types_for(destination.host(), destination.port());
        let watch = Watch::holding(destination, pins);
        let (handle, tether) = shake_hands(stream, destination, types, watch).await?;
        let place = destination.to_string();
        let mut connection = Self { handle, tether, place, _jump: jump.map(Box::new) };
        let within = AUTHENTICATION_DEADLINE;
        let proving = connection.authenticate(destination, server.key.as_deref(), access);
        match timeout(within, proving).await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(fault)) => Err(fault),
            Err(_) => {
                Err(Fault::TimedOut { place: connection.place, stage: "authenticate", within })
            }
        }
    }

    async fn authenticate(
        &mut self,
        destination: &Destination,
        key: Option<&Path>,
        access: &Access,
    ) -> Result<(), Fault> {
        let user = destination.user().or(access.user.as_deref()).ok_or_else(|| {
            Fault::Credential(format!("{destination} names no user; write USER@{destination}"))
        })?;
        let with = match Credential::load(key, access.agent.as_deref()).await? {
            Credential::Key(key, path) => {
                let with =
                    format!("the key {} ({})", path.display(), fingerprint(key.public_key()));
                let key = PrivateKeyWithHashAlg::new(key, None);
                let proved = self.handle.authenticate_publickey(user, key).await;
                if proved.is_ok_and(|result| result.success()) {
                    return Ok(());
                }
                with
            }
            Credential::Agent(mut agent, keys) => {
                let tried: Vec<_> = keys.iter().map(fingerprint).collect();
                for key in keys {
                    let signed =
                        self.handle.authenticate_publickey_with(user, key, None, &mut *agent);
                    match signed.await {
                        Ok(AuthResult::Success) => return Ok(()),
                        Ok(AuthResult::Failure { .. }) => {}
                        // It may hold others that it does sign with.
                        Err(error) => tracing::debug!(%error, "the agent does not sign"),
                    }
                }
                format!("the agent's keys {}", tried.join(", "))
            }
        };
        let (place, user) = (self.place.clone(), user.to_owned());
        if self.tether.is_overrun() {
            return Err(Fault::TooLong { place, limit: HANDSHAKE_BYTES_MAX });
        }
        Err(Fault::Authentication { place, user, with })
    }
}

/// Agrees on keys with whoever is at the other end of `stream`, and judges its host key.
pub(super) async fn shake_hands<S>(
    stream: S,
    destination: &Destination,
    types: Vec<Algorithm>,
    watch: Watch,
) -> Result<(Handle<Watch>, Tether), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (tether, stream) = Tether::tie(stream, HANDSHAKE_BYTES_MAX as u64);
    let (place, within) = (destination.to_string(), HANDSHAKE_DEADLINE);
    let shaking = client::connect_stream(Arc::new(settings(types)), stream, watch);
    match timeout(within, shaking).await {
        Ok(Ok(handle)) => Ok((handle, tether)),
        Ok(Err(Fault::Wire(error))) => Err(match error {
            russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, theirs, .. } => {
                Fault::HostKeyType { place, theirs: clean(theirs.join(", ").as_bytes()) }
            }
            error => Fault::Handshake { place, cause: clean(error.to_string().as_bytes()) },
        }),
        Ok(Err(fault)) => Err(fault),
        Err(_) => Err(Fault::TimedOut { place, stage: "open SSH", within }),
    }
}

/// Connects to a machine itself, each of its addresses in turn.
pub(super) async fn dial(destination: &Destination) -> Result<TcpStream, Fault> {
    let (host, within) = (destination.host(), CONNECT_DEADLINE);
    let place = destination.to_string();
    let timed_out = |stage| Fault::TimedOut { place: place.clone(), stage, within };
    let unresolved = |cause| Fault::Unresolved { host: host.to_owned(), cause };
    let found = timeout(within, lookup_host((host, destination.port()))).await;
    let found = found.map_err(|_| unresolved("no answer".to_owned()))?;
    let addresses: Vec<_> =
        found.map_err(|error| unresolved(error.to_string()))?.take(ADDRESSES_MAX).collect();
    let share = within / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut fault = unresolved("it has no address".to_owned());
    for address in addresses {
        fault = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without it a small question waits for the answer to the one before.
                let _unimportant = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => Fault::Unreachable { place: place.clone(), cause: error.to_string() },
            Err(_) => timed_out("accept the connection"),
        };
    }
    Err(fault)
}

/// Reads the pins anew: they are few, and connections are rarely opened.
pub(super) async fn load_pins(server: &Server, access: &Access) -> Result<Pins, Fault> {
    let paths = [Some(access.pins.clone()), server.known_hosts.clone()];
    let reading = tokio::task::spawn_blocking(move || {
        pins::load(paths.iter().flatten().map(std::path::PathBuf::as_path))
    });
    let unread = |error: &dyn std::error::Error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Fault::Credential(format!("{error}{cause}"))
    };
    reading.await.map_err(|error| unread(&error))?.map_err(|error| unread(&error))
}

fn settings(types: Vec<Algorithm>) -> client::Config {
    client::Config {
        client_id: SshId::Standard(CLIENT_ID.into()),
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES_MAX,
        channel_buffer_size: MESSAGES_WAITING_MAX,
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: KEEPALIVES_MAX,
        preferred: Preferred {
            kex: KEY_EXCHANGES.into(),
            key: types.into(),
            cipher: CIPHERS.into(),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

/// What we call ourselves; it says no version, as it tells strangers nothing that they need.
const CLIENT_ID: &str = "SSH-2.0-Conduit";
/// How long resolving a name, and connecting, may take each.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// How long agreeing on keys may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// How long proving ourselves may take; an agent may ask its owner.
const AUTHENTICATION_DEADLINE: Duration = Duration::from_secs(15);
/// The most bytes that come before the first command: banners are a few hundred.
const HANDSHAKE_BYTES_MAX: usize = 128 << 10;
/// The most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Bytes of an answer that may be on their way; this is what a connection can cost in memory.
const WINDOW_BYTES: u32 = 256 << 10;
/// The longest packet that we ask for, in bytes.
const PACKET_BYTES_MAX: u32 = 32 << 10;
/// The most messages that wait for us on a channel before the socket is read no further.
const MESSAGES_WAITING_MAX: usize = 8;
/// How long a connection may be silent before the other side is asked whether it is there. More than
/// the usual interval of readings, so that a machine that is read gets no more packets for it.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(45);
/// How many such questions may stay without an answer.
const KEEPALIVES_MAX: usize = 2;
/// Where a jump host is told that the connection comes from: here, which is no secret and no help.
const ORIGINATOR: (&str, u32) = ("127.0.0.1", 0);
/// How keys are agreed on, best first. The exchange with groups that the server picks is left out:
/// its price is the server's choice.
const KEY_EXCHANGES: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::DH_G16_SHA512,
    kex::DH_G14_SHA256,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];
/// How it is encrypted, cheapest first: these are all strong.
const CIPHERS: &[cipher::Name] =
    &[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR, cipher::AES_128_CTR];
