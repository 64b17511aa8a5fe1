//! The newest lines, for people who look.
//!
//! **Invariant:** bounded in number and in bytes; the oldest gives way. Nothing is kept while nothing is
//! logged but what was told before.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conduit_api::v1::queries::DnsQuery;

/// The newest lines; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The oldest first, as JSON.
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// The number of the newest line.
    last: u64,
}

impl Recent {
    /// Keeps a line.
    pub(super) fn keep(&self, line: &DnsQuery) {
        // Invariant: texts and numbers can be written.
        let json = serde_json::to_vec(line).unwrap_or_default().into_boxed_slice();
        let mut kept = self.lock();
        kept.last += 1;
        kept.bytes += json.len();
        kept.lines.push_back(json);
        while kept.lines.len() > LINES_MAX || kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.lines.pop_front() else {
                break;
            };
            kept.bytes -= oldest.len();
        }
    }

    /// The lines behind `after`, or all, the newest first, and the number of the newest.
    pub(crate) fn after(&self, after: Option<u64>) -> (Vec<DnsQuery>, u64) {
        let (lines, last) = {
            let kept = self.lock();
            let wanted = kept.last.saturating_sub(after.unwrap_or(0));
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
            let lines = kept.lines.iter().rev().take(wanted).cloned().collect::<Vec<_>>();
            (lines, kept.last)
        };
        let numbered = (0..=last).rev().zip(lines);
        let read = |(sequence, json): (u64, Box<[u8]>)| {
            let line: DnsQuery = serde_json::from_slice(&json).ok()?;
            Some(DnsQuery { sequence: Some(sequence), ..line })
        };
        (numbered.filter_map(read).collect(), last)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lines that are kept.
pub(crate) const LINES_MAX: usize = 1_000;
/// What they may take, as JSON.
const BYTES_MAX: usize = 1_000_000;
