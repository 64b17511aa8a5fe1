//! Records of the zone that the configuration gives, each judged by itself and beside the others.

use std::sync::Arc;

use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::record::data::RecordData;
use conduit_core::record::fixed::{Builder, FixedRecords};
use conduit_core::record::kind::RecordType;
use conduit_core::record::name::RecordName;
use conduit_core::record::{Record, RecordTtl};

use super::super::file::DnsRecord;
use super::super::value::{Given, Origin, Sourced, Text};
use super::judge::Judge;

pub(super) fn records(
    judge: &mut Judge,
    given: &Given<Vec<Sourced<DnsRecord>>>,
    domains: &Domains,
) -> Arc<FixedRecords> {
    let mut records = Builder::default();
    let Some(given) = given else {
        return Arc::default();
    };
    if given.value.len() > RECORDS_MAX {
        let reason = format!("{} are too many; at most {RECORDS_MAX}", given.value.len());
        judge.refuse(KEY, &given.origin, reason);
        return Arc::default();
    }
    for element in &given.value {
        let judged = record(&element.value).and_then(|record| {
            let at = |error: String| (element.value.name.origin.clone(), error);
            record.place(domains).map_err(|error| at(error.to_string()))?;
            let whole = |error: String| (element.origin.clone(), error);
            records.add(record).map_err(|error| whole(error.to_string()))
        });
        if let Err((origin, reason)) = judged {
            judge.refuse(KEY, &origin, reason);
        }
    }
    Arc::new(records.build())
}

/// The record, or the place of what is wrong in it.
fn record(given: &DnsRecord) -> Result<Record, (Origin, String)> {
    let kind: RecordType = parsed(&given.kind, str::parse)?;
    Ok(Record {
        name: parsed(&given.name, RecordName::parse)?,
        data: parsed(&given.data, |text| RecordData::parse(kind, text))?,
        ttl: given.ttl.as_ref().map(|ttl| parsed(ttl, RecordTtl::parse)).transpose()?,
        added_at: Timestamp::from_seconds(0),
    })
}

fn parsed<T, E: ToString>(
    given: &Sourced<Text>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, (Origin, String)> {
    parse(&given.value.0).map_err(|error| (given.origin.clone(), error.to_string()))
}

const KEY: &str = "dns.records";
/// More belong into the registry, where a change takes no restart.
const RECORDS_MAX: usize = 10_000;
