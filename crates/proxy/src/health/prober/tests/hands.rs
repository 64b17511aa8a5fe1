//! What operators do to upstreams: drained, ejected, admitted.

use super::*;
use crate::pool;

fn pair() -> Service {
    service("web", &["10.0.0.1:1", "10.0.0.1:2"])
}

#[tokio::test(start_paused = true)]
async fn a_drained_one_finishes_what_it_has_and_gets_nothing_new() {
    let mut stage = Stage::start(vec![pair()], Script::default());
    assert_eq!(stage.first().await, Health::Healthy);
    let upstream = stage.upstream(0);
    let under_way = upstream.begin();
    stage.hold(pair(), 0, Some(HoldKind::Drain));
    assert!(Arc::ptr_eq(&upstream, &stage.upstream(0)), "its history stays");
    assert_eq!(stage.picked(), [2]);
    let seen = stage.board.service(&web(), Timestamp::now()).unwrap();
    assert_eq!((seen.health, seen.reason.as_deref()), (Health::Degraded, Some("drained by alice")));
    let drained = &seen.upstreams[0];
    assert_eq!((drained.state, drained.in_flight), (UpstreamState::Draining, 1));
    assert_eq!(drained.hold.as_ref().unwrap().by, "alice");
    drop(under_way);

    sleep(INTERVAL * 3).await;
    assert_eq!(stage.picked(), [2], "probes that pass let it in no more");
    assert!(stage.events.ready().is_none(), "nobody needs to be told what an operator did");
    stage.hold(pair(), 0, None);
    assert_eq!(stage.picked(), [1, 2]);
    sleep(INTERVAL).await;
    assert_eq!(stage.health(), (Health::Healthy, None));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_would_rather_try_does_not_try_what_is_held() {
    let mut stage = Stage::start(vec![pair()], refusing(&[1, 2]));
    assert_eq!(stage.first().await, Health::Down);
    stage.hold(pair(), 0, Some(HoldKind::Eject));
    let all = Arc::clone(stage.tables.current().pool(&web()).unwrap());
    let any = pool::Ask { any: true, ..pool::Ask::default() };
    assert!((0..9).all(|_| all.reserve(&any).unwrap().upstream().addr().port() == 2));
    stage.stop().await;

    let lone = || service("web", &["10.0.0.1:1"]);
    let mut stage = Stage::start(vec![lone()], refusing(&[1]));
    assert_eq!(stage.first().await, Health::Down);
    stage.hold(lone(), 0, Some(HoldKind::Drain));
    let all = Arc::clone(stage.tables.current().pool(&web()).unwrap());
    assert!(matches!(all.reserve(&any), Err(pool::Refused::Nobody)));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_only_prepared_touches_nothing() {
    let mut stage = Stage::start(vec![pair()], Script::default());
    stage.first().await;
    let mut held = pair();
    let upstream = held.upstreams[0].clone();
    let since = Timestamp::from_seconds(0);
    held.holds = vec![Hold { upstream, kind: HoldKind::Drain, by: String::new(), since }];
    let leaves = Leaves::default();
    let previous = stage.tables.current();
    let next = stage.compiler.compile(&catalog(vec![held]), &leaves, version(2), Some(&previous));
    drop(next.unwrap());
    assert_eq!(stage.picked(), [1, 2]);
    stage.hold(pair(), 1, Some(HoldKind::Drain));
    assert_eq!(stage.picked(), [1]);
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_admitted_by_hand_is_in_at_once_and_judged_anew() {
    let mut stage = Stage::start(vec![pair()], refusing(&[1]));
    assert_eq!(stage.first().await, Health::Degraded);
    stage.change().await;
    let addr = stage.upstream(0).addr().clone();
    stage.board.admit(&web(), &addr);
    let (_, current, reason) = stage.change().await;
    assert_eq!((current, reason.as_str()), (Health::Healthy, "admitted by hand"));
    // It is still dead: its first probe, which comes at once, ejects it.
    let began = Instant::now();
    assert_eq!(stage.change().await.1, Health::Degraded);
    assert!(began.elapsed() < Duration::from_secs(1));
    stage.script.set(1, None);
    stage.board.admit(&web(), &addr);
    assert_eq!(stage.change().await.1, Health::Healthy);
    sleep(INTERVAL * 2).await;
    assert!(stage.events.ready().is_none(), "and stays in");
    stage.stop().await;
}
