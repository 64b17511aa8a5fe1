//! Shares, ranks and keys, over every policy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::health::UpstreamState;
use conduit_core::policy::{Balance, Policy, Share};
use conduit_core::upstream::UpstreamAddr;
use proptest::prelude::*;
use tokio::time::{Instant, advance};

use crate::fixture;
use crate::pool::{Ask, Pool, Refused, Wish};
use crate::upstream::Upstream;

const POLICIES: [&str; 5] = ["round-robin", "random", "least-requests", "peak-ewma", "hash:client"];

/// A pool at the ports 1, 2, … with a policy as an operator writes it.
pub(super) fn pool(count: usize, policy: Policy) -> Arc<Pool> {
    pool_of(1..=count, policy)
}

fn pool_of(ports: impl IntoIterator<Item = usize>, policy: Policy) -> Arc<Pool> {
    let ports: Vec<String> = ports.into_iter().map(|port| format!("10.0.0.1:{port}")).collect();
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    let mut service = fixture::service("web", &ports);
    service.policy = Arc::new(policy);
    let table = fixture::table(vec![service]);
    Arc::clone(table.pools().next().expect("a pool"))
}

pub(super) fn policy(balance: &str) -> Policy {
    let balance: Balance = balance.parse().expect("a policy");
    Policy { balance: Some(balance), ..Policy::default() }
}

/// A policy with these weights and priorities, from the first upstream on.
fn shared(balance: &str, shares: &[(u16, u8)]) -> Policy {
    let share = |(index, (weight, priority)): (usize, &(u16, u8))| Share {
        upstream: UpstreamAddr::parse(&format!("10.0.0.1:{}", index + 1)).expect("an upstream"),
        weight: *weight,
        priority: *priority,
    };
    Policy { shares: shares.iter().enumerate().map(share).collect(), ..policy(balance) }
}

pub(super) fn admit_all(pool: &Pool) {
    pool.upstreams().iter().for_each(|upstream| upstream.set_state(UpstreamState::Admitted));
    pool.refresh();
}

fn set(pool: &Pool, place: usize, state: UpstreamState) {
    pool.upstreams()[place].set_state(state);
    pool.refresh();
}

fn port(upstream: &Upstream) -> usize {
    usize::from(upstream.addr().port())
}

/// How many of `times` requests, one after another, each port got.
fn counts(pool: &Pool, times: u64) -> BTreeMap<usize, u64> {
    let mut counts = BTreeMap::new();
    for key in 0..times {
        *counts.entry(port_of_key(pool, key)).or_default() += 1;
    }
    counts
}

