//! Alerts in words for people.
//!
//! **Invariant:** names that others chose (containers, mount points) come out without control
//! characters and cut to a length.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::alert::AlertChange;
use crate::metric::{Metric, Part, Series, Unit};
use crate::rule::proviso::Proviso;
use crate::rule::{Condition, Rule};

/// What is said when a rule holds, such as `GPU 0 of gpu-server is at 92 °C (limit 85 °C) for 1 min`.
pub fn raised(rule: &Rule, series: &Series, value: f64) -> String {
    let thing = thing(series);
    let held = rough(rule.held);
    let said = match rule.condition {
        Condition::Absent => format!("{thing} is gone"),
        Condition::Rising if series.metric == Metric::ContainerRestarts => {
            format!("{thing} was restarted {} within {held}", counted(value, "time", "times"))
        }
        Condition::Rising => {
            let (rise, limit) =
                (amount(series.metric, value), amount(series.metric, rule.threshold));
            format!("{thing} rose by {rise} within {held} (limit {limit})")
        }
        Condition::Above | Condition::Below => {
            let said = format!("{thing} {}", complaint(series.metric, value, rule.threshold));
            if rule.held.is_zero() { said } else { format!("{said} for {held}") }
        }
    };
    said + &proviso(rule)
}

/// What must hold beside it, such as `, while gpu_utilization is below 5 %`.
fn proviso(rule: &Rule) -> String {
    rule.proviso.map_or_else(String::new, |Proviso { metric, condition, threshold }| {
        format!(", while {metric} is {} {}", condition.as_str(), amount(metric, threshold))
    })
}

/// What a rule asks, such as `gpu_temperature above 85 °C for 1 min`.
pub fn condition(rule: &Rule) -> String {
    let (metric, word) = (rule.metric, rule.condition.as_str());
    let held =
        if rule.held.is_zero() { String::new() } else { format!(" for {}", rough(rule.held)) };
    let said = match rule.condition {
        Condition::Absent => format!("{metric} {word}{held}"),
        Condition::Above | Condition::Below => {
            format!("{metric} {word} {}{held}", amount(metric, rule.threshold))
        }
        Condition::Rising => {
            let limit = amount(metric, rule.threshold);
            format!("{metric} {word} by more than {limit} within {}", rough(rule.held))
        }
    };
    said + &proviso(rule)
}

/// What is said of a change: when it is raised its message, and then that it is over.
pub fn told(change: &AlertChange) -> String {
    match change {
        AlertChange::Raised(alert) => alert.message.clone(),
        AlertChange::Cleared { alert, at } => {
            let lasted = Duration::from_secs(at.since(alert.raised_at).as_secs());
            let metric = alert.series.metric;
            let now = if is_flag(metric) {
                String::new()
            } else {
                format!(", now {}", amount(metric, alert.value))
            };
            format!("{}: {} is over after {}{now}", thing(&alert.series), alert.rule, rough(lasted))
        }
    }
}

/// The same in one short line: `CRITICAL gpu-hot on gpu-server` or `OVER gpu-hot on gpu-server`.
pub fn title(change: &AlertChange) -> String {
    let alert = change.alert();
    let word = match change {
        AlertChange::Raised(_) => alert.severity.as_str().to_uppercase(),
        AlertChange::Cleared { .. } => "OVER".to_owned(),
    };
    format!("{word} {} on {}", alert.rule, alert.series.node)
}

/// The details of the audit entry `monitor_alert`, in the seeds' shape.
pub fn details(change: &AlertChange) -> Map<String, Value> {
    let alert = change.alert();
    let series = &alert.series;
    let mut details = Map::new();
    let mut put = |key: &str, value: Value| {
        details.insert(key.to_owned(), value);
    };
    put("metric", json!(series.metric.as_str()));
    put("value", number(alert.value));
    put("threshold", number(alert.threshold));
    put("unit", json!(series.metric.unit().as_str()));
    let subject = series.subject.as_deref().map(clean);
    let index = subject.as_deref().and_then(|subject| subject.parse::<u32>().ok());
    match (index.filter(|_| series.metric.part() == Part::Gpus), subject) {
        (Some(index), _) => put("gpu_index", json!(index)),
        (None, Some(subject)) => put("subject", json!(subject)),
        (None, None) => {}
    }
    put("node", json!(series.node.as_str()));
    put("rule", json!(&*alert.rule));
    put("severity", json!(alert.severity.as_str()));
    put("state", json!(state_word(change)));
    details
}

/// `raised` or `cleared`.
pub fn state_word(change: &AlertChange) -> &'static str {
    match change {
        AlertChange::Raised(_) => "raised",
        AlertChange::Cleared { .. } => "cleared",
    }
}

/// A number as JSON: whole ones without a fraction, others to three places.
pub fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < WHOLE_MAX {
        return json!(value as i64);
    }
    json!((value * 1_000.0).round() / 1_000.0)
}

/// A text that others wrote: no control characters, and not long.
pub fn clean(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(NAME_CHARS_SHOWN).map(plain).collect()
}

