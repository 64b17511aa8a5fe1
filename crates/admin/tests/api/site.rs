//! A monitor whose view is made by hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use conduit_admin::control::BoxFuture;
use conduit_admin::monitor::{
    ChannelStatus, ChannelTested, Counts, HistoryAsked, LogAsked, LogLine, LogStream, Monitor,
    MonitorError, Point, RuleInfo, Scanned, SeriesPoints, Silence, SilenceWish, Tested,
};
use conduit_core::clock::Timestamp;
use conduit_core::destination::Destination;
use conduit_core::live;
use conduit_core::node::{Node, NodeName};
use conduit_monitor::alert::{Alert, Severity};
use conduit_monitor::figures::{HostFigures, Usage};
use conduit_monitor::metric::{Metric, Series};
use conduit_monitor::reading::gpu::{Gpu, GpuMemory, GpuProcess, GpusReading};
use conduit_monitor::reading::host::HostReading;
use conduit_monitor::source::SourceKind;
use conduit_monitor::view::{NodeView, NodesView, SourceState};
use futures_util::{StreamExt, stream};

pub(crate) const FINGERPRINT: &str = "SHA256:2RsdKgyaHmIfS7p5FhVgZzI7zvXv2y3O4a5b6c7d8e9";

/// Stands in for the composition's monitor.
pub(crate) struct Site {
    view: live::Reader<NodesView>,
    pub(crate) writer: Mutex<live::Writer<NodesView>>,
    pub(crate) silences: Mutex<Vec<Silence>>,
    pub(crate) pinned: Mutex<Vec<String>>,
}

impl Site {
    pub(crate) fn new() -> Arc<Self> {
        let (writer, view) = live::channel(Arc::new(view()));
        Arc::new(Self {
            view,
            writer: Mutex::new(writer),
            silences: Mutex::default(),
            pinned: Mutex::default(),
        })
    }

    pub(crate) fn publish(&self, change: impl FnOnce(&mut NodesView)) {
        let mut writer = self.writer.lock().expect("sound");
        let mut next = NodesView::clone(&writer.current());
        change(&mut next);
        writer.publish(Arc::new(next));
    }
}

pub(crate) fn name(text: &str) -> NodeName {
    NodeName::parse(text).expect("valid")
}

pub(crate) fn alert(rule: &str) -> Alert {
    let series = Series {
        node: name("gpu-server"),
        metric: Metric::GpuTemperature,
        subject: Some("0".into()),
    };
    Alert {
        rule: rule.into(),
        series,
        severity: Severity::Critical,
        value: 92.0,
        threshold: 85.0,
        message: "GPU 0 of gpu-server is at 92 °C (limit 85 °C) for 1 min".into(),
        raised_at: Timestamp::from_seconds(1_775_304_000),
        is_silenced: false,
    }
}

fn view() -> NodesView {
    let nodes = [node("here", None), node("gpu-server", Some("10.0.1.20"))];
    NodesView {
        nodes: nodes.into_iter().map(|node| (node.name.clone(), Arc::new(node))).collect(),
        alerts: Arc::from([alert("gpu-hot")]),
        ..NodesView::default()
    }
}

pub(crate) fn node(called: &str, address: Option<&str>) -> NodeView {
    let process = GpuProcess {
        pid: 12_345,
        name: "vllm".into(),
        memory: Some(36_000 << 20),
        container: None,
    };
    let gpu = Gpu {
        name: "NVIDIA H200".into(),
        temperature: Some(62.0),
        memory: Some(GpuMemory { total: 81_920 << 20, used: 38_400 << 20, reserved: None }),
        utilization: Some(0.94),
        processes: vec![process],
        ..Gpu::default()
    };
    let host = HostFigures {
        hostname: called.into(),
        cores: 48,
        cpu: Some(0.5),
        memory: Usage { total: 256 << 30, used: 128 << 30 },
        ..HostFigures::default()
    };
    NodeView {
        name: name(called),
        address: address.map(str::to_owned),
        tags: vec!["lab".into()],
        sources: vec![SourceState {
            kind: if address.is_some() { SourceKind::Ssh } else { SourceKind::Host },
            read_at: Some(Timestamp::now()),
            error: None,
            is_absent: false,
            problems: vec!["nvidia-smi did not answer within 8 s".into()],
        }],
        host: Some(host),
        counters: Some(Arc::new(HostReading::default())),
        gpus: address.map(|_| GpusReading {
            gpus: vec![gpu],
            driver: Some("550.54".into()),
            ..GpusReading::default()
        }),
        containers: None,
    }
}

impl Monitor for Site {
    fn view(&self) -> live::Reader<NodesView> {
        self.view.clone()
    }

