//! The short way against the handler.

use std::sync::Arc;

use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::domains::Domains;
use conduit_core::service::DnsMode;
use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RecordType};
use proptest::prelude::*;

use super::{Scene, Written, answer};
use crate::access::Policy;
use crate::fuzzing::{check_short_way, host, sample_zone, service, version};
use crate::handler::{Asker, Transport, respond};
use crate::interfaces::Local;
use crate::reply::Outcome;
use crate::views::View;
use crate::zone::{Zone, ZoneSettings};

fn request(name: &str, rtype: RecordType, edns: Option<(u16, bool)>) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = 0x1234;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("valid"), rtype));
    if let Some((payload, dnssec_ok)) = edns {
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        edns.set_dnssec_ok(dnssec_ok);
        message.set_edns(edns);
    }
    message.to_vec().expect("encodes")
}

fn asker() -> Asker {
    let local = Local { v4: Some([10, 0, 0, 1].into()), v6: None, view: None };
    Asker { peer: ([10, 0, 0, 9], 4000).into(), local, transport: Transport::Udp }
}

/// What is said without a decoder, and that it takes no memory to say it.
pub(crate) fn frugal(request: &[u8], scene: &Scene<'_>, room: &mut [u8]) -> Option<Written> {
    let mut written = None;
    let taken = allocation_counter::measure(|| written = answer(request, scene, room));
    assert_eq!(taken.count_total, 0, "memory is taken for {request:?}");
    written
}

/// What is said without a decoder, and that the handler says the same.
fn short(request: &[u8]) -> Option<Outcome> {
    short_in(sample_zone(), request)
}

fn short_in(zone: &Zone, request: &[u8]) -> Option<Outcome> {
    let asker = asker();
    let policy = Policy::default();
    let reply = respond(request, &asker, zone, &policy);
    check_short_way(request, &asker, (zone, &policy), &reply);
    let local = zone.facing(asker.peer.ip(), asker.local);
    let scene = Scene {
        zone,
        local: &local,
        transport: asker.transport,
        recursion_available: false,
        others: None,
    };
    frugal(request, &scene, &mut [0; 1232]).map(|written| written.outcome)
}

#[test]
fn what_nearly_everybody_asks_takes_the_short_way() {
    use RecordType::{A, AAAA, HTTPS, MX, TXT};
    for (name, rtype, outcome) in [
        ("grafana.internal.", A, Outcome::Records),
        ("Grafana.INTERNAL.", A, Outcome::Records),
        ("grafana.internal.", AAAA, Outcome::NoData),
        ("grafana.internal.", TXT, Outcome::NoData),
        ("grafana.internal.", HTTPS, Outcome::Records),
        ("conduit.internal.", AAAA, Outcome::NoData),
        ("conduit.lab.internal.", AAAA, Outcome::NoData),
        ("db.internal.", AAAA, Outcome::Records),
        ("b.c.internal.", A, Outcome::NoData),
        ("internal.", A, Outcome::NoData),
        ("nas.internal.", A, Outcome::Records),
        ("nas.internal.", AAAA, Outcome::Records),
        ("nowhere.internal.", A, Outcome::NxDomain),
        ("conduit.nowhere.internal.", MX, Outcome::NxDomain),
        ("hostmaster.internal.", MX, Outcome::NxDomain),
        ("hostmaster.LAB.internal.", MX, Outcome::NxDomain),
        ("_tcp.grafana.internal.", A, Outcome::NoData),
    ] {
        for edns in [None, Some((1232, false)), Some((4096, true)), Some((0, false))] {
            let request = request(name, rtype, edns);
            assert_eq!(short(&request), Some(outcome), "{name} {rtype} {edns:?}");
        }
    }
}

