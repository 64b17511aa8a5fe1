//! What is told without a decoder, against what is told with one.

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RecordType};
use proptest::prelude::*;

use super::*;
use crate::forward::answer::Answer;
use crate::forward::settings::ForwardSettings;
use crate::forward::tests::pending;
use crate::forward::{Begun, answer};
use crate::fuzzing::sample_zone;
use crate::handler::Transport;
use crate::interfaces::{Interfaces, Local};
use crate::reply::Outcome;
use crate::short::Scene;
use crate::short::tests::frugal;

/// A forwarder with answers for `www.example.`: an alias and so many addresses for A, the owner's word that there
/// is none for AAAA, and that nobody answered for MX; the same for every kind of client.
fn forwarder(addresses: u8) -> Forwarder {
    let settings = ForwardSettings {
        forwarders: vec!["192.0.2.1:53".parse().expect("valid")],
        ..ForwardSettings::default()
    };
    let forwarder = Forwarder::new(settings, &[], &Interfaces::default(), None).expect("set up");
    for flags in 0..4 {
        let (dnssec_ok, checking) = (flags & 1 != 0, flags & 2 != 0);
        let keep = |rtype, answer: Answer| {
            let request = request("www.example.", rtype, Some(dnssec_ok), [true, false, checking]);
            let question = Question::of(&pending(&request, Transport::Udp));
            forwarder.0.cache.put(question.key(), &answer.into(), Instant::now());
        };
        keep(RecordType::A, answer::tests::answer(addresses));
        let nothing = answer::tests::nothing("www.example.", "AAAA");
        keep(RecordType::AAAA, answer::tests::secure(nothing));
        let query = Query::query(Name::from_ascii("www.example.").expect("valid"), RecordType::MX);
        let failed = Answer::failed(&query, std::time::Duration::from_secs(5));
        keep(RecordType::MX, failed.expect("fits"));
    }
    forwarder
}

/// With the flags RD, AD and CD.
fn request(name: &str, rtype: RecordType, edns: Option<bool>, flags: [bool; 3]) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = 0x4711;
    let [recursion, authentic, checking] = flags;
    message.metadata.recursion_desired = recursion;
    message.metadata.authentic_data = authentic;
    message.metadata.checking_disabled = checking;
    message.add_query(Query::query(Name::from_ascii(name).expect("valid"), rtype));
    if let Some(dnssec_ok) = edns {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        edns.set_dnssec_ok(dnssec_ok);
        message.set_edns(edns);
    }
    message.to_vec().expect("encodes")
}

/// What the short way says, which is what the long way says to the octet.
fn told(forwarder: &Forwarder, request: &[u8], transport: Transport) -> Option<Outcome> {
    let scene = Scene {
        zone: sample_zone(),
        local: &Local::of([10, 0, 0, 1].into()),
        transport,
        recursion_available: true,
        others: Some(forwarder),
    };
    let mut room = [0; 16_384];
    let written = frugal(request, &scene, &mut room)?;
    match forwarder.begin(pending(request, transport)) {
        Begun::Send(encoded, _) => {
            assert_eq!(&room[..written.len], encoded.bytes, "{request:?}");
            assert_eq!(written.outcome, encoded.outcome);
        }
        other => panic!("not kept: {other:?}"),
    }
    Some(written.outcome)
}

#[test]
fn what_is_kept_is_told_to_the_octet_as_on_the_long_way() {
    let forwarder = forwarder(3);
    let (udp, ask) = (Transport::Udp, [true, false, false]);
    for (rtype, wanted) in [
        (RecordType::A, Some(Outcome::Records)),
        (RecordType::AAAA, Some(Outcome::NoData)),
        // That nobody answered is told with a reason, and in the log.
        (RecordType::MX, None),
        // It is not there.
        (RecordType::TXT, None),
        (RecordType::ANY, None),
    ] {
        for edns in [None, Some(false), Some(true)] {
            let request = request("wWw.Example.", rtype, edns, ask);
            assert_eq!(told(&forwarder, &request, udp), wanted, "{rtype} {edns:?}");
        }
    }
    assert_eq!(forwarder.status().hits, 12, "each once on each way");
    // Who wants nobody to be asked gets what the handler says.
    let request = request("www.example.", RecordType::A, None, [false, false, false]);
    assert_eq!(told(&forwarder, &request, udp), None);
}

#[test]
fn a_reverse_name_may_have_become_ours_since() {
    let forwarder = forwarder(1);
    let name = "9.0.0.10.in-addr.arpa.";
    let request = request(name, RecordType::PTR, None, [true, false, false]);
    let question = Question::of(&pending(&request, Transport::Udp));
    let kept = answer::tests::nothing(name, "PTR");
    forwarder.0.cache.put(question.key(), &kept.into(), Instant::now());
    assert_eq!(told(&forwarder, &request, Transport::Udp), None);
}

#[test]
fn what_does_not_fit_a_datagram_takes_the_long_way() {
    let forwarder = forwarder(200);
    let large = request("www.example.", RecordType::A, Some(false), [true, false, false]);
    assert_eq!(told(&forwarder, &large, Transport::Udp), None);
    assert_eq!(told(&forwarder, &large, Transport::Tcp), Some(Outcome::Records));
}

#[tokio::test(start_paused = true)]
async fn what_soon_ends_takes_the_long_way() {
    let forwarder = forwarder(1);
    let request = request("www.example.", RecordType::A, None, [true, false, false]);
    tokio::time::advance(std::time::Duration::from_secs(53)).await;
    assert_eq!(told(&forwarder, &request, Transport::Udp), Some(Outcome::Records));
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    assert_eq!(told(&forwarder, &request, Transport::Udp), None, "it may be asked for again");
}

proptest! {
    #[test]
    fn however_it_is_asked(
        upper in any::<u16>(), edns in any::<Option<bool>>(), flags in any::<[bool; 3]>(),
        is_aaaa in any::<bool>(), is_tcp in any::<bool>(),
    ) {
        let forwarder = forwarder(2);
        let name: String = "www.example.".char_indices()
            .map(|(at, c)| if upper >> at & 1 == 1 { c.to_ascii_uppercase() } else { c }).collect();
        let rtype = if is_aaaa { RecordType::AAAA } else { RecordType::A };
        let transport = if is_tcp { Transport::Tcp } else { Transport::Udp };
        let said = told(&forwarder, &request(&name, rtype, edns, flags), transport);
        prop_assert_eq!(said.is_some(), flags[0]);
    }
}
