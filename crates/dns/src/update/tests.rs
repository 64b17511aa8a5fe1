//! Updates: what they are judged to, and what becomes of them.

use conduit_core::clock::Timestamp;
use hickory_proto::op::{OpCode, Query};
use hickory_proto::rr::rdata::{A, NS, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record as Sent, RecordType};

use super::replay::{Begun, Seen};
use super::*;
use crate::fuzzing::{sample_zone, version};
use crate::peers::Keyholder;
use crate::records::Records;
use crate::records::tests::{EVERY_KIND, record as kept};
use crate::tsig::{Algorithm, Checked, Key, check, sign_request};

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("valid")
}

fn a(last: u8) -> RData {
    RData::A(A([10, 1, 1, last].into()))
}

fn sent(owner: &str, class: DNSClass, ttl_s: u32, data: RData) -> Sent {
    let mut sent = Sent::from_rdata(name(owner), ttl_s, data);
    sent.dns_class = class;
    sent
}

fn none(rtype: RecordType) -> RData {
    RData::Update0(rtype)
}

fn message(zone: &str, conditions: Vec<Sent>, changes: Vec<Sent>) -> Message {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.add_query(Query::query(name(zone), RecordType::SOA));
    message.answers = conditions;
    message.authorities = changes;
    message
}

fn holder(patterns: &[&str]) -> Keyholder {
    let by = RecordName::parse("k").expect("valid");
    Keyholder {
        key: Arc::new(Key::new(by, Algorithm::HmacSha256, b"0123456789abcdef")),
        transfer: false,
        update: patterns.iter().map(|text| text.parse().expect("valid")).collect(),
    }
}

fn judged(message: &Message) -> Result<Vec<Step>, Outcome> {
    let read = Message::from_vec(&message.to_vec().expect("encodes")).expect("parses");
    let local = Local::of([10, 0, 0, 1].into());
    let holder = holder(&["*.internal", "internal"]);
    judge::steps(&read, sample_zone(), &local, &holder).map_err(|refusal| refusal.outcome)
}

#[test]
fn conditions_hold_or_have_their_code() {
    use DNSClass::{ANY, CH, IN, NONE};
    use RecordType as T;
    let direct = |last| RData::A(A([10, 0, 1, last].into()));
    for (owner, class, data, expected) in [
        ("grafana.internal.", ANY, none(T::ANY), None),
        ("grafana.internal.", ANY, none(T::A), None),
        ("internal.", ANY, none(T::SOA), None),
        ("nope.internal.", NONE, none(T::ANY), None),
        ("grafana.internal.", NONE, none(T::TXT), None),
        ("db.internal.", IN, direct(52), None),
        ("nope.internal.", ANY, none(T::ANY), Some(Outcome::NxDomain)),
        ("c.internal.", ANY, none(T::ANY), Some(Outcome::NxDomain)),
        ("grafana.internal.", ANY, none(T::TXT), Some(Outcome::NxRrSet)),
        ("grafana.internal.", NONE, none(T::ANY), Some(Outcome::YxDomain)),
        ("grafana.internal.", NONE, none(T::A), Some(Outcome::YxRrSet)),
        ("db.internal.", IN, direct(53), Some(Outcome::NxRrSet)),
        ("x.lab.internal.", ANY, none(T::ANY), Some(Outcome::NotZone)),
        ("example.com.", ANY, none(T::ANY), Some(Outcome::NotZone)),
        ("db.internal.", CH, none(T::A), Some(Outcome::FormErr)),
        ("db.internal.", ANY, direct(52), Some(Outcome::FormErr)),
        ("db.internal.", IN, none(T::A), Some(Outcome::FormErr)),
    ] {
        let request = message("internal.", vec![sent(owner, class, 0, data.clone())], Vec::new());
        let expected = expected.map_or(Ok(Vec::new()), Err);
        assert_eq!(judged(&request), expected, "{owner} {class} {data:?}");
    }
    let late = message("internal.", vec![sent("db.internal.", ANY, 1, none(T::A))], Vec::new());
    assert_eq!(judged(&late), Err(Outcome::FormErr), "a condition with a TTL");
}

