//! The lines people know by heart, to the letter.

use conduit_api::v1::health::{
    CheckSet, HealthCounts, UpstreamHealth, UpstreamHold, UpstreamState,
};
use conduit_api::v1::services::{ServiceStatus, TlsSummary};
use conduit_api::v1::status::{CertificateCounts, Listening, Tables};

use super::*;

fn service(domain: &str, upstream: &str, health: HealthStatus) -> Service {
    let good = || Check { ok: true, reason: None, at: None };
    Service {
        name: domain.split('.').next().unwrap_or(domain).to_owned(),
        upstream: upstream.to_owned(),
        upstreams: vec![upstream.to_owned()],
        domain: domain.to_owned(),
        aliases: Vec::new(),
        protocol: "http".into(),
        status: ServiceStatus::Active,
        registered_at: "2026-04-04T12:00:00Z".into(),
        deregistered_at: None,
        health_check: None,
        health_status: health,
        health_reason: None,
        last_health_check: None,
        response_time_ms: None,
        tls: Some(TlsSummary {
            not_after: "2027-04-04T12:00:00Z".into(),
            fingerprint_sha256: "ab".into(),
        }),
        monitoring: conduit_api::v1::services::Monitoring::default(),
        policy: serde_json::Map::new(),
        effective_policy: serde_json::Map::new(),
        url: None,
        dns: "gateway".into(),
        title: None,
        when_all_ejected: "fail".into(),
        upstream_health: Vec::new(),
        checks: CheckSet { dns: Some(good()), tls: Some(good()) },
    }
}

#[test]
fn one_service_looks_as_in_the_readme() {
    let grafana = service("grafana.internal", "10.0.1.50:3000", HealthStatus::Healthy);
    assert_eq!(
        services(&[&grafana], Paint(false)),
        "grafana.internal → 10.0.1.50:3000 [healthy] TLS ✓ DNS ✓\n"
    );
}

#[test]
fn several_are_aligned_with_times_and_reasons() {
    let mut hub = service("hub.local", "10.0.1.10:4200", HealthStatus::Healthy);
    hub.response_time_ms = Some(12);
    let mut ollama = service("ollama.internal", "10.0.1.20:11434", HealthStatus::Down);
    ollama.health_reason = Some("connection refused".into());
    ollama.checks.tls =
        Some(Check { ok: false, reason: Some("handshake timed out".into()), at: None });
    let mut db = service("db.internal", "10.0.1.9:5432", HealthStatus::Unknown);
    db.tls = None;
    db.checks = CheckSet::default();
    db.upstreams.push("10.0.1.8:5432".into());
    assert_eq!(
        services(&[&hub, &ollama, &db], Paint(false)),
        "hub.local       → 10.0.1.10:4200   [healthy] TLS ✓ DNS ✓ 12 ms\n\
         ollama.internal → 10.0.1.20:11434  [down]    TLS ✗ DNS ✓ connection refused (TLS: handshake timed out)\n\
         db.internal     → 10.0.1.9:5432 +1 [unknown] TLS – DNS …\n"
    );
}

#[test]
fn colour_goes_around_the_health_only() {
    let grafana = service("g.internal", "h:1", HealthStatus::Down);
    assert_eq!(
        services(&[&grafana], Paint(true)),
        "g.internal → h:1 \x1b[31m[down]\x1b[0m TLS ✓ DNS ✓\n"
    );
}

#[test]
fn the_details_name_each_upstream() {
    let mut grafana = service("grafana.internal", "10.0.1.50:3000", HealthStatus::Down);
    grafana.url = Some("https://grafana.internal:8443/".into());
    grafana.title = Some("GPU dashboards".into());
    grafana.upstream_health = vec![UpstreamHealth {
        upstream: "10.0.1.50:3000".into(),
        state: UpstreamState::Ejected,
        in_flight: Default::default(),
        last_probe_at: None,
        response_time_ms: None,
        reason: Some("connection refused".into()),
        hold: None,
    }];
    assert_eq!(
        details(&grafana),
        "  title        GPU dashboards\n  \
           url          https://grafana.internal:8443/\n  \
           registered   2026-04-04T12:00:00Z\n  \
           protocol     http\n  \
           dns          gateway\n  \
           certificate  until 2027-04-04T12:00:00Z\n  \
           upstream     10.0.1.50:3000 ejected: connection refused\n"
    );
}