    fn here(&self) -> NodeName {
        name("here")
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn configured(&self) -> Vec<Node> {
        vec![Node {
            name: name("gpu-server"),
            destination: Destination::parse("10.0.1.20").expect("valid"),
            key: None,
            jump: None,
            known_hosts: None,
            fingerprint: None,
            tags: Vec::new(),
            added_at: Timestamp::from_seconds(0),
            removed_at: None,
        }]
    }

    fn counts(&self) -> Counts {
        Counts { series: 7, samples_lost: 0, history_bytes: 4_096, ..Counts::default() }
    }

    fn history<'a>(
        &'a self,
        asked: &'a HistoryAsked,
    ) -> BoxFuture<'a, Result<Vec<SeriesPoints>, MonitorError>> {
        let point = Point { at: asked.from, mean: 61.5, min: 60.0, max: 63.0 };
        let subject = asked.subject.clone().or_else(|| Some("0".into()));
        Box::pin(async move { Ok(vec![SeriesPoints { subject, points: vec![point] }]) })
    }

    fn rules(&self) -> Vec<RuleInfo> {
        vec![RuleInfo {
            name: "gpu-hot".into(),
            metric: Metric::GpuTemperature,
            condition: "gpu_temperature > 85 for 1m".into(),
            severity: "critical",
            is_default: true,
            is_enabled: true,
        }]
    }

    fn silences(&self) -> Vec<Silence> {
        self.silences.lock().expect("sound").clone()
    }

    fn silence(&self, wish: SilenceWish) -> Result<Silence, MonitorError> {
        let mut all = self.silences.lock().expect("sound");
        let silence = Silence { id: format!("s{}", all.len() + 1), wish };
        all.push(silence.clone());
        Ok(silence)
    }

    fn lift(&self, id: &str) -> Result<Silence, MonitorError> {
        let mut all = self.silences.lock().expect("sound");
        let found = all.iter().position(|silence| silence.id == id);
        found.map(|at| all.remove(at)).ok_or_else(|| MonitorError::NotFound("gone".into()))
    }

    fn channels(&self) -> Vec<ChannelStatus> {
        vec![ChannelStatus {
            name: "mail".into(),
            kind: "smtp",
            place: "smtp://mail.example:587".into(),
            sent: 4,
            failures: 2,
            waiting: 1,
            lost: 0,
            last_error: Some("mail.example port 587 cannot be reached".into()),
        }]
    }

    fn test_channel<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<ChannelTested, MonitorError>> {
        let (place, took) = ("smtp://mail.example:587".to_owned(), Duration::from_millis(12));
        Box::pin(async move { Ok(ChannelTested { place, error: None, took }) })
    }

    fn scan<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<Scanned, MonitorError>> {
        Box::pin(async move {
            if node.destination.host() == "nowhere" {
                return Err(MonitorError::Failed("nowhere: connection refused".into()));
            }
            let pinned = self.pinned.lock().expect("sound");
            let is_pinned = pinned.iter().any(|host| host == node.destination.host());
            drop(pinned);
            Ok(Scanned {
                fingerprint: FINGERPRINT.into(),
                key_type: "ssh-ed25519".into(),
                key: "ssh-ed25519 AAAA".into(),
                is_pinned,
            })
        })
    }

    fn pin<'a>(
        &'a self,
        node: &'a Node,
        _: &'a Scanned,
    ) -> BoxFuture<'a, Result<(), MonitorError>> {
        self.pinned.lock().expect("sound").push(node.destination.host().to_owned());
        Box::pin(async { Ok(()) })
    }

    fn unpin<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<(), MonitorError>> {
        self.pinned.lock().expect("sound").retain(|host| *host != node.destination.host());
        Box::pin(async { Ok(()) })
    }

    fn test<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<Tested, MonitorError>> {
        Box::pin(async move {
            let scanned = self.scan(node).await?;
            let error = (!scanned.is_pinned).then(|| "the host key is not pinned".to_owned());
            Ok(Tested {
                hostname: scanned.is_pinned.then(|| "gpu-server".to_owned()),
                scanned,
                error,
                problems: Vec::new(),
                gpus: None,
                containers: None,
                took: Duration::from_millis(700),
            })
        })
    }

    fn node_page(&self, node: &NodeName) -> Option<String> {
        (node.as_str() == "gpu-server").then(|| "node_load1 1\n".to_owned())
    }

    fn dcgm_page(&self, node: &NodeName) -> Option<String> {
        (node.as_str() == "gpu-server").then(|| "DCGM_FI_DEV_GPU_TEMP 62\n".to_owned())
    }

    fn container_log<'a>(
        &'a self,
        container: &'a str,
        asked: LogAsked,
    ) -> BoxFuture<'a, Result<LogStream, MonitorError>> {
        Box::pin(async move {
            if container != "qp-hub" {
                return Err(MonitorError::NotFound(format!("no container is called {container}")));
            }
            let line = |text: &str, is_error| {
                let time = "2026-04-04T12:00:00.5Z".to_owned();
                Ok(LogLine { time, is_error, line: text.to_owned() })
            };
            let lines = [line("one", false), line("two", true)];
            let kept = lines.len() - asked.tail.map_or(0, |tail| lines.len() - tail as usize);
            Ok(stream::iter(lines.into_iter().skip(2 - kept)).boxed())
        })
    }
}
