//! What an engine tells of its containers as it happens: only *that* something happened is used,
//! the next reading says what.
//!
//! **Invariant:** however much happens, nobody is woken more than [`WAKES_MAX`] times in
//! [`WAKES_WINDOW`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::tasks::Tasks;
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::client::Engine;
use super::wire::Wire;

/// Follows an engine's events until the gateway stops, and wakes whoever waits.
pub(super) fn watch(wire: Wire, tasks: &Tasks) -> Arc<Notify> {
    let wake = Arc::new(Notify::new());
    let mut follower = Follower { wire, wake: Arc::clone(&wake), rate: WakeRate::default() };
    let stop = tasks.stop().clone();
    tasks.service("container events", async move {
        tokio::select! {
            () = follower.follow_always() => {}
            () = stop.cancelled() => {}
        }
    });
    wake
}

struct Follower {
    wire: Wire,
    wake: Arc<Notify>,
    rate: WakeRate,
}

impl Follower {
    /// Follows one stream after the other; an engine that is away is asked ever more seldom.
    async fn follow_always(&mut self) {
        let mut pause = PAUSE_MIN;
        loop {
            if self.follow_once().await {
                pause = PAUSE_MIN;
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Follows a stream to its end; returns whether something came of it.
    async fn follow_once(&mut self) -> bool {
        let Ok(engine) = Engine::connect(self.wire.clone()).await else {
            return false;
        };
        let mut events = std::pin::pin!(engine.events());
        // Whatever happened meanwhile was not heard.
        let mut due = Some(self.rate.next(Instant::now()));
        let mut is_told = false;
        loop {
            let at = due.unwrap_or_else(Instant::now);
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        is_told = true;
                        if event.action.as_deref().is_some_and(matters) {
                            due.get_or_insert_with(|| self.rate.next(Instant::now()));
                        }
                    }
                    // The end of a stream, too, is something to look at.
                    Some(Err(_)) | None => {
                        sleep_until(self.rate.next(Instant::now())).await;
                        self.rouse();
                        return is_told;
                    }
                },
                () = sleep_until(at), if due.is_some() => {
                    due = None;
                    self.rouse();
                }
            }
        }
    }

    fn rouse(&mut self) {
        self.rate.spent(Instant::now());
        self.wake.notify_one();
    }
}

/// Whether a reading after such an event shows something new. Checks that a container runs inside
/// itself (`exec_create`, `exec_start`, `exec_die`) come every few seconds and are none.
fn matters(action: &str) -> bool {
    MATTERS.contains(&action) || action.starts_with("health_status")
}

/// How often somebody may be woken.
#[derive(Debug, Default)]
struct WakeRate {
    last: VecDeque<Instant>,
}

impl WakeRate {
    /// When the next wake is due for what happened at `now`.
    fn next(&self, now: Instant) -> Instant {
        let settled = now + SETTLE;
        match self.last.front() {
            Some(oldest) if self.last.len() >= WAKES_MAX => settled.max(*oldest + WAKES_WINDOW),
            _ => settled,
        }
    }

    fn spent(&mut self, now: Instant) {
        if self.last.len() >= WAKES_MAX {
            self.last.pop_front();
        }
        self.last.push_back(now);
    }
}

/// Events after which a list, a state or an address is another.
const MATTERS: [&str; 11] = [
    "create", "start", "restart", "die", "stop", "kill", "oom", "pause", "unpause", "destroy",
    "rename",
];
/// How long is waited for what belongs together: a restart is four events.
const SETTLE: Duration = Duration::from_millis(200);
/// How often somebody is woken within [`WAKES_WINDOW`].
const WAKES_MAX: usize = 8;
/// See [`WAKES_MAX`].
const WAKES_WINDOW: Duration = Duration::from_secs(20);
/// The pause before an engine is asked for events again.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_events_wakes_a_few_times_only() {
        let mut rate = WakeRate::default();
        let begun = Instant::now();
        let mut wakes = 0;
        while begun.elapsed() < WAKES_WINDOW * 3 {
            sleep_until(rate.next(Instant::now())).await;
            rate.spent(Instant::now());
            wakes += 1;
        }
        assert_eq!(wakes, WAKES_MAX * 3 + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_events_wake_within_a_second() {
        let rate = WakeRate::default();
        assert_eq!(rate.next(Instant::now()), Instant::now() + SETTLE);
    }

    #[test]
    fn checks_inside_a_container_are_no_news() {
        assert!(
            ["start", "die", "health_status: healthy", "health_status"]
                .map(matters)
                .iter()
                .all(|m| *m)
        );
        assert!(
            !["exec_create: sh", "exec_die", "attach", "top", ""].map(matters).iter().any(|m| *m)
        );
    }
}
