//! Fuzz doors: what outsiders' bytes may do to this room.

use std::path::Path;
use std::sync::Arc;

use conduit_core::catalog::{Catalog, Generation};
use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::name::Host;

use crate::import;
use crate::policy::UpstreamPolicy;
use crate::row::{RowStatus, ServiceRow};
use crate::rules;
use crate::settings::Settings;
use crate::view::services::render;

/// A `services.json` from anywhere.
///
/// Property: what is accepted, rendered as our own view and imported again, makes the same
/// services, and nothing of it is reported as lost.
#[expect(clippy::missing_panics_doc, reason = "a failed property is a panic")]
pub fn services_import(data: &[u8]) {
    let Ok(first) = import::services(data) else {
        return;
    };
    let settings = settings();
    let now = Timestamp::from_seconds(0);
    for registration in &first.registrations {
        let Ok(service) = rules::build(registration, &settings, now) else {
            continue;
        };
        let row = ServiceRow {
            service: service.clone(),
            status: RowStatus::Active,
            generation: Generation(1),
            leaves: Vec::new(),
        };
        let mut view = Vec::new();
        render(&mut view, Path::new("view"), Generation(1), [Ok(row)], |_| None).expect("rendered");
        let again = import::services(&view).expect("our own view is understood");
        assert!(again.ignored.is_empty(), "{:?}", again.ignored);
        let [again] = again.registrations.as_slice() else {
            panic!("one row became {}", again.registrations.len());
        };
        let again = rules::build(again, &settings, now).expect("it was allowed before");
        assert!(service.same_as(&again), "{service:?} became {again:?}");
        let catalog = Catalog::default()
            .with(Generation(1), vec![conduit_core::catalog::Change::Put(Arc::new(service))]);
        assert_eq!(catalog.len(), 1);
    }
}

fn settings() -> Settings {
    let domains = ["internal", "local", "test"]
        .iter()
        .filter_map(|domain| Host::parse(domain).ok())
        .collect();
    // Invariant: three legal domains are some domains.
    let domains = Domains::new(domains).expect("three domains");
    Settings {
        upstreams: UpstreamPolicy { allow_link_local: true, allowed: Vec::new() },
        ..Settings::new(domains)
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    use super::*;

    #[test]
    fn seeds_hold() {
        replay("services_import", services_import);
    }

    proptest::proptest! {
        #[test]
        fn any_row_holds(
            name in "[a-z_-]{0,5}",
            upstream in "[a-z0-9.:_]{0,12}",
            domain in "[a-z.]{0,10}",
            protocol in "http|tcp|https",
            tls in "null|true|false|\\{\\}",
        ) {
            let row = format!(
                r#"[{{"name":"{name}","upstream":"{upstream}:80","domain":"{domain}",
                     "protocol":"{protocol}","tls":{tls}}}]"#
            );
            services_import(row.as_bytes());
        }
    }
}
