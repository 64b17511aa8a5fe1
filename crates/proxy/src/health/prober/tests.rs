//! The prober as a whole, with scripted answers and virtual time.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use conduit_core::event::{self, EventStream};
use conduit_core::hold::{Hold, HoldKind};
use conduit_core::name::ServiceName;
use conduit_core::service::{ProbePath, Service};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::compile::{Compiler, CompilerSettings};
use crate::fixture::{Leaves, catalog, service, version};
use crate::health::board::ServiceHealth;
use crate::health::machine::Thresholds;
use crate::upstream::{self, Observation, Upstream};

const TIMEOUT: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_secs(30);

mod hands;
mod traffic;

/// Answers by port; a port without an answer passes.
#[derive(Clone, Default)]
struct Script(Arc<ScriptState>);

#[derive(Default)]
struct ScriptState {
    answers: Mutex<HashMap<u16, Answer>>,
    asked: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

#[derive(Clone)]
enum Answer {
    Fail(Failure),
    Hang,
    Panic,
}

impl Script {
    fn set(&self, port: u16, answer: Option<Answer>) {
        let mut answers = self.0.answers.lock().unwrap();
        match answer {
            Some(answer) => answers.insert(port, answer),
            None => answers.remove(&port),
        };
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }
}

impl Check for Script {
    async fn check(&self, probe: Probe) -> Finding {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let running = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(running, Ordering::SeqCst);
        let answer = self.0.answers.lock().unwrap().get(&probe.addr.port()).cloned();
        let (outcome, latency) = match answer {
            None => (Outcome::Passed, Duration::from_micros(1500)),
            Some(Answer::Fail(failure)) => (Outcome::Failed(failure), Duration::ZERO),
            Some(Answer::Hang) => (Outcome::Failed(Failure::TimedOut(TIMEOUT)), TIMEOUT),
            Some(Answer::Panic) => panic!("a probe that panics"),
        };
        sleep(latency).await;
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        Finding { outcome, socket: probe.addr.socket(), latency }
    }
}

/// A prober over a table that can be published anew.
struct Stage {
    script: Script,
    board: HealthBoard,
    events: EventStream,
    tables: live::Writer<RouteTable>,
    settings: live::Writer<ProbeSettings>,
    compiler: Compiler,
    tasks: Tasks,
}

impl Stage {
    fn start(services: Vec<Service>, script: Script) -> Self {
        let (reports, queue) = upstream::reports();
        let compiler = Compiler::new(CompilerSettings::default(), reports);
        let leaves = Leaves::of(&services);
        let table = compiler.compile(&catalog(services), &leaves, version(1), None);
        let (tables, table) = live::channel(Arc::new(table.unwrap()));
        let (settings, reader) = live::channel(Arc::new(settings(INTERVAL)));
        let (sink, events) = event::channel(1000);
        let (prober, board) = Prober::new(table, reader, script.clone(), queue, sink);
        let tasks = Tasks::new(CancellationToken::new());
        prober.start(&tasks);
        Self { script, board, events, tables, settings, compiler, tasks }
    }

    fn publish(&mut self, services: Vec<Service>) {
        let leaves = Leaves::of(&services);
        let previous = self.tables.current();
        let next = self.compiler.compile(&catalog(services), &leaves, version(2), Some(&previous));
        self.tables.publish(Arc::new(next.unwrap()));
    }

    fn upstream(&self, place: usize) -> Arc<Upstream> {
        let table = self.tables.current();
        Arc::clone(&table.pool(&web()).unwrap().upstreams()[place])
    }

    fn health(&self) -> (Health, Option<String>) {
        let seen = self.board.service(&web(), Timestamp::now()).unwrap();
        (seen.health, seen.reason)
    }

    async fn change(&mut self) -> (Health, Health, String) {
        match self.events.next().await.unwrap() {
            Event::HealthChanged { previous, current, reason, .. } => (previous, current, reason),
            other => panic!("{other:?}"),
        }
    }

    async fn first(&self) -> Health {
        self.first_outcome(Duration::from_secs(1)).await.health
    }

    /// Waits until every upstream was probed, at most `within`, and says how the service is doing.
    async fn first_outcome(&self, within: Duration) -> ServiceHealth {
        let mut board = self.board.clone();
        let probed = async {
            loop {
                let seen = board.service(&web(), Timestamp::now()).unwrap();
                if seen.upstreams.iter().all(|upstream| upstream.last_probe_at.is_some()) {
                    return;
                }
                board.changed().await;
            }
        };
        // Too late or not, what is known now is the answer.
        let _in_time = timeout(within, probed).await.is_ok();
        self.board.service(&web(), Timestamp::now()).unwrap()
    }

