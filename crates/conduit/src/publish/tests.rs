//! What is issued when, and that a preparation changes nothing.

use conduit_core::catalog::Generation;
use conduit_core::domains::Domains;
use conduit_core::name::Host;
use conduit_core::upstream::UpstreamAddr;
use conduit_proxy::compile::CompilerSettings;
use conduit_registry::Publisher as _;
use conduit_registry::rules;
use conduit_registry::{Registration, Settings};
use conduit_tls::authority::AuthoritySettings;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

struct Stage {
    _directory: tempfile::TempDir,
    authority: Arc<Authority>,
    domains: Domains,
    now: Timestamp,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let domains =
            Domains::new(vec![Host::parse("internal").expect("valid")]).expect("one domain");
        let now = Timestamp::from_seconds(1_775_304_000);
        let settings = AuthoritySettings { domains: domains.clone(), organization: String::new() };
        let (authority, _) =
            Authority::open_or_create(directory.path(), &settings, now.minus(DAY * 60))
                .expect("an authority");
        Self { _directory: directory, authority: Arc::new(authority), domains, now }
    }

    fn service(&self, name: &str, alias: Option<&str>) -> Arc<Service> {
        let upstream = UpstreamAddr::parse("10.0.1.50:3000").expect("valid");
        let name = ServiceName::parse(name).expect("valid");
        let mut wish = Registration::new(name, vec![upstream]);
        wish.aliases.extend(alias.map(str::to_owned));
        let settings = Settings::new(self.domains.clone());
        Arc::new(rules::build(&wish, &settings, self.now).expect("a service"))
    }

    fn start(&self, catalog: &Catalog, stored: Vec<(ServiceName, LeafPair)>) -> FirstTables {
        let settings =
            TableSettings { zone: ZoneSettings::new(self.domains.clone()), leaf_validity: DAY };
        let (reports, _queue) = conduit_proxy::upstream::reports();
        let compiler = Compiler::new(CompilerSettings::default(), reports);
        let (_, authority) = live::channel(Arc::clone(&self.authority));
        let authority = Some(authority);
        Publisher::start(settings, authority, compiler, None, catalog, stored, self.now)
            .expect("first tables")
    }
}

fn catalog(services: &[&Arc<Service>]) -> Catalog {
    let changes = services.iter().map(|service| Change::Put(Arc::clone(service))).collect();
    Catalog::default().with(Generation(1), changes)
}

#[test]
fn leaves_that_expired_while_the_machine_was_off_are_replaced_before_anything_is_served() {
    let stage = Stage::new();
    let (fresh, expired) = (stage.service("fresh", None), stage.service("expired", None));
    let issue = |service: &Service, now| {
        (service.name.clone(), stage.authority.issue(&service.hosts, DAY, now).expect("leaves"))
    };
    let long_ago = stage.now.minus(DAY * 30);
    let stored = [issue(&fresh, stage.now), issue(&expired, long_ago)];
    let first = stage.start(&catalog(&[&fresh, &expired]), stored.into());
    assert_eq!(first.reissue, std::slice::from_ref(&expired.name));
    let routes = first.routes.load_full();
    for service in [&fresh, &expired] {
        let leaves = routes.route(&service.name).and_then(|route| route.leaves.clone());
        assert!(leaves.expect("leaves").not_after() > stage.now, "{}", service.name);
    }
}

#[test]
fn a_preparation_changes_nothing_and_new_leaves_come_with_new_hosts_only() {
    let stage = Stage::new();
    let before = stage.service("web", None);
    let previous = catalog(&[&before]);
    let mut first = stage.start(&previous, Vec::new());
    let version = Version { generation: Generation(2), revision: 0 };
    let issued_for = |first: &mut FirstTables, next: &Arc<Service>| {
        let changes = [Change::Put(Arc::clone(next))];
        let next = previous.with(Generation(2), changes.to_vec());
        let work = Work {
            previous: &previous,
            next: &next,
            changes: &changes,
            records: &[],
            reissue: &[],
            version,
            now: stage.now,
        };
        first.publisher.prepare(&work).expect("prepared")
    };
    let same_hosts = Arc::new(Service {
        upstreams: vec![UpstreamAddr::parse("10.0.1.51:3000").expect("valid")],
        ..(*before).clone()
    });
    assert!(issued_for(&mut first, &same_hosts).leaves.is_empty());
    let more_hosts = stage.service("web", Some("www.internal"));
    let preparation = issued_for(&mut first, &more_hosts);
    assert_eq!(preparation.leaves.len(), 1);
    assert_eq!(first.routes.load().version().generation, Generation(1), "nothing is live yet");
    assert!(first.routes.load().get("www.internal").is_none());
    first.publisher.publish(preparation.prepared);
    assert!(first.routes.load().get("www.internal").is_some());
    assert_eq!(first.zone.load().version(), version);
}
