//! Channels: the ways by which people are told of alerts.
//!
//! **Invariant:** a channel that hangs delays no other and nothing else: each has a task, a bounded
//! outbox, a deadline for each try, and a bound of messages an hour. What could not be told waits
//! until it can be. Secrets are read when they are needed, and never shown.

mod chat;
pub mod file;
mod http;
mod mail;
mod message;
mod notifier;
mod outbox;
mod pacing;
mod place;
mod running;
mod syslog;

use std::sync::Arc;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use rustls::ClientConfig;

use self::chat::Chat;
use self::mail::Mail;
use self::message::Message;
use self::pacing::Pace;
pub use self::running::{ChannelStatus, Channels};
use self::syslog::Syslog;
use crate::alert::{AlertChange, Severity};
use crate::glob::Glob;
use crate::secret::SecretError;

/// A channel as it is configured.
#[derive(Debug, Clone)]
pub struct Channel {
    name: Arc<str>,
    way: Way,
    severity: Severity,
    /// None is every rule.
    rules: Vec<Glob>,
    pace: Pace,
}

#[derive(Debug, Clone)]
enum Way {
    Chat(Chat),
    Mail(Mail),
    Syslog(Syslog),
}

impl Channel {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The word for its kind.
    pub fn kind(&self) -> &'static str {
        match &self.way {
            Way::Chat(chat) => chat.kind(),
            Way::Mail(_) => "smtp",
            Way::Syslog(_) => "syslog",
        }
    }

    /// Whether it is told of a change.
    pub fn wants(&self, change: &AlertChange) -> bool {
        let alert = change.alert();
        let is_named = self.rules.is_empty() || self.rules.iter().any(|g| g.matches(&alert.rule));
        alert.severity >= self.severity && is_named
    }

    /// Sends one message that says it is a test, once.
    async fn test(&self, tls: &Arc<ClientConfig>) -> Result<(), DeliveryError> {
        self.deliver(&Message::test(Timestamp::now()), tls).await
    }

    /// Where messages go, as far as it may be shown: of URLs only the host.
    pub fn place(&self) -> String {
        match &self.way {
            Way::Chat(chat) => chat.shown_place(),
            Way::Mail(mail) => mail.to_string(),
            Way::Syslog(syslog) => syslog.to_string(),
        }
    }

    /// One try, within its deadline.
    async fn deliver(
        &self,
        message: &Message,
        tls: &Arc<ClientConfig>,
    ) -> Result<(), DeliveryError> {
        let sending = async {
            match &self.way {
                Way::Chat(chat) => chat.deliver(message, tls).await,
                Way::Mail(mail) => mail.deliver(message, tls).await,
                Way::Syslog(syslog) => syslog.deliver(message).await,
            }
        };
        // On the heap: TLS and mail make a large future.
        let late = || {
            let (place, seconds) = (self.place(), TRY_MAX.as_secs());
            DeliveryError::Failed(format!("{place} gives no answer within {seconds} s"))
        };
        tokio::time::timeout(TRY_MAX, Box::pin(sending)).await.unwrap_or_else(|_| Err(late()))
    }
}

/// Why a message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Trying again does not help: a person must mend something.
    #[error("{0}")]
    Refused(String),
    /// It may work later.
    #[error("{0}")]
    Failed(String),
    /// It asked to be left alone for so long.
    #[error("{0}")]
    Later(String, Duration),
}

impl From<SecretError> for DeliveryError {
    fn from(error: SecretError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl DeliveryError {
    /// Whether it is worth trying again.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Later(..))
    }

    /// How long it asked to be left alone.
    fn wait(&self) -> Option<Duration> {
        match self {
            Self::Later(_, wait) => Some(*wait),
            Self::Refused(_) | Self::Failed(_) => None,
        }
    }
}

/// The most channels.
pub const CHANNELS_MAX: usize = 20;
/// How long one try may take, from the name look-up to the answer.
const TRY_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
