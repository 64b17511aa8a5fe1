//! The channels of a gateway, each with its task, and what became of their messages.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conduit_core::tasks::Tasks;
use rustls::ClientConfig;
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use super::notifier::Notifier;
use super::outbox::Outbox;
use super::{Channel, DeliveryError};
use crate::alert::{Alert, AlertChange, AlertKey};

/// The running channels; cheap to clone. When the last clone is gone, their tasks end.
#[derive(Debug, Clone, Default)]
pub struct Channels(Arc<[Running]>);

#[derive(Debug)]
struct Running {
    channel: Channel,
    tls: Arc<ClientConfig>,
    outbox: Arc<Outbox>,
    counts: Arc<Counts>,
    _task: DropGuard,
}

/// What one channel counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    sent: AtomicU64,
    failures: AtomicU64,
    /// Changes that were never told.
    lost: AtomicU64,
    last_error: Mutex<Option<String>>,
    tested_at: Mutex<Option<Instant>>,
}

/// What became of a channel's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelStatus {
    /// What it is called.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Where messages go, as far as it may be shown.
    pub place: String,
    /// Messages that arrived.
    pub sent: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Changes that wait to be told.
    pub waiting: u64,
    /// Changes that were never told.
    pub lost: u64,
    /// Why the last try failed; `None` when it did not.
    pub last_error: Option<String>,
}

impl Channels {
    /// Starts a task for each channel. They are jobs, not services: a notifier that ends must not
    /// end the gateway, and a reload replaces them.
    pub fn start(channels: Vec<Channel>, tls: &Arc<ClientConfig>, tasks: &Tasks) -> Self {
        Self::default().replaced(channels, tls, tasks)
    }

    /// Starts other channels in place of these; one of the same name goes on with what it has still
    /// to tell.
    #[must_use]
    pub fn replaced(&self, channels: Vec<Channel>, tls: &Arc<ClientConfig>, tasks: &Tasks) -> Self {
        let start = |channel: Channel| {
            let before = self.0.iter().find(|running| running.channel.name() == channel.name());
            let (outbox, counts) = match before {
                Some(before) => (Arc::clone(&before.outbox), Arc::clone(&before.counts)),
                None => Default::default(),
            };
            let replaced = tasks.stop().child_token();
            let notifier = Notifier::new(
                channel.clone(),
                Arc::clone(tls),
                Arc::clone(&outbox),
                Arc::clone(&counts),
            );
            tasks.job("alert channel", notifier.run(replaced.clone(), tasks.stop().clone()));
            Running { channel, tls: Arc::clone(tls), outbox, counts, _task: replaced.drop_guard() }
        };
        Self(channels.into_iter().map(start).collect())
    }

    /// Tells every channel that wants to know; never waits.
    pub fn tell(&self, changes: &[AlertChange]) {
        for running in &*self.0 {
            for change in changes {
                // What was told is told to be over, whatever the channel wants by now.
                let is_end = matches!(change, AlertChange::Cleared { .. });
                if (is_end || running.channel.wants(change)) && !running.outbox.put(change) {
                    running.counts.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Notes that people were told of an alert before a restart: by these channels, or by all.
    pub fn note_told(&self, alert: &Alert, by: Option<&BTreeSet<String>>) {
        for running in &*self.0 {
            if by.is_none_or(|names| names.contains(running.channel.name())) {
                running.outbox.note_told(alert.key());
            }
        }
    }

    /// Whether a channel wants to know of an alert and was not given it.
    pub fn misses(&self, alert: &Alert) -> bool {
        let raised = AlertChange::Raised(alert.clone());
        let misses = |running: &Running| {
            running.channel.wants(&raised) && !running.outbox.knows(&alert.key())
        };
        self.0.iter().any(misses)
    }

    /// Whether people know an alert by any of them.
    pub fn know(&self, key: &AlertKey) -> bool {
        self.0.iter().any(|running| running.outbox.knows(key))
    }

    /// Whether one of them missed something for want of room, and has some again.
    pub fn have_room_again(&self) -> bool {
        self.0.iter().filter(|running| running.outbox.has_room_again()).count() > 0
    }

    /// The ends that they have still to tell.
    pub fn ends(&self) -> Vec<AlertChange> {
        self.0.iter().flat_map(|running| running.outbox.ends()).collect()
    }

    /// Who told what of that is raised.
    pub fn told(&self) -> Vec<(String, BTreeSet<AlertKey>)> {
        let told = |running: &Running| (running.channel.name().to_owned(), running.outbox.told());
        self.0.iter().map(told).collect()
    }

    /// Grows when something was told.
    pub fn deliveries(&self) -> u64 {
        self.0.iter().map(|running| running.outbox.deliveries()).sum()
    }

    /// Has a channel send a message that says it is a test, once, whatever waits: where it went and
    /// what came of it. `None` when there is no channel of this name.
    pub async fn test(self, name: &str) -> Option<(String, Result<(), DeliveryError>)> {
        let running = self.0.iter().find(|running| running.channel.name() == name)?;
        let (channel, tls) = (running.channel.clone(), Arc::clone(&running.tls));
        let counts = Arc::clone(&running.counts);
        // The tasks of these channels must be able to end meanwhile.
        drop(self);
        if !counts.may_test(Instant::now()) {
            let message = format!("it was tested within the last {} s", TEST_GAP.as_secs());
            return Some((channel.place(), Err(DeliveryError::Refused(message))));
        }
        let result = channel.test(&tls).await;
        counts.note(&result);
        Some((channel.place(), result))
    }

    /// What became of their messages, in their order.
    pub fn status(&self) -> Vec<ChannelStatus> {
        let status = |running: &Running| {
            let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
            let counts = &running.counts;
            let last_error = counts.last_error.lock().unwrap_or_else(PoisonError::into_inner);
            ChannelStatus {
                name: running.channel.name().to_owned(),
                kind: running.channel.kind(),
                place: running.channel.place(),
                sent: read(&counts.sent),
                failures: read(&counts.failures),
                waiting: running.outbox.len() as u64,
                lost: read(&counts.lost),
                last_error: last_error.clone(),
            }
        };
        self.0.iter().map(status).collect()
    }
}

impl Counts {
    /// Whether a test may be sent now; nobody's telephone is to ring all the time.
    fn may_test(&self, now: Instant) -> bool {
        let mut tested_at = self.tested_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_soon = tested_at.is_some_and(|at| now.duration_since(at) < TEST_GAP);
        if !is_soon {
            *tested_at = Some(now);
        }
        !is_soon
    }

    pub(super) fn note(&self, result: &Result<(), DeliveryError>) {
        let count = if result.is_ok() { &self.sent } else { &self.failures };
        count.fetch_add(1, Ordering::Relaxed);
        let error = result.as_ref().err().map(ToString::to_string);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// From one test of a channel to the next.
const TEST_GAP: Duration = Duration::from_secs(2);
