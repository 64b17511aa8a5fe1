//! What tests of forwarding share, and the forwarder as a whole without a network.

mod encrypted;
mod fake;
mod live;
mod secure;
mod tails;
mod told;
mod validating;

use std::net::SocketAddr;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::Name;

use super::question::Question;
use super::settings::Conditional;
use super::*;
use crate::handler::{Asker, Transport, respond};
use crate::interfaces::Local;
use crate::reply::Reply;

/// A client's question about somebody else's name, with EDNS, over UDP.
pub(crate) fn asked(name: &str, rtype: &str) -> Pending {
    let mut message = Message::query();
    message.metadata.id = 4711;
    message.metadata.recursion_desired = true;
    let name = Name::from_ascii(name).expect("valid");
    message.add_query(Query::query(name, rtype.parse().expect("a type")));
    message.set_edns(hickory_proto::op::Edns::new());
    pending(&message.to_vec().expect("encodes"), Transport::Udp)
}

/// What the handler makes of a request, when it is to be forwarded.
pub(crate) fn pending(request: &[u8], transport: Transport) -> Pending {
    let asker = Asker {
        peer: "10.0.0.9:4000".parse().expect("valid"),
        local: Local::of([10, 0, 0, 1].into()),
        transport,
    };
    let settings = ForwardSettings {
        forwarders: vec!["192.0.2.1:53".parse().expect("valid")],
        ..ForwardSettings::default()
    };
    let forwarder = Forwarder::new(settings, &[], &Interfaces::default(), None).expect("set up");
    let policy =
        crate::access::Policy { forwarder: Some(forwarder), ..crate::access::Policy::default() };
    match respond(request, &asker, crate::fuzzing::sample_zone(), &policy) {
        Reply::Forward(pending) => pending,
        other => panic!("not to be forwarded: {other:?}"),
    }
}

pub(crate) fn query_of(pending: &Pending) -> Query {
    pending.question.clone()
}

pub(crate) fn question(name: &str, rtype: &str) -> Question {
    Question::of(&asked(name, rtype))
}

/// A name as a key.
pub(crate) fn folded(name: &str) -> Vec<u8> {
    AskedKey::of(&Name::from_ascii(name).expect("valid")).as_slice().to_vec()
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("valid")
}

fn only(forwarder: &str) -> ForwardSettings {
    ForwardSettings { forwarders: vec![at(forwarder).into()], ..ForwardSettings::default() }
}

#[test]
fn a_forwarder_is_never_this_gateway() {
    let interfaces = Interfaces::new([("eth0".to_owned(), IpAddr::from([10, 0, 1, 1]))]);
    for (forwarder, listening, loops) in [
        ("10.0.1.1:53", "10.0.1.1:53", true),
        ("10.0.1.1:53", "0.0.0.0:53", true),
        ("127.0.0.1:53", "0.0.0.0:53", true),
        ("[::ffff:10.0.1.1]:53", "0.0.0.0:53", true),
        ("10.0.1.1:5300", "0.0.0.0:53", false),
        ("10.0.1.2:53", "0.0.0.0:53", false),
        ("127.0.0.53:53", "127.0.0.1:53", false),
        ("[::1]:53", "0.0.0.0:53", false),
        ("[::1]:53", "[::]:53", true),
    ] {
        let conditional = ForwardSettings {
            conditional: vec![Conditional {
                domains: vec!["corp.example".parse().expect("valid")],
                to: vec![at(forwarder).into()],
                is_validated: true,
            }],
            ..ForwardSettings::default()
        };
        for settings in [only(forwarder), conditional] {
            let result = Forwarder::new(settings, &[at(listening)], &interfaces, None);
            let found = matches!(result, Err(DnsError::ForwarderLoop { .. }));
            assert_eq!(found, loops, "{forwarder} from {listening}");
        }
    }
    let nobody = Forwarder::new(ForwardSettings::default(), &[], &interfaces, None);
    assert!(matches!(nobody, Err(DnsError::ForwarderCount { .. })));
    let many = vec![at("10.0.1.2:53").into(); FORWARDERS_MAX + 1];
    let many = ForwardSettings { forwarders: many, ..ForwardSettings::default() };
    assert!(Forwarder::new(many, &[], &interfaces, None).is_err());
}

