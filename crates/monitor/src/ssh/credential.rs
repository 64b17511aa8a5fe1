//! What we prove ourselves with: a key file, or the keys of an agent.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{PrivateKey, PublicKey};
use rustix::fs::OFlags;
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use super::fault::Fault;
use super::known_hosts::HOST_KEY_TYPES;

/// What we prove ourselves with.
pub(crate) enum Credential {
    /// A key of our own, and where it came from.
    Key(Arc<PrivateKey>, PathBuf),
    /// An agent that signs, and the keys that it holds; at most [`AGENT_KEYS_MAX`].
    Agent(Box<AgentClient<UnixStream>>, Vec<PublicKey>),
}

impl Credential {
    /// The key in `file`, else the agent at `socket`.
    ///
    /// # Errors
    /// When there is neither, or what is there cannot be used; the text says what to do.
    pub(crate) async fn load(file: Option<&Path>, socket: Option<&Path>) -> Result<Self, Fault> {
        if let Some(path) = file {
            let path = path.to_owned();
            let read = tokio::task::spawn_blocking(move || read_key(&path).map(|key| (key, path)));
            let (key, path) =
                read.await.map_err(|error| Fault::Credential(error.to_string()))??;
            return Ok(Self::Key(Arc::new(key), path));
        }
        match socket {
            Some(socket) => ask_agent(socket).await,
            None => Err(Fault::Credential(
                "there is no key: name one with --key FILE, or run an agent (SSH_AUTH_SOCK)".into(),
            )),
        }
    }
}

/// Reads a private key as ssh does: only when nobody else can read it.
fn read_key(path: &Path) -> Result<PrivateKey, Fault> {
    let shown = path.display();
    let text = read_private(path)
        .map_err(|error| Fault::Credential(format!("cannot read the key {shown}: {error}")))?;
    let key = PrivateKey::from_openssh(text.as_bytes()).map_err(|_| {
        Fault::Credential(match text.trim_start() {
            text if text.starts_with("ssh-") || text.starts_with("ecdsa-") => {
                format!("{shown} is the public half; name the private key, without .pub")
            }
            text if text.starts_with("-----BEGIN OPENSSH") => {
                format!("the key {shown} is damaged, or of a type that we do not know")
            }
            text if text.starts_with("-----BEGIN") => format!(
                "the key {shown} is in an old format; rewrite it with `ssh-keygen -p -f {shown}`"
            ),
            _ => format!("{shown} is no private key in OpenSSH's format"),
        })
    })?;
    if key.is_encrypted() {
        return Err(Fault::Credential(format!(
            "the key {shown} has a passphrase, which a daemon cannot type; make one without for \
             this alone (`ssh-keygen -t ed25519 -N '' -f FILE`), or give it to an agent"
        )));
    }
    if !HOST_KEY_TYPES.contains(&key.algorithm()) {
        return Err(Fault::Credential(format!(
            "the key {shown} is of the type {}, which is not built in; use ed25519 or ecdsa \
             (`ssh-keygen -t ed25519`)",
            key.algorithm()
        )));
    }
    Ok(key)
}

