//! The threads that serve: one per worker, sharing nothing but the published table.
//!
//! **Invariant:** a worker has its own runtime, listeners and pool; it never blocks, and its early
//! death is the process's. Stopping loses nothing: whoever the kernel has accepted is served, what is
//! in flight ends, and what the deadline cuts is counted.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use conduit_core::live;
use conduit_core::tasks::Tasks;
use http::HeaderValue;
use ipnet::IpNet;
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_rustls::TlsAcceptor;

mod accept;
mod leaving;
mod request_id;

pub(crate) use accept::Open;
pub use leaving::Leaving;
use request_id::RequestIds;

use crate::access_log::AccessLog;
use crate::client::Client;
use crate::clocks::Clocks;
use crate::connect::Connector;
use crate::connections::{Connections, Deadlines};
use crate::error::ProxyError;
use crate::gate::access::ask::Kept;
use crate::gate::compress::Compression;
use crate::http3;
use crate::limits::admission::Admission;
use crate::limits::{
    CLOCK_TICK, DRAIN_SWEEP_INTERVAL, Limits, RELEASED_MANY, SCARCE_IDLE_TIMEOUT, SWEEP_INTERVAL,
};
use crate::listener::{Listeners, Listening};
use crate::metrics::{ProxyMetrics, WorkerMetrics};
use crate::own::OwnHost;
use crate::table::RouteTable;
use crate::tcp::TcpPorts;
use crate::tcp::doors::Doors;
use crate::trace::Tracer;

/// How the proxy serves.
#[derive(Debug, Clone)]
pub struct ProxySettings {
    /// What handshakes are done with; needed as soon as there is an HTTPS listener.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The port that redirects name.
    pub https_port: u16,
    /// The public trust bundle in PEM, offered over plain HTTP under `/ca.crt` on hosts that are no
    /// service's.
    pub trust_bundle: Option<Bytes>,
    /// What answers the requests for a host of ours in this process.
    pub own: Option<Arc<dyn OwnHost>>,
    /// Proxies in front of us whose claims about clients are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Opens connections to upstreams.
    pub connector: Connector,
    /// What an operator can bound.
    pub limits: Limits,
    /// Where a line goes for each request.
    pub access_log: AccessLog,
    /// Which requests are recorded as traces, and where they go; `None` leaves traces alone.
    pub tracer: Option<Tracer>,
    /// The ports of services of byte streams.
    pub tcp: Option<TcpPorts>,
    /// Called by a worker a second or two after many of its connections let go of memory: the
    /// allocator gives back what a thread has freed only while that thread goes on allocating.
    pub settle: fn(),
}

/// The running workers.
#[derive(Debug)]
pub struct Proxy {
    ends: Vec<oneshot::Receiver<u64>>,
    leaving: Leaving,
}

/// What a stop has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Requests and tunnels that the deadline cut.
    pub cut: u64,
}

impl Proxy {
    /// Starts to listen and to serve, until `tasks` is stopped.
    ///
    /// # Errors
    /// When a socket cannot listen, a thread or its runtime cannot be made, or TLS is missing.
    pub fn start(
        mut listeners: Listeners,
        settings: ProxySettings,
        table: &live::Reader<RouteTable>,
        metrics: &ProxyMetrics,
        tasks: &Tasks,
    ) -> Result<Self, ProxyError> {
        if settings.tls.is_none() && !listeners.https_addresses().is_empty() {
            return Err(ProxyError::TlsMissing);
        }
        let alt_svc = http3::alt_svc(&listeners.http3_addresses());
        let quic = quic(&mut listeners, &settings)?;
        let admission =
            Admission::new(&settings.limits, &settings.trusted_proxies, metrics.hits().clone());
        let settings = Arc::new(settings);
        let leaving = Leaving::default();
        let mut ends = Vec::new();
        for (index, sockets) in listeners.into_workers().into_iter().enumerate() {
            let plan = Plan {
                listening: sockets.listen()?,
                settings: Arc::clone(&settings),
                table: table.clone(),
                metrics: metrics.worker(),
                admission: admission.clone(),
                tasks: tasks.child(),
                doors: Doors::of(&settings, index, table),
                quic: quic.as_ref().map(|quic| quic.of_worker(index)).transpose()?,
                alt_svc: alt_svc.clone(),
                leaving: leaving.clone(),
            };
            let (begun, beginning) = sync_channel(1);
            let (ended, end) = oneshot::channel();
            std::thread::Builder::new()
                .name(format!("proxy-{index}"))
                .spawn(move || run(plan, &begun, ended))
                .map_err(|source| ProxyError::StartWorker { source })?;
            // A thread that ends without a word has panicked, and said why.
            let begun = beginning.recv().unwrap_or_else(|ended| Err(io::Error::other(ended)));
            begun.map_err(|source| ProxyError::StartWorker { source })?;
            ends.push(end);
        }
        Ok(Self { ends, leaving })
    }

