//! A room with a publisher that does as it is told.

use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use conduit_audit::{Action, Draft, Report, SealKey, Status};
use conduit_core::actor::Actor;
use conduit_core::catalog::{Change, Version};
use conduit_core::certificate::{Issuance, KeySource, Signed};
use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::leaf::{Algorithm, Fingerprint, Leaf, LeafPair, PrivateKey};
use conduit_core::name::{Host, ServiceName};
use conduit_core::service::TlsMode;
use conduit_core::upstream::UpstreamAddr;
use tempfile::TempDir;

use crate::store::{DATABASE_FILE, SEAL_DIR};
use crate::writer::{QueueLimits, start_with};
use crate::{
    ApplyError, Committed, Mutation, Preparation, PublishError, Publisher, RegisterOptions,
    Registration, Registry, Settings, Store, Work,
};

/// What the publisher does next, and what it did.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    pub(super) next: Arc<Mutex<Next>>,
    pub(super) published: Arc<Mutex<Vec<Version>>>,
}

#[derive(Debug, Default)]
pub(super) enum Next {
    #[default]
    Prepare,
    Panic,
    Refuse,
    /// Says that it is at it, and waits for a word.
    Wait(mpsc::SyncSender<()>, mpsc::Receiver<()>),
}

impl Script {
    pub(super) fn set(&self, next: Next) {
        *self.next.lock().expect("unpoisoned") = next;
    }

    pub(super) fn published(&self) -> Vec<(u64, u64)> {
        let published = self.published.lock().expect("unpoisoned");
        published.iter().map(|v| (v.generation.0, v.revision)).collect()
    }
}

struct FakePublisher(Script);

impl Publisher for FakePublisher {
    type Prepared = Version;

    fn prepare(&mut self, work: &Work<'_>) -> Result<Preparation<Version>, PublishError> {
        let next = std::mem::take(&mut *self.0.next.lock().expect("unpoisoned"));
        match next {
            Next::Prepare => {}
            Next::Panic => panic!("told to"),
            Next::Refuse => return Err(PublishError::new("told to")),
            Next::Wait(at_it, word) => {
                at_it.send(()).expect("heard");
                word.recv().expect("told");
            }
        }
        let put = work.changes.iter().filter_map(|change| match change {
            Change::Put(service) if service.tls == TlsMode::Issued => Some(&service.name),
            _ => None,
        });
        let leaves = put
            .chain(work.reissue)
            .map(|name| (name.clone(), leaves(name, work.version, work.now)))
            .collect();
        Ok(Preparation { prepared: work.version, leaves })
    }

    fn sign(&mut self, issuance: &Issuance, now: Timestamp) -> Result<Signed, PublishError> {
        if matches!(std::mem::take(&mut *self.0.next.lock().expect("unpoisoned")), Next::Refuse) {
            return Err(PublishError::new("told to"));
        }
        let made_here = matches!(issuance.key, KeySource::Generate(_));
        let mut fingerprint = [0; 32];
        for (place, byte) in fingerprint.iter_mut().zip(issuance.holder.as_str().bytes()) {
            *place = byte;
        }
        Ok(Signed {
            certificate_der: issuance.holder.as_str().as_bytes().into(),
            chain: Vec::new(),
            key: made_here.then(|| PrivateKey::from_pkcs8(vec![1])),
            issuer: Fingerprint([9; 32]),
            fingerprint: Fingerprint(fingerprint),
            not_before: now,
            not_after: now.plus(issuance.validity.unwrap_or(std::time::Duration::from_secs(60))),
        })
    }

    fn publish(&mut self, version: Version) {
        self.0.published.lock().expect("unpoisoned").push(version);
    }
}

fn leaves(name: &ServiceName, version: Version, now: Timestamp) -> LeafPair {
    let leaf = |algorithm: Algorithm| {
        let text = format!("{name} {algorithm} {version}");
        let mut fingerprint = [0; 32];
        for (to, from) in fingerprint.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Leaf {
            algorithm,
            certificate_der: text.as_bytes().into(),
            key: PrivateKey::from_pkcs8(text.into_bytes()),
            issuer: Fingerprint([7; 32]),
            fingerprint: Fingerprint(fingerprint),
            not_before: now,
            not_after: now.plus(std::time::Duration::from_secs(86_400)),
        }
    };
    LeafPair { ed25519: leaf(Algorithm::Ed25519), ecdsa_p256: leaf(Algorithm::EcdsaP256) }
}

