//! Looks at services over virtual time.

use super::*;
use crate::figures::ContainerFigures;
use crate::reading::container::Container;
use crate::reading::gpu::{Gpu, GpuProcess, GpusReading};
use crate::view::{ContainersView, NodeView};

fn at(seconds: u32) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + i64::from(seconds))
}

struct Site {
    services: Services,
    idle: BTreeSet<String>,
}

impl Site {
    fn new() -> Self {
        Self { services: Services::default(), idle: BTreeSet::new() }
    }

    /// What is told at a look but for what goes through, as `metric service value`.
    fn look(&mut self, seconds: u32, facts: &[ServiceFacts]) -> Vec<String> {
        let rates = ["requests", "5xx", "took", "received", "sent"];
        let is_rate =
            |line: &String| rates.iter().any(|rate| line.starts_with(&format!("service_{rate} ")));
        let mut told = self.all(seconds, facts);
        told.retain(|line| !is_rate(line));
        told
    }

    /// All that is told at a look.
    fn all(&mut self, seconds: u32, facts: &[ServiceFacts]) -> Vec<String> {
        let node = NodeName::parse("here").expect("a name");
        let samples = self.services.samples(&node, facts, &self.idle, at(seconds));
        let line = |sample: &Sample| {
            let subject = sample.series.subject.as_deref().unwrap_or_default();
            format!("{} {subject} {:.2}", sample.series.metric, sample.value)
        };
        samples.iter().map(line).collect()
    }
}

/// What is known of a service with these counts: requests, errors, in flight, delivered.
pub(crate) fn facts(
    service: &str,
    leaf_ends: Option<Timestamp>,
    (requests, errors, in_flight, delivered): (u64, u64, u64, u64),
) -> ServiceFacts {
    let service = ServiceName::parse(service).expect("a name");
    ServiceFacts {
        service,
        leaf_ends,
        is_down: false,
        requests,
        errors,
        received: 0,
        sent: 0,
        took: Duration::ZERO,
        in_flight,
        delivered,
    }
}

fn counts(requests: u64, errors: u64, in_flight: u64, delivered: u64) -> ServiceFacts {
    facts("llm", None, (requests, errors, in_flight, delivered))
}

#[test]
fn what_goes_through_is_told_while_something_does() {
    let mut site = Site::new();
    let moved = |requests: u64, errors: u64| ServiceFacts {
        received: requests * 100,
        sent: requests * 1_000,
        took: Duration::from_millis(requests * 20),
        ..counts(requests, errors, 0, 0)
    };
    assert!(site.all(0, &[]).is_empty());
    let told = [
        "service_requests llm 6.00",
        "service_5xx llm 1.00",
        "service_received llm 600.00",
        "service_sent llm 6000.00",
        "service_took llm 0.02",
    ];
    assert_eq!(site.all(10, &[moved(60, 10)])[..5], told, "since the look before");
    let still = site.all(20, &[moved(60, 10)]);
    let still: Vec<_> = still.iter().filter(|line| !line.starts_with("service_errors")).collect();
    assert_eq!(
        still,
        [
            "service_requests llm 0.00",
            "service_5xx llm 0.00",
            "service_received llm 0.00",
            "service_sent llm 0.00",
        ]
    );
    assert!(!site.all(30, &[moved(60, 10)]).iter().any(|line| line.contains("requests")));
    assert!(!site.all(40, &[moved(5, 0)]).iter().any(|line| line.contains("requests")), "anew");
    assert_eq!(site.all(50, &[moved(15, 0)])[0], "service_requests llm 1.00");
    let others: Vec<_> =
        (0..MOVING_MAX as u64 + 5).map(|n| facts(&format!("s-{n}"), None, (1, 0, 0, 0))).collect();
    let told = site.all(60, &others);
    let requests = told.iter().filter(|line| line.starts_with("service_requests"));
    assert_eq!(requests.count(), MOVING_MAX);
}

#[test]
fn a_service_that_is_well_is_not_told_of() {
    let mut site = Site::new();
    let far = Some(at(0).plus(LEAF_NEAR * 2));
    for second in [0, 10, 20] {
        let facts = facts("web", far, (1_000, 0, 3, u64::from(second)));
        assert_eq!(site.look(second, &[facts]), <[&str; 0]>::default());
    }
}

#[test]
fn a_service_that_is_down_is_told_of_until_it_is_up_or_gone() {
    let mut site = Site::new();
    let down = |name| ServiceFacts { is_down: true, ..facts(name, None, (0, 0, 0, 0)) };
    let up = facts("web", None, (0, 0, 0, 0));
    assert_eq!(
        site.look(0, &[down("web"), down("db")]),
        ["service_down web 1.00", "service_down db 1.00"]
    );
    assert_eq!(
        site.look(10, std::slice::from_ref(&up)),
        ["service_down web 0.00", "service_down db 0.00"]
    );
    assert_eq!(site.look(20, &[up]), <[&str; 0]>::default());
}

