//! Does finding a route get slower with the number of hosts?
#![allow(missing_docs, reason = "criterion's macros")]

use conduit_benches::{OneLeaf, SIZES, catalog, compiler, hosts};
use conduit_core::catalog::Version;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn route_lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route_lookup");
    let (compiler, leaf) = (compiler(), OneLeaf::new());
    for size in SIZES {
        let table =
            compiler.compile(&catalog(size), &leaf, Version::default(), None).expect("table");
        let hosts = hosts(size);
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                next = (next + 1) % hosts.len();
                table.get(&hosts[next]).is_some()
            });
        });
    }
}

criterion_group!(benches, route_lookup);
criterion_main!(benches);
