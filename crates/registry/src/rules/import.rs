//! What somebody else's file asks for: services and records, as one decision.
//!
//! **Invariant:** services are taken all or not at all; a record that cannot be is left out and told, and
//! what is taken could have been asked for one by one.

use std::collections::{HashMap, HashSet};

use conduit_core::catalog::Catalog;
use conduit_core::clock::Timestamp;
use conduit_core::record::Record;
use conduit_core::record::name::RecordName;

use super::{Plan, RecordStep, record, register};
use crate::mutation::{Importing, RegisterOptions};
use crate::rejection::Rejection;
use crate::settings::Settings;

pub(super) fn apply(
    catalog: &Catalog,
    asked: &Importing,
    settings: &Settings,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    let Importing { services, replace, records, draft, dry_run } = asked;
    let options = RegisterOptions { dry_run: *dry_run, prune: false, replace: *replace };
    let mut plan = match services.is_empty() {
        true => Plan { dry_run: *dry_run, ..Plan::default() },
        false => register::apply(catalog, services, options, settings, now)?,
    };
    let coming = plan.services();
    let hosts: HashSet<&str> =
        coming.iter().flat_map(|service| &service.hosts).map(|host| host.as_str()).collect();
    let mut added: HashMap<RecordName, Vec<Record>> = HashMap::new();
    for (index, asked) in records.iter().enumerate() {
        let beside = added.get(&asked.name).map(Vec::as_slice).unwrap_or_default();
        let is_taken = asked.data.is_location() && hosts.contains(asked.name.as_str());
        let judged = match is_taken {
            true => Err(Rejection::new(
                "record_conflict",
                format!("{} is a host of a service that is imported", asked.name),
            )),
            false => {
                record::add_beside(catalog, asked, (beside, plan.records.len()), settings, now)
            }
        };
        match judged {
            Ok(judged) => {
                for step in &judged.records {
                    if let RecordStep::Add { record, .. } = step {
                        added.entry(record.name.clone()).or_default().push(record.clone());
                    }
                }
                plan.records.extend(judged.records);
                plan.records_kept.extend(judged.records_kept);
            }
            Err(rejection) => plan.refused.push((index, rejection)),
        }
    }
    if !plan.is_empty() {
        plan.record = Some(draft.clone());
    }
    Ok(plan)
}
