//! Alerts, the rules that raise them, and the silences that keep them from people.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/alerts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertList {
    /// The critical ones first, then the oldest first.
    pub alerts: Vec<Alert>,
}

/// A rule that holds for a thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// The rule's name, such as `gpu-hot`.
    pub rule: String,
    /// `critical`, `warning` or `info`.
    pub severity: String,
    /// The node.
    pub node: String,
    /// The number, such as `gpu_temperature`.
    pub metric: String,
    /// Which of the node's things.
    #[serde(default)]
    #[schema(required)]
    pub subject: Option<String>,
    /// The last value.
    pub value: f64,
    /// What it is compared with.
    pub threshold: f64,
    /// What both are counted in.
    pub unit: String,
    /// In words for people.
    pub message: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub raised_at: String,
    /// Whether a silence or quiet hours keep it from the channels.
    #[serde(default)]
    #[schema(required)]
    pub silenced: bool,
}

/// `GET /api/v1/monitor/rules`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RuleList {
    /// By name.
    pub rules: Vec<AlertRule>,
}

/// What raises an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertRule {
    /// What it is called.
    pub name: String,
    /// The number it looks at.
    pub metric: String,
    /// What that is counted in.
    pub unit: String,
    /// Which things it looks at, in words such as `gpu_temperature > 85 for 1m`.
    pub condition: String,
    /// How much it matters.
    pub severity: String,
    /// Whether it is Conduit's own or configured: `default` or `configured`.
    pub origin: String,
    /// Whether it is on.
    pub enabled: bool,
}

/// `GET /api/v1/alerts/silences`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SilenceList {
    /// Those that are in force, by their end.
    pub silences: Vec<Silence>,
}

/// What keeps alerts from the channels for a while; they stay visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Silence {
    /// How to name it.
    pub id: String,
    /// The rule, by name or by a pattern.
    pub rule: String,
    /// Only nodes that fit.
    #[serde(default)]
    #[schema(required)]
    pub node: Option<String>,
    /// Only subjects that fit.
    #[serde(default)]
    #[schema(required)]
    pub subject: Option<String>,
    /// Since when.
    #[schema(format = DateTime)]
    pub from: String,
    /// Until when.
    #[schema(format = DateTime)]
    pub until: String,
    /// Who asked.
    pub by: String,
    /// Why.
    #[serde(default)]
    #[schema(required)]
    pub comment: Option<String>,
}

/// `POST /api/v1/alerts/silences`. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddSilence {
    /// The rule, by name or by a pattern such as `gpu-*`.
    pub rule: String,
    /// Only nodes that fit this name or pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Only subjects that fit this word or pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How long.
    pub for_seconds: u64,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// `GET /api/v1/monitor/channels`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelList {
    /// In the order of the configuration.
    pub channels: Vec<AlertChannel>,
}

/// A way by which people are told of alerts, and what became of its messages since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertChannel {
    /// What it is called.
    pub name: String,
    /// `webhook`, `smtp`, `syslog`, `ntfy`, `slack` or `matrix`.
    pub kind: String,
    /// Where messages go; of URLs only the host.
    pub place: String,
    /// Messages that arrived, tests among them.
    pub sent: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Changes of alerts that wait to be told.
    pub waiting: u64,
    /// Changes that were never told: more waited than there is room for.
    pub lost: u64,
    /// Why the last try failed; null when it did not.
    #[serde(default)]
    #[schema(required)]
    pub last_error: Option<String>,
}

/// `POST /api/v1/monitor/channels/{name}/test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestChannelReply {
    /// The channel.
    pub name: String,
    /// Where the message went; of URLs only the host.
    pub place: String,
    /// Why it did not arrive; null when it was taken.
    #[serde(default)]
    #[schema(required)]
    pub error: Option<String>,
    /// How long it took.
    pub took_ms: u64,
}