#[test]
fn what_is_to_be_done_is_read_or_refused() {
    use DNSClass::{ANY, CH, IN, NONE};
    use RecordType as T;
    let step = |owner: &str, class, ttl_s, data| {
        judged(&message("internal.", Vec::new(), vec![sent(owner, class, ttl_s, data)]))
    };
    let record = |ttl_s: u32| Record {
        name: RecordName::parse("x.internal").expect("valid"),
        data: RecordData::A([10, 1, 1, 1].into()),
        ttl: conduit_core::record::RecordTtl::from_seconds(ttl_s).ok(),
        added_at: Timestamp::from_seconds(0),
    };
    for (given, kept) in [(300, 300), (0, 0), (u32::MAX, 604_800)] {
        let steps = step("X.Internal.", IN, given, a(1)).expect("read");
        let [Step::Add(added)] = &steps[..] else { panic!("{steps:?}") };
        assert_eq!(Record { added_at: Timestamp::from_seconds(0), ..added.clone() }, record(kept));
    }
    let owner = || RecordName::parse("x.internal").expect("valid");
    let remove = |kind, data| Ok(vec![Step::Remove { name: owner(), kind, data }]);
    assert_eq!(step("x.internal.", ANY, 0, none(T::ANY)), remove(None, None));
    assert_eq!(step("x.internal.", ANY, 0, none(T::A)), remove(Some(Kind::A), None));
    let data = RecordData::A([10, 1, 1, 1].into());
    assert_eq!(step("x.internal.", NONE, 0, a(1)), remove(Some(Kind::A), Some(data)));
    assert_eq!(step("x.internal.", ANY, 0, none(T::NS)), Ok(Vec::new()), "there is none to go");
    let ns = RData::NS(NS(name("x.internal.")));
    for (owner, class, ttl_s, data, expected) in [
        ("x.internal.", IN, 60, ns, Outcome::Refused),
        ("x.internal.", IN, 60, none(T::A), Outcome::FormErr),
        ("x.internal.", IN, 60, none(T::ANY), Outcome::FormErr),
        ("x.internal.", ANY, 60, none(T::A), Outcome::FormErr),
        ("x.internal.", ANY, 0, a(1), Outcome::FormErr),
        ("x.internal.", NONE, 60, a(1), Outcome::FormErr),
        ("x.internal.", CH, 0, a(1), Outcome::FormErr),
        ("x.lab.internal.", IN, 60, a(1), Outcome::NotZone),
    ] {
        assert_eq!(
            step(owner, class, ttl_s, data.clone()),
            Err(expected),
            "{owner} {class} {data:?}"
        );
    }
    let strange = Name::from_labels([&b"x y"[..], b"internal"]).expect("a name");
    let strange = Sent::from_rdata(strange, 60, a(1));
    let strange = message("internal.", Vec::new(), vec![strange]);
    assert_eq!(judged(&strange), Err(Outcome::Refused));
    let elsewhere = message("web.internal.", Vec::new(), Vec::new());
    assert_eq!(judged(&elsewhere), Err(Outcome::NotAuth));
    let mut typed = message("internal.", Vec::new(), Vec::new());
    typed.queries[0].set_query_type(RecordType::A);
    assert_eq!(judged(&typed), Err(Outcome::FormErr));
    let many = vec![sent("x.internal.", IN, 60, a(1)); 501];
    assert_eq!(judged(&message("internal.", Vec::new(), many)), Err(Outcome::Refused));
}

#[test]
fn a_key_changes_only_what_it_may() {
    let local = Local::of([10, 0, 0, 1].into());
    let steps = |owner: &str, data: RData, class| {
        let request = message("internal.", Vec::new(), vec![sent(owner, class, 0, data)]);
        let holder = holder(&["_acme-challenge.* TXT"]);
        judge::steps(&request, sample_zone(), &local, &holder).map_err(|refusal| refusal.outcome)
    };
    let txt = || RData::TXT(TXT::new(vec!["token".into()]));
    let challenge = "_acme-challenge.web.internal.";
    assert!(steps(challenge, txt(), DNSClass::IN).is_ok());
    assert!(steps(challenge, txt(), DNSClass::NONE).is_ok());
    assert_eq!(steps(challenge, a(1), DNSClass::IN), Err(Outcome::Refused));
    assert_eq!(steps("web.internal.", txt(), DNSClass::IN), Err(Outcome::Refused));
    let all = none(RecordType::ANY);
    assert_eq!(steps(challenge, all, DNSClass::ANY), Err(Outcome::Refused), "of every type");
}

