//! Who is due when.

use conduit_core::catalog::Change;
use conduit_core::name::ServiceName;
use proptest::prelude::*;

use super::*;
use crate::fixture::{self, Leaves, compiler, put, service, version};
use crate::upstream::Observation;

fn settings() -> ProbeSettings {
    ProbeSettings {
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        path: ProbePath::parse("/health").unwrap(),
        thresholds: Thresholds { unhealthy_after: 2, healthy_after: 1 },
    }
}

fn failed() -> Outcome {
    Outcome::Failed(Failure::Refused)
}

/// A plan of one upstream, just reconciled.
fn single(now: Instant) -> (ProbePlan, Arc<Upstream>) {
    let table = fixture::table(vec![service("web", &["10.0.0.1:80"])]);
    let mut plan = ProbePlan::default();
    plan.reconcile(&table, now);
    let pool = table.pools().next().unwrap();
    (plan, Arc::clone(&pool.upstreams()[0]))
}

/// Runs the due probe and returns how long until the next.
fn probe(plan: &mut ProbePlan, outcome: &Outcome, now: Instant) -> (Option<Transition>, Duration) {
    let target = plan.take_due(now).expect("a probe is due");
    let (_, transition) = plan.finish(target.key, outcome, &settings(), now).unwrap();
    (transition, plan.next_due().unwrap() - now)
}

fn assert_about(wait: Duration, seconds: f64) {
    let range = seconds * 0.9..=seconds;
    assert!(range.contains(&wait.as_secs_f64()), "{wait:?}, not {seconds}");
}

#[test]
fn a_new_upstream_is_due_at_once_and_then_each_interval() {
    let mut now = Instant::now();
    let (mut plan, _) = single(now);
    for _ in 0..5 {
        assert_eq!(plan.next_due(), Some(now));
        let (_, wait) = probe(&mut plan, &Outcome::Passed, now);
        assert_about(wait, 30.0);
        assert!(plan.take_due(now).is_none());
        now += wait;
    }
}

#[test]
fn many_new_upstreams_start_at_a_steady_pace() {
    let now = Instant::now();
    let services =
        (0..50).map(|n| service(&format!("s{n}"), &["10.0.0.1:80", "10.0.0.2:80"])).collect();
    let mut plan = ProbePlan::default();
    plan.reconcile(&fixture::table(services), now);
    assert_eq!(plan.len(), 100);
    let mut due = |at| std::iter::from_fn(|| plan.take_due(at)).count();
    assert_eq!(due(now), 1);
    assert_eq!(due(now + FIRST_PACE * 9), 9);
    assert_eq!(due(now + FIRST_PACE * 99), 90);
}

#[test]
fn what_came_together_is_spread_over_the_interval() {
    let now = Instant::now();
    let services = (0..200).map(|n| service(&format!("s{n}"), &["10.0.0.1:80"])).collect();
    let mut plan = ProbePlan::default();
    plan.reconcile(&fixture::table(services), now);
    let later = now + FIRST_PACE * 200;
    while let Some(target) = plan.take_due(later) {
        plan.finish(target.key, &Outcome::Passed, &settings(), later).expect("there");
    }
    let mut due = |at| std::iter::from_fn(|| plan.take_due(at)).count();
    for part in 1..=10 {
        let count = due(later + settings().interval * part / 10);
        assert!((5..=50).contains(&count), "{count} of 200 in part {part} of 10");
    }
}

#[test]
fn an_ejected_upstream_is_looked_at_soon_and_then_less_often() {
    let mut now = Instant::now();
    let (mut plan, _) = single(now);
    let (transition, mut wait) = probe(&mut plan, &failed(), now);
    assert_eq!(transition, Some(Transition::Ejected));
    for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] {
        assert_about(wait, expected);
        now += wait;
        (_, wait) = probe(&mut plan, &failed(), now);
    }
    now += wait;
    let (transition, wait) = probe(&mut plan, &Outcome::Passed, now);
    assert_eq!(transition, Some(Transition::Admitted));
    assert_about(wait, 30.0);
}

