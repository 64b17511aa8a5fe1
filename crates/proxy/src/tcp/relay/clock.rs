//! The limits in time of a connection that is copied.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::End;
use super::flow::Flow;
use crate::policy::Timeouts;

/// The limits in time, with one timer that exists only when there is one to keep.
pub(super) struct Clock {
    idle: Option<Duration>,
    client: Option<Duration>,
    pub(super) moved: Instant,
    /// Since when the client takes nothing, and what it had taken by then.
    stalled: Option<(Instant, u64)>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    pub(super) fn new(timeouts: &Timeouts) -> Self {
        Self {
            idle: timeouts.idle,
            client: timeouts.client,
            moved: Instant::now(),
            stalled: None,
            timer: None,
        }
    }

    /// Looks whether the client takes what is there.
    pub(super) fn watch(&mut self, down: &Flow) {
        self.stalled = match self.stalled {
            _ if self.client.is_none() || !down.is_stalled() => None,
            Some((since, written)) if written == down.written => Some((since, written)),
            _ => Some((Instant::now(), down.written)),
        };
    }

    /// Whether a limit is reached.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, ended: bool) -> Poll<End> {
        let limits = [
            self.idle.map(|idle| (self.moved + idle, End::Idle)),
            self.stalled.zip(self.client).map(|((at, _), limit)| (at + limit, End::ClientStalled)),
            ended.then(|| (self.moved + LINGER, End::Lingered)),
        ];
        let Some((at, end)) = limits.into_iter().flatten().min_by_key(|(at, _)| *at) else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        // A timer that is due too early is set again when it rings, which is rare; each byte would
        // be often.
        if at < timer.deadline() {
            timer.as_mut().reset(at);
        }
        while timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= at {
                return Poll::Ready(end);
            }
            timer.as_mut().reset(at);
        }
        Poll::Pending
    }
}

/// How long a client may send nothing after its upstream has ended.
pub(super) const LINGER: Duration = Duration::from_secs(60);
