//! Decisions of the process itself: set up, started, stopped.

use std::path::Path;

use conduit_audit::{Action, Draft, Status};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use conduit_registry::{Mutation, Registry};
use serde_json::{Map, Value, json};

use crate::app::Bound;
use crate::config::Config;
use crate::error::AppError;

/// Puts the start on record, with the setup when the state is new, and with a gap when entries are
/// missing that once were there (`cut_from` says how many there were).
///
/// # Errors
/// When it cannot be recorded: a gateway that cannot record does not start.
pub(crate) async fn record_start(bound: &Bound) -> Result<(), AppError> {
    let Bound { config, registry, predecessor, cut_from, .. } = bound;
    if bound.is_new {
        record(registry, "the setup", setup(config)).await?;
    }
    if let Some(once) = *cut_from {
        let now = registry.head().load_full().count;
        record(registry, "the gap", gap(once, now)).await?;
    }
    let mut details = Map::new();
    details.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
    details.insert("pid".into(), json!(std::process::id()));
    if let Some(former) = predecessor {
        details.insert("took_over_from".into(), json!(former.process()));
    }
    record(registry, "the start", draft(Action::DaemonStart, "Conduit started", details)).await
}

/// Puts the stop on record.
///
/// # Errors
/// When it cannot be recorded.
pub(crate) async fn record_stop(registry: &Registry) -> Result<(), AppError> {
    record(registry, "the stop", draft(Action::DaemonStop, "Conduit stopped", Map::new())).await
}

/// Puts the setup of a new state on record.
///
/// # Errors
/// When it cannot be recorded.
pub(crate) async fn record_setup(registry: &Registry, config: &Config) -> Result<(), AppError> {
    record(registry, "the setup", setup(config)).await
}

/// Puts on record that this state comes from a backup of so many entries, and how many the record
/// that it replaces had.
///
/// # Errors
/// When it cannot be recorded.
pub(crate) async fn record_restore(
    registry: &Registry,
    file: &Path,
    entries: u64,
    replaced: Option<u64>,
) -> Result<(), AppError> {
    let mut details = Map::new();
    details.insert("path".into(), json!(file.display().to_string()));
    details.insert("entries".into(), json!(entries));
    details.insert("entries_replaced".into(), json!(replaced));
    let message = format!("Restored from {}", file.display());
    let actor = Actor::Local { uid: rustix::process::getuid().as_raw(), user: None };
    let draft = Draft { actor, ..draft(Action::Restore, &message, details) };
    record(registry, "the restore", draft).await
}

async fn record(registry: &Registry, what: &'static str, draft: Draft) -> Result<(), AppError> {
    let actor = draft.actor.clone();
    let recorded = registry.apply(actor, Mutation::Record(Box::new(draft))).await;
    recorded.map(drop).map_err(|source| AppError::Record { what, source })
}

/// A record that lost entries says so for good: the anchor moves on with the next commit.
fn gap(once: u64, now: u64) -> Draft {
    let mut details = Map::new();
    details.insert("entries_once".into(), json!(once));
    details.insert("entries_now".into(), json!(now));
    let message = format!(
        "The record once had {once} entries and now has {now}: \
         an older state was restored, or it was tampered with"
    );
    Draft { status: Status::Failure, ..draft(Action::Gap, &message, details) }
}

fn setup(config: &Config) -> Draft {
    let word = |on: bool, word: &str| Value::from(if on { word } else { "off" });
    let mut details = Map::new();
    details.insert("domain".into(), json!(config.gateway.domains.default_suffix().as_str()));
    details.insert("dns".into(), word(config.dns.enabled, "conduit"));
    details.insert("proxy".into(), word(config.proxy.enabled, "conduit"));
    details.insert("ca".into(), word(config.tls.enabled, "ed25519+ecdsa-p256"));
    draft(Action::ConduitSetup, "Conduit initialized", details)
}

fn draft(action: Action, message: &str, details: Map<String, Value>) -> Draft {
    Draft {
        at: Timestamp::now(),
        actor: Actor::System("daemon"),
        action,
        status: Status::Success,
        message: message.into(),
        details,
    }
}
