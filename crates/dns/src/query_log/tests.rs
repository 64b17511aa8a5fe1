//! From the handler's reply to the line.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::{Edns, Message, OpCode, Query as Question};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use proptest::prelude::*;

use super::line::{Line, Source};
use super::*;
use crate::access::Policy;
use crate::forward::Known;
use crate::fuzzing::sample_zone;
use crate::handler::{Asker, Transport, respond};
use crate::interfaces::Local;
use crate::lists::Lists;
use crate::reply::Reply;
use crate::why::Origin;

fn all() -> QueryLogSettings {
    QueryLogSettings { logged: Logged::All, ..QueryLogSettings::default() }
}

fn request(name: &str, rtype: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Question::query(Name::from_ascii(name).expect("valid"), rtype));
    message
}

/// Answers as the loops do, and tells the log of it.
fn answer(log: &QueryLog, request: &[u8], peer: &str) {
    let peer: SocketAddr = peer.parse().expect("valid");
    let local = Local::of([10, 0, 0, 1].into());
    let zone = Arc::new(sample_zone().clone());
    let Some(watch) = log.watch() else {
        return;
    };
    let lists = &Lists::default();
    let noted = Noted { watch, log, request, peer, transport: Transport::Udp, lists };
    let asker = Asker { peer, local, transport: Transport::Udp };
    match respond(request, &asker, &zone, &Policy::default()) {
        Reply::Silence(reason) => noted.dropped(reason),
        Reply::Send(encoded) => noted.answered(&encoded, &zone, local),
        Reply::Forward(pending) => {
            noted.held().known(&pending.plain(crate::reply::Outcome::Failed), Known::Nobody)
        }
        Reply::Transfer(_) | Reply::Update(_) => panic!("nobody is listed"),
    }
}

fn next(queries: &Queries) -> Option<Line> {
    match queries.ready()? {
        Order::Write(query) => Some(query.line()),
        Order::Stop => None,
    }
}

fn told(message: &Message, peer: &str) -> String {
    told_bytes(&message.to_vec().expect("encodes"), peer)
}

/// The line in words.
fn told_bytes(request: &[u8], peer: &str) -> String {
    let (log, queries) = QueryLog::new(&all());
    answer(&log, request, peer);
    let Some(Line { client, transport, question, outcome, rcode, source, answers, more, .. }) =
        next(&queries)
    else {
        return "nothing".to_owned();
    };
    let asked = question.map_or_else(
        || "?".to_owned(),
        |q| {
            let bits = [(q.dnssec_ok, " DO"), (q.checking_disabled, " CD")];
            let bits: String = bits.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
            format!("{} {}{bits}", q.name, q.rtype)
        },
    );
    let host = match &source {
        Source::Zone(origin) => origin.host().map(|host| format!(" {host}")),
        _ => None,
    };
    let client = client.map_or_else(|| "-".to_owned(), |client| client.to_string());
    format!(
        "{client} {transport} {asked}: {outcome} {} {}{} [{}] +{more}",
        rcode.unwrap_or("-"),
        source.as_str(),
        host.unwrap_or_default(),
        answers.join("; ")
    )
}

