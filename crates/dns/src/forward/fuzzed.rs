//! What fuzzing drives: a message of a forwarder, as far as to the client.
//!
//! **Invariant:** the same functions as on a question's way, in the same order.

use hickory_proto::op::{Message, MessageType, Metadata, OpCode, Query as Asked};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::answer::{Answer, Ttl};
use super::query::{Chance, Likeness, Query};
use super::question::Question;
use super::rebind;
use super::sanitise::{self, Finding, Rules};
use crate::dnssec::Said;
use crate::options::Options;
use crate::reply::{DnssecOk, Encoded, Outcome, Pending};

/// One octet (1: AAAA, 2: ANY, 4: over TCP, 8: signatures wanted, 16: of an inside name), then what a
/// forwarder sends when it was asked for `www.example.`, with the id 0x4711.
pub(crate) fn answer(data: &[u8]) {
    let Some((choice, message)) = data.split_first() else {
        return;
    };
    let rtype = match choice & 3 {
        0 => RecordType::A,
        1 => RecordType::AAAA,
        2 => RecordType::ANY,
        _ => RecordType::HTTPS,
    };
    let limit = if choice & 4 == 0 { 1232 } else { usize::from(u16::MAX) };
    let name = Name::from_ascii("wWw.example.").expect("valid");
    let mut metadata = Metadata::new(7, MessageType::Response, OpCode::Query);
    metadata.recursion_desired = true;
    let pending = Pending {
        metadata,
        question: Asked::query(name, rtype),
        edns: Some(DnssecOk(choice & 8 != 0)),
        wants_authentic: true,
        limit,
        is_stream: choice & 4 != 0,
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        is_above_ours: false,
        signed: None,
        options: Options::default(),
        tail: None,
        screen: None,
        renamed: None,
    };
    let question = Question::of(&pending);
    let query = Query::new(&question, &Chance { id: 0x4711, case: [0; 32] }, Some(&[]));
    if query.likeness(message) == Likeness::Stranger {
        return;
    }
    let keeps_out = choice & 16 == 0;
    let own = ["internal".parse().expect("valid")];
    let rules = Rules { ttl_min: 5, ttl_max: 3600, negative_ttl_max: 60, keeps_out, own: &own };
    let Ok(finding) = sanitise::read(message, &question, &rules) else {
        return;
    };
    assert!(finding.lifetime.as_secs() <= 3600, "kept too long");
    let said = Said { answers: finding.answers.clone(), authorities: finding.authorities.clone() };
    crate::dnssec::fuzzed::judge(&crate::dnssec::Asked {
        name: question.name(),
        rtype: question.rtype().into(),
        outcome: finding.outcome,
        said: &said,
    });
    let Some(answer) = Answer::new(finding, pending.question.clone()) else {
        return;
    };
    for ttl in [Ttl::Aged(3), Ttl::Stale(30)] {
        let reply = answer.reply(&pending, ttl);
        assert!(reply.bytes.len() <= limit, "too long");
        check(&Message::from_vec(&reply.bytes).expect("a reply can be parsed"), &pending, &rules);
    }
}

/// The reply to a client when a forwarder has found an address.
pub(crate) fn answered(pending: &Pending) -> Encoded {
    let name = pending.asked().name().to_lowercase();
    let address = RData::A(A([198, 18, 0, 1].into()));
    let finding = Finding {
        outcome: Outcome::Records,
        answers: vec![Record::from_rdata(name.clone(), 60, address)],
        authorities: Vec::new(),
        lifetime: std::time::Duration::from_secs(60),
        name,
        kept_out: 1,
    };
    let answer = Answer::new(finding, pending.asked().clone()).expect("fits");
    answer.reply(pending, Ttl::Aged(3))
}

/// The reply is to the question, and about its name alone.
fn check(reply: &Message, pending: &Pending, rules: &Rules<'_>) {
    assert_eq!(reply.metadata.id, 7);
    assert!(matches!(&*reply.queries, [asked] if *asked == pending.question));
    assert!(reply.additionals.is_empty());
    let mut about = vec![pending.question.name().to_lowercase()];
    for record in &reply.answers {
        assert!(record.ttl <= 3600, "{record}");
        assert!(!rules.keeps_out || !rebind::leads_inside(&record.data), "{record}");
        let owner = record.name.to_lowercase();
        assert!(!own(&record.name, rules), "{record} is ours to tell");
        let is_rename = record.record_type() == RecordType::DNAME;
        let is_about = |name: &Name| *name == owner || (is_rename && owner.zone_of(name));
        assert!(about.iter().any(is_about), "{record} is about a stranger");
        if let RData::CNAME(target) = &record.data {
            about.push(target.0.to_lowercase());
        }
    }
    for record in &reply.authorities {
        let owner = record.name.to_lowercase();
        let is_soa = record.record_type() == RecordType::SOA;
        assert!(!is_soa || about.iter().any(|name| owner.zone_of(name)), "{record}");
    }
}

fn own(name: &Name, rules: &Rules<'_>) -> bool {
    rules.own.iter().any(|domain| domain.covers(crate::key::AskedKey::of(name).as_slice()))
}