fn port_of_key(pool: &Pool, key: u64) -> usize {
    // Keys come from a digest, not from counting.
    let key = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let wish = Wish { key, held: None };
    port(pool.reserve(&Ask { wish, ..Ask::default() }).expect("a place").upstream())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nobody_gets_an_upstream_that_is_ejected_full_or_tried(
        balance in 0..POLICIES.len(),
        // State, in flight, tried, priority.
        upstreams in prop::collection::vec((0..3_u8, 0..3_usize, any::<bool>(), 0..2_u8), 1..7),
        fresh in any::<bool>(),
        key in any::<u64>(),
    ) {
        let shares: Vec<_> = upstreams.iter().map(|(_, _, _, priority)| (1, *priority)).collect();
        let mut policy = shared(POLICIES[balance], &shares);
        policy.upstream.in_flight_max = Some(2);
        let pool = pool(upstreams.len(), policy);
        let mut held = Vec::new();
        let mut tried = Vec::new();
        for (upstream, (state, busy, was_tried, _)) in pool.upstreams().iter().zip(&upstreams) {
            held.extend((0..*busy).map(|_| upstream.begin()));
            upstream.set_state(match state {
                0 => UpstreamState::Admitted,
                1 => UpstreamState::Ejected,
                _ => UpstreamState::Unproven,
            });
            tried.extend(was_tried.then(|| Arc::clone(upstream)));
        }
        if fresh {
            pool.refresh();
        }
        let rank = |(state, _, tried, priority): &(u8, usize, bool, u8)| {
            (*state != 1 && !tried).then_some((*priority, *state == 2))
        };
        let best = upstreams.iter().filter_map(rank).min();
        let right = |place: usize| rank(&upstreams[place]) == best && upstreams[place].1 < 2;
        for _ in 0..8 {
            let ask = Ask { wish: Wish { key, held: None }, tried: &tried, any: false };
            match pool.reserve(&ask) {
                // A stale selection may name one of a lower rank: never one that must not be used.
                Ok(given) => {
                    let place = port(given.upstream()) - 1;
                    let (state, busy, was_tried, _) = upstreams[place];
                    prop_assert!(state != 1 && busy < 2 && !was_tried, "{place}");
                    prop_assert!(!fresh || right(place) || !tried.is_empty(), "{place}");
                }
                Err(Refused::Nobody) => prop_assert_eq!(best, None),
                Err(refused) => {
                    prop_assert_eq!(refused, Refused::Full);
                    prop_assert!(!(0..upstreams.len()).any(right));
                }
            }
        }
        drop(held);
        prop_assert!(pool.upstreams().iter().all(|upstream| upstream.in_flight() == 0));
    }

    #[test]
    fn shares_follow_the_weights(
        balance in 0..POLICIES.len(),
        weights in prop::collection::vec(1..=1000_u16, 1..6),
    ) {
        let shares: Vec<_> = weights.iter().map(|weight| (*weight, 0)).collect();
        let pool = pool(weights.len(), shared(POLICIES[balance], &shares));
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let times = 20_000_u64.div_ceil(total) * total;
        let counts = counts(&pool, times);
        for (index, weight) in weights.iter().enumerate() {
            let got = counts.get(&(index + 1)).copied().unwrap_or(0);
            let off = got.abs_diff(times * u64::from(*weight) / total);
            prop_assert!(off * 20 <= times, "{} of {times} for {weight} in {weights:?}", got);
        }
    }

    #[test]
    fn few_keys_move_when_an_upstream_leaves(count in 2..12_usize, gone in 0..12_usize) {
        let gone = gone % count;
        let pool = pool(count, policy("hash:client"));
        let before: Vec<_> = (0..2_000).map(|key| port_of_key(&pool, key)).collect();
        set(&pool, gone, UpstreamState::Ejected);
        let after: Vec<_> = (0..2_000).map(|key| port_of_key(&pool, key)).collect();
        let moved: Vec<_> = before.iter().zip(&after).filter(|(b, a)| b != a).collect();
        prop_assert!(moved.iter().all(|(before, _)| **before == gone + 1), "only its own");
        prop_assert!(moved.len() * count <= 2 * 2_000, "{} of {count}", moved.len());
        admit_all(&pool);
        let again: Vec<_> = (0..2_000).map(|key| port_of_key(&pool, key)).collect();
        prop_assert_eq!(before, again);
    }
}

#[test]
fn a_key_stays_when_another_upstream_is_registered_or_removed() {
    let four = pool(4, policy("hash:client"));
    for gone in 1..=4 {
        let three = pool_of((1..=4).filter(|port| *port != gone), policy("hash:client"));
        let moved = (0..2_000).filter(|key| {
            let (before, after) = (port_of_key(&four, *key), port_of_key(&three, *key));
            assert!(before == gone || after == before, "moved between two that stay");
            before != after
        });
        assert!((250..1_000).contains(&moved.count()));
    }
}

#[test]
fn weights_are_spread_over_the_round() {
    let pool = pool(2, shared("round-robin", &[(3, 0), (1, 0)]));
    let ports: Vec<_> = (0..8).map(|_| port_of_key(&pool, 0)).collect();
    assert_eq!(ports, [1, 1, 2, 1, 1, 1, 2, 1]);
}

#[test]
fn what_never_answered_a_probe_is_the_last_choice_of_its_priority() {
    for balance in POLICIES {
        let pool = pool(3, shared(balance, &[(1, 0), (1, 0), (1, 1)]));
        set(&pool, 2, UpstreamState::Admitted);
        assert_eq!(counts(&pool, 200).len(), 2, "{balance}: unproven ones of the first priority");
        assert!(!counts(&pool, 200).contains_key(&3), "{balance}");
        set(&pool, 1, UpstreamState::Admitted);
        assert_eq!(counts(&pool, 20), [(2, 20)].into(), "{balance}: the proven one");
        set(&pool, 0, UpstreamState::Ejected);
        set(&pool, 1, UpstreamState::Ejected);
        assert_eq!(counts(&pool, 20), [(3, 20)].into(), "{balance}: the next priority");
        set(&pool, 0, UpstreamState::Unproven);
        assert_eq!(counts(&pool, 20), [(1, 20)].into(), "{balance}: and back");
    }
}