#[test]
fn a_line_says_who_asked_what_and_where_the_answer_is_from() {
    let (inside, outside) = ("10.0.0.9:4000", "203.0.113.9:4000");
    for (name, rtype, peer, line) in [
        (
            "Grafana.Internal.",
            RecordType::A,
            inside,
            "10.0.0.9 udp grafana.internal A: records NOERROR service grafana.internal [A 10.0.0.1] +0",
        ),
        (
            "grafana.internal.",
            RecordType::AAAA,
            inside,
            "10.0.0.9 udp grafana.internal AAAA: nodata NOERROR service grafana.internal [] +0",
        ),
        (
            "db.internal.",
            RecordType::AAAA,
            inside,
            "10.0.0.9 udp db.internal AAAA: records NOERROR service db.internal [AAAA fd00::52] +0",
        ),
        (
            "many.internal.",
            RecordType::A,
            inside,
            "10.0.0.9 udp many.internal A: truncated NOERROR service many.internal [] +0",
        ),
        (
            "none.internal.",
            RecordType::A,
            inside,
            "10.0.0.9 udp none.internal A: nxdomain NXDOMAIN zone [] +0",
        ),
        (
            "1.0.0.10.in-addr.arpa.",
            RecordType::PTR,
            inside,
            "10.0.0.9 udp 1.0.0.10.in-addr.arpa PTR: records NOERROR gateway [PTR conduit.internal.] +0",
        ),
        (
            "example.com.",
            RecordType::A,
            inside,
            "10.0.0.9 udp example.com A: nxdomain NXDOMAIN nobody [] +0",
        ),
        (
            "example.com.",
            RecordType::A,
            outside,
            "203.0.113.9 udp example.com A: refused REFUSED policy [] +0",
        ),
        (".", RecordType::NS, outside, "203.0.113.9 udp . NS: refused REFUSED policy [] +0"),
    ] {
        assert_eq!(told(&request(name, rtype), peer), line);
    }
}

