//! Answers that are sent again.

use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::rdata::{A, CNAME};
use hickory_proto::rr::{RData, Record};

use super::*;
use crate::forward::tests::{asked, pending, query_of};
use crate::handler::Transport;

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("valid")
}

/// An alias and so many addresses.
pub(crate) fn answer(addresses: u8) -> Answer {
    let alias = RData::CNAME(CNAME(name("real.example.")));
    let mut answers = vec![Record::from_rdata(name("www.example."), 300, alias)];
    answers.extend((0..addresses).map(|last| {
        Record::from_rdata(name("real.example."), 60, RData::A(A([198, 18, 0, last].into())))
    }));
    let finding = Finding {
        outcome: Outcome::Records,
        name: name("www.example."),
        answers,
        authorities: Vec::new(),
        lifetime: Duration::from_secs(60),
        kept_out: 0,
    };
    Answer::new(finding, query_of(&asked("wWw.example.", "A"))).expect("fits")
}

/// That there is nothing of the type.
pub(crate) fn nothing(owner: &str, rtype: &str) -> Answer {
    let finding = Finding {
        outcome: Outcome::NoData,
        name: name(owner),
        answers: Vec::new(),
        authorities: Vec::new(),
        lifetime: Duration::from_secs(60),
        kept_out: 0,
    };
    Answer::new(finding, query_of(&asked(owner, rtype))).expect("fits")
}

/// The same, signed by its owner.
pub(crate) fn secure(answer: Answer) -> Answer {
    Answer { judgement: Judgement { security: Security::Secure, why: None }, ..answer }
}

#[test]
fn a_reply_is_the_clients_own() {
    let kept = answer(2);
    let pending = asked("WWW.Example.", "A");
    let reply = Message::from_vec(&kept.reply(&pending, Ttl::Aged(20)).bytes).expect("parses");
    assert_eq!(reply.metadata.id, 4711);
    assert!(reply.metadata.recursion_desired && reply.metadata.recursion_available);
    assert!(!reply.metadata.authoritative && !reply.metadata.authentic_data);
    assert_eq!(reply.queries[0].name().to_ascii(), "WWW.Example.");
    let told: Vec<String> =
        reply.answers.iter().map(|r| format!("{} {} {}", r.name, r.ttl, r.data)).collect();
    assert_eq!(
        told,
        [
            "WWW.Example. 280 real.Example.",
            "real.Example. 40 198.18.0.0",
            "real.Example. 40 198.18.0.1"
        ]
    );
    assert_eq!(reply.edns.map(|edns| edns.max_payload()), Some(1232));
    let stale = Message::from_vec(&kept.reply(&pending, Ttl::Stale(30)).bytes).expect("parses");
    assert!(stale.answers.iter().all(|record| record.ttl == 30));
    let old = Message::from_vec(&kept.reply(&pending, Ttl::Aged(500)).bytes).expect("parses");
    assert!(old.answers.iter().all(|record| record.ttl == 0));
}

#[test]
fn what_does_not_fit_is_cut() {
    let kept = answer(100);
    let mut request = Message::query();
    request.metadata.recursion_desired = true;
    request.add_query(query_of(&asked("www.example.", "A")));
    let plain = request.to_vec().expect("encodes");
    request.set_edns(Edns::new());
    for (request, length) in
        [(&plain, plain.len()), (&request.to_vec().expect("encodes"), plain.len() + OPT_BYTES)]
    {
        let cut = kept.reply(&pending(request, Transport::Udp), Ttl::Aged(0));
        assert_eq!((cut.outcome, cut.bytes.len()), (Outcome::Truncated, length));
        let cut = Message::from_vec(&cut.bytes).expect("parses");
        assert!(cut.metadata.truncation && cut.answers.is_empty());
        let whole = kept.reply(&pending(request, Transport::Tcp), Ttl::Aged(0));
        let whole = Message::from_vec(&whole.bytes).expect("parses");
        assert_eq!((whole.answers.len(), whole.metadata.truncation), (101, false));
    }
}

#[test]
fn a_failure_is_an_answer_too() {
    let pending = asked("Www.example.", "A");
    let failed = Answer::failed(&query_of(&pending), Duration::from_secs(5)).expect("fits");
    let reply = failed.reply(&pending, Ttl::Aged(1));
    assert_eq!(reply.outcome, Outcome::Failed);
    let reply = Message::from_vec(&reply.bytes).expect("parses");
    assert_eq!(reply.metadata.response_code, Outcome::Failed.code());
    assert!(reply.metadata.recursion_available);
}
