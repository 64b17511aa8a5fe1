//! Judges samples by rules, with duration and hysteresis, and says what changed.
//!
//! **Invariant:** pure: time is a parameter, and nothing is read or sent. What is kept is bounded:
//! a series that is well costs nothing, except under a rule about its rise or its absence.

mod beside;
mod state;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::clock::Timestamp;

use self::beside::Beside;
use self::state::{State, Step};
use crate::alert::{Alert, AlertChange};
use crate::metric::{Metric, Part, Sample, Series};
use crate::node::NodeName;
use crate::rule::{Condition, Rule, Verdict};
use crate::window::Window;
use crate::wording;

/// The one judge of a gateway.
#[derive(Debug, Default)]
pub struct Judge {
    rules: Vec<Rule>,
    by_metric: HashMap<Metric, Vec<usize>>,
    /// What is or was wrong lately.
    states: HashMap<Key, State>,
    /// Of rules about a rise.
    windows: HashMap<Key, Window>,
    /// Of rules about absence: when each was last seen.
    present: HashMap<Key, Timestamp>,
    beside: Beside,
    /// When a part of a node was last told anything about.
    heard: HashMap<(NodeName, Part), Timestamp>,
    pruned_at: Option<Timestamp>,
    left_out: u64,
}

/// A rule and what it judges.
type Key = (Arc<str>, Series);