#[test]
fn what_is_wrong_with_a_request_is_told() {
    let inside = "10.0.0.9:4000";
    let mut secured = request("grafana.internal.", RecordType::A);
    secured.metadata.checking_disabled = true;
    let mut edns = Edns::new();
    edns.set_dnssec_ok(true);
    secured.set_edns(edns);
    let both = told(&secured, inside);
    assert!(both.starts_with("10.0.0.9 udp grafana.internal A DO CD: records"), "{both}");
    let mut status = request("grafana.internal.", RecordType::A);
    status.metadata.op_code = OpCode::Status;
    assert!(told(&status, inside).ends_with("grafana.internal A: notimp NOTIMP request [] +0"));
    let mut chaos = request("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert!(told(&chaos, inside).ends_with("version.bind CH TXT: refused REFUSED policy [] +0"));
    let good = request("grafana.internal.", RecordType::A).to_vec().expect("encodes");
    let mut two = good.clone();
    two[5] = 2;
    assert_eq!(told_bytes(&two, inside), "10.0.0.9 udp ?: formerr FORMERR request [] +0");
    assert_eq!(told_bytes(&good[..7], inside), "10.0.0.9 udp ?: short - request [] +0");
    let mut response = good.clone();
    response[2] |= 0x80;
    assert!(told_bytes(&response, inside).ends_with("A: response - request [] +0"));
    assert!(told_bytes(&good, "10.0.0.9:0").ends_with("A: source - request [] +0"));
}

#[test]
fn errors_alone_or_nothing_are_told_as_set() {
    let (log, queries) = QueryLog::new(&QueryLogSettings::default());
    let good = request("grafana.internal.", RecordType::A).to_vec().expect("encodes");
    answer(&log, &good, "10.0.0.9:4000");
    assert!(log.watch().is_none() && !log.is_all() && next(&queries).is_none(), "off");
    log.set(&QueryLogSettings { logged: Logged::Errors, ..all() });
    answer(&log, &good, "10.0.0.9:4000");
    assert!(next(&queries).is_none() && !log.is_all(), "no error");
    answer(&log, &good[..5], "10.0.0.9:4000");
    assert_eq!(next(&queries).map(|line| line.outcome), Some("short"));
    let elsewhere = request("example.com.", RecordType::A).to_vec().expect("encodes");
    answer(&log, &elsewhere, "203.0.113.9:53");
    assert_eq!(next(&queries).map(|line| line.outcome), Some("refused"));
    answer(&log, &elsewhere, "10.0.0.9:53");
    assert!(next(&queries).is_none(), "a name that does not exist is no error");
    log.set(&QueryLogSettings { clients: Clients::Network, ..all() });
    assert!(log.is_all());
    answer(&log, &good, "10.0.0.9:4000");
    assert_eq!(next(&queries).and_then(|line| line.client), Some([10, 0, 0, 0].into()));
    log.set(&QueryLogSettings { clients: Clients::Hidden, ..all() });
    answer(&log, &good, "10.0.0.9:4000");
    assert_eq!(next(&queries).map(|line| line.client), Some(None));
}

#[test]
fn a_share_is_kept_without_a_pattern() {
    let share = Share::new(0.25).expect("a share");
    let (log, queries) = QueryLog::new(&QueryLogSettings { share, ..all() });
    let v4 = request("grafana.internal.", RecordType::A).to_vec().expect("encodes");
    let v6 = request("grafana.internal.", RecordType::AAAA).to_vec().expect("encodes");
    // As clients ask: one of each in turn.
    for _ in 0..1_000 {
        answer(&log, &v4, "10.0.0.9:4000");
        answer(&log, &v6, "10.0.0.9:4000");
    }
    let lines: Vec<Line> = std::iter::from_fn(|| next(&queries)).collect();
    assert!((400..600).contains(&lines.len()), "{}", lines.len());
    let is_v4 = |line: &&Line| line.question.as_ref().is_some_and(|asked| asked.rtype == "A");
    let v4 = lines.iter().filter(is_v4).count();
    assert!((150..350).contains(&v4), "{v4} of {}", lines.len());
    log.set(&QueryLogSettings { share: Share::new(0.0).expect("a share"), ..all() });
    answer(&log, &v6, "10.0.0.9:4000");
    assert!(next(&queries).is_none());
}

#[test]
fn what_nobody_writes_is_counted_and_dropped() {
    let (log, queries) = QueryLog::new(&all());
    let good = request("grafana.internal.", RecordType::A).to_vec().expect("encodes");
    for _ in 0..QUEUE_QUERIES_MAX + 7 {
        answer(&log, &good, "10.0.0.9:4000");
    }
    assert_eq!(log.lost(), 7);
    assert_eq!(std::iter::from_fn(|| next(&queries)).count(), QUEUE_QUERIES_MAX);
    log.stop();
    assert!(matches!(queries.next(), Some(Order::Stop)));
    drop(queries);
    answer(&log, &good, "10.0.0.9:4000");
    log.stop();
    assert_eq!(log.lost(), 8, "nobody reads");
    assert_eq!(log.settings(), all());
}

#[test]
fn long_answers_are_shortened() {
    let (log, queries) = QueryLog::new(&all());
    let request = request("many.internal.", RecordType::A).to_vec().expect("encodes");
    let (peer, local) = ("10.0.0.9:4000".parse().expect("valid"), Local::default());
    let zone = Arc::new(sample_zone().clone());
    let asker = Asker { peer, local, transport: Transport::Tcp };
    let Reply::Send(encoded) = respond(&request, &asker, &zone, &Policy::default()) else {
        panic!("no reply");
    };
    let watch = log.watch().expect("on");
    let (log, request, lists) = (&log, &request, &Lists::default());
    let noted = Noted { watch, log, request, peer, transport: Transport::Tcp, lists };
    noted.answered(&encoded, &zone, local);
    let line = next(&queries).expect("a line");
    assert_eq!((line.answers.len(), line.more, line.transport), (8, 56, "tcp"));
    assert_eq!(line.source, Source::Zone(Origin::Service("many.internal".to_owned())));
}

proptest! {
    #[test]
    fn whatever_comes_has_a_line(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
        let mut single = bytes.clone();
        if let Some(counts) = single.get_mut(2..6) {
            counts.copy_from_slice(&[1, 0, 0, 1]);
        }
        for bytes in [bytes, single] {
            let (log, queries) = QueryLog::new(&all());
            answer(&log, &bytes, "10.0.0.9:4000");
            let line = next(&queries).expect("a line");
            prop_assert!(line.question.is_none_or(|asked| !asked.name.contains('\n')));
        }
    }
}
