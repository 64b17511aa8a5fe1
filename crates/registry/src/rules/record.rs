//! Records of operators: which can be, beside what we answer by ourselves.
//!
//! **Invariant:** after a plan every name has either one alias or anything else, and no address or
//! alias where a service or a route of ours publishes addresses.

use conduit_core::catalog::Catalog;
use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::name::{Host, ServiceName};
use conduit_core::record::name::RecordName;
use conduit_core::record::{Misplaced, Place, Record};

use super::Plan;
use crate::mutation::RecordsToRemove;
use crate::rejection::Rejection;
use crate::settings::Settings;

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordStep {
    /// It is answered from now on.
    Add {
        /// The record.
        record: Record,
        /// The same one with another TTL, which it takes the place of.
        replaced: Option<Record>,
    },
    /// It is answered no more.
    Remove(Record),
}

impl RecordStep {
    /// The record.
    pub fn record(&self) -> &Record {
        match self {
            Self::Add { record, .. } | Self::Remove(record) => record,
        }
    }

    pub(super) fn added(&self) -> Option<&Record> {
        match self {
            Self::Add { record, .. } => Some(record),
            Self::Remove(_) => None,
        }
    }
}

pub(super) fn add(
    catalog: &Catalog,
    asked: &Record,
    settings: &Settings,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    add_beside(catalog, asked, (&[], 0), settings, now)
}

/// The same beside records that are added to the name by the same wish, and so many in all.
pub(super) fn add_beside(
    catalog: &Catalog,
    asked: &Record,
    (beside, coming): (&[Record], usize),
    settings: &Settings,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    let record = Record { added_at: now, ..asked.clone() };
    if let Some(fixed) = settings.records.find(&record) {
        return match fixed.ttl == record.ttl {
            true => Ok(Plan { records_kept: vec![fixed.clone()], ..Plan::default() }),
            false => Err(fixed_record(fixed)),
        };
    }
    check_place(catalog, &record, &settings.domains)?;
    let there = catalog.records_at(record.name.as_str());
    if let Some(same) = beside.iter().find(|other| other.is_same(&record)) {
        return Ok(Plan { records_kept: vec![same.clone()], ..Plan::default() });
    }
    let before = there.iter().find(|other| other.is_same(&record));
    if let Some(same) = before.filter(|before| before.ttl == record.ttl) {
        return Ok(Plan { records_kept: vec![same.clone()], ..Plan::default() });
    }
    let fixed = settings.records.at(record.name.as_str());
    let mut others = there.iter().chain(fixed).chain(beside);
    if let Some(other) = others.find(|other| other.excludes(&record)) {
        let message = format!("{} cannot be added beside {other}", record);
        return Err(Rejection::new("record_conflict", message)
            .hint("an alias (CNAME) is the only record of its name; remove one of the two first"));
    }
    if before.is_none() {
        check_room(catalog, &record, (beside, coming), settings)?;
    }
    let step = RecordStep::Add { record, replaced: before.cloned() };
    Ok(Plan { records: vec![step], ..Plan::default() })
}

pub(super) fn remove(
    catalog: &Catalog,
    asked: &RecordsToRemove,
    settings: &Settings,
) -> Result<Plan, Rejection> {
    let name = &asked.name;
    let is_meant = |record: &&Record| {
        asked.kind.is_none_or(|kind| record.data.kind() == kind)
            && asked.data.as_ref().is_none_or(|data| record.data == *data)
    };
    let meant = catalog.records_at(name.as_str()).iter().filter(is_meant);
    let steps: Vec<RecordStep> = meant.cloned().map(RecordStep::Remove).collect();
    if !steps.is_empty() {
        return Ok(Plan { records: steps, ..Plan::default() });
    }
    if let Some(fixed) = settings.records.at(name.as_str()).iter().find(is_meant) {
        return Err(fixed_record(fixed));
    }
    let what = asked.kind.map_or_else(|| "record".to_owned(), |kind| format!("{kind} record"));
    let such = if asked.data.is_some() { " with that data" } else { "" };
    let rejection = Rejection::new("not_found", format!("{name} has no {what}{such} to remove"));
    Err(match service_of(catalog, name) {
        Some(service) => rejection.hint(format!(
            "{name} is a host of {service}; `conduit deregister {service}` takes it out"
        )),
        None => rejection.hint("`conduit dns` lists the records with where they come from"),
    })
}

