//! What clients find, and that nothing of it is asked elsewhere.

use std::net::IpAddr;
use std::sync::Arc;

use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::domains::Domains;
use conduit_core::service::DnsMode;
use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;

use super::*;
use crate::access::Policy;
use crate::forward::Forwarder;
use crate::forward::settings::ForwardSettings;
use crate::fuzzing::{host, service, version};
use crate::handler::{Asker, Transport, respond};
use crate::interfaces::Interfaces;
use crate::options::{KEEPALIVE, find, opt_of};
use crate::reply::Reply;

fn zone(https: Option<u16>, http3: Option<u16>, tls: Option<u16>) -> Zone {
    let domains = Domains::new(vec![host("internal"), host("lab.internal")]).expect("some");
    let settings = ZoneSettings {
        https_port: https,
        http3_port: http3,
        tls_port: tls,
        addresses: vec!["10.0.0.1".parse().expect("valid"), "fd00::1".parse().expect("valid")],
        ..ZoneSettings::new(domains)
    };
    let ours = service("x", &["dns.internal"], &["127.0.0.1:9999"], DnsMode::Gateway);
    let changes = vec![Change::Put(Arc::new(ours))];
    Zone::compile(&Catalog::default().with(Generation(1), changes), version(1), &settings)
}

fn asker(peer: IpAddr, transport: Transport) -> Asker {
    Asker { peer: (peer, 4000).into(), local: Local::of([10, 0, 0, 1].into()), transport }
}

fn ask(zone: &Zone, peer: [u8; 4], name: &str, rtype: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("valid"), rtype));
    let settings = ForwardSettings {
        forwarders: vec!["192.0.2.1".parse().expect("valid")],
        ..ForwardSettings::default()
    };
    let forwarder = Forwarder::new(settings, &[], &Interfaces::default(), None).expect("set up");
    let policy = Policy { forwarder: Some(forwarder), ..Policy::default() };
    let bytes = message.to_vec().expect("encodes");
    match respond(&bytes, &asker(peer.into(), Transport::Udp), zone, &policy) {
        Reply::Send(encoded) => Message::from_vec(&encoded.bytes).expect("parses"),
        other => panic!("{name}: {other:?}"),
    }
}

fn told(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| record.data.to_string()).collect()
}

#[test]
fn rfc9462_section_4_what_is_on_is_told() {
    let hints = "ipv4hint=10.0.0.1 ipv6hint=fd00::1";
    for (https, http3, tls, expected) in [
        (None, None, None, vec![]),
        (None, None, Some(853), vec![format!("1 dns.internal. alpn=dot {hints}")]),
        (
            Some(443),
            None,
            None,
            vec![format!("1 dns.internal. alpn=h2 {hints} unknown7=/dns-query{{?dns}}")],
        ),
        (
            Some(8443),
            Some(8443),
            Some(8853),
            vec![
                format!("1 dns.internal. alpn=h2,h3 port=8443 {hints} unknown7=/dns-query{{?dns}}"),
                format!("2 dns.internal. alpn=dot port=8853 {hints}"),
            ],
        ),
    ] {
        let zone = zone(https, http3, tls);
        let message = ask(&zone, [10, 0, 0, 9], "_DNS.resolver.arpa.", RecordType::SVCB);
        assert_eq!(message.metadata.response_code, ResponseCode::NoError);
        let plain: Vec<String> = told(&message)
            .into_iter()
            .map(|text| text.replace('"', "").replace(',', " "))
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let expected: Vec<String> = expected.iter().map(|text| text.replace(',', " ")).collect();
        assert_eq!(plain, expected);
        assert_eq!(message.authorities.len(), usize::from(expected.is_empty()), "an SOA");
    }
}

#[test]
fn rfc9462_section_6_4_the_zone_is_served_here() {
    let zone = zone(Some(443), None, Some(853));
    for (name, rtype) in [
        ("_dns.resolver.arpa.", RecordType::A),
        ("resolver.arpa.", RecordType::SVCB),
        ("resolver.arpa.", RecordType::NS),
        ("x._dns.resolver.arpa.", RecordType::SVCB),
        ("anything.resolver.arpa.", RecordType::TXT),
    ] {
        let message = ask(&zone, [10, 0, 0, 9], name, rtype);
        assert_eq!(message.metadata.response_code, ResponseCode::NoError, "{name}");
        assert!(message.answers.is_empty() && message.metadata.authoritative, "{name}");
        let soa = &message.authorities[0];
        assert_eq!(
            (soa.name.to_ascii().as_str(), soa.record_type()),
            ("resolver.arpa.", RecordType::SOA)
        );
    }
    let stranger = ask(&zone, [203, 0, 113, 9], "_dns.resolver.arpa.", RecordType::SVCB);
    assert_eq!(stranger.metadata.response_code, ResponseCode::Refused);
}

#[test]
fn what_nobody_could_verify_is_not_told() {
    let domains = Domains::new(vec![host("internal")]).expect("some");
    let settings = ZoneSettings { tls_port: Some(853), ..ZoneSettings::new(domains) };
    let zone = Zone::compile(&Catalog::default(), version(1), &settings);
    let message = ask(&zone, [10, 0, 0, 9], "_dns.resolver.arpa.", RecordType::SVCB);
    assert!(message.answers.is_empty(), "nobody has the name dns.internal");
}

#[test]
fn rfc7828_section_3_3_2_who_asks_is_told_how_long_a_connection_is_kept() {
    let zone = zone(None, None, None);
    for (transport, given, expected) in [
        (Transport::Tcp, Some(vec![]), Some(100)),
        (Transport::Tls, Some(vec![]), Some(300)),
        (Transport::Tcp, None, None),
        (Transport::Udp, Some(vec![]), None),
        (Transport::Https, Some(vec![]), None),
        // A client says nothing about the time (RFC 7828 §3.2.1).
        (Transport::Tcp, Some(vec![0, 7]), None),
    ] {
        let mut message = Message::query();
        let name = Name::from_ascii("dns.internal.").expect("valid");
        message.add_query(Query::query(name, RecordType::A));
        let mut edns = Edns::new();
        if let Some(data) = given {
            edns.options_mut().insert(EdnsOption::Unknown(11, data));
        }
        message.set_edns(edns);
        let bytes = message.to_vec().expect("encodes");
        let asker = asker([10, 0, 0, 9].into(), transport);
        let Reply::Send(encoded) = respond(&bytes, &asker, &zone, &Policy::default()) else {
            panic!("no reply");
        };
        let opt = opt_of(&encoded.bytes).expect("there");
        let found = find(opt.data, KEEPALIVE).expect("well formed");
        let found = found.map(|data| data.iter().fold(0, |sum, b| sum << 8 | u32::from(*b)));
        assert_eq!(found, expected, "{transport:?}");
    }
}
