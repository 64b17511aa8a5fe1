//! The limit of requests in flight, and those who wait for a place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use conduit_core::health::UpstreamState;
use conduit_core::policy::Policy;
use proptest::prelude::*;
use tokio::time::advance;

use super::policies::{admit_all, policy, pool};
use crate::pool::{Ask, Pool, Refused};
use crate::upstream::InFlight;

fn limited(in_flight_max: u32, queue_max: u32, seconds: u64) -> Policy {
    let mut policy = policy("least-requests");
    policy.upstream.in_flight_max = Some(in_flight_max);
    policy.upstream.queue_max = Some(queue_max);
    policy.upstream.queue_timeout = Some(format!("{seconds}s").parse().expect("a span"));
    policy
}

type Waits = std::pin::Pin<Box<dyn Future<Output = Result<InFlight, Refused>>>>;

/// Starts to wait, as far as the first poll goes.
fn waits(pool: &Arc<Pool>) -> Waits {
    let pool = Arc::clone(pool);
    let mut wait: Waits = Box::pin(async move { pool.wait(&Ask::default()).await });
    assert!(polled(&mut wait).is_none(), "there is a place");
    wait
}

fn polled(wait: &mut Waits) -> Option<Result<InFlight, Refused>> {
    match wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ended) => Some(ended),
        Poll::Pending => None,
    }
}

#[test]
fn the_limit_holds_whoever_asks_at_the_same_time() {
    let pool = pool(3, limited(5, 0, 1));
    admit_all(&pool);
    let (most, given) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..5_000 {
                    let Ok(place) = pool.reserve(&Ask::default()) else { continue };
                    most.fetch_max(place.upstream().in_flight(), Ordering::SeqCst);
                    given.fetch_add(1, Ordering::SeqCst);
                    if round % 7 == 0 {
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
    assert!(most.into_inner() <= 5);
    assert!(given.into_inner() > 5_000);
    assert!(pool.upstreams().iter().all(|upstream| upstream.in_flight() == 0));
    let all: Vec<_> = (0..16).map_while(|_| pool.reserve(&Ask::default()).ok()).collect();
    assert_eq!(all.len(), 15, "and not one less");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nobody_overtakes(steps in prop::collection::vec(0..4_u8, 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let _entered = runtime.enter();
        let pool = pool(2, limited(1, 1_000, 600));
        admit_all(&pool);
        let mut served: Vec<InFlight> =
            (0..2).map(|_| pool.reserve(&Ask::default()).expect("a place")).collect();
        let mut queue: Vec<Waits> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                // One more comes and waits, while places are taken or somebody waits.
                0 => {
                    let refused = pool.reserve(&Ask::default());
                    if served.len() == 2 || !queue.is_empty() {
                        prop_assert_eq!(refused.err(), Some(Refused::Full));
                        queue.push(waits(&pool));
                    } else {
                        served.push(refused.expect("a place"));
                    }
                }
                // A place becomes free: it goes to the first, whoever is polled first.
                1 if !served.is_empty() => {
                    served.swap_remove(number % served.len());
                    if !queue.is_empty() {
                        prop_assert!(pool.reserve(&Ask::default()).is_err(), "overtaken");
                        prop_assert!(queue.iter_mut().skip(1).all(|wait| polled(wait).is_none()));
                        served.push(polled(&mut queue.remove(0)).expect("its turn").expect("a place"));
                    }
                }
                // Somebody leaves, from anywhere in the queue.
                2 if !queue.is_empty() => drop(queue.remove(number % queue.len())),
                // Everybody is polled for nothing.
                _ => prop_assert!(queue.iter_mut().all(|wait| polled(wait).is_none())),
            }
            prop_assert_eq!(pool.waiting(), queue.len());
            prop_assert!(served.len() <= 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_and_a_long_wait_end_in_a_refusal() {
    let pool = pool(1, limited(1, 1, 30));
    let busy = pool.reserve(&Ask::default()).expect("a place");
    let mut first = waits(&pool);
    assert_eq!(pool.wait(&Ask::default()).await.err(), Some(Refused::QueueFull));
    advance(Duration::from_secs(29)).await;
    assert!(polled(&mut first).is_none());
    advance(Duration::from_secs(2)).await;
    assert_eq!(polled(&mut first).expect("ended").err(), Some(Refused::TimedOut));
    drop(first);
    assert_eq!(pool.waiting(), 0);
    drop(busy);
    assert!(pool.reserve(&Ask::default()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_waits_hears_when_nobody_is_left_or_another_comes() {
    let pool = pool(2, limited(1, 10, 600));
    pool.upstreams()[1].set_state(UpstreamState::Ejected);
    pool.refresh();
    let busy = pool.reserve(&Ask::default()).expect("a place");
    let (mut first, mut second) = (waits(&pool), waits(&pool));
    pool.upstreams()[1].set_state(UpstreamState::Admitted);
    pool.refresh();
    let given = polled(&mut first).expect("ended").expect("a place");
    assert_eq!(given.upstream().addr().port(), 2);
    drop(first);
    assert!(polled(&mut second).is_none());
    for upstream in pool.upstreams() {
        upstream.set_state(UpstreamState::Ejected);
    }
    pool.refresh();
    assert_eq!(polled(&mut second).expect("ended").err(), Some(Refused::Nobody));
    drop((busy, given));
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_heard_by_the_next_pool() {
    let mut service = crate::fixture::service("web", &["10.0.0.1:1"]);
    service.policy = Arc::new(limited(1, 10, 600));
    let compiler = crate::fixture::compiler();
    let leaves = crate::fixture::Leaves::default();
    let compile = |service: &conduit_core::service::Service, version, before| {
        let catalog = crate::fixture::catalog(vec![service.clone()]);
        compiler.compile(&catalog, &leaves, crate::fixture::version(version), before)
    };
    let table = compile(&service, 1, None).expect("a table");
    let pool = Arc::clone(table.pools().next().expect("a pool"));
    let busy = pool.reserve(&Ask::default()).expect("a place");
    let mut first = waits(&pool);

    service.policy = Arc::new(limited(1, 20, 600));
    let table = compile(&service, 2, Some(&table)).expect("a table");
    let next = Arc::clone(table.pools().next().expect("a pool"));
    assert!(!Arc::ptr_eq(&pool, &next));
    assert_eq!(next.waiting(), 1);
    let mut second = waits(&next);
    drop(busy);
    assert!(next.reserve(&Ask::default()).is_err(), "nobody overtakes those of the pool before");
    let given = polled(&mut first).expect("its turn").expect("a place");
    drop(first);
    assert!(polled(&mut second).is_none());
    drop(given);
    assert!(polled(&mut second).expect("its turn").is_ok());
}

#[test]
fn places_are_handed_on_across_threads() {
    let pool = pool(2, limited(2, 1_000, 600));
    admit_all(&pool);
    let served = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .expect("a runtime");
                runtime.block_on(async {
                    for _ in 0..500 {
                        let place = match pool.reserve(&Ask::default()) {
                            Ok(place) => place,
                            Err(_) => pool.wait(&Ask::default()).await.expect("a place"),
                        };
                        assert!(place.upstream().in_flight() <= 2);
                        tokio::task::yield_now().await;
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                });
            });
        }
    });
    assert_eq!(served.into_inner(), 4_000, "nobody was forgotten");
    assert_eq!(pool.waiting(), 0);
}
