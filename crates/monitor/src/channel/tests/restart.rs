//! What channels know over a restart and a reload: with a history and a judge around them.

use super::*;
use crate::history::History;
use crate::silence::quiet::QuietHours;
use crate::watch::Watch;

/// A row of GPU memory that could not be replaced, or not any more.
fn failed_rows(rows: f64, second: u64) -> (Vec<Sample>, Timestamp) {
    let node = NodeName::parse("box").expect("a name");
    let series = Series { node, metric: Metric::GpuRemapFailed, subject: Some("0".into()) };
    let at = Timestamp::now().plus(Duration::from_secs(second));
    (vec![Sample { series, at, value: rows }], at)
}

fn observe(watch: &mut Watch, rows: f64, second: u64) -> usize {
    let (samples, at) = failed_rows(rows, second);
    watch.observe(samples, at).len()
}

#[tokio::test]
async fn what_could_not_be_told_before_a_restart_is_told_after_it_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut receivers = Receivers::new();
    receivers.answers.lock().expect("a lock").extend([503, 200, 503, 200]);
    let files = [file("hook", "webhook", &receivers.http("hook", false).await)];
    // Rows that failed, what is recorded, and what is tried to be said.
    for (round, rows, recorded, expected) in [
        (0, 1.0, 1, Some("raised")),
        (1, 1.0, 0, Some("raised")),
        (2, 1.0, 0, None),
        (3, 0.0, 1, Some("cleared")),
        (4, 0.0, 0, Some("cleared")),
        (5, 0.0, 0, None),
    ] {
        let (history, thread, kept) = History::open(dir.path(), Default::default());
        // Waits for company, so that the stop is what has it tell.
        let (channels, tasks) = started(channels(&files).expect("legal"), &receivers);
        let (rules, now) = (defaults::rules(), Timestamp::now());
        let (mut watch, _) = Watch::new(rules, Vec::new(), (history, kept), channels, now);
        assert_eq!(observe(&mut watch, rows, 1), recorded, "the record has it once");
        tasks.stop().cancel();
        tasks.finish().await;
        observe(&mut watch, rows, 2);
        thread.run(tasks.stop().clone()).await;
        if let Some(expected) = expected {
            assert!(receivers.next().await.body.contains(expected), "{round}");
        }
    }
    assert!(receivers.told_nothing_more());
}

#[tokio::test]
async fn a_channel_that_a_reload_adds_is_told_what_is_raised_and_no_other_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut receivers = Receivers::new();
    let old = file("old", "webhook", &receivers.http("old", false).await);
    let new = file("new", "webhook", &receivers.http("new", false).await);
    let (history, _thread, kept) = History::open(dir.path(), Default::default());
    let (channels, tasks) = started(quick(std::slice::from_ref(&old)), &receivers);
    let (rules, now) = (defaults::rules(), Timestamp::now());
    let (mut watch, _) = Watch::new(rules.clone(), Vec::new(), (history, kept), channels, now);
    assert_eq!(observe(&mut watch, 1.0, 1), 1);
    assert_eq!(receivers.next().await.name, "old");
    let both = [old, new];
    let next = watch.channels().replaced(quick(&both), &receivers.tls(), &tasks);
    let quiet: Vec<QuietHours> = Vec::new();
    assert!(watch.reload(rules, quiet, next, Timestamp::now()).is_empty());
    let told = receivers.next().await;
    assert!(told.name == "new" && told.body.contains("raised"), "{}", told.name);
    assert_eq!(observe(&mut watch, 0.0, 2), 1);
    for _ in 0..2 {
        assert!(receivers.next().await.body.contains("cleared"));
    }
    tasks.stop().cancel();
    tasks.finish().await;
    assert!(receivers.told_nothing_more());
}
