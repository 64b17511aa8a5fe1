//! How long does compiling take: everything cold, and one change?
#![allow(missing_docs, reason = "criterion's macros")]

use conduit_benches::{OneLeaf, SIZES, catalog, compiler, domains, service};
use conduit_core::catalog::{Change, Version};
use conduit_dns::zone::{Zone, ZoneSettings};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn snapshot_compile(criterion: &mut Criterion) {
    let (compiler, leaf) = (compiler(), OneLeaf::new());
    let settings = ZoneSettings::new(domains());
    let version = Version::default();
    for size in SIZES {
        let catalog = catalog(size);
        let table = compiler.compile(&catalog, &leaf, version, None).expect("table");
        let zone = Zone::compile(&catalog, version, &settings);
        let mut group = criterion.benchmark_group("compile_cold");
        group.sample_size(20);
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            // What readers let go of is dropped by the last of them, not by the compiler.
            bencher.iter_with_large_drop(|| {
                let table = compiler.compile(&catalog, &leaf, version, None).expect("table");
                (table, Zone::compile(&catalog, version, &settings))
            });
        });
        group.finish();
        let change = [Change::Put(service(size + 1))];
        let mut group = criterion.benchmark_group("compile_one_change");
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                let next = compiler.with_changes(&table, &change, &[], &leaf, version);
                (next.expect("table"), zone.with(&change, version))
            });
        });
        group.finish();
    }
}

criterion_group!(benches, snapshot_compile);
criterion_main!(benches);
