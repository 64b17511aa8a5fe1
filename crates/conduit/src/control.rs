//! What the admin API asks of the whole gateway.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conduit_admin::control::{
    AccessLine, BoxFuture, Checks, Control, ControlError, EffectiveConfig, GatewayInfo,
    QueryLogView, Reloaded, Resolution, ResolvedRecord, Upgraded,
};
use conduit_admin::finding::Diagnosis;
use conduit_core::clock::Timestamp;
use conduit_core::error::Chain;
use conduit_core::leaf::LeafPair;
use conduit_core::live;
use conduit_core::name::ServiceName;
use conduit_core::record::Record;
use conduit_core::tasks::Tasks;
use conduit_dns::access::Policy;
use conduit_dns::forward::Forwarder;
use conduit_dns::forward::status::ForwardStatus;
use conduit_dns::lists::status::ListStatus;
use conduit_dns::mdns::status::Status as MdnsStatus;
use conduit_proxy::fingerprint::{Asked, Fingerprint, fingerprints};
use conduit_proxy::health::board::HealthBoard;
use conduit_proxy::resolve::Resolver;
use conduit_proxy::table::RouteTable;
use conduit_registry::Registry;
use conduit_tls::authority::Authority;
use tokio::time::Instant;

use crate::app::{Addresses, domain_texts, registry_settings};
use crate::config::Config;
use crate::doctor::{Doctor, Given};
use crate::metrics::Metrics;
use crate::monitor::SiteMonitor;
use crate::planes::Lines;
use crate::readiness::Readiness;
use crate::reload::Attached;
use crate::selfcheck::SelfCheck;
use crate::upgrade::Upgrader;

/// What the control plane is made of.
#[derive(Debug)]
pub(crate) struct ControlParts {
    pub(crate) config: Config,
    pub(crate) addresses: Addresses,
    pub(crate) readiness: Readiness,
    pub(crate) stopping: Arc<AtomicBool>,
    pub(crate) authority: Option<live::Reader<Authority>>,
    pub(crate) routes: live::Reader<RouteTable>,
    pub(crate) board: HealthBoard,
    pub(crate) check: Arc<SelfCheck>,
    pub(crate) policy: live::Reader<Policy>,
    pub(crate) reloader: Option<Arc<Attached>>,
    pub(crate) monitor: Option<Arc<SiteMonitor>>,
    pub(crate) metrics: Metrics,
    pub(crate) lines: Lines,
    pub(crate) registry: Registry,
    pub(crate) upgrader: Arc<Upgrader>,
    pub(crate) tasks: Tasks,
}

/// The gateway as the admin API sees it.
#[derive(Debug)]
pub(crate) struct GatewayControl {
    parts: ControlParts,
    started: Instant,
    /// One backup at a time.
    backup: tokio::sync::Mutex<()>,
    doctor: Doctor,
    fixed_records: Arc<[Record]>,
}

impl GatewayControl {
    /// Starts counting the uptime.
    pub(crate) fn new(parts: ControlParts) -> Self {
        let doctor = Doctor::new(Given {
            config: parts.config.clone(),
            addresses: parts.addresses.clone(),
            authority: parts.authority.clone(),
            routes: parts.routes.clone(),
            board: parts.board.clone(),
            check: Arc::clone(&parts.check),
            reloader: parts.reloader.clone(),
            monitor: parts.monitor.clone(),
            mdns: parts.metrics.mdns_status().cloned(),
            policy: parts.policy.clone(),
            registry: parts.registry.clone(),
        });
        let started_at = Timestamp::now();
        let fixed = parts.config.dns.records.iter();
        let fixed = fixed.map(|record| Record { added_at: started_at, ..record.clone() });
        Self {
            fixed_records: fixed.collect(),
            parts,
            started: Instant::now(),
            backup: tokio::sync::Mutex::new(()),
            doctor,
        }
    }
}

impl Control for GatewayControl {
    fn is_ready(&self) -> bool {
        self.parts.readiness.is_ready() && !self.is_stopping()
    }

    fn is_stopping(&self) -> bool {
        self.parts.stopping.load(Ordering::Acquire)
    }

