//! The share of a service's requests that failed within the last minutes.

use std::collections::VecDeque;
use std::time::Duration;

use conduit_core::clock::Timestamp;

use super::ServiceFacts;

/// Counts of a service as they were at each of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Errors {
    /// When, requests, and errors among them; oldest first.
    marks: VecDeque<(Timestamp, u64, u64)>,
}

impl Errors {
    /// The share that was answered with errors within about [`SPAN`]; `None` when too few ended to
    /// say anything.
    pub(super) fn share(&mut self, facts: &ServiceFacts, now: Timestamp) -> Option<f64> {
        let (requests, errors) = (facts.requests, facts.errors);
        // Counts begin anew with a registration, and clocks are set back.
        if self.marks.back().is_some_and(|(at, was, _)| requests < *was || now < *at) {
            self.marks.clear();
        }
        let is_due = |(at, ..): &(Timestamp, u64, u64)| now.since(*at) >= SPAN / MARKS_MAX;
        if self.marks.back().is_none_or(is_due) {
            self.marks.push_back((now, requests, errors));
        }
        while self.marks.len() > 1
            && self.marks.get(1).is_some_and(|(at, ..)| now.since(*at) >= SPAN)
        {
            self.marks.pop_front();
        }
        let (_, requests_before, errors_before) = self.marks.front()?;
        let ended = requests - requests_before;
        (ended >= REQUESTS_MIN).then(|| errors.saturating_sub(*errors_before) as f64 / ended as f64)
    }
}

/// What is looked back at.
const SPAN: Duration = Duration::from_secs(300);
/// How many marks there are within it.
const MARKS_MAX: u32 = 5;
/// Of fewer requests the share says nothing.
const REQUESTS_MIN: u64 = 10;
