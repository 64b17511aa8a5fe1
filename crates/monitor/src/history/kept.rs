//! What the judge and people said, kept over a restart: alerts that are raised, and silences.

use std::collections::BTreeSet;

use conduit_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::Alert;
use crate::metric::{Metric, Series};
use crate::node::NodeName;
use crate::rule::file::severity_of;
use crate::silence::{Scope, Silence};

/// What was kept when the gateway stopped.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// Alerts that were raised.
    pub alerts: Vec<KeptAlert>,
    /// Silences, those that ended since among them.
    pub silences: Vec<Silence>,
}

/// An alert that is raised, or over and not told to be over, and who told people of it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptAlert {
    /// The alert.
    pub alert: Alert,
    /// The channels that told it; `None`, of a row of an older version, is all of them.
    pub told_by: Option<BTreeSet<String>>,
    /// When it was over, if those who told it have still to tell that.
    pub cleared_at: Option<Timestamp>,
}

impl KeptAlert {
    pub(super) fn to_row(&self) -> Option<String> {
        let alert = &self.alert;
        let row = AlertRow {
            rule: alert.rule.to_string(),
            node: alert.series.node.to_string(),
            metric: alert.series.metric.as_str().to_owned(),
            subject: alert.series.subject.as_deref().map(str::to_owned),
            severity: alert.severity.as_str().to_owned(),
            value: alert.value,
            threshold: alert.threshold,
            message: alert.message.clone(),
            raised_at: alert.raised_at.micros(),
            told: None,
            told_by: self.told_by.clone(),
            cleared_at: self.cleared_at.map(Timestamp::micros),
        };
        serde_json::to_string(&row).ok()
    }

    /// Of a row that another version wrote there may be nothing left.
    pub(super) fn from_row(text: &str) -> Option<Self> {
        let row: AlertRow = serde_json::from_str(text).ok()?;
        let series = Series {
            node: NodeName::parse(&row.node).ok()?,
            metric: row.metric.parse::<Metric>().ok()?,
            subject: row.subject.map(Into::into),
        };
        let alert = Alert {
            rule: row.rule.into(),
            series,
            severity: severity_of(&row.severity)?,
            value: row.value,
            threshold: row.threshold,
            message: row.message,
            raised_at: Timestamp::from_micros(row.raised_at.into()),
            is_silenced: false,
        };
        // An older version said only whether the channels had been given it.
        let nobody = || row.told.filter(|told| !told).map(|_| BTreeSet::new());
        let told_by = row.told_by.or_else(nobody);
        let cleared_at = row.cleared_at.map(|at| Timestamp::from_micros(at.into()));
        Some(Self { alert, told_by, cleared_at })
    }
}

pub(super) fn silence_to_row(silence: &Silence) -> Option<String> {
    let pattern = |glob: &Option<crate::glob::Glob>| glob.as_ref().map(ToString::to_string);
    let row = SilenceRow {
        id: silence.id,
        rule: pattern(&silence.scope.rule),
        node: pattern(&silence.scope.node),
        subject: pattern(&silence.scope.subject),
        until: silence.until.micros(),
        comment: silence.comment.clone(),
        by: silence.by.clone(),
        created_at: silence.created_at.micros(),
    };
    serde_json::to_string(&row).ok()
}

pub(super) fn silence_from_row(text: &str) -> Option<Silence> {
    let row: SilenceRow = serde_json::from_str(text).ok()?;
    let scope = Scope::parse(row.rule.as_deref(), row.node.as_deref(), row.subject.as_deref());
    Some(Silence {
        id: row.id,
        scope: scope.ok()?,
        until: Timestamp::from_micros(row.until.into()),
        comment: row.comment,
        by: row.by,
        created_at: Timestamp::from_micros(row.created_at.into()),
    })
}

#[derive(Serialize, Deserialize)]
struct AlertRow {
    rule: String,
    node: String,
    metric: String,
    subject: Option<String>,
    severity: String,
    value: f64,
    threshold: f64,
    message: String,
    raised_at: i64,
    #[serde(default, skip_serializing)]
    told: Option<bool>,
    #[serde(default)]
    told_by: Option<BTreeSet<String>>,
    #[serde(default)]
    cleared_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct SilenceRow {
    id: u64,
    rule: Option<String>,
    node: Option<String>,
    subject: Option<String>,
    until: i64,
    comment: String,
    by: String,
    created_at: i64,
}