impl Judge {
    /// A judge by these rules, to whom nothing happened yet.
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut by_metric: HashMap<Metric, Vec<usize>> = HashMap::new();
        for (index, rule) in rules.iter().enumerate() {
            by_metric.entry(rule.metric).or_default().push(index);
        }
        let beside = Beside::of(&rules);
        Self { rules, by_metric, beside, ..Self::default() }
    }

    /// Judges samples; the changes are in the order in which they came about.
    pub fn observe(&mut self, samples: &[Sample], now: Timestamp) -> Vec<AlertChange> {
        let mut changes = Vec::new();
        self.left_out += self.beside.note(samples, now);
        for sample in samples {
            self.note_heard(sample, now);
            for index in self.by_metric.get(&sample.series.metric).cloned().unwrap_or_default() {
                if self.rules[index].covers(&sample.series) {
                    changes.extend(self.judge(index, sample, now));
                }
            }
        }
        self.judge_the_absent(now, &mut changes);
        self.give_up_the_gone(now, &mut changes);
        self.prune(now);
        changes
    }

    /// The alerts that are raised, the gravest and then the oldest first.
    pub fn alerts(&self) -> Vec<Alert> {
        let mut alerts: Vec<Alert> =
            self.states.values().filter_map(State::alert).cloned().collect();
        alerts.sort_by(|a, b| {
            let by =
                |alert: &Alert| (alert.raised_at, Arc::clone(&alert.rule), alert.series.clone());
            b.severity.cmp(&a.severity).then_with(|| by(a).cmp(&by(b)))
        });
        alerts
    }

    /// Takes over what was raised before a restart, without telling it again; what no rule covers
    /// any more is cleared.
    pub fn restore(&mut self, alerts: Vec<Alert>, now: Timestamp) -> Vec<AlertChange> {
        let mut changes = Vec::new();
        for mut alert in alerts.into_iter().take(STATES_MAX) {
            let of = |rule: &&Rule| rule.name == alert.rule && rule.covers(&alert.series);
            match self.rules.iter().find(of) {
                Some(rule) => {
                    alert.severity = rule.severity;
                    alert.threshold = rule.threshold;
                    let key = (Arc::clone(&alert.rule), alert.series.clone());
                    self.states.insert(key, State::raised(alert, now));
                }
                None => changes.push(AlertChange::Cleared { alert, at: now }),
            }
        }
        changes
    }

    /// Goes on with other rules; alerts of rules that are the same or were changed stay until the
    /// next sample.
    pub fn replace_rules(&mut self, rules: Vec<Rule>, now: Timestamp) -> Vec<AlertChange> {
        let alerts = self.alerts();
        let mut next = Self::new(rules);
        let is_known = |(name, series): &Key| {
            next.rules.iter().any(|rule| rule.name == *name && rule.covers(series))
        };
        let mut before = std::mem::take(self);
        before.windows.retain(|key, _| is_known(key));
        before.present.retain(|key, _| is_known(key));
        (next.windows, next.present) = (before.windows, before.present);
        (next.heard, next.left_out) = (before.heard, before.left_out);
        next.beside.take_over(before.beside);
        *self = next;
        self.restore(alerts, now)
    }

    /// Forgets a node that is not monitored any more; its alerts are cleared.
    pub fn forget(&mut self, node: &NodeName, now: Timestamp) -> Vec<AlertChange> {
        let is_other = |(_, series): &Key| series.node != *node;
        let mut changes = Vec::new();
        for (key, state) in &self.states {
            if let Some(alert) = state.alert().filter(|_| !is_other(key)) {
                changes.push(AlertChange::Cleared { alert: alert.clone(), at: now });
            }
        }
        self.states.retain(|key, _| is_other(key));
        self.windows.retain(|key, _| is_other(key));
        self.present.retain(|key, _| is_other(key));
        self.heard.retain(|(heard, _), _| heard != node);
        self.beside.forget(node);
        changes
    }

    /// How often something was not judged since too much is wrong at once.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    fn judge(&mut self, index: usize, sample: &Sample, now: Timestamp) -> Option<AlertChange> {
        let rule = &self.rules[index];
        let key = (Arc::clone(&rule.name), sample.series.clone());
        let mut value = sample.value;
        match rule.condition {
            Condition::Above | Condition::Below => {}
            Condition::Absent => {
                if !note(&mut self.present, &key, |seen| *seen = now, || now) {
                    self.left_out += 1;
                }
            }
            Condition::Rising => {
                if !self.windows.contains_key(&key) && self.windows.len() >= STATES_MAX {
                    self.left_out += 1;
                    return None;
                }
                value = self.windows.entry(key.clone()).or_default().rise(now, value, rule.held);
            }
        }
        let verdict = match rule.proviso {
            Some(proviso) if !self.beside.meets(proviso, &sample.series, now) => Verdict::Good,
            _ => rule.verdict(value),
        };
        self.step(index, key, verdict, value, now)
    }

    /// Takes one verdict to the state of a rule and a series.
    fn step(
        &mut self,
        index: usize,
        key: Key,
        verdict: Verdict,
        value: f64,
        now: Timestamp,
    ) -> Option<AlertChange> {
        let rule = &self.rules[index];
        if !self.states.contains_key(&key) {
            if verdict != Verdict::Bad {
                return None;
            }
            if self.states.len() >= STATES_MAX {
                self.left_out += 1;
                return None;
            }
        }
        let series = key.1.clone();
        let state = self.states.entry(key).or_insert_with(|| State::calm(now));
        let raise = || Alert {
            rule: Arc::clone(&rule.name),
            severity: rule.severity,
            value,
            threshold: rule.threshold,
            message: wording::raised(rule, &series, value),
            raised_at: now,
            is_silenced: false,
            series,
        };
        match state.step(rule, verdict, value, now, raise)? {
            Step::Raised(alert) => Some(AlertChange::Raised(alert)),
            Step::Cleared(alert) => Some(AlertChange::Cleared { alert, at: now }),
        }
    }

    /// A sample says that its part is told about; a source that answers says so of its parts even
    /// when nothing is left in them.
    fn note_heard(&mut self, sample: &Sample, now: Timestamp) {
        let series = &sample.series;
        let mut note = |part| {
            self.heard.insert((series.node.clone(), part), now);
        };
        note(series.metric.part());
        if series.metric == Metric::SourceLost && sample.value == 0.0 {
            let parts = match series.subject.as_deref().unwrap_or_default() {
                "host" => &[Part::Host][..],
                "gpu" => &[Part::Gpus],
                "containers" => &[Part::Containers],
                "ssh" => &[Part::Host, Part::Gpus, Part::Containers],
                "engines" => &[Part::Engines],
                _ => &[],
            };
            parts.iter().for_each(|part| note(*part));
        }
    }

    fn heard_at(&self, series: &Series) -> Option<Timestamp> {
        self.heard.get(&(series.node.clone(), series.metric.part())).copied()
    }

    /// What was seen, and is not seen since its source answered again, is absent.
    fn judge_the_absent(&mut self, now: Timestamp, changes: &mut Vec<AlertChange>) {
        let is_absent =
            |(key, seen): &(&Key, &Timestamp)| self.heard_at(&key.1).is_some_and(|at| at > **seen);
        let absent: Vec<Key> =
            self.present.iter().filter(is_absent).map(|(key, _)| key.clone()).collect();
        for key in absent {
            let Some(index) = self.rules.iter().position(|rule| rule.name == key.0) else {
                continue;
            };
            changes.extend(self.step(index, key, Verdict::Bad, 0.0, now));
        }
    }

    /// An alert about a thing that is gone, such as a container that was removed, is over. While
    /// nothing is heard of its part at all, it stays: a machine that is down is not well again.
    fn give_up_the_gone(&mut self, now: Timestamp, changes: &mut Vec<AlertChange>) {
        let is_gone = |key: &Key, state: &State| {
            let is_about_absence =
                self.rules.iter().any(|r| r.name == key.0 && r.condition == Condition::Absent);
            let heard = self.heard_at(&key.1).unwrap_or_else(|| state.seen_at());
            let silent_while_heard = heard.since(state.seen_at());
            (!is_about_absence && silent_while_heard >= GONE_AFTER)
                || now.since(state.seen_at()) >= GIVEN_UP_AFTER
        };
        let gone: Vec<Key> = self
            .states
            .iter()
            .filter(|(key, state)| state.alert().is_some() && is_gone(key, state))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.present.remove(&key);
            if let Some(alert) = self.states.remove(&key).and_then(State::into_alert) {
                changes.push(AlertChange::Cleared { alert, at: now });
            }
        }
    }

    /// Drops what is well and what was not heard of for long; now and then, not each time.
    fn prune(&mut self, now: Timestamp) {
        if self.pruned_at.is_some_and(|at| now >= at && now.since(at) < PRUNE_EVERY) {
            return;
        }
        self.pruned_at = Some(now);
        self.states.retain(|_, state| !state.is_over(now));
        self.beside.prune(now);
        self.windows.retain(|_, w| w.last_at().is_some_and(|at| now.since(at) < WINDOW_KEPT));
        let raised = &self.states;
        self.present
            .retain(|key, seen| raised.contains_key(key) || now.since(*seen) < GIVEN_UP_AFTER);
    }
}

/// Updates or adds an entry, if there is room; whether there was.
fn note<T>(
    map: &mut HashMap<Key, T>,
    key: &Key,
    update: impl FnOnce(&mut T),
    make: impl FnOnce() -> T,
) -> bool {
    if let Some(known) = map.get_mut(key) {
        update(known);
        return true;
    }
    let has_room = map.len() < STATES_MAX;
    if has_room {
        map.insert(key.clone(), make());
    }
    has_room
}

/// The most things that can be wrong, or are watched for rise or absence, at once.
pub const STATES_MAX: usize = 10_000;
/// A series that is not told for so long, while its part is, is gone.
const GONE_AFTER: Duration = Duration::from_secs(600);
/// An alert that nothing was heard about for so long is given up.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(7 * 86_400);
/// A series that is not told for so long has its window dropped: longer than any window.
const WINDOW_KEPT: Duration = Duration::from_secs(25 * 3_600);
const PRUNE_EVERY: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
