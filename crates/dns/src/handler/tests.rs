//! The handler, given bytes.

mod bounds;
mod strangers;

use hickory_proto::op::{Edns, OpCode, Query, ResponseCode};
use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::opt::EdnsOption;

use hickory_proto::rr::RecordType;

use super::*;
use crate::forward::Forwarder;
use crate::forward::settings::ForwardSettings;
use crate::fuzzing::{dns_handler, dns_message, sample_zone};
use crate::interfaces::Interfaces;

fn query(name: &str, rtype: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.id = 4711;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("valid"), rtype));
    message
}

fn asker(transport: Transport, peer: &str) -> Asker {
    Asker { peer: peer.parse().expect("valid"), local: Local::of([10, 0, 0, 1].into()), transport }
}

fn reply_to(request: &[u8], asker: &Asker) -> (Message, usize) {
    let policy = Policy::default();
    match respond(request, asker, sample_zone(), &policy) {
        Reply::Send(encoded) => {
            let message = Message::from_vec(&encoded.bytes).expect("parses");
            (message, encoded.bytes.len())
        }
        other => panic!("{other:?}"),
    }
}

fn ask(message: &Message) -> Message {
    let asker = asker(Transport::Udp, "10.0.0.9:4000");
    reply_to(&message.to_vec().expect("encodes"), &asker).0
}

#[test]
fn answers_are_authoritative_and_repeat_the_question() {
    let reply = ask(&query("GraFana.InterNAL.", RecordType::A));
    assert_eq!(reply.metadata.id, 4711);
    assert!(reply.metadata.authoritative && reply.metadata.recursion_desired);
    assert!(!reply.metadata.recursion_available && !reply.metadata.truncation);
    assert_eq!(reply.queries[0].name().to_ascii(), "GraFana.InterNAL.");
    assert_eq!(reply.answers[0].name.to_ascii(), "GraFana.InterNAL.");
    assert_eq!((reply.answers.len(), reply.answers[0].ttl), (1, 30));
    assert!(reply.edns.is_none(), "no OPT that was not asked for");
}

#[test]
fn negative_answers_carry_the_soa_with_a_short_life() {
    for (name, code) in
        [("nope.internal.", ResponseCode::NXDomain), ("c.internal.", ResponseCode::NoError)]
    {
        let reply = ask(&query(name, RecordType::A));
        assert_eq!(reply.metadata.response_code, code);
        assert!(reply.metadata.authoritative && reply.answers.is_empty());
        let soa = &reply.authorities[0];
        assert_eq!(soa.record_type(), RecordType::SOA);
        assert!(soa.ttl <= 5);
    }
}

#[test]
fn others_names_are_for_allowed_clients_only() {
    let request = query("example.com.", RecordType::A).to_vec().expect("encodes");
    for (peer, code) in
        [("10.0.0.9:4000", ResponseCode::NXDomain), ("203.0.113.9:4000", ResponseCode::Refused)]
    {
        let (reply, _) = reply_to(&request, &asker(Transport::Udp, peer));
        assert_eq!(reply.metadata.response_code, code);
        assert!(!reply.metadata.authoritative);
    }
    let ours = query("grafana.internal.", RecordType::A).to_vec().expect("encodes");
    let (reply, _) = reply_to(&ours, &asker(Transport::Udp, "203.0.113.9:4000"));
    assert_eq!(reply.answers.len(), 1, "ours are answered to everybody");
}

/// RFC 6761 §6.3: also where nobody else is asked.
#[test]
fn localhost_is_whoever_asks() {
    for (name, rtype, answer) in [
        ("localhost.", RecordType::A, Some("127.0.0.1")),
        ("x.LocalHost.", RecordType::AAAA, Some("::1")),
        ("localhost.", RecordType::MX, None),
    ] {
        let request = query(name, rtype).to_vec().expect("encodes");
        let (reply, _) = reply_to(&request, &asker(Transport::Udp, "10.0.0.9:4000"));
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{name}");
        let said = reply.answers.first().map(|record| record.data.to_string());
        assert_eq!(said.as_deref(), answer, "{name}");
        let (reply, _) = reply_to(&request, &asker(Transport::Udp, "203.0.113.9:4000"));
        assert_eq!(reply.metadata.response_code, ResponseCode::Refused, "{name}");
    }
}

#[tokio::test]
async fn only_others_names_are_forwarded() {
    let settings = ForwardSettings {
        forwarders: vec!["192.0.2.1:53".parse().expect("valid")],
        ..ForwardSettings::default()
    };
    let forwarder = Forwarder::new(settings, &[], &Interfaces::default(), None);
    let policy = Policy { forwarder: Some(forwarder.expect("builds")), ..Policy::default() };
    let ask = |message: &Message, peer: &str| {
        let request = message.to_vec().expect("encodes");
        respond(&request, &asker(Transport::Udp, peer), sample_zone(), &policy)
    };
    let inside = "10.0.0.9:4000";
    let theirs = query("example.com.", RecordType::A);
    let Reply::Forward(pending) = ask(&theirs, inside) else {
        panic!("not forwarded");
    };
    let reply = Message::from_vec(&pending.plain(Outcome::Failed).bytes).expect("parses");
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    assert!(reply.metadata.recursion_available && !reply.metadata.authoritative);
    let mut without_rd = theirs.clone();
    without_rd.metadata.recursion_desired = false;
    for (message, peer) in [
        (&query("nope.internal.", RecordType::A), inside),
        (&theirs, "203.0.113.9:4000"),
        (&without_rd, inside),
    ] {
        assert!(matches!(ask(message, peer), Reply::Send(_)), "{message} {peer}");
    }
}