#[test]
fn the_details_say_who_holds_an_upstream_back() {
    let mut grafana = service("grafana.internal", "10.0.1.50:3000", HealthStatus::Degraded);
    grafana.upstream_health = vec![UpstreamHealth {
        upstream: "10.0.1.50:3000".into(),
        state: UpstreamState::Draining,
        in_flight: 1,
        last_probe_at: None,
        response_time_ms: Some(3),
        reason: Some("drained by alice".into()),
        hold: Some(UpstreamHold {
            kind: "drain".into(),
            by: "alice".into(),
            since: "2026-04-04T12:00:00Z".into(),
        }),
    }];
    let line = "10.0.1.50:3000 draining 3 ms: drained by alice since 2026-04-04T12:00:00Z, \
                1 request in flight\n";
    assert!(details(&grafana).contains(line), "{}", details(&grafana));
}

#[test]
fn the_header_tells_the_gateways_state() {
    let mut status = GatewayStatus {
        version: "0.1.0".into(),
        ready: true,
        not_ready: Vec::new(),
        stopping: false,
        uptime_seconds: 11_520,
        pid: 1,
        generation: 12,
        tables: Tables { routes: "12.0".into(), zone: "12.0".into() },
        listen: Listening {
            dns: vec!["127.0.0.1:1053".into(), "[::1]:1053".into()],
            https: vec!["127.0.0.1:8443".into()],
            http3: Vec::new(),
            http: Vec::new(),
            admin: vec!["127.0.0.1:9999".into()],
            socket: None,
        },
        domains: Vec::new(),
        addresses: Vec::new(),
        services: HealthCounts { total: 1, ..HealthCounts::default() },
        certs: CertificateCounts::default(),
        last_audit: None,
    };
    assert_eq!(
        header(&status),
        "conduit 0.1.0 · generation 12 · ready · up 3h 12m · 1 service · DNS :1053 · HTTPS :8443 · \
         HTTP off · admin 127.0.0.1:9999\n"
    );
    status.listen.http3 = vec!["127.0.0.1:8443".into()];
    assert!(header(&status).contains(" · HTTPS :8443 · HTTP/3 :8443 · HTTP off · "));
    status.ready = false;
    status.not_ready = vec!["dns".into()];
    status.tables.zone = "11.0".into();
    let text = header(&status);
    assert!(text.contains(" · not ready · "), "{text}");
    assert!(text.contains("waiting for dns\npublishing: routes 12.0, zone 11.0\n"), "{text}");
}

#[test]
fn uptimes_have_at_most_two_units() {
    for (seconds, text) in [
        (0, "0s"),
        (59, "59s"),
        (60, "1m 0s"),
        (3_661, "1h 1m"),
        (86_400, "1d 0h"),
        (100_000_000, "1157d 9h"),
    ] {
        assert_eq!(uptime(seconds), text);
    }
}

#[test]
fn a_policy_is_told_key_by_key_with_what_its_preset_adds() {
    let mut llm = service("llm.internal", "10.0.1.9:11434", HealthStatus::Healthy);
    let map = |json: &str| serde_json::from_str(json).expect(json);
    llm.policy = map(r#"{"preset":"ollama"}"#);
    assert!(details(&llm).contains("  policy       preset ollama\n"), "{}", details(&llm));
    llm.effective_policy =
        map(r#"{"preset":"ollama","timeouts":{"first_byte":"15m","idle":"2m"},"allow":["a","b"]}"#);
    for text in [details(&llm), planned(&llm)] {
        for line in ["preset ollama", "timeouts first_byte 15m, idle 2m", "allow a; b"] {
            assert!(text.lines().any(|l| l.ends_with(line) && l.contains("policy ")), "{text}");
        }
    }
}