/// One that does as nobody tells it.
pub(super) fn publisher() -> impl Publisher {
    FakePublisher(Script::default())
}

/// Small, so that filling the queues takes no time.
pub(super) const LIMITS: QueueLimits = QueueLimits { decisions_max: 8, observations_max: 40 };

/// A running registry in a directory of its own.
pub(super) struct Room {
    pub(super) dir: TempDir,
    pub(super) registry: Registry,
    pub(super) script: Script,
    thread: JoinHandle<()>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self::in_dir(tempfile::tempdir().expect("a directory"), |_| {})
    }

    pub(super) fn in_dir(dir: TempDir, prepare: impl FnOnce(&Store)) -> Self {
        let store = open(dir.path());
        prepare(&store);
        let script = Script::default();
        let publisher = FakePublisher(script.clone());
        let started = start_with(store, settings(), publisher, LIMITS);
        let (registry, thread) = started.expect("started");
        Self { dir, registry, script, thread }
    }

    pub(super) async fn apply(&self, mutation: Mutation) -> Result<Committed, ApplyError> {
        let now = Timestamp::from_seconds(1_775_304_000);
        self.registry.apply_at(operator(), mutation, now).await
    }

    pub(super) async fn register(
        &self,
        services: Vec<Registration>,
    ) -> Result<Committed, ApplyError> {
        let options = RegisterOptions::default();
        self.apply(Mutation::Register { services, options }).await
    }

    /// Everything in the database, as text.
    pub(super) fn dump(&self) -> Vec<String> {
        let path = self.dir.path().join(DATABASE_FILE);
        let connection = crate::store::open_for_reading(&path).expect("opened");
        let mut all = Vec::new();
        for table in ["meta", "services", "leaves", "tokens", "nodes", "records", "capsules"] {
            let sql = format!("SELECT * FROM {table} ORDER BY 1, 2");
            let mut statement = connection.prepare(&sql).expect("prepared");
            let columns = statement.column_count();
            let mut rows = statement.query([]).expect("queried");
            while let Some(row) = rows.next().expect("read") {
                let values = (0..columns).map(|i| format!("{:?}", row.get_ref(i).expect("there")));
                all.push(format!("{table}: {}", values.collect::<Vec<_>>().join("|")));
            }
        }
        all
    }

    /// Closes the registry and gives its directory back.
    pub(super) async fn close(self) -> TempDir {
        self.registry.close().await;
        drop(self.registry);
        self.thread.join().expect("ended well");
        self.dir
    }
}

pub(super) fn open(dir: &Path) -> Store {
    let (key, _) = SealKey::open_or_create(&dir.join(SEAL_DIR)).expect("a key");
    Store::open(dir, key).expect("opened")
}

pub(super) fn verify(dir: &Path) -> Report {
    let report = conduit_audit::verify_file(&dir.join(DATABASE_FILE), &dir.join(SEAL_DIR));
    let report = report.expect("read");
    assert!(report.valid(), "{report:?}");
    report
}

pub(super) fn settings() -> Settings {
    let domains = ["internal", "local"].map(|domain| Host::parse(domain).expect("valid"));
    Settings::new(Domains::new(domains.to_vec()).expect("some"))
}

pub(super) fn operator() -> Actor {
    Actor::Local { uid: 1000, user: Some("operator".into()) }
}

pub(super) fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).expect("valid")
}

pub(super) fn asked(service: &str, upstream: &str) -> Registration {
    let upstream = UpstreamAddr::parse(upstream).expect("valid");
    Registration::new(name(service), vec![upstream])
}

pub(super) fn draft(message: &str) -> Draft {
    Draft {
        at: Timestamp::from_seconds(1),
        actor: Actor::System("test"),
        action: Action::HealthChange,
        status: Status::Success,
        message: message.into(),
        details: serde_json::Map::new(),
    }
}
