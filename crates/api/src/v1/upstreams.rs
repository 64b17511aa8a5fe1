//! One upstream of one service, by hand.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::v1::health::UpstreamHealth;
use crate::v1::wire_words;

wire_words! {
    /// What can be done to an upstream by hand; the last word of the path.
    UpstreamVerb {
        /// Receives traffic again, whatever the prober thought of it; the next probe judges it anew.
        Admit => "admit",
        /// Finishes what it has, and receives nothing new until it is admitted.
        Drain => "drain",
        /// The same, for one that is not trusted.
        Eject => "eject",
    }
}

/// `POST /api/v1/services/{name}/upstreams/{upstream}:{verb}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UpstreamReply {
    /// After it; the one before it when nothing changed.
    pub generation: u64,
    /// Whether anything was decided that did not hold before.
    pub changed: bool,
    /// Which service.
    pub service: String,
    /// Which of its upstreams.
    pub upstream: String,
    /// How it is now.
    #[serde(default)]
    #[schema(required)]
    pub health: Option<UpstreamHealth>,
    /// What follows from it, such as that no upstream is left.
    #[serde(default)]
    #[schema(required)]
    pub note: Option<String>,
}
