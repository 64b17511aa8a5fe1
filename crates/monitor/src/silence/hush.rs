//! Holds back what is silenced, until the quiet ends.
//!
//! **Invariant:** of each alert the last change is held, at most; the rest nobody missed. Whether a
//! change is news to people is the matter of each channel's outbox. Pure: time is a parameter.

use std::collections::BTreeMap;

use conduit_core::clock::Timestamp;

use super::Silences;
use super::quiet::QuietHours;
use crate::alert::{Alert, AlertChange, AlertKey};

/// What stands between the judge and the channels.
#[derive(Debug, Default)]
pub struct Hush {
    /// What people silenced.
    pub silences: Silences,
    /// What the configuration says.
    pub quiet_hours: Vec<QuietHours>,
    held: BTreeMap<AlertKey, AlertChange>,
}

impl Hush {
    /// Whether an alert is kept from the channels now.
    pub fn covers(&self, alert: &Alert, now: Timestamp) -> bool {
        self.silences.covers(alert, now) || self.quiet_hours.iter().any(|q| q.covers(alert, now))
    }

    /// Takes what changed and says what is told now: what is held back no longer, and then of it.
    /// The end of what nobody knows is not held.
    pub fn pass(
        &mut self,
        changes: &[AlertChange],
        is_known: impl Fn(&AlertKey) -> bool,
        now: Timestamp,
    ) -> Vec<AlertChange> {
        let mut told = self.due(now);
        for change in changes {
            let alert = change.alert();
            match change {
                _ if !self.covers(alert, now) => told.push(change.clone()),
                AlertChange::Cleared { .. } if !is_known(&alert.key()) => {
                    self.held.remove(&alert.key());
                }
                _ => self.hold(change.clone()),
            }
        }
        told
    }

    /// The ends that are held back.
    pub fn ends(&self) -> impl Iterator<Item = &AlertChange> {
        self.held.values().filter(|change| matches!(change, AlertChange::Cleared { .. }))
    }

    /// Has a change wait for the next pass, at which it is told if nothing covers it.
    pub fn hold(&mut self, change: AlertChange) {
        let key = change.alert().key();
        if self.held.len() < HELD_MAX || self.held.contains_key(&key) {
            self.held.insert(key, change);
        }
    }

    /// How many changes are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn due(&mut self, now: Timestamp) -> Vec<AlertChange> {
        // Asked with each reading, and mostly for nothing.
        if self.held.values().all(|change| self.covers(change.alert(), now)) {
            return Vec::new();
        }
        let held = std::mem::take(&mut self.held);
        let (held, due) = held.into_iter().partition(|(_, c)| self.covers(c.alert(), now));
        self.held = held;
        BTreeMap::into_values(due).collect()
    }
}

/// The most changes that are held back: as many as can be raised at once.
const HELD_MAX: usize = crate::judge::STATES_MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Severity;
    use crate::alert::tests::{alert, at, cleared, raised};
    use crate::silence::Scope;

    fn silenced_until(until: i64) -> Hush {
        let mut hush = Hush::default();
        let scope = Scope::parse(Some("*"), None, None).expect("a pattern");
        hush.silences.add(scope, at(until), ("", ""), at(0)).expect("room");
        hush
    }

    #[test]
    fn the_last_change_is_told_when_the_quiet_ends() {
        let mut hush = silenced_until(100);
        assert!(hush.pass(&[raised("/"), raised("/home")], |_| true, at(10)).is_empty());
        assert!(hush.pass(&[cleared("/home")], |_| true, at(20)).is_empty());
        assert!(hush.pass(&[], |_| true, at(99)).is_empty());
        assert_eq!(hush.pass(&[], |_| true, at(100)), [raised("/"), cleared("/home")]);
        assert_eq!(hush.pass(&[cleared("/")], |_| true, at(110)), [cleared("/")]);
        assert_eq!((hush.held(), hush.pass(&[], |_| true, at(120))), (0, Vec::new()));
    }

    #[test]
    fn the_end_of_what_nobody_knows_is_not_held() {
        let mut hush = silenced_until(100);
        assert!(hush.pass(&[raised("/"), cleared("/")], |_| false, at(10)).is_empty());
        assert_eq!((hush.held(), hush.ends().count()), (0, 0));
        assert!(hush.pass(&[cleared("/")], |_| true, at(20)).is_empty());
        assert_eq!(hush.ends().count(), 1);
    }

    #[test]
    fn what_waits_for_the_next_pass_is_silenced_as_well() {
        let mut hush = silenced_until(100);
        hush.hold(raised("/"));
        assert!(hush.pass(&[], |_| true, at(50)).is_empty());
        assert_eq!(hush.pass(&[], |_| true, at(100)), [raised("/")]);
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
            assert_eq!(hush.pass(&[change], |_| true, at(0)).len(), expected);
        }
    }
}
