//! Whether services are reached, by what the prober knows.

use conduit_admin::finding::{Check, Finding, Verdict};
use conduit_core::clock::Timestamp;
use conduit_core::health::{Health, UpstreamState};
use conduit_proxy::health::board::{HealthBoard, ServiceHealth};
use conduit_registry::Registry;

/// How every service is doing, by name.
pub(crate) fn read(
    registry: &Registry,
    board: &HealthBoard,
    now: Timestamp,
) -> Vec<(String, Option<ServiceHealth>)> {
    let catalog = registry.catalog().load_full();
    let services = catalog.sorted();
    let each = services.iter().map(|service| &service.name);
    each.map(|name| (name.to_string(), board.service(name, now))).collect()
}

/// Judges them; those that are well are one finding.
pub(crate) fn judge(services: &[(String, Option<ServiceHealth>)]) -> Vec<Finding> {
    if services.is_empty() {
        return vec![Finding::skipped(CHECK, "no services yet")];
    }
    let mut findings: Vec<Finding> = services
        .iter()
        .filter_map(|(name, health)| Some((name, health.as_ref()?)))
        .flat_map(|(name, health)| of_service(name, health))
        .collect();
    if findings.is_empty() {
        let count = services.len();
        let ending = if count == 1 { "" } else { "s" };
        findings
            .push(Finding::ok(CHECK, format!("{count} service{ending}, none without upstream")));
    }
    findings
}

fn of_service(name: &str, health: &ServiceHealth) -> Vec<Finding> {
    let verdict = if health.health == Health::Down { Verdict::Fail } else { Verdict::Warn };
    let away = health.upstreams.iter().filter_map(|upstream| {
        let word = match upstream.state {
            UpstreamState::Ejected => "is ejected",
            UpstreamState::Draining => "is drained",
            UpstreamState::Admitted | UpstreamState::Unproven => return None,
        };
        let reason = upstream.reason.as_deref().unwrap_or("nobody says why");
        let message = format!("{} {word}: {reason}", upstream.addr);
        let hint = match upstream.hold {
            Some(_) => {
                format!("let it in again with `conduit upstream admit {name} {}`", upstream.addr)
            }
            None => {
                format!("see that it runs and listens there; `conduit status {name}` tells more")
            }
        };
        Some(Finding::warn(CHECK, message).hint(hint))
    });
    let mut findings: Vec<Finding> = away.collect();
    if let (true, Health::Down, Some(reason)) = (findings.is_empty(), health.health, &health.reason)
    {
        // Its upstreams are well, and its port is not.
        findings.push(
            Finding::warn(CHECK, reason.clone())
                .hint(format!("free the port, or give {name} another one (--listen)")),
        );
    }
    findings.into_iter().map(|finding| Finding { verdict, ..finding }.about(name)).collect()
}

const CHECK: Check = Check::Upstreams;

#[cfg(test)]
mod tests {
    use conduit_core::hold::{Hold, HoldKind};
    use conduit_core::upstream::UpstreamAddr;
    use conduit_proxy::health::board::UpstreamHealth;

    use super::*;

    fn upstream(state: UpstreamState, is_held: bool) -> UpstreamHealth {
        let addr = UpstreamAddr::parse("10.0.0.1:80").expect("valid");
        UpstreamHealth {
            hold: is_held.then(|| Hold {
                upstream: addr.clone(),
                kind: HoldKind::Drain,
                by: "ada".into(),
                since: Timestamp::from_seconds(0),
            }),
            addr,
            state,
            reason: Some("connection refused".into()),
            last_probe_at: None,
            response_time_ms: None,
            in_flight: 0,
        }
    }

    fn service(
        health: Health,
        reason: Option<&str>,
        upstreams: Vec<UpstreamHealth>,
    ) -> Vec<Finding> {
        let health = ServiceHealth {
            health,
            reason: reason.map(str::to_owned),
            last_probe_at: None,
            response_time_ms: None,
            upstreams,
        };
        judge(&[("web".to_owned(), Some(health))])
    }

    #[test]
    fn a_service_that_nobody_reaches_fails_and_one_that_limps_is_a_warning() {
        use UpstreamState::{Admitted, Draining, Ejected, Unproven};
        for (health, reason, upstreams, expected) in [
            (
                Health::Healthy,
                None,
                vec![upstream(Admitted, false)],
                (Verdict::Ok, "1 service, none without upstream"),
            ),
            (
                Health::Unknown,
                None,
                vec![upstream(Unproven, false)],
                (Verdict::Ok, "1 service, none without upstream"),
            ),
            (
                Health::Down,
                Some("connection refused"),
                vec![upstream(Ejected, false)],
                (Verdict::Fail, "10.0.0.1:80 is ejected: connection refused"),
            ),
            (
                Health::Degraded,
                None,
                vec![upstream(Admitted, false), upstream(Draining, true)],
                (Verdict::Warn, "10.0.0.1:80 is drained: connection refused"),
            ),
            (
                Health::Down,
                Some("cannot listen on 0.0.0.0:5432"),
                vec![upstream(Admitted, false)],
                (Verdict::Fail, "cannot listen on 0.0.0.0:5432"),
            ),
        ] {
            let found = service(health, reason, upstreams);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((found[0].verdict, &*found[0].message), expected);
            assert_eq!(found[0].hint.is_some(), found[0].verdict != Verdict::Ok);
        }
        assert_eq!(judge(&[])[0].verdict, Verdict::Skipped);
    }

    #[test]
    fn who_holds_one_back_lets_it_in_again() {
        let found = service(Health::Degraded, None, vec![upstream(UpstreamState::Draining, true)]);
        let hint = found[0].hint.as_deref().expect("a hint");
        assert!(hint.contains("conduit upstream admit web 10.0.0.1:80"), "{hint}");
    }
}
