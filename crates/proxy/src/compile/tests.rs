//! What a table holds, and what it carries over from the one before.

use conduit_core::catalog::Generation;
use conduit_core::health::UpstreamState;
use conduit_core::name::Host;
use conduit_core::service::{DnsMode, ProbePath, ProbeSpec, Protocol, WhenAllEjected};

use super::*;
use crate::fixture::{self, Leaves, catalog, compiler, put, service, tls_service, version};

fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

fn two_hosts(service: Service) -> Service {
    let alias = Host::parse("alias.test").unwrap();
    let hosts = vec![service.host().clone(), alias];
    Service { hosts, ..service }
}

#[test]
fn every_host_of_a_service_leads_to_one_route() {
    let table = fixture::table(vec![two_hosts(service("web", &["10.0.0.1:80"]))]);

    let primary = table.get("web.internal").unwrap();
    let alias = table.get("alias.test").unwrap();
    assert!(Arc::ptr_eq(primary, alias));
    assert_eq!(primary.host.as_str(), "web.internal");
    assert_eq!(table.len(), 2);
    assert_eq!(table.pools().count(), 1);
    assert!(table.get("other.internal").is_none());
    assert_eq!(table.version(), version(1));
}

#[test]
fn what_the_proxy_does_not_serve_is_watched_all_the_same() {
    let direct = Service { dns: DnsMode::Direct, ..service("direct", &["10.0.0.1:80"]) };
    let stream = Service { protocol: Protocol::Tcp, ..service("stream", &["10.0.0.2:5432"]) };
    let table = fixture::table(vec![direct, stream]);

    assert!(table.is_empty());
    assert!(table.pool(&name("direct")).is_some());
    assert!(table.pool(&name("stream")).is_some());
    assert!(table.route(&name("direct")).is_none());
}

#[test]
fn leaves_are_served_where_tls_is_issued_and_switched_on() {
    let services =
        vec![tls_service("secret", &["10.0.0.1:80"]), service("clear", &["10.0.0.2:80"])];
    let leaves = Leaves::of(&services);
    let catalog = catalog(services);
    for (tls, expected) in [(true, true), (false, false)] {
        let settings = CompilerSettings { tls, proxy: true };
        let compiler = Compiler::new(settings, crate::upstream::reports().0);
        let table = compiler.compile(&catalog, &leaves, version(1), None).unwrap();
        let served = |host| table.get(host).unwrap().leaves.is_some();
        assert_eq!(served("secret.internal"), expected);
        assert!(!served("clear.internal"));
    }
}

#[test]
fn without_the_proxy_nothing_is_routed() {
    let settings = CompilerSettings { tls: true, proxy: false };
    let table = Compiler::new(settings, crate::upstream::reports().0)
        .compile(
            &catalog(vec![tls_service("web", &["10.0.0.1:80"])]),
            &Leaves::default(),
            version(1),
            None,
        )
        .unwrap();
    assert!(table.is_empty());
    assert_eq!(table.pools().count(), 1);
}

#[test]
fn a_missing_leaf_refuses_the_table() {
    let result = compiler().compile(
        &catalog(vec![tls_service("web", &["10.0.0.1:80"])]),
        &Leaves::default(),
        version(1),
        None,
    );
    let Err(ProxyError::MissingLeaves { service }) = result else {
        panic!("{result:?}");
    };
    assert_eq!(service, name("web"));
}

#[test]
fn a_change_carries_everything_else_over_by_pointer() {
    let old = fixture::table(vec![service("a", &["10.0.0.1:80"]), service("b", &["10.0.0.2:80"])]);
    let new = compiler()
        .with_changes(
            &old,
            &[put(service("c", &["10.0.0.3:80"])), Change::Drop(name("b"))],
            &[],
            &Leaves::default(),
            version(2),
        )
        .unwrap();

    let (before, after) = (old.get("a.internal"), new.get("a.internal"));
    assert!(Arc::ptr_eq(before.unwrap(), after.unwrap()));
    assert!(new.get("b.internal").is_none());
    assert!(new.pool(&name("b")).is_none());
    assert!(new.get("c.internal").is_some());
    assert_eq!(new.version().generation, Generation(2));
    assert!(old.get("b.internal").is_some(), "the old table is untouched");
}