    /// What tells the workers that another process has taken over.
    pub fn leaving(&self) -> Leaving {
        self.leaving.clone()
    }

    /// Waits until every worker has ended, after `tasks` was stopped.
    pub async fn finished(self) -> Drained {
        let mut drained = Drained::default();
        for end in self.ends {
            // A worker that panicked has reported its death and cut nothing that we know of.
            drained.cut += end.await.unwrap_or(0);
        }
        drained
    }
}

/// What a worker's thread is made from.
struct Plan {
    listening: Listening,
    settings: Arc<ProxySettings>,
    table: live::Reader<RouteTable>,
    metrics: WorkerMetrics,
    admission: Admission,
    tasks: Tasks,
    doors: Option<Doors>,
    quic: Option<http3::Share>,
    alt_svc: Option<HeaderValue>,
    leaving: Leaving,
}

/// What HTTP/3 is served with, when there are sockets for it.
fn quic(
    listeners: &mut Listeners,
    settings: &ProxySettings,
) -> Result<Option<http3::Setup>, ProxyError> {
    let ports = listeners.take_http3();
    match &settings.tls {
        Some(tls) if !ports.is_empty() => {
            http3::Setup::new(tls, listeners.workers(), ports).map(Some)
        }
        _ => Ok(None),
    }
}

fn run(plan: Plan, begun: &SyncSender<io::Result<()>>, ended: oneshot::Sender<u64>) {
    let _guard = DeathGuard(plan.tasks.clone());
    let Some(runtime) = runtime(begun) else { return };
    let cut = runtime.block_on(async move {
        let listening = plan.listening;
        let worker = Rc::new(Worker {
            kept: Kept::default(),
            clocks: Clocks::new(plan.settings.limits.body_rate_min, plan.metrics.hits().clone()),
            client: Rc::new(Client::new(
                plan.settings.connector.clone(),
                plan.metrics.hits().clone(),
                plan.tasks.clone(),
            )),
            connections: Rc::default(),
            settings: plan.settings,
            table: plan.table,
            metrics: plan.metrics,
            admission: plan.admission,
            tasks: plan.tasks,
            ids: RequestIds::new(),
            compression: Rc::default(),
            alt_svc: plan.alt_svc,
        });
        worker.run(listening, plan.doors, plan.quic, &plan.leaving).await
    });
    // Nobody may be waiting.
    ended.send(cut).ok();
}

/// The runtime of this thread, which it never leaves; tells whoever waits whether there is one.
fn runtime(begun: &SyncSender<io::Result<()>>) -> Option<LocalRuntime> {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    let (runtime, outcome) = match built {
        Ok(runtime) => (Some(runtime), Ok(())),
        Err(error) => (None, Err(error)),
    };
    // Who does not wait any more has given up starting.
    begun.send(outcome).ok();
    runtime
}

/// Reports a worker's thread that ends before it was stopped, panics included.
struct DeathGuard(Tasks);

impl Drop for DeathGuard {
    fn drop(&mut self) {
        self.0.report_death("proxy worker");
    }
}

/// Everything the connections of one worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    client: Rc<Client>,
    kept: Kept,
    clocks: Rc<Clocks>,
    connections: Rc<Connections>,
    settings: Arc<ProxySettings>,
    table: live::Reader<RouteTable>,
    metrics: WorkerMetrics,
    admission: Admission,
    tasks: Tasks,
    ids: RequestIds,
    compression: Rc<Compression>,
    alt_svc: Option<HeaderValue>,
}

impl Worker {
    pub(crate) fn client(&self) -> &Rc<Client> {
        &self.client
    }

