//! Answers, honest and not, and what is left of them.

use hickory_proto::op::{MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{A, CNAME, NS, SOA};

use super::*;
use crate::forward::tests::question;

const RULES: Rules<'_> =
    Rules { ttl_min: 5, ttl_max: 3600, negative_ttl_max: 60, keeps_out: true, own: &[] };

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("valid")
}

fn a(owner: &str, ttl: u32, last: [u8; 4]) -> Record {
    Record::from_rdata(name(owner), ttl, RData::A(A(last.into())))
}

fn alias(owner: &str, to: &str) -> Record {
    Record::from_rdata(name(owner), 50, RData::CNAME(CNAME(name(to))))
}

fn soa(owner: &str, ttl: u32, minimum: u32) -> Record {
    let data = SOA::new(name("ns."), name("m."), 1, 2, 3, 4, minimum);
    Record::from_rdata(name(owner), ttl, RData::SOA(data))
}

fn reply(code: ResponseCode, answers: &[Record], authorities: &[Record]) -> Message {
    let mut message = Message::new(1, MessageType::Response, OpCode::Query);
    message.metadata.response_code = code;
    message.add_query(Query::query(name("WWW.example."), RecordType::A));
    message.add_answers(answers.iter().cloned());
    message.add_authorities(authorities.iter().cloned());
    message
}

fn judged(message: &Message, rtype: &str) -> Result<Finding, Unusable> {
    read(&message.to_vec().expect("encodes"), &question("www.example.", rtype), &RULES)
}

fn told(answers: &[Record]) -> Vec<String> {
    judged(&reply(ResponseCode::NoError, answers, &[]), "A")
        .map(|f| f.answers.iter().map(|r| format!("{} {} {}", r.name, r.ttl, r.data)).collect())
        .unwrap_or_else(|unusable| vec![format!("{unusable:?}")])
}

#[test]
fn an_alias_to_a_name_of_ours_is_followed_no_further() {
    let own = ["internal".parse().expect("valid")];
    let answers = [
        alias("www.example.", "b.example."),
        alias("b.example.", "web.Internal."),
        a("web.internal.", 9, [198, 18, 0, 1]),
    ];
    for code in [ResponseCode::NoError, ResponseCode::NXDomain] {
        let bytes = reply(code, &answers, &[]).to_vec().expect("encodes");
        let rules = Rules { own: &own, ..RULES };
        let finding = read(&bytes, &question("www.example.", "A"), &rules).expect("usable");
        let owners: Vec<String> = finding.answers.iter().map(|r| r.name.to_ascii()).collect();
        assert_eq!(owners, ["www.example.", "b.example."]);
        assert_eq!((finding.outcome, finding.kept_out), (Outcome::Records, 1));
    }
}

#[test]
fn only_what_answers_is_left() {
    let public = [198, 18, 0, 1];
    for (answers, expected) in [
        (vec![a("www.example.", 300, public)], &["www.example. 300 198.18.0.1"][..]),
        // Floor and ceiling; the highest bit is no time at all.
        (vec![a("www.example.", 1, public)], &["www.example. 5 198.18.0.1"]),
        (vec![a("www.example.", 99_999, public)], &["www.example. 3600 198.18.0.1"]),
        (vec![a("www.example.", u32::MAX, public)], &["www.example. 5 198.18.0.1"]),
        // A stranger's name beside it.
        (
            vec![a("www.example.", 9, public), a("bank.example.", 9, public)],
            &["www.example. 9 198.18.0.1"],
        ),
        // A chain, in any order, folded, with something that is not in it.
        (
            vec![
                a("C.Example.", 9, public),
                alias("b.example.", "C.Example."),
                alias("x.example.", "y.example."),
                alias("www.EXAMPLE.", "B.example."),
            ],
            &["www.example. 50 b.example.", "b.example. 50 c.example.", "c.example. 9 198.18.0.1"],
        ),
        (
            vec![alias("www.example.", "www.example."), a("www.example.", 9, public)],
            &["www.example. 9 198.18.0.1"],
        ),
        (
            vec![alias("www.example.", "b.example."), alias("b.example.", "www.example.")],
            &["Broken"],
        ),
        (vec![alias("www.example.", "www.example.")], &["Broken"]),
        // An address of the inside, alone and with another.
        (vec![a("www.example.", 9, [10, 0, 0, 1])], &[]),
        (
            vec![a("www.example.", 9, [10, 0, 0, 1]), a("www.example.", 9, public)],
            &["www.example. 9 198.18.0.1"],
        ),
    ] {
        assert_eq!(told(&answers), expected, "{answers:?}");
    }
    let long: Vec<Record> = (0..20)
        .map(|n| {
            let owner = if n == 0 { "www.example.".into() } else { format!("n{n}.example.") };
            alias(&owner, &format!("n{}.example.", n + 1))
        })
        .collect();
    assert_eq!(told(&long), ["Broken"]);
    let inside =
        judged(&reply(ResponseCode::NoError, &[a("www.example.", 9, [127, 0, 0, 1])], &[]), "A");
    let inside = inside.expect("usable");
    assert_eq!((inside.outcome, inside.kept_out), (Outcome::NoData, 1));
    let bytes = reply(ResponseCode::NoError, &[a("www.example.", 9, [127, 0, 0, 1])], &[]);
    let open = Rules { keeps_out: false, ..RULES };
    let let_in = read(&bytes.to_vec().expect("encodes"), &question("www.example.", "A"), &open);
    assert_eq!(let_in.expect("usable").answers.len(), 1);
}

