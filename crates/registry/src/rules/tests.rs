//! Tables of wishes and what the rules make of them.

use conduit_core::catalog::Generation;
use conduit_core::domains::Domains;
use conduit_core::hold::Hold;
use conduit_core::name::Host;
use conduit_core::policy::Policy;
use conduit_core::service::{DnsMode, ProbePath, ProbeSpec, Protocol};
use conduit_core::upstream::UpstreamAddr;

use super::*;
use crate::mutation::{RegisterOptions, Registration};

fn settings() -> Settings {
    let domains = ["internal", "local", "lab.internal"];
    let domains = domains.map(|domain| Host::parse(domain).expect("valid"));
    Settings::new(Domains::new(domains.to_vec()).expect("some"))
}

fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).expect("valid")
}

fn asked(service: &str, upstream: &str) -> Registration {
    Registration::new(name(service), vec![UpstreamAddr::parse(upstream).expect("valid")])
}

fn with(service: &str, change: impl FnOnce(&mut Registration)) -> Registration {
    let mut registration = asked(service, "10.0.0.1:80");
    change(&mut registration);
    registration
}

fn policy(registration: &mut Registration) -> &mut Policy {
    Arc::make_mut(&mut registration.policy)
}

fn judge(
    catalog: &Catalog,
    services: Vec<Registration>,
    options: RegisterOptions,
) -> Result<Plan, Rejection> {
    let mutation = Mutation::Register { services, options };
    let now = Timestamp::from_seconds(1_000);
    let (tokens, nodes, users) = Default::default();
    apply(catalog, &tokens, &nodes, &users, &mutation, &settings(), now)
}

/// A catalog with these services.
fn catalog(services: Vec<Registration>) -> Catalog {
    let plan = judge(&Catalog::default(), services, RegisterOptions::default()).expect("allowed");
    Catalog::default().with(Generation(1), plan.changes())
}

fn code(result: Result<Plan, Rejection>) -> &'static str {
    result.map_or_else(|rejection| rejection.code, |_| "granted")
}

fn kinds(plan: &Plan) -> Vec<(String, OutcomeKind)> {
    let outcomes = plan.outcomes().into_iter();
    outcomes.map(|outcome| (outcome.name.to_string(), outcome.kind)).collect()
}

const REPLACE: RegisterOptions = RegisterOptions { dry_run: false, prune: false, replace: true };

