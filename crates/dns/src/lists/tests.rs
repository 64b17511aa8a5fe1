//! What lists do to questions, to answers and to the zone.

mod files;
mod told;

use std::net::IpAddr;
use std::path::PathBuf;

use conduit_core::domains::Domains;
use conduit_core::record::name::RecordName;
use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{RData, RecordType};

use super::settings::{BlockAnswer, Format, Kind, ListSource, Place};
use super::*;
use crate::access::Policy;
use crate::forward::Forwarder;
use crate::forward::settings::ForwardSettings;
use crate::fuzzing::{host, sample_zone};
use crate::handler::{Asker, Transport, respond};
use crate::interfaces::Interfaces;
use crate::peers::{Keyholder, Peers};
use crate::reply::{Drop, Reply};
use crate::transfer::now_s;
use crate::tsig::{Algorithm, Key, sign_request};

pub(super) fn settings(lists: Vec<ListSource>) -> ListSettings {
    let domains = Domains::new(vec![host("internal"), host("lab.internal")]).expect("some");
    ListSettings { hosts_files: Vec::new(), lists, domains }
}

pub(super) fn list(name: &str, kind: Kind, lines: &str) -> ListSource {
    ListSource {
        name: name.to_owned(),
        place: Place::Lines(lines.lines().map(str::to_owned).collect()),
        kind,
        format: Format::Auto,
        answer: BlockAnswer::default(),
        reason: settings::Reason::default(),
    }
}

fn block(lines: &str) -> ListSource {
    list("ads", Kind::Block, lines)
}

pub(super) fn lists(all: Vec<ListSource>) -> Policy {
    Policy { lists: Lists::new(settings(all)), ..Policy::default() }
}

fn reply(policy: &Policy, name: &str, rtype: RecordType, transport: Transport) -> Reply {
    let request = question(name, rtype).to_vec().expect("encodes");
    respond(&request, &asker(transport), sample_zone(), policy)
}

fn question(name: &str, rtype: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("valid"), rtype));
    message.set_edns(Edns::new());
    message
}

fn asker(transport: Transport) -> Asker {
    Asker {
        peer: "10.0.0.9:4000".parse().expect("valid"),
        local: Local::of([10, 0, 0, 1].into()),
        transport,
    }
}

pub(super) fn ask(policy: &Policy, name: &str, rtype: RecordType) -> Message {
    match reply(policy, name, rtype, Transport::Udp) {
        Reply::Send(encoded) => Message::from_vec(&encoded.bytes).expect("parses"),
        other => panic!("{name}: {other:?}"),
    }
}

/// The code and the records of an answer: `NXDomain`, or `NoError A 10.0.0.1`.
pub(super) fn told(policy: &Policy, name: &str, rtype: RecordType) -> String {
    let message = ask(policy, name, rtype);
    let mut text = format!("{:?}", message.metadata.response_code);
    for record in &message.answers {
        text += &format!(" {} {}", record.record_type(), record.data);
    }
    text
}

fn note(message: &Message) -> Option<(u16, String)> {
    let option = message.edns.as_ref()?.option(EdnsCode::Unknown(15))?;
    let EdnsOption::Unknown(_, bytes) = option else {
        return None;
    };
    let (code, text) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*code), String::from_utf8_lossy(text).into_owned()))
}

#[test]
fn a_blocked_name_is_refused_with_a_reason() {
    let policy = lists(vec![block("# theirs\nads.example\n0.0.0.0 one.example")]);
    let message = ask(&policy, "X.Ads.Example.", RecordType::A);
    assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
    assert!(!message.metadata.authoritative);
    let soa = &message.authorities[0];
    assert_eq!((soa.record_type(), soa.ttl), (RecordType::SOA, 30));
    assert_eq!(note(&message), Some((15, "ads, line 2: ads.example".to_owned())));
    for (name, expected) in [
        ("one.example.", Some(3)),
        // A line of a hosts file is about one name.
        ("x.one.example.", None),
        ("example.", None),
    ] {
        let found = note(&ask(&policy, name, RecordType::A));
        let expected = expected.map(|line| (15, format!("ads, line {line}: one.example")));
        assert_eq!(found, expected, "{name}");
    }
    assert_eq!(policy.lists.status()[0].hits, 2);
    assert_eq!(policy.lists.explain("a.ads.example").as_deref(), Some("ads, line 2: ads.example"));
    assert_eq!(policy.lists.explain("b.example"), None);
}