#[test]
fn every_type_comes_back_as_people_write_it() {
    for (kind, text) in EVERY_KIND {
        let record = kept(kind, text);
        let records = Records::of(&[Arc::new([record.clone()])]).expect("one");
        let set = records.sets(30).next().expect("one");
        let read = sent("x.internal.", DNSClass::IN, 30, set.data().next().expect("one"));
        let read = message("internal.", Vec::new(), vec![read]);
        let read = Message::from_vec(&read.to_vec().expect("encodes")).expect("parses");
        assert_eq!(data::kind(read.authorities[0].record_type()), Some(kind));
        let back = data::data(kind, &read.authorities[0].data);
        assert_eq!(back, Ok(record.data), "{kind} {text}");
    }
}

fn exchange(seed: u8) -> Exchange {
    let key = &holder(&["*"]).key;
    let mut request = vec![0, seed, 5 << 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    sign_request(key, &mut request, 1_000);
    match check(&request, std::iter::once(key), || 1_000) {
        Checked::Signed(exchange) => exchange,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_comes_again_is_not_made_again() {
    let seen = Seen::default();
    let (first, second) = (exchange(1), exchange(2));
    assert_eq!(seen.begin(&first, 1_000), Begun::New);
    assert_eq!(seen.begin(&first, 1_000), Begun::Running);
    assert_eq!(seen.begin(&second, 1_000), Begun::New);
    seen.end(&first, Outcome::YxDomain);
    assert_eq!(seen.begin(&first, 1_200), Begun::Done(Outcome::YxDomain));
    assert_eq!(seen.begin(&second, 1_200), Begun::Running);
}

#[tokio::test]
async fn an_update_is_judged_again_until_nothing_comes_in_between() {
    let (updates, mut wishes) = Updates::channel();
    let peers =
        Peers { keys: vec![holder(&["*.internal"])], updates: Some(updates), ..Peers::default() };
    let request =
        message("internal.", Vec::new(), vec![sent("x.internal.", DNSClass::IN, 60, a(1))]);
    let update = Update::new(request, 5 << 3, Local::default(), exchange(3), Arc::new(peers));
    let generation = std::cell::Cell::new(20);
    let zone = || {
        generation.set(generation.get() + 1);
        Arc::new(sample_zone().with(&[], version(generation.get())))
    };
    let verdicts = async {
        for verdict in [Verdict::Stale, Verdict::Stale, Verdict::Done] {
            let wish = wishes.recv().await.expect("asked");
            assert_eq!((wish.change.by.as_str(), wish.change.steps.len()), ("k", 1));
            wish.reply.send(verdict).expect("somebody waits");
        }
    };
    let (outcome, ()) = tokio::join!(update.make(zone), verdicts);
    assert_eq!((outcome, generation.get()), (Outcome::Updated, 23));
    for (verdict, expected) in [
        (Verdict::Refused("no".into()), Outcome::Refused),
        (Verdict::Unavailable("no".into()), Outcome::Failed),
    ] {
        let verdicts = async {
            let wish = wishes.recv().await.expect("asked");
            wish.reply.send(verdict).expect("somebody waits");
        };
        let zone = || Arc::new(sample_zone().clone());
        assert_eq!(tokio::join!(update.make(zone), verdicts).0, expected);
    }
    let reply = update.reply(Outcome::Updated);
    let reply = Message::from_vec(&reply.bytes).expect("parses");
    assert_eq!(reply.metadata.op_code, OpCode::Update);
    assert_eq!(reply.additionals.len(), 1, "a signature");
}
