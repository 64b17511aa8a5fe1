//! A gateway with real workers, fake upstreams that speak raw bytes, and a client that does, too.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use conduit_core::inherited::Inherited;
use conduit_core::live;
use conduit_core::service::Service;
use conduit_core::tasks::Tasks;
use tokio_util::sync::CancellationToken;

use crate::access_log::AccessLog;
use crate::connect::Connector;
use crate::fixture;
use crate::limits::Limits;
use crate::listener::{BindSettings, Listeners};
use crate::metrics::ProxyMetrics;
use crate::table::RouteTable;
use crate::tcp::TcpPorts;
use crate::trace::Tracer;
use crate::worker::{Drained, Proxy, ProxySettings};

/// How long anything may take before a test fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A running proxy with one worker.
pub(super) struct Gateway {
    pub(super) http: SocketAddr,
    pub(super) https: Option<SocketAddr>,
    pub(super) table: live::Writer<RouteTable>,
    pub(super) metrics: ProxyMetrics,
    pub(super) ports: TcpPorts,
    tasks: Tasks,
    proxy: Proxy,
}

/// What only some gateways have.
struct Special {
    access_log: AccessLog,
    connector: Connector,
    trusted_proxies: Vec<ipnet::IpNet>,
    /// How many workers serve HTTP/3 as well; without, one serves without.
    http3: Option<usize>,
    tracer: Option<Tracer>,
}

impl Default for Special {
    fn default() -> Self {
        Self {
            access_log: AccessLog::Daemon,
            connector: Connector::default(),
            trusted_proxies: Vec::new(),
            http3: None,
            tracer: None,
        }
    }
}

impl Gateway {
    /// Serves these services in the clear.
    pub(super) fn http(services: Vec<Service>) -> Self {
        Self::with(fixture::table(services), |_| None, Limits::default())
    }

    /// The same, reaching upstreams through `connector`.
    pub(super) fn reaching(services: Vec<Service>, connector: Connector) -> Self {
        Self::through(connector, fixture::table(services), |_| None, Limits::default())
    }

    pub(super) fn with(
        table: RouteTable,
        tls: impl FnOnce(&live::Reader<RouteTable>) -> Option<rustls::ServerConfig>,
        limits: Limits,
    ) -> Self {
        Self::through(Connector::default(), table, tls, limits)
    }

    /// The same, reaching its upstreams with this.
    pub(super) fn through(
        connector: Connector,
        table: RouteTable,
        tls: impl FnOnce(&live::Reader<RouteTable>) -> Option<rustls::ServerConfig>,
        limits: Limits,
    ) -> Self {
        let special = Special { connector, ..Special::default() };
        Self::serving(special, table, tls, limits)
    }

    /// The same, with proxies in front that are trusted.
    pub(super) fn behind(
        trusted_proxies: &[&str],
        table: RouteTable,
        tls: impl FnOnce(&live::Reader<RouteTable>) -> Option<rustls::ServerConfig>,
        limits: Limits,
    ) -> Self {
        let parsed = trusted_proxies.iter().map(|network| network.parse().expect("a network"));
        let special = Special { trusted_proxies: parsed.collect(), ..Special::default() };
        Self::serving(special, table, tls, limits)
    }

    /// The same, with its access lines going here.
    pub(super) fn logging(
        table: RouteTable,
        tls: impl FnOnce(&live::Reader<RouteTable>) -> Option<rustls::ServerConfig>,
        limits: Limits,
        access_log: AccessLog,
    ) -> Self {
        let special = Special { access_log, ..Special::default() };
        Self::serving(special, table, tls, limits)
    }

    /// The same, with HTTP/3 as well, and so many workers.
    pub(super) fn with_http3(
        workers: usize,
        table: RouteTable,
        tls: impl FnOnce(&live::Reader<RouteTable>) -> Option<rustls::ServerConfig>,
        limits: Limits,
    ) -> Self {
        let special = Special { http3: Some(workers), ..Special::default() };
        Self::serving(special, table, tls, limits)
    }

    /// The same in the clear, recording requests as traces, behind trusted proxies.
    pub(super) fn tracing(tracer: &Tracer, trusted_proxies: &[&str], table: RouteTable) -> Self {
        let parsed = trusted_proxies.iter().map(|network| network.parse().expect("a network"));
        let trusted_proxies = parsed.collect();
        let tracer = Some(tracer.clone());
        let special = Special { trusted_proxies, tracer, ..Special::default() };
        Self::serving(special, table, |_| None, Limits::default())
    }

    fn serving(
        special: Special,
        table: RouteTable,
        tls: impl FnOnce(&live::Reader<RouteTable>) -> Option<rustls::ServerConfig>,
        limits: Limits,
    ) -> Self {
        let table = Arc::new(table);
        let (writer, reader) = live::channel(Arc::clone(&table));
        let tls = tls(&reader).map(Arc::new);
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = Listeners::bind(&BindSettings {
            https: tls.iter().map(|_| loopback).collect(),
            http: vec![loopback],
            workers: special.http3.unwrap_or(1),
        })
        .expect("binds");
        let listeners = match special.http3 {
            Some(_) => listeners.with_http3(&mut Inherited::default()).expect("binds over UDP"),
            None => listeners,
        };
        let tasks = Tasks::new(CancellationToken::new());
        let metrics = ProxyMetrics::new();
        let http = listeners.http_addresses()[0];
        let https = listeners.https_addresses().first().copied();
        let ports = TcpPorts::new(&listeners, ToString::to_string);
        ports.open(&table);
        let settings = ProxySettings {
            tls,
            https_port: 8443,
            trust_bundle: Some(Bytes::from_static(b"PEM")),
            // For the hosts of a service that no test has unless it is about this.
            own: Some(Arc::new(super::own::Echo)),
            trusted_proxies: special.trusted_proxies,
            connector: special.connector,
            limits,
            access_log: special.access_log,
            tracer: special.tracer,
            settle: || (),
            tcp: Some(ports.clone()),
        };
        let proxy = Proxy::start(listeners, settings, &reader, &metrics, &tasks).expect("starts");
        Self { http, https, table: writer, metrics, ports, tasks, proxy }
    }

