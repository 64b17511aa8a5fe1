//! The zone, asked without any packet.

use std::net::IpAddr;
use std::sync::Arc;

use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::domains::Domains;
use conduit_core::name::ServiceName;
use conduit_core::service::{DnsMode, Protocol, Service, TlsMode};

use super::*;
use crate::fuzzing::{host, sample_zone, service, version};
use crate::zone::{Target, ZoneSettings};

fn local() -> Local {
    Local {
        v4: Some([10, 0, 0, 1].into()),
        v6: Some("fd00::1".parse().expect("valid")),
        ..Local::default()
    }
}

/// An answer in one line: `A 10.0.0.1`, `nodata internal.`, `nxdomain internal.`, `not ours`.
fn ask(zone: &Zone, name: &str, rtype: RecordType) -> String {
    let name = Name::from_ascii(name).expect("valid");
    let local = local();
    let joined = |all: Vec<String>| all.join(" ");
    match zone.answer(&name, rtype, &local) {
        Answer::Records(RrSet::A(all)) => {
            format!("A {}", joined(all.iter().map(ToString::to_string).collect()))
        }
        Answer::Records(RrSet::Aaaa(all)) => {
            format!("AAAA {}", joined(all.iter().map(ToString::to_string).collect()))
        }
        Answer::Records(RrSet::Soa(authority)) => {
            let soa = authority.soa();
            format!("SOA {} {} {}", soa.mname, soa.rname, soa.serial)
        }
        Answer::Records(RrSet::Ns(name)) => format!("NS {name}"),
        Answer::Records(RrSet::Ptr(name)) => format!("PTR {name}"),
        Answer::Records(RrSet::Https(https)) => {
            format!("HTTPS {}", https.0.to_string().trim_end_matches(','))
        }
        Answer::Records(RrSet::Srv(srv)) => format!("SRV {srv}"),
        Answer::Records(RrSet::Given(_)) | Answer::Aliased(_) => "given".to_owned(),
        Answer::NoData(authority) => format!("nodata {}", authority.owner()),
        Answer::NxDomain(authority) => format!("nxdomain {}", authority.owner()),
        Answer::NotOurs => "not ours".to_owned(),
    }
}

#[test]
fn every_kind_of_name_has_its_answer() {
    use RecordType::{A, AAAA, ANY, HTTPS, MX, NS, PTR, SOA, TXT};
    let v6 = format!("2.5.{}0.0.d.f.ip6.arpa.", "0.".repeat(26));
    for (name, rtype, expected) in [
        ("grafana.internal.", A, "A 10.0.0.1"),
        ("GRAFANA.Internal.", AAAA, "AAAA fd00::1"),
        ("grafana.internal.", ANY, "A 10.0.0.1"),
        ("grafana.internal.", HTTPS, "HTTPS 1 grafana.internal. alpn=h3,h2, port=8443"),
        ("db.internal.", HTTPS, "nodata internal."),
        ("db.internal.", MX, "nodata internal."),
        ("grafana.internal.", SOA, "nodata internal."),
        ("x.grafana.internal.", A, "nxdomain internal."),
        ("db.internal.", A, "A 10.0.1.52"),
        ("db.internal.", AAAA, "AAAA fd00::52"),
        ("nope.internal.", A, "nxdomain internal."),
        ("nope.NOPE.InterNal.", TXT, "nxdomain InterNal."),
        ("nope.lab.internal.", A, "nxdomain lab.internal."),
        ("internal.", A, "nodata internal."),
        ("internal.", NS, "NS conduit.internal."),
        ("internal.", SOA, "SOA conduit.internal. hostmaster.internal. 7"),
        ("internal.", ANY, "SOA conduit.internal. hostmaster.internal. 7"),
        ("lab.internal.", SOA, "SOA conduit.lab.internal. hostmaster.lab.internal. 7"),
        ("conduit.lab.internal.", A, "A 10.0.0.1"),
        ("a.b.c.internal.", A, "A 10.0.0.1"),
        ("b.c.internal.", A, "nodata internal."),
        ("c.internal.", A, "nodata internal."),
        ("d.c.internal.", A, "nxdomain internal."),
        ("notinternal.", A, "not ours"),
        ("example.com.", A, "not ours"),
        (".", NS, "not ours"),
        ("1.0.0.10.in-addr.arpa.", PTR, "PTR conduit.internal."),
        ("52.1.0.10.in-addr.arpa.", PTR, "PTR db.internal."),
        ("52.1.0.10.IN-addr.arpa.", ANY, "PTR db.internal."),
        ("52.1.0.10.in-addr.arpa.", A, "nodata 52.1.0.10.in-addr.arpa."),
        ("52.1.0.10.in-addr.arpa.", SOA, "SOA conduit.internal. hostmaster.internal. 7"),
        ("x.52.1.0.10.in-addr.arpa.", PTR, "nxdomain 52.1.0.10.in-addr.arpa."),
        ("50.1.0.10.in-addr.arpa.", PTR, "not ours"),
        ("1.0.10.in-addr.arpa.", PTR, "not ours"),
        (&v6, PTR, "PTR db.internal."),
    ] {
        assert_eq!(ask(sample_zone(), name, rtype), expected, "{name} {rtype}");
    }
}

