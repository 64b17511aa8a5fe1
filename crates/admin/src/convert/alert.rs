//! Alerts, rules and silences, as they go out and come in.

use std::time::Duration;

use conduit_api::v1::alerts as wire;
use conduit_core::clock::Timestamp;
use conduit_monitor::alert::Alert;

use crate::error::ApiError;
use crate::limits::{SILENCE_SECONDS_MAX, TEXT_CHARS_MAX};
use crate::monitor::{ChannelStatus, ChannelTested, RuleInfo, Silence, SilenceWish};

/// Every alert, the critical ones first, then the oldest first.
pub(crate) fn alerts<'a>(alerts: impl Iterator<Item = &'a Alert>) -> Vec<wire::Alert> {
    let mut all: Vec<&Alert> = alerts.collect();
    all.sort_by(|a, b| (b.severity, a.raised_at).cmp(&(a.severity, b.raised_at)));
    all.into_iter().map(alert).collect()
}

/// One alert.
pub(crate) fn alert(alert: &Alert) -> wire::Alert {
    wire::Alert {
        rule: alert.rule.to_string(),
        severity: alert.severity.to_string(),
        node: alert.series.node.to_string(),
        metric: alert.series.metric.to_string(),
        subject: alert.series.subject.as_deref().map(str::to_owned),
        value: alert.value,
        threshold: alert.threshold,
        unit: alert.series.metric.unit().as_str().to_owned(),
        message: alert.message.clone(),
        raised_at: alert.raised_at.to_string(),
        silenced: alert.is_silenced,
    }
}

/// One rule.
pub(crate) fn rule(rule: RuleInfo) -> wire::AlertRule {
    wire::AlertRule {
        name: rule.name,
        metric: rule.metric.to_string(),
        unit: rule.metric.unit().as_str().to_owned(),
        condition: rule.condition,
        severity: rule.severity.to_owned(),
        origin: if rule.is_default { "default" } else { "configured" }.to_owned(),
        enabled: rule.is_enabled,
    }
}

/// One channel.
pub(crate) fn channel(status: ChannelStatus) -> wire::AlertChannel {
    wire::AlertChannel {
        name: status.name,
        kind: status.kind.to_owned(),
        place: status.place,
        sent: status.sent,
        failures: status.failures,
        waiting: status.waiting,
        lost: status.lost,
        last_error: status.last_error,
    }
}

/// What came of the test of a channel.
pub(crate) fn channel_tested(name: String, tested: ChannelTested) -> wire::TestChannelReply {
    let took_ms = u64::try_from(tested.took.as_millis()).unwrap_or(u64::MAX);
    wire::TestChannelReply { name, place: tested.place, error: tested.error, took_ms }
}

/// One silence.
pub(crate) fn silence(silence: Silence) -> wire::Silence {
    let Silence { id, wish } = silence;
    wire::Silence {
        id,
        rule: wish.rule,
        node: wish.node,
        subject: wish.subject,
        from: wish.from.to_string(),
        until: wish.until.to_string(),
        by: wish.by,
        comment: wish.comment,
    }
}

/// A silence that somebody wants; its rule must be one of `rules`, or a pattern of them.
pub(crate) fn wanted(
    wish: wire::AddSilence,
    rules: &[RuleInfo],
    by: String,
    now: Timestamp,
) -> Result<SilenceWish, ApiError> {
    let is_pattern = wish.rule.contains(['*', '?']);
    if !is_pattern && !rules.iter().any(|rule| rule.name == wish.rule) {
        let shown: String = wish.rule.chars().take(TEXT_CHARS_MAX).collect();
        return Err(ApiError::invalid(format!("no rule is called {shown:?}"))
            .hint("`conduit monitor rules` lists them"));
    }
    if !(1..=SILENCE_SECONDS_MAX).contains(&wish.for_seconds) {
        let message = format!("for_seconds must be from 1 to {SILENCE_SECONDS_MAX}");
        return Err(ApiError::invalid(message));
    }
    Ok(SilenceWish {
        rule: text("rule", Some(wish.rule))?.unwrap_or_default(),
        node: text("node", wish.node)?,
        subject: text("subject", wish.subject)?,
        from: now,
        until: now.plus(Duration::from_secs(wish.for_seconds)),
        by,
        comment: text("comment", wish.comment)?,
    })
}

fn text(what: &str, given: Option<String>) -> Result<Option<String>, ApiError> {
    match given {
        Some(text) if text.chars().count() > TEXT_CHARS_MAX => {
            Err(ApiError::invalid(format!("{what} is longer than {TEXT_CHARS_MAX} characters")))
        }
        Some(text) if text.chars().any(char::is_control) => {
            Err(ApiError::invalid(format!("{what} contains control characters")))
        }
        other => Ok(other),
    }
}
