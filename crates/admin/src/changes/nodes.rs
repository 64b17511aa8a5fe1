//! What changed from one view of the nodes to the next.

use std::sync::Arc;
use std::time::Duration;

use conduit_api::v1::nodes::NodeState;
use conduit_core::clock::Timestamp;
use conduit_monitor::alert::Alert;
use conduit_monitor::view::{NodeView, NodesView};
use serde_json::json;

use super::{Event, event};
use crate::convert::{alert, node};

/// The events between two views.
pub(super) fn between(
    old: &NodesView,
    new: &NodesView,
    now: Timestamp,
    interval: Duration,
) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    nodes(old, new, now, interval, &mut events);
    alerts(old, new, now, &mut events);
    events
}

fn nodes(
    old: &NodesView,
    new: &NodesView,
    now: Timestamp,
    interval: Duration,
    events: &mut Vec<Event>,
) {
    let shown = |view: &NodeView| {
        let state = node::state(view, now, interval);
        json!({ "at": now.to_string(), "name": view.name.as_str(), "state": state })
    };
    let mut read: Vec<&str> = Vec::new();
    for (name, view) in &new.nodes {
        match old.nodes.get(name) {
            None => events.push(event("node_added", shown(view))),
            Some(before) if Arc::ptr_eq(before, view) => {}
            Some(before) => {
                read.push(name.as_str());
                if outlook(before, now, interval) != outlook(view, now, interval) {
                    events.push(event("node_changed", shown(view)));
                }
            }
        }
    }
    for name in old.nodes.keys().filter(|name| !new.nodes.contains_key(*name)) {
        let data = json!({ "at": now.to_string(), "name": name.as_str() });
        events.push(event("node_removed", data));
    }
    if !read.is_empty() {
        let data = json!({ "at": now.to_string(), "nodes": read });
        events.push(event("nodes_read", data));
    }
}

/// What of a node is worth an event of its own: whether it is read, and why its sources are not.
fn outlook(
    view: &NodeView,
    now: Timestamp,
    interval: Duration,
) -> (NodeState, Vec<Option<&String>>) {
    let errors = view.sources.iter().map(|source| source.error.as_ref()).collect();
    (node::state(view, now, interval), errors)
}

fn alerts(old: &NodesView, new: &NodesView, now: Timestamp, events: &mut Vec<Event>) {
    let is_in = |alert: &Alert, all: &[Alert]| {
        all.iter().any(|other| other.rule == alert.rule && other.series == alert.series)
    };
    for raised in new.alerts.iter().filter(|alert| !is_in(alert, &old.alerts)) {
        events.push(event("alert_raised", json!(alert::alert(raised))));
    }
    for cleared in old.alerts.iter().filter(|alert| !is_in(alert, &new.alerts)) {
        let mut data = json!(alert::alert(cleared));
        data["cleared_at"] = json!(now.to_string());
        events.push(event("alert_cleared", data));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_core::node::NodeName;
    use conduit_monitor::alert::Severity;
    use conduit_monitor::metric::{Metric, Series};
    use conduit_monitor::source::SourceKind;
    use conduit_monitor::view::SourceState;

    const NOW: i64 = 1_000;

    fn node(name: &str, error: Option<&str>) -> (NodeName, Arc<NodeView>) {
        let name = NodeName::parse(name).expect("valid");
        let source = SourceState {
            kind: SourceKind::Ssh,
            read_at: Some(Timestamp::from_seconds(NOW)),
            error: error.map(str::to_owned),
            is_absent: false,
            problems: Vec::new(),
        };
        let view = NodeView {
            name: name.clone(),
            address: None,
            tags: Vec::new(),
            sources: vec![source],
            host: None,
            counters: None,
            gpus: None,
            containers: None,
        };
        (name, Arc::new(view))
    }

    fn hot(node: &str) -> Alert {
        let node = NodeName::parse(node).expect("valid");
        Alert {
            rule: "gpu-hot".into(),
            series: Series { node, metric: Metric::GpuTemperature, subject: Some("0".into()) },
            severity: Severity::Critical,
            value: 92.0,
            threshold: 85.0,
            message: "GPU 0 is at 92 °C".into(),
            raised_at: Timestamp::from_seconds(NOW),
            is_silenced: false,
        }
    }

    fn kinds(old: &NodesView, new: &NodesView) -> Vec<&'static str> {
        let now = Timestamp::from_seconds(NOW);
        let events = between(old, new, now, Duration::from_secs(30));
        events.iter().map(|event| event.kind).collect()
    }

    #[test]
    fn what_came_went_and_changed_is_told_once() {
        let same = node("same", None);
        let old = NodesView {
            nodes: [same.clone(), node("gone", None), node("worse", None), node("read", None)]
                .into_iter()
                .collect(),
            alerts: Arc::from([hot("gone")]),
            ..NodesView::default()
        };
        let new = NodesView {
            nodes: [same, node("new", None), node("worse", Some("no answer")), node("read", None)]
                .into_iter()
                .collect(),
            alerts: Arc::from([hot("new")]),
            ..NodesView::default()
        };
        let told = [
            "node_added",
            "node_changed",
            "node_removed",
            "nodes_read",
            "alert_raised",
            "alert_cleared",
        ];
        assert_eq!(kinds(&old, &new), told);
        assert_eq!(kinds(&new, &new), [] as [&str; 0]);
    }
}
