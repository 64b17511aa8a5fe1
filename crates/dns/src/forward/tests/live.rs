//! The forwarder against servers that behave, and servers that do not.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::time::{advance, pause};

use super::fake::{Fake, Manners};
use super::*;

fn to(forwarders: &[&Fake]) -> ForwardSettings {
    ForwardSettings {
        forwarders: forwarders.iter().map(|fake| fake.address.into()).collect(),
        ..ForwardSettings::default()
    }
}

fn forwarder(settings: ForwardSettings) -> Forwarder {
    Forwarder::new(settings, &[], &Interfaces::default(), None).expect("set up")
}

/// Asks as the loops do, and says the answer in words.
pub(super) async fn ask_for(forwarder: &Forwarder, name: &str) -> String {
    let encoded = match forwarder.begin(asked(name, "A")) {
        Begun::Send(encoded, _) => encoded,
        Begun::Refresh(encoded, _, flight) => {
            flight.run().await;
            encoded
        }
        Begun::Wait(waiting) => waiting.reply().await,
        Begun::Ask(waiting, flight) => tokio::join!(waiting.reply(), flight.run()).0,
    };
    let message = Message::from_vec(&encoded.bytes).expect("parses");
    assert_eq!(message.queries[0].name().to_ascii(), name, "the case of the client");
    let data: Vec<String> =
        message.answers.iter().map(|r| format!("{}/{}", r.data, r.ttl)).collect();
    format!("{} {}", encoded.outcome.as_str(), data.join(" ")).trim().to_owned()
}

const GOOD: &str = "records 198.18.0.1/60";

#[tokio::test]
async fn whatever_a_forwarder_does_there_is_one_answer() {
    for (manners, expected, over_tcp) in [
        (Manners::Honest, GOOD, 0),
        (Manners::Truncating, GOOD, 1),
        (Manners::WrongIds, GOOD, 0),
        (Manners::WrongIdsOnly, GOOD, 1),
        (Manners::WrongName, GOOD, 0),
        (Manners::OtherPort, GOOD, 0),
        (Manners::Folding, GOOD, 1),
        (Manners::Guessed, GOOD, 1),
        (Manners::Old, GOOD, 0),
        (Manners::Inside, "nodata", 0),
        (Manners::Declines(ResponseCode::Refused), "servfail", 0),
        (Manners::Declines(ResponseCode::ServFail), "servfail", 0),
        (Manners::NoSoa, "nxdomain", 0),
        (Manners::Nothing, "nxdomain", 0),
        (Manners::Chain, "records second.example./60 third.other./60 198.18.0.1/60", 0),
        (Manners::Circle, "servfail", 0),
        (Manners::Garbage, "servfail", 0),
        (Manners::Huge, "truncated", 1),
    ] {
        let fake = Fake::start(manners).await;
        let forwarder = forwarder(to(&[&fake]));
        // Long enough that its case is never all lower by chance.
        let name = "www.a-long-name-with-many-letters.example.";
        assert_eq!(ask_for(&forwarder, name).await, expected, "{manners:?}");
        assert_eq!(fake.asked_over_tcp(), over_tcp, "{manners:?}");
        let status = forwarder.status();
        assert_eq!((status.in_flight, status.misses), (0, 1), "{manners:?}");
    }
}