    fn gateway(&self) -> GatewayInfo {
        let parts = &self.parts;
        let waiting = parts.readiness.waiting_for().into_iter().map(str::to_owned);
        let stopping = self.is_stopping().then(|| "stopping".to_owned());
        GatewayInfo {
            version: env!("CARGO_PKG_VERSION").into(),
            uptime: self.started.elapsed(),
            not_ready: waiting.chain(stopping).collect(),
            domains: domain_texts(&parts.config.gateway.domains),
            addresses: parts.config.gateway.addresses.iter().map(ToString::to_string).collect(),
            dns: parts.addresses.dns.clone(),
            https: parts.addresses.https.clone(),
            http3: parts.addresses.http3.clone(),
            http: parts.addresses.http.clone(),
        }
    }

    fn fixed_records(&self) -> Arc<[Record]> {
        Arc::clone(&self.fixed_records)
    }

    fn last_checks(&self, name: &ServiceName) -> Checks {
        self.parts.check.last(name)
    }

    fn self_check<'a>(&'a self, name: &'a ServiceName) -> BoxFuture<'a, Checks> {
        Box::pin(self.parts.check.run(name))
    }

    fn fingerprints<'a>(&'a self, asked: &'a [Asked]) -> BoxFuture<'a, Vec<Fingerprint>> {
        Box::pin(async move {
            let policy = registry_settings(&self.parts.config).upstreams;
            let mut found = Vec::with_capacity(asked.len());
            let mut allowed = Vec::new();
            for (addr, protocol) in asked {
                // What is refused here is refused by the rules as well, in their own words.
                let refused = policy.check(addr, &self.parts.config.gateway.domains).err();
                if refused.is_none() {
                    allowed.push((addr.clone(), *protocol));
                }
                found.push(refused.map(|why| Fingerprint::silent(format!("not asked: {why}"))));
            }
            let resolver = Resolver::new(move |ip| policy.check_ip(ip).is_ok());
            let mut looked = fingerprints(&allowed, &resolver).await.into_iter();
            let silent = || Fingerprint::silent("not asked");
            let each = found.into_iter().map(|f| f.or_else(|| looked.next()));
            each.map(|found| found.unwrap_or_else(silent)).collect()
        })
    }

    fn recent(&self, name: &ServiceName) -> Option<Vec<AccessLine>> {
        self.parts.lines.recent.as_ref().map(|recent| recent.of(name))
    }

    fn authority(&self) -> Option<Arc<Authority>> {
        self.parts.authority.as_ref().map(live::Reader::load_full)
    }

    fn leaves(&self, name: &ServiceName) -> Option<LeafPair> {
        let routes = self.parts.routes.load();
        routes.route(name)?.leaves.as_ref().map(|leaves| leaves.pair())
    }

