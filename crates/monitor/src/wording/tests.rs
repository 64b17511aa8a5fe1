//! What people read, and what the record says.

use std::sync::Arc;

use conduit_core::clock::Timestamp;

use super::*;
use crate::alert::{Alert, Severity};
use crate::node::NodeName;
use crate::rule::defaults;

fn series(metric: Metric, subject: &str) -> Series {
    let node = NodeName::parse("gpu-server").expect("a name");
    Series { node, metric, subject: (!subject.is_empty()).then(|| Arc::from(subject)) }
}

fn said(rule: &str, subject: &str, value: f64) -> String {
    let rules = defaults::rules();
    let rule = rules.iter().find(|r| &*r.name == rule).expect("a default");
    raised(rule, &series(rule.metric, subject), value)
}

#[test]
fn each_default_rule_says_what_is_wrong() {
    for (rule, subject, value, expected) in [
        ("gpu-hot", "0", 92.0, "GPU 0 of gpu-server is at 92 °C (limit 85 °C) for 1 min"),
        (
            "gpu-margin",
            "1",
            3.5,
            "GPU 1 of gpu-server is 3.5 °C from slowing down (limit 5 °C) for 1 min",
        ),
        ("gpu-memory-full", "0", 0.956, "GPU 0 of gpu-server is at 95.6 % (limit 90 %) for 5 min"),
        ("gpu-throttled", "0", 1.0, "GPU 0 of gpu-server is held back by heat for 1 min"),
        ("gpu-lost", "GPU-8f", 0.0, "GPU-8f of gpu-server is gone"),
        ("disk-full", "/", 0.96, "/ of gpu-server is 96 % full (limit 95 %) for 1 min"),
        ("load-high", "", 2.75, "Load per core of gpu-server is at 2.8 (limit 2) for 15 min"),
        ("clock-off", "", 7.0, "Clock of gpu-server is off by 7 s (limit 2 s) for 5 min"),
        (
            "unit-down",
            "docker.service",
            1.0,
            "Unit docker.service of gpu-server is not active for 1 min",
        ),
        (
            "container-restarting",
            "db",
            4.0,
            "Container db of gpu-server was restarted 4 times within 10 min",
        ),
        ("leaf-expiring", "grafana", 300_000.0, "Leaf of grafana expires in 3 d 11 h (limit 14 d)"),
        ("source-lost", "ssh", 1.0, "Source ssh of gpu-server gives no readings for 2 min"),
        ("oom-kill", "", 2.0, "gpu-server ran out of memory: 2 processes were killed"),
        ("oom-kill", "", 1.0, "gpu-server ran out of memory: 1 process was killed"),
    ] {
        assert_eq!(said(rule, subject, value), expected);
    }
}

#[test]
fn names_of_others_cannot_break_a_line() {
    let text = said("container-unhealthy", "db\r\nBcc: x\u{1b}[2J", 1.0);
    assert_eq!(text, "Container db  Bcc: x [2J of gpu-server fails its own health check for 2 min");
    assert!(said("unit-down", &"x".repeat(9_000), 1.0).len() < 300);
}

fn change(metric: Metric, subject: &str, value: f64) -> AlertChange {
    AlertChange::Raised(Alert {
        rule: "gpu-hot".into(),
        series: series(metric, subject),
        severity: Severity::Critical,
        value,
        threshold: 85.0,
        message: "m".into(),
        raised_at: Timestamp::from_seconds(1_000),
        is_silenced: false,
    })
}

#[test]
fn the_record_has_the_seeds_shape() {
    let details = details(&change(Metric::GpuTemperature, "0", 92.0));
    let text = serde_json::to_string(&details).expect("JSON");
    assert_eq!(
        text,
        "{\"gpu_index\":0,\"metric\":\"gpu_temperature\",\"node\":\"gpu-server\",\"rule\":\"gpu-hot\",\
         \"severity\":\"critical\",\"state\":\"raised\",\"threshold\":85,\"unit\":\"celsius\",\"value\":92}"
    );
    let disk = super::details(&change(Metric::Disk, "/", 0.123_456));
    assert_eq!((disk["subject"].as_str(), disk["value"].as_f64()), (Some("/"), Some(0.123)));
}

#[test]
fn what_is_over_says_how_long_it_lasted() {
    let alert = change(Metric::GpuTemperature, "0", 71.0).alert().clone();
    let over = AlertChange::Cleared { alert, at: Timestamp::from_seconds(1_750) };
    assert_eq!(told(&over), "GPU 0 of gpu-server: gpu-hot is over after 12 min, now 71 °C");
    assert_eq!(title(&over), "OVER gpu-hot on gpu-server");
}
