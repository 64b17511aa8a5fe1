//! Holding an upstream back by hand, and letting it in again.

use std::sync::Arc;

use conduit_core::catalog::Catalog;
use conduit_core::clock::Timestamp;
use conduit_core::hold::{Hold, HoldKind};
use conduit_core::name::ServiceName;
use conduit_core::service::Service;
use conduit_core::upstream::UpstreamAddr;

use super::{Act, Plan, Step, active};
use crate::rejection::Rejection;

/// Asking twice changes nothing; admitting is a decision even when nobody held the upstream back,
/// since the prober may have ejected it.
pub(super) fn apply(
    catalog: &Catalog,
    name: &ServiceName,
    upstream: &UpstreamAddr,
    kind: Option<HoldKind>,
    by: &str,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    let previous = active(catalog, name)?;
    if !previous.upstreams.contains(upstream) {
        return Err(stranger(&previous, upstream));
    }
    let held = previous.holds.iter().find(|hold| hold.upstream == *upstream);
    let act = match (kind, held) {
        (Some(kind), Some(held)) if held.kind == kind => Act::Keep,
        _ => {
            let others = previous.holds.iter().filter(|hold| hold.upstream != *upstream).cloned();
            let new = kind.map(|kind| Hold {
                upstream: upstream.clone(),
                kind,
                by: by.to_owned(),
                since: now,
            });
            let holds = others.chain(new).collect();
            let next = Arc::new(Service { holds, ..Service::clone(&previous) });
            Act::Hold { previous, next, upstream: upstream.clone(), kind }
        }
    };
    let step = Step { name: name.clone(), act };
    Ok(Plan { steps: vec![step], ..Plan::default() })
}

fn stranger(service: &Service, upstream: &UpstreamAddr) -> Rejection {
    let known: Vec<String> = service.upstreams.iter().map(ToString::to_string).collect();
    let message = format!("{upstream} is not an upstream of {}", service.name);
    Rejection::new("upstream_not_found", message)
        .hint(format!("it has {}", known.join(", ")))
        .about(&service.name)
}