/// What a series is about.
fn thing(series: &Series) -> String {
    let node = &series.node;
    let subject = clean(series.subject.as_deref().unwrap_or_default());
    match series.metric {
        Metric::Cpu => format!("CPU of {node}"),
        Metric::LoadPerCore => format!("Load per core of {node}"),
        Metric::Memory => format!("Memory of {node}"),
        Metric::Swap => format!("Swap of {node}"),
        Metric::PressureCpu => format!("Waiting for processors on {node}"),
        Metric::PressureMemory => format!("Waiting for memory on {node}"),
        Metric::PressureIo => format!("Waiting for disks on {node}"),
        Metric::ClockOffset => format!("Clock of {node}"),
        Metric::OomKills => node.to_string(),
        Metric::UnitDown => format!("Unit {subject} of {node}"),
        Metric::SourceLost => format!("Source {subject} of {node}"),
        Metric::LeafExpiry => format!("Leaf of {subject}"),
        Metric::ServiceDown | Metric::ServiceErrors | Metric::ServiceStalled => {
            format!("Service {subject}")
        }
        metric => match metric.part() {
            // An id of NVIDIA's says what it is.
            Part::Gpus if subject.starts_with("GPU-") => format!("{subject} of {node}"),
            Part::Gpus => format!("GPU {subject} of {node}"),
            Part::Containers => format!("Container {subject} of {node}"),
            Part::Engines => format!("Engine of {subject}"),
            _ => format!("{subject} of {node}"),
        },
    }
}

/// What is wrong with it.
fn complaint(metric: Metric, value: f64, threshold: f64) -> String {
    let (now, limit) = (amount(metric, value), amount(metric, threshold));
    match metric {
        Metric::UnitDown => "is not active".into(),
        Metric::OomKills => {
            let killed = counted(value, "process was", "processes were");
            format!("ran out of memory: {killed} killed")
        }
        Metric::SourceLost => "gives no readings".into(),
        Metric::ContainerUnhealthy => "fails its own health check".into(),
        Metric::GpuThermal => "is held back by heat".into(),
        Metric::GpuXid => format!(
            "reported {} trouble; the kernel's log has their codes (Xid)",
            counted(value, "error that means", "errors that mean")
        ),
        Metric::GpuEcc => {
            let errors = counted(value, "memory error that was", "memory errors that were");
            format!("has {errors} not mended")
        }
        Metric::GpuRemapFailed => {
            "has a row of memory that could not be replaced; replace the board".into()
        }
        Metric::GpuRemapPending => {
            "has a replaced row of memory that waits for the next reset".into()
        }
        Metric::GpuLink => "has fewer PCIe lanes or a slower link than card and slot allow".into(),
        Metric::GpuMargin => format!("is {now} from slowing down (limit {limit})"),
        Metric::Disk => format!("is {now} full (limit {limit})"),
        Metric::ClockOffset => format!("is off by {now} (limit {limit})"),
        Metric::LeafExpiry => format!("expires in {now} (limit {limit})"),
        Metric::DiskFullIn => {
            format!("will be full in {now} at the rate of the last hours (limit {limit})")
        }
        Metric::ServiceDown => "is down".into(),
        Metric::ServiceErrors => {
            format!("answers {now} of its requests with errors (limit {limit})")
        }
        Metric::ServiceStalled => format!(
            "has had requests for {now} and brings nothing, while its GPUs do nothing (limit {limit})"
        ),
        _ => format!("is at {now} (limit {limit})"),
    }
}

/// A count with its word.
fn counted(count: f64, one: &str, many: &str) -> String {
    let word = if count == 1.0 { one } else { many };
    format!("{} {word}", places(count))
}

/// Whether a number only says yes or no, or counts what happened.
fn is_flag(metric: Metric) -> bool {
    let silent = [Metric::OomKills, Metric::GpuPresent, Metric::ContainerRestarts, Metric::GpuXid];
    silent.contains(&metric)
        || matches!(
            metric,
            Metric::UnitDown
                | Metric::SourceLost
                | Metric::ServiceDown
                | Metric::ContainerUnhealthy
                | Metric::GpuThermal
                | Metric::GpuRemapFailed
                | Metric::GpuRemapPending
                | Metric::GpuLink
        )
}

/// A value in its unit.
fn amount(metric: Metric, value: f64) -> String {
    match metric.unit() {
        Unit::Bytes => bytes(value),
        Unit::BytesPerSecond => format!("{}/s", bytes(value)),
        Unit::Celsius => format!("{} °C", places(value)),
        Unit::Count => places(value),
        Unit::PerSecond => format!("{}/s", places(value)),
        // A load for each core is a share of what fits, but nobody reads it as per cent.
        Unit::Ratio if metric == Metric::LoadPerCore => places(value),
        Unit::Ratio => format!("{} %", places(value * 100.0)),
        Unit::Seconds if metric == Metric::ServiceTook && value < 10.0 => {
            format!("{} ms", places(value * 1_000.0))
        }
        Unit::Seconds => rough(Duration::try_from_secs_f64(value.max(0.0)).unwrap_or_default()),
        Unit::TokensPerSecond => format!("{} tokens/s", places(value)),
        Unit::Watts => format!("{} W", places(value)),
    }
}

/// To one decimal place, and none that says nothing.
fn places(value: f64) -> String {
    format!("{}", (value * 10.0).round() / 10.0)
}

fn bytes(value: f64) -> String {
    let steps = ["B", "KB", "MB", "GB", "TB", "PB"];
    let mut step = 0;
    let mut shown = value;
    while shown.abs() >= 1_000.0 && step + 1 < steps.len() {
        shown /= 1_000.0;
        step += 1;
    }
    format!("{} {}", places(shown), steps[step])
}

/// A length of time in its two greatest units.
fn rough(length: Duration) -> String {
    let seconds = length.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds == 0 && !length.is_zero() => format!("{} ms", length.as_millis()),
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, 0) => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, 0, _) => format!("{days} d"),
        _ => format!("{days} d {hours} h"),
    }
}

/// How much of a name that others chose is shown.
const NAME_CHARS_SHOWN: usize = 128;
/// Whole numbers below this are written without a fraction; the same in every JSON parser.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests;
