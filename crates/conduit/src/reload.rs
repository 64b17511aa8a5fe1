//! Reading the configuration again while running.
//!
//! **Invariant:** a reload applies every dynamic key that changed or none of them, and names the
//! static ones that need a restart. A bad file changes nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use conduit_admin::control::{ControlError, Reloaded};
use conduit_audit::{Action, Draft, Status};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use conduit_core::error::Chain;
use conduit_core::live;
use conduit_dns::access::{AccessList, Policy};
use conduit_dns::forward::Forwarder;
use conduit_dns::forward::settings::ForwardSettings;
use conduit_dns::interfaces::Interfaces;
use conduit_dns::lists::Lists;
use conduit_dns::update::{Updates, Wish};
use conduit_proxy::health::machine::Thresholds;
use conduit_proxy::health::plan::ProbeSettings;
use conduit_registry::{Mutation, Registry};
use serde_json::{Map, json};
use tokio::sync::{Notify, mpsc};

use crate::config::{Config, Source};
use crate::error::AppError;
use crate::forwarding;
use crate::monitor::SiteMonitor;
use crate::peers;
use crate::planes::Lines;
use crate::query_log::Told;
use crate::telemetry::LogHandle;

/// What a reload may change.
#[derive(Debug)]
pub(crate) struct Tunables {
    pub(crate) policy: live::Writer<Policy>,
    pub(crate) policy_reader: live::Reader<Policy>,
    pub(crate) probes: live::Writer<ProbeSettings>,
    pub(crate) probes_reader: live::Reader<ProbeSettings>,
    pub(crate) lists: Lists,
    /// Where DNS listens: never a forwarder.
    pub(crate) listening: Vec<SocketAddr>,
    /// Where changes of records go that programs ask for.
    pub(crate) updates: Updates,
    /// Where they come out; whoever makes them takes it.
    pub(crate) wishes: Option<mpsc::Receiver<Wish>>,
}

impl Tunables {
    /// The initial values, as configured; `listening` is where DNS listens.
    ///
    /// # Errors
    /// When a forwarder is this gateway itself.
    pub(crate) fn new(config: &Config, listening: Vec<SocketAddr>) -> Result<Self, AppError> {
        let (updates, wishes) = Updates::channel();
        let first = policy_of(config, &listening, &updates, None)?;
        let lists = Lists::new(config.dns.lists.clone());
        let policy = Policy { lists: lists.clone(), ..first };
        let (policy, policy_reader) = live::channel(Arc::new(policy));
        let (probes, probes_reader) = live::channel(Arc::new(probes_of(config)));
        Ok(Self {
            policy,
            policy_reader,
            probes,
            probes_reader,
            lists,
            listening,
            updates,
            wishes: Some(wishes),
        })
    }
}

/// Who may ask what, as configured.
fn policy_of(
    config: &Config,
    listening: &[SocketAddr],
    updates: &Updates,
    before: Option<&Policy>,
) -> Result<Policy, AppError> {
    let settings = forwarding::settings(config)?;
    let is_nobody = settings.forwarders.is_empty() && settings.conditional.is_empty();
    let forwarder = match is_nobody {
        true => None,
        false => {
            let interfaces = Interfaces::read().map_err(AppError::Dns)?;
            let own =
                config.gateway.domains.iter().filter_map(|d| d.as_str().parse().ok()).collect();
            let settings = ForwardSettings { own, ..settings };
            let before = before.and_then(|before| before.forwarder.as_ref());
            let forwarder = Forwarder::new(settings, listening, &interfaces, before);
            Some(forwarder.map_err(AppError::Dns)?)
        }
    };
    Ok(Policy {
        access: AccessList::new(config.dns.allow.clone()),
        forwarder,
        peers: Arc::new(peers::peers(&config.dns.peers, Some(updates.clone()))?),
        guard: before.map(|before| before.guard.clone()).unwrap_or_default(),
        rate_limit: config.dns.rate_limit,
        lists: Lists::default(),
    })
}

/// How upstreams are probed, as configured.
fn probes_of(config: &Config) -> ProbeSettings {
    ProbeSettings {
        interval: config.health.interval,
        timeout: config.health.timeout,
        path: config.health.path.clone(),
        thresholds: Thresholds {
            unhealthy_after: config.health.unhealthy_after,
            healthy_after: config.health.healthy_after,
        },
    }
}

/// Knows where the configuration comes from.
#[derive(Debug)]
pub struct Reloader {
    source: Source,
    config: Config,
    log: Option<LogHandle>,
}

impl Reloader {
    /// A reloader for a configuration that was loaded from `source`.
    pub fn new(source: Source, config: Config, log: Option<LogHandle>) -> Self {
        Self { source, config, log }
    }