    /// Connections to services that are asked who may come in.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The clocks of this worker's requests.
    pub(crate) fn clocks(&self) -> &Rc<Clocks> {
        &self.clocks
    }

    pub(crate) fn settings(&self) -> &ProxySettings {
        &self.settings
    }

    pub(crate) fn table(&self) -> &live::Reader<RouteTable> {
        &self.table
    }

    pub(crate) fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(crate) fn compression(&self) -> &Rc<Compression> {
        &self.compression
    }

    /// How responses with TLS say that there is HTTP/3, when there is.
    pub(crate) fn alt_svc(&self) -> Option<&HeaderValue> {
        self.alt_svc.as_ref()
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    pub(crate) fn connections(&self) -> &Rc<Connections> {
        &self.connections
    }

    /// The number of a request that came without an id.
    pub(crate) fn request_number(&self) -> u32 {
        self.ids.next()
    }

    /// The id of the request with this number.
    pub(crate) fn request_id(&self, number: u32) -> HeaderValue {
        self.ids.text(number)
    }

    /// Serves until stopped; returns how much the deadline cut.
    async fn run(
        self: Rc<Self>,
        listening: Listening,
        doors: Option<Doors>,
        quic: Option<http3::Share>,
        leaving: &Leaving,
    ) -> u64 {
        // Of their own, so that their end can be waited for before anything else ends.
        let accepting = self.tasks.child();
        let acceptor = self.settings.tls.clone().map(TlsAcceptor::from);
        for listener in listening.https {
            let accept = Rc::clone(&self).accept(listener, acceptor.clone());
            self.keep_accepting(&accepting, accept);
        }
        for listener in listening.http {
            let accept = Rc::clone(&self).accept(listener, None);
            self.keep_accepting(&accepting, accept);
        }
        // Kept for as long as this worker lives.
        let _ports = quic.map(|http3::Share { server, slots, ports }| {
            for slot in slots {
                let accept = http3::accept(Rc::clone(&self), slot, server.clone());
                self.keep_accepting(&accepting, accept);
            }
            ports
        });
        if let Some(doors) = doors {
            self.keep_accepting(&accepting, doors.keep(Rc::clone(&self), accepting.clone()));
        }
        self.sweep_until(SWEEP_INTERVAL, self.tasks.stop().cancelled()).await;
        accepting.finish().await;
        if self.leave(leaving).await {
            return 0;
        }
        self.connections.drain();
        self.client.close();
        self.kept.close();
        let finished = self.sweep_until(DRAIN_SWEEP_INTERVAL, self.tasks.finish());
        if tokio::time::timeout(self.settings.limits.drain, finished).await.is_ok() {
            return 0;
        }
        let cut = self.connections.cut();
        self.metrics.cut(cut);
        self.tasks.finish().await;
        cut
    }

    fn keep_accepting(&self, accepting: &Tasks, accept: impl Future<Output = ()> + 'static) {
        let tasks = self.tasks.clone();
        accepting.local_job("proxy accept", async move {
            tasks.guarded_inline("proxy accept", accept).await;
        });
    }

    /// Idle connections go early when there is no room for others.
    fn deadlines(&self) -> Deadlines {
        let Limits { idle, head, .. } = self.settings.limits;
        let scarce = self.admission.is_scarce();
        Deadlines { idle: if scarce { idle.min(SCARCE_IDLE_TIMEOUT) } else { idle }, head }
    }

    async fn sweep_until(&self, every: Duration, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        let mut ticks = tokio::time::interval(every.min(CLOCK_TICK));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut swept: Option<Instant> = None;
        let mut unsettled = false;
        loop {
            tokio::select! {
                () = &mut end => return,
                tick = ticks.tick() => {
                    let now = Instant::now();
                    self.clocks.sweep(now);
                    let many = self.connections.take_released() >= RELEASED_MANY;
                    if std::mem::replace(&mut unsettled, many) {
                        (self.settings.settle)();
                    }
                    if swept.is_some_and(|at| tick.saturating_duration_since(at) < every) {
                        continue;
                    }
                    swept = Some(tick);
                    self.connections.sweep(now, self.deadlines(), self.metrics.hits());
                    self.client.sweep(now);
                    self.kept.sweep(now);
                    self.metrics.sweep(&self.table.load());
                }
            }
        }
    }
}
