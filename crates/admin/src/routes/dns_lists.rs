//! DNS: hosts files and lists, and how they do.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::dns as wire;
use conduit_core::record::{RECORDS_OF_NAME_MAX, Record};
use conduit_dns::lists::status::ListStatus;

use super::Admin;
use crate::limits::HOSTS_LISTED_MAX;
use crate::paging::Paging;
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

/// The names of ours in hosts files, as the list of names has them: those that the page may have, by name. Beside
/// them, how many are left out since nobody asked for a page.
pub(super) fn entries(state: &AdminState, paging: &Paging) -> (Vec<wire::DnsEntry>, u64) {
    let zone = state.zone.load_full();
    let records = zone.hosts().records();
    let most = match paging.limit {
        // Of the name that the page before ended in, all may be before it.
        Some(limit) => limit as usize + RECORDS_OF_NAME_MAX + 1,
        None => HOSTS_LISTED_MAX,
    };
    if paging.limit.is_none() && records.iter().nth(most).is_some() {
        return (Vec::new(), u64::try_from(records.iter().count()).unwrap_or(u64::MAX));
    }
    let first = paging.after.as_deref().and_then(|after| after.split(' ').next()).unwrap_or("");
    let hosts_files = state.control.lists().into_iter().filter(|list| list.kind == "hosts");
    let read_at = hosts_files.filter_map(|list| list.loaded_at).max();
    let entry = |record: &Record| {
        let added_at = read_at.unwrap_or(record.added_at);
        super::dns_records::entry(&Record { added_at, ..record.clone() }, "hosts")
    };
    let rest = records.iter().skip_while(|record| record.name.as_str() < first);
    let told = rest.filter(|record| !zone.passes_over(&record.name)).take(most);
    (told.map(entry).collect(), 0)
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