#[test]
fn negative_answers_are_never_kept() {
    let name = Name::from_ascii("nope.internal.").expect("valid");
    let local = local();
    let Answer::NxDomain(authority) = sample_zone().answer(&name, RecordType::A, &local) else {
        panic!("nope exists");
    };
    assert_eq!(authority.soa().minimum, 0);
    assert_eq!(NEGATIVE_TTL_S, 0);
}

fn settings() -> ZoneSettings {
    ZoneSettings::new(Domains::new(vec![host("internal"), host("x.y.internal")]).expect("some"))
}

fn compiled(services: &[Service], settings: &ZoneSettings) -> Zone {
    let puts = services.iter().map(put).collect();
    Zone::compile(&Catalog::default().with(Generation(1), puts), version(1), settings)
}

fn put(service: &Service) -> Change {
    Change::Put(Arc::new(service.clone()))
}

#[test]
fn sites_say_how_they_are_served_and_no_others_do() {
    use RecordType::{A, ANY, HTTPS, SRV, TXT};
    let web = service("web", &["web.internal"], &["10.0.1.50:80"], DnsMode::Gateway);
    let web = Service { tls: TlsMode::Issued, ..web };
    let clear = service("clear", &["clear.internal"], &["10.0.1.50:80"], DnsMode::Gateway);
    let clear = Service { tls: TlsMode::Off, ..clear };
    let direct = service("db", &["db.internal"], &["10.0.1.52:80"], DnsMode::Direct);
    let policy = conduit_core::policy::Policy { listen: Some(5432), ..Default::default() };
    let mut pg = service("my_pg", &["pg.internal"], &["10.0.1.50:1"], DnsMode::Gateway);
    (pg.protocol, pg.policy) = (Protocol::Tcp, policy.into());
    let all = [web, clear, direct, pg];
    let at = |port, http3_port, addresses: &[&str]| {
        let addresses = addresses.iter().map(|a| a.parse().expect("valid")).collect();
        compiled(&all, &ZoneSettings { https_port: port, http3_port, addresses, ..settings() })
    };
    let (off, usual) = (at(None, None, &[]), at(Some(443), Some(443), &["10.0.0.1", "fd00::1"]));
    let other = at(Some(8443), None, &[]);
    let hints = "alpn=h3,h2, ipv4hint=10.0.0.1, ipv6hint=fd00::1";
    for (zone, name, rtype, expected) in [
        (&usual, "WEB.internal.", HTTPS, &*format!("HTTPS 1 WEB.internal. {hints}")),
        (&usual, "web.internal.", TXT, "nodata internal."),
        (&usual, "clear.internal.", HTTPS, "nodata internal."),
        (&usual, "db.internal.", HTTPS, "nodata internal."),
        (&usual, "_443._https.web.internal.", HTTPS, "nxdomain internal."),
        (&usual, "_https.web.internal.", HTTPS, "nxdomain internal."),
        (&usual, "internal.", HTTPS, "nodata internal."),
        (&usual, "_https._tcp.Web.internal.", SRV, "SRV 0 0 443 Web.internal."),
        (&usual, "_tcp.web.internal.", SRV, "nodata internal."),
        (&usual, "_http._tcp.web.internal.", SRV, "nxdomain internal."),
        (&usual, "x._https._tcp.web.internal.", SRV, "nxdomain internal."),
        (&usual, "_https._tcp.clear.internal.", SRV, "nxdomain internal."),
        (&usual, "_tcp.clear.internal.", SRV, "nxdomain internal."),
        (&other, "web.internal.", HTTPS, "HTTPS 1 web.internal. alpn=h2, port=8443"),
        (&other, "_8443._HTTPS.Web.internal.", HTTPS, "HTTPS 1 Web.internal. alpn=h2, port=8443"),
        (&other, "_8443._https.web.internal.", A, "nodata internal."),
        (&other, "_8443._https.web.internal.", ANY, "HTTPS 1 web.internal. alpn=h2, port=8443"),
        (&other, "_https.web.internal.", HTTPS, "nodata internal."),
        (&other, "_8443._https.clear.internal.", HTTPS, "nxdomain internal."),
        (&other, "_8443._https.internal.", HTTPS, "nxdomain internal."),
        (&other, "_80._https.web.internal.", HTTPS, "nxdomain internal."),
        (&other, "_https._tcp.web.internal.", SRV, "SRV 0 0 8443 web.internal."),
        (&off, "web.internal.", HTTPS, "nodata internal."),
        (&off, "_8443._https.web.internal.", HTTPS, "nxdomain internal."),
        (&off, "_https._tcp.web.internal.", SRV, "nxdomain internal."),
        (&off, "_my-pg._tcp.pg.internal.", SRV, "SRV 0 0 5432 pg.internal."),
        (&off, "_tcp.pg.internal.", TXT, "nodata internal."),
        (&off, "_pg._tcp.pg.internal.", SRV, "nxdomain internal."),
        (&off, "pg.internal.", HTTPS, "nodata internal."),
    ] {
        assert_eq!(ask(zone, name, rtype), expected, "{name} {rtype}");
    }
}

