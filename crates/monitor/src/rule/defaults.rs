//! The rules that hold when nobody writes any: those of `config/alerts.toml`.
//!
//! **Invariant:** the shipped file is the defaults: it is compiled in, so that the two cannot
//! differ.

use serde::Deserialize;

use super::file::RuleFile;
use super::{Rule, file};

/// The default rules as they are written in the shipped file.
pub fn files() -> Vec<RuleFile> {
    // Invariant: a test reads the file that is compiled in.
    toml::from_str::<Shipped>(SHIPPED).map(|file| file.monitor.rules).unwrap_or_default()
}

/// The default rules.
pub fn rules() -> Vec<Rule> {
    // Invariant: as above.
    file::rules(&files(), &[]).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shipped {
    monitor: Monitor,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Monitor {
    rules: Vec<RuleFile>,
}

/// The shipped file.
const SHIPPED: &str = include_str!("../../../../config/alerts.toml");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Severity;
    use crate::metric::Metric;
    use crate::rule::Condition;

    #[test]
    fn the_shipped_file_is_whole_and_makes_sense() {
        let shipped: Shipped = toml::from_str(SHIPPED).expect("the shipped file");
        let rules = file::rules(&shipped.monitor.rules, &[]).expect("rules that make sense");
        let are_on = shipped.monitor.rules.iter().filter(|rule| rule.enabled != Some(false));
        assert_eq!(rules.len(), are_on.count(), "each has a name of its own");
        assert_eq!(rules, super::rules());
    }

    #[test]
    fn the_promised_defaults_are_among_them() {
        for (metric, condition, threshold, seconds, severity) in [
            (Metric::GpuTemperature, Condition::Above, 85.0, 60, Severity::Critical),
            (Metric::GpuTemperature, Condition::Above, 80.0, 300, Severity::Warning),
            (Metric::GpuMargin, Condition::Below, 5.0, 60, Severity::Warning),
            (Metric::GpuMemory, Condition::Above, 0.9, 300, Severity::Info),
            (Metric::GpuXid, Condition::Above, 0.0, 0, Severity::Critical),
            (Metric::GpuEcc, Condition::Above, 0.0, 0, Severity::Critical),
            (Metric::GpuPresent, Condition::Absent, 0.0, 60, Severity::Critical),
            (Metric::Disk, Condition::Above, 0.85, 300, Severity::Warning),
            (Metric::Disk, Condition::Above, 0.95, 60, Severity::Critical),
            (Metric::LeafExpiry, Condition::Below, 14.0 * 86_400.0, 0, Severity::Warning),
            (Metric::SourceLost, Condition::Above, 0.0, 120, Severity::Warning),
        ] {
            let is_it = |rule: &Rule| {
                (rule.metric, rule.condition, rule.threshold, rule.severity)
                    == (metric, condition, threshold, severity)
                    && rule.held.as_secs() == seconds
            };
            assert!(rules().iter().any(is_it), "{metric} {threshold}");
        }
    }
}