#[test]
fn what_is_no_query_is_refused_by_kind() {
    let good = query("grafana.internal.", RecordType::A);
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.to_vec().expect("encodes");
        change(&mut bytes);
        bytes
    };
    let mut chaos = good.clone();
    chaos.queries[0].set_query_class(DNSClass::CH);
    let mut any = good.clone();
    any.queries[0].set_query_class(DNSClass::ANY);
    for (request, code) in [
        (changed(&|b| b[2] = (5 << 3) | 1), ResponseCode::NotImp),
        (changed(&|b| b[2] = 15 << 3), ResponseCode::NotImp),
        (changed(&|b| b[5] = 0), ResponseCode::FormErr),
        (changed(&|b| b[5] = 2), ResponseCode::FormErr),
        (changed(&|b| b[4] = 0xff), ResponseCode::FormErr),
        (changed(&|b| b[11] = 9), ResponseCode::FormErr),
        (changed(&|b| b.truncate(20)), ResponseCode::FormErr),
        (changed(&|b| b.truncate(12)), ResponseCode::FormErr),
        (chaos.to_vec().expect("encodes"), ResponseCode::Refused),
        (any.to_vec().expect("encodes"), ResponseCode::Refused),
        (query("internal.", RecordType::AXFR).to_vec().expect("encodes"), ResponseCode::Refused),
    ] {
        let (reply, _) = reply_to(&request, &asker(Transport::Udp, "10.0.0.9:4000"));
        assert_eq!(reply.metadata.response_code, code, "{request:x?}");
        assert_eq!(reply.metadata.id, 4711);
        assert_eq!(reply.metadata.op_code, OpCode::from_u8((request[2] >> 3) & 15));
    }
}

#[test]
fn what_must_not_be_answered_is_not() {
    let good = query("grafana.internal.", RecordType::A).to_vec().expect("encodes");
    let mut response = good.clone();
    response[2] |= 0x80;
    let usual = asker(Transport::Udp, "10.0.0.9:4000");
    let from_port_0 = asker(Transport::Udp, "10.0.0.9:0");
    for (request, asker, reason) in [
        (&good[..0], &usual, Drop::Short),
        (&good[..11], &usual, Drop::Short),
        (&response, &usual, Drop::Response),
        (&good, &from_port_0, Drop::Source),
    ] {
        let reply = respond(request, asker, sample_zone(), &Policy::default());
        assert!(matches!(reply, Reply::Silence(r) if r == reason), "{reply:?}");
    }
}

#[test]
fn edns_is_answered_in_kind() {
    let with = |version: u8, payload: u16| {
        let mut message = query("grafana.internal.", RecordType::A);
        let mut edns = Edns::new();
        edns.set_version(version);
        edns.set_max_payload(payload);
        edns.set_dnssec_ok(true);
        message.set_edns(edns);
        ask(&message)
    };
    let reply = with(0, 4096);
    let edns = reply.edns.expect("an OPT for an OPT");
    assert_eq!((edns.version(), edns.max_payload()), (0, 1232));
    assert!(edns.flags().dnssec_ok);
    let bad = with(1, 4096);
    // The code of BADVERS, which TSIG calls BADSIG.
    assert_eq!(u16::from(bad.metadata.response_code), 16);
    assert_eq!(bad.edns.expect("an OPT").version(), 0);
    assert!(bad.answers.is_empty());
}

#[test]
fn what_does_not_fit_is_truncated() {
    let mut message = query("many.internal.", RecordType::A);
    let udp = asker(Transport::Udp, "10.0.0.9:4000");
    let tcp = asker(Transport::Tcp, "10.0.0.9:4000");
    let ask = |message: &Message, asker| reply_to(&message.to_vec().expect("encodes"), asker);
    let (reply, length) = ask(&message, &udp);
    assert!(reply.metadata.truncation && length <= 512);
    assert_eq!((reply.queries.len(), reply.answers.len()), (1, 0));
    let (reply, _) = ask(&message, &tcp);
    assert!(!reply.metadata.truncation);
    assert_eq!(reply.answers.len(), 64);
    for (payload, fits) in [(0, false), (512, false), (1100, true), (65_535, true)] {
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
        let (reply, length) = ask(&message, &udp);
        assert_eq!(!reply.metadata.truncation, fits, "{payload}");
        assert!(length <= usize::from(payload).clamp(512, 1232));
    }
}

#[test]
fn fuzz_bodies_hold_for_broken_queries() {
    let mut seeds = vec![Vec::new(), vec![0; 12], vec![0xff; 600]];
    for (name, rtype) in [
        ("grafana.internal.", RecordType::A),
        ("many.internal.", RecordType::ANY),
        ("52.1.0.10.in-addr.arpa.", RecordType::PTR),
        ("example.com.", RecordType::HTTPS),
    ] {
        let mut message = query(name, rtype);
        message.set_edns(Edns::new());
        seeds.push(message.to_vec().expect("encodes"));
    }
    for seed in seeds {
        for choice in [0, 1, 2, 3, 6, 8, 9, 12] {
            for at in 0..=seed.len() {
                for value in [0, 1, 0x3f, 0x80, 0xc0, 0xff] {
                    let mut data = vec![choice];
                    data.extend_from_slice(&seed);
                    if let Some(byte) = data.get_mut(at + 1) {
                        *byte = value;
                    } else {
                        data.push(value);
                    }
                    dns_handler(&data);
                    dns_message(&data[1..]);
                }
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn fuzz_bodies_hold_for_anything(data in proptest::collection::vec(proptest::num::u8::ANY, 0..96)) {
        dns_handler(&data);
        dns_message(&data);
        // With a header that gets past the door.
        let mut framed = vec![data.first().copied().unwrap_or(0), 1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        framed.extend_from_slice(&data);
        dns_handler(&framed);
        dns_message(&framed[1..]);
    }
}