#[test]
fn configured_addresses_win_over_the_interfaces() {
    let mut settings = settings();
    settings.addresses = vec!["192.168.7.7".parse::<IpAddr>().expect("valid")];
    let web = service("web", &["web.internal"], &["10.0.1.50:80"], DnsMode::Gateway);
    let zone = compiled(&[web], &settings);
    assert_eq!(ask(&zone, "web.internal.", RecordType::A), "A 192.168.7.7");
    assert_eq!(ask(&zone, "web.internal.", RecordType::AAAA), "nodata internal.");
    let gateway = "7.7.168.192.in-addr.arpa.";
    assert_eq!(ask(&zone, gateway, RecordType::PTR), "PTR conduit.internal.");
    let arrival = "1.0.0.10.in-addr.arpa.";
    assert_eq!(ask(&zone, arrival, RecordType::PTR), "not ours");
}

#[test]
fn without_a_proxy_names_answer_directly() {
    let mut settings = settings();
    settings.proxied = false;
    let web = service("web", &["web.internal"], &["10.0.1.50:80"], DnsMode::Gateway);
    let named = service("named", &["named.internal"], &["gpu-box:80"], DnsMode::Gateway);
    let mut conduit = service("c", &["conduit.internal"], &["127.0.0.1:9999"], DnsMode::Gateway);
    conduit.name = ServiceName::conduit();
    let zone = compiled(&[web, named, conduit], &settings);
    assert_eq!(ask(&zone, "web.internal.", RecordType::A), "A 10.0.1.50");
    assert_eq!(ask(&zone, "named.internal.", RecordType::A), "nodata internal.");
    assert_eq!(ask(&zone, "conduit.internal.", RecordType::A), "A 10.0.0.1");
}

#[test]
fn tcp_services_answer_directly_and_each_address_once() {
    let upstreams = ["10.0.1.50:1", "10.0.1.50:2", "10.0.1.51:1", "[::ffff:10.0.1.51]:9"];
    let mut db = service("db", &["db.internal"], &upstreams, DnsMode::Gateway);
    db.protocol = Protocol::Tcp;
    let zone = compiled(&[db], &settings());
    assert_eq!(ask(&zone, "db.internal.", RecordType::A), "A 10.0.1.50 10.0.1.51");
    // With a port of the gateway they lead there.
    let policy = conduit_core::policy::Policy { listen: Some(5432), ..Default::default() };
    let mut through = service("db", &["db.internal"], &["10.0.1.50:1"], DnsMode::Gateway);
    (through.protocol, through.policy) = (Protocol::Tcp, policy.into());
    let settings =
        ZoneSettings { addresses: vec!["10.0.0.1".parse().expect("valid")], ..settings() };
    let zone = compiled(&[through], &settings);
    assert_eq!(ask(&zone, "db.internal.", RecordType::A), "A 10.0.0.1");
}

#[test]
fn empty_names_live_as_long_as_what_is_below_them() {
    let one = service("one", &["one.deep.internal"], &["10.0.0.5:80"], DnsMode::Direct);
    let two = service("two", &["two.deep.internal"], &["10.0.0.5:81"], DnsMode::Direct);
    let both = compiled(&[one.clone(), two.clone()], &settings());
    let a = RecordType::A;
    assert_eq!(ask(&both, "deep.internal.", a), "nodata internal.");
    // A domain below another domain keeps what is between them.
    assert_eq!(ask(&both, "y.internal.", a), "nodata internal.");
    assert_eq!(ask(&both, "x.y.internal.", a), "nodata x.y.internal.");

    let left = both.with(&[Change::Drop(one.name.clone())], version(2));
    assert_eq!(ask(&left, "deep.internal.", a), "nodata internal.");
    assert_eq!(ask(&left, "one.deep.internal.", a), "nxdomain internal.");
    let reverse = "5.0.0.10.in-addr.arpa.";
    assert_eq!(ask(&both, reverse, RecordType::PTR), "PTR one.deep.internal.");
    assert_eq!(ask(&left, reverse, RecordType::PTR), "PTR two.deep.internal.");

    let none = left.with(&[Change::Drop(two.name.clone())], version(3));
    assert_eq!(ask(&none, "deep.internal.", a), "nxdomain internal.");
    assert_eq!(ask(&none, "y.internal.", a), "nodata internal.");
    assert_eq!(ask(&none, reverse, RecordType::PTR), "not ours");
    assert!(none.is_empty() && none.published.is_empty());
    assert_eq!(none.version(), version(3));
    assert_eq!(ask(&both, "deep.internal.", a), "nodata internal.", "unchanged");
}