#[test]
fn nothing_lasts_as_long_as_its_zone_says() {
    let (nx, no) = (ResponseCode::NXDomain, ResponseCode::NoError);
    for (code, answers, authorities, outcome, kept_s) in [
        (nx, vec![], vec![soa("example.", 30, 20)], Outcome::NxDomain, 20),
        (nx, vec![], vec![soa("example.", 20, 30)], Outcome::NxDomain, 20),
        (nx, vec![], vec![soa("example.", 9_999, 9_999)], Outcome::NxDomain, 60),
        (no, vec![], vec![soa(".", 30, 20)], Outcome::NoData, 20),
        // Nobody says for how long, or somebody who has no say.
        (nx, vec![], vec![], Outcome::NxDomain, 0),
        (nx, vec![], vec![soa("other.", 30, 20)], Outcome::NxDomain, 0),
        // The end of a chain does not exist: its own zone says for how long.
        (
            nx,
            vec![alias("www.example.", "a.other.")],
            vec![soa("other.", 30, 20)],
            Outcome::NxDomain,
            20,
        ),
        (
            nx,
            vec![alias("www.example.", "a.other.")],
            vec![soa("example.", 30, 20)],
            Outcome::NxDomain,
            0,
        ),
    ] {
        let finding = judged(&reply(code, &answers, &authorities), "A").expect("usable");
        assert_eq!(finding.outcome, outcome);
        assert_eq!(finding.lifetime, Duration::from_secs(kept_s), "{authorities:?}");
        assert_eq!(finding.answers.len(), answers.len());
        assert_eq!(finding.authorities.len(), usize::from(kept_s > 0));
    }
}

#[test]
fn what_is_of_no_use_is_said_so() {
    let ns = Record::from_rdata(name("example."), 9, RData::NS(NS(name("ns.example."))));
    let referral = reply(ResponseCode::NoError, &[], &[ns]);
    assert_eq!(judged(&referral, "A"), Err(Unusable::Declined));
    for (code, unusable) in [
        (ResponseCode::ServFail, Unusable::Declined),
        (ResponseCode::Refused, Unusable::Declined),
        (ResponseCode::FormErr, Unusable::NotUnderstood),
        (ResponseCode::NotImp, Unusable::NotUnderstood),
    ] {
        assert_eq!(judged(&reply(code, &[], &[]), "A"), Err(unusable));
    }
    let good = reply(ResponseCode::NoError, &[a("www.example.", 9, [198, 18, 0, 1])], &[]);
    let mut bytes = good.to_vec().expect("encodes");
    let asked = question("www.example.", "A");
    for length in 0..bytes.len() {
        assert_eq!(read(&bytes[..length], &asked, &RULES), Err(Unusable::Broken), "{length}");
    }
    bytes[6] = 0xff;
    assert_eq!(read(&bytes, &asked, &RULES), Err(Unusable::Broken), "65,281 answers");
    let many: Vec<Record> =
        (0..=RECORDS_MAX).map(|_| a("www.example.", 9, [198, 18, 0, 1])).collect();
    assert_eq!(judged(&reply(ResponseCode::NoError, &many, &[]), "A"), Err(Unusable::Broken));
}