#[test]
fn what_is_allowed_wins_and_ours_is_never_blocked() {
    let policy = lists(vec![
        block("ads.example\ngrafana.internal\ninternal"),
        list("good", Kind::Allow, "ok.ads.example"),
    ]);
    assert_eq!(told(&policy, "grafana.internal.", RecordType::A), "NoError A 10.0.0.1");
    assert!(note(&ask(&policy, "ads.example.", RecordType::A)).is_some());
    // Nobody is asked, so it does not exist, but no list says so.
    assert!(note(&ask(&policy, "ok.ads.example.", RecordType::A)).is_none());
    let status = policy.lists.status();
    assert_eq!((status[0].entries, status[0].skipped.count), (1, 2));
    let line = &status[0].skipped.first[0];
    assert_eq!((line.line, line.text.as_str()), (2, "grafana.internal"));
}

#[test]
fn a_block_is_answered_as_the_list_says() {
    use RecordType::{A, AAAA, ANY, TXT};
    let with = |answer: &str| {
        let answer: BlockAnswer = answer.parse().expect("an answer");
        lists(vec![ListSource { answer, ..block("ads.example") }])
    };
    for (answer, rtype, expected) in [
        ("nxdomain", A, "NXDomain"),
        ("nodata", A, "NoError"),
        ("null", A, "NoError A 0.0.0.0"),
        ("null", AAAA, "NoError AAAA ::"),
        ("null", TXT, "NoError"),
        ("10.0.0.5, fd00::5", A, "NoError A 10.0.0.5"),
        ("10.0.0.5, fd00::5", AAAA, "NoError AAAA fd00::5"),
        ("10.0.0.5", AAAA, "NoError"),
        ("10.0.0.5", ANY, "NoError A 10.0.0.5"),
        ("grafana.internal", A, "NoError CNAME grafana.internal. A 10.0.0.1"),
        ("garden.example", A, "NoError CNAME garden.example."),
        ("garden.example", RecordType::CNAME, "NoError CNAME garden.example."),
    ] {
        assert_eq!(told(&with(answer), "ads.example.", rtype), expected, "{answer} {rtype}");
    }
    for wrong in ["", "nowhere", "10.0.0.", "*.example"] {
        assert!(wrong.parse::<BlockAnswer>().is_err(), "{wrong}");
    }
}

#[test]
fn a_policy_zone_does_what_it_says() {
    use RecordType::{A, AAAA};
    let zone = "$ORIGIN rpz.\n@ SOA a. b. 1 2 3 4 5\nbad.test CNAME .\nempty.test CNAME *.\n\
        *.wild.test CNAME .\nok.wild.test CNAME rpz-passthru.\ndrop.test CNAME rpz-drop.\n\
        tcp.test CNAME rpz-tcp-only.\nsite.test A 10.0.0.1\n*.site.test A 10.0.0.2\n\
        search.test CNAME safe.test.\n1.test.rpz-nsdname CNAME .";
    let policy = lists(vec![list("rpz", Kind::Block, zone)]);
    for (name, rtype, expected) in [
        ("bad.test.", A, "NXDomain"),
        ("empty.test.", A, "NoError"),
        ("a.b.wild.test.", A, "NXDomain"),
        ("site.test.", A, "NoError A 10.0.0.1"),
        ("site.test.", AAAA, "NoError"),
        ("x.y.site.test.", A, "NoError A 10.0.0.2"),
        ("search.test.", A, "NoError CNAME safe.test."),
    ] {
        assert_eq!(told(&policy, name, rtype), expected, "{name}");
    }
    assert!(note(&ask(&policy, "wild.test.", A)).is_none());
    assert!(note(&ask(&policy, "ok.wild.test.", A)).is_none());
    let dropped = reply(&policy, "drop.test.", A, Transport::Udp);
    assert!(matches!(dropped, Reply::Silence(Drop::Listed)), "{dropped:?}");
    assert!(ask(&policy, "tcp.test.", A).metadata.truncation);
    let Reply::Send(over_tcp) = reply(&policy, "tcp.test.", A, Transport::Tcp) else {
        panic!("an answer");
    };
    let over_tcp = Message::from_vec(&over_tcp.bytes).expect("parses");
    assert!(!over_tcp.metadata.truncation);
    let status = policy.lists.status();
    assert_eq!(
        status[0].skipped.first[0].reason,
        "names of name servers trigger nothing here (rpz-nsdname)"
    );
}

#[test]
fn a_signed_question_over_a_stream_is_over_a_stream() {
    let name = RecordName::parse("k").expect("valid");
    let key = Arc::new(Key::new(name, Algorithm::HmacSha256, b"0123456789abcdef"));
    let holder = Keyholder { key: Arc::clone(&key), transfer: false, update: Vec::new() };
    let peers = Arc::new(Peers { keys: vec![holder], ..Peers::default() });
    let zone = "$ORIGIN rpz.\n@ SOA a. b. 1 2 3 4 5\ntcp.test CNAME rpz-tcp-only.";
    let policy = Policy { peers, ..lists(vec![list("rpz", Kind::Block, zone)]) };
    for (transport, is_cut) in [(Transport::Udp, true), (Transport::Tcp, false)] {
        let mut request = question("tcp.test.", RecordType::A).to_vec().expect("encodes");
        sign_request(&key, &mut request, now_s());
        let Reply::Send(encoded) = respond(&request, &asker(transport), sample_zone(), &policy)
        else {
            panic!("no reply");
        };
        let reply = Message::from_vec(&encoded.bytes).expect("parses");
        assert_eq!(reply.metadata.truncation, is_cut, "{transport:?}");
    }
}

