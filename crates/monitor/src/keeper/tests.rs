//! The keeper over hand-made reports.

use conduit_core::catalog::Catalog;

use super::*;
use crate::channel::Channels;
use crate::history::History;
use crate::history::kept::Kept;
use crate::reading::Reading;
use crate::reading::gpu::{Gpu, GpusReading};
use crate::reading::host::HostReading;
use crate::rule::defaults;
use crate::source::SourceError;

struct Site {
    keeper: Keeper,
    view: live::Reader<NodesView>,
    told: Arc<Mutex<Vec<String>>>,
    /// Kept, so that the catalog stays there.
    _catalog: live::Writer<Catalog>,
}

fn name(text: &str) -> NodeName {
    NodeName::parse(text).expect("a name")
}

fn site() -> Site {
    let (catalog, reader) = live::channel(Arc::new(Catalog::default()));
    let told = Arc::<Mutex<Vec<String>>>::default();
    let tell = Arc::clone(&told);
    let kept = (History::off("a test"), Kept::default());
    let (watch, _) = Watch::new(defaults::rules(), Vec::new(), kept, Channels::default(), at(0));
    let surroundings = Surroundings {
        here: name("here"),
        catalog: reader,
        services: Box::new(|| vec![services::tests::facts("web", Some(at(60)), (0, 0, 0, 0))]),
        tell: Box::new(move |change| {
            tell.lock().expect("alone").push(change.alert().rule.to_string());
        }),
        containers: None,
    };
    let (keeper, view, _) = Keeper::new(surroundings, Arc::new(Mutex::new(watch)));
    Site { keeper, view, told, _catalog: catalog }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

fn watched(of: &str, sources: Vec<SourceKind>) -> Order {
    Order::Watch(Watched { name: name(of), address: None, tags: Vec::new(), sources })
}

fn report(of: &str, seconds: i64, outcome: Result<Reading, SourceError>) -> Order {
    Order::from(Report {
        node: name(of),
        kind: SourceKind::Host,
        at: at(seconds),
        took: Duration::from_millis(3),
        outcome,
    })
}

fn running(seconds: i64) -> Reading {
    let uptime = Some(Duration::from_secs(seconds.unsigned_abs()));
    let host = HostReading { hostname: "box".into(), uptime, ..HostReading::default() };
    let gpus = GpusReading {
        gpus: vec![Gpu { temperature: Some(99.0), ..Gpu::default() }],
        ..GpusReading::default()
    };
    Reading { host: Some(host), gpus: Some(gpus), ..Reading::empty(at(seconds)) }
}

#[test]
fn what_is_known_stays_when_a_source_fails_and_the_failure_is_shown() {
    let mut site = site();
    site.keeper.take(watched("here", vec![SourceKind::Host]), at(0));
    site.keeper.take(report("here", 1, Ok(running(1))), at(1));
    site.keeper.take(report("here", 2, Err(SourceError::Failed("it broke".into()))), at(2));
    let view = site.view.load_full();
    let node = &view.nodes[&name("here")];
    assert_eq!(node.host.as_ref().map(|host| host.hostname.as_str()), Some("box"));
    let state = &node.sources[0];
    assert_eq!((state.read_at, state.error.as_deref()), (Some(at(1)), Some("it broke")));
    assert_eq!(site.keeper.reads().len(), 1);
}

#[test]
fn nodes_that_are_not_watched_are_not_shown() {
    let mut site = site();
    site.keeper.take(report("gone", 1, Ok(running(1))), at(1));
    assert!(site.view.load().nodes.is_empty());
    site.keeper.take(watched("gone", vec![SourceKind::Host]), at(2));
    site.keeper.take(report("gone", 3, Ok(running(3))), at(3));
    assert_eq!(site.view.load().nodes.len(), 1);
    site.keeper.take(Order::Forget(name("gone")), at(4));
    assert!(site.view.load().nodes.is_empty() && site.keeper.reads().is_empty());
}

#[test]
fn a_service_that_is_down_is_told_after_a_minute() {
    let mut site = site();
    site.keeper.surroundings.services = Box::new(|| {
        let facts = services::tests::facts("web", None, (0, 0, 0, 0));
        vec![ServiceFacts { is_down: true, ..facts }]
    });
    for second in [0, 30, 60, 90] {
        site.keeper.tick(at(second));
        let told = site.told.lock().expect("alone").clone();
        assert_eq!(told.len(), usize::from(second >= 60), "{second}: {told:?}");
    }
    let alerts = site.view.load().alerts.clone();
    assert_eq!(alerts[0].message, "Service web is down for 1 min");
}

#[test]
fn a_leaf_that_ends_soon_is_told_and_shown() {
    let mut site = site();
    for second in 0..2 {
        site.keeper.tick(at(second * 3_600));
    }
    assert_eq!(site.view.load().alerts.len(), 1, "{:?}", site.view.load().alerts);
    assert_eq!(site.told.lock().expect("alone").len(), 1);
}