    /// Holds an upstream back, or lets it go, as a publication does.
    fn hold(&mut self, mut service: Service, place: usize, kind: Option<HoldKind>) {
        let upstream = service.upstreams[place].clone();
        let hold =
            |kind| Hold { upstream, kind, by: "alice".into(), since: Timestamp::from_seconds(0) };
        service.holds = kind.map(hold).into_iter().collect();
        self.publish(vec![service]);
        self.tables.current().settle([&web()]);
    }

    /// The ports that are picked now.
    fn picked(&self) -> Vec<u16> {
        let pool = Arc::clone(self.tables.current().pool(&web()).unwrap());
        let picks = (0..20).filter_map(|_| pool.pick(None)).map(|upstream| upstream.addr().port());
        picks.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    fn state(&self, place: usize) -> UpstreamState {
        self.upstream(place).state()
    }

    async fn stop(self) {
        self.tasks.stop().cancel();
        self.tasks.finish().await;
        assert_eq!(self.tasks.died(), None);
    }
}

fn settings(interval: Duration) -> ProbeSettings {
    ProbeSettings {
        interval,
        timeout: TIMEOUT,
        path: ProbePath::parse("/health").unwrap(),
        thresholds: Thresholds { unhealthy_after: 2, healthy_after: 1 },
    }
}

fn web() -> ServiceName {
    ServiceName::parse("web").unwrap()
}

fn refusing(ports: &[u16]) -> Script {
    let script = Script::default();
    for port in ports {
        script.set(*port, Some(Answer::Fail(Failure::Refused)));
    }
    script
}

#[tokio::test(start_paused = true)]
async fn the_first_outcome_is_there_at_once() {
    let stage = Stage::start(vec![service("web", &["10.0.0.1:1"])], Script::default());
    assert_eq!(stage.health().0, Health::Unknown);
    let seen = stage.first_outcome(Duration::from_secs(1)).await;
    assert_eq!(seen.health, Health::Healthy);
    assert_eq!(seen.response_time_ms, Some(2));
    assert!(seen.last_probe_at.is_some());
    assert_eq!(seen.upstreams[0].state, UpstreamState::Admitted);
    let (services, upstreams) = stage.board.count([&web()], Timestamp::now());
    assert_eq!((services.healthy, upstreams.admitted), (1, 1));
    let (services, upstreams) = stage.board.count([], Timestamp::now());
    assert_eq!((services.healthy, upstreams.admitted), (0, 0), "only what was asked about");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unproven_upstream_that_refuses_is_down_at_once() {
    let mut stage = Stage::start(vec![service("web", &["10.0.0.1:1"])], refusing(&[1]));
    assert_eq!(stage.first().await, Health::Down);
    assert_eq!(stage.health().1.unwrap(), "connection refused");
    let expected = (Health::Unknown, Health::Down, "connection refused".to_owned());
    assert_eq!(stage.change().await, expected);
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_hanging_upstream_ends_in_time() {
    let script = Script::default();
    script.set(1, Some(Answer::Hang));
    let stage = Stage::start(vec![service("web", &["10.0.0.1:1"])], script);
    assert_eq!(stage.first().await, Health::Unknown);
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_dies_is_ejected_and_comes_back() {
    let services = vec![service("web", &["10.0.0.1:1", "10.0.0.1:2"])];
    let mut stage = Stage::start(services, Script::default());
    assert_eq!(stage.first().await, Health::Healthy);
    let started = Instant::now();

    stage.script.set(1, Some(Answer::Fail(Failure::Refused)));
    let (previous, current, reason) = stage.change().await;
    assert_eq!((previous, current), (Health::Healthy, Health::Degraded));
    assert_eq!(reason, "connection refused");
    assert!(started.elapsed() <= INTERVAL * 2);
    let pool = Arc::clone(stage.tables.current().pool(&web()).unwrap());
    assert!((0..10).all(|_| pool.pick(None).unwrap().addr().port() == 2));

    stage.script.set(1, None);
    let (previous, current, _) = stage.change().await;
    assert_eq!((previous, current), (Health::Degraded, Health::Healthy));
    assert!((0..2).any(|_| pool.pick(None).unwrap().addr().port() == 1));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_ejects_without_waiting_for_the_interval() {
    let mut stage = Stage::start(vec![service("web", &["10.0.0.1:1"])], Script::default());
    stage.first().await;
    let started = Instant::now();
    stage.script.set(1, Some(Answer::Fail(Failure::Refused)));
    stage.upstream(0).report(Observation::ConnectFailed);
    assert_eq!(stage.change().await.1, Health::Down);
    assert!(started.elapsed() < Duration::from_secs(1));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_false_report_changes_nothing() {
    let stage = Stage::start(vec![service("web", &["10.0.0.1:1"])], Script::default());
    stage.first().await;
    let asked = stage.script.asked();
    stage.upstream(0).report(Observation::NoAnswer);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.script.asked(), asked + 1);
    assert_eq!(stage.health(), (Health::Healthy, None));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_publication_keeps_history_and_probes_only_what_is_new() {
    let mut stage = Stage::start(vec![service("web", &["10.0.0.1:1"])], refusing(&[1]));
    stage.first().await;
    stage.change().await;
    let before = stage.upstream(0);
    let asked = stage.script.asked();

    stage.publish(vec![service("web", &["10.0.0.1:1", "10.0.0.1:2"])]);
    assert_eq!(stage.first().await, Health::Degraded);
    assert_eq!(stage.script.asked(), asked + 1);
    assert!(Arc::ptr_eq(&before, &stage.upstream(0)));

    stage.publish(Vec::new());
    sleep(INTERVAL).await;
    let asked = stage.script.asked();
    sleep(INTERVAL * 3).await;
    assert_eq!(stage.script.asked(), asked, "nobody is left to probe");
    stage.stop().await;
}

/// What is written to the log, for all to read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_flip_is_one_line_of_the_log_and_a_first_success_none() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let _scope = tracing::subscriber::set_default(subscriber.finish());
    let lines = || {
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let script = Script::default();
    let stage = Stage::start(vec![service("web", &["10.0.0.1:1"])], script.clone());
    stage.first().await;
    assert_eq!(stage.health().0, Health::Healthy);
    assert!(lines().is_empty(), "{:?}", lines());
    script.set(1, Some(Answer::Fail(Failure::Refused)));
    sleep(INTERVAL * 4).await;
    assert_eq!(stage.health().0, Health::Down);
    let [line] = &lines()[..] else { panic!("{:?}", lines()) };
    assert!(line.contains("previous=healthy health=down"), "{line}");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn at_most_so_many_probes_run_at_once() {
    let names: Vec<String> = (0..2 * PROBES_MAX).map(|n| format!("s{n}")).collect();
    let services = names.iter().map(|name| service(name, &["10.0.0.1:1"]));
    let script = Script::default();
    script.set(1, Some(Answer::Hang));
    let stage = Stage::start(services.collect(), script.clone());
    sleep(TIMEOUT * 3).await;
    assert_eq!(script.0.most.load(Ordering::SeqCst), PROBES_MAX);
    let names: Vec<ServiceName> =
        names.iter().map(|name| ServiceName::parse(name).unwrap()).collect();
    let (services, upstreams) = stage.board.count(&names, Timestamp::now());
    assert_eq!((services.down, upstreams.ejected), (2 * PROBES_MAX, 2 * PROBES_MAX));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_costs_only_itself() {
    let script = Script::default();
    script.set(1, Some(Answer::Panic));
    let stage = Stage::start(vec![service("web", &["10.0.0.1:1"])], script);
    assert_eq!(stage.first().await, Health::Unknown);
    assert_eq!(stage.tasks.panics(), 1);
    stage.script.set(1, None);
    sleep(INTERVAL).await;
    assert_eq!(stage.health(), (Health::Healthy, None));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_holds_from_now_on() {
    let mut stage = Stage::start(vec![service("web", &["10.0.0.1:1"])], Script::default());
    stage.first().await;
    let asked = stage.script.asked();
    stage.settings.publish(Arc::new(settings(Duration::from_secs(1))));
    sleep(Duration::from_secs(10)).await;
    let probes = stage.script.asked() - asked;
    assert!((9..=12).contains(&probes), "{probes}");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_leaf_past_its_renewal_degrades() {
    let web_with_tls = crate::fixture::tls_service("web", &["10.0.0.1:1"]);
    let stage = Stage::start(vec![web_with_tls], Script::default());
    stage.first().await;
    // The fixture's leaves are valid for nine days, and due for renewal after six.
    let cases = [
        (5, Health::Healthy, None),
        (6, Health::Healthy, None),
        (7, Health::Degraded, Some("the certificate is past its renewal")),
        (10, Health::Degraded, Some("the certificate has expired")),
    ];
    for (day, health, reason) in cases {
        let now = Timestamp::from_seconds(day * 86_400);
        let seen = stage.board.service(&web(), now).unwrap();
        assert_eq!((seen.health, seen.reason.as_deref()), (health, reason), "day {day}");
    }
    stage.stop().await;
}