/// No service may get a host at which a record has addresses or an alias.
pub(super) fn check_host(
    catalog: &Catalog,
    host: &Host,
    settings: &Settings,
) -> Result<(), Rejection> {
    let fixed = settings.records.at(host.as_str());
    let there = catalog.records_at(host.as_str());
    let is_fixed = !fixed.is_empty() && fixed.iter().any(|record| record.data.is_location());
    let Some(record) = fixed.iter().chain(there).find(|record| record.data.is_location()) else {
        return Ok(());
    };
    let kind = record.data.kind();
    let message = format!("{host} has a record already: {kind} {}", record.data);
    let mend = match is_fixed {
        true => "take it out of [[dns.records]] in the configuration".to_owned(),
        false => format!("run `conduit dns remove {host} {kind}`"),
    };
    Err(Rejection::new("host_taken", message).hint(format!("{mend}, or choose another host")))
}

fn check_place(catalog: &Catalog, record: &Record, domains: &Domains) -> Result<(), Rejection> {
    let place = record.place(domains).map_err(|error| match error {
        Misplaced::Reserved { .. } => {
            Rejection::new("host_reserved", error.to_string()).hint("choose another name")
        }
        _ => Rejection::new("invalid_name", error.to_string()).hint(format!(
            "use a name under one of the configured domains ({}), or the reverse name of an \
             address with PTR",
            domains.listed()
        )),
    })?;
    if place != Place::Below || !record.data.is_location() {
        return Ok(());
    }
    let (name, kind) = (&record.name, record.data.kind());
    if let Some(service) = service_of(catalog, name) {
        let message = format!("{name} is a host of {service}, which publishes its addresses");
        return Err(Rejection::new("record_conflict", message).hint(format!(
            "choose another name, or run `conduit deregister {service}` first; other types than \
             {kind} can stand beside a service"
        )));
    }
    Ok(())
}

pub(super) fn service_of<'a>(catalog: &'a Catalog, name: &RecordName) -> Option<&'a ServiceName> {
    let host = Host::parse(name.as_str()).ok()?;
    catalog.by_host(&host).map(|service| &service.name)
}

fn check_room(
    catalog: &Catalog,
    record: &Record,
    (beside, coming): (&[Record], usize),
    settings: &Settings,
) -> Result<(), Rejection> {
    let limits = &settings.limits;
    if catalog.record_count() + coming >= limits.records_max {
        let message = format!("there can be at most {} records", limits.records_max);
        return Err(Rejection::new("limit", message).hint("remove what is not needed any more"));
    }
    let name = record.name.as_str();
    let there = catalog.records_at(name).iter().chain(beside);
    let (count, bytes) = there.fold((1, record.data.wire_bytes()), |(count, bytes), other| {
        (count + 1, bytes + other.data.wire_bytes())
    });
    if count > limits.records_of_name_max || bytes > limits.record_bytes_of_name_max {
        let message = format!(
            "{name} can have at most {} records with {} octets together",
            limits.records_of_name_max, limits.record_bytes_of_name_max
        );
        return Err(Rejection::new("limit", message).hint("remove what is not needed any more"));
    }
    Ok(())
}

pub(super) fn fixed_record(record: &Record) -> Rejection {
    Rejection::new("record_fixed", format!("{record} comes from the configuration"))
        .hint("change [[dns.records]] there, and restart the gateway")
}