/// Replaces `web` and says whether its first upstream is the same one as before.
fn keeps_upstream(next: Service) -> bool {
    let old = fixture::table(vec![service("web", &["10.0.0.1:80", "10.0.0.2:80"])]);
    let upstream = Arc::clone(&old.pool(&name("web")).unwrap().upstreams()[0]);
    upstream.set_state(UpstreamState::Ejected);
    let busy = upstream.begin();
    let leaves = Leaves::of(std::slice::from_ref(&next));
    let new = compiler().with_changes(&old, &[put(next)], &[], &leaves, version(2)).unwrap();
    let pool = new.pool(&name("web")).unwrap();
    let kept = pool.upstreams().iter().find(|u| Arc::ptr_eq(u, &upstream));
    if let Some(kept) = kept {
        assert_eq!(kept.state(), UpstreamState::Ejected);
        assert_eq!(kept.in_flight(), 1);
        assert!((0..20).all(|_| !pool.pick(None).is_some_and(|u| Arc::ptr_eq(&u, kept))));
    }
    drop(busy);
    kept.is_some()
}

#[test]
fn an_upstream_is_kept_by_service_address_and_probe() {
    let plain = || service("web", &["10.0.0.1:80", "10.0.0.2:80"]);
    let probed = Service { probe: ProbeSpec::Path(ProbePath::parse("/up").unwrap()), ..plain() };
    let cases = [
        ("nothing changed", plain(), true),
        ("an alias more", two_hosts(plain()), true),
        ("served with TLS", tls_service("web", &["10.0.0.1:80"]), true),
        ("another order", service("web", &["10.0.0.2:80", "10.0.0.1:80"]), true),
        ("another port", service("web", &["10.0.0.1:81"]), false),
        ("another probe", probed, false),
    ];
    for (what, next, kept) in cases {
        assert_eq!(keeps_upstream(next), kept, "{what}");
    }
}

#[test]
fn deregistering_forgets_the_upstreams() {
    let old = fixture::table(vec![service("web", &["10.0.0.1:80"])]);
    old.pool(&name("web")).unwrap().upstreams()[0].set_state(UpstreamState::Ejected);
    let step = |table: &RouteTable, change| {
        let leaves = Leaves::default();
        compiler().with_changes(table, &[change], &[], &leaves, version(2)).unwrap()
    };
    let gone = step(&old, Change::Drop(name("web")));
    let back = step(&gone, put(service("web", &["10.0.0.1:80"])));
    let pool = back.pool(&name("web")).unwrap();
    assert_eq!(pool.upstreams()[0].state(), UpstreamState::Unproven);
}

#[test]
fn a_host_can_move_between_services_in_one_step() {
    let alias = Host::parse("alias.test").unwrap();
    let old = fixture::table(vec![
        two_hosts(service("a", &["10.0.0.1:80"])),
        service("b", &["10.0.0.2:80"]),
    ]);
    let changes =
        [put(two_hosts(service("b", &["10.0.0.2:80"]))), put(service("a", &["10.0.0.1:80"]))];
    let new = compiler().with_changes(&old, &changes, &[], &Leaves::default(), version(2)).unwrap();
    assert_eq!(new.get(alias.as_str()).unwrap().service, name("b"));
    assert_eq!(new.len(), 3);
}

#[test]
fn a_reissued_leaf_makes_a_new_route_over_the_same_pool() {
    let services = vec![two_hosts(tls_service("web", &["10.0.0.1:80"]))];
    let old = fixture::table(services.clone());
    let renewed = Leaves::of(&services);
    let new = compiler()
        .with_changes(&old, &[], &[name("web"), name("gone")], &renewed, version(2))
        .unwrap();

    let (before, after) = (old.get("web.internal"), new.get("web.internal"));
    let (before, after) = (before.unwrap(), after.unwrap());
    assert!(!Arc::ptr_eq(before, after));
    assert!(Arc::ptr_eq(&before.pool, &after.pool));
    let served = after.leaves.as_ref().unwrap();
    assert!(Arc::ptr_eq(served, &renewed.0[&name("web")]));
    assert!(Arc::ptr_eq(after, new.get("alias.test").unwrap()));
}

