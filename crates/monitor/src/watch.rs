//! Keeping and judging in one hand: what the keeper gives every sample to.
//!
//! Samples go to the history and to the judge; changes go past silences and quiet hours to the
//! channels; what is raised is kept for the next start. The caller takes the changes to the record
//! and to events, and publishes [`Watch::alerts`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use conduit_core::clock::Timestamp;

use crate::alert::{Alert, AlertChange, AlertKey};
use crate::channel::Channels;
use crate::history::History;
use crate::history::kept::{Kept, KeptAlert};
use crate::judge::Judge;
use crate::metric::Sample;
use crate::node::NodeName;
use crate::rule::Rule;
use crate::silence::hush::Hush;
use crate::silence::quiet::QuietHours;
use crate::silence::{Scope, Silence, SilenceError, Silences};

/// Everything that judges; owned by the one keeper.
#[derive(Debug)]
pub struct Watch {
    judge: Judge,
    hush: Hush,
    history: History,
    channels: Channels,
    alerts: Arc<[Alert]>,
    /// How often the channels had told something when that was kept.
    deliveries: u64,
}

impl Watch {
    /// Goes on from what was kept; the changes are alerts that no rule covers any more.
    pub fn new(
        rules: Vec<Rule>,
        quiet_hours: Vec<QuietHours>,
        (history, kept): (History, Kept),
        channels: Channels,
        now: Timestamp,
    ) -> (Self, Vec<AlertChange>) {
        let mut judge = Judge::new(rules);
        let mut hush = Hush::default();
        (hush.silences, hush.quiet_hours) = (Silences::restored(kept.silences, now), quiet_hours);
        let mut alerts = Vec::new();
        for KeptAlert { alert, told_by, cleared_at } in kept.alerts {
            channels.note_told(&alert, told_by.as_ref());
            match cleared_at {
                Some(at) => hush.hold(AlertChange::Cleared { alert, at }),
                None => alerts.push(alert),
            }
        }
        let changes = judge.restore(alerts, now);
        let alerts = Arc::default();
        let mut watch = Self { judge, hush, history, channels, alerts, deliveries: 0 };
        watch.tell_what_is_missed();
        let changes = watch.settle(changes, now);
        (watch, changes)
    }

    /// Keeps and judges samples. Call it at least once a minute, with none if there are none, so
    /// that what is held back is told when the quiet ends.
    pub fn observe(&mut self, samples: Vec<Sample>, now: Timestamp) -> Vec<AlertChange> {
        let changes = self.judge.observe(&samples, now);
        self.history.record(samples);
        self.settle(changes, now)
    }

    /// The alerts that are raised, the gravest first.
    pub fn alerts(&self) -> Arc<[Alert]> {
        Arc::clone(&self.alerts)
    }

    /// Takes over a new configuration.
    pub fn reload(
        &mut self,
        rules: Vec<Rule>,
        quiet_hours: Vec<QuietHours>,
        channels: Channels,
        now: Timestamp,
    ) -> Vec<AlertChange> {
        self.hush.quiet_hours = quiet_hours;
        self.channels = channels;
        let changes = self.judge.replace_rules(rules, now);
        self.tell_what_is_missed();
        self.settle(changes, now)
    }

    /// Forgets a node that is not monitored any more.
    pub fn forget(&mut self, node: &NodeName, now: Timestamp) -> Vec<AlertChange> {
        let changes = self.judge.forget(node, now);
        self.settle(changes, now)
    }

    /// Silences alerts until a time, with a comment and who made it.
    ///
    /// # Errors
    /// When the silence makes no sense, or there are too many.
    pub fn silence(
        &mut self,
        scope: Scope,
        until: Timestamp,
        words: (&str, &str),
        now: Timestamp,
    ) -> Result<Silence, SilenceError> {
        let silence = self.hush.silences.add(scope, until, words, now)?.clone();
        self.history.keep_silences(self.hush.silences.list().to_vec());
        self.settle(Vec::new(), now);
        Ok(silence)
    }

    /// Ends a silence; `None` when there is none of this number.
    pub fn end_silence(&mut self, id: u64, now: Timestamp) -> Option<Silence> {
        let silence = self.hush.silences.end(id)?;
        self.history.keep_silences(self.hush.silences.list().to_vec());
        self.settle(Vec::new(), now);
        Some(silence)
    }

    /// The silences that are in force.
    pub fn silences(&self) -> &[Silence] {
        self.hush.silences.list()
    }

