//! The newest lines of each service, for people who look at one.
//!
//! **Invariant:** bounded: so many lines of a service, of so many services; the service that was
//! silent for longest gives way. They are those that are written, so nothing is kept while the log
//! is off.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conduit_core::name::ServiceName;
use conduit_proxy::access_log::Entry;
use serde_json::{Map, Value};

/// The newest lines; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    services: HashMap<ServiceName, Lines>,
    /// Counts every line, to tell who was silent for longest.
    clock: u64,
}

/// Lines of JSON, oldest first.
#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<Vec<u8>>,
    last: u64,
}

impl Recent {
    /// Keeps a line of a service; `json` writes it into an empty buffer, which may be used again.
    pub(super) fn keep(&self, service: &ServiceName, json: impl FnOnce(&mut Vec<u8>)) {
        let mut kept = self.lock();
        kept.clock += 1;
        let now = kept.clock;
        if !kept.services.contains_key(service) {
            kept.make_room();
            kept.services.insert(service.clone(), Lines::default());
        }
        let Some(of) = kept.services.get_mut(service) else {
            return;
        };
        of.last = now;
        let full = of.lines.len() >= LINES_EACH_MAX;
        let mut line = if full { of.lines.pop_front() } else { None }.unwrap_or_default();
        line.clear();
        json(&mut line);
        of.lines.push_back(line);
    }

    /// The newest lines of a service, the newest first.
    pub(crate) fn of(&self, service: &ServiceName) -> Vec<Map<String, Value>> {
        let kept = self.lock();
        let lines = kept.services.get(service).into_iter().flat_map(|of| of.lines.iter().rev());
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn make_room(&mut self) {
        if self.services.len() < SERVICES_MAX {
            return;
        }
        let silent = self.services.iter().min_by_key(|(_, of)| of.last);
        let silent = silent.map(|(service, _)| service.clone());
        silent.and_then(|service| self.services.remove(&service));
    }
}

/// Whose line it is.
pub(super) fn service(entry: &Entry) -> Option<&ServiceName> {
    let route = match entry {
        Entry::Request(line) => line.route.as_ref(),
        Entry::Stream(line) => line.route.as_ref(),
    };
    route.map(|route| &route.service)
}

/// Lines that are kept of a service.
pub(crate) const LINES_EACH_MAX: usize = 100;
/// Services of which lines are kept.
const SERVICES_MAX: usize = 500;