#[test]
fn compiling_again_reuses_what_is_the_same() {
    let services = vec![tls_service("a", &["10.0.0.1:80"]), service("b", &["10.0.0.2:80"])];
    let leaves = Leaves::of(&services);
    let compile = |services, previous: Option<&RouteTable>| {
        compiler().compile(&catalog(services), &leaves, version(1), previous).unwrap()
    };
    let old = compile(services.clone(), None);
    let mut changed = services;
    changed[1].when_all_ejected = WhenAllEjected::Try;
    let new = compile(changed, Some(&old));

    let same = |host| Arc::ptr_eq(old.get(host).unwrap(), new.get(host).unwrap());
    assert!(same("a.internal"));
    assert!(!same("b.internal"));
    let (before, after) = (old.pool(&name("b")), new.pool(&name("b")));
    assert!(Arc::ptr_eq(before.unwrap(), after.unwrap()));
}

#[test]
fn services_that_ask_for_nothing_share_what_that_comes_to() {
    let mut asking = service("c", &["10.0.0.3:80"]);
    asking.policy = Arc::new(Policy { access_log: Some(false), ..Policy::default() });
    let plain = [service("a", &["10.0.0.1:80"]), service("b", &["10.0.0.2:80"])];
    let table = fixture::table(vec![plain[0].clone(), plain[1].clone(), asking]);
    let route = |host| table.get(host).expect("a route");
    let (a, b, c) = (route("a.internal"), route("b.internal"), route("c.internal"));
    assert!(Arc::ptr_eq(&a.policy, &b.policy));
    assert!(!Arc::ptr_eq(&a.policy, &c.policy));
    assert!(a.policy.access_log && !c.policy.access_log);
    assert!(std::ptr::eq(a.pool.settings(), c.pool.settings()), "the log is not the pool's");
    let transport = |route: &Arc<Route>| Arc::clone(route.pool.upstreams()[0].transport());
    assert!(Arc::ptr_eq(&transport(a), &transport(c)));
}

#[test]
fn streams_share_a_port_and_nothing_with_requests() {
    let stream = |name: &str, port: u16, passes: bool| Service {
        protocol: Protocol::Tcp,
        policy: Arc::new(Policy {
            listen: Some(port),
            tls_passthrough: Some(passes),
            ..Default::default()
        }),
        ..service(name, &["10.0.0.2:5432"])
    };
    let on_port = |table: &RouteTable, port: u16| {
        let routes = table.port(port).map(|port| port.routes.iter());
        let names = routes.into_iter().flatten().map(|route| route.service.to_string());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names.join(" ")
    };
    let (a, b) = (stream("a", 5432, true), stream("b", 5432, true));
    let first = fixture::table(vec![a.clone(), b, stream("c", 6379, false)]);
    assert!(first.is_empty(), "no request finds them");
    assert!(first.get("a.internal").is_none() && first.stream("a.internal").is_some());
    assert_eq!((on_port(&first, 5432).as_str(), on_port(&first, 6379).as_str()), ("a b", "c"));
    assert!(first.port(5432).is_some_and(|port| port.unnamed.is_none() && port.plain.is_none()));
    assert!(first.port(6379).is_some_and(|port| port.plain.is_some()));

    let step = |from: &RouteTable, change: Change| {
        let none = Leaves::default();
        compiler().with_changes(from, &[change], &[], &none, version(2)).expect("a table")
    };
    let same = step(&first, put(a.clone()));
    assert!(Arc::ptr_eq(same.route(&a.name).unwrap(), first.route(&a.name).unwrap()));
    assert_eq!(on_port(&same, 5432), "a b");
    let moved = step(&first, put(stream("a", 6380, true)));
    assert_eq!((on_port(&moved, 5432).as_str(), on_port(&moved, 6380).as_str()), ("b", "a"));
    assert!(moved.port(5432).is_some_and(|port| port.unnamed.is_some()));
    let gone = step(&moved, Change::Drop(a.name.clone()));
    assert!(gone.port(6380).is_none() && gone.stream("a.internal").is_none());
    assert_eq!(on_port(&first, 5432), "a b", "unchanged");
}
