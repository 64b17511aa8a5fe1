//! Records of the configuration beside what the registry holds.
//!
//! **Invariant:** the gateway starts whatever the two say: what cannot be beside each other is told, and
//! the zone knows which one to answer with.

use conduit_core::catalog::Catalog;
use conduit_core::name::Host;

use crate::config::Config;

/// What the configuration gives was judged without the registry. A service or the configuration wins, and
/// the gateway starts.
pub(crate) fn warn_of_conflicts(config: &Config, catalog: &Catalog) {
    for record in config.dns.records.iter() {
        let name = record.name.as_str();
        let host = Host::parse(name).ok().filter(|_| record.data.is_location());
        if let Some(service) = host.and_then(|host| catalog.by_host(&host)) {
            let service = &service.name;
            tracing::warn!(%record, %service, "a record of dns.records is passed over for a service");
        }
        for other in catalog.records_at(name).iter().filter(|other| record.excludes(other)) {
            tracing::warn!(%record, passed_over = %other, "a record of dns.records excludes another");
        }
    }
}
