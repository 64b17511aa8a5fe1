//! What the control plane asks of the monitor.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conduit_admin::control::BoxFuture;
use conduit_admin::limits::HISTORY_SERIES_MAX;
use conduit_admin::monitor::{
    ChannelStatus, ChannelTested, Counts, HistoryAsked, LogAsked, LogStream, Monitor, MonitorError,
    Point, RuleInfo, Scanned, SeriesPoints, Silence, SilenceWish, Tested,
};
use conduit_core::clock::Timestamp;
use conduit_core::event::EventSink;
use conduit_core::live;
use conduit_core::node::{Node, NodeName};
use conduit_core::policy::UpstreamTls;
use conduit_core::tasks::Tasks;
use conduit_monitor::engines::TlsFor;
use conduit_monitor::history::{History, HistoryError};
use conduit_monitor::keeper::{Order, Reads};
use conduit_monitor::metric::Series;
use conduit_monitor::rule::defaults;
use conduit_monitor::silence::{self, Scope};
use conduit_monitor::source::{Source as _, SourceError, SourceKind};
use conduit_monitor::ssh::{self, SshSource};
use conduit_monitor::stamp::stamped;
use conduit_monitor::view::NodesView;
use conduit_monitor::watch::Watch;
use conduit_monitor::{containers, dcgm, node_exporter};
use futures_util::StreamExt;
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Given;
use super::nodes::{Nodes, server_of};
use crate::config::Config;
use crate::roots;

/// The monitor of this gateway.
pub(crate) struct SiteMonitor {
    parts: Parts,
    interval: Duration,
    docker_socket: PathBuf,
    rules: Mutex<Vec<RuleInfo>>,
    tasks: Tasks,
}

/// What the composition puts together.
pub(super) struct Parts {
    pub(super) here: NodeName,
    pub(super) view: live::Reader<NodesView>,
    pub(super) reads: Reads,
    pub(super) watch: Arc<Mutex<Watch>>,
    pub(super) history: History,
    pub(super) nodes: Nodes,
    pub(super) orders: mpsc::Sender<Order>,
    /// How the channels judge certificates.
    pub(super) tls: Arc<ClientConfig>,
    pub(super) events: EventSink,
}

/// Engines behind TLS are judged as the proxy's upstreams are, where that needs no pin.
pub(super) fn tls_for(given: &Given<'_>) -> TlsFor {
    let verifying = roots::client(given.bundle_pem()).ok().map(Arc::new);
    Arc::new(move |judged| match judged {
        UpstreamTls::Verify => verifying.clone(),
        UpstreamTls::Insecure | UpstreamTls::Pinned(_) => None,
    })
}

impl SiteMonitor {
    pub(super) fn new(parts: Parts, config: &Config, tasks: Tasks) -> Self {
        Self {
            parts,
            interval: config.monitor.interval,
            docker_socket: config.monitor.docker_socket.clone(),
            rules: Mutex::new(rule_infos(config)),
            tasks,
        }
    }