fn read_private(path: &Path) -> io::Result<Zeroizing<String>> {
    // Not blocking: a pipe in the place of a key must not hang us.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let told = file.metadata()?;
    if !told.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if told.mode() & OTHERS_MASK != 0 {
        let mend = format!("others may read it; run `chmod 600 {}`", path.display());
        return Err(io::Error::other(mend));
    }
    let mut text = Zeroizing::new(String::with_capacity(KEY_BYTES_MAX));
    let read = file.take(KEY_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    if read > KEY_BYTES_MAX {
        return Err(io::Error::other("it is too long for a key"));
    }
    Ok(text)
}

async fn ask_agent(socket: &Path) -> Result<Credential, Fault> {
    let shown = socket.display();
    let stream = UnixStream::connect(socket).await.map_err(|error| {
        Fault::Credential(format!(
            "cannot reach the agent at {shown}: {error}; name a key with --key FILE"
        ))
    })?;
    let mut agent = AgentClient::connect(stream);
    let held = agent.request_identities().await.map_err(|error| {
        Fault::Credential(format!("the agent at {shown} does not tell its keys: {error}"))
    })?;
    let usable = held.into_iter().filter_map(|identity| match identity {
        AgentIdentity::PublicKey { key, .. } => Some(key),
        AgentIdentity::Certificate { .. } => None,
    });
    let usable = usable.filter(|key| HOST_KEY_TYPES.contains(&key.algorithm()));
    let keys: Vec<_> = usable.take(AGENT_KEYS_MAX).collect();
    if keys.is_empty() {
        return Err(Fault::Credential(format!(
            "the agent at {shown} holds no ed25519 or ecdsa key; add one with `ssh-add FILE`"
        )));
    }
    Ok(Credential::Agent(Box::new(agent), keys))
}

/// The bits that let others than the owner at a file.
const OTHERS_MASK: u32 = 0o077;
/// The longest key file, in bytes.
const KEY_BYTES_MAX: usize = 64 << 10;
/// The most keys of an agent that are tried: a server gives up after six.
const AGENT_KEYS_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use russh::keys::Algorithm;
    use russh::keys::ssh_key::LineEnding;

    use super::*;

    fn refusal(text: &str, mode: u32) -> String {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("id");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permitted");
        read_key(&path).map_or_else(|fault| fault.to_string(), |_| String::new())
    }

    #[test]
    fn keys_that_ssh_would_refuse_are_refused_with_the_mend() {
        let mut random = russh::keys::key::safe_rng();
        let key = PrivateKey::random(&mut random, Algorithm::Ed25519).expect("a key");
        let plain = key.to_openssh(LineEnding::LF).expect("text");
        let locked = key.encrypt(&mut random, "secret").expect("locked");
        let locked = locked.to_openssh(LineEnding::LF).expect("text");
        let public = key.public_key().to_openssh().expect("text");
        assert_eq!(refusal(&plain, 0o600), "");
        assert_eq!(refusal(&plain, 0o400), "");
        for (text, mode, mend) in [
            (plain.as_str(), 0o640, "chmod 600"),
            (&plain, 0o604, "chmod 600"),
            (&locked, 0o600, "passphrase"),
            (&public, 0o600, "without .pub"),
            (&plain[..plain.len() / 2], 0o600, "damaged"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", 0o600, "ssh-keygen -p"),
            ("hello", 0o600, "no private key"),
            (&"x".repeat(70_000), 0o600, "too long"),
            (RSA, 0o600, "ed25519 or ecdsa"),
        ] {
            let said = refusal(text, mode);
            assert!(said.contains(mend), "{mend}: {said}");
        }
        let directory = tempfile::tempdir().expect("a directory");
        assert!(read_key(directory.path()).is_err());
        assert!(read_key(&directory.path().join("none")).is_err());
    }

    /// Made for this test; it opens nothing.
    const RSA: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAABFwAAAAdzc2gtcn
NhAAAAAwEAAQAAAQEAxvqZAwcEUfbWS+BxkmFIU+Us2xjwPrn9zmUguQESusfmsnU+zJaT
GCt1qJ3jtHLQx0Y62PhdJ6ZcHByQjyjQ0K5oVcRDm/jjvcTMuF3xdodBlmz5Q9S1FeahU5
GsenVZhU4ZDdWytzHuDBfLPZWntIWMmyO1GoBr0JeA592+I4Q9HHRNkobu02tkrvZqGku4
24inb3rBkucz3/AWEyVxsnqEtDUxAgaCAlRqyReEWJ8GyI234ebaltM+kOmYQlYmq8CHqQ
8LavIzvGs4ldjVsvtb5QoDa2GaLpyJRONntpVRJMdphZPUOEikzVGEwUvCf4UgPhZsnD+P
Eq6lZRdtEQAAA8BBXLv2QVy79gAAAAdzc2gtcnNhAAABAQDG+pkDBwRR9tZL4HGSYUhT5S
zbGPA+uf3OZSC5ARK6x+aydT7MlpMYK3WoneO0ctDHRjrY+F0nplwcHJCPKNDQrmhVxEOb
+OO9xMy4XfF2h0GWbPlD1LUV5qFTkax6dVmFThkN1bK3Me4MF8s9lae0hYybI7UagGvQl4
Dn3b4jhD0cdE2Shu7Ta2Su9moaS7jbiKdvesGS5zPf8BYTJXGyeoS0NTECBoICVGrJF4RY
nwbIjbfh5tqW0z6Q6ZhCViarwIepDwtq8jO8aziV2NWy+1vlCgNrYZounIlE42e2lVEkx2
mFk9Q4SKTNUYTBS8J/hSA+FmycP48SrqVlF20RAAAAAwEAAQAAAQAZ//nJcvvGCAZ1cLT2
Zx7P05TaZjZSQ/RdqUou0myTmnZTIE3d5tj+ogMkTslHtW8BcvRSkJV/jlXf2H2tLyyl7/
wzJMue0FVV4SbM+n2IOuE/miqyCdPFslanOFQ8xiO17wAIFkHdfTk5PEyy1eDNjlvSk8Zg
2aH85icSZR+ovS4Q8075uJwDHM3YrC2fnPva4e1C5d2zCGkWEfjLkFwYjSCyoZX98LHLtq
MvQwCHjuc+Ruqz90wJyttYDfEM1uWdVaQZRfnPawml14buLoBHUn4c+8HrADCQ6+7oQLk8
HwOQjphJKGJ0uJlKqcPmRUWM3ChfhrdPDZuzsloCwWE3AAAAgQCqV0Nq2JajtpLZ9otDmu
a6JZqLV68/rivErwULho2hNjTdkSJd6MDhZ/xi0LYYd9kyUmX3Hpcd8aaVlThyE7lrCvpo
HkYLM0+s3luIQonFEPavufhq1vbE7JglZSaWjA9IKQ5RAsNtLYViam6MrDJqMwN2gf9E3f
wkwnYH61SzpwAAAIEA94xzoCG3OoP+VbBpGTt4JXzJTyOgpB6SIKkHNxny4uVab6aaR1pF
OnYX5aBVF2/S+oHmGHiI/e48DOdDpUBQ5g5/285yEvbHbmtbOKpt3F1uwi4PA7ZjYx6DC4
t5K36X1KSgBHdnvb2dAbr7r/hPrh+Hn3UX3rgnUB7H7wRovFsAAACBAM3Fptjn97Iqirrb
g+AZr2eMjVPRQGkXDwtHM0gvd0uG2h9BGsRcgWNlqOexo9W3kCkeXg2qU7ZzcQ9JcJWzBr
+dBVFw7zy4eupb+9AY7xuoe59V6t+yidl13/MdG87PZcCNirGEeVD+gLVYG174c6Wzxx5K
9Q2ESTCy8HOmfSgDAAAAB3Jvb3RAdm0BAgM=
-----END OPENSSH PRIVATE KEY-----
";
}