    fn resolve<'a>(
        &'a self,
        name: &'a str,
        record_type: &'a str,
    ) -> BoxFuture<'a, Result<Resolution, ControlError>> {
        Box::pin(async move {
            let server = self.parts.addresses.dns.first().copied().ok_or_else(|| {
                ControlError::Unavailable("DNS is off (dns.enabled = false)".into())
            })?;
            let resolved = resolve(crate::selfcheck::reachable(server), name, record_type).await?;
            let lists = self.parts.policy.load_full().lists.clone();
            let by_list = || (!resolved.authoritative).then(|| lists.explain(name)).flatten();
            Ok(Resolution { list: resolved.list.clone().or_else(by_list), ..resolved })
        })
    }

    fn flush_dns(&self, name: Option<&str>) -> Vec<String> {
        let policy = self.parts.policy.load_full();
        let Some(forwarder) = &policy.forwarder else {
            return Vec::new();
        };
        forwarder.flush(name);
        forwarder.addresses().iter().map(ToString::to_string).collect()
    }

    fn queries(&self, after: Option<u64>) -> Option<QueryLogView> {
        self.parts.lines.told.as_ref().map(|told| told.view(after))
    }

    fn dns_policy(&self) -> Option<Arc<Policy>> {
        self.parts.config.dns.enabled.then(|| self.parts.policy.load_full())
    }

    fn forwarding(&self) -> ForwardStatus {
        let policy = self.parts.policy.load_full();
        policy.forwarder.as_ref().map(Forwarder::status).unwrap_or_default()
    }

    fn mdns(&self) -> Arc<MdnsStatus> {
        self.parts.metrics.mdns_status().map(live::Reader::load_full).unwrap_or_default()
    }

    fn is_mdns_on(&self) -> bool {
        self.parts.metrics.mdns_status().is_some()
    }

    fn lists(&self) -> Vec<ListStatus> {
        self.parts.policy.load_full().lists.status()
    }

    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, ControlError>> {
        Box::pin(async {
            match &self.parts.reloader {
                Some(reloader) => {
                    let reloaded = reloader.reload()?;
                    reloader.refresh_lists().await;
                    Ok(reloaded)
                }
                None => Err(ControlError::Unavailable(
                    "this gateway was started without a configuration to read again".into(),
                )),
            }
        })
    }

    fn backup<'a>(&'a self, target: &'a Path) -> BoxFuture<'a, Result<(), ControlError>> {
        Box::pin(async move {
            let Ok(_alone) = self.backup.try_lock() else {
                return Err(ControlError::Unavailable(
                    "another backup is being written; ask again when it is done".into(),
                ));
            };
            let file = self.parts.reloader.as_ref().and_then(|reloader| reloader.path());
            let state_dir = &self.parts.config.gateway.state_dir;
            let written = crate::backup::write(&self.parts.registry, state_dir, file, target).await;
            written.map_err(|error| match error.is_the_callers() {
                true => ControlError::Invalid(Chain(&error).to_string()),
                false => {
                    tracing::error!(error = %Chain(&error), "a backup failed");
                    ControlError::Unavailable(Chain(&error).to_string())
                }
            })
        })
    }

    fn upgrade(
        &self,
        binary: Option<PathBuf>,
        limit: Duration,
    ) -> BoxFuture<'_, Result<Upgraded, ControlError>> {
        let upgrader = Arc::clone(&self.parts.upgrader);
        let (done, outcome) = tokio::sync::oneshot::channel();
        // A job of its own: it is not left half-way when whoever asked goes away.
        self.parts.tasks.job("upgrade", async move {
            let upgraded = upgrader.upgrade(binary, limit).await;
            if upgraded.is_ok() {
                upgrader.aside().await;
            }
            // Whoever asked may have gone away.
            done.send(upgraded).ok();
        });
        Box::pin(async {
            let gone = |_| Err(ControlError::Unavailable("the upgrade broke off".into()));
            outcome.await.unwrap_or_else(gone)
        })
    }

    fn doctor(&self) -> BoxFuture<'_, Arc<Diagnosis>> {
        Box::pin(self.doctor.look())
    }

    fn config(&self) -> EffectiveConfig {
        let reloader = self.parts.reloader.as_ref();
        let config = reloader.map_or_else(|| self.parts.config.clone(), |r| r.config());
        EffectiveConfig {
            file: reloader.and_then(|r| r.path()),
            json: config.to_json(),
            toml: config.show(),
        }
    }

    fn metrics(&self) -> String {
        // The catalog lacks what is built in, here as in the status.
        let catalog = self.parts.metrics.catalog();
        let names = catalog.iter().map(|service| &service.name);
        let (services, upstreams) = self.parts.board.count(names, Timestamp::now());
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.parts.metrics.text(&[
            ("services_healthy", "Services with every upstream admitted", count(services.healthy)),
            ("services_degraded", "Services with some upstream ejected", count(services.degraded)),
            ("services_down", "Services with no upstream admitted", count(services.down)),
            ("services_unknown", "Services not probed yet", count(services.unknown)),
            ("upstreams_admitted", "Upstreams that receive traffic", count(upstreams.admitted)),
            ("upstreams_draining", "Upstreams drained by hand", count(upstreams.draining)),
            ("upstreams_ejected", "Upstreams that receive none", count(upstreams.ejected)),
            ("upstreams_unproven", "Upstreams not probed yet", count(upstreams.unproven)),
        ])
    }
}

async fn resolve(
    server: SocketAddr,
    name: &str,
    record_type: &str,
) -> Result<Resolution, ControlError> {
    use conduit_dns::client::{AskError, ask};
    let asked = ask(server, name, record_type, PATIENCE).await;
    let reply = asked.map_err(|error| match error {
        AskError::Name(_) | AskError::RecordType(_) => ControlError::Invalid(error.to_string()),
        _ => ControlError::Unavailable(Chain(&error).to_string()),
    })?;
    let answers = reply.records.into_iter().map(|record| ResolvedRecord {
        name: record.name,
        record_type: record.record_type,
        ttl: record.ttl_s,
        value: record.value,
    });
    Ok(Resolution {
        status: reply.status,
        authoritative: reply.authoritative,
        answers: answers.collect(),
        list: reply.reason,
        server,
        elapsed: reply.elapsed,
    })
}

/// How long our own server may take, forwarding included.
const PATIENCE: Duration = Duration::from_secs(10);
