//! What a shell offers behind a flag: closed sets of words, and the names of live services.
//!
//! **Invariant:** never an error and never a long wait: a shell waits for this while somebody types.

use std::path::PathBuf;
use std::time::Duration;

use clap_complete::engine::CompletionCandidate;
use conduit_api::client::Client;
use conduit_core::policy::Preset;
use conduit_core::record::kind::RecordType;
use conduit_core::scope::Area;

use crate::config::{Source, Surroundings};

/// Every preset, and `auto`.
pub(crate) fn presets() -> Vec<CompletionCandidate> {
    let named = Preset::ALL.iter().map(|preset| preset.as_str());
    std::iter::once("auto").chain(named).map(CompletionCandidate::new).collect()
}

/// Every way to choose an upstream.
pub(crate) fn balances() -> Vec<CompletionCandidate> {
    BALANCES.iter().map(CompletionCandidate::new).collect()
}

/// Every kind of probe.
pub(crate) fn probe_kinds() -> Vec<CompletionCandidate> {
    ["http", "tcp", "grpc"].map(CompletionCandidate::new).into()
}

/// The parts of the API that a token can be for.
pub(crate) fn scopes() -> Vec<CompletionCandidate> {
    Area::ALL.iter().map(|area| CompletionCandidate::new(area.as_str())).collect()
}

/// What a service can speak.
pub(crate) fn protocols() -> Vec<CompletionCandidate> {
    ["http", "https", "h2c", "tcp"].map(CompletionCandidate::new).into()
}

/// The types of records that can be given.
pub(crate) fn record_types() -> Vec<CompletionCandidate> {
    RecordType::ALL.iter().map(|kind| CompletionCandidate::new(kind.as_str())).collect()
}

/// The types that can be asked for: also those that no operator gives.
pub(crate) fn asked_types() -> Vec<CompletionCandidate> {
    let ours = ["NS", "SOA", "ANY"].map(CompletionCandidate::new);
    record_types().into_iter().chain(ours).collect()
}

/// The names that are answered now, wildcards aside.
pub(crate) fn names() -> Vec<CompletionCandidate> {
    let entries = asked(async |client| Some(client.dns().await.ok()?.value.entries));
    let mut names: Vec<String> = entries.into_iter().map(|entry| entry.domain).collect();
    names.dedup();
    let is_whole = |name: &String| !name.starts_with('*');
    names.into_iter().filter(is_whole).map(CompletionCandidate::new).collect()
}

/// The names of the records that were added by hand.
pub(crate) fn record_names() -> Vec<CompletionCandidate> {
    let entries = asked(async |client| Some(client.dns().await.ok()?.value.entries));
    let mut names: Vec<String> = entries
        .into_iter()
        .filter(|entry| entry.source == "record")
        .map(|entry| entry.domain)
        .collect();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// The names of the services that are registered now.
pub(crate) fn services() -> Vec<CompletionCandidate> {
    let services = asked(async |client| Some(client.services(false).await.ok()?.value.services));
    services
        .into_iter()
        .map(|service| CompletionCandidate::new(service.name).help(Some(service.domain.into())))
        .collect()
}

/// The names of the nodes that are watched now.
pub(crate) fn nodes() -> Vec<CompletionCandidate> {
    let nodes = asked(async |client| Some(client.nodes(false).await.ok()?.value.nodes));
    nodes
        .into_iter()
        .map(|node| CompletionCandidate::new(node.name).help(node.address.map(Into::into)))
        .collect()
}

/// The names of the channels.
pub(crate) fn channels() -> Vec<CompletionCandidate> {
    let channels = asked(async |client| Some(client.channels().await.ok()?.value.channels));
    channels
        .into_iter()
        .map(|channel| CompletionCandidate::new(channel.name).help(Some(channel.place.into())))
        .collect()
}

/// What a gateway answers; nothing when none answers in time.
fn asked<T>(asking: impl AsyncFnOnce(Client) -> Option<Vec<T>>) -> Vec<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    let answer = async { asking(Client::first_reachable(sockets()).await.ok()?).await };
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, answer).await });
    answer.ok().flatten().unwrap_or_default()
}

/// Where a gateway may answer. What is typed in front (`--socket`) is not known here.
fn sockets() -> Vec<PathBuf> {
    let surroundings = Surroundings::of_this_process();
    let named = surroundings.variables.get("CONDUIT_SOCKET").filter(|path| !path.is_empty());
    if let Some(path) = named {
        return vec![path.into()];
    }
    let usual = surroundings.usual_sockets();
    let configured = Source::new(None, surroundings).load().ok();
    configured.map(|loaded| loaded.config.admin.socket).into_iter().chain(usual).collect()
}

/// As they are written; a hash of a header or a cookie wants a name behind it.
const BALANCES: [&str; 8] = [
    "round-robin",
    "random",
    "least-requests",
    "peak-ewma",
    "hash:client",
    "hash:path",
    "hash:header:",
    "hash:cookie:",
];
/// How long a shell waits for names.
const PATIENCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_core::policy::Balance;

    #[test]
    fn what_is_offered_is_understood() {
        for word in BALANCES {
            let whole = if word.ends_with(':') { format!("{word}x") } else { word.to_owned() };
            assert!(whole.parse::<Balance>().is_ok(), "{word}");
        }
        assert_eq!(presets().len(), Preset::ALL.len() + 1);
    }
}
