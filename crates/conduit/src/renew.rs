//! Renewal: leaves whose time has come are issued again, intermediates are replaced.
//!
//! **Invariant:** what cannot be renewed (a full disk, say) goes on being used, and is tried again
//! at the next tick.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use conduit_core::error::Chain;
use conduit_core::live;
use conduit_core::name::ServiceName;
use conduit_proxy::table::RouteTable;
use conduit_registry::{Cause, Mutation, Registry};
use conduit_tls::authority::Authority;
use conduit_tls::error::TlsError;
use tokio::time::{MissedTickBehavior, interval};

/// Renews what is due, every minute for ever; `at_once` names leaves that the start replaced in
/// memory and that are to be made durable first.
pub(crate) async fn run(
    registry: Registry,
    routes: live::Reader<RouteTable>,
    mut authority: Option<live::Writer<Authority>>,
    mut at_once: Vec<ServiceName>,
) {
    // The clock is looked at, not slept on: a machine that was suspended catches up at once.
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Some(authority) = &mut authority
            && let Err(error) = renew_intermediates(authority, Timestamp::now()).await
        {
            tracing::error!(error = %Chain(&error), "the intermediates cannot be renewed; trying again");
        }
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

/// Signs with new intermediates from now on, once the old ones have passed half of their lives: else
/// leaves would be cut short where those end.
async fn renew_intermediates(
    authority: &mut live::Writer<Authority>,
    now: Timestamp,
) -> Result<(), TlsError> {
    let current = authority.current();
    // They are written to the disk.
    let renewed = tokio::task::spawn_blocking(move || current.renewed(now)).await;
    if let Some(renewed) = renewed.unwrap_or(Ok(None))? {
        tracing::info!("the intermediates are renewed");
        authority.publish(Arc::new(renewed));
    }
    Ok(())
}

/// The services whose leaves are due; what was registered together is spread over some time.
fn due(routes: &RouteTable, now: Timestamp) -> Vec<ServiceName> {
    let is_due = |name: &&ServiceName| {
        let leaves = routes.route(name).and_then(|route| route.leaves.as_ref());
        leaves.is_some_and(|leaves| leaves.renew_at() <= now)
    };
    let own = routes.own_leaves().filter(|leaves| leaves.renew_at() <= now);
    let own = own.map(|_| ServiceName::conduit());
    routes.pools().map(|pool| pool.service()).filter(is_due).cloned().chain(own).collect()
}

/// How often the leaves are looked at.
const TICK: Duration = Duration::from_secs(60);
/// How many are renewed in one transaction.
const AT_ONCE_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use conduit_core::domains::Domains;
    use conduit_core::name::Host;
    use conduit_tls::authority::AuthoritySettings;

    use super::*;

    #[tokio::test]
    async fn a_gateway_that_runs_for_years_gets_new_intermediates() {
        let directory = tempfile::tempdir().expect("directory");
        let domains = Domains::new(vec![Host::parse("internal").expect("valid")]).expect("one");
        let settings = AuthoritySettings { domains, organization: String::new() };
        let day = Duration::from_secs(86_400);
        let begun = Timestamp::from_seconds(1_775_304_000);
        let made = Authority::open_or_create(directory.path(), &settings, begun);
        let (mut writer, reader) = live::channel(Arc::new(made.expect("an authority").0));
        let issuers = || {
            let host = [Host::parse("web.internal").expect("valid")];
            let pair = reader.load().issue(&host, day, begun.plus(day * 600)).expect("leaves");
            pair.ecdsa_p256.issuer
        };
        let first = issuers();
        renew_intermediates(&mut writer, begun.plus(day * 500)).await.expect("nothing is due");
        assert_eq!(issuers(), first);
        renew_intermediates(&mut writer, begun.plus(day * 600)).await.expect("renewed");
        assert_ne!(issuers(), first, "whoever issues now uses the new one");
        assert!(reader.load().chain(&first).is_some(), "old leaves are served");
    }
}
