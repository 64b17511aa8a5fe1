//! How many frames of each kind one HTTP/2 connection may bring.
//!
//! A flood is known by its rate. Nothing is timed while a count is within its budget: only when it is
//! used up is the clock asked whether that took a second, and then what was sent in the meantime is
//! taken into account. So a frame costs an addition and a comparison.
//!
//! **Invariant:** a connection that stays below its budgets in every second is never ended. One that
//! exceeds one of them is ended within twice that many frames.

use std::time::Duration;

use tokio::time::Instant;

use super::frames::Kind;
use super::hits::Limit;

/// How many frames of one kind may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameBudget {
    /// In a second.
    pub per_second: u32,
    /// One more for each so many bytes that were sent to the other side in the meantime; 0 for none.
    pub bytes_per_more: u32,
}

/// A budget for each kind of frame. DATA and CONTINUATION are bounded by h2 itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameBudgets {
    /// HEADERS.
    pub headers: FrameBudget,
    /// PRIORITY and PRIORITY_UPDATE.
    pub priority: FrameBudget,
    /// RST_STREAM.
    pub reset: FrameBudget,
    /// SETTINGS.
    pub settings: FrameBudget,
    /// PING.
    pub ping: FrameBudget,
    /// WINDOW_UPDATE.
    pub window_update: FrameBudget,
    /// GOAWAY, PUSH_PROMISE and unknown kinds.
    pub other: FrameBudget,
}

/// What one connection has used up.
#[derive(Debug)]
pub(crate) struct Flood {
    budgets: [FrameBudget; KINDS],
    used: [Used; KINDS],
}

/// What was used up of one budget.
#[derive(Debug, Clone, Copy)]
struct Used {
    frames: u32,
    /// Since when.
    since: Instant,
    /// How many bytes had been sent by then, or were set off against frames.
    sent: u64,
}

impl Flood {
    /// A connection that was just opened.
    pub(crate) fn new(budgets: &FrameBudgets) -> Self {
        let FrameBudgets { headers, priority, reset, settings, ping, window_update, other } =
            *budgets;
        let used = Used { frames: 0, since: Instant::now(), sent: 0 };
        Self {
            budgets: [headers, priority, reset, settings, ping, window_update, other],
            used: [used; KINDS],
        }
    }

    /// A frame has come, when this many bytes had been sent to the other side; the limit that it
    /// exceeds, if it does.
    pub(crate) fn add(&mut self, kind: Kind, sent: u64) -> Option<Limit> {
        let (place, limit) = match kind {
            Kind::Counted => return None,
            Kind::Headers => (0, Limit::H2Headers),
            Kind::Priority => (1, Limit::H2Priority),
            Kind::Reset => (2, Limit::H2Reset),
            Kind::Settings => (3, Limit::H2Settings),
            Kind::Ping => (4, Limit::H2Ping),
            Kind::WindowUpdate => (5, Limit::H2WindowUpdate),
            Kind::GoAway | Kind::Other => (6, Limit::H2Other),
        };
        let (budget, used) = (self.budgets[place], &mut self.used[place]);
        used.frames += 1;
        (used.frames > budget.per_second && used.exceeds(budget, sent)).then_some(limit)
    }
}

impl Used {
    #[cold]
    fn exceeds(&mut self, budget: FrameBudget, sent: u64) -> bool {
        let now = Instant::now();
        if now.saturating_duration_since(self.since) >= WINDOW {
            *self = Self { frames: 1, since: now, sent };
            return false;
        }
        let each = u64::from(budget.bytes_per_more);
        let more = (sent - self.sent).checked_div(each).unwrap_or(0).min(self.frames.into());
        self.sent += more * each;
        // Invariant: at most as many as there are frames.
        self.frames -= u32::try_from(more).unwrap_or(self.frames);
        self.frames > budget.per_second
    }
}

/// The kinds that have a budget.
const KINDS: usize = 7;
/// What a budget is for.
const WINDOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{CLIENT_FRAMES, UPSTREAM_FRAMES};

    /// How many frames of a kind come until one is too many, when one comes each `pause` and
    /// `sent` bytes go out for each.
    fn lasts(budgets: &FrameBudgets, kind: Kind, pause: Duration, sent: u64) -> Option<u64> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut flood = Flood::new(budgets);
            for frame in 1..=20_000 {
                if flood.add(kind, frame * sent).is_some() {
                    return Some(frame);
                }
                if !pause.is_zero() {
                    tokio::time::advance(pause).await;
                }
            }
            None
        })
    }

    #[test]
    fn each_kind_has_its_budget() {
        for (kind, expected) in [
            (Kind::Ping, Some(101)),
            (Kind::Settings, Some(51)),
            (Kind::Reset, Some(357)),
            (Kind::Priority, Some(513)),
            (Kind::WindowUpdate, Some(1_001)),
            (Kind::Other, Some(101)),
            (Kind::Headers, None),
            (Kind::Counted, None),
        ] {
            assert_eq!(lasts(&CLIENT_FRAMES, kind, Duration::ZERO, 0), expected, "{kind:?}");
        }
        let headers = lasts(&UPSTREAM_FRAMES, Kind::Headers, Duration::ZERO, 0);
        assert_eq!(headers, Some(1_001));
    }

    #[test]
    fn a_rate_below_the_budget_lasts_for_ever() {
        for (kind, millis, expected) in [
            (Kind::Ping, 11, None),
            (Kind::Ping, 9, Some(101)),
            (Kind::Settings, 21, None),
            (Kind::Settings, 19, Some(51)),
        ] {
            let pause = Duration::from_millis(millis);
            assert_eq!(lasts(&CLIENT_FRAMES, kind, pause, 0), expected, "{kind:?} {millis}");
        }
    }

    #[test]
    fn who_takes_much_may_ask_much() {
        for (kind, sent, expected) in [
            // A gRPC client that measures its bandwidth while it downloads.
            (Kind::Ping, 1_024, None),
            (Kind::Ping, 17, Some(102)),
            // Two for each small DATA frame.
            (Kind::WindowUpdate, 8, None),
            (Kind::Reset, 100_000, Some(357)),
        ] {
            let lasted = lasts(&CLIENT_FRAMES, kind, Duration::ZERO, sent);
            assert_eq!(lasted, expected, "{kind:?} {sent}");
        }
        // An upstream that answers what it was asked.
        assert_eq!(lasts(&UPSTREAM_FRAMES, Kind::Headers, Duration::ZERO, 16), None);
    }
}
