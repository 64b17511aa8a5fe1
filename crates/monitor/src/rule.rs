//! A rule: which numbers are judged, by what, for how long, and how much it matters.
//!
//! **Invariant:** a rule that exists makes sense: its name is a word, its threshold is finite, and
//! what clears it lies on the good side of what raises it.

pub mod defaults;
pub mod file;
pub mod proviso;

use std::sync::Arc;
use std::time::Duration;

use self::proviso::Proviso;
use crate::alert::Severity;
use crate::glob::Glob;
use crate::metric::{Metric, Series};

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What it is called, such as `gpu-hot`; alerts, silences and channels name it.
    pub name: Arc<str>,
    /// The number it judges.
    pub metric: Metric,
    /// The nodes it is for; `None` is every node.
    pub node: Option<Glob>,
    /// The things of a node it is for; `None` is every one.
    pub subject: Option<Glob>,
    /// What is wrong with a number.
    pub condition: Condition,
    /// What it is compared with, in the metric's unit.
    pub threshold: f64,
    /// A value on this side of the threshold, or on it, is good again; between the two nothing
    /// changes.
    pub clear: f64,
    /// How long the condition must hold before it is told. Of `rising` it is the window instead.
    pub held: Duration,
    /// How long all must be good before it is over.
    pub clear_held: Duration,
    /// How much it matters.
    pub severity: Severity,
    /// What must hold of another number of the same thing at the same time.
    pub proviso: Option<Proviso>,
}

/// What is wrong with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It is greater than the threshold.
    Above,
    /// It is less than the threshold.
    Below,
    /// It was there and is not told any more, though its source answers.
    Absent,
    /// Within the window it grew by more than the threshold.
    Rising,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Above, Self::Below, Self::Absent, Self::Rising];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
            Self::Absent => "absent",
            Self::Rising => "rising",
        }
    }
}

/// What a rule says of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The condition holds.
    Bad,
    /// Neither: between the threshold and what clears it.
    Between,
    /// It does not hold.
    Good,
}

impl Rule {
    /// Whether the rule is for this series.
    pub fn covers(&self, series: &Series) -> bool {
        let fits = |glob: &Option<Glob>, text: &str| glob.as_ref().is_none_or(|g| g.matches(text));
        series.metric == self.metric
            && fits(&self.node, series.node.as_str())
            && fits(&self.subject, series.subject.as_deref().unwrap_or_default())
    }

    /// What it says of a value; of `rising`, of the rise within the window.
    pub fn verdict(&self, value: f64) -> Verdict {
        let (is_bad, is_good) = match self.condition {
            Condition::Above | Condition::Rising => (value > self.threshold, value <= self.clear),
            Condition::Below => (value < self.threshold, value >= self.clear),
            // There is a value.
            Condition::Absent => (false, true),
        };
        match (is_bad, is_good) {
            (true, _) => Verdict::Bad,
            (_, true) => Verdict::Good,
            _ => Verdict::Between,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NodeName;

    #[test]
    fn a_rule_covers_its_metric_nodes_and_subjects() {
        let rules = defaults::rules();
        let mut rule = rules.into_iter().find(|rule| &*rule.name == "disk-full").expect("a rule");
        rule.node = Some(Glob::parse("web-*").expect("a pattern"));
        rule.subject = Some(Glob::parse("/var*").expect("a pattern"));
        let series = |node: &str, metric, subject: Option<&str>| Series {
            node: NodeName::parse(node).expect("a name"),
            metric,
            subject: subject.map(Arc::from),
        };
        assert!(rule.covers(&series("web-1", Metric::Disk, Some("/var/lib"))));
        assert!(!rule.covers(&series("db-1", Metric::Disk, Some("/var/lib"))));
        assert!(!rule.covers(&series("web-1", Metric::Disk, Some("/"))));
        assert!(!rule.covers(&series("web-1", Metric::Disk, None)));
        assert!(!rule.covers(&series("web-1", Metric::DiskUsed, Some("/var/lib"))));
    }

    #[test]
    fn between_raising_and_clearing_nothing_changes() {
        let rules = defaults::rules();
        let mut rule = rules.into_iter().find(|rule| &*rule.name == "gpu-hot").expect("a rule");
        (rule.threshold, rule.clear) = (85.0, 80.0);
        let said = [79.0, 80.0, 80.1, 85.0, 85.1].map(|value| rule.verdict(value));
        use Verdict::{Bad, Between, Good};
        assert_eq!(said, [Good, Good, Between, Between, Bad]);
        (rule.condition, rule.threshold, rule.clear) = (Condition::Below, 5.0, 8.0);
        let said = [4.9, 5.0, 7.9, 8.0].map(|value| rule.verdict(value));
        assert_eq!(said, [Bad, Between, Between, Good]);
    }
}