#[test]
fn a_busy_upstream_is_not_ejected_by_timeouts() {
    let mut now = Instant::now();
    let (mut plan, upstream) = single(now);
    probe(&mut plan, &Outcome::Passed, now);
    let timed_out = Outcome::Failed(Failure::TimedOut(Duration::from_secs(5)));
    for _ in 0..5 {
        now = plan.next_due().unwrap();
        upstream.delivered(now);
        let (transition, wait) = probe(&mut plan, &timed_out, now);
        assert_eq!(transition, None);
        assert_about(wait, 30.0);
    }
    now += Duration::from_secs(31);
    assert_eq!(probe(&mut plan, &timed_out, now).0, None, "the first of two");
    now = plan.next_due().unwrap();
    assert_eq!(probe(&mut plan, &timed_out, now).0, Some(Transition::Ejected));
}

#[test]
fn a_busy_upstream_that_refuses_is_dead() {
    let now = Instant::now();
    let (mut plan, upstream) = single(now);
    upstream.delivered(now);
    assert_eq!(probe(&mut plan, &failed(), now).0, Some(Transition::Ejected));
}

#[test]
fn a_probe_that_broke_decides_nothing() {
    let now = Instant::now();
    let (mut plan, _) = single(now);
    let broke = Outcome::Failed(Failure::ProbeBroke);
    assert_eq!(probe(&mut plan, &broke, now).0, None);
}

#[test]
fn a_report_brings_the_probe_forward_and_counts() {
    let now = Instant::now();
    let (mut plan, upstream) = single(now);
    probe(&mut plan, &Outcome::Passed, now);
    upstream.report(Observation::ConnectFailed);

    let later = now + Duration::from_secs(3);
    plan.suspect(&upstream, settings().thresholds, later);
    assert_eq!(plan.next_due(), Some(later));
    let (transition, _) = probe(&mut plan, &failed(), later);
    assert_eq!(transition, Some(Transition::Ejected));
}

#[test]
fn a_flood_of_reports_costs_one_probe_per_gap() {
    let now = Instant::now();
    let (mut plan, upstream) = single(now);
    probe(&mut plan, &Outcome::Passed, now);
    for _ in 0..1000 {
        plan.suspect(&upstream, settings().thresholds, now);
    }
    assert_eq!(plan.next_due(), Some(now + REPORTED_GAP));
    let target = plan.take_due(now + REPORTED_GAP).unwrap();

    // While it runs, reports wait for its end, and are one probe together.
    plan.suspect(&upstream, settings().thresholds, now + REPORTED_GAP);
    assert!(plan.next_due().is_none());
    let end = now + REPORTED_GAP * 2;
    plan.finish(target.key, &Outcome::Passed, &settings(), end);
    assert_eq!(plan.next_due(), Some(end + REPORTED_GAP));
    assert_about(probe(&mut plan, &Outcome::Passed, end + REPORTED_GAP).1, 30.0);
}

#[test]
fn a_publication_leaves_the_others_alone() {
    let now = Instant::now();
    let old =
        fixture::table(vec![service("kept", &["10.0.0.1:80"]), service("gone", &["10.0.0.2:80"])]);
    let mut plan = ProbePlan::default();
    assert_eq!(plan.reconcile(&old, now).len(), 2);
    let later = now + FIRST_PACE;
    let first = plan.take_due(later).unwrap();
    let second = plan.take_due(later).unwrap();
    plan.finish(first.key, &Outcome::Passed, &settings(), later);
    plan.finish(second.key, &Outcome::Passed, &settings(), later);

    let kept = ServiceName::parse("kept").unwrap();
    let key = Key::of(&old.pool(&kept).unwrap().upstreams()[0]);
    let planned = plan.entries[&key].due;
    let changes =
        [Change::Drop(ServiceName::parse("gone").unwrap()), put(service("new", &["10.0.0.3:80"]))];
    let new = compiler().with_changes(&old, &changes, &[], &Leaves::default(), version(2)).unwrap();
    let fresh = plan.reconcile(&new, later);

    assert_eq!(fresh.len(), 1);
    assert_eq!(fresh[0].service().as_str(), "new");
    assert_eq!(plan.len(), 2);
    assert_eq!(plan.entries[&key].due, planned);
    assert_eq!(plan.entries[&key].machine.state(), UpstreamState::Admitted);
    assert_eq!(plan.due.len(), 2, "nothing is left of the one that went");
}

