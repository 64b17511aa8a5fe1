//! Does answering a query get slower with the number of names? Whole messages, bytes in, bytes out.
#![allow(missing_docs, reason = "criterion's macros")]

use conduit_benches::{SIZES, catalog, domains, hosts};
use conduit_core::catalog::Version;
use conduit_dns::access::Policy;
use conduit_dns::handler::{Asker, Transport, respond};
use conduit_dns::interfaces::Local;
use conduit_dns::zone::{Zone, ZoneSettings};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn zone_answer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("zone_answer");
    let policy = Policy::default();
    let loopback = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    let asker = Asker {
        peer: std::net::SocketAddr::new(loopback, 5353),
        local: Local::of(loopback),
        transport: Transport::Udp,
    };
    for size in SIZES {
        let zone = Zone::compile(&catalog(size), Version::default(), &ZoneSettings::new(domains()));
        let queries: Vec<Vec<u8>> = hosts(size).iter().map(|host| query(host)).collect();
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                next = (next + 1) % queries.len();
                respond(&queries[next], &asker, &zone, &policy)
            });
        });
    }
}

/// An A query for `host`, as `dig` sends it.
fn query(host: &str) -> Vec<u8> {
    let mut bytes = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in host.split('.') {
        bytes.push(u8::try_from(label.len()).expect("a label"));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.extend_from_slice(&[0, 0, 1, 0, 1]);
    bytes
}

criterion_group!(benches, zone_answer);
criterion_main!(benches);
