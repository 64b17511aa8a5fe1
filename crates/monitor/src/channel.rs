//! Channels: the ways by which people are told of alerts.
//!
//! **Invariant:** a channel that hangs delays no other and nothing else: each has a task, a bounded
//! queue, a deadline for each try, and a bound of messages an hour. What could not be told is
//! counted and told with the next message. Secrets are read when they are needed, and never shown.

mod chat;
pub mod file;
mod http;
mod mail;
mod message;
mod notifier;
mod pacing;
mod place;
mod secret;
mod syslog;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::tasks::Tasks;
use rustls::ClientConfig;
use tokio::sync::mpsc;

use self::chat::Chat;
use self::mail::Mail;
use self::message::Message;
use self::pacing::Pace;
use self::syslog::Syslog;
use crate::alert::{AlertChange, Severity};
use crate::glob::Glob;

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
    ///
    /// # Errors
    /// Why it could not be sent.
    pub async fn test(&self, tls: &Arc<ClientConfig>) -> Result<(), DeliveryError> {
        self.deliver(&Message::test(Timestamp::now()), tls).await
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
        let late = || DeliveryError::Failed(format!("no answer within {} s", TRY_MAX.as_secs()));
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
}

impl DeliveryError {
    /// Whether it is worth trying again.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// The running channels; cheap to clone. When the last clone is gone, their tasks end.
#[derive(Debug, Clone, Default)]
pub struct Channels(Arc<[Running]>);

#[derive(Debug)]
struct Running {
    channel: Channel,
    queue: mpsc::Sender<AlertChange>,
    counts: Arc<Counts>,
}

/// What one channel counted.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    failures: AtomicU64,
    /// Changes that were never told, in all.
    lost: AtomicU64,
    /// Of those, the ones that the next message must still tell of.
    untold: AtomicU64,
    last_error: Mutex<Option<String>>,
}

/// What became of a channel's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelStatus {
    /// What it is called.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Messages that arrived.
    pub sent: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Changes that were not told.
    pub lost: u64,
    /// Why the last try failed; `None` when it did not.
    pub last_error: Option<String>,
}

impl Channels {
    /// Starts a task for each channel. They are jobs, not services: a notifier that ends must not
    /// end the gateway, and a reload replaces them.
    pub fn start(channels: Vec<Channel>, tls: &Arc<ClientConfig>, tasks: &Tasks) -> Self {
        let start = |channel: Channel| {
            let (queue, changes) = mpsc::channel(QUEUE);
            let counts = Arc::<Counts>::default();
            let notifier = notifier::Notifier::new(channel.clone(), tls, changes, &counts);
            tasks.job("alert channel", notifier.run(tasks.stop().clone()));
            Running { channel, queue, counts }
        };
        Self(channels.into_iter().map(start).collect())
    }

    /// Tells every channel that wants to know; never waits.
    pub fn tell(&self, changes: &[AlertChange]) {
        for running in &*self.0 {
            for change in changes.iter().filter(|change| running.channel.wants(change)) {
                if running.queue.try_send(change.clone()).is_err() {
                    running.counts.lose(1);
                }
            }
        }
    }

    /// The configured channels, in their order.
    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.0.iter().map(|running| &running.channel)
    }

    /// What became of their messages.
    pub fn status(&self) -> Vec<ChannelStatus> {
        let status = |running: &Running| {
            let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
            let counts = &running.counts;
            let last_error = counts.last_error.lock().unwrap_or_else(PoisonError::into_inner);
            ChannelStatus {
                name: running.channel.name.to_string(),
                kind: running.channel.kind(),
                sent: read(&counts.sent),
                failures: read(&counts.failures),
                lost: read(&counts.lost),
                last_error: last_error.clone(),
            }
        };
        self.0.iter().map(status).collect()
    }
}

impl Counts {
    fn lose(&self, changes: u64) {
        self.lost.fetch_add(changes, Ordering::Relaxed);
        self.untold.fetch_add(changes, Ordering::Relaxed);
    }

    fn note(&self, result: &Result<(), DeliveryError>) {
        let count = if result.is_ok() { &self.sent } else { &self.failures };
        count.fetch_add(1, Ordering::Relaxed);
        let error = result.as_ref().err().map(ToString::to_string);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// The most channels.
pub const CHANNELS_MAX: usize = 20;
/// Changes that wait for a channel.
const QUEUE: usize = 512;
/// How long one try may take, from the name look-up to the answer.
const TRY_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