proptest! {
    #[test]
    fn after_any_changes_the_plan_is_that_of_the_table(
        steps in prop::collection::vec(prop::collection::vec((0..12_u8, 0..4_u8), 1..6), 1..20),
    ) {
        let (now, compiler) = (Instant::now(), compiler());
        let (mut plan, mut table) = (ProbePlan::default(), RouteTable::default());
        for (round, step) in steps.into_iter().enumerate() {
            let change = |(name, upstream): (u8, u8)| {
                let name = format!("s{name}");
                let policy = if upstream == 1 { "outliers = { slow_factor = 2 }" } else { "" };
                let at = [format!("10.0.0.{upstream}:80"), "10.0.0.9:80".to_owned()];
                match upstream {
                    0 => Change::Drop(ServiceName::parse(&name).unwrap()),
                    _ => put(fixture::asking(&name, &at.each_ref().map(|a| a.as_str()), policy)),
                }
            };
            // One change of a name at a time, as the writer makes them.
            let changes: BTreeMap<_, _> = step.into_iter().collect();
            let changes: Vec<_> = changes.into_iter().map(change).collect();
            let leaves = Leaves::default();
            let version = version(round as u64 + 1);
            table = compiler.with_changes(&table, &changes, &[], &leaves, version).unwrap();
            plan.reconcile(&table, now);
            let pools: Vec<_> = table.pools().collect();
            let keys: HashSet<_> =
                pools.iter().flat_map(|pool| pool.upstreams()).map(Key::of).collect();
            prop_assert_eq!(plan.entries.keys().copied().collect::<HashSet<_>>(), keys);
            prop_assert_eq!(plan.due.len(), plan.entries.len());
            for pool in &pools {
                for upstream in pool.upstreams() {
                    prop_assert!(Arc::ptr_eq(&plan.entries[&Key::of(upstream)].pool, pool));
                }
            }
            let timed = pools.iter().filter(|p| p.settings().outliers.slow_factor.is_some());
            prop_assert_eq!(timed.count(), plan.timed.len());
            let is_current = |(name, pool): (&ServiceName, &Arc<Pool>)| {
                table.pool(name).is_some_and(|now| Arc::ptr_eq(now, pool))
            };
            prop_assert!(plan.timed.iter().all(is_current));
        }
    }
}

#[test]
fn an_upstream_that_went_during_its_probe_is_forgotten() {
    let now = Instant::now();
    let (mut plan, upstream) = single(now);
    let target = plan.take_due(now).unwrap();
    plan.reconcile(&RouteTable::default(), now);
    assert!(plan.finish(target.key, &failed(), &settings(), now).is_none());
    plan.suspect(&upstream, settings().thresholds, now);
    assert!(plan.is_empty());
    assert!(plan.next_due().is_none());
}

#[test]
fn a_shorter_interval_draws_probes_in() {
    let now = Instant::now();
    let (mut plan, _) = single(now);
    probe(&mut plan, &Outcome::Passed, now);
    plan.draw_in(&ProbeSettings { interval: Duration::from_secs(2), ..settings() }, now);
    assert!(plan.next_due().unwrap() <= now + Duration::from_secs(2));
}

/// A plan of one upstream whose service asks for this, just reconciled.
fn asked(policy: &str, now: Instant) -> ProbePlan {
    let policy = Arc::new(serde_json::from_str(policy).unwrap());
    let table = fixture::table(vec![conduit_core::service::Service {
        policy,
        ..service("web", &["10.0.0.1:80"])
    }]);
    let mut plan = ProbePlan::default();
    plan.reconcile(&table, now);
    plan
}

