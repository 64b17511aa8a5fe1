//! What the query log and a look at a name are told of others' answers.

use tokio::time::{advance, pause};

use super::fake::{Fake, Manners};
use super::*;
use crate::lists::Lists;
use crate::query_log::settings::{Logged, QueryLogSettings};
use crate::query_log::{Noted, Order, Queries, QueryLog};
use crate::why::{Cached, Step};

/// Asks as the loops do, and says what the log is told.
async fn told(forwarder: &Forwarder, log: &QueryLog, queries: &Queries, name: &str) -> String {
    let pending = asked(name, "A");
    let request = pending.clone().plain(Outcome::Records).bytes;
    let watch = log.watch().expect("on");
    let peer = at("10.0.0.9:4000");
    let (request, lists) = (&request, &Lists::default());
    let noted = Noted { watch, log, request, peer, transport: Transport::Udp, lists };
    match forwarder.begin(pending) {
        Begun::Send(encoded, known) | Begun::Refresh(encoded, known, _) => {
            noted.known(&encoded, known);
        }
        Begun::Wait(waiting) => {
            waiting.noted(Some(noted.held())).reply().await;
        }
        Begun::Ask(waiting, flight) => {
            let waiting = waiting.noted(Some(noted.held()));
            tokio::join!(waiting.reply(), flight.run());
        }
    }
    let Some(Order::Write(query)) = queries.ready() else {
        return "nothing".to_owned();
    };
    let line = query.line();
    let from = line.source.forwarder().map(|from| format!(" {from}")).unwrap_or_default();
    format!("{} {}{from} {}", line.outcome, line.source.as_str(), line.answers.join(", "))
}

#[tokio::test]
async fn the_log_is_told_who_answered() {
    let fake = Fake::start(Manners::Honest).await;
    let settings = only(&fake.address.to_string());
    let forwarder = Forwarder::new(settings, &[], &Interfaces::default(), None).expect("set up");
    let on = QueryLogSettings { logged: Logged::All, ..QueryLogSettings::default() };
    let (log, queries) = QueryLog::new(&on);
    let cached = |forwarder: &Forwarder| {
        let name = Name::from_ascii("a.example.").expect("valid");
        match forwarder.steps(&name, RecordType::A).pop() {
            Some(Step::Cache(cached)) => cached,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(cached(&forwarder), Cached::Nothing);
    let from = fake.address;
    let first = told(&forwarder, &log, &queries, "a.example.").await;
    assert_eq!(first, format!("records forwarder {from} A 198.18.0.1"));
    let again = told(&forwarder, &log, &queries, "A.example.").await;
    assert_eq!(again, format!("records cache {from} A 198.18.0.1"));
    let hits = forwarder.status().hits;
    let Cached::Fresh { outcome: "records", from: Some(whose), left } = cached(&forwarder) else {
        panic!("{:?}", cached(&forwarder));
    };
    assert!(whose == from && left.as_secs() <= 60);
    let peeked = forwarder.peek(&asked("a.example.", "A")).expect("kept");
    assert_eq!(peeked.outcome, Outcome::Records);
    assert_eq!(forwarder.status().hits, hits, "a look counts nothing");
    assert_eq!(told(&forwarder, &log, &queries, "localhost.").await, "records special A 127.0.0.1");

    pause();
    fake.now(Manners::Deaf);
    advance(std::time::Duration::from_secs(61)).await;
    assert!(matches!(cached(&forwarder), Cached::Stale { outcome: "records", .. }));
    assert!(forwarder.peek(&asked("a.example.", "A")).is_none(), "somebody is asked first");
    let stale = told(&forwarder, &log, &queries, "a.example.").await;
    assert_eq!(stale, format!("records stale {from} A 198.18.0.1"));
    assert!(forwarder.peek(&asked("a.example.", "A")).is_some(), "nobody answered just now");
    assert_eq!(told(&forwarder, &log, &queries, "b.example.").await, "servfail nobody ");
}
