//! Registering many services at once, whole or not at all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use conduit_core::catalog::Catalog;
use conduit_core::clock::Timestamp;
use conduit_core::name::{Host, ServiceName};
use conduit_core::service::Service;

use super::listen::check_ports;
use super::service::build;
use super::{Act, Plan, Step, record};
use crate::mutation::{RegisterOptions, Registration};
use crate::rejection::Rejection;
use crate::settings::Settings;

pub(super) fn apply(
    catalog: &Catalog,
    services: &[Registration],
    options: RegisterOptions,
    settings: &Settings,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    if services.is_empty() {
        return Err(Rejection::new("empty", "there is no service to register"));
    }
    let limit = settings.limits.services_max;
    if services.len() > limit {
        return Err(over_limit(limit));
    }
    let mut named = HashSet::with_capacity(services.len());
    let mut steps = Vec::with_capacity(services.len());
    for asked in services {
        if !named.insert(&asked.name) {
            let message = format!("{} is there twice in one request", asked.name);
            return Err(Rejection::new("name_taken", message).about(&asked.name));
        }
        steps.push(step(catalog, asked, options, settings, now)?);
    }
    if options.prune {
        let absent = catalog.sorted().into_iter().filter(|s| !named.contains(&s.name));
        steps.extend(absent.map(|service| Step {
            name: service.name.clone(),
            act: Act::Deregister { previous: Arc::clone(service) },
        }));
    }
    check_hosts(catalog, &steps, settings)?;
    check_ports(catalog, &steps)?;
    check_count(catalog, &steps, limit)?;
    Ok(Plan { steps, dry_run: options.dry_run, ..Plan::default() })
}

fn step(
    catalog: &Catalog,
    asked: &Registration,
    options: RegisterOptions,
    settings: &Settings,
    now: Timestamp,
) -> Result<Step, Rejection> {
    let mut next = build(asked, settings, now)?;
    let before = catalog.get(&asked.name);
    if let Some(previous) = before {
        // Who drained a machine wants it drained, whatever else changes about the service.
        let kept = previous.holds.iter().filter(|hold| next.upstreams.contains(&hold.upstream));
        next.holds = kept.cloned().collect();
    }
    let next = Arc::new(next);
    let act = match before {
        None => Act::Create { next },
        Some(previous) if previous.same_as(&next) => Act::Keep,
        Some(previous) if options.replace => Act::Replace { previous: Arc::clone(previous), next },
        Some(previous) => return Err(name_taken(previous)),
    };
    Ok(Step { name: asked.name.clone(), act })
}

fn name_taken(previous: &Service) -> Rejection {
    let upstreams: Vec<String> = previous.upstreams.iter().map(ToString::to_string).collect();
    let message = format!(
        "{} is registered already: {} → {}",
        previous.name,
        previous.host(),
        upstreams.join(", ")
    );
    Rejection::new("name_taken", message)
        .hint("change it with --replace (\"replace\": true in the API), or deregister it first")
        .about(&previous.name)
}

/// No host may have two services after all steps; hosts that a step gives up are free.
fn check_hosts(catalog: &Catalog, steps: &[Step], settings: &Settings) -> Result<(), Rejection> {
    let leaving = leaving(steps);
    let mut taken: HashMap<&Host, &ServiceName> = HashMap::new();
    for step in steps {
        let (Act::Create { next } | Act::Replace { next, .. }) = &step.act else {
            continue;
        };
        for host in &next.hosts {
            let resident = catalog.by_host(host).map(|service| &service.name);
            let resident = resident.filter(|name| !leaving.contains(name));
            if let Some(owner) = resident.or_else(|| taken.get(host).copied()) {
                let message = format!("{host} belongs to {owner}");
                return Err(Rejection::new("host_taken", message)
                    .hint("choose another host (--domain or --alias), or deregister the other service")
                    .about(&step.name));
            }
            record::check_host(catalog, host, settings).map_err(|no| no.about(&step.name))?;
            taken.insert(host, &next.name);
        }
    }
    Ok(())
}

/// Services that are no longer as they were after these steps.
pub(super) fn leaving(steps: &[Step]) -> HashSet<&ServiceName> {
    steps
        .iter()
        .filter(|step| matches!(step.act, Act::Deregister { .. } | Act::Replace { .. }))
        .map(|step| &step.name)
        .collect()
}

fn check_count(catalog: &Catalog, steps: &[Step], limit: usize) -> Result<(), Rejection> {
    let count = |wanted: fn(&Act) -> bool| steps.iter().filter(|step| wanted(&step.act)).count();
    let created = count(|act| matches!(act, Act::Create { .. }));
    let dropped = count(|act| matches!(act, Act::Deregister { .. }));
    if created > 0 && catalog.len() + created - dropped > limit {
        return Err(over_limit(limit));
    }
    Ok(())
}

fn over_limit(limit: usize) -> Rejection {
    Rejection::new("limit", format!("there can be at most {limit} active services"))
        .hint("deregister what is not needed any more")
}