#[test]
fn what_is_unusual_takes_the_long_way() {
    use RecordType::{A, ANY, AXFR, CNAME, HTTPS, MX, NS, PTR, SOA, SRV, TXT};
    for (name, rtype) in [
        ("example.com.", A),
        (".", NS),
        ("internal.", SOA),
        ("internal.", NS),
        ("grafana.internal.", ANY),
        ("grafana.internal.", AXFR),
        ("grafana.internal.", MX),
        ("nas.internal.", TXT),
        ("alias.internal.", A),
        ("alias.internal.", CNAME),
        ("x.apps.internal.", A),
        ("_8443._https.grafana.internal.", HTTPS),
        ("_https._tcp.grafana.internal.", SRV),
        ("1.0.0.10.in-addr.arpa.", PTR),
        // More than fits.
        ("many.internal.", A),
    ] {
        assert_eq!(short(&request(name, rtype, None)), None, "{name} {rtype}");
    }
    let plain = request("grafana.internal.", A, Some((1232, false)));
    let with = |at: usize, value: u8| {
        let mut other = plain.clone();
        other[at] = value;
        other
    };
    let last = plain.len() - 1;
    for other in [
        with(2, 0x81),
        with(2, 0x09),
        with(2, 0x03),
        with(3, 0x40),
        with(3, 0x01),
        with(5, 2),
        with(7, 1),
        with(11, 2),
        with(last - 2, 1),
        with(last - 4, 1),
        with(12, 0xc0),
        with(plain.len() - 13, 3),
        plain[..last].to_vec(),
        [&plain[..], &[0]].concat(),
        [&plain[..last], &[4, 0, 10, 0, 0]].concat(),
        Vec::new(),
        plain[..12].to_vec(),
    ] {
        assert_eq!(short(&other), None, "{other:?}");
    }
}

#[test]
fn hints_are_the_addresses_that_the_client_gets() {
    let many = (1..=9).map(|n| [10, 0, 0, n].into());
    let inside = View {
        clients: vec!["10.0.0.0/8".parse().expect("a network")],
        addresses: many.chain(["fd00::1".parse().expect("an address")]).collect(),
    };
    for (addresses, views) in
        [(vec![[192, 0, 2, 1].into()], vec![]), (vec![[192, 0, 2, 1].into()], vec![inside])]
    {
        let settings = ZoneSettings {
            addresses,
            views,
            https_port: Some(443),
            ..ZoneSettings::new(Domains::new(vec![host("internal")]).expect("one"))
        };
        let web = service("web", &["web.internal"], &["10.0.1.50:80"], DnsMode::Gateway);
        let catalog = Catalog::default().with(Generation(7), vec![Change::Put(Arc::new(web))]);
        let zone = Zone::compile(&catalog, version(7), &settings);
        for rtype in [RecordType::HTTPS, RecordType::A, RecordType::AAAA] {
            let request = request("web.internal.", rtype, Some((1232, false)));
            assert!(short_in(&zone, &request).is_some(), "{rtype}");
        }
    }
}

proptest! {
    #[test]
    fn both_ways_say_the_same(
        labels in prop::collection::vec(
            prop::sample::select(vec![
                "grafana", "GRAFANA", "a", "b", "c", "db", "many", "nas", "alias", "apps", "conduit", "hostmaster",
                "lab", "Lab", "_tcp", "_https", "_8443", "*", "x",
            ]),
            0..5,
        ),
        domain in prop::sample::select(vec!["internal", "local", "Internal", "lab.internal", "com"]),
        rtype in prop::sample::select(vec![1_u16, 2, 5, 6, 12, 15, 16, 28, 33, 41, 64, 65, 252, 255, 999]),
        edns in prop::option::of((any::<u16>(), any::<bool>())),
        flips in prop::collection::vec((0_usize..80, any::<u8>()), 0..2),
    ) {
        let name: String = labels.iter().map(|label| format!("{label}.")).collect();
        let mut request = request(&format!("{name}{domain}."), rtype.into(), edns);
        for (at, value) in flips {
            if let Some(byte) = request.get_mut(at) {
                *byte ^= value;
            }
        }
        short(&request);
    }
}
