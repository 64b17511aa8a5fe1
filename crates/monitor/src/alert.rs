//! An alert: a rule that holds for a thing, since when, and how it ended.

use std::fmt;
use std::sync::Arc;

use conduit_core::clock::Timestamp;

use crate::metric::Series;

/// A rule that holds for one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The rule's name, such as `gpu-hot`.
    pub rule: Arc<str>,
    /// What it holds for.
    pub series: Series,
    /// How much it matters.
    pub severity: Severity,
    /// The value that raised it, and the last one since.
    pub value: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// In words for people, such as `GPU 0 of gpu-server is at 92 °C (limit 85 °C) for 1 min`.
    pub message: String,
    /// Since when.
    pub raised_at: Timestamp,
    /// Whether a silence or quiet hours keep it from the channels.
    pub is_silenced: bool,
}

/// What tells one alert from another: the rule, and what it holds for.
pub type AlertKey = (Arc<str>, Series);

impl Alert {
    /// What tells it from others.
    pub fn key(&self) -> AlertKey {
        (Arc::clone(&self.rule), self.series.clone())
    }
}

/// How much an alert matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// To be known.
    Info,
    /// To be looked at today.
    Warning,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A change that is told: to the record, to events and to the channels.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertChange {
    /// It was raised.
    Raised(Alert),
    /// It was cleared; the alert as it was, with the value that cleared it.
    Cleared {
        /// The alert as it was.
        alert: Alert,
        /// When.
        at: Timestamp,
    },
}

impl AlertChange {
    /// The alert that changed.
    pub fn alert(&self) -> &Alert {
        match self {
            Self::Raised(alert) | Self::Cleared { alert, .. } => alert,
        }
    }

    /// When it changed.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Raised(alert) => alert.raised_at,
            Self::Cleared { at, .. } => *at,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::node::NodeName;

    /// A time after some moment.
    pub(crate) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    /// A full file system, raised at that moment.
    pub(crate) fn alert(subject: &str) -> Alert {
        let node = NodeName::parse("box").expect("a name");
        Alert {
            rule: "disk".into(),
            series: Series { node, metric: Metric::Disk, subject: Some(subject.into()) },
            severity: Severity::Warning,
            value: 1.0,
            threshold: 0.9,
            message: subject.into(),
            raised_at: at(0),
            is_silenced: false,
        }
    }

    pub(crate) fn raised(subject: &str) -> AlertChange {
        AlertChange::Raised(alert(subject))
    }

    pub(crate) fn cleared(subject: &str) -> AlertChange {
        AlertChange::Cleared { alert: alert(subject), at: at(9) }
    }
}
