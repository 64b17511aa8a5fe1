//! Views, asked through the handler.

use std::sync::Arc;

use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::domains::Domains;
use conduit_core::service::DnsMode;
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, Record, RecordType};

use super::*;
use crate::access::Policy;
use crate::fuzzing::{host, service, version};
use crate::handler::{Asker, Transport, respond};
use crate::interfaces::Local;
use crate::reply::Reply;
use crate::zone::{Zone, ZoneSettings};

fn view(clients: &[&str], addresses: &[&str]) -> View {
    View {
        clients: clients.iter().map(|net| net.parse().expect("a network")).collect(),
        addresses: addresses.iter().map(|ip| ip.parse().expect("an address")).collect(),
    }
}

fn zone(addresses: &[&str], views: Vec<View>) -> Zone {
    let settings = ZoneSettings {
        addresses: addresses.iter().map(|ip| ip.parse().expect("an address")).collect(),
        views,
        https_port: Some(443),
        ..ZoneSettings::new(Domains::new(vec![host("internal")]).expect("one"))
    };
    let services = [
        service("web", &["web.internal"], &["10.0.1.50:80"], DnsMode::Gateway),
        service("db", &["db.internal"], &["10.0.1.52:5432"], DnsMode::Direct),
    ];
    let puts = services.map(|service| Change::Put(Arc::new(service))).to_vec();
    let catalog = Catalog::default().with(Generation(7), puts);
    Zone::compile(&catalog, version(7), &settings)
}

/// What a client gets for a question that arrives at 192.168.1.1, and what comes along.
fn ask(zone: &Zone, client: &str, name: &str, rtype: RecordType) -> String {
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_ascii(name).expect("a name"), rtype));
    let asker = Asker {
        peer: (client.parse::<IpAddr>().expect("an address"), 4_000).into(),
        local: Local::of([192, 168, 1, 1].into()),
        transport: Transport::Udp,
    };
    let bytes = query.to_vec().expect("encodes");
    let reply = match respond(&bytes, &asker, zone, &Policy::default()) {
        Reply::Send(encoded) => Message::from_vec(&encoded.bytes).expect("parses"),
        other => panic!("{other:?}"),
    };
    let shown = |records: &[Record]| {
        let each = records.iter().map(|record| record.data.to_string());
        each.collect::<Vec<_>>().join(" ")
    };
    match &*reply.additionals {
        [] => shown(&reply.answers),
        beside => format!("{} + {}", shown(&reply.answers), shown(beside)),
    }
}

#[test]
fn the_most_specific_network_decides() {
    let views = vec![
        view(&["10.0.0.0/8", "fd00::/8"], &["10.0.0.1", "fd00::1"]),
        view(&["10.8.0.0/24", "10.9.0.7/32"], &["10.8.0.1"]),
    ];
    let zone = zone(&[], views);
    assert!(zone.has_views());
    for (client, v4, v6) in [
        ("10.8.0.200", "10.8.0.1", ""),
        ("10.9.0.7", "10.8.0.1", ""),
        ("10.9.0.8", "10.0.0.1", "fd00::1"),
        ("fd12::9", "10.0.0.1", "fd00::1"),
        ("::ffff:10.8.0.9", "10.8.0.1", ""),
        ("192.168.1.9", "192.168.1.1", ""),
    ] {
        let got = |rtype| ask(&zone, client, "web.internal.", rtype);
        assert_eq!((&*got(RecordType::A), &*got(RecordType::AAAA)), (v4, v6), "{client}");
        assert_eq!(ask(&zone, client, "db.internal.", RecordType::A), "10.0.1.52", "{client}");
    }
    let listed: Vec<String> = zone.views().iter().map(|(net, _)| net.to_string()).collect();
    assert_eq!(listed, ["10.9.0.7/32", "10.8.0.0/24", "10.0.0.0/8", "fd00::/8"]);
}

#[test]
fn hints_and_what_comes_along_are_the_views() {
    let zone = zone(&["192.0.2.1"], vec![view(&["10.8.0.0/24"], &["10.8.0.1", "10.8.0.2"])]);
    let hints = |client| ask(&zone, client, "web.internal.", RecordType::HTTPS);
    let inside = hints("10.8.0.9");
    assert!(inside.contains("ipv4hint=10.8.0.1,10.8.0.2") && !inside.contains("192.0.2.1"));
    assert!(inside.ends_with("+ 10.8.0.1 10.8.0.2"), "{inside}");
    let outside = hints("192.0.2.9");
    assert!(outside.contains("ipv4hint=192.0.2.1") && outside.ends_with("+ 192.0.2.1"));
    let srv = |client| ask(&zone, client, "_https._tcp.web.internal.", RecordType::SRV);
    assert!(srv("10.8.0.9").ends_with("+ 10.8.0.1 10.8.0.2"), "{}", srv("10.8.0.9"));
    let ns = |client| ask(&zone, client, "internal.", RecordType::NS);
    assert_eq!(ns("10.8.0.9"), "conduit.internal.");
}

#[test]
fn every_address_of_a_view_leads_back_to_the_gateway() {
    let views = vec![view(&["10.8.0.0/24"], &["10.8.0.1"])];
    for (addresses, pairs) in [
        (&["192.0.2.1"][..], &[("1.0.8.10", true), ("1.2.0.192", true), ("1.1.168.192", false)]),
        (&[], &[("1.0.8.10", true), ("1.2.0.192", false), ("1.1.168.192", true)]),
    ] {
        let zone = zone(addresses, views.clone());
        for (name, is_ours) in pairs {
            for client in ["10.8.0.9", "192.0.2.9"] {
                let name = format!("{name}.in-addr.arpa.");
                let got = ask(&zone, client, &name, RecordType::PTR);
                assert_eq!(got == "conduit.internal.", *is_ours, "{client} {name} {got}");
            }
        }
    }
}

#[test]
fn without_views_nothing_depends_on_the_client() {
    let zone = zone(&[], Vec::new());
    assert!(!zone.has_views());
    let local = Local::of([192, 168, 1, 1].into());
    assert_eq!(zone.facing([10, 8, 0, 9].into(), local), local);
}
