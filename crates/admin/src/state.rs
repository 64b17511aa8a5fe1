//! What every handler has at hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::buckets::{Buckets, Rate};
use conduit_core::event::EventSink;
use conduit_core::live;
use conduit_core::tasks::Tasks;
use conduit_dns::zone::Zone;
use conduit_proxy::health::board::HealthBoard;
use conduit_proxy::metrics::ProxyMetrics;
use conduit_proxy::table::RouteTable;
use conduit_registry::Registry;
use http::StatusCode;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::auth::Proof;
use crate::control::Control;
use crate::error::ApiError;
use crate::feed::{Feed, Sources};
use crate::idempotency::Answers;
use crate::limits::{
    AUTH_FAILURES_PER_MINUTE_MAX, BULKS_MAX, REQUESTS_EACH, REQUESTS_EACH_BURST, REQUESTS_MAX,
    STREAMS_MAX,
};
use crate::monitor::Monitor;
use crate::oidc::Oidc;
use crate::server::Addresses;
use crate::session::Access;
use crate::throttle::Throttle;

/// The parts of the gateway that the control plane reads, and the one door through which it
/// changes anything: the registry.
pub struct AdminState {
    pub(crate) registry: Registry,
    pub(crate) table: live::Reader<RouteTable>,
    pub(crate) zone: live::Reader<Zone>,
    pub(crate) health: HealthBoard,
    pub(crate) traffic: ProxyMetrics,
    pub(crate) state_dir: PathBuf,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) monitor: Option<Arc<dyn Monitor>>,
    pub(crate) events: EventSink,
    pub(crate) throttle: Throttle,
    pub(crate) access: Access,
    pub(crate) oidc: Option<Oidc>,
    /// What each token and session may still ask.
    pub(crate) rates: Buckets<Proof>,
    pub(crate) answers: Answers,
    /// For what goes on when its client has gone.
    pub(crate) tasks: Tasks,
    pub(crate) requests: Semaphore,
    pub(crate) bulks: Semaphore,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) feed: Feed,
    pub(crate) listening: Addresses,
}

/// What the composition hands to [`AdminState::new`].
pub struct Parts {
    /// The truth.
    pub registry: Registry,
    /// What the proxy serves.
    pub table: live::Reader<RouteTable>,
    /// What DNS answers.
    pub zone: live::Reader<Zone>,
    /// What the prober found.
    pub health: HealthBoard,
    /// What the proxy counts.
    pub traffic: ProxyMetrics,
    /// Where the database and the seal are, for verification.
    pub state_dir: PathBuf,
    /// The gateway as a whole.
    pub control: Arc<dyn Control>,
    /// The monitor; `None` when it is off.
    pub monitor: Option<Arc<dyn Monitor>>,
    /// Where failed authentications are reported.
    pub events: EventSink,
    /// Logins through a provider of identities; `None` when there is none.
    pub oidc: Option<Oidc>,
}

impl AdminState {
    /// Takes the parts.
    pub fn new(parts: Parts) -> Self {
        let (monitor, now) = (parts.monitor.as_ref(), Instant::now());
        let feed = Feed::new(Sources {
            catalog: parts.registry.catalog(),
            table: parts.table.clone(),
            health: parts.health.clone(),
            head: parts.registry.head(),
            nodes: monitor.map(|monitor| monitor.view()),
            interval: monitor.map(|monitor| monitor.interval()).unwrap_or_default(),
            traffic: parts.traffic.clone(),
            started: now.checked_sub(parts.control.gateway().uptime).unwrap_or(now),
        });
        Self {
            registry: parts.registry,
            table: parts.table,
            zone: parts.zone,
            health: parts.health,
            traffic: parts.traffic,
            state_dir: parts.state_dir,
            control: parts.control,
            monitor: parts.monitor,
            events: parts.events,
            throttle: Throttle::per_minute(AUTH_FAILURES_PER_MINUTE_MAX),
            access: Access::default(),
            oidc: parts.oidc,
            rates: Buckets::new(Rate::new(REQUESTS_EACH, SECOND, REQUESTS_EACH_BURST)),
            answers: Answers::default(),
            tasks: Tasks::new(CancellationToken::new()),
            requests: Semaphore::new(REQUESTS_MAX),
            bulks: Semaphore::new(BULKS_MAX),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            feed,
            listening: Addresses::default(),
        }
    }

    /// The monitor, for whoever reads; 404 when it is off.
    pub(crate) fn monitor(&self) -> Result<&Arc<dyn Monitor>, ApiError> {
        self.monitor.as_ref().ok_or_else(|| ApiError::monitor_off(StatusCode::NOT_FOUND))
    }

    /// The monitor, for whoever changes something; 409 when it is off.
    pub(crate) fn monitor_for_change(&self) -> Result<&Arc<dyn Monitor>, ApiError> {
        self.monitor.as_ref().ok_or_else(|| ApiError::monitor_off(StatusCode::CONFLICT))
    }
}

const SECOND: Duration = Duration::from_secs(1);