#[test]
fn a_reload_keeps_what_it_can() {
    let interfaces = Interfaces::default();
    let make = |settings, before: Option<&Forwarder>| {
        Forwarder::new(settings, &[], &interfaces, before).expect("set up")
    };
    let first = make(only("192.0.2.1:53"), None);
    let same = make(only("192.0.2.1:53"), Some(&first));
    assert!(Arc::ptr_eq(&first.0, &same.0), "nothing changed");
    first.0.servers[0].asked();
    first.0.counts.hits.add(3);
    let mut both = only("192.0.2.1:53");
    both.forwarders.push(at("192.0.2.2:53").into());
    let next = make(both, Some(&first));
    let status = next.status();
    assert_eq!((status.hits, status.forwarders[0].queries), (3, 1));
    assert_eq!(next.addresses(), [at("192.0.2.1:53").into(), at("192.0.2.2:53").into()]);
}

#[test]
fn one_client_does_not_take_the_place_of_all() {
    let forwarder = Forwarder::new(only("192.0.2.1:53"), &[], &Interfaces::default(), None);
    let forwarder = forwarder.expect("set up");
    let ask = |number: usize, client: &str| {
        let mut pending = asked(&format!("n{number}.example."), "A");
        pending.client = client.parse().expect("valid");
        forwarder.begin(pending)
    };
    let held: Vec<Begun> = (0..clients::PLACES_MAX).map(|n| ask(n, "10.0.0.9")).collect();
    assert!(held.iter().all(|begun| matches!(begun, Begun::Ask(..))));
    let more = ask(9_999, "10.0.0.9");
    assert!(matches!(more, Begun::Send(encoded, _) if encoded.outcome == Outcome::Failed));
    assert!(matches!(ask(9_999, "10.0.0.8"), Begun::Ask(..)), "others still may");
}

#[test]
fn special_names_are_answered_at_once() {
    let forwarder = Forwarder::new(only("192.0.2.1:53"), &[], &Interfaces::default(), None);
    let forwarder = forwarder.expect("set up");
    for (name, rtype, outcome, data) in [
        ("localhost.", "A", Outcome::Records, Some("127.0.0.1")),
        ("x.localhost.", "AAAA", Outcome::Records, Some("::1")),
        ("localhost.", "MX", Outcome::NoData, None),
        ("9.1.168.192.in-addr.arpa.", "PTR", Outcome::NxDomain, None),
        // Above addresses there may be something.
        ("1.168.192.in-addr.arpa.", "PTR", Outcome::NoData, None),
        ("abc.onion.", "A", Outcome::NxDomain, None),
        ("use-application-dns.net.", "A", Outcome::NxDomain, None),
    ] {
        let Begun::Send(encoded, _) = forwarder.begin(asked(name, rtype)) else {
            panic!("{name} is asked");
        };
        assert_eq!(encoded.outcome, outcome, "{name}");
        let message = Message::from_vec(&encoded.bytes).expect("parses");
        let said = message.answers.first().map(|record| record.data.to_string());
        assert_eq!(said.as_deref(), data, "{name}");
    }
}

/// What a client is told when a stored answer (an alias `real.example` and an address 198.18.0.0)
/// has to pass lists.
pub(crate) fn screened(
    with: impl FnOnce(&mut Pending, Arc<crate::lists::Table>),
    table: &Arc<crate::lists::Table>,
) -> Message {
    let kept = answer::tests::answer(1);
    let mut pending = asked("www.example.", "A");
    with(&mut pending, Arc::clone(table));
    Message::from_vec(&kept.reply(&pending, Ttl::Aged(0)).bytes).expect("parses")
}