/// Judges each registration alone, and compares the code.
fn table(rows: Vec<(Registration, &'static str)>) {
    for (registration, expected) in rows {
        let told = format!("{registration:?}");
        let result = judge(&Catalog::default(), vec![registration], REPLACE);
        if let Err(rejection) = &result {
            assert!(rejection.service.is_some(), "{told}");
        }
        assert_eq!(code(result), expected, "{told}");
    }
}

#[test]
fn hosts_are_under_our_domains_and_not_reserved() {
    let domain = |text: &str| with("a", |r| r.domain = Some(text.into()));
    let aliases =
        |texts: &[&str]| with("a", |r| r.aliases = texts.iter().map(ToString::to_string).collect());
    table(vec![
        (with("a", |_| {}), "granted"),
        (domain("local"), "granted"),
        (domain("x.lab.internal"), "granted"),
        (domain("example.com"), "invalid_domain"),
        (domain("no host"), "invalid_domain"),
        // `lab` under the first domain would be the third domain itself.
        (with("lab", |_| {}), "invalid_domain"),
        (domain("trust.internal"), "host_reserved"),
        (domain("conduit.local"), "host_reserved"),
        (aliases(&["dns.lab.internal"]), "host_reserved"),
        (aliases(&["dns.x.internal"]), "granted"),
        (aliases(&["b.internal", "local"]), "granted"),
        (aliases(&["b.example"]), "invalid_domain"),
        (aliases(&["A.internal."]), "host_taken"),
        (aliases(&["local"; 40]), "limit"),
    ]);
}

#[test]
fn upstreams_are_some_and_different_and_allowed() {
    let many = |count: u16| {
        let parse = |port| UpstreamAddr::parse(&format!("10.0.0.1:{port}")).expect("valid");
        with("a", |r| r.upstreams = (1..=count).map(parse).collect())
    };
    table(vec![
        (many(0), "upstream_missing"),
        (many(64), "granted"),
        (many(65), "limit"),
        (with("a", |r| r.upstreams.push(r.upstreams[0].clone())), "upstream_duplicate"),
        (asked("a", "169.254.169.254:80"), "upstream_refused"),
        (asked("a", "b.internal:80"), "upstream_refused"),
        (asked("a", "gpu-box:80"), "granted"),
    ]);
}

#[test]
fn protocol_tls_dns_and_probe_fit_together() {
    let case = |upstream: &str, protocol, tls, dns, path: Option<&str>| Registration {
        protocol,
        tls,
        dns,
        probe: path.map(|path| ProbePath::parse(path).expect("valid")),
        ..asked("a", upstream)
    };
    let (direct, gateway) = (Some(DnsMode::Direct), Some(DnsMode::Gateway));
    let (http, tcp) = (Protocol::Http, Protocol::Tcp);
    let (issued, off) = (TlsMode::Issued, TlsMode::Off);
    table(vec![
        (case("10.0.0.1:80", http, issued, direct, None), "granted"),
        (case("10.0.0.1:80", http, issued, None, Some("/up")), "granted"),
        (case("gpu-box:80", http, issued, direct, None), "direct_needs_address"),
        (case("gpu-box:80", http, off, None, None), "direct_needs_address"),
        (case("gpu-box:80", http, off, gateway, None), "granted"),
        (case("gpu-box:80", tcp, issued, None, None), "direct_needs_address"),
        (case("unix:/run/app.sock", http, issued, direct, None), "direct_needs_address"),
        (case("unix:/run/app.sock", http, issued, None, None), "granted"),
        (case("10.0.0.1:80", tcp, issued, None, None), "granted"),
        (case("10.0.0.1:80", tcp, off, gateway, None), "invalid_dns"),
        (case("10.0.0.1:80", tcp, off, None, Some("/up")), "invalid_probe"),
    ]);
}

#[test]
fn monitoring_values_are_short_and_harmless() {
    table(vec![
        (with("a", |r| r.monitoring.kind = Some("x".repeat(257))), "invalid_monitoring"),
        (with("a", |r| r.monitoring.container_name = Some("a\nb".into())), "invalid_monitoring"),
        (with("a", |r| r.monitoring.ssh_host = Some("-oX=y".into())), "invalid_monitoring"),
        (with("a", |r| r.monitoring.ssh_host = Some("root@10.0.0.1".into())), "granted"),
    ]);
}

#[test]
fn defaults_follow_protocol_and_tls() {
    let built = |registration| {
        build(&registration, &settings(), Timestamp::from_seconds(0)).expect("allowed")
    };
    let http = built(asked("a_b", "10.0.0.1:80"));
    assert_eq!(http.host().as_str(), "a-b.internal");
    assert_eq!(
        (http.tls, http.dns, &http.probe),
        (TlsMode::Issued, DnsMode::Gateway, &ProbeSpec::Default)
    );
    let plain = built(with("a", |r| r.tls = TlsMode::Off));
    assert_eq!((plain.tls, plain.dns), (TlsMode::Off, DnsMode::Direct));
    let tcp = built(with("a", |r| r.protocol = Protocol::Tcp));
    assert_eq!(
        (tcp.tls, tcp.dns, &tcp.probe),
        (TlsMode::Off, DnsMode::Direct, &ProbeSpec::Connect)
    );
}

#[test]
fn a_name_that_is_there_is_kept_replaced_or_refused() {
    let there = catalog(vec![asked("a", "10.0.0.1:80"), asked("b", "10.0.0.2:80")]);
    let same = judge(&there, vec![asked("A", "10.0.0.1:80")], RegisterOptions::default());
    let same = same.expect("allowed");
    assert!(same.is_empty());
    assert_eq!(kinds(&same), [("a".to_owned(), OutcomeKind::Unchanged)]);
    let other = || vec![asked("a", "10.0.0.9:80")];
    let refused = judge(&there, other(), RegisterOptions::default()).expect_err("taken");
    assert_eq!(refused.code, "name_taken");
    let hint = refused.hint.expect("a hint");
    assert!(hint.contains("--replace") && hint.contains("\"replace\": true"), "{hint}");
    assert!(refused.message.contains("10.0.0.1:80"), "{}", refused.message);
    let replaced = judge(&there, other(), REPLACE).expect("allowed");
    assert_eq!(kinds(&replaced), [("a".to_owned(), OutcomeKind::Replaced)]);
    assert_eq!(replaced.changes().len(), 1);
}

#[test]
fn no_host_gets_two_services() {
    let there = catalog(vec![asked("a", "10.0.0.1:80"), asked("b", "10.0.0.2:80")]);
    let c_as_a = || with("c", |r| r.domain = Some("a.internal".into()));
    let a_elsewhere = || with("a", |r| r.domain = Some("old.internal".into()));
    let refused = judge(&there, vec![c_as_a()], REPLACE).expect_err("taken");
    assert_eq!((refused.code, refused.service), ("host_taken", Some(name("c"))));
    // Within one bulk too, whatever the order.
    let twice = vec![c_as_a(), with("d", |r| r.aliases = vec!["a.internal".into()])];
    assert_eq!(code(judge(&Catalog::default(), twice, REPLACE)), "host_taken");
    // A bulk may move a host from one service to another.
    for bulk in [vec![c_as_a(), a_elsewhere()], vec![a_elsewhere(), c_as_a()]] {
        let plan = judge(&there, bulk, REPLACE).expect("allowed");
        let next = there.with(Generation(2), plan.changes());
        let host = Host::parse("a.internal").expect("valid");
        assert_eq!(next.by_host(&host).map(|s| s.name.as_str()), Some("c"));
    }
    // A service that stays as it is keeps its host.
    let bulk = vec![c_as_a(), asked("a", "10.0.0.1:80")];
    assert_eq!(code(judge(&there, bulk, REPLACE)), "host_taken");
}

#[test]
fn a_bulk_is_whole_or_nothing() {
    let none = Catalog::default();
    assert_eq!(code(judge(&none, vec![], REPLACE)), "empty");
    let twice = vec![asked("a", "10.0.0.1:80"), asked("A", "10.0.0.1:80")];
    assert_eq!(code(judge(&none, twice, REPLACE)), "name_taken");
    let one_bad = vec![asked("a", "10.0.0.1:80"), asked("b", "169.254.0.1:80")];
    let rejection = judge(&none, one_bad, REPLACE).expect_err("refused");
    assert_eq!(rejection.service, Some(name("b")));
}

#[test]
fn prune_deregisters_what_the_file_lacks() {
    let there = catalog(vec![
        asked("a", "10.0.0.1:80"),
        asked("b", "10.0.0.2:80"),
        asked("c", "10.0.0.3:80"),
    ]);
    let options = RegisterOptions { prune: true, dry_run: true, replace: false };
    // What is pruned gives its hosts up within the same bulk.
    let bulk = vec![asked("b", "10.0.0.2:80"), with("d", |r| r.domain = Some("a.internal".into()))];
    let plan = judge(&there, bulk, options).expect("allowed");
    let expected = [
        ("b", OutcomeKind::Unchanged),
        ("d", OutcomeKind::Created),
        ("a", OutcomeKind::Deregistered),
        ("c", OutcomeKind::Deregistered),
    ];
    assert_eq!(kinds(&plan), expected.map(|(name, kind)| (name.to_owned(), kind)));
    assert!(plan.dry_run);
    assert_eq!(there.with(Generation(2), plan.changes()).len(), 2);
}

#[test]
fn there_is_a_limit_to_services() {
    let there = catalog(vec![asked("a", "10.0.0.1:80"), asked("b", "10.0.0.2:80")]);
    let mut settings = settings();
    settings.limits.services_max = 2;
    let judge = |services, prune| {
        let options = RegisterOptions { prune, ..REPLACE };
        let mutation = Mutation::Register { services, options };
        let now = Timestamp::from_seconds(0);
        code(apply(
            &there,
            &TokenTable::default(),
            &NodeTable::default(),
            &UserTable::default(),
            &mutation,
            &settings,
            now,
        ))
    };
    assert_eq!(judge(vec![asked("c", "10.0.0.3:80")], false), "limit");
    assert_eq!(judge(vec![asked("c", "10.0.0.3:80")], true), "granted");
    assert_eq!(judge(vec![asked("a", "10.0.0.3:80")], false), "granted");
}

#[test]
fn deregistering_and_reissuing_need_an_active_service() {
    let there = catalog(vec![asked("a", "10.0.0.1:80"), with("t", |r| r.protocol = Protocol::Tcp)]);
    let judge = |mutation: Mutation| {
        let now = Timestamp::from_seconds(0);
        let (tokens, nodes, users) = Default::default();
        apply(&there, &tokens, &nodes, &users, &mutation, &settings(), now)
    };
    let reissue = |names: &[&str]| Mutation::Reissue {
        names: names.iter().map(|text| name(text)).collect(),
        cause: Cause::Rotate,
    };
    let gone = judge(Mutation::Deregister { name: name("x") });
    assert_eq!(code(gone), "not_found");
    let plan = judge(Mutation::Deregister { name: name("a") }).expect("allowed");
    assert_eq!(kinds(&plan), [("a".to_owned(), OutcomeKind::Deregistered)]);
    assert_eq!(code(judge(reissue(&[]))), "empty");
    assert_eq!(code(judge(reissue(&["a", "x"]))), "not_found");
    assert_eq!(code(judge(reissue(&["t"]))), "no_leaf");
    let plan = judge(reissue(&["a", "a"])).expect("allowed");
    assert_eq!(plan.reissue(), [name("a")]);
    assert!(plan.changes().is_empty());
}

#[test]
fn what_is_done_while_unchanged_needs_the_service_as_it_was_seen() {
    let there = catalog(vec![with("a", |_| {})]);
    let seen = Arc::clone(there.get(&name("a")).expect("there"));
    let judge = |catalog: &Catalog, seen: &Arc<Service>| {
        let then = Box::new(Mutation::Deregister { name: name("a") });
        let mutation = Mutation::WhileUnchanged { seen: Arc::clone(seen), then };
        let now = Timestamp::from_seconds(0);
        let (tokens, nodes, users) = Default::default();
        apply(catalog, &tokens, &nodes, &users, &mutation, &settings(), now)
    };
    let plan = judge(&there, &seen).expect("allowed");
    assert_eq!(kinds(&plan), [("a".to_owned(), OutcomeKind::Deregistered)]);
    let held = Hold {
        upstream: seen.upstreams[0].clone(),
        kind: HoldKind::Drain,
        by: "ada".into(),
        since: Timestamp::from_seconds(0),
    };
    let held = Arc::new(Service { holds: vec![held], ..Service::clone(&seen) });
    assert_eq!(code(judge(&there, &held)), "granted", "what is held back does not count");
    let other = Arc::new(Service { tls: TlsMode::Off, ..Service::clone(&seen) });
    assert_eq!(code(judge(&there, &other)), "changed_meanwhile");
    let later = Timestamp::from_seconds(2_000);
    let again = Arc::new(Service { registered_at: later, ..Service::clone(&seen) });
    assert_eq!(code(judge(&there, &again)), "changed_meanwhile", "the same wish, made again");
    assert_eq!(code(judge(&Catalog::default(), &seen)), "changed_meanwhile");
}

#[test]
fn a_port_of_the_gateway_makes_a_tcp_service_pass_it() {
    let tcp = |change: fn(&mut Registration)| {
        with("db", |r| {
            r.protocol = Protocol::Tcp;
            r.tls = TlsMode::Off;
            policy(r).listen = Some(5432);
            change(r);
        })
    };
    let built = |registration: &Registration| {
        build(registration, &settings(), Timestamp::from_seconds(0)).expect("allowed")
    };
    let plain = built(&tcp(|r| r.upstreams = asked("db", "db-box:5432").upstreams));
    assert_eq!(
        (plain.tls, plain.dns, plain.listen()),
        (TlsMode::Off, DnsMode::Gateway, Some(5432))
    );
    let ended = built(&tcp(|r| r.tls = TlsMode::Issued));
    assert_eq!((ended.tls, ended.dns), (TlsMode::Issued, DnsMode::Gateway));
    let passed = built(&tcp(|r| {
        r.tls = TlsMode::Issued;
        policy(r).tls_passthrough = Some(true);
    }));
    assert_eq!(passed.tls, TlsMode::Off, "no leaf is made for it");

    table(vec![
        (tcp(|_| {}), "granted"),
        (tcp(|r| r.protocol = Protocol::Http), "invalid_listen"),
        (tcp(|r| policy(r).listen = Some(0)), "invalid_policy"),
        (tcp(|r| policy(r).listen = None), "granted"),
        (tcp(|r| r.dns = Some(DnsMode::Direct)), "invalid_dns"),
        (tcp(|r| r.dns = Some(DnsMode::Gateway)), "granted"),
        (
            tcp(|r| *policy(r) = Policy { tls_passthrough: Some(true), ..Policy::default() }),
            "invalid_listen",
        ),
        (tcp(|r| policy(r).body_max = Some(conduit_core::policy::Size(1))), "invalid_policy"),
        (tcp(|r| policy(r).maintenance = Some("later".into())), "invalid_policy"),
        (tcp(|r| policy(r).balance = "hash:client".parse().ok()), "granted"),
        (tcp(|r| policy(r).retries.max = Some(1)), "invalid_policy"),
        (tcp(|r| policy(r).upstream.queue_max = Some(1)), "invalid_policy"),
        (tcp(|r| policy(r).timeouts.first_byte = "5s".parse().ok()), "invalid_policy"),
        (tcp(|r| policy(r).timeouts.idle = "5s".parse().ok()), "granted"),
        (tcp(|r| policy(r).outliers.slow_factor = Some(3)), "invalid_policy"),
        (tcp(|r| policy(r).outliers.failures = Some(3)), "granted"),
        (tcp(|r| policy(r).balance = "hash:path".parse().ok()), "invalid_policy"),
        (tcp(|r| policy(r).upstream.tls = "insecure".parse().ok()), "invalid_policy"),
        (
            tcp(|r| r.upstreams = asked("db", "unix:/run/postgresql/.s.PGSQL.5432").upstreams),
            "invalid_upstream",
        ),
        (
            with("web", |r| policy(r).upstream.server_name = "a.example".parse().ok()),
            "invalid_policy",
        ),
        (
            with("web", |r| {
                r.protocol = Protocol::Https;
                policy(r).upstream.tls = "insecure".parse().ok();
            }),
            "granted",
        ),
        (tcp(|r| policy(r).allow = vec!["10.0.0.0/8".parse().expect("valid")]), "granted"),
    ]);
    let own = Settings { own_ports: vec![(5432, "dns.listen")], ..settings() };
    let refused = build(&tcp(|_| {}), &own, Timestamp::from_seconds(0)).expect_err("ours");
    assert_eq!(refused.code, "port_reserved");
    assert!(refused.message.contains("5432") && refused.message.contains("dns.listen"));
}

#[test]
fn a_port_is_shared_only_by_services_that_tls_tells_apart() {
    #[derive(Clone, Copy)]
    enum Kind {
        Plain,
        Ended,
        Passed,
        PassedBehindProxy,
    }
    use Kind::{Ended, Passed, PassedBehindProxy, Plain};
    let listening = |name: &str, kind: Kind| {
        with(name, |r| {
            r.protocol = Protocol::Tcp;
            r.tls = if matches!(kind, Ended) { TlsMode::Issued } else { TlsMode::Off };
            policy(r).listen = Some(5432);
            policy(r).tls_passthrough = Some(matches!(kind, Passed | PassedBehindProxy));
            policy(r).accept_proxy_header = Some(matches!(kind, PassedBehindProxy));
        })
    };
    for (first, second, expected) in [
        (Plain, Plain, "port_taken"),
        (Plain, Ended, "port_taken"),
        (Passed, Plain, "port_taken"),
        (Ended, Ended, "granted"),
        (Ended, Passed, "granted"),
        (Passed, Passed, "granted"),
        (Passed, PassedBehindProxy, "port_taken"),
    ] {
        let there = catalog(vec![listening("a", first)]);
        let one = judge(&there, vec![listening("b", second)], REPLACE);
        if let Err(refused) = &one {
            assert!(refused.message.contains("port 5432 belongs to a"), "{refused}");
            assert_eq!(refused.service, Some(name("b")));
        }
        assert_eq!(code(one), expected);
        let both = vec![listening("a", first), listening("b", second)];
        assert_eq!(code(judge(&Catalog::default(), both, REPLACE)), expected);
    }
    // A service may replace itself, and a bulk may move a port.
    let there = catalog(vec![listening("a", Plain)]);
    assert_eq!(code(judge(&there, vec![listening("a", Ended)], REPLACE)), "granted");
    let moved = vec![listening("b", Plain), with("a", |r| r.protocol = Protocol::Tcp)];
    assert_eq!(code(judge(&there, moved, REPLACE)), "granted");
}
