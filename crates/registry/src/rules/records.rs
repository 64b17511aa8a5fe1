//! Several records at once, as programs change them.
//!
//! **Invariant:** each step is judged as if the ones before were made, and what is planned is the
//! difference from beginning to end: a record that stays is not touched.

use std::collections::BTreeSet;

use conduit_core::catalog::Catalog;
use conduit_core::clock::Timestamp;
use conduit_core::record::Record;
use conduit_core::record::kind::RecordType;
use conduit_core::record::name::RecordName;

use super::Plan;
use super::record::{self, RecordStep, fixed_record, service_of};
use crate::mutation::{RecordWish, RecordsToChange, RecordsToRemove};
use crate::rejection::Rejection;
use crate::settings::Settings;

pub(super) fn change(
    catalog: &Catalog,
    asked: &RecordsToChange,
    settings: &Settings,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    if asked.seen != catalog.generation() {
        let message = format!("generation {} is not the one any more", asked.seen);
        return Err(
            Rejection::new("changed_meanwhile", message).hint("read it again, and then decide")
        );
    }
    let mut names: BTreeSet<&RecordName> = BTreeSet::new();
    let mut next = catalog.clone();
    for wish in &asked.wishes {
        let plan = match wish {
            RecordWish::Add(record) => {
                names.insert(&record.name);
                add(&next, record, settings, now)?
            }
            RecordWish::Remove(which) => {
                names.insert(&which.name);
                remove(&next, which, settings)?
            }
        };
        let changes = plan.record_changes(&next);
        next = next.with_records(next.generation(), &changes);
    }
    let steps = names.into_iter().flat_map(|name| difference(catalog, &next, name));
    Ok(Plan { records: steps.collect(), ..Plan::default() })
}

/// An alias takes the place of another (RFC 2136 §3.4.2.2).
fn add(
    catalog: &Catalog,
    record: &Record,
    settings: &Settings,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    let is_alias = |record: &Record| record.data.kind() == RecordType::Cname;
    let there = catalog.records_at(record.name.as_str());
    let [former] = there else {
        return record::add(catalog, record, settings, now);
    };
    if !is_alias(record) || !is_alias(former) || former.data == record.data {
        return record::add(catalog, record, settings, now);
    }
    let step = RecordStep::Remove(former.clone());
    let mut plan = Plan { records: vec![step], ..Plan::default() };
    let without = catalog.with_records(catalog.generation(), &plan.record_changes(catalog));
    plan.records.extend(record::add(&without, record, settings, now)?.records);
    Ok(plan)
}

/// What is not there need not go; what is somebody else's cannot.
fn remove(
    catalog: &Catalog,
    which: &RecordsToRemove,
    settings: &Settings,
) -> Result<Plan, Rejection> {
    let is_meant = |record: &&Record| {
        which.kind.is_none_or(|kind| record.data.kind() == kind)
            && which.data.as_ref().is_none_or(|data| record.data == *data)
    };
    let name = &which.name;
    if let Some(fixed) = settings.records.at(name.as_str()).iter().find(is_meant) {
        return Err(fixed_record(fixed));
    }
    let is_location = which
        .kind
        .is_none_or(|kind| matches!(kind, RecordType::A | RecordType::Aaaa | RecordType::Cname));
    if let Some(service) = service_of(catalog, name).filter(|_| is_location) {
        let message = format!("{name} is a host of {service}, which publishes its addresses");
        return Err(Rejection::new("record_conflict", message)
            .hint(format!("`conduit deregister {service}` takes it out")));
    }
    let meant = catalog.records_at(name.as_str()).iter().filter(is_meant);
    let steps = meant.cloned().map(RecordStep::Remove);
    Ok(Plan { records: steps.collect(), ..Plan::default() })
}

fn difference(before: &Catalog, after: &Catalog, name: &RecordName) -> Vec<RecordStep> {
    let (old, new) = (before.records_at(name.as_str()), after.records_at(name.as_str()));
    let same =
        |record: &Record, all: &[Record]| all.iter().find(|other| other.is_same(record)).cloned();
    let gone = old.iter().filter(|record| same(record, new).is_none());
    let gone = gone.cloned().map(RecordStep::Remove);
    let added = new.iter().filter_map(|record| match same(record, old) {
        Some(there) if there.ttl == record.ttl => None,
        replaced => Some(RecordStep::Add { record: record.clone(), replaced }),
    });
    gone.chain(added).collect()
}
