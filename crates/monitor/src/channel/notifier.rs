//! The task of one channel: gathers changes, sends a message, tries again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::message::Message;
use super::pacing::{Group, Pacing};
use super::{Channel, Counts};
use crate::alert::AlertChange;

/// What one channel's task has.
pub(super) struct Notifier {
    channel: Channel,
    tls: Arc<ClientConfig>,
    changes: mpsc::Receiver<AlertChange>,
    counts: Arc<Counts>,
    pacing: Pacing,
}

impl Notifier {
    pub(super) fn new(
        channel: Channel,
        tls: &Arc<ClientConfig>,
        changes: mpsc::Receiver<AlertChange>,
        counts: &Arc<Counts>,
    ) -> Self {
        let pacing = Pacing::new(channel.pace.per_hour_max);
        Self { channel, tls: Arc::clone(tls), changes, counts: Arc::clone(counts), pacing }
    }

    /// Runs until the stop, or until nobody can send any more; what was gathered is still sent,
    /// once.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let mut group = Group::default();
            let goes_on = self.gather(&mut group, &stop).await;
            if group.len() > 0 {
                let size = group.len();
                let lost = self.counts.untold.swap(0, Ordering::Relaxed);
                let message = group.message(Timestamp::now(), lost);
                let is_told = if goes_on {
                    self.insist(&message, &stop).await
                } else {
                    self.say_last(&message).await
                };
                if !is_told {
                    self.counts.untold.fetch_add(lost, Ordering::Relaxed);
                    self.counts.lose(size);
                }
            }
            if !goes_on {
                return;
            }
        }
    }

    /// Waits for a change, and then for those that come with it; whether the channel goes on.
    async fn gather(&mut self, group: &mut Group, stop: &CancellationToken) -> bool {
        let mut send_at: Option<Instant> = None;
        loop {
            let due = async {
                match send_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    while let Ok(change) = self.changes.try_recv() {
                        group.add(change);
                    }
                    return false;
                }
                change = self.changes.recv() => match change {
                    Some(change) => {
                        group.add(change);
                        let now = Instant::now();
                        let together = now + self.channel.pace.group_for;
                        send_at.get_or_insert_with(|| self.pacing.next_at(now).max(together));
                    }
                    None => return false,
                },
                () = due => return true,
            }
        }
    }

    /// Tries until it is told, or until it is no use.
    async fn insist(&mut self, message: &Message, stop: &CancellationToken) -> bool {
        self.pacing.note(Instant::now());
        for failed in 0..TRIES_MAX {
            let result = tokio::select! {
                result = self.channel.deliver(message, &self.tls) => result,
                () = stop.cancelled() => return self.say_last(message).await,
            };
            self.counts.note(&result);
            let Err(error) = result else {
                return true;
            };
            let name = self.channel.name();
            if !error.is_transient() || failed + 1 == TRIES_MAX {
                let (tries, title) = (failed + 1, message.title());
                tracing::error!(channel = name, %error, tries, title, "an alert message is given up");
                return false;
            }
            let wait = self.channel.pace.wait_after(failed);
            let again_seconds = wait.as_secs();
            tracing::warn!(channel = name, %error, again_seconds, "an alert message waits");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return self.say_last(message).await,
            }
        }
        false
    }

    /// One short try at the stop.
    async fn say_last(&self, message: &Message) -> bool {
        let result = timeout(LAST_TRY_MAX, self.channel.deliver(message, &self.tls)).await;
        if let Ok(result) = &result {
            self.counts.note(result);
        }
        let is_told = matches!(result, Ok(Ok(())));
        if !is_told {
            let (channel, title) = (self.channel.name(), message.title());
            tracing::error!(channel, title, "an alert message is lost at the stop");
        }
        is_told
    }
}

/// How often a message is tried.
const TRIES_MAX: u32 = 6;
/// How long the stop waits for a last message.
const LAST_TRY_MAX: Duration = Duration::from_secs(2);
