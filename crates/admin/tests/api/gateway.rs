//! A gateway without planes: registry, tables, prober and admin, in a temporary directory.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conduit_admin::control::{
    AccessLine, BoxFuture, CheckOutcome, Checks, Control, ControlError, EffectiveConfig,
    GatewayInfo, QueryLogView, Reloaded, Resolution, Upgraded,
};
use conduit_admin::finding::{Check, Diagnosis, Finding};
use conduit_admin::monitor::Monitor;
use conduit_admin::oidc::Oidc;
use conduit_admin::server::{Addresses, Admin};
use conduit_admin::settings::{AdminSettings, SOCKET_MODE_PRIVATE};
use conduit_admin::state::{AdminState, Parts};
use conduit_api::client::Client;
use conduit_api::v1::queries::DnsQuery;
use conduit_api::v1::tokens::{CreateToken, NewToken, Role};
use conduit_audit::seal::SealKey;
use conduit_core::catalog::{Catalog, Change, Version};
use conduit_core::certificate::{Issuance, Signed};
use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::event::{self, EventStream};
use conduit_core::leaf::LeafPair;
use conduit_core::live;
use conduit_core::name::{Host, ServiceName};
use conduit_core::record::Record;
use conduit_core::service::{ProbePath, TlsMode};
use conduit_core::tasks::Tasks;
use conduit_dns::access::Policy;
use conduit_dns::forward::status::ForwardStatus;
use conduit_dns::lists::status::ListStatus;
use conduit_dns::query_log::settings::{Logged, QueryLogSettings};
use conduit_dns::zone::{Zone, ZoneSettings};
use conduit_proxy::compile::{Compiler, CompilerSettings, LeafSource};
use conduit_proxy::fingerprint::{Asked, Fingerprint};
use conduit_proxy::health::machine::Thresholds;
use conduit_proxy::health::plan::ProbeSettings;
use conduit_proxy::health::prober::Prober;
use conduit_proxy::metrics::ProxyMetrics;
use conduit_proxy::resolve::Resolver;
use conduit_proxy::sni::RouteLeaves;
use conduit_proxy::table::RouteTable;
use conduit_proxy::upstream::reports;
use conduit_registry::{Preparation, PublishError, Publisher, Settings, Store, Work};
use conduit_tls::authority::{Authority, AuthoritySettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Gateway {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) addresses: Addresses,
    pub(crate) control: Arc<Whole>,
    pub(crate) events: EventStream,
    pub(crate) tasks: Tasks,
}

impl Gateway {
    /// Starts one with the monitor off; must run inside a runtime.
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts one; must run inside a runtime.
    pub(crate) fn start_with(monitor: Option<Arc<dyn Monitor>>) -> Self {
        Self::of(monitor, None)
    }

    /// Starts one with a provider of identities; must run inside a runtime.
    pub(crate) fn start_through(oidc: Oidc) -> Self {
        Self::of(None, Some(oidc))
    }

    fn of(monitor: Option<Arc<dyn Monitor>>, oidc: Option<Oidc>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let host = Host::parse("internal").expect("valid");
        let domains = Domains::new(vec![host]).expect("some");
        let now = Timestamp::now();
        let settings = AuthoritySettings { domains: domains.clone(), organization: "Test".into() };
        let (authority, _) =
            Authority::open_or_create(&dir.path().join("tls"), &settings, now).expect("a CA");
        let control = Arc::new(Whole {
            authority: Arc::new(authority),
            leaves: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        let (key, _) = SealKey::open_or_create(&dir.path().join("seal")).expect("a key");
        let store = Store::open(dir.path(), key).expect("a store");
        let (reporting, queue) = reports();
        let (table_writer, table) = live::channel(Arc::new(RouteTable::default()));
        let zone_settings = ZoneSettings::new(domains.clone());
        let empty = Zone::compile(&Catalog::default(), Version::default(), &zone_settings);
        let (zone_writer, zone) = live::channel(Arc::new(empty));
        let publisher = Hand {
            whole: Arc::clone(&control),
            compiler: Compiler::new(CompilerSettings::default(), reporting),
            table: table_writer,
            zone: zone_writer,
        };
        let (registry, _writer) =
            conduit_registry::start(store, Settings::new(domains), publisher).expect("a writer");
        let (sink, events) = event::channel(256);
        let tasks = Tasks::new(tokio_util::sync::CancellationToken::new());
        let (_probing, probe_settings) = live::channel(Arc::new(probes()));
        let resolver = Resolver::new(|_| true);
        let (prober, health) =
            Prober::new(table.clone(), probe_settings, resolver, queue, sink.clone());
        prober.start(&tasks);
        let bound = Admin::bind(&AdminSettings {
            socket: Some(dir.path().join("c.sock")),
            socket_mode: SOCKET_MODE_PRIVATE,
            socket_gid: None,
            listen: Some("127.0.0.1:0".parse().expect("valid")),
        })
        .expect("bound");
        let addresses = bound.addresses();
        let state = AdminState::new(Parts {
            registry,
            table,
            zone,
            health,
            traffic: ProxyMetrics::new(),
            state_dir: dir.path().to_owned(),
            control: Arc::clone(&control) as Arc<dyn Control>,
            monitor,
            events: sink,
            oidc,
        });
        bound.serve(state, &tasks).expect("served");
        Self { dir, addresses, control, events, tasks }
    }

    /// The client of the Unix socket, which is admin: the same user runs both.
    pub(crate) fn local(&self) -> Client {
        Client::unix(self.socket())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.addresses.socket.clone().expect("a socket")
    }

    pub(crate) fn tcp(&self) -> SocketAddr {
        self.addresses.tcp.expect("a listener")
    }

    pub(crate) fn with_token(&self, token: &NewToken) -> Client {
        Client::tcp(self.tcp().to_string(), Some(token.secret.clone()))
    }

    pub(crate) async fn token(&self, role: Role) -> NewToken {
        self.token_named(role, &format!("test-{role}")).await
    }

    pub(crate) async fn token_named(&self, role: Role, name: &str) -> NewToken {
        let wish = CreateToken {
            name: name.into(),
            role,
            scopes: Vec::new(),
            expires_in_seconds: Some(3_600),
        };
        let made = self.local().create_token(&wish).await;
        made.expect("a token").value
    }

    /// Sends these bytes over TCP and returns everything that comes back until the end.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.tcp()).await.expect("connected");
        stream.write_all(bytes).await.expect("written");
        let mut answer = Vec::new();
        // The server may reset after its answer when it did not read all that was sent.
        let _end = stream.read_to_end(&mut answer).await.is_ok();
        String::from_utf8(answer).expect("text")
    }

    /// One request over TCP, with these headers beside `Host`, and its whole answer.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        self.ask_at(&self.tcp().to_string(), method, path, headers, body).await
    }

