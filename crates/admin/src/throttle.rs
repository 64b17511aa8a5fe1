//! How many failed authentications are worth an entry of the record.
//!
//! Each one is reported and sealed, so without a limit anybody who reaches the listener could fill
//! the disk. Good credentials always pass: nobody is locked out by the failures of others.
//!
//! **Invariant:** at most the configured number is admitted in any window.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Admits a number of failures in each window.
#[derive(Debug)]
pub(crate) struct Throttle {
    admitted_max: u32,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    began: Option<Instant>,
    admitted: u32,
    refused: u64,
}

impl Throttle {
    pub(crate) fn per_minute(admitted_max: u32) -> Self {
        Self { admitted_max, window: Mutex::new(Window { began: None, admitted: 0, refused: 0 }) }
    }

    /// Whether one more failure is admitted at `now`.
    pub(crate) fn admit(&self, now: Instant) -> bool {
        let Ok(mut window) = self.window.lock() else {
            return false;
        };
        let over = window.began.is_none_or(|began| now.duration_since(began) >= WINDOW);
        if over {
            if window.refused > 0 {
                let refused = window.refused;
                tracing::warn!(refused, "failed authentications were not put on record");
            }
            *window = Window { began: Some(now), admitted: 0, refused: 0 };
        }
        if window.admitted < self.admitted_max {
            window.admitted += 1;
            return true;
        }
        window.refused += 1;
        false
    }
}

const WINDOW: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_admits_its_number() {
        let throttle = Throttle::per_minute(2);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let admitted: Vec<bool> = [0, 1, 2, 59, 60, 61, 62]
            .into_iter()
            .map(|second| throttle.admit(at(second)))
            .collect();
        assert_eq!(admitted, [true, true, false, false, true, true, false]);
    }
}
