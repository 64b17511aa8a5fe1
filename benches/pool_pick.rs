//! What does choosing an upstream cost, by policy and number of upstreams?
#![allow(missing_docs, clippy::unwrap_used, reason = "development only")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use conduit_benches::{OneLeaf, compiler, service};
use conduit_core::catalog::{Catalog, Change, Generation, Version};
use conduit_core::policy::Policy;
use conduit_core::service::Service;
use conduit_core::upstream::UpstreamAddr;
use conduit_proxy::compile::Compiler;
use conduit_proxy::pool::{Ask, Pool, Wish};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const POLICIES: [&str; 5] = ["round-robin", "random", "least-requests", "peak-ewma", "hash:client"];

fn pool(compiler: &Compiler, leaves: &OneLeaf, count: usize, policy: Policy) -> Arc<Pool> {
    let upstreams = (1..=count).map(|port| UpstreamAddr::parse(&format!("10.0.0.1:{port}")));
    let service = Service {
        upstreams: upstreams.collect::<Result<_, _>>().unwrap(),
        policy: Arc::new(policy),
        ..(*service(0)).clone()
    };
    let change = Change::Put(Arc::new(service));
    let catalog = Catalog::default().with(Generation(1), vec![change]);
    let table = compiler.compile(&catalog, leaves, Version::default(), None).unwrap();
    Arc::clone(table.pools().next().unwrap())
}

/// Choosing, taking the place and giving it back; nobody else asks.
fn pick(criterion: &mut Criterion) {
    let (compiler, leaves) = (compiler(), OneLeaf::new());
    let mut group = criterion.benchmark_group("pool_pick");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    let one = pool(&compiler, &leaves, 1, Policy::default());
    group.bench_function("default/1", |bencher| {
        bencher.iter(|| black_box(one.reserve(&Ask::default())));
    });
    for policy in POLICIES {
        for count in [2, 8, 64] {
            let balance = Some(policy.parse().unwrap());
            let policy = Policy { balance, ..Policy::default() };
            let name = policy.balance.as_ref().unwrap().to_string();
            let pool = pool(&compiler, &leaves, count, policy);
            let mut key = 0_u64;
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| {
                    key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let wish = Wish { key, held: None };
                    black_box(pool.reserve(&Ask { wish, ..Ask::default() }))
                });
            });
        }
    }
    let mut policy = Policy::default();
    policy.upstream.in_flight_max = Some(10);
    let pool = pool(&compiler, &leaves, 8, policy);
    group.bench_function("round-robin, limited/8", |bencher| {
        bencher.iter(|| black_box(pool.reserve(&Ask::default())));
    });
    group.finish();
}

criterion_group!(benches, pick);
criterion_main!(benches);
