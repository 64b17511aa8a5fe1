//! How long from `register` to an answer over DNS and HTTPS, with 10,000 services there? The commit
//! waits for the disk; with the state on a RAM disk (`TMPDIR=/dev/shm`) that wait is left out.
#![allow(missing_docs, reason = "criterion's macros")]

use std::time::Duration;

use conduit_api::v1::services::{RegisterBulk, RegisterService};
use conduit_tests::{Gateway, Upstream, resolver};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn registration(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let mut group = criterion.benchmark_group("registration_to_answer");
    group.sample_size(20).measurement_time(Duration::from_secs(10));
    for size in [0, 10_000] {
        let (gateway, upstream) = runtime.block_on(async {
            // As often as by default: tests probe every second, and what is probed is this process.
            let gateway = Gateway::start_with("[health]\n").await;
            let upstream = Upstream::start("web").await;
            let services = (0..size).map(|index| RegisterService {
                name: format!("other-{index}"),
                upstreams: vec![upstream.host()],
                ..RegisterService::default()
            });
            let bulk = RegisterBulk { services: services.collect(), ..RegisterBulk::default() };
            if size > 0 {
                gateway.api.register_bulk(&bulk).await.expect("registered");
            }
            // First probes come a thousand a second.
            while gateway.api.status().await.expect("status").value.services.unknown > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            (gateway, upstream)
        });
        let mut index = 0;
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.to_async(&runtime).iter_custom(|iterations| {
                let first = index;
                index += iterations;
                let (gateway, upstream) = (&gateway, &upstream);
                async move {
                    let client = gateway.client();
                    let mut total = Duration::ZERO;
                    for index in first..first + iterations {
                        let host = format!("new-{index}.internal");
                        let begun = tokio::time::Instant::now();
                        gateway
                            .register(&format!("new-{index}"), &[&upstream.host()])
                            .await
                            .expect("registered");
                        resolver::addresses(gateway.dns, &host).await.expect("resolved");
                        client.get_text(&host, "/").await.expect("served");
                        total += begun.elapsed();
                    }
                    total
                }
            });
        });
    }
}

criterion_group!(benches, registration);
criterion_main!(benches);
