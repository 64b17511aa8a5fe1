//! Cookies, what strangers may have, and why they get no more.

use super::*;
use crate::options::opt_of;

const OWN: &[u8] = b"conduit!";
const INSIDE: &str = "10.0.0.9:4000";
const STRANGER: &str = "203.0.113.9:4000";

fn with_cookie(name: &str, cookie: &[u8]) -> Vec<u8> {
    let mut message = query(name, RecordType::A);
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(COOKIE, cookie.to_vec()));
    message.set_edns(edns);
    message.to_vec().expect("encodes")
}

fn sent(request: &[u8], peer: &str, policy: &Policy) -> Option<(Message, Vec<u8>)> {
    match respond(request, &asker(Transport::Udp, peer), sample_zone(), policy) {
        Reply::Send(encoded) => {
            Some((Message::from_vec(&encoded.bytes).expect("parses"), encoded.bytes))
        }
        Reply::Silence(Drop::Limited) => None,
        other => panic!("{other:?}"),
    }
}

fn option_of(bytes: &[u8], code: u16) -> Option<Vec<u8>> {
    let opt = opt_of(bytes)?;
    find(opt.data, code).expect("whole").map(<[u8]>::to_vec)
}

#[test]
fn a_client_gets_a_cookie_that_is_good() {
    let policy = Policy::default();
    let (reply, bytes) =
        sent(&with_cookie("grafana.internal.", OWN), INSIDE, &policy).expect("one");
    assert_eq!(reply.answers.len(), 1);
    let cookie = option_of(&bytes, COOKIE).expect("a cookie");
    assert_eq!((cookie.len(), &cookie[..8]), (24, OWN));
    let (_, bytes) = sent(&with_cookie("x.internal.", &cookie), INSIDE, &policy).expect("one");
    assert_eq!(option_of(&bytes, COOKIE), Some(cookie), "young enough to go on with");
    for length in [0, 7, 9, 15, 41] {
        let wrong = with_cookie("grafana.internal.", &vec![7; length]);
        let (reply, _) = sent(&wrong, INSIDE, &policy).expect("one");
        assert_eq!(reply.metadata.response_code, ResponseCode::FormErr, "{length}");
    }
    let (_, bytes) =
        sent(&query("x.internal.", RecordType::A).to_vec().expect("encodes"), INSIDE, &policy)
            .expect("one");
    assert!(opt_of(&bytes).is_none(), "none that was not asked for");
}

#[test]
fn a_question_for_a_cookie_alone_is_answered() {
    let mut message = Message::query();
    message.metadata.id = 4711;
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(COOKIE, OWN.to_vec()));
    message.set_edns(edns);
    let policy = Policy::default();
    let (reply, bytes) = sent(&message.to_vec().expect("encodes"), INSIDE, &policy).expect("one");
    assert_eq!((reply.metadata.response_code, reply.queries.len()), (ResponseCode::NoError, 0));
    assert_eq!(option_of(&bytes, COOKIE).map(|cookie| cookie.len()), Some(24));
}

#[tokio::test(start_paused = true)]
async fn a_network_of_strangers_has_its_rate() {
    let policy = Policy { rate_limit: 10, ..Policy::default() };
    let plain = query("many.internal.", RecordType::A).to_vec().expect("encodes");
    let replies: Vec<_> = (0..60).map(|_| sent(&plain, STRANGER, &policy)).collect();
    let cut = |reply: &&(Message, Vec<u8>)| reply.0.metadata.truncation && reply.1.len() < 60;
    assert_eq!(replies.iter().filter(|reply| reply.is_none()).count(), 20);
    assert_eq!(replies[20..].iter().flatten().filter(cut).count(), 20);
    // Who cannot pretend to be another is not limited, and nor are clients of ours.
    let tcp = asker(Transport::Tcp, STRANGER);
    assert!(matches!(respond(&plain, &tcp, sample_zone(), &policy), Reply::Send(_)));
    assert!((0..100).all(|_| sent(&plain, INSIDE, &policy).is_some()));
    // With a cookie the way back is a newer cookie.
    let shown = with_cookie("grafana.internal.", OWN);
    let told: Vec<_> = (0..4).filter_map(|_| sent(&shown, STRANGER, &policy)).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(u16::from(told[0].0.metadata.response_code), 23);
    let cookie = option_of(&told[0].1, COOKIE).expect("a cookie");
    let proven = with_cookie("grafana.internal.", &cookie);
    assert!((0..100).all(|_| {
        let (reply, _) = sent(&proven, STRANGER, &policy).expect("not limited");
        reply.answers.len() == 1
    }));
    // What cannot be understood is limited, too.
    assert!((0..10).all(|_| sent(&plain[..20], STRANGER, &policy).is_none()));
    let off = Policy::default();
    assert!((0..1000).all(|_| sent(&plain, STRANGER, &off).is_some()));
}

#[test]
fn a_refusal_says_why_when_the_client_can_read_it() {
    let policy = Policy::default();
    let mut theirs = query("example.com.", RecordType::A);
    let plain = theirs.to_vec().expect("encodes");
    theirs.set_edns(Edns::new());
    let (_, bytes) = sent(&theirs.to_vec().expect("encodes"), STRANGER, &policy).expect("one");
    assert_eq!(option_of(&bytes, 15), Some(vec![0, 18]));
    let (reply, _) = sent(&plain, STRANGER, &policy).expect("one");
    assert!(reply.edns.is_none());
}