    pub(crate) fn attach(
        self,
        tunables: Tunables,
        registry: &Registry,
        monitor: Option<Arc<SiteMonitor>>,
        lines: &Lines,
    ) -> Arc<Attached> {
        Arc::new(Attached {
            source: self.source,
            log: self.log,
            registry: registry.clone(),
            monitor,
            told: lines.told.clone(),
            state: Mutex::new(State { config: self.config, tunables }),
        })
    }
}

/// A reloader with something to change.
#[derive(Debug)]
pub(crate) struct Attached {
    source: Source,
    log: Option<LogHandle>,
    registry: Registry,
    monitor: Option<Arc<SiteMonitor>>,
    /// What is told of queries; `None` without DNS.
    told: Option<Told>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: Config,
    tunables: Tunables,
}

impl Attached {
    /// Reloads at every notice (SIGHUP).
    pub(crate) async fn serve(&self, notice: &Notify) {
        loop {
            notice.notified().await;
            match self.recorded_reload().await {
                Ok(done) => tracing::info!(
                    applied = ?done.applied,
                    needs_restart = ?done.needs_restart,
                    "configuration reloaded"
                ),
                Err(error) => tracing::error!(error = %Chain(&error), "configuration not reloaded"),
            }
        }
    }

    /// Reads the configuration again and applies what may change; the caller has recorded the
    /// decision.
    pub(crate) fn reload(&self) -> Result<Reloaded, ControlError> {
        self.judge().map(|next| self.apply(next))
    }

    async fn recorded_reload(&self) -> Result<Reloaded, ControlError> {
        let next = self.judge()?;
        let mut details = Map::new();
        details.insert("applied".into(), json!(next.reloaded.applied));
        details.insert("needs_restart".into(), json!(next.reloaded.needs_restart));
        let actor = Actor::System("signal");
        let draft = Draft {
            at: Timestamp::now(),
            actor: actor.clone(),
            action: Action::ConfigReload,
            status: Status::Success,
            message: format!("Reloading the configuration: {} keys", next.reloaded.applied.len()),
            details,
        };
        let recorded = self.registry.apply(actor, Mutation::Record(Box::new(draft))).await;
        recorded.map_err(|error| ControlError::Unavailable(Chain(&error).to_string()))?;
        let reloaded = self.apply(next);
        self.refresh_lists().await;
        Ok(reloaded)
    }

    /// Reads hosts files and lists again, as configured by now.
    pub(crate) async fn refresh_lists(&self) {
        let (lists, settings) = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (state.tunables.lists.clone(), state.config.dns.lists.clone())
        };
        lists.refresh(settings).await;
    }

    /// What a reload would do now; it changes nothing.
    ///
    /// # Errors
    /// As [`Attached::reload`].
    pub(crate) fn ahead(&self) -> Result<Reloaded, ControlError> {
        self.judge().map(|next| next.reloaded)
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Config {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// Where the configuration is read from.
    pub(crate) fn path(&self) -> Option<std::path::PathBuf> {
        self.source.path()
    }

    /// Everything that can be refused.
    fn judge(&self) -> Result<Next, ControlError> {
        let invalid = |error: &(dyn std::error::Error + 'static)| {
            ControlError::Invalid(Chain(error).to_string())
        };
        let loaded = self.source.load().map_err(|error| invalid(&error))?;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = state.config.diff(&loaded.config);
        let in_force = state.tunables.policy_reader.load_full();
        let Tunables { listening, updates, .. } = &state.tunables;
        let policy = policy_of(&loaded.config, listening, updates, Some(&*in_force));
        Ok(Next {
            policy: policy.map_err(|error| invalid(&error))?,
            reloaded: Reloaded {
                applied: changes.dynamic.iter().map(ToString::to_string).collect(),
                needs_restart: changes.needs_restart.iter().map(ToString::to_string).collect(),
            },
            config: loaded.config,
        })
    }

    /// What cannot be refused any more.
    fn apply(&self, next: Next) -> Reloaded {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = |section: &str| next.reloaded.applied.iter().any(|k| k.starts_with(section));
        // The secret of a key may be another one, in the same place.
        if changed("dns.") || !next.policy.peers.keys.is_empty() {
            let lists = state.tunables.lists.clone();
            state.tunables.policy.publish(Arc::new(Policy { lists, ..next.policy }));
        }
        if let Some(told) = &self.told {
            told.log().set(&next.config.dns.query_log);
        }
        if changed("health.") {
            state.tunables.probes.publish(Arc::new(probes_of(&next.config)));
        }
        if changed("log.")
            && let Some(log) = &self.log
            && let Err(error) = log.set_level(&next.config.log.level)
        {
            tracing::error!(error = %Chain(&error), "the log level stays as it was");
        }
        state.config.adopt_dynamic(&next.config);
        if changed("monitor.")
            && let Some(monitor) = &self.monitor
        {
            monitor.reload(&state.config);
        }
        next.reloaded
    }
}

/// A configuration that was judged.
#[derive(Debug)]
struct Next {
    config: Config,
    policy: Policy,
    reloaded: Reloaded,
}