#[test]
fn an_alias_of_elsewhere_is_asked_for_in_its_place() {
    let forwarders = vec!["192.0.2.1:53".parse().expect("valid")];
    let settings = ForwardSettings { forwarders, ..ForwardSettings::default() };
    let forwarder = Forwarder::new(settings, &[], &Interfaces::default(), None).expect("set up");
    let policy = Policy {
        forwarder: Some(forwarder),
        ..lists(vec![block("address=/x/10.0.0.1\nwww.search.test 60 CNAME forcesafe.search.test.")])
    };
    // A line that is no zone file's is read by itself, so such a list says what it is.
    assert_eq!(policy.lists.status()[0].skipped.count, 1);
    let rpz = ListSource {
        format: Format::Rpz,
        ..block("www.search.test 60 CNAME forcesafe.search.test.")
    };
    let policy = Policy { lists: Lists::new(self::settings(vec![rpz])), ..policy };
    let Reply::Forward(pending) = reply(&policy, "WWW.search.test.", RecordType::A, Transport::Udp)
    else {
        panic!("to be asked");
    };
    assert_eq!(pending.question().name().to_ascii(), "forcesafe.search.test.");
    assert_eq!(pending.of_client().name().to_ascii(), "WWW.search.test.");
    let failed = pending.plain(crate::reply::Outcome::Failed);
    let failed = Message::from_vec(&failed.bytes).expect("parses");
    assert_eq!(failed.queries[0].name().to_ascii(), "WWW.search.test.");
}

#[test]
fn addresses_of_hosts_files_are_answered_both_ways() {
    use RecordType::{A, AAAA, MX, PTR};
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let one = write("one", "10.0.0.5 nas.lan nas\nfd00::5 nas.lan\n10.0.0.9\n0.0.0.0 ads.lan\n");
    let two = write("two", "10.0.0.6 nas.lan other.lan\n10.0.0.5 late.lan\n");
    let hosts_files: Vec<PathBuf> = vec![one, two];
    let blocked = vec![block("nas.lan")];
    let settings = ListSettings { hosts_files, ..settings(blocked) };
    let policy = Policy { lists: Lists::new(settings), ..Policy::default() };
    for (name, rtype, expected) in [
        ("NAS.lan.", A, "NoError A 10.0.0.5 A 10.0.0.6"),
        ("nas.lan.", AAAA, "NoError AAAA fd00::5"),
        ("nas.lan.", MX, "NoError"),
        ("nas.", A, "NoError A 10.0.0.5"),
        ("x.nas.lan.", A, "NXDomain"),
        ("ads.lan.", A, "NoError A 0.0.0.0"),
        ("ads.lan.", AAAA, "NoError AAAA ::"),
        ("ads.lan.", MX, "NoError"),
        ("0.0.0.0.in-addr.arpa.", PTR, "NXDomain"),
        ("5.0.0.10.in-addr.arpa.", PTR, "NoError PTR nas.lan. PTR late.lan."),
        ("6.0.0.10.in-addr.arpa.", PTR, "NoError PTR nas.lan."),
    ] {
        assert_eq!(told(&policy, name, rtype), expected, "{name} {rtype}");
    }
    let status = policy.lists.status();
    assert_eq!((status[0].skipped.count, status[0].skipped.first[0].line), (1, 3));
    let mine: IpAddr = "203.0.113.9".parse().expect("valid");
    let stranger = Asker {
        peer: (mine, 4000).into(),
        local: Local::of([10, 0, 0, 1].into()),
        transport: Transport::Udp,
    };
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii("nas.lan.").expect("valid"), A));
    let bytes = message.to_vec().expect("encodes");
    let Reply::Send(refused) = respond(&bytes, &stranger, sample_zone(), &policy) else {
        panic!("an answer");
    };
    let refused = Message::from_vec(&refused.bytes).expect("parses");
    assert_eq!(refused.metadata.response_code, ResponseCode::Refused);
}

