//! Holds back what is silenced, and tells it when the quiet ends and it still matters.
//!
//! **Invariant:** nobody is told of an end without having been told of the beginning, and what is
//! still raised when the quiet ends is told then. Pure: time is a parameter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use conduit_core::clock::Timestamp;

use super::Silences;
use super::quiet::QuietHours;
use crate::alert::{Alert, AlertChange};
use crate::metric::Series;

/// What stands between the judge and the channels.
#[derive(Debug, Default)]
pub struct Hush {
    /// What people silenced.
    pub silences: Silences,
    /// What the configuration says.
    pub quiet_hours: Vec<QuietHours>,
    told: BTreeSet<Key>,
    held: BTreeMap<Key, AlertChange>,
}

type Key = (Arc<str>, Series);

impl Hush {
    /// Whether an alert is kept from the channels now.
    pub fn covers(&self, alert: &Alert, now: Timestamp) -> bool {
        self.silences.covers(alert, now) || self.quiet_hours.iter().any(|q| q.covers(alert, now))
    }

    /// Takes what changed and says what is told now: of it, and of what was held back.
    pub fn pass(&mut self, changes: &[AlertChange], now: Timestamp) -> Vec<AlertChange> {
        let mut told = self.due(now);
        for change in changes {
            let alert = change.alert();
            let key = key_of(alert);
            let is_held = self.covers(alert, now);
            match change {
                AlertChange::Raised(_) if is_held => self.hold(key, change),
                AlertChange::Raised(_) => {
                    self.held.remove(&key);
                    self.told.insert(key);
                    told.push(change.clone());
                }
                // Over before anybody was told.
                AlertChange::Cleared { .. } if !self.told.contains(&key) => {
                    self.held.remove(&key);
                }
                AlertChange::Cleared { .. } if is_held => self.hold(key, change),
                AlertChange::Cleared { .. } => {
                    self.held.remove(&key);
                    self.told.remove(&key);
                    told.push(change.clone());
                }
            }
        }
        told
    }

    /// Takes over what was raised before a restart, and of each whether it was told.
    pub fn restore(&mut self, alerts: &[(Alert, bool)]) {
        for (alert, is_told) in alerts {
            if *is_told {
                self.told.insert(key_of(alert));
            } else {
                self.hold(key_of(alert), &AlertChange::Raised(alert.clone()));
            }
        }
    }

    /// Whether people were told of an alert.
    pub fn is_told(&self, alert: &Alert) -> bool {
        self.told.contains(&key_of(alert))
    }

    /// How many changes are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// What is held back no longer.
    fn due(&mut self, now: Timestamp) -> Vec<AlertChange> {
        let is_due = |(_, change): &(&Key, &AlertChange)| !self.covers(change.alert(), now);
        let due: Vec<Key> = self.held.iter().filter(is_due).map(|(key, _)| key.clone()).collect();
        let mut told = Vec::new();
        for key in due {
            let is_news = match self.held.get(&key) {
                Some(AlertChange::Raised(_)) => self.told.insert(key.clone()),
                _ => self.told.remove(&key),
            };
            told.extend(self.held.remove(&key).filter(|_| is_news));
        }
        told
    }

    fn hold(&mut self, key: Key, change: &AlertChange) {
        if self.held.len() < HELD_MAX || self.held.contains_key(&key) {
            self.held.insert(key, change.clone());
        }
    }
}

fn key_of(alert: &Alert) -> Key {
    (Arc::clone(&alert.rule), alert.series.clone())
}

/// The most changes that are held back: as many as can be raised at once.
const HELD_MAX: usize = crate::judge::STATES_MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Severity;
    use crate::metric::Metric;
    use crate::node::NodeName;
    use crate::silence::Scope;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    fn alert(subject: &str) -> Alert {
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

    fn raised(subject: &str) -> AlertChange {
        AlertChange::Raised(alert(subject))
    }

    fn cleared(subject: &str) -> AlertChange {
        AlertChange::Cleared { alert: alert(subject), at: at(9) }
    }

    fn silenced_until(until: i64) -> Hush {
        let mut hush = Hush::default();
        let scope = Scope::parse(Some("*"), None, None).expect("a pattern");
        hush.silences.add(scope, at(until), ("", ""), at(0)).expect("room");
        hush
    }

    #[test]
    fn what_is_still_raised_when_the_quiet_ends_is_told_then() {
        let mut hush = silenced_until(100);
        assert!(hush.pass(&[raised("/"), raised("/home")], at(10)).is_empty());
        assert!(hush.pass(&[cleared("/home")], at(20)).is_empty());
        assert!(hush.pass(&[], at(99)).is_empty());
        assert_eq!(hush.pass(&[], at(100)), [raised("/")], "and not what was over by then");
        assert_eq!(hush.pass(&[cleared("/")], at(110)), [cleared("/")]);
        assert_eq!((hush.held(), hush.pass(&[], at(120))), (0, Vec::new()));
    }

    #[test]
    fn an_end_within_the_quiet_is_told_after_it() {
        let mut hush = Hush::default();
        assert_eq!(hush.pass(&[raised("/"), raised("/home")], at(1)).len(), 2);
        hush.silences = silenced_until(100).silences;
        assert!(hush.pass(&[cleared("/"), cleared("/home")], at(10)).is_empty());
        assert!(hush.pass(&[raised("/home")], at(20)).is_empty());
        assert_eq!(hush.pass(&[], at(100)), [cleared("/")], "the other is as people know it");
        assert!(hush.is_told(&alert("/home")) && !hush.is_told(&alert("/")));
    }

    #[test]
    fn a_restart_neither_tells_twice_nor_forgets() {
        let mut hush = silenced_until(100);
        hush.restore(&[(alert("/"), true), (alert("/home"), false)]);
        assert!(hush.pass(&[], at(50)).is_empty());
        assert_eq!(hush.pass(&[], at(100)), [raised("/home")]);
    }

    #[test]
    fn critical_alerts_pass_quiet_hours_unless_told_otherwise() {
        let mut file = crate::silence::quiet::QuietHoursFile {
            from: "00:00".into(),
            to: "24:00".into(),
            ..Default::default()
        };
        for (holds, severity, expected) in [
            (false, Severity::Critical, 1),
            (false, Severity::Warning, 0),
            (true, Severity::Critical, 0),
        ] {
            file.critical = holds;
            let quiet_hours = vec![QuietHours::try_from(&file).expect("legal")];
            let mut hush = Hush { quiet_hours, ..Hush::default() };
            let change = AlertChange::Raised(Alert { severity, ..alert("/") });
            assert_eq!(hush.pass(&[change], at(0)).len(), expected);
        }
    }
}