    /// Takes over the rules, channels and quiet hours of another configuration.
    pub(crate) fn reload(&self, config: &Config) {
        let (parts, now) = (&self.parts, Timestamp::now());
        let mut watch = self.watch();
        let channels = watch.channels().replaced(super::channels(config), &parts.tls, &self.tasks);
        let quiet_hours = super::quiet_hours(config);
        let changes = watch.reload(super::rules(config), quiet_hours, channels, now);
        drop(watch);
        for change in &changes {
            super::tell(&parts.events, change);
        }
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rule_infos(config);
        self.refresh();
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.parts.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the view show what changed; a full queue is about to publish anyway.
    fn refresh(&self) {
        let _queued = self.parts.orders.try_send(Order::Refresh);
    }

    async fn scan_key(&self, node: &Node) -> Result<(ssh::HostKey, Scanned), MonitorError> {
        let server = server_of(node);
        let access = self.parts.nodes.access();
        let key = ssh::scan(&server, access).await.map_err(|error| failed(&error))?;
        let public = key.key.to_openssh().map_err(|e| MonitorError::Failed(e.to_string()))?;
        let scanned = Scanned {
            fingerprint: key.fingerprint.clone(),
            key_type: key.kind.clone(),
            key: public,
            is_pinned: self.is_pinned(&server, &key),
        };
        Ok((key, scanned))
    }

    fn is_pinned(&self, server: &ssh::Server, key: &ssh::HostKey) -> bool {
        let files = [Some(&self.parts.nodes.access().pins), server.known_hosts.as_ref()];
        let texts =
            files.into_iter().flatten().filter_map(|path| std::fs::read_to_string(path).ok());
        let text: String = texts.collect::<Vec<_>>().join("\n");
        let place = &server.destination;
        ssh::Pins::parse(&text).judge(place.host(), place.port(), &key.key) == ssh::Verdict::Pinned
    }

    async fn read_once(&self, node: &Node) -> Result<Tested, MonitorError> {
        let began = Instant::now();
        let (_, scanned) = self.scan_key(node).await?;
        let server = server_of(node);
        let mut tested = Tested {
            error: None,
            problems: Vec::new(),
            hostname: None,
            gpus: None,
            containers: None,
            took: Duration::ZERO,
            scanned,
        };
        let mut source = SshSource::new(server, Arc::clone(self.parts.nodes.access()));
        match source.read().await {
            Ok(reading) => {
                tested.problems = reading.problems;
                tested.hostname = reading.host.map(|host| host.hostname);
                tested.gpus = reading.gpus.map(|gpus| gpus.gpus.len());
                tested.containers = reading.containers.map(|found| found.containers.len());
            }
            Err(error) => tested.error = Some(error.to_string()),
        }
        tested.took = began.elapsed();
        Ok(tested)
    }

    async fn points(&self, asked: &HistoryAsked) -> Result<Vec<SeriesPoints>, MonitorError> {
        let history = &self.parts.history;
        let all = history.series(Some(asked.node.clone())).await.map_err(|e| unavailable(&e))?;
        let wanted = |series: &Series| {
            series.metric == asked.metric
                && asked.subject.as_deref().is_none_or(|s| series.subject.as_deref() == Some(s))
        };
        let mut found = Vec::new();
        for series in all.into_iter().filter(wanted).take(HISTORY_SERIES_MAX) {
            let subject = series.subject.as_deref().map(str::to_owned);
            let range = (asked.from, asked.to);
            let points =
                history.query(series, range, asked.step).await.map_err(|e| unavailable(&e))?;
            let points = points.points.iter().map(|point| Point {
                at: point.at,
                mean: point.mean,
                min: point.min,
                max: point.max,
            });
            found.push(SeriesPoints { subject, points: points.collect() });
        }
        Ok(found)
    }
}

impl Monitor for SiteMonitor {
    fn view(&self) -> live::Reader<NodesView> {
        self.parts.view.clone()
    }

    fn here(&self) -> NodeName {
        self.parts.here.clone()
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn configured(&self) -> Vec<Node> {
        self.parts.nodes.configured().to_vec()
    }

    fn counts(&self) -> Counts {
        let kept = self.parts.history.counts();
        let reads = self.parts.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let reads = reads.iter().map(|((node, kind), took)| (node.clone(), *kind, *took));
        Counts {
            series: kept.series,
            samples_lost: kept.lost,
            history_bytes: kept.bytes,
            reads: reads.collect(),
            channels: self.channels(),
        }
    }

    fn history<'a>(
        &'a self,
        asked: &'a HistoryAsked,
    ) -> BoxFuture<'a, Result<Vec<SeriesPoints>, MonitorError>> {
        Box::pin(self.points(asked))
    }

    fn rules(&self) -> Vec<RuleInfo> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn silences(&self) -> Vec<Silence> {
        let mut silences: Vec<_> = self.watch().silences().iter().map(silence_of).collect();
        silences.sort_by_key(|silence| silence.wish.until);
        silences
    }

    fn silence(&self, wish: SilenceWish) -> Result<Silence, MonitorError> {
        let invalid = |error: silence::SilenceError| MonitorError::Invalid(error.to_string());
        let node = wish.node.as_deref();
        let scope =
            Scope::parse(Some(&wish.rule), node, wish.subject.as_deref()).map_err(invalid)?;
        let comment = wish.comment.clone().unwrap_or_default();
        let words = (comment.as_str(), wish.by.as_str());
        let silence = self.watch().silence(scope, wish.until, words, wish.from).map_err(invalid)?;
        self.refresh();
        Ok(Silence { id: silence.id.to_string(), wish })
    }

    fn lift(&self, id: &str) -> Result<Silence, MonitorError> {
        let none = || MonitorError::NotFound(format!("there is no silence {id}"));
        let number = id.parse().map_err(|_| none())?;
        let silence = self.watch().end_silence(number, Timestamp::now()).ok_or_else(none)?;
        self.refresh();
        Ok(silence_of(&silence))
    }

    fn channels(&self) -> Vec<ChannelStatus> {
        self.watch().channels().status()
    }

    fn test_channel<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<ChannelTested, MonitorError>> {
        Box::pin(async move {
            let (channels, began) = (self.watch().channels().clone(), Instant::now());
            let none = || MonitorError::NotFound(format!("there is no channel {name}"));
            let (place, result) = channels.test(name).await.ok_or_else(none)?;
            let error = result.err().map(|error| error.to_string());
            Ok(ChannelTested { place, error, took: began.elapsed() })
        })
    }

