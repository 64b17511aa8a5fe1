//! Looking at host keys, and pinning those that a person has compared.

use conduit_core::destination::Destination;
use russh::keys::{Algorithm, PublicKey};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Connection, dial, load_pins, shake_hands};
use super::fault::Fault;
use super::known_hosts::{HOST_KEY_TYPES, Verdict};
use super::pins::{PinError, fingerprint, pin};
use super::watch::Watch;
use super::{Access, Server};
use crate::source::SourceError;

/// The key that a machine shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// Whose it is.
    pub destination: Destination,
    /// Its type, such as `ssh-ed25519`.
    pub kind: String,
    /// As OpenSSH prints it, `SHA256:…`.
    pub fingerprint: String,
    /// The key itself.
    pub key: PublicKey,
}

/// Looks at the host key of a server. Nothing is said to it but the opening of the protocol; its
/// jump host must be pinned already, and lets us in.
///
/// # Errors
/// When no key was seen; of an unpinned jump host, [`SourceError::Unpinned`] with that one's key.
pub async fn scan(server: &Server, access: &Access) -> Result<HostKey, SourceError> {
    let types = HOST_KEY_TYPES.to_vec();
    look(&server.destination, server, access, types).await.map_err(Fault::told)
}

/// Pins the keys of a server, and of its jump host, whose fingerprints are among `accepted`. A host
/// that has keys of several types is asked for each. Gives what is pinned now, the jump host first.
///
/// # Errors
/// When a host shows no accepted key, or the pin cannot be written.
pub async fn accept(
    server: &Server,
    access: &Access,
    accepted: &[String],
) -> Result<Vec<HostKey>, AcceptError> {
    let mut found = Vec::new();
    if let Some(jump) = &server.jump {
        let alone = Server { destination: jump.clone(), jump: None, ..server.clone() };
        found.push(accept_one(jump, &alone, access, accepted).await?);
    }
    found.push(accept_one(&server.destination, server, access, accepted).await?);
    Ok(found)
}

/// Why a host key was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// It shows others than those that were given.
    #[error(
        "{host} shows {shown}, which was not accepted; compare with `ssh-keygen -lf \
         /etc/ssh/ssh_host_ed25519_key.pub` on that machine"
    )]
    Other {
        /// Which host.
        host: String,
        /// The fingerprints that it shows.
        shown: String,
    },
    /// It shows none.
    #[error(transparent)]
    Unseen(#[from] SourceError),
    /// The pin could not be written.
    #[error(transparent)]
    Pin(#[from] PinError),
}

async fn accept_one(
    destination: &Destination,
    server: &Server,
    access: &Access,
    accepted: &[String],
) -> Result<HostKey, AcceptError> {
    let (mut shown, mut unseen) = (Vec::new(), None);
    for kind in HOST_KEY_TYPES {
        let seen = match look(destination, server, access, vec![kind.clone()]).await {
            Ok(seen) => seen,
            // It has none of this type; another may be the one.
            Err(fault @ Fault::HostKeyType { .. }) => {
                unseen = Some(fault);
                continue;
            }
            Err(fault) => return Err(fault.told().into()),
        };
        let pins = load_pins(server, access).await.map_err(Fault::told)?;
        let (host, port) = (destination.host(), destination.port());
        // What is pinned already needs no second word.
        let is_pinned = pins.judge(host, port, &seen.key) == Verdict::Pinned;
        if is_pinned {
            return Ok(seen);
        }
        if accepted.contains(&seen.fingerprint) {
            pin(&access.pins, host, port, &seen.key)?;
            return Ok(seen);
        }
        shown.push(format!("{} ({})", seen.fingerprint, seen.kind));
    }
    match unseen {
        Some(fault) if shown.is_empty() => Err(fault.told().into()),
        _ => Err(AcceptError::Other { host: destination.to_string(), shown: shown.join(" and ") }),
    }
}

/// Connects only to see the key, of one of these types.
async fn look(
    destination: &Destination,
    server: &Server,
    access: &Access,
    types: Vec<Algorithm>,
) -> Result<HostKey, Fault> {
    match &server.jump {
        None => look_at(dial(destination).await?, destination, types).await,
        Some(jump) => {
            let alone = Server { destination: jump.clone(), jump: None, ..server.clone() };
            let through = Box::pin(Connection::open(&alone, access)).await?;
            look_at(through.lead_on(destination).await?, destination, types).await
        }
    }
}

async fn look_at<S>(
    stream: S,
    destination: &Destination,
    types: Vec<Algorithm>,
) -> Result<HostKey, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match shake_hands(stream, destination, types, Watch::looking(destination)).await {
        Err(Fault::Shown(key)) => Ok(HostKey {
            destination: destination.clone(),
            kind: key.algorithm().to_string(),
            fingerprint: fingerprint(&key),
            key: *key,
        }),
        Err(fault) => Err(fault),
        // Looking never lets a handshake end.
        Ok(_) => Err(Fault::Credential(format!("{destination} showed no host key"))),
    }
}
