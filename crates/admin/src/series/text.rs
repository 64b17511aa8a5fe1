//! Writing series as OpenMetrics text, each family together under its head.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::FAMILIES;

/// Samples by family.
#[derive(Debug, Default)]
pub(super) struct Text {
    families: BTreeMap<&'static str, String>,
}

impl Text {
    /// Adds a sample; its name must be one of [`FAMILIES`], and what is no number is left out.
    pub(super) fn value(&mut self, name: &'static str, labels: &[(&str, &str)], value: f64) {
        debug_assert!(FAMILIES.iter().any(|(known, ..)| *known == name), "{name} is not declared");
        if !value.is_finite() {
            return;
        }
        let text = self.families.entry(name).or_default();
        let written: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        let labels =
            if written.is_empty() { String::new() } else { format!("{{{}}}", written.join(",")) };
        // Invariant: writing to a String cannot fail.
        writeln!(text, "{name}{labels} {value}").unwrap_or_default();
    }

    /// Adds a sample when there is one.
    pub(super) fn maybe(
        &mut self,
        name: &'static str,
        labels: &[(&str, &str)],
        value: Option<f64>,
    ) {
        if let Some(value) = value {
            self.value(name, labels, value);
        }
    }

    /// The whole, in the order of the declaration.
    pub(super) fn finish(self) -> String {
        let mut whole = String::new();
        for (name, kind, help) in FAMILIES {
            let Some(samples) = self.families.get(name) else {
                continue;
            };
            // A counter's family has the name without its ending.
            let family = name.strip_suffix("_total").filter(|_| *kind == "counter").unwrap_or(name);
            let head = format!("# HELP {family} {help}.\n# TYPE {family} {kind}\n");
            whole.push_str(&head);
            whole.push_str(samples);
        }
        whole
    }
}

/// A label's value between quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
