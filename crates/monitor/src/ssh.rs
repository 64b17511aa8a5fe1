//! Other machines, over SSH: one connection is kept to each, and one script is run for each reading.
//!
//! Nothing is installed there. The script is a constant ([`script::SURVEY`]); no configured value
//! is ever put into a command.
//!
//! **Invariant:** a machine whose host key is not pinned, or is another than the pinned one, gets
//! nothing from us but the opening of the protocol: no user name, no key, no command. Whatever a
//! machine sends, what it costs us is bounded in bytes and in time.

mod answer;
mod connection;
mod credential;
mod fault;
mod known_hosts;
mod pause;
mod pins;
mod scan;
pub mod script;
mod source;
mod tether;
mod watch;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use conduit_core::destination::Destination;

use crate::node::NodeName;

pub use self::known_hosts::{Pins, Verdict};
pub use self::pins::{PinError, Pinned, pin, unpin};
pub use self::scan::{AcceptError, HostKey, accept, scan};
pub use self::source::SshSource;

/// A machine to be read over SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// What it is called.
    pub name: NodeName,
    /// Where it is.
    pub destination: Destination,
    /// The private key; `None` asks the agent.
    pub key: Option<PathBuf>,
    /// Pins that somebody else keeps, such as `/etc/ssh/ssh_known_hosts`; read beside our own.
    pub known_hosts: Option<PathBuf>,
    /// The machine through which it is reached, with the same key; pinned as well.
    pub jump: Option<Destination>,
    /// Words of the operator, for filters and labels.
    pub tags: Vec<String>,
}

/// What this gateway has for every server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Our own pins: `known_hosts` in the state directory.
    pub pins: PathBuf,
    /// Who we are where a destination names nobody.
    pub user: Option<String>,
    /// The agent's socket (`SSH_AUTH_SOCK`).
    pub agent: Option<PathBuf>,
}
