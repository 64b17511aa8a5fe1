//! The judge over virtual time: what is raised, when, and when it is over.

use super::*;
use crate::alert::Severity;
use crate::rule::file::{self, Amount, RuleFile};
use crate::rule::proviso::ProvisoFile;

fn rule(name: &str, metric: &str, change: impl FnOnce(&mut RuleFile)) -> Rule {
    let mut file = RuleFile {
        name: name.into(),
        metric: Some(metric.into()),
        threshold: Some(Amount::Number(0.0)),
        ..RuleFile::default()
    };
    change(&mut file);
    file::rules(&[], &[file]).expect("legal").remove(0)
}

fn sample_of(node: &str, metric: Metric, subject: &str, value: f64) -> Sample {
    let node = NodeName::parse(node).expect("a name");
    let subject = (!subject.is_empty()).then(|| Arc::from(subject));
    let at = Timestamp::from_seconds(0);
    Sample { series: Series { node, metric, subject }, at, value }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000 + seconds)
}

/// One line for each change: when, which way, what.
fn told(changes: &[AlertChange], seconds: i64) -> Vec<String> {
    let line = |change: &AlertChange| {
        let alert = change.alert();
        format!("{seconds} {} {}", wording::state_word(change), alert.rule)
    };
    changes.iter().map(line).collect()
}