#[tokio::test]
async fn queries_are_hard_to_guess() {
    let fake = Fake::start(Manners::NoSoa).await;
    let forwarder = forwarder(to(&[&fake]));
    let name = "www.a-long-name-with-many-letters.example.";
    for _ in 0..64 {
        assert_eq!(ask_for(&forwarder, name).await, "nxdomain");
    }
    let heard = fake.heard();
    let different = |of: &dyn Fn(&(String, u16, SocketAddr)) -> String| {
        heard.iter().map(of).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert!(different(&|(name, ..)| name.clone()) > 60, "case");
    assert!(different(&|(_, id, _)| id.to_string()) > 60, "ids");
    assert!(different(&|(.., from)| from.port().to_string()) > 50, "ports");
    assert!(heard.iter().all(|(asked, ..)| asked.eq_ignore_ascii_case(name)));
    // One that folds case is found out over TCP once, and then asked in lower case.
    fake.now(Manners::Folding);
    let before = fake.heard().len();
    for n in 0..3 {
        assert_eq!(ask_for(&forwarder, &format!("n{n}.{name}")).await, GOOD);
    }
    assert_eq!(fake.asked_over_tcp(), 1);
    let lower = |(name, ..): &(String, u16, SocketAddr)| name.to_lowercase() == *name;
    assert!(fake.heard()[before + 1..].iter().all(lower));
}

#[tokio::test]
async fn answers_are_kept_and_count_down() {
    let fake = Fake::start(Manners::Honest).await;
    let forwarder = forwarder(to(&[&fake]));
    assert_eq!(ask_for(&forwarder, "www.example.").await, GOOD);
    pause();
    advance(Duration::from_secs(20)).await;
    assert_eq!(ask_for(&forwarder, "WWW.example.").await, "records 198.18.0.1/40");
    assert_eq!(fake.asked(), 1);
    forwarder.flush(Some("other.example"));
    assert_eq!(ask_for(&forwarder, "www.example.").await, "records 198.18.0.1/40");
    forwarder.flush(Some("Www.Example"));
    tokio::time::resume();
    assert_eq!(ask_for(&forwarder, "www.example.").await, GOOD);
    forwarder.flush(None);
    assert_eq!(ask_for(&forwarder, "www.example.").await, GOOD);
    assert_eq!(fake.asked(), 3);
    // What is asked for often is asked for again before it ends.
    pause();
    for seconds in [1, 1, 1, 52] {
        advance(Duration::from_secs(seconds)).await;
        assert!(ask_for(&forwarder, "www.example.").await.starts_with("records"));
    }
    tokio::time::resume();
    let status = forwarder.status();
    assert_eq!((status.prefetches, fake.asked()), (1, 4));
    assert_eq!(ask_for(&forwarder, "www.example.").await, GOOD);
}

#[tokio::test]
async fn absence_is_kept_as_long_as_the_zone_says() {
    let fake = Fake::start(Manners::Nothing).await;
    let forwarder = forwarder(to(&[&fake]));
    for _ in 0..2 {
        assert_eq!(ask_for(&forwarder, "no.example.").await, "nxdomain");
    }
    assert_eq!(fake.asked(), 1);
    fake.now(Manners::NoSoa);
    for _ in 0..2 {
        assert_eq!(ask_for(&forwarder, "nil.example.").await, "nxdomain");
    }
    assert_eq!(fake.asked(), 3, "without an SOA it is not kept");
    fake.now(Manners::Declines(ResponseCode::ServFail));
    for _ in 0..2 {
        assert_eq!(ask_for(&forwarder, "broken.example.").await, "servfail");
    }
    assert_eq!(fake.asked(), 4, "a failure is kept for a moment");
}

#[tokio::test]
async fn the_next_forwarder_is_asked() {
    let (first, second) = (Fake::start(Manners::Honest).await, Fake::start(Manners::Honest).await);
    let forwarder = forwarder(to(&[&first, &second]));
    for (n, manners) in [
        Manners::Declines(ResponseCode::ServFail),
        Manners::Declines(ResponseCode::Refused),
        Manners::Garbage,
        Manners::Circle,
    ]
    .into_iter()
    .enumerate()
    {
        first.now(manners);
        assert_eq!(ask_for(&forwarder, &format!("n{n}.example.")).await, GOOD, "{manners:?}");
        assert_eq!((first.asked(), second.asked()), (n + 1, n + 1), "{manners:?}");
    }
    let status = forwarder.status();
    assert_eq!((status.forwarders[0].failures, status.forwarders[1].failures), (4, 0));
    assert!(status.forwarders[0].is_up, "two in a row are not enough");
}

#[tokio::test(start_paused = true)]
async fn a_dead_forwarder_is_put_aside_and_comes_back() {
    let (first, second) = (Fake::start(Manners::Dead).await, Fake::start(Manners::Honest).await);
    let forwarder = forwarder(to(&[&first, &second]));
    for n in 0..5 {
        assert_eq!(ask_for(&forwarder, &format!("n{n}.example.")).await, GOOD);
    }
    assert_eq!(first.asked(), 3, "then nobody waits for it any more");
    assert!(!forwarder.status().forwarders[0].is_up);
    first.now(Manners::Honest);
    advance(Duration::from_secs(6)).await;
    assert_eq!(ask_for(&forwarder, "m0.example.").await, GOOD);
    assert_eq!(first.heard()[3].0, ".", "probed with a question that tells nothing");
    assert!(forwarder.status().forwarders[0].is_up);
    assert_eq!(ask_for(&forwarder, "m1.example.").await, GOOD);
    assert_eq!(first.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_was_good_is_told_when_nobody_answers() {
    let fake = Fake::start(Manners::Honest).await;
    let forwarder = forwarder(to(&[&fake]));
    assert_eq!(ask_for(&forwarder, "www.example.").await, GOOD);
    fake.now(Manners::Dead);
    advance(Duration::from_secs(100)).await;
    let asked_at = Instant::now();
    let Begun::Ask(waiting, flight) = forwarder.begin(asked("www.example.", "A")) else {
        panic!("not asked");
    };
    let (reply, took) = tokio::join!(
        async {
            let reply = waiting.reply().await;
            assert!(asked_at.elapsed() < Duration::from_secs(2), "before the client gives up");
            reply
        },
        async {
            flight.run().await;
            asked_at.elapsed()
        }
    );
    assert!(took > Duration::from_secs(2), "asking went on");
    let message = Message::from_vec(&reply.bytes).expect("parses");
    assert_eq!((message.answers.len(), message.answers[0].ttl), (1, 30));
    let before = fake.asked();
    assert_eq!(ask_for(&forwarder, "www.example.").await, "records 198.18.0.1/30");
    assert_eq!(fake.asked(), before, "for a while nobody is asked");
    assert_eq!(ask_for(&forwarder, "new.example.").await, "servfail");
    fake.now(Manners::Honest);
    advance(Duration::from_secs(31)).await;
    assert_eq!(ask_for(&forwarder, "www.example.").await, GOOD);
    assert_eq!(forwarder.status().stale, 2);
}

#[tokio::test]
async fn one_asks_for_all() {
    let fake = Fake::start(Manners::Honest).await;
    let forwarder = forwarder(to(&[&fake]));
    let asks = (0..100).map(|_| ask_for(&forwarder, "www.example."));
    let mut flights = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..100 {
        match forwarder.begin(asked("once.example.", "A")) {
            Begun::Ask(wait, flight) => {
                waiting.push(wait);
                flights.push(flight);
            }
            Begun::Wait(wait) => waiting.push(wait),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((flights.len(), waiting.len()), (1, 100));
    flights.pop().expect("one").run().await;
    for wait in waiting {
        assert_eq!(wait.reply().await.outcome, Outcome::Records);
    }
    assert_eq!((fake.asked(), forwarder.status().joined), (1, 99));
    for ask in asks {
        assert_eq!(ask.await, GOOD);
    }
    assert_eq!(fake.asked(), 2);
}

#[tokio::test]
async fn a_flood_of_names_fills_nothing_without_end() {
    let fake = Fake::start(Manners::Dead).await;
    let mut settings = to(&[&fake]);
    settings.cache.size = 100_000;
    let forwarder = forwarder(settings);
    let ask = |n: u16| {
        let [high, low] = n.to_be_bytes();
        let client = IpAddr::from([10, 0, high, low]);
        forwarder.begin(Pending { client, ..asked(&format!("n{n}.example."), "A") })
    };
    let begun: Vec<Begun> = (0..3000).map(ask).collect();
    let flights = begun.iter().filter(|b| matches!(b, Begun::Ask(..))).count();
    let refused = begun.iter().filter(|b| matches!(b, Begun::Send(..))).count();
    assert_eq!((flights, refused), (flight::FLIGHTS_MAX, 3000 - flight::FLIGHTS_MAX));
    let status = forwarder.status();
    assert_eq!(status.in_flight, flight::FLIGHTS_MAX);
    assert_eq!(status.overflows, refused as u64);
    drop(begun);
    assert_eq!(forwarder.status().in_flight, 0);
    fake.now(Manners::Nothing);
    for n in 0..400 {
        assert_eq!(ask_for(&forwarder, &format!("m{n}.example.")).await, "nxdomain");
    }
    let status = forwarder.status();
    assert!(status.bytes <= 100_000 && status.evicted > 0, "{status:?}");
}
