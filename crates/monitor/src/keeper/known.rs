//! What is known of one node, and what its next reading is compared with.

use std::sync::Arc;

use conduit_core::clock::Timestamp;

use super::Watched;
use crate::containers;
use crate::figures::HostFigures;
use crate::host::clock_offset;
use crate::node::NodeName;
use crate::reading::Reading;
use crate::reading::container::ContainersReading;
use crate::sampler::Report;
use crate::source::{SourceError, SourceKind};
use crate::ties::Ties;
use crate::view::{NodeView, SourceState};

/// What is known of one node.
#[derive(Debug)]
pub(super) struct Known {
    view: Arc<NodeView>,
    containers: Option<(Timestamp, ContainersReading)>,
}

impl Known {
    /// Nothing yet.
    pub(super) fn new(watched: Watched) -> Self {
        let state = |kind| SourceState {
            kind,
            read_at: None,
            error: None,
            is_absent: false,
            problems: Vec::new(),
        };
        let view = NodeView {
            name: watched.name,
            address: watched.address,
            tags: watched.tags,
            sources: watched.sources.into_iter().map(state).collect(),
            host: None,
            counters: None,
            gpus: None,
            containers: None,
        };
        Self { view: Arc::new(view), containers: None }
    }

    pub(super) fn view(&self) -> Arc<NodeView> {
        Arc::clone(&self.view)
    }

    pub(super) fn name(&self) -> &NodeName {
        &self.view.name
    }

    pub(super) fn address(&self) -> Option<&str> {
        self.view.address.as_deref()
    }

    /// The containers as they were read last.
    pub(super) fn containers(&self) -> Option<&ContainersReading> {
        self.containers.as_ref().map(|(_, reading)| reading)
    }

    /// Takes what became of a read.
    pub(super) fn take(&mut self, report: Report, is_here: bool, ties: &Ties) {
        let mut view = NodeView::clone(&self.view);
        let state = view.sources.iter_mut().find(|state| state.kind == report.kind);
        match report.outcome {
            Ok(mut reading) => {
                if let Some(state) = state {
                    state.read_at = Some(report.at);
                    (state.error, state.is_absent) = (None, false);
                    state.problems = std::mem::take(&mut reading.problems);
                }
                self.keep(reading, &mut view, is_here, ties);
            }
            Err(error) => {
                let is_absent = matches!(error, SourceError::Absent(_));
                if let Some(state) = state {
                    (state.error, state.is_absent) = (Some(error.to_string()), is_absent);
                    state.problems.clear();
                }
                if is_absent && report.kind == SourceKind::Containers {
                    (view.containers, self.containers) = (None, None);
                }
            }
        }
        self.view = Arc::new(view);
    }

    fn keep(&mut self, reading: Reading, view: &mut NodeView, is_here: bool, ties: &Ties) {
        let (at, before) = (reading.at, view.counters.clone());
        // Rates of a machine's own things are made with its own clock.
        let ran = |host: &crate::reading::host::HostReading| host.uptime;
        let elapsed = match (before.as_deref().and_then(ran), reading.host.as_ref().and_then(ran)) {
            (Some(before), Some(now)) => now.checked_sub(before),
            _ => None,
        };
        if let Some(host) = reading.host {
            let mut figures = HostFigures::between(before.as_deref(), &host);
            figures.clock_offset = if is_here { None } else { clock_offset(&host, at) };
            (view.host, view.counters) = (Some(figures), Some(Arc::new(host)));
        }
        if let Some(gpus) = reading.gpus {
            view.gpus = Some(gpus);
        }
        if let Some(found) = reading.containers {
            let earlier = self.containers.take();
            let since = |(before, _): &(Timestamp, _)| at.since(*before);
            let elapsed = elapsed.or_else(|| earlier.as_ref().map(since)).unwrap_or_default();
            let earlier = earlier.as_ref().map(|(_, reading)| reading);
            let service_of = |container: &_| ties.service_of(&view.name, container);
            view.containers = Some(containers::figures(earlier, &found, elapsed, service_of));
            self.containers = Some((at, found));
        }
    }
}
