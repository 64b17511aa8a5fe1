//! Services that containers ask for by their labels, carried out by the registry.
//!
//! **Invariant:** only services that carry the mark of labels are replaced or deregistered; a name
//! that a person registered is theirs.

use std::sync::Arc;

use conduit_core::actor::Actor;
use conduit_core::error::Chain;
use conduit_core::name::ServiceName;
use conduit_core::policy::Policy;
use conduit_core::service::{Monitoring, Protocol, TlsMode};
use conduit_core::tasks::Tasks;
use conduit_monitor::containers::{Asked, LABEL_MARK, LabelWish, LabelledService, wishes};
use conduit_monitor::reading::container::ContainersReading;
use conduit_registry::{Mutation, RegisterOptions, Registration, Registry};
use tokio::sync::watch;

/// Carries out what labels ask for.
pub(super) struct Labels {
    registry: Registry,
    asked: Asked,
}

impl Labels {
    /// Starts the task; what is returned takes each reading of this machine's containers.
    pub(super) fn start(
        registry: &Registry,
        tasks: &Tasks,
    ) -> Box<dyn Fn(&ContainersReading) + Send> {
        let (sender, mut readings) = watch::channel(None::<Arc<ContainersReading>>);
        let asked = Asked::of(&registry.catalog().load());
        let mut labels = Self { registry: registry.clone(), asked };
        let stop = tasks.stop().clone();
        tasks.service("container labels", async move {
            let following = async {
                while readings.changed().await.is_ok() {
                    let reading = readings.borrow_and_update().clone();
                    if let Some(reading) = reading {
                        labels.follow(&reading).await;
                    }
                }
                std::future::pending::<()>().await;
            };
            stop.run_until_cancelled(following).await;
        });
        Box::new(move |reading| {
            sender.send_replace(Some(Arc::new(reading.clone())));
        })
    }

    async fn follow(&mut self, reading: &ContainersReading) {
        let found = wishes(&self.asked, reading);
        self.asked = found.asked;
        for problem in &found.problems {
            tracing::warn!("{problem}");
        }
        for wish in found.wishes {
            match wish {
                LabelWish::Register(service) => self.register(service).await,
                LabelWish::Deregister(name) => self.deregister(name).await,
            }
        }
    }

    async fn register(&mut self, service: LabelledService) {
        let name = service.name.clone();
        if self.is_ours(&name) == Some(false) {
            tracing::warn!(
                service = %name, container = service.container,
                "a container asks for a service that a person registered; nothing was changed"
            );
            return;
        }
        let options = RegisterOptions { replace: true, ..RegisterOptions::default() };
        let mutation = Mutation::Register { services: vec![registration(service)], options };
        if let Err(error) = self.registry.apply(ACTOR, mutation).await {
            tracing::warn!(service = %name, error = %Chain(&error), "a container's labels were refused");
            self.asked.forget(&name);
        }
    }

    async fn deregister(&self, name: ServiceName) {
        if self.is_ours(&name) != Some(true) {
            return;
        }
        let mutation = Mutation::Deregister { name: name.clone() };
        if let Err(error) = self.registry.apply(ACTOR, mutation).await {
            tracing::warn!(service = %name, error = %Chain(&error), "a service without containers stays");
        }
    }

    /// Whether a service was registered by labels; `None` when there is none.
    fn is_ours(&self, name: &ServiceName) -> Option<bool> {
        let catalog = self.registry.catalog().load_full();
        let service = catalog.get(name)?;
        Some(service.monitoring.kind.as_deref() == Some(LABEL_MARK))
    }
}

fn registration(service: LabelledService) -> Registration {
    let asks = service.asks;
    let mut registration = Registration::new(service.name, service.upstreams);
    registration.domain = asks.domain.map(|domain| domain.to_string());
    registration.aliases = asks.hosts.iter().map(ToString::to_string).collect();
    registration.protocol = asks.protocol.unwrap_or(Protocol::Http);
    registration.tls = asks.tls.unwrap_or(TlsMode::Issued);
    registration.probe = asks.health;
    registration.policy = Policy { preset: asks.preset, ..Policy::default() }.shared();
    registration.monitoring = Monitoring {
        kind: Some(LABEL_MARK.to_owned()),
        container_name: Some(service.container),
        ssh_host: None,
    };
    registration
}

/// Who is on record for what labels ask for.
const ACTOR: Actor = Actor::System("containers");