/// Feeds one series with (second, value), and says what changed.
fn fed(judge: &mut Judge, metric: Metric, subject: &str, points: &[(i64, f64)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (second, value) in points {
        let sample = sample_of("box", metric, subject, *value);
        lines.extend(told(&judge.observe(&[sample], at(*second)), *second));
    }
    lines
}

fn hot() -> Judge {
    Judge::new(vec![rule("hot", "gpu_temperature", |file| {
        file.threshold = Some(Amount::Number(85.0));
        file.clear = Some(Amount::Number(80.0));
        file.held = Some("1m".into());
        file.severity = Some("critical".into());
    })])
}

#[test]
fn duration_and_hysteresis() {
    for (what, points, expected) in [
        ("at once", &[(0, 90.0)][..], &[][..]),
        ("held", &[(0, 90.0), (30, 91.0), (60, 92.0), (90, 93.0)], &["60 raised hot"]),
        ("interrupted", &[(0, 90.0), (30, 84.0), (60, 92.0), (90, 93.0)], &[]),
        (
            "between stays raised",
            &[(0, 90.0), (60, 90.0), (90, 84.0), (120, 81.0), (150, 80.0)],
            &["60 raised hot", "150 cleared hot"],
        ),
        ("a gap starts anew", &[(0, 90.0), (4_000, 90.0), (4_060, 90.0)], &["4060 raised hot"]),
        (
            "a clock set back waits anew",
            &[(0, 90.0), (-500, 90.0), (-440, 90.0)],
            &["-440 raised hot"],
        ),
    ] {
        assert_eq!(fed(&mut hot(), Metric::GpuTemperature, "0", points), expected, "{what}");
    }
}

#[test]
fn an_alert_tells_what_it_is_about_and_follows_the_value() {
    let mut judge = hot();
    fed(&mut judge, Metric::GpuTemperature, "0", &[(0, 90.0), (60, 92.0), (90, 95.0)]);
    let [alert] = &judge.alerts()[..] else { panic!("one alert") };
    assert_eq!(alert.message, "GPU 0 of box is at 92 °C (limit 85 °C) for 1 min");
    assert_eq!((alert.value, alert.threshold), (95.0, 85.0));
    assert_eq!((alert.severity, alert.raised_at), (Severity::Critical, at(60)));
}

#[test]
fn series_are_judged_each_for_itself() {
    let mut judge = hot();
    for second in [0, 60] {
        let sample = |subject, value| sample_of("box", Metric::GpuTemperature, subject, value);
        judge.observe(&[sample("0", 90.0), sample("1", 40.0), sample("2", 99.0)], at(second));
    }
    let subjects: Vec<_> = judge.alerts().into_iter().map(|a| a.series.subject).collect();
    assert_eq!(subjects, [Some("0".into()), Some("2".into())]);
}

#[test]
fn what_is_good_must_stay_so_for_its_time() {
    let mut judge = Judge::new(vec![rule("oom", "oom_kills", |file| {
        file.clear_for = Some("5m".into());
    })]);
    let points = [(0, 1.0), (60, 0.0), (200, 0.0), (240, 2.0), (300, 0.0), (599, 0.0), (600, 0.0)];
    let lines = fed(&mut judge, Metric::OomKills, "", &points);
    assert_eq!(lines, ["0 raised oom", "600 cleared oom"]);
}

#[test]
fn flapping_is_damped() {
    let mut judge = Judge::new(vec![rule("unit", "unit_down", |_| {})]);
    let mut lines = Vec::new();
    for minute in 0..60 {
        let point = (minute * 60, f64::from(u8::from(minute % 2 == 0)));
        lines.extend(fed(&mut judge, Metric::UnitDown, "a.service", &[point]));
    }
    assert_eq!(lines.len(), 5, "raised three times, cleared twice: {lines:?}");
    assert_eq!(judge.alerts().len(), 1);
    let calm: Vec<_> = (60..80).map(|minute| (minute * 60, 0.0)).collect();
    let lines = fed(&mut judge, Metric::UnitDown, "a.service", &calm);
    assert_eq!(lines.len(), 1, "well for long enough: {lines:?}");
}

#[test]
fn rising_is_judged_within_its_window() {
    let mut judge = Judge::new(vec![rule("restarts", "container_restarts", |file| {
        file.condition = Some("rising".into());
        file.threshold = Some(Amount::Number(2.0));
        file.clear = Some(Amount::Number(0.0));
        file.held = Some("10m".into());
    })]);
    let points =
        [(0, 7.0), (60, 8.0), (120, 9.0), (180, 10.0), (240, 10.0), (900, 10.0), (960, 10.0)];
    let lines = fed(&mut judge, Metric::ContainerRestarts, "db", &points);
    assert_eq!(lines, ["180 raised restarts", "900 cleared restarts"]);
}

fn lost() -> Judge {
    Judge::new(vec![rule("lost", "gpu_present", |file| {
        file.condition = Some("absent".into());
        file.held = Some("1m".into());
    })])
}

#[test]
fn what_was_there_and_is_not_told_is_absent_while_its_source_answers() {
    let mut judge = lost();
    let gpu = sample_of("box", Metric::GpuPresent, "GPU-a", 1.0);
    let answered = sample_of("box", Metric::SourceLost, "ssh", 0.0);
    let silent = sample_of("box", Metric::SourceLost, "ssh", 1.0);
    let mut lines = Vec::new();
    for (second, samples) in [
        (0, vec![gpu.clone(), answered.clone()]),
        (30, vec![silent.clone()]),
        (600, vec![silent]),
        (630, vec![answered.clone()]),
        (660, vec![answered.clone()]),
        (690, vec![answered.clone()]),
        (9_000, vec![answered.clone()]),
        (9_030, vec![gpu, answered]),
    ] {
        lines.extend(told(&judge.observe(&samples, at(second)), second));
    }
    assert_eq!(lines, ["690 raised lost", "9030 cleared lost"], "a silent source loses no GPU");
}

#[test]
fn a_thing_that_is_gone_is_over_but_a_machine_that_is_silent_is_not() {
    let unhealthy = || Judge::new(vec![rule("sick", "container_unhealthy", |_| {})]);
    let sick = sample_of("box", Metric::ContainerUnhealthy, "db", 1.0);
    let other = sample_of("box", Metric::ContainerUnhealthy, "web", 0.0);
    let host = sample_of("box", Metric::Cpu, "", 0.5);
    let mut judge = unhealthy();
    judge.observe(std::slice::from_ref(&sick), at(0));
    assert!(judge.observe(std::slice::from_ref(&other), at(599)).is_empty());
    let lines = told(&judge.observe(&[other], at(600)), 600);
    assert_eq!(lines, ["600 cleared sick"], "removed");
    let mut judge = unhealthy();
    judge.observe(&[sick], at(0));
    for hour in 1..100 {
        assert!(
            judge.observe(std::slice::from_ref(&host), at(hour * 3_600)).is_empty(),
            "only the host speaks"
        );
    }
    assert_eq!(told(&judge.observe(&[host], at(7 * 86_400)), 0).len(), 1, "given up");
}

#[test]
fn a_restart_tells_nothing_twice_and_rules_may_change() {
    let mut judge = hot();
    fed(&mut judge, Metric::GpuTemperature, "0", &[(0, 90.0), (60, 90.0)]);
    let kept = judge.alerts();
    let mut again = hot();
    assert!(again.restore(kept.clone(), at(100)).is_empty());
    let lines = fed(&mut again, Metric::GpuTemperature, "0", &[(120, 90.0), (150, 70.0)]);
    assert_eq!(lines, ["150 cleared hot"]);
    let mut other = Judge::new(vec![rule("cpu", "cpu", |_| {})]);
    assert_eq!(told(&other.restore(kept, at(100)), 100), ["100 cleared hot"]);
    let changes = judge.replace_rules(vec![rule("cpu", "cpu", |_| {})], at(100));
    assert_eq!(told(&changes, 100), ["100 cleared hot"]);
    assert!(judge.alerts().is_empty());
}

#[test]
fn a_node_that_is_removed_takes_its_alerts_along() {
    let mut judge = hot();
    fed(&mut judge, Metric::GpuTemperature, "0", &[(0, 90.0), (60, 90.0)]);
    let gone = judge.forget(&NodeName::parse("box").expect("a name"), at(70));
    assert_eq!(told(&gone, 70), ["70 cleared hot"]);
    assert!(judge.alerts().is_empty() && judge.heard.is_empty());
}

#[test]
fn memory_is_bounded() {
    let mut judge = Judge::new(vec![rule("sick", "container_unhealthy", |_| {})]);
    let sick = |index: usize| sample_of("box", Metric::ContainerUnhealthy, &index.to_string(), 1.0);
    let many: Vec<_> = (0..STATES_MAX).map(sick).collect();
    assert_eq!(judge.observe(&many, at(0)).len(), STATES_MAX);
    assert!(judge.observe(&[sick(STATES_MAX)], at(1)).is_empty());
    assert_eq!((judge.states.len(), judge.left_out()), (STATES_MAX, 1));
}

#[test]
fn a_proviso_is_about_the_same_thing_at_the_same_time() {
    let idle = rule("held-idle", "gpu_memory", |file| {
        file.threshold = Some(Amount::Number(0.5));
        file.held = Some("1m".into());
        file.proviso = Some(ProvisoFile {
            metric: "gpu_utilization".into(),
            condition: Some("below".into()),
            threshold: Amount::Text("5%".into()),
        });
    });
    let mut judge = Judge::new(vec![idle]);
    let mut feed = |second: i64, memory: &str, used: f64, (other, busy): (&str, f64)| {
        let samples = [
            sample_of("box", Metric::GpuMemory, memory, used),
            sample_of("box", Metric::GpuUtilization, other, busy),
        ];
        told(&judge.observe(&samples, at(second)), second)
    };
    for second in [0, 60, 120] {
        assert_eq!(feed(second, "0", 0.9, ("1", 0.0)), <[&str; 0]>::default(), "another GPU's");
    }
    for second in [180, 230] {
        assert_eq!(feed(second, "0", 0.9, ("0", 0.01)), <[&str; 0]>::default());
    }
    assert_eq!(feed(235, "0", 0.9, ("0", 0.5)), <[&str; 0]>::default(), "it begins anew");
    assert_eq!(feed(240, "0", 0.9, ("0", 0.01)), <[&str; 0]>::default());
    assert_eq!(feed(300, "0", 0.9, ("0", 0.01)), ["300 raised held-idle"]);
    assert_eq!(feed(360, "0", 0.9, ("0", 0.05)), ["360 cleared held-idle"]);
    feed(400, "0", 0.9, ("0", 0.01));
    assert_eq!(feed(1_100, "0", 0.9, ("1", 0.0)), <[&str; 0]>::default(), "too long ago");
}