    /// Publishes a table as the composition does: ports first.
    pub(super) fn publish(&mut self, next: RouteTable) {
        let reserved = self.ports.reserve(&self.table.current(), &next).expect("free ports");
        self.ports.commit(reserved, &next);
        self.table.publish(Arc::new(next));
    }

    /// A new connection in the clear.
    pub(super) fn connect(&self) -> Wire<TcpStream> {
        Wire::connect(self.http)
    }

    /// Asks it to stop, without waiting.
    pub(super) fn begin_stop(&self) {
        self.tasks.stop().cancel();
    }

    /// Stops it and waits for the end.
    pub(super) fn stop(self) -> Drained {
        self.begin_stop();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let drained = runtime.block_on(self.proxy.finished());
        assert_eq!((self.tasks.died(), self.tasks.panics()), (None, 0));
        drained
    }
}

/// An upstream that speaks whatever a closure says, one thread per connection.
pub(crate) struct Upstream {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Calls `serve` with every connection.
    pub(crate) fn raw(serve: impl Fn(Wire<TcpStream>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(Wire::new(stream)));
            }
        });
        Self { address, connections }
    }

    /// Answers every request on every connection with the text that `answer` makes of its head.
    pub(crate) fn http(answer: impl Fn(&Head) -> String + Send + Sync + 'static) -> Self {
        Self::raw(move |mut wire| {
            while let Some(head) = wire.head() {
                wire.send(&answer(&head));
            }
        })
    }

    /// Answers with the head it got, as the body.
    pub(super) fn mirror() -> Self {
        Self::http(|head| ok(&head.0))
    }

    pub(crate) fn text(&self) -> String {
        self.address.to_string()
    }

    /// How many connections it has seen.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A port that nobody has; below those that the system gives away by itself.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let first = std::process::id() as usize * 16;
    loop {
        let next = first + NEXT.fetch_add(1, Ordering::SeqCst);
        let port = 12_000 + u16::try_from(next % 20_000).expect("in range");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// An address where nobody listens.
pub(super) fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.local_addr().expect("bound").to_string()
}

/// A response with this body.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A request without a body.
pub(super) fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n")
}

/// One end of a connection, read by lines and lengths.
pub(crate) struct Wire<S> {
    pub(super) stream: S,
    buffer: Vec<u8>,
}

impl Wire<TcpStream> {
    pub(super) fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).expect("connects"))
    }

    pub(super) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Self::over(stream)
    }
}

impl<S: Read + Write> Wire<S> {
    pub(super) fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(super) fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    pub(super) fn send_bytes(&mut self, bytes: &[u8]) {
        // The other side may be gone on purpose.
        self.stream.write_all(bytes).ok();
        self.stream.flush().ok();
    }

    /// Reads to the end of the connection, whatever comes.
    pub(super) fn drain(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    /// The next head; `None` at the end of the connection.
    pub(super) fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Some(Head(String::from_utf8(head).expect("text")));
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// The next `count` bytes.
    pub(super) fn exactly(&mut self, count: usize) -> String {
        while self.buffer.len() < count {
            assert!(self.fill(), "ended after {:?}", self.buffer.len());
        }
        let bytes: Vec<u8> = self.buffer.drain(..count).collect();
        String::from_utf8(bytes).expect("text")
    }

    /// Reads up to and including `end`.
    pub(super) fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(place) = find(&self.buffer, end.as_bytes()) {
                return self.exactly(place + end.len());
            }
            assert!(self.fill(), "ended without {end:?}");
        }
    }

    /// The next `count` bytes, text or not.
    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(self.fill(), "ended after {:?}", self.buffer.len());
        }
        self.buffer.drain(..count).collect()
    }

    /// The next chunk of a chunked body; empty at its end.
    pub(super) fn chunk(&mut self) -> Vec<u8> {
        let size = self.until("\r\n");
        let size = usize::from_str_radix(size.trim_end(), 16).expect("a size");
        let chunk = self.bytes(size);
        assert_eq!(self.bytes(2), b"\r\n");
        chunk
    }

    /// Everything up to the end of the connection.
    pub(super) fn rest(&mut self) -> String {
        while self.fill() {}
        String::from_utf8(std::mem::take(&mut self.buffer)).expect("text")
    }

    /// A response with a known length or none.
    pub(super) fn response(&mut self) -> (Head, String) {
        let head = self.head().expect("a response");
        let length = head.field("content-length").map_or(0, |text| text.parse().expect("a number"));
        let body = self.exactly(length);
        (head, body)
    }

    /// Sends a request and reads the response.
    pub(super) fn ask(&mut self, request: &str) -> (Head, String) {
        self.send(request);
        self.response()
    }

    fn fill(&mut self) -> bool {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came"),
            Err(_) => false,
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A head, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Head(pub(super) String);

impl Head {
    pub(super) fn status(&self) -> u16 {
        let status = self.0.split(' ').nth(1).expect("a status line");
        status.parse().expect("a number")
    }

    /// The only line of a field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut all = self.0.lines().skip(1).filter_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then_some(value.trim())
        });
        let first = all.next();
        assert!(all.next().is_none(), "{name} twice in {}", self.0);
        first
    }
}
