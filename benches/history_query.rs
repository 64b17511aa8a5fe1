//! How long does a question to the monitor's history take: a day of one metric, among 3,000 series?
#![allow(missing_docs, reason = "criterion's macros")]

use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_monitor::history::{History, HistorySettings};
use conduit_monitor::metric::{Metric, Sample, Series};
use conduit_monitor::node::NodeName;
use criterion::{Criterion, criterion_group, criterion_main};

fn history_query(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a directory");
    let (history, _thread, _) = History::open(dir.path(), HistorySettings::default());
    let now = Timestamp::now();
    runtime.block_on(fill(&history, now));
    let counts = history.counts();
    assert_eq!((counts.lost, counts.late, counts.off), (0, 0, None));
    eprintln!("{} series, {} MB", counts.series, counts.bytes / 1_000_000);
    let mut group = criterion.benchmark_group("history_query");
    for (name, range) in [("a day", DAY), ("a month", 30 * DAY)] {
        let from = now.minus(Duration::from_secs(range));
        let mut next = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                next = (next + 7) % SERIES;
                let query = history.query(series(next), (from, now), Duration::ZERO);
                let points = runtime.block_on(query).expect("points").points;
                assert!(points.len() >= 90, "{}", points.len());
                points
            });
        });
    }
}

/// A day of samples of every series, by the half minute, with values that do not repeat.
async fn fill(history: &History, now: Timestamp) {
    let begin = now.minus(Duration::from_secs(DAY));
    for step in 0..DAY / INTERVAL {
        let at = begin.plus(Duration::from_secs(step * INTERVAL));
        let value = |index: u64| (step * 31 + index) as f64 / 97.0;
        let samples =
            (0..SERIES).map(|index| Sample { series: series(index), at, value: value(index) });
        history.record(samples.collect());
        if step % (3_600 / INTERVAL) == 0 {
            history.flush().await.expect("written");
        }
    }
    history.flush().await.expect("written");
}

fn series(index: u64) -> Series {
    let node = NodeName::parse(&format!("node-{}", index / 30)).expect("a name");
    Series { node, metric: Metric::Disk, subject: Some((index % 30).to_string().into()) }
}

const SERIES: u64 = 3_000;
/// Seconds of a day.
const DAY: u64 = 86_400;
/// Seconds between samples.
const INTERVAL: u64 = 30;

criterion_group!(benches, history_query);
criterion_main!(benches);
