//! DNS: hosts files and lists, and how they do.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::dns as wire;
use conduit_core::record::Record;
use conduit_dns::lists::status::ListStatus;

use super::Admin;
use crate::state::AdminState;

/// Tells what hosts files and lists hold, what they had a say in, and which lines were skipped.
#[utoipa::path(
    get,
    path = "/dns/lists",
    operation_id = "dns_lists",
    tag = "dns",
    responses(
        (status = 200, body = wire::DnsListsReply, description = "in the order of their strength"),
    ),
)]
pub(crate) async fn lists(State(state): Admin) -> Json<wire::DnsListsReply> {
    Json(told(&state))
}

/// The same for whoever tells of more.
pub(super) fn told(state: &AdminState) -> wire::DnsListsReply {
    let zone = state.zone.load_full();
    let passed_over = zone.hosts_passed_over().take(PASSED_OVER_MAX);
    wire::DnsListsReply {
        passed_over: passed_over.map(ToString::to_string).collect(),
        lists: state.control.lists().into_iter().map(shown).collect(),
    }
}

/// The names of ours in hosts files, as the list of names has them.
pub(super) fn entries(state: &AdminState) -> Vec<wire::DnsEntry> {
    let zone = state.zone.load_full();
    let passed_over: Vec<&str> = zone.hosts_passed_over().map(|name| name.as_str()).collect();
    let is_told = |record: &&Record| passed_over.binary_search(&record.name.as_str()).is_err();
    let told = zone.hosts().records().iter().filter(is_told);
    let hosts_files = state.control.lists().into_iter().filter(|list| list.kind == "hosts");
    let read_at = hosts_files.filter_map(|list| list.loaded_at).max();
    let entry = |record: &Record| {
        let added_at = read_at.unwrap_or(record.added_at);
        super::dns_records::entry(&Record { added_at, ..record.clone() }, "hosts")
    };
    told.map(entry).collect()
}

fn shown(list: ListStatus) -> wire::DnsListStatus {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    wire::DnsListStatus {
        name: list.name,
        kind: list.kind.to_owned(),
        file: list.file,
        format: list.format.to_owned(),
        entries: count(list.entries),
        own: count(list.own),
        bytes: count(list.bytes),
        hits: list.hits,
        skipped: count(list.skipped.count),
        skipped_lines: list
            .skipped
            .first
            .into_iter()
            .map(|line| wire::DnsSkippedLine {
                line: line.line,
                text: line.text,
                reason: line.reason.to_owned(),
            })
            .collect(),
        loaded_at: list.loaded_at.map(|at| at.to_string()),
        error: list.error,
    }
}

/// More are seen in the hosts files themselves.
const PASSED_OVER_MAX: usize = 100;
