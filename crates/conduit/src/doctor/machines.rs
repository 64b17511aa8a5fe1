//! Whether this machine's GPUs and the other machines can be read, by what the monitor knows.

use conduit_admin::finding::{Check, Finding};
use conduit_admin::monitor::Monitor;
use conduit_monitor::source::SourceKind;
use conduit_monitor::view::{NodeView, NodesView, SourceState};

use crate::monitor::SiteMonitor;

/// The GPUs of this machine; the monitor's words name the mend.
pub(crate) fn gpus(monitor: Option<&SiteMonitor>) -> Vec<Finding> {
    match monitor {
        None => vec![Finding::skipped(Check::Gpu, OFF)],
        Some(monitor) => judge_gpus(&monitor.view().load_full()),
    }
}

/// Machines that are read over SSH.
pub(crate) fn others(monitor: Option<&SiteMonitor>) -> Vec<Finding> {
    match monitor {
        None => vec![Finding::skipped(Check::Nodes, OFF)],
        Some(monitor) => judge_others(&monitor.view().load_full()),
    }
}

fn judge_gpus(view: &NodesView) -> Vec<Finding> {
    let here = view.nodes.values().find(|node| node.address.is_none());
    let Some(state) = here.and_then(|node| source(node, SourceKind::Gpu)) else {
        return vec![Finding::skipped(Check::Gpu, UNREAD)];
    };
    if let Some(error) = &state.error {
        return vec![match state.is_absent {
            true => Finding::skipped(Check::Gpu, error.clone()),
            false => Finding::warn(Check::Gpu, error.clone()).hint(GPU_HINT),
        }];
    }
    if !state.problems.is_empty() {
        let warn = |problem: &String| Finding::warn(Check::Gpu, problem.clone()).hint(GPU_HINT);
        return state.problems.iter().map(warn).collect();
    }
    let count = here.and_then(|node| node.gpus.as_ref()).map_or(0, |reading| reading.gpus.len());
    vec![match (state.read_at, count) {
        (None, _) => Finding::skipped(Check::Gpu, UNREAD),
        (Some(_), 0) => Finding::skipped(Check::Gpu, "there is none in this machine"),
        (Some(_), 1) => Finding::ok(Check::Gpu, "1 GPU is read"),
        (Some(_), count) => Finding::ok(Check::Gpu, format!("{count} GPUs are read")),
    }]
}

fn judge_others(view: &NodesView) -> Vec<Finding> {
    let others = view.nodes.values().filter(|node| node.address.is_some());
    let findings: Vec<Finding> = others
        .map(|node| {
            let name = node.name.to_string();
            let finding = match source(node, SourceKind::Ssh) {
                Some(SourceState { error: Some(error), .. }) => {
                    Finding::warn(Check::Nodes, error.clone())
                        .hint(format!("try it: `conduit monitor test {name}`"))
                }
                Some(SourceState { read_at: Some(_), .. }) => Finding::ok(Check::Nodes, "is read"),
                Some(_) | None => Finding::skipped(Check::Nodes, UNREAD),
            };
            finding.about(name)
        })
        .collect();
    match findings.is_empty() {
        true => vec![Finding::skipped(Check::Nodes, "no other machine is watched")],
        false => findings,
    }
}

fn source(node: &NodeView, kind: SourceKind) -> Option<&SourceState> {
    node.sources.iter().find(|state| state.kind == kind)
}

const OFF: &str = "the monitor is off (monitor.enabled = false)";
const UNREAD: &str = "not read yet";
const GPU_HINT: &str = "`conduit monitor --gpu` shows what can be read";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conduit_admin::finding::Verdict;
    use conduit_core::clock::Timestamp;
    use conduit_monitor::node::NodeName;

    use super::*;

    fn view(
        address: Option<&str>,
        kind: SourceKind,
        state: (bool, Option<&str>, bool),
    ) -> NodesView {
        let (is_read, error, is_absent) = state;
        let name = NodeName::parse("gpu-1").expect("valid");
        let node = NodeView {
            name: name.clone(),
            address: address.map(str::to_owned),
            tags: Vec::new(),
            sources: vec![SourceState {
                kind,
                read_at: is_read.then(|| Timestamp::from_seconds(1)),
                error: error.map(str::to_owned),
                is_absent,
                problems: Vec::new(),
            }],
            host: None,
            counters: None,
            gpus: None,
            containers: None,
        };
        NodesView { nodes: [(name, Arc::new(node))].into(), ..NodesView::default() }
    }

    #[test]
    fn a_driver_that_refuses_is_a_warning_and_none_is_no_fault() {
        for (state, verdict) in [
            ((true, None, false), Verdict::Skipped),
            ((false, None, false), Verdict::Skipped),
            ((true, Some("NVIDIA's driver refuses us"), false), Verdict::Warn),
            ((true, Some("no GPU here"), true), Verdict::Skipped),
        ] {
            let found = judge_gpus(&view(None, SourceKind::Gpu, state));
            assert_eq!(found[0].verdict, verdict, "{found:?}");
        }
        assert_eq!(judge_gpus(&NodesView::default())[0].verdict, Verdict::Skipped);
    }

    #[test]
    fn a_machine_that_cannot_be_read_says_why() {
        for (state, verdict, message) in [
            ((true, None, false), Verdict::Ok, "is read"),
            ((false, None, false), Verdict::Skipped, "not read yet"),
            ((true, Some("connection refused"), false), Verdict::Warn, "connection refused"),
        ] {
            let found = judge_others(&view(Some("10.0.0.2"), SourceKind::Ssh, state));
            assert_eq!((found[0].verdict, &*found[0].message), (verdict, message));
            assert_eq!(found[0].subject.as_deref(), Some("gpu-1"));
        }
        let here = view(None, SourceKind::Gpu, (true, None, false));
        assert_eq!(judge_others(&here)[0].message, "no other machine is watched");
    }
}