    /// The same under another name of ours.
    pub(crate) async fn ask_at(
        &self,
        host: &str,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> String {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.raw(request.as_bytes()).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.tasks.stop().cancel();
    }
}

/// The status line's number.
pub(crate) fn status(answer: &str) -> u16 {
    let word = answer.split(' ').nth(1).unwrap_or_default();
    word.parse().unwrap_or_else(|_| panic!("no status: {answer:?}"))
}

fn probes() -> ProbeSettings {
    ProbeSettings {
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        path: ProbePath::parse("/health").expect("valid"),
        thresholds: Thresholds { unhealthy_after: 2, healthy_after: 1 },
    }
}

/// Stands in for the composition.
pub(crate) struct Whole {
    authority: Arc<Authority>,
    leaves: Mutex<HashMap<ServiceName, LeafPair>>,
    stopping: AtomicBool,
}

impl Whole {
    pub(crate) fn stop_changes(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }
}

impl Control for Whole {
    fn is_ready(&self) -> bool {
        !self.is_stopping()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn gateway(&self) -> GatewayInfo {
        GatewayInfo {
            version: "0.0.0".into(),
            domains: vec!["internal".into()],
            https: vec!["127.0.0.1:8443".parse().expect("valid")],
            ..GatewayInfo::default()
        }
    }

    fn fixed_records(&self) -> Arc<[Record]> {
        Arc::default()
    }

    fn last_checks(&self, _name: &ServiceName) -> Checks {
        Checks::default()
    }

    fn self_check<'a>(&'a self, _name: &'a ServiceName) -> BoxFuture<'a, Checks> {
        let dns = Some(CheckOutcome { at: Timestamp::from_seconds(0), failure: None });
        let tls = Some(CheckOutcome {
            at: Timestamp::from_seconds(0),
            failure: Some("nobody listens".into()),
        });
        Box::pin(async move { Checks { dns, tls } })
    }

    fn fingerprints<'a>(&'a self, asked: &'a [Asked]) -> BoxFuture<'a, Vec<Fingerprint>> {
        Box::pin(async move {
            let resolver = Resolver::new(|_| true);
            conduit_proxy::fingerprint::fingerprints(asked, &resolver).await
        })
    }

    fn recent(&self, name: &ServiceName) -> Option<Vec<AccessLine>> {
        let line = || AccessLine::from_iter([("path".to_owned(), "/a".into())]);
        (name.as_str() != "quiet").then(|| vec![line(); 2])
    }

    fn authority(&self) -> Option<Arc<Authority>> {
        Some(Arc::clone(&self.authority))
    }

    fn leaves(&self, name: &ServiceName) -> Option<LeafPair> {
        self.leaves.lock().expect("sound").get(name).cloned()
    }

    fn resolve<'a>(
        &'a self,
        name: &'a str,
        _record_type: &'a str,
    ) -> BoxFuture<'a, Result<Resolution, ControlError>> {
        let text = format!("{name:?} cannot be asked for");
        Box::pin(async move { Err(ControlError::Invalid(text)) })
    }