#[test]
fn a_change_shares_what_stayed_the_same_and_hosts_may_move() {
    let one = service("one", &["one.internal", "s.internal"], &["10.0.0.5:80"], DnsMode::Direct);
    let two = service("two", &["two.internal"], &["10.0.0.6:80"], DnsMode::Direct);
    let idle = service("idle", &["idle.internal"], &["10.0.0.7:80"], DnsMode::Direct);
    let first = compiled(&[one, two, idle.clone()], &settings());
    let next = first.with(
        &[
            put(&service(
                "two",
                &["two.internal", "s.internal"],
                &["10.0.0.6:80"],
                DnsMode::Direct,
            )),
            put(&service("one", &["one.internal"], &["10.0.0.5:80"], DnsMode::Direct)),
        ],
        version(2),
    );
    assert_eq!(ask(&first, "s.internal.", RecordType::A), "A 10.0.0.5");
    assert_eq!(ask(&next, "s.internal.", RecordType::A), "A 10.0.0.6");
    let shared = |zone: &Zone| Arc::clone(zone.published.get(&idle.name).expect("published"));
    assert!(Arc::ptr_eq(&shared(&first), &shared(&next)));
}

#[test]
fn names_outside_the_domains_are_left_out() {
    let stray =
        service("stray", &["stray.old", "stray.internal"], &["10.0.0.5:80"], DnsMode::Gateway);
    let zone = compiled(&[stray], &settings());
    assert_eq!(ask(&zone, "stray.old.", RecordType::A), "not ours");
    assert_eq!(ask(&zone, "stray.internal.", RecordType::A), "A 10.0.0.1");
    assert_eq!(zone.len(), 1);
}

#[test]
fn the_listing_says_whose_addresses_names_have() {
    let listing = sample_zone().listing();
    let find = |name: &str| listing.iter().find(|l| l.host.as_str() == name);
    let db = find("db.internal").expect("listed");
    assert_eq!((db.target, db.addresses.len()), (Target::Direct, 2));
    let grafana = find("grafana.internal").expect("listed");
    assert_eq!((grafana.target, grafana.addresses.len()), (Target::Gateway, 0));
    assert!(listing.is_sorted_by(|a, b| a.host <= b.host));
    assert_eq!(listing.len(), sample_zone().len());
}

proptest::proptest! {
    /// Any sequence of changes leads to the table that compiling its result leads to.
    #[test]
    fn changing_equals_compiling(steps in proptest::collection::vec((0_u8..4, 0_u8..6), 0..24)) {
        let settings = settings();
        let mut catalog = Catalog::default();
        let mut zone = Zone::compile(&catalog, version(0), &settings);
        for (generation, (who, what)) in (1..).zip(steps) {
            let name = format!("s{who}");
            let hosts: &[String] = &match what {
                0 => vec![],
                1 => vec![format!("{name}.internal")],
                2 => vec![format!("{name}.deep.internal"), format!("{name}.internal")],
                3 => vec![format!("{name}.x.y.internal")],
                4 => vec![format!("a.{name}.internal"), format!("{name}.internal")],
                _ => vec![format!("{name}.deep.internal")],
            };
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            let mode = if what % 2 == 0 { DnsMode::Gateway } else { DnsMode::Direct };
            let change = if hosts.is_empty() {
                Change::Drop(ServiceName::parse(&name).expect("valid"))
            } else {
                put(&service(&name, &hosts, &["10.0.0.5:80"], mode))
            };
            catalog = catalog.with(Generation(generation), vec![change.clone()]);
            zone = zone.with(&[change], version(generation));
        }
        let fresh = Zone::compile(&catalog, zone.version(), &settings);
        assert_eq!(zone.nodes.len(), fresh.nodes.len());
        for (key, node) in fresh.nodes.iter() {
            let same = zone.nodes.get(key.as_slice()).expect("the same name");
            let below = |zone: &Zone| zone.nodes.below(key.as_slice());
            assert_eq!((same.rrsets, below(&zone)), (node.rrsets, below(&fresh)), "{key:?}");
        }
        assert_eq!(zone.listing(), fresh.listing());
        assert_eq!(zone.pointers.addresses().count(), fresh.pointers.addresses().count());
    }
}