    /// The channels, for their counts and for tests of them.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// How often something was not judged since too much was wrong at once.
    pub fn left_out(&self) -> u64 {
        self.judge.left_out()
    }

    /// Has what is raised told to channels that want to know of it and were not given it: those
    /// that are new, and those that could not tell it before a restart.
    fn tell_what_is_missed(&mut self) {
        for alert in self.judge.alerts() {
            if self.channels.misses(&alert) {
                self.hush.hold(AlertChange::Raised(alert));
            }
        }
    }

    /// Tells what is to be told, and keeps what is raised and who told it if that changed.
    fn settle(&mut self, mut changes: Vec<AlertChange>, now: Timestamp) -> Vec<AlertChange> {
        if self.channels.have_room_again() {
            self.tell_what_is_missed();
        }
        let told = self.hush.pass(&changes, |key| self.channels.know(key), now);
        self.channels.tell(&told);
        if self.hush.silences.end_due(now) {
            self.history.keep_silences(self.hush.silences.list().to_vec());
        }
        for change in &mut changes {
            let is_silenced = self.hush.covers(change.alert(), now);
            match change {
                AlertChange::Raised(alert) | AlertChange::Cleared { alert, .. } => {
                    alert.is_silenced = is_silenced;
                }
            }
        }
        let mut alerts = self.judge.alerts();
        for alert in &mut alerts {
            alert.is_silenced = self.hush.covers(alert, now);
        }
        self.alerts = alerts.into();
        let deliveries = self.channels.deliveries();
        if !changes.is_empty() || deliveries != self.deliveries {
            self.deliveries = deliveries;
            self.keep_alerts();
        }
        changes
    }

    fn keep_alerts(&self) {
        let told = self.channels.told();
        let tellers = |key: &AlertKey| {
            let tellers = told.iter().filter(|(_, told)| told.contains(key));
            tellers.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
        };
        let keep = |alert: &Alert, cleared_at| {
            let told_by = Some(tellers(&alert.key()));
            KeptAlert { alert: alert.clone(), told_by, cleared_at }
        };
        let mut kept: Vec<_> = self.alerts.iter().map(|alert| keep(alert, None)).collect();
        // What is over, and people still take for raised.
        let raised: BTreeSet<AlertKey> = self.alerts.iter().map(Alert::key).collect();
        let mut ends = BTreeMap::new();
        for end in self.hush.ends().chain(&self.channels.ends()) {
            let key = end.alert().key();
            if !raised.contains(&key) && !tellers(&key).is_empty() {
                ends.insert(key, keep(end.alert(), Some(end.at())));
            }
        }
        kept.extend(ends.into_values());
        self.history.keep_alerts(kept);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::history::HistorySettings;
    use crate::metric::{Metric, Series};
    use crate::rule::defaults;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::now().plus(Duration::from_secs(seconds))
    }

    fn failed(rows: f64, at: Timestamp) -> Vec<Sample> {
        let node = NodeName::parse("box").expect("a name");
        let subject = Some("0".into());
        let series = Series { node, metric: Metric::GpuRemapFailed, subject };
        vec![Sample { series, at, value: rows }]
    }

    #[tokio::test]
    async fn a_restart_goes_on_where_it_stopped() {
        let dir = tempfile::tempdir().expect("a directory");
        let start = || {
            let (history, thread, kept) = History::open(dir.path(), HistorySettings::default());
            let channels = Channels::default();
            let (watch, changes) =
                Watch::new(defaults::rules(), Vec::new(), (history, kept), channels, at(0));
            (watch, thread, changes)
        };
        let (mut watch, thread, _) = start();
        let scope = Scope::parse(Some("gpu-*"), None, None).expect("a pattern");
        watch.silence(scope, at(600), ("known", "ops"), at(0)).expect("room");
        let changes = watch.observe(failed(1.0, at(0)), at(0));
        assert!(matches!(&changes[..], [AlertChange::Raised(alert)] if alert.is_silenced));
        let raised = watch.alerts();
        assert!(raised.len() == 1 && raised[0].is_silenced);
        let stop = CancellationToken::new();
        stop.cancel();
        thread.run(stop).await;
        let (mut watch, _thread, changes) = start();
        assert!(changes.is_empty(), "nothing is told twice");
        assert_eq!((watch.alerts().len(), watch.silences().len()), (1, 1));
        assert!(watch.observe(failed(1.0, at(1)), at(1)).is_empty());
        assert_eq!(watch.observe(failed(0.0, at(2)), at(2)).len(), 1);
        assert!(watch.alerts().is_empty());
    }
}
