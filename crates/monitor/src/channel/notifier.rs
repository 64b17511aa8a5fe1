//! The task of one channel: waits for changes, sends a message, tries again.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use rustls::ClientConfig;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::message::Message;
use super::outbox::Outbox;
use super::running::Counts;
use super::{Channel, DeliveryError};

/// What one channel's task has.
pub(super) struct Notifier {
    pub(super) channel: Channel,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) counts: Arc<Counts>,
    /// The message that could not be told yet; it is the same as long as nothing is added to it.
    unsent: Option<Message>,
    /// Why messages do not arrive, since that was logged.
    failing: Option<String>,
}

impl Notifier {
    pub(super) fn new(
        channel: Channel,
        tls: Arc<ClientConfig>,
        outbox: Arc<Outbox>,
        counts: Arc<Counts>,
    ) -> Self {
        Self { channel, tls, outbox, counts, unsent: None, failing: None }
    }

    /// Runs until the channel is `replaced`, or until `stop`; what waits then is still sent, once.
    pub(super) async fn run(mut self, replaced: CancellationToken, stop: CancellationToken) {
        let mut not_before = Instant::now();
        while replaced.run_until_cancelled(self.due(not_before)).await.is_some() {
            if !self.insist(&replaced, &stop).await {
                not_before = Instant::now() + self.channel.pace.rest;
            }
        }
        if stop.is_cancelled() {
            self.say_last().await;
        }
    }

    /// Waits until there is something to tell, those that come with it came, and it may be told.
    async fn due(&self, not_before: Instant) {
        self.outbox.filled().await;
        let now = Instant::now();
        let pace = self.channel.pace;
        let paced = self.outbox.turn.lock().await.next_at(now, pace.per_hour_max);
        sleep_until(paced.max(now + pace.group_for).max(not_before)).await;
    }

    /// Tries until it is told, or until it is no use for now; whether it was told.
    async fn insist(&mut self, replaced: &CancellationToken, stop: &CancellationToken) -> bool {
        let outbox = Arc::clone(&self.outbox);
        let mut turn = outbox.turn.lock().await;
        let Some(message) = self.next_message() else {
            return true;
        };
        let mut failed = 0;
        loop {
            // A successor waits for the end of a try, the stop does not.
            let sending = self.channel.deliver(&message, &self.tls);
            let Some(result) = stop.run_until_cancelled(sending).await else {
                self.unsent = Some(message);
                return false;
            };
            self.counts.note(&result);
            let Err(error) = result else {
                turn.note(Instant::now(), self.channel.pace.per_hour_max);
                self.told(&message);
                return true;
            };
            failed += 1;
            let is_over = !error.is_transient() || failed == TRIES_MAX;
            self.log(&error, failed, is_over);
            let wait =
                self.channel.pace.wait_after(failed - 1).max(error.wait().unwrap_or_default());
            if is_over || replaced.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                self.unsent = Some(message);
                return false;
            }
        }
    }

    /// One short try at the stop. What is not told is told after the next start, if it is still
    /// raised then.
    async fn say_last(&mut self) {
        let outbox = Arc::clone(&self.outbox);
        let _turn = outbox.turn.lock().await;
        let Some(message) = self.next_message() else {
            return;
        };
        let result = timeout(LAST_TRY_MAX, self.channel.deliver(&message, &self.tls)).await;
        if let Ok(result) = &result {
            self.counts.note(result);
        }
        if matches!(result, Ok(Ok(()))) {
            self.told(&message);
        } else {
            let (channel, title) = (self.channel.name(), message.title());
            tracing::error!(channel, title, "an alert message is not told before the stop");
        }
    }

    /// What is to be told now.
    fn next_message(&mut self) -> Option<Message> {
        let batch = self.outbox.batch()?;
        let before = self.unsent.take().filter(|unsent| unsent.tells(&batch));
        Some(before.unwrap_or_else(|| Message::new(Timestamp::now(), batch)))
    }

    fn told(&mut self, message: &Message) {
        self.outbox.delivered(message.size(), message.lost);
        if self.failing.take().is_some() {
            tracing::info!(channel = self.channel.name(), "alerts are told again");
        }
    }

    /// Each trouble is an error once, however long it lasts.
    fn log(&mut self, error: &DeliveryError, tries: u32, is_over: bool) {
        let channel = self.channel.name();
        let text = error.to_string();
        if self.failing.as_ref() == Some(&text) {
            tracing::debug!(channel, %error, "alerts are still not told");
        } else if is_over {
            let again_seconds = self.channel.pace.rest.as_secs();
            tracing::error!(channel, %error, tries, again_seconds, "alerts cannot be told; they wait");
            self.failing = Some(text);
        } else {
            tracing::warn!(channel, %error, tries, "an alert message waits");
        }
    }
}

/// How often a message is tried before a rest.
const TRIES_MAX: u32 = 6;
/// How long the stop waits for a last message.
const LAST_TRY_MAX: Duration = Duration::from_secs(2);
