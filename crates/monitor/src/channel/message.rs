//! What is told at once: changes of alerts, and what there was no room for.
//!
//! **Invariant:** no text of a message has a control character in it, but the newlines between its
//! lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conduit_core::clock::Timestamp;
use serde_json::{Value, json};

use super::outbox::Batch;
use crate::alert::{AlertChange, Severity};
use crate::wording;

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// Unlike every other one; the same at each try.
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) changes: Vec<AlertChange>,
    /// Changes that are only counted here: raised, cleared.
    pub(super) left_out: (u64, u64),
    /// Changes before this message that were not told.
    pub(super) lost: u64,
    pub(super) is_test: bool,
}

impl Message {
    pub(super) fn new(at: Timestamp, batch: Batch) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:x}-{number}", at.micros());
        let Batch { changes, left_out, lost } = batch;
        Self { id, at, changes, left_out, lost, is_test: false }
    }

    pub(super) fn test(at: Timestamp) -> Self {
        Self { is_test: true, ..Self::new(at, Batch::default()) }
    }

    /// Whether it tells just this.
    pub(super) fn tells(&self, batch: &Batch) -> bool {
        let Batch { changes, left_out, lost } = batch;
        (&self.changes, self.left_out, self.lost) == (changes, *left_out, *lost)
    }

    /// How many changes are in it.
    pub(super) fn size(&self) -> usize {
        self.changes.len() + (self.left_out.0 + self.left_out.1) as usize
    }

    /// The gravest of what is raised; `None` when nothing is.
    pub(super) fn severity(&self) -> Option<Severity> {
        let raised = self.changes.iter().filter(|c| matches!(c, AlertChange::Raised(_)));
        raised.map(|change| change.alert().severity).max()
    }

    /// One short line.
    pub(super) fn title(&self) -> String {
        if self.is_test {
            return "Conduit: a test message".into();
        }
        let (raised, cleared) = self.counts();
        match (&self.changes[..], self.severity()) {
            ([change], _) if raised + cleared == 1 => {
                format!("Conduit: {}", plain(&wording::title(change)))
            }
            (_, Some(severity)) => {
                let word = severity.as_str().to_uppercase();
                format!("Conduit: {word}, {raised} raised, {cleared} over")
            }
            (_, None) => format!("Conduit: {raised} raised, {cleared} over"),
        }
    }

    /// A line for each change, cut to a length in bytes.
    pub(super) fn text(&self, bytes_max: usize) -> String {
        if self.is_test {
            return "This is a test of an alert channel. Nothing is wrong.".into();
        }
        let mut text = String::new();
        for (index, change) in self.changes.iter().enumerate() {
            let (word, told) = (word_of(change), plain(&wording::told(change)));
            let line = format!("[{word}] {told}{}\n", late(change, self.at));
            if text.len() + line.len() > bytes_max.saturating_sub(TAIL_BYTES) {
                text.push_str(&format!("… and {} more\n", self.changes.len() - index));
                break;
            }
            text.push_str(&line);
        }
        let (raised, cleared) = self.left_out;
        if raised + cleared > 0 {
            text.push_str(&format!(
                "And {raised} more raised, {cleared} more over: too many to list.\n"
            ));
        }
        if self.lost > 0 {
            text.push_str(&lost_text(self.lost));
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// The body of a webhook; its keys do not change within a version.
    pub(super) fn body(&self) -> Value {
        let (raised, cleared) = self.left_out;
        json!({
            "version": 1,
            "id": self.id,
            "sent_at": self.at.to_string(),
            "test": self.is_test,
            "title": self.title(),
            "alerts": self.changes.iter().map(alert_body).collect::<Vec<_>>(),
            "left_out": { "raised": raised, "cleared": cleared },
            "lost": self.lost,
        })
    }

    fn counts(&self) -> (u64, u64) {
        let is_raised = |change: &&AlertChange| matches!(change, AlertChange::Raised(_));
        let raised = self.changes.iter().filter(is_raised).count() as u64;
        let cleared = self.changes.len() as u64 - raised;
        (raised + self.left_out.0, cleared + self.left_out.1)
    }
}

/// What is said of changes that were not told.
pub(super) fn lost_text(lost: u64) -> String {
    match lost {
        1 => "1 change before this could not be told.".into(),
        _ => format!("{lost} changes before this could not be told."),
    }
}

/// When a change came about, if that was long before it is told.
fn late(change: &AlertChange, now: Timestamp) -> String {
    if now.since(change.at()) < LATE { String::new() } else { format!(" ({})", change.at()) }
}

/// A text on one line.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn word_of(change: &AlertChange) -> &'static str {
    match change {
        AlertChange::Raised(alert) => alert.severity.as_str(),
        AlertChange::Cleared { .. } => "over",
    }
}

fn alert_body(change: &AlertChange) -> Value {
    let alert = change.alert();
    let cleared_at = match change {
        AlertChange::Raised(_) => None,
        AlertChange::Cleared { at, .. } => Some(at.to_string()),
    };
    json!({
        "state": wording::state_word(change),
        "rule": &*alert.rule,
        "severity": alert.severity.as_str(),
        "node": alert.series.node.as_str(),
        "metric": alert.series.metric.as_str(),
        "subject": alert.series.subject.as_deref().map(wording::clean),
        "value": wording::number(alert.value),
        "threshold": wording::number(alert.threshold),
        "unit": alert.series.metric.unit().as_str(),
        "message": plain(&wording::told(change)),
        "raised_at": alert.raised_at.to_string(),
        "cleared_at": cleared_at,
    })
}

/// What is told so long after it came about says when that was; a group takes half a minute.
const LATE: Duration = Duration::from_secs(120);
/// Room that is kept for what is said after the lines.
const TAIL_BYTES: usize = 200;
