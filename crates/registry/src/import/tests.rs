//! The three shapes of `services.json`, and files that are none of them.

use conduit_core::service::{DnsMode, Protocol, TlsMode, WhenAllEjected};

use super::*;

fn import(text: &str) -> Import {
    services(text.as_bytes()).expect("understood")
}

fn fields(import: &Import) -> Vec<&str> {
    import.ignored.iter().map(|ignored| ignored.field.as_str()).collect()
}

#[test]
fn the_seeds_rows_are_understood() {
    let import = import(
        r#"{"version": 1, "services": [
            {"name": "core", "upstream": "10.0.1.10:8000", "domain": "core.internal",
             "status": "active", "registered_at": "2026-04-04T12:00:00Z",
             "health_check": "/health",
             "monitoring": {"type": "container", "container_name": "qp-core"}},
            {"name": "old", "upstream": "10.0.1.11:8000", "status": "inactive",
             "deregistered_at": "2026-04-05T12:00:00Z"}]}"#,
    );
    let [core] = import.registrations.as_slice() else {
        panic!("{import:?}");
    };
    assert_eq!(core.name.as_str(), "core");
    assert_eq!(core.upstreams[0].to_string(), "10.0.1.10:8000");
    assert_eq!(core.domain.as_deref(), Some("core.internal"));
    assert_eq!(core.probe.as_ref().map(|probe| probe.as_str()), Some("/health"));
    assert_eq!(core.monitoring.container_name.as_deref(), Some("qp-core"));
    assert_eq!((core.tls, core.dns), (TlsMode::Issued, None));
    assert_eq!(fields(&import), ["row"]);
    assert_eq!(import.ignored[0].row, 2);
}

#[test]
fn the_originals_rows_are_understood_and_its_dead_fields_listed() {
    let import = import(
        r#"{"version":1,"services":[
            {"name":"hub","host":"10.0.1.5","port":8080,"protocol":"https",
             "health_path":"/healthz","status":"active","health_status":"unknown",
             "last_health_check":null,"registered_at":"x","deregistered_at":null,
             "response_time_ms":1.5,"monitoring":null},
            {"name":"v6","host":"fd00::5","port":"8080","protocol":"http",
             "health_path":"/up","extra":1}]}"#,
    );
    let upstreams: Vec<String> =
        import.registrations.iter().map(|r| r.upstreams[0].to_string()).collect();
    assert_eq!(upstreams, ["10.0.1.5:8080", "[fd00::5]:8080"]);
    assert_eq!(import.registrations[0].probe, None);
    assert_eq!(import.registrations[0].protocol, Protocol::Http);
    assert!(import.registrations[1].probe.is_some());
    assert_eq!(fields(&import), ["protocol", "health_path", "extra"]);
}

#[test]
fn our_own_view_loses_nothing() {
    let import = import(
        r#"{"version":1,"generation":7,"services":[
            {"name":"db","upstream":"10.0.0.1:5432","upstreams":["10.0.0.1:5432","10.0.0.2:5432"],
             "domain":"db.internal","aliases":["pg.internal"],"protocol":"tcp","status":"active",
             "registered_at":"x","deregistered_at":null,"health_check":null,
             "health_status":"healthy","last_health_check":null,"response_time_ms":5,"tls":null,
             "monitoring":{},"dns":"direct","when_all_ejected":"try",
             "title":"Patients"}]}"#,
    );
    let db = &import.registrations[0];
    assert_eq!(db.upstreams.len(), 2);
    assert_eq!(db.aliases, ["pg.internal"]);
    assert_eq!((db.protocol, db.tls), (Protocol::Tcp, TlsMode::Off));
    assert_eq!(db.dns, Some(DnsMode::Direct));
    assert_eq!(db.when_all_ejected, WhenAllEjected::Try);
    assert_eq!(db.title.as_ref().map(|title| title.as_str()), Some("Patients"));
    assert_eq!(import.ignored, []);
}

#[test]
fn what_cannot_be_understood_refuses_the_file_and_says_where() {
    for (text, expected) in [
        ("", "not JSON"),
        ("7", "no list of services"),
        ("{}", "no list of services"),
        (r#"{"version":2,"services":[]}"#, "version 2"),
        ("[7]", "row 1: it is not an object"),
        ("[{}]", "row 1: it has no name"),
        (r#"[{"name":"a"}]"#, "row 1: it has neither upstream nor host"),
        (r#"[{"name":"a b","upstream":"h:1"}]"#, "row 1: \"a b\" cannot be"),
        (r#"[{"name":"a","upstream":"h:1"},{"name":"b","upstream":"h"}]"#, "row 2: \"h\""),
        (r#"[{"name":"a","upstream":"h:1","title":""}]"#, "row 1: a title is not empty"),
        (r#"[{"name":"a","upstream":7}]"#, "its upstream is not a text"),
        (r#"[{"name":"a","upstream":"h:1","upstreams":[7]}]"#, "else than texts"),
        (r#"[{"name":"a","upstream":"h:1","aliases":"b"}]"#, "its aliases is not a list"),
        (
            r#"[{"name":"a","upstream":"h:1","protocol":"udp"}]"#,
            "use one of: http, https, h2c, tcp",
        ),
        (r#"[{"name":"a","upstream":"h:1","status":"gone"}]"#, "status"),
        (r#"[{"name":"a","upstream":"h:1","tls":7}]"#, "its tls"),
        (r#"[{"name":"a","upstream":"h:1","monitoring":[]}]"#, "its monitoring"),
        (r#"[{"name":"a","upstream":"h:1","health_check":"up"}]"#, "probe path"),
        (r#"[{"name":"a","host":"10.0.0.1"}]"#, "port is missing"),
        (r#"[{"name":"a","host":"10.0.0.1","port":70000}]"#, "its port"),
        (r#"[{"name":"a","host":"10.0.0.1","port":-1}]"#, "its port"),
    ] {
        let error = services(text.as_bytes()).expect_err(text);
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
    let large = vec![b' '; IMPORT_BYTES_MAX + 1];
    assert!(matches!(services(&large), Err(ImportError::TooLarge)));
}