    fn scan<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<Scanned, MonitorError>> {
        Box::pin(async { Ok(self.scan_key(node).await?.1) })
    }

    fn pin<'a>(
        &'a self,
        node: &'a Node,
        scanned: &'a Scanned,
    ) -> BoxFuture<'a, Result<(), MonitorError>> {
        Box::pin(async {
            let server = server_of(node);
            let accepted = [scanned.fingerprint.clone()];
            let pinned = ssh::accept(&server, self.parts.nodes.access(), &accepted).await;
            pinned.map(drop).map_err(|error| MonitorError::Failed(error.to_string()))
        })
    }

    fn unpin<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<(), MonitorError>> {
        Box::pin(async {
            let server = server_of(node);
            let (pins, place) = (self.parts.nodes.access().pins.clone(), server.destination);
            let unpinning = move || ssh::unpin(&pins, place.host(), place.port());
            match tokio::task::spawn_blocking(unpinning).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(MonitorError::Failed(error.to_string())),
                Err(error) => Err(MonitorError::Failed(error.to_string())),
            }
        })
    }

    fn test<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<Tested, MonitorError>> {
        Box::pin(self.read_once(node))
    }

    fn node_page(&self, node: &NodeName) -> Option<String> {
        let view = self.parts.view.load_full();
        let found = view.nodes.get(node)?;
        let page = node_exporter::page(found.counters.as_deref()?);
        Some(stamped(&page, found.read_at(SourceKind::Host)?))
    }

    fn dcgm_page(&self, node: &NodeName) -> Option<String> {
        let view = self.parts.view.load_full();
        let found = view.nodes.get(node)?;
        let gpus = found.gpus.as_ref().filter(|gpus| !gpus.gpus.is_empty())?;
        let hostname = found.host.as_ref().map(|host| host.hostname.as_str());
        let hostname = hostname.filter(|name| !name.is_empty()).unwrap_or(node.as_str());
        Some(stamped(&dcgm::page(hostname, gpus), found.read_at(SourceKind::Gpu)?))
    }

    fn container_log<'a>(
        &'a self,
        container: &'a str,
        asked: LogAsked,
    ) -> BoxFuture<'a, Result<LogStream, MonitorError>> {
        Box::pin(async move {
            let (socket, tasks) = (self.docker_socket.clone(), self.tasks.clone());
            let lines = containers::log(socket, container, asked, tasks).await;
            let lines = lines.map_err(|error| failed(&error))?;
            Ok(lines.map(|line| line.map_err(|error| failed(&error))).boxed())
        })
    }
}

impl fmt::Debug for SiteMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiteMonitor").field("here", &self.parts.here).finish_non_exhaustive()
    }
}

fn silence_of(silence: &silence::Silence) -> Silence {
    let text = |glob: &Option<conduit_monitor::glob::Glob>| glob.as_ref().map(ToString::to_string);
    Silence {
        id: silence.id.to_string(),
        wish: SilenceWish {
            rule: text(&silence.scope.rule).unwrap_or_else(|| "*".to_owned()),
            node: text(&silence.scope.node),
            subject: text(&silence.scope.subject),
            from: silence.created_at,
            until: silence.until,
            by: silence.by.clone(),
            comment: Some(silence.comment.clone()).filter(|comment| !comment.is_empty()),
        },
    }
}

/// The rules that hold, and those of ours that the operator turned off.
fn rule_infos(config: &Config) -> Vec<RuleInfo> {
    let shipped = defaults::rules();
    let holding = super::rules(config);
    let written = |name: &str| config.monitor.rules.iter().any(|rule| rule.name == name);
    let holds = |name: &str| holding.iter().any(|rule| &*rule.name == name);
    let info = |rule: &conduit_monitor::rule::Rule, is_enabled| RuleInfo {
        name: rule.name.to_string(),
        metric: rule.metric,
        condition: conduit_monitor::wording::condition(rule),
        severity: rule.severity.as_str(),
        is_default: !written(&rule.name),
        is_enabled,
    };
    let off = shipped.iter().filter(|rule| !holds(&rule.name)).map(|rule| info(rule, false));
    let mut all: Vec<_> = holding.iter().map(|rule| info(rule, true)).chain(off).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn failed(error: &SourceError) -> MonitorError {
    match error {
        SourceError::Absent(_) => MonitorError::Unavailable(error.to_string()),
        _ => MonitorError::Failed(error.to_string()),
    }
}

fn unavailable(error: &HistoryError) -> MonitorError {
    MonitorError::Unavailable(error.to_string())
}