#[test]
fn the_fewest_requests_for_its_weight_gets_the_next() {
    let pool = pool(3, shared("least-requests", &[(4, 0), (2, 0), (1, 0)]));
    let mut held = Vec::new();
    for _ in 0..70 {
        held.push(pool.reserve(&Ask::default()).expect("a place"));
    }
    let busy: Vec<_> = pool.upstreams().iter().map(|upstream| upstream.in_flight()).collect();
    assert_eq!(busy, [40, 20, 10]);
}

#[test]
fn of_two_the_one_that_answers_sooner_gets_the_next() {
    let pool = pool(2, policy("peak-ewma"));
    let now = Instant::now();
    let ok = http::StatusCode::OK;
    assert_eq!(counts(&pool, 100).len(), 2, "nothing is known yet");
    pool.upstreams()[0].answered(ok, Duration::from_millis(400), now);
    assert_eq!(counts(&pool, 100).len(), 2, "what is not known counts like the other");
    pool.upstreams()[1].answered(ok, Duration::from_millis(100), now);
    // One of 16 requests draws the slow one only.
    assert!(counts(&pool, 1_000)[&2] > 850);
    let held: Vec<_> = (0..5).map(|_| pool.upstreams()[1].begin()).collect();
    assert!(counts(&pool, 1_000)[&1] > 850, "six at 100 ms wait longer than one at 400 ms");
    drop(held);
    pool.upstreams()[1].answered(http::StatusCode::TOO_MANY_REQUESTS, Duration::ZERO, now);
    assert!(counts(&pool, 1_000)[&1] > 850, "a fast refusal draws no traffic");
}

#[tokio::test(start_paused = true)]
async fn the_share_of_a_readmitted_upstream_grows() {
    for balance in POLICIES {
        let mut policy = policy(balance);
        policy.slow_start = Some("100s".parse().expect("a span"));
        let pool = pool(2, policy);
        admit_all(&pool);
        advance(Duration::from_secs(1_000)).await;
        set(&pool, 0, UpstreamState::Ejected);
        set(&pool, 0, UpstreamState::Admitted);
        let mut last = 0;
        for (percent, expected) in [(0, 0.1 / 1.1), (50, 0.5 / 1.5), (100, 0.5)] {
            let got = counts(&pool, 4_000).get(&1).copied().unwrap_or(0);
            // A growing one in a ring gives its keys to the other one and gets none in return.
            let expected = match balance {
                "hash:client" => f64::from(percent.max(10)) / 200.0,
                // Both of a pair are drawn, and the first of equals is as seldom as its share.
                _ => expected,
            };
            let part = got as f64 / 4_000.0;
            assert!((part - expected).abs() < 0.06, "{balance} at {percent} %: {part}");
            assert!(got > last, "{balance}");
            last = got;
            advance(Duration::from_secs(50)).await;
        }
    }
}

#[test]
fn a_held_upstream_is_kept_while_it_has_a_place() {
    let mut policy = policy("round-robin");
    policy.upstream.in_flight_max = Some(1);
    let pool = pool(3, policy);
    let held = pool.upstreams()[2].id();
    let ask = Ask { wish: Wish { key: 0, held: Some(held) }, ..Ask::default() };
    for _ in 0..5 {
        assert_eq!(port(pool.reserve(&ask).expect("a place").upstream()), 3);
    }
    let busy = pool.reserve(&ask).expect("a place");
    assert_ne!(port(pool.reserve(&ask).expect("a place").upstream()), 3, "it has its fill");
    drop(busy);
    set(&pool, 2, UpstreamState::Ejected);
    assert_ne!(port(pool.reserve(&ask).expect("a place").upstream()), 3, "it is ejected");
    let ids: std::collections::BTreeSet<_> = pool.upstreams().iter().map(|u| u.id()).collect();
    assert_eq!(ids.len(), 3);
}
