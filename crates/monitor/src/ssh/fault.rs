//! What can go wrong on the way to a machine, by stage.

use std::time::Duration;

use crate::source::SourceError;

/// What went wrong; the text says where, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The name has no address.
    #[error("cannot resolve {host}: {cause}")]
    Unresolved { host: String, cause: String },
    /// Nobody listens there, or nothing leads there.
    #[error("cannot connect to {place}: {cause}")]
    Unreachable { place: String, cause: String },
    /// Whoever listens there does not speak SSH as we do.
    #[error("{place} does not open SSH: {cause}")]
    Handshake { place: String, cause: String },
    /// The host has no key of a type that we can check.
    #[error(
        "{place} has no ed25519 or ecdsa host key, only {theirs}; run `ssh-keygen -A` there and \
         restart its sshd"
    )]
    HostKeyType { place: String, theirs: String },
    /// The host key is on no list.
    #[error("the host key {fingerprint} of {host} is not pinned")]
    Unpinned { host: String, fingerprint: String },
    /// The host key is another one than the pinned one.
    #[error("the host key of {host} changed to {fingerprint}")]
    Changed { host: String, fingerprint: String },
    /// The host key is marked as revoked.
    #[error("the host key {fingerprint} of {host} is revoked in a known hosts file")]
    Revoked { host: String, fingerprint: String },
    /// The host key, when that is all that was asked for.
    #[error("this is the host key")]
    Shown(Box<russh::keys::PublicKey>),
    /// We have nothing to prove ourselves with, or cannot read our pins.
    #[error("{0}")]
    Credential(String),
    /// The machine does not want us.
    #[error(
        "{place} refuses the user {user} with {with}; put the public key into \
         ~{user}/.ssh/authorized_keys there"
    )]
    Authentication { place: String, user: String, with: String },
    /// The machine lets us in, and runs nothing for us.
    #[error("{place} does not run our script: {cause}")]
    Exec { place: String, cause: String },
    /// The jump host does not lead on.
    #[error("{jump} does not lead on to {place}: {cause}; is AllowTcpForwarding on there?")]
    Jump { jump: String, place: String, cause: String },
    /// The connection ended in the middle.
    #[error("{place} closed the connection after {bytes} bytes of its answer")]
    Closed { place: String, bytes: usize },
    /// More came than any machine has to say.
    #[error("{place} sends more than the {limit} bytes that an answer may have")]
    TooLong { place: String, limit: usize },
    /// What came is no survey.
    #[error("{place} answers something else than the script does: {cause}")]
    Garbled { place: String, cause: String },
    /// A stage took too long.
    #[error("{place} did not {stage} within {} s", .within.as_secs())]
    TimedOut { place: String, stage: &'static str, within: Duration },
    /// What the library says, before we say where.
    #[error(transparent)]
    Wire(#[from] russh::Error),
}

impl Fault {
    /// The same in the words that all sources share.
    pub(crate) fn told(self) -> SourceError {
        match self {
            Self::Unpinned { host, fingerprint } => SourceError::Unpinned { host, fingerprint },
            Self::Changed { host, fingerprint } => SourceError::KeyChanged { host, fingerprint },
            Self::Revoked { .. }
            | Self::Credential(_)
            | Self::HostKeyType { .. }
            | Self::Authentication { .. } => SourceError::Refused(self.to_string()),
            Self::Garbled { .. } | Self::TooLong { .. } => SourceError::Garbled(self.to_string()),
            _ => SourceError::Failed(self.to_string()),
        }
    }
}

/// A stranger's text, fit to be shown: one line, no control characters, not long.
pub(crate) fn clean(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect()
}

/// How much of a stranger's text is shown, in characters.
const SHOWN_CHARS: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_writes_cannot_paint_the_screen() {
        assert_eq!(clean(b"\n\x1b[31mred\x07 \nmore"), "[31mred");
        assert_eq!(clean(&[b'x'; 1000]).len(), SHOWN_CHARS);
        assert_eq!(clean(b""), "");
    }
}