#[test]
fn what_is_told_is_bounded_and_one_thing_does_not_crowd_out_another() {
    let mut site = Site::new();
    let near = Some(at(0).plus(LEAF_NEAR / 2));
    let all: Vec<_> = (0..TOLD_MAX + 10)
        .map(|number| {
            let of = facts(&format!("s{number}"), near, (0, 0, 0, 0));
            ServiceFacts { is_down: true, ..of }
        })
        .collect();
    for second in [0, 30] {
        let told = site.look(second, &all);
        let of = |metric: &str| told.iter().filter(|line| line.starts_with(metric)).count();
        assert_eq!((of("service_down"), of("leaf_expiry")), (TOLD_MAX, TOLD_MAX));
    }
}

#[test]
fn a_leaf_near_its_end_is_told_of_until_it_is_renewed() {
    let mut site = Site::new();
    let with = |days: u64| {
        let ends = at(0).plus(Duration::from_secs(days * 86_400));
        [facts("web", Some(ends), (0, 0, 0, 0))]
    };
    assert_eq!(site.look(0, &with(20)), ["leaf_expiry web 1728000.00"]);
    assert_eq!(site.look(0, &with(365)), ["leaf_expiry web 31536000.00"]);
    assert_eq!(site.look(0, &with(365)), <[&str; 0]>::default());
}

#[test]
fn errors_are_a_share_of_the_last_minutes() {
    let mut site = Site::new();
    site.look(0, &[counts(1_000, 500, 0, 0)]);
    assert_eq!(site.look(10, &[counts(1_009, 509, 0, 0)]), <[&str; 0]>::default(), "too few");
    assert_eq!(site.look(20, &[counts(1_100, 510, 0, 0)]), ["service_errors llm 0.10"]);
    let down = ServiceFacts { is_down: true, ..counts(1_200, 610, 0, 0) };
    let told = ["service_down llm 1.00", "service_errors llm 0.00"];
    assert_eq!(site.look(30, &[down]), told, "which says it already");
    assert_eq!(site.look(40, &[counts(1_200, 610, 0, 0)])[1..], ["service_errors llm 0.55"]);
    let minutes =
        (60..=420).step_by(10).map(|second| site.look(second, &[counts(1_200, 610, 0, 0)]));
    assert_eq!(minutes.last(), Some(vec![]), "none ended within five minutes");
    site.look(430, &[counts(5, 5, 0, 0)]);
    assert_eq!(site.look(440, &[counts(15, 5, 0, 0)]), <[&str; 0]>::default(), "registered anew");
}

#[test]
fn silence_counts_while_requests_wait_and_the_gpus_do_nothing() {
    let mut site = Site::new();
    let asked = |delivered| [counts(1, 0, 2, delivered)];
    site.look(0, &asked(7));
    assert_eq!(site.look(60, &asked(7)), <[&str; 0]>::default(), "its GPUs work, or are unknown");
    site.idle.insert("llm".to_owned());
    assert_eq!(site.look(70, &asked(7)), <[&str; 0]>::default(), "since now");
    assert_eq!(site.look(140, &asked(7)), ["service_stalled llm 70.00"]);
    assert_eq!(site.look(150, &asked(8)), ["service_stalled llm 0.00"], "bytes came");
    site.look(160, &asked(8));
    assert_eq!(site.look(180, &asked(8)), ["service_stalled llm 20.00"]);
    assert_eq!(site.look(190, &[counts(3, 0, 0, 8)]), ["service_stalled llm 0.00"], "nobody waits");
}

#[test]
fn a_service_is_idle_when_every_gpu_it_holds_is() {
    let held = |container: &str| GpuProcess {
        pid: 1,
        name: "python".to_owned(),
        memory: Some(1),
        container: Some(container.to_owned()),
    };
    let gpu = |utilization, containers: &[&str]| Gpu {
        utilization,
        processes: containers.iter().map(|id| held(id)).collect(),
        ..Gpu::default()
    };
    let runs = |id: &str, service: &str| ContainerFigures {
        container: Container { id: id.to_owned(), ..Container::default() },
        cpu: None,
        service: Some(service.to_owned()),
    };
    let containers = vec![runs("a", "one"), runs("b", "two"), runs("c", "three")];
    let gpus = vec![gpu(Some(0.0), &["a", "b", "x"]), gpu(Some(0.8), &["b"]), gpu(None, &["c"])];
    let node = NodeView {
        name: NodeName::parse("here").expect("a name"),
        address: None,
        tags: Vec::new(),
        sources: Vec::new(),
        host: None,
        counters: None,
        gpus: Some(GpusReading { gpus, ..GpusReading::default() }),
        containers: Some(ContainersView { containers, ..ContainersView::default() }),
    };
    assert_eq!(idle_on_gpus([&node]), BTreeSet::from(["one".to_owned()]));
}
