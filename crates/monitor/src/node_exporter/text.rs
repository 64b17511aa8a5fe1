//! The text form that Prometheus reads.

use std::collections::HashSet;
use std::fmt::Write;

/// A page that grows by families of samples.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    /// Families that have a sample.
    families: HashSet<String>,
}

/// What a family's values mean.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// The exporter does not say.
    Untyped,
}

/// A metric's name, its kind, its help, and how its value is taken out of a thing.
pub(super) type Column<T> = (&'static str, Kind, &'static str, fn(&T) -> Option<f64>);

/// Samples of one name.
pub(super) struct Family<'a> {
    text: &'a mut String,
    families: &'a mut HashSet<String>,
    name: &'a str,
    kind: Kind,
    help: &'a str,
    /// Labels that were written.
    seen: HashSet<String>,
}

impl Text {
    /// Begins a family; without a sample it is not named, and one that has some is not begun again.
    pub(super) fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &'a str) -> Family<'a> {
        let (text, families) = (&mut self.text, &mut self.families);
        Family { text, families, name, kind, help, seen: HashSet::new() }
    }

    /// Writes a counter without labels, if it is known.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.family(name, Kind::Counter, help).add(&[], value);
    }

    /// Writes a gauge without labels, if it is known.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.family(name, Kind::Gauge, help).add(&[], value);
    }

    /// The whole page.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// Adds a sample, unless it is not known or its labels were there already.
    pub(super) fn add(&mut self, labels: &[(&str, &str)], value: Option<f64>) {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            return;
        };
        let labels = written(labels);
        if self.seen.contains(&labels) {
            return;
        }
        if self.seen.is_empty() {
            if !self.families.insert(self.name.to_owned()) {
                return;
            }
            let kind = match self.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Untyped => "untyped",
            };
            let (name, help) = (self.name, self.help);
            // Writing to a string cannot fail.
            let _ok = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
        let _ok = writeln!(self.text, "{}{labels} {value}", self.name);
        self.seen.insert(labels);
    }
}

/// Labels in braces; an empty value is the same as no label.
fn written(labels: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        text.push(if text.is_empty() { '{' } else { ',' });
        text.push_str(name);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                _ => text.push(c),
            }
        }
        text.push('"');
    }
    if !text.is_empty() {
        text.push('}');
    }
    text
}

/// A count as a value.
pub(super) fn count(value: u64) -> Option<f64> {
    Some(value as f64)
}

/// A count in smaller units, of which `per` make one.
pub(super) fn scaled(value: u64, per: f64) -> Option<f64> {
    Some(value as f64 / per)
}

/// Whether something is so.
pub(super) fn flag(value: bool) -> Option<f64> {
    Some(if value { 1.0 } else { 0.0 })
}

/// Milliseconds of a second.
pub(super) const MS: f64 = 1e3;
/// Microseconds of a second.
pub(super) const US: f64 = 1e6;
/// Nanoseconds of a second.
pub(super) const NS: f64 = 1e9;