#[test]
fn an_alias_ends_in_what_hosts_files_and_lists_have() {
    use RecordType::{A, AAAA, MX};
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hosts");
    std::fs::write(&path, "10.0.0.5 nas.lan\n").expect("written");
    let rpz = "www.lan CNAME nas.lan.\nfar.lan CNAME site.test.\nsite.test A 10.0.0.6\n\
               bad.lan CNAME bad.test.\nbad.test CNAME .";
    let rpz = ListSource { format: Format::Rpz, ..list("rpz", Kind::Block, rpz) };
    let settings = ListSettings { hosts_files: vec![path], ..settings(vec![rpz]) };
    let forwarders = vec!["192.0.2.1:53".parse().expect("valid")];
    let forwarding = ForwardSettings { forwarders, ..ForwardSettings::default() };
    let forwarder = Forwarder::new(forwarding, &[], &Interfaces::default(), None).expect("set up");
    let lists = Lists::new(settings);
    let policy = Policy { forwarder: Some(forwarder), lists, ..Policy::default() };
    for (name, rtype, expected) in [
        ("www.lan.", A, "NoError CNAME nas.lan. A 10.0.0.5"),
        ("www.lan.", AAAA, "NoError CNAME nas.lan."),
        ("far.lan.", A, "NoError CNAME site.test. A 10.0.0.6"),
        ("far.lan.", MX, "NoError CNAME site.test."),
    ] {
        assert_eq!(told(&policy, name, rtype), expected, "{name} {rtype}");
    }
    let asked = reply(&policy, "bad.lan.", A, Transport::Udp);
    assert!(matches!(asked, Reply::Forward(_)), "what is blocked is no data: {asked:?}");
}

#[test]
fn an_alias_of_ours_ends_there_too_and_is_never_blocked() {
    let with = |lines: &str| lists(vec![block(lines)]);
    let ours = "NoError CNAME www.example.";
    let rtype = RecordType::A;
    let known = with("10.0.0.7 www.example");
    assert_eq!(told(&known, "to.internal.", rtype), format!("{ours} A 10.0.0.7"));
    assert_eq!(told(&known, "to.internal.", RecordType::TXT), ours);
    assert_eq!(told(&with("www.example"), "to.internal.", rtype), ours);
    let question = Name::from_ascii("to.internal.").expect("valid");
    let asking = |client: &str| crate::why::Asking {
        name: question.clone(),
        rtype,
        client: client.parse().expect("valid"),
        local: Local::of([10, 0, 0, 1].into()),
    };
    let entries = |client| {
        let why = crate::why::why(&asking(client), sample_zone(), &known);
        let entry = |step: &crate::why::Step| matches!(step, crate::why::Step::Listed { .. });
        why.steps.iter().filter(|step| entry(step)).count()
    };
    assert_eq!((entries("10.0.0.9"), entries("203.0.113.9")), (1, 0), "others get the alias alone");
}

#[test]
fn a_stored_answer_is_judged_when_it_is_told() {
    let message = crate::forward::tests::screened(
        |pending, table| pending.screen = Some(table),
        &lists_table(vec![block("real.example")]),
    );
    assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(note(&message), Some((15, "ads, line 1: real.example".to_owned())));
    for (lines, expected) in [
        ("24.0.0.18.198.rpz-ip CNAME .", ResponseCode::NXDomain),
        ("15.0.0.18.198.rpz-ip CNAME *.", ResponseCode::NoError),
    ] {
        let rpz = ListSource { format: Format::Rpz, ..block(lines) };
        let message = crate::forward::tests::screened(
            |pending, table| pending.screen = Some(table),
            &lists_table(vec![rpz]),
        );
        assert_eq!(message.metadata.response_code, expected, "{lines}");
        assert!(message.answers.is_empty() && note(&message).is_some(), "{lines}");
    }
    let passing = "24.0.0.18.198.rpz-ip CNAME rpz-passthru.\n8.0.0.0.198.rpz-ip CNAME .\nother.example CNAME .";
    let rpz = ListSource { format: Format::Rpz, ..block(passing) };
    let message = crate::forward::tests::screened(
        |pending, table| pending.screen = Some(table),
        &lists_table(vec![rpz]),
    );
    assert!(matches!(message.answers.last().map(|r| &r.data), Some(RData::A(_))), "{message:?}");
}

#[test]
fn a_network_that_is_allowed_wins_as_a_name_does() {
    let rpz = |name: &str, kind, lines: &str| ListSource {
        format: Format::Rpz,
        ..list(name, kind, lines)
    };
    let message = crate::forward::tests::screened(
        |pending, table| pending.screen = Some(table),
        &lists_table(vec![
            rpz("policy", Kind::Block, "24.0.0.18.198.rpz-ip CNAME ."),
            rpz("good", Kind::Allow, "15.0.0.18.198.rpz-ip CNAME rpz-passthru."),
        ]),
    );
    assert!(matches!(message.answers.last().map(|r| &r.data), Some(RData::A(_))), "{message:?}");
}

fn lists_table(all: Vec<ListSource>) -> Arc<Table> {
    let lists = Lists::new(settings(all));
    lists.table().expect("some")
}
