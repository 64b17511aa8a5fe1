//! Who is picked, and how often.

use std::collections::BTreeMap;

use conduit_core::upstream::UpstreamAddr;

use super::*;
use crate::fixture;

mod policies;
mod waiting;

fn pool(upstreams: &[&str]) -> Arc<Pool> {
    let table = fixture::table(vec![fixture::service("web", upstreams)]);
    Arc::clone(table.pools().next().unwrap())
}

fn eject(pool: &Pool, place: usize) {
    pool.upstreams()[place].set_state(UpstreamState::Ejected);
}

/// How often each port was picked in `times` picks.
fn picks(pool: &Pool, times: usize, tried: Option<&Arc<Upstream>>) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..times {
        if let Some(upstream) = pool.pick(tried) {
            *counts.entry(upstream.addr().port()).or_default() += 1;
        }
    }
    counts
}

#[test]
fn admitted_upstreams_share_evenly() {
    let pool = pool(&["10.0.0.1:1", "10.0.0.1:2", "name:3"]);
    assert_eq!(picks(&pool, 300, None), [(1, 100), (2, 100), (3, 100)].into());
}

#[test]
fn an_ejected_upstream_gets_nothing_and_the_rest_its_share() {
    let pool = pool(&["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4"]);
    eject(&pool, 1);
    let before_rebuild = picks(&pool, 100, None);
    assert!(!before_rebuild.contains_key(&2), "{before_rebuild:?}");

    pool.refresh();
    assert_eq!(picks(&pool, 300, None), [(1, 100), (3, 100), (4, 100)].into());
}

#[test]
fn a_readmitted_upstream_gets_its_share_again() {
    let pool = pool(&["10.0.0.1:1", "10.0.0.1:2"]);
    policies::admit_all(&pool);
    eject(&pool, 0);
    pool.refresh();
    assert_eq!(picks(&pool, 10, None), [(2, 10)].into());
    pool.upstreams()[0].set_state(UpstreamState::Admitted);
    pool.refresh();
    assert_eq!(picks(&pool, 10, None), [(1, 5), (2, 5)].into());
}

#[test]
fn a_second_try_goes_elsewhere_or_nowhere() {
    let pair = pool(&["10.0.0.1:1", "10.0.0.1:2"]);
    let tried = Arc::clone(&pair.upstreams()[0]);
    assert_eq!(picks(&pair, 10, Some(&tried)), [(2, 10)].into());

    eject(&pair, 1);
    pair.refresh();
    assert_eq!(picks(&pair, 10, Some(&tried)), BTreeMap::new());

    let single = pool(&["10.0.0.1:1"]);
    let tried = Arc::clone(&single.upstreams()[0]);
    assert!(single.pick(Some(&tried)).is_none());
}

#[test]
fn with_all_ejected_only_who_would_rather_try_gets_one() {
    let pool = pool(&["10.0.0.1:1", "10.0.0.1:2"]);
    eject(&pool, 0);
    eject(&pool, 1);
    for _ in 0..2 {
        assert!(pool.pick(None).is_none());
        pool.refresh();
    }
    let ask = Ask { any: true, ..Ask::default() };
    let mut ports: Vec<u16> =
        (0..4).map(|_| pool.reserve(&ask).unwrap().upstream().addr().port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [1, 1, 2, 2]);
    let tried = [Arc::clone(&pool.upstreams()[0])];
    let again = pool.reserve(&Ask { tried: &tried, ..ask });
    assert_eq!(again.err(), Some(Refused::Nobody), "but only once");
    assert_eq!(pool.health(), Health::Down);
    assert_eq!(pool.counts().ejected, 2);
}

#[test]
fn a_flip_that_overtakes_the_selection_never_serves_an_ejected_upstream() {
    let pool = pool(&["10.0.0.1:1"]);
    eject(&pool, 0);
    assert!(pool.pick(None).is_none());
    pool.refresh();
    pool.upstreams()[0].set_state(UpstreamState::Admitted);
    assert!(pool.pick(None).is_some(), "nor misses an admitted one");
}

#[test]
fn requests_are_counted_while_they_last() {
    let pool = pool(&["10.0.0.1:1"]);
    let upstream = &pool.upstreams()[0];
    let first = upstream.begin();
    let second = upstream.begin();
    assert_eq!(upstream.in_flight(), 2);
    drop((first, second));
    assert_eq!(upstream.in_flight(), 0);
    assert_eq!(upstream.addr(), &UpstreamAddr::parse("10.0.0.1:1").unwrap());
}

#[tokio::test]
async fn reports_are_one_at_a_time_and_never_wait() {
    let (reports, mut queue) = crate::upstream::reports();
    let upstream = |port: u16| {
        let addr = UpstreamAddr::from_socket(([127, 0, 0, 1], port).into());
        let service = fixture::service("web", &["10.0.0.1:1"]);
        let spec = UpstreamSpec::of(&service, &Arc::default(), &addr);
        Arc::new(Upstream::new(spec, reports.clone()))
    };
    let (first, second) = (upstream(1), upstream(2));
    let seen = crate::upstream::Observation::ConnectFailed;
    for _ in 0..10_000 {
        first.report(seen);
        second.report(seen);
    }
    assert!(Arc::ptr_eq(&queue.next().await.unwrap().upstream, &first));
    first.report(seen);
    assert!(Arc::ptr_eq(&queue.next().await.unwrap().upstream, &second));
    assert!(Arc::ptr_eq(&queue.next().await.unwrap().upstream, &first));
    drop(queue);
    first.report(seen);
}