#[test]
fn a_service_may_ask_for_its_own_pace() {
    let mut now = Instant::now();
    let policy = r#"{"probe":{"interval":"90s","unhealthy_after":3,"healthy_after":2}}"#;
    let mut plan = asked(policy, now);
    assert_about(probe(&mut plan, &Outcome::Passed, now).1, 90.0);
    let mut transitions = Vec::new();
    for outcome in [failed(), failed(), failed(), Outcome::Passed, Outcome::Passed] {
        now = plan.next_due().unwrap();
        transitions.push(probe(&mut plan, &outcome, now).0);
    }
    let (out, back) = (Some(Transition::Ejected), Some(Transition::Admitted));
    assert_eq!(transitions, [None, None, out, None, back]);
}

#[test]
fn a_busy_upstream_is_judged_by_its_own_interval() {
    let now = Instant::now();
    let timed_out = Outcome::Failed(Failure::TimedOut(Duration::from_secs(5)));
    for (interval, expected) in [("5s", Some(Transition::Ejected)), ("60s", None)] {
        let mut plan = asked(&format!(r#"{{"probe":{{"interval":"{interval}"}}}}"#), now);
        let upstream = Arc::clone(&plan.entries.values().next().unwrap().upstream);
        upstream.delivered(now);
        let later = now + Duration::from_secs(20);
        assert_eq!(probe(&mut plan, &timed_out, later).0, expected, "{interval}");
    }
}

#[test]
fn a_new_default_draws_in_only_those_that_have_no_interval_of_their_own() {
    let now = Instant::now();
    let short = ProbeSettings { interval: Duration::from_secs(2), ..settings() };
    for (policy, latest) in [("{}", 2), (r#"{"probe":{"interval":"20s"}}"#, 20)] {
        let mut plan = asked(policy, now);
        let planned = now + probe(&mut plan, &Outcome::Passed, now).1;
        plan.draw_in(&short, now);
        let due = plan.next_due().unwrap();
        assert!(due <= now + Duration::from_secs(latest), "{policy}");
        assert_eq!(due == planned, latest == 20, "{policy}");
    }
}

#[test]
fn the_timeout_may_be_a_services_own() {
    let asked = |text: &str| serde_json::from_str::<ProbePolicy>(text).unwrap();
    assert_eq!(settings().pace(&asked("{}")).timeout, Duration::from_secs(5));
    assert_eq!(settings().pace(&asked(r#"{"timeout":"1s"}"#)).timeout, Duration::from_secs(1));
}

proptest::proptest! {
    /// Whatever traffic meets, one upstream stays, and nobody is let in by a probe on probation.
    #[test]
    fn traffic_never_takes_the_last_one(
        steps in proptest::collection::vec((0_usize..4, proptest::bool::ANY, 0_u64..40), 1..60),
    ) {
        let mut now = Instant::now();
        let addresses = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"];
        let table = fixture::table(vec![service("web", &addresses)]);
        let pool = Arc::clone(table.pools().next().unwrap());
        let mut plan = ProbePlan::default();
        plan.reconcile(&table, now);
        let passes = |plan: &mut ProbePlan, now| {
            while let Some(target) = plan.take_due(now) {
                let away = plan.entries[&target.key].probation.holds(now);
                let judged = plan.finish(target.key, &Outcome::Passed, &settings(), now);
                if let Some((target, Some(Transition::Admitted))) = judged {
                    assert!(!away, "admitted on probation");
                    target.upstream.set_state(UpstreamState::Admitted);
                    target.upstream.set_ejected_for(None);
                }
            }
        };
        for (place, fails, seconds) in steps {
            now += Duration::from_secs(seconds);
            passes(&mut plan, now);
            if fails {
                let upstream = &pool.upstreams()[place];
                (0..5).for_each(|_| upstream.report(Observation::NoAnswer));
                if let Some((target, _)) = plan.eject_failing(upstream, now) {
                    target.upstream.set_state(UpstreamState::Ejected);
                }
            }
            assert!(pool.upstreams().iter().any(|upstream| upstream.is_admitted()));
        }
    }
}