    fn queries(&self, after: Option<u64>) -> Option<QueryLogView> {
        let told = [
            ("web.internal", "10.0.1.7", "records", "NOERROR", "service"),
            ("web.internal", "10.0.2.9", "records", "NOERROR", "service"),
            ("nope.internal", "10.0.1.7", "nxdomain", "NXDOMAIN", "zone"),
            ("www.example", "10.0.1.7", "servfail", "SERVFAIL", "nobody"),
        ];
        let lines =
            (1..).zip(told).map(|(sequence, (name, client, outcome, rcode, source))| DnsQuery {
                sequence: Some(sequence),
                time: "2026-11-23T20:00:00.000000Z".into(),
                client: Some(client.into()),
                transport: "udp".into(),
                name: Some(name.into()),
                record_type: Some("A".into()),
                outcome: outcome.into(),
                rcode: Some(rcode.into()),
                source: source.into(),
                service: None,
                list: None,
                forwarder: None,
                answers: Vec::new(),
                more: 0,
                duration_ms: 0.1,
                dnssec_ok: false,
                checking_disabled: false,
            });
        let mut queries: Vec<DnsQuery> = lines.filter(|q| q.sequence > after).collect();
        queries.reverse();
        let settings = QueryLogSettings { logged: Logged::All, ..QueryLogSettings::default() };
        Some(QueryLogView { settings, output: "memory".into(), lost: 3, last: 4, queries })
    }

    fn dns_policy(&self) -> Option<Arc<Policy>> {
        Some(Arc::default())
    }

    fn forwarding(&self) -> ForwardStatus {
        ForwardStatus { hits: 7, ..ForwardStatus::default() }
    }

    fn lists(&self) -> Vec<ListStatus> {
        Vec::new()
    }

    fn flush_dns(&self, _name: Option<&str>) -> Vec<String> {
        vec!["192.0.2.1:53".to_owned()]
    }

    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, ControlError>> {
        Box::pin(async { Err(ControlError::Invalid("line 3: no such key".into())) })
    }

    fn backup<'a>(&'a self, target: &'a Path) -> BoxFuture<'a, Result<(), ControlError>> {
        let written = std::fs::write(target, "everything");
        Box::pin(async move { written.map_err(|e| ControlError::Unavailable(e.to_string())) })
    }

    fn upgrade(
        &self,
        _: Option<PathBuf>,
        _: Duration,
    ) -> BoxFuture<'_, Result<Upgraded, ControlError>> {
        Box::pin(async { Err(ControlError::Conflict("another upgrade is under way".into())) })
    }

    fn doctor(&self) -> BoxFuture<'_, Arc<Diagnosis>> {
        let finding = Finding::fail(Check::Upstreams, "10.0.0.1:80 is ejected: connection refused")
            .about("web")
            .hint("see that it runs");
        let findings = vec![Finding::ok(Check::Clock, "synchronised"), finding];
        Box::pin(async { Arc::new(Diagnosis { at: Timestamp::from_seconds(0), findings }) })
    }

    fn config(&self) -> EffectiveConfig {
        EffectiveConfig::default()
    }

    fn metrics(&self) -> String {
        "# EOF\n".into()
    }
}

struct Hand {
    whole: Arc<Whole>,
    compiler: Compiler,
    table: live::Writer<RouteTable>,
    zone: live::Writer<Zone>,
}

impl Publisher for Hand {
    type Prepared = (RouteTable, Zone);

    fn prepare(&mut self, work: &Work<'_>) -> Result<Preparation<Self::Prepared>, PublishError> {
        let mut issued = Vec::new();
        let put = work.changes.iter().filter_map(|change| match change {
            Change::Put(service) => Some(service.name.clone()),
            Change::Drop(_) => None,
        });
        for name in put.chain(work.reissue.iter().cloned()) {
            let service = work.next.get(&name).expect("in the catalog");
            if service.tls == TlsMode::Issued {
                let year = Duration::from_secs(365 * 86_400);
                let pair = self.whole.authority.issue(&service.hosts, year, work.now);
                issued.push((name, pair.map_err(PublishError::new)?));
            }
        }
        let mut leaves = self.whole.leaves.lock().expect("sound");
        leaves.extend(issued.iter().cloned());
        let source = Leaves(leaves.clone());
        drop(leaves);
        let table = self
            .compiler
            .with_changes(&self.table.current(), work.changes, work.reissue, &source, work.version)
            .map_err(PublishError::new)?;
        let zone = self.zone.current().with(work.changes, work.version);
        let zone = zone.with_records(work.records, work.version);
        Ok(Preparation { prepared: (table, zone), leaves: issued })
    }

    fn sign(&mut self, issuance: &Issuance, now: Timestamp) -> Result<Signed, PublishError> {
        let day = Duration::from_secs(86_400);
        self.whole.authority.sign(issuance, day, now).map_err(PublishError::new)
    }

    fn publish(&mut self, (table, zone): Self::Prepared) {
        table.settle_all();
        self.table.publish(Arc::new(table));
        self.zone.publish(Arc::new(zone));
    }
}

struct Leaves(HashMap<ServiceName, LeafPair>);

impl LeafSource for Leaves {
    fn leaves(&self, service: &ServiceName) -> Option<Arc<RouteLeaves>> {
        let chain: Arc<[_]> = Arc::from([]);
        let pair = self.0.get(service)?.clone();
        let renew_at = pair.renew_at();
        Some(Arc::new(RouteLeaves::new(pair, renew_at, Arc::clone(&chain), chain)))
    }
}
