//! What real traffic does to upstreams: ejected, on probation, back again.

use http::StatusCode;

use super::*;
use crate::upstream::Seen;

/// A service with a policy.
fn asked(upstreams: &[&str], policy: &str) -> Service {
    let policy = Arc::new(serde_json::from_str(policy).unwrap());
    Service { policy, ..service("web", upstreams) }
}

const THREE: [&str; 3] = ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"];

impl Stage {
    async fn started(upstreams: &[&str], policy: &str) -> Self {
        let stage = Self::start(vec![asked(upstreams, policy)], Script::default());
        assert_eq!(stage.first().await, Health::Healthy);
        stage
    }

    /// As many failures in a row.
    async fn fail(&self, place: usize, times: usize) {
        for _ in 0..times {
            self.upstream(place).report(Observation::ConnectRefused);
        }
        sleep(Duration::from_millis(1)).await;
    }

    /// How long until an upstream is admitted again.
    async fn away(&mut self, place: usize) -> Duration {
        let ejected = Instant::now();
        while self.state(place) == UpstreamState::Ejected {
            self.board.changed().await;
        }
        ejected.elapsed()
    }
}

fn assert_about(length: Duration, seconds: f64) {
    let range = seconds..seconds * 1.1;
    assert!(range.contains(&length.as_secs_f64()), "{length:?}, not {seconds}");
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_eject_though_probes_pass() {
    let mut stage = Stage::started(&THREE, "{}").await;
    stage.fail(0, 4).await;
    assert_eq!(stage.health(), (Health::Healthy, None), "one short");
    stage.fail(0, 1).await;
    let (previous, current, reason) = stage.change().await;
    assert_eq!((previous, current), (Health::Healthy, Health::Degraded));
    assert_eq!(reason, "5 failures in a row: connection refused");
    assert_eq!(stage.health().1.as_deref(), Some("5 failures in a row: connection refused"));
    assert_eq!(stage.picked(), [2, 3]);
    assert_about(stage.away(0).await, 30.0);
    assert_eq!((stage.health(), stage.picked()), ((Health::Healthy, None), vec![1, 2, 3]));
    stage.fail(0, 4).await;
    assert_eq!(stage.state(0), UpstreamState::Admitted, "it counts from nothing again");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_between_begins_a_new_row() {
    let stage = Stage::started(&THREE, "{}").await;
    for _ in 0..10 {
        stage.fail(0, 4).await;
        stage.upstream(0).observe(Seen::Whole);
    }
    assert_eq!(stage.health().0, Health::Healthy);
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn bad_statuses_count_and_others_do_not() {
    let stage = Stage::started(&THREE, r#"{"outliers":{"failures":2}}"#).await;
    let see = |status: u16| {
        let status = StatusCode::from_u16(status).unwrap();
        stage.upstream(0).observe(Seen::Head { status, took: None });
    };
    for status in [200, 404, 429, 500, 501] {
        (0..9).for_each(|_| see(status));
    }
    see(503);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(stage.state(0), UpstreamState::Admitted);
    let asked = stage.script.asked();
    see(502);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(stage.health().1.as_deref(), Some("2 failures in a row: status 502"));
    assert_eq!(stage.script.asked(), asked, "it answers: no probe is needed to know that");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_probation_is_longer_until_it_behaves() {
    let policy = r#"{"outliers":{"failures":1,"probation":"10s"}}"#;
    let mut stage = Stage::started(&THREE, policy).await;
    for expected in [10.0, 20.0, 40.0] {
        stage.fail(0, 1).await;
        assert_about(stage.away(0).await, expected);
    }
    sleep(Duration::from_secs(301)).await;
    stage.fail(0, 1).await;
    assert_about(stage.away(0).await, 10.0);
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_the_probation_it_still_takes_a_probe() {
    let mut stage = Stage::started(&THREE, r#"{"outliers":{"failures":1}}"#).await;
    stage.script.set(1, Some(Answer::Fail(Failure::Refused)));
    stage.fail(0, 1).await;
    sleep(Duration::from_secs(100)).await;
    assert_eq!(stage.state(0), UpstreamState::Ejected);
    stage.script.set(1, None);
    assert!(stage.away(0).await <= INTERVAL);
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_one_stays_unless_told_otherwise() {
    for (policy, expected) in [
        (r#"{"outliers":{"failures":1}}"#, Health::Degraded),
        (r#"{"outliers":{"failures":1,"eject_last":true}}"#, Health::Down),
        (r#"{"outliers":{"failures":0}}"#, Health::Healthy),
    ] {
        let stage = Stage::started(&THREE, policy).await;
        for place in [2, 0, 1] {
            stage.fail(place, 9).await;
        }
        assert_eq!(stage.health().0, expected, "{policy}");
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_one_goes_and_comes_back() {
    let mut stage = Stage::started(&THREE, r#"{"outliers":{"slow_factor":4}}"#).await;
    let see = |stage: &Stage, place, ms| {
        let took = Some(Duration::from_millis(ms));
        for _ in 0..20 {
            stage.upstream(place).observe(Seen::Head { status: StatusCode::OK, took });
        }
    };
    see(&stage, 0, 4_200);
    sleep(COMPARE_INTERVAL * 2).await;
    assert_eq!(stage.health().0, Health::Healthy, "there is nothing to compare it with");
    see(&stage, 0, 4_200);
    see(&stage, 1, 300);
    see(&stage, 2, 310);
    let (previous, current, reason) = stage.change().await;
    assert_eq!((previous, current), (Health::Healthy, Health::Degraded));
    assert_eq!(reason, "slow: 4.2 s against 0.3 s");
    (0..3).for_each(|_| see(&stage, 1, 9_000));
    sleep(COMPARE_INTERVAL * 2).await;
    assert_eq!(stage.picked(), [2, 3], "never more than half of them");
    assert_about(stage.away(0).await + COMPARE_INTERVAL * 2, 30.0);
    sleep(COMPARE_INTERVAL * 2).await;
    assert_eq!(stage.picked(), [1, 3], "what it did before is forgotten, and now there is room");
    stage.stop().await;
}
