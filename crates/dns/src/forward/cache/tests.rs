//! The cache, by a clock of its own.

use hickory_proto::rr::Name;

use super::*;
use crate::dnssec::{Judgement, Kind, Why};
use crate::forward::sanitise::Finding;
use crate::forward::tests::{asked, folded, query_of, question};

const STALE: Duration = Duration::from_secs(100);

fn cache(size: usize) -> Cache {
    let settings =
        CacheSettings { size, serve_stale: STALE, prefetch: true, ..CacheSettings::default() };
    Cache::new(&settings)
}

fn finding(outcome: Outcome, seconds: u64) -> Finding {
    Finding {
        outcome,
        name: Name::from_ascii("www.example.").expect("valid"),
        answers: Vec::new(),
        authorities: Vec::new(),
        lifetime: Duration::from_secs(seconds),
        kept_out: 0,
    }
}

fn answer(outcome: Outcome, seconds: u64) -> Arc<Answer> {
    let query = query_of(&asked("www.example.", "A"));
    Arc::new(Answer::new(finding(outcome, seconds), query).expect("fits"))
}

fn bogus(kind: Kind) -> Arc<Answer> {
    let query = query_of(&asked("www.example.", "A"));
    let judgement = Judgement::bogus(Why { kind, name: Box::default() });
    Arc::new(Answer::judged(finding(Outcome::Records, 50), &query, judgement).expect("fits"))
}

fn word(found: &Found) -> String {
    match found {
        Found::Fresh { age_s, is_due, .. } => format!("fresh {age_s} {is_due}"),
        Found::Stale { may_ask, .. } => format!("stale {may_ask}"),
        Found::Nothing => "nothing".into(),
    }
}

#[test]
fn an_answer_is_good_then_stale_then_gone() {
    let (cache, start) = (cache(1 << 20), Instant::now());
    let key = question("www.example.", "A");
    let at = |seconds: u64| word(&cache.get(key.key(), start + Duration::from_secs(seconds)));
    assert_eq!(at(0), "nothing");
    cache.put(key.key(), &answer(Outcome::Records, 50), start);
    assert_eq!((at(0), at(49)), ("fresh 0 false".into(), "fresh 49 false".into()));
    assert_eq!(
        (at(50), at(149), at(150)),
        ("stale true".into(), "stale true".into(), "nothing".into())
    );
    // Nobody answered: for a while nobody is asked.
    cache.hold_off(key.key(), start + Duration::from_secs(60));
    assert_eq!(
        (at(61), at(89), at(90)),
        ("stale false".into(), "stale false".into(), "stale true".into())
    );
    // A failure does not push out what was good, and is itself never stale.
    cache.put(key.key(), &answer(Outcome::Failed, 5), start + Duration::from_secs(100));
    assert_eq!((at(101), at(130)), ("stale false".into(), "stale true".into()));
    cache.put(key.key(), &answer(Outcome::Failed, 5), start + Duration::from_secs(200));
    assert_eq!((at(201), at(205)), ("fresh 1 false".into(), "nothing".into()));
    cache.put(key.key(), &answer(Outcome::Records, 0), start);
    assert_eq!(at(204), "fresh 4 false", "what may not be kept is not");
}

#[test]
fn what_is_not_believed_pushes_out_nothing_that_is_good() {
    let (cache, start) = (cache(1 << 20), Instant::now());
    let key = question("www.example.", "A");
    let at = |seconds: u64| word(&cache.get(key.key(), start + Duration::from_secs(seconds)));
    let put = |answer: Arc<Answer>, seconds: u64| {
        cache.put(key.key(), &answer, start + Duration::from_secs(seconds));
    };
    put(answer(Outcome::Records, 50), 0);
    // Asked for before it ended.
    put(bogus(Kind::BadSignature), 45);
    assert_eq!((at(46), at(50)), ("fresh 46 false".into(), "stale true".into()));
    // Keys could not be asked for, which says nothing about it.
    put(bogus(Kind::NoAnswer), 60);
    assert_eq!((at(61), at(90)), ("stale false".into(), "stale true".into()));
    put(bogus(Kind::BadSignature), 95);
    assert_eq!((at(96), at(155)), ("fresh 1 false".into(), "nothing".into()));
}

#[test]
fn what_is_asked_often_is_due_once() {
    let (cache, start) = (cache(1 << 20), Instant::now());
    let key = question("www.example.", "A");
    cache.put(key.key(), &answer(Outcome::Records, 100), start);
    let at = |seconds: u64| word(&cache.get(key.key(), start + Duration::from_secs(seconds)));
    assert_eq!(at(95), "fresh 95 false", "asked once");
    assert_eq!(
        (at(1), at(2), at(90)),
        ("fresh 1 false".into(), "fresh 2 false".into(), "fresh 90 false".into())
    );
    assert_eq!((at(91), at(92)), ("fresh 91 true".into(), "fresh 92 false".into()));
}

#[test]
fn a_flood_pushes_out_itself() {
    let (cache, now) = (cache(400_000), Instant::now());
    let wanted = question("wanted.example.", "A");
    cache.put(wanted.key(), &answer(Outcome::Records, 1000), now);
    let mut gone = 0;
    for n in 0..20_000 {
        let key = question(&format!("{n}.random.example."), "A");
        gone += cache.put(key.key(), &answer(Outcome::NxDomain, 1000), now);
        if n % 50 == 0 {
            assert_ne!(word(&cache.get(wanted.key(), now)), "nothing", "after {n}");
        }
    }
    let size = cache.size();
    assert!(size.bytes <= 400_000 && size.entries > 500, "{size:?}");
    assert_eq!(gone + size.entries, 20_001);
    cache.clear();
    assert_eq!(cache.size(), Size::default());
}

#[test]
fn one_name_is_forgotten_with_all_its_types() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    let keys = [("www.example.", "A"), ("www.example.", "AAAA"), ("a.www.example.", "A")];
    for (name, rtype) in keys {
        let answer = answer(Outcome::Records, 100);
        cache.put(question(name, rtype).key(), &answer, now);
    }
    cache.forget(&folded("WWW.example."));
    assert_eq!(cache.size().entries, 1);
    let left = question("a.www.example.", "A");
    assert_eq!(word(&cache.get(left.key(), now)), "fresh 0 false");
    // What is kept again is counted once.
    for _ in 0..100 {
        cache.put(left.key(), &answer(Outcome::Records, 100), now);
        cache.forget(&folded("a.www.example."));
    }
    assert_eq!(cache.size(), Size::default());
}
