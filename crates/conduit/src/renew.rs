//! Renewal: leaves whose time has come are issued again.
//!
//! **Invariant:** a leaf that cannot be renewed (a full disk, say) goes on being served, and is
//! tried again at the next tick.

use std::time::Duration;

use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use conduit_core::error::Chain;
use conduit_core::live;
use conduit_core::name::ServiceName;
use conduit_proxy::table::RouteTable;
use conduit_registry::{Cause, Mutation, Registry};
use tokio::time::{MissedTickBehavior, interval};

/// Renews what is due, every minute for ever; `at_once` names leaves that the start replaced in
/// memory and that are to be made durable first.
pub(crate) async fn run(
    registry: Registry,
    routes: live::Reader<RouteTable>,
    mut at_once: Vec<ServiceName>,
) {
    // The clock is looked at, not slept on: a machine that was suspended catches up at once.
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let mut names = due(&routes.load_full(), Timestamp::now());
        names.append(&mut at_once);
        names.sort();
        names.dedup();
        for some in names.chunks(AT_ONCE_MAX) {
            let mutation = Mutation::Reissue { names: some.to_vec(), cause: Cause::Renew };
            match registry.apply(Actor::System("renewal"), mutation).await {
                Ok(_) => tracing::info!(services = some.len(), "leaves renewed"),
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "leaves cannot be renewed; trying again");
                    at_once.extend_from_slice(some);
                }
            }
        }
    }
}

/// The services whose leaves are due; what was registered together is spread over some time.
fn due(routes: &RouteTable, now: Timestamp) -> Vec<ServiceName> {
    let is_due = |name: &&ServiceName| {
        let leaves = routes.route(name).and_then(|route| route.leaves.as_ref());
        leaves.is_some_and(|leaves| leaves.renew_at() <= now)
    };
    routes.pools().map(|pool| pool.service()).filter(is_due).cloned().collect()
}

/// How often the leaves are looked at.
const TICK: Duration = Duration::from_secs(60);
/// How many are renewed in one transaction.
const AT_ONCE_MAX: usize = 500;
