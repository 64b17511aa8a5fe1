//! A new process takes over: no request is lost, no stream is cut, and one that does not get ready
//! changes nothing.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use conduit_api::v1::services::RegisterService;
use conduit_api::v1::upgrade::{UpgradeReply, UpgradeRequest};
use conduit_core::policy::Policy;
use conduit_tests::client::Client;
use conduit_tests::daemon::Daemon;
use conduit_tests::gateway::PATIENCE;
use conduit_tests::{Upstream, resolver};
use hickory_proto::rr::RecordType;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::tcp::free_port;

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");

/// A daemon with one service, and every process that took over from it.
struct Site {
    daemon: Daemon,
    upstream: Upstream,
    https: SocketAddr,
    http: SocketAddr,
    dns: SocketAddr,
    client: Client,
    heirs: Vec<Heir>,
}

/// A process that took over; nobody's child once the first one is gone.
struct Heir(u32);

impl Drop for Heir {
    fn drop(&mut self) {
        let _gone = kill_process(pid(self.0), Signal::KILL);
    }
}

impl Site {
    async fn start() -> Self {
        Self::start_with("").await
    }

    async fn start_with(extra: &str) -> Self {
        let daemon = Daemon::start_with(BINARY, extra).await;
        let upstream = Upstream::start("web").await;
        register(&daemon, "web", &upstream.host()).await;
        let listen = daemon.api.status().await.expect("status").value.listen;
        let address = |all: &[String]| all[0].parse().expect("an address");
        let https = address(&listen.https);
        let bundle = std::fs::read_to_string(daemon.state().join("tls/ca.crt")).expect("bundle");
        Self {
            https,
            http: address(&listen.http),
            dns: address(&listen.dns),
            client: Client::new(https, &bundle),
            daemon,
            upstream,
            heirs: Vec::new(),
        }
    }

    async fn upgrade(&mut self) -> UpgradeReply {
        let reply = self.daemon.api.upgrade(&UpgradeRequest::default()).await;
        let reply = reply.expect("upgraded").value;
        self.heirs.push(Heir(reply.pid));
        reply
    }

    async fn upgrade_to(&self, script: &str) -> String {
        let wish = UpgradeRequest {
            binary: Some(self.program(script).display().to_string()),
            timeout_s: Some(2),
        };
        self.daemon.api.upgrade(&wish).await.expect_err("refused").to_string()
    }

    /// A program that is no gateway.
    fn program(&self, script: &str) -> PathBuf {
        let path = self.daemon.directory.path().join("program");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("executable");
        path
    }

    fn process(&self) -> u32 {
        self.daemon.child.id().expect("alive")
    }

    /// Everything that a gateway does, once.
    async fn works(&self, name: &str) {
        register(&self.daemon, name, &self.upstream.host()).await;
        let host = format!("{name}.internal");
        assert!(resolver::addresses(self.dns, &host).await.is_some());
        let (status, body) = self.client.get_text(&host, "/").await.expect("answered");
        assert_eq!((status, body.as_str()), (StatusCode::OK, "hello from web"));
        let report = self.daemon.api.verify_audit().await.expect("verified").value;
        assert!(report.valid, "{report:?}");
    }

    /// Ends the process that serves, and with it those that wait for it.
    async fn end(mut self) {
        self.daemon.signal(Signal::TERM);
        let ended = tokio::time::timeout(PATIENCE, self.daemon.child.wait()).await;
        assert_eq!(ended.expect("in time").expect("ended").code(), Some(0));
        for heir in &self.heirs {
            assert!(test_kill_process(pid(heir.0)).is_err(), "process {} is left", heir.0);
        }
        let state = self.daemon.state();
        let report = conduit_audit::verify_file(&state.join("conduit.db"), &state.join("seal"));
        assert!(report.expect("readable").valid());
        assert!(!state.join("conduit.sock").exists(), "the socket's file goes with its owner");
    }
}

fn pid(process: u32) -> Pid {
    Pid::from_raw(i32::try_from(process).expect("a number")).expect("not zero")
}

async fn register(daemon: &Daemon, name: &str, upstream: &str) {
    let upstreams = vec![upstream.to_owned()];
    let service = RegisterService { name: name.into(), upstreams, ..RegisterService::default() };
    daemon.api.register(&service).await.expect("registered");
}

/// Asks over and over until it is told to stop; says how often.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    tasks: tokio::task::JoinSet<()>,
}

impl Load {
    fn new() -> Self {
        let (stop, asked) = (Arc::default(), Arc::default());
        Self { stop, asked, tasks: tokio::task::JoinSet::new() }
    }

    fn add<F>(&mut self, ask: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, asked) = (Arc::clone(&self.stop), Arc::clone(&self.asked));
        self.tasks.spawn(async move {
            while !stop.load(Ordering::Acquire) {
                ask().await;
                asked.fetch_add(1, Ordering::AcqRel);
            }
        });
    }

    /// Waits until as much again was asked.
    async fn more(&self, count: usize) {
        let until = self.asked.load(Ordering::Acquire) + count;
        let end = tokio::time::Instant::now() + PATIENCE;
        while self.asked.load(Ordering::Acquire) < until {
            assert!(tokio::time::Instant::now() < end, "nothing is answered any more");
            tokio::task::yield_now().await;
        }
    }

    /// Every request was answered well, or this panics.
    async fn finish(mut self) {
        self.stop.store(true, Ordering::Release);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("nothing was lost");
        }
    }
}

/// Many requests on one HTTP/1.1 connection, until the gateway says that it closes.
async fn keep_alive(client: Client) {
    let mut sender = sender(&client).await;
    for _ in 0..50 {
        let (status, closes) = ask(&mut sender).await;
        assert_eq!(status, StatusCode::OK);
        if closes {
            return;
        }
    }
}

/// Many requests on one HTTP/2 connection; those that come after a GOAWAY go elsewhere, as RFC 9113
/// §6.8 lets a client do.
async fn streams(client: Client) {
    let stream = client.connect("web.internal", &["h2"]).await.expect("connected");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("open");
    conduit_tests::upstream::spawn(async move { drop(connection.await) });
    for _ in 0..50 {
        if sender.ready().await.is_err() {
            return;
        }
        let request = Request::get("https://web.internal/").body(Empty::<Bytes>::new());
        match sender.try_send_request(request.expect("a request")).await {
            Ok(response) => {
                assert_eq!(response.status(), StatusCode::OK);
                response.into_body().collect().await.expect("whole");
            }
            // Not sent: the client still has it. Or sent behind the last one that the GOAWAY names,
            // which was not looked at: the client's library ends those, and no others, with its words.
            Err(mut error) => {
                let is_behind = format!("{error:?}").contains("GoAway(b\"\", NO_ERROR, Remote)");
                assert!(is_behind || error.take_message().is_some(), "lost: {error:?}");
                return;
            }
        }
    }
}

async fn frame(body: &mut Incoming) -> String {
    let frame = body.frame().await.expect("a frame").expect("unbroken");
    String::from_utf8(frame.into_data().expect("data").to_vec()).expect("UTF-8")
}

async fn websocket(client: &Client) -> TokioIo<hyper::upgrade::Upgraded> {
    let request = Request::get("/ws")
        .header("host", "web.internal")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(Full::<Bytes>::default())
        .expect("request");
    let response = client.send("web.internal", request).await.expect("answered");
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    TokioIo::new(hyper::upgrade::on(response).await.expect("upgraded"))
}

async fn echoed(socket: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), text: &str) {
    socket.write_all(text.as_bytes()).await.expect("sent");
    let mut back = vec![0; text.len()];
    socket.read_exact(&mut back).await.expect("echoed");
    assert_eq!(back, text.as_bytes());
}

/// An upstream of bytes that says everything twice.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound").to_string();
    conduit_tests::upstream::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            conduit_tests::upstream::spawn(async move {
                let (mut read, mut write) = stream.split();
                drop(tokio::io::copy(&mut read, &mut write).await);
            });
        }
    });
    address
}

async fn register_stream(daemon: &Daemon) -> u16 {
    let port = free_port();
    let service = RegisterService {
        name: "db".into(),
        upstreams: vec![echo().await],
        protocol: Some("tcp".into()),
        policy: Some(Box::new(Policy { listen: Some(port), ..Policy::default() })),
        ..RegisterService::default()
    };
    daemon.api.register(&service).await.expect("registered");
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_upgrades_under_load_lose_nothing_and_cut_nothing() {
    let mut site = Site::start().await;
    let port = register_stream(&site.daemon).await;
    let (dns, http, first) = (site.dns, site.http, site.process());
    let mut load = Load::new();
    for _ in 0..2 {
        let client = site.client.clone();
        load.add(move || keep_alive(client.clone()));
        let client = site.client.clone();
        load.add(move || streams(client.clone()));
    }
    load.add(move || async move {
        assert!(resolver::addresses(dns, "web.internal").await.is_some());
    });
    load.add(move || async move { ask_over_tcp(dns).await });
    load.add(move || async move {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
        echoed(&mut stream, "a new stream").await;
    });
    load.add(move || redirected(http));
    load.more(100).await;

    let mut events = site.client.get("web.internal", "/sse").await.expect("stream").into_body();
    site.upstream.listening().await;
    let mut socket = websocket(&site.client).await;
    let mut bytes = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
    echoed(&mut bytes, "before").await;
    let mut serving = first;
    for round in 0..2 {
        let reply = site.upgrade().await;
        assert_eq!(reply.previous_pid, serving);
        assert_ne!(reply.pid, serving);
        serving = reply.pid;
        site.works(&format!("after-{round}")).await;
        load.more(100).await;
        let line = format!("tick {round}");
        site.upstream.tell(&line);
        assert_eq!(frame(&mut events).await, format!("data: {line}\n\n"));
        echoed(&mut socket, &line).await;
        echoed(&mut bytes, &line).await;
    }
    load.finish().await;
    let entries = site.daemon.api.audit(50, None).await.expect("entries").value.entries;
    let starts = entries.iter().filter(|e| e.details.contains_key("took_over_from")).count();
    assert_eq!(starts, 2);
    // Streams end when their peers end them.
    drop((events, socket, bytes));
    site.end().await;
}

async fn ask_over_tcp(dns: SocketAddr) {
    use hickory_proto::op::{Message, MessageType, OpCode, Query};
    let mut query = Message::new(7, MessageType::Query, OpCode::Query);
    let name = hickory_proto::rr::Name::from_ascii("web.internal.").expect("a name");
    query.add_query(Query::query(name, RecordType::A));
    let query = query.to_vec().expect("encoded");
    let mut stream = TcpStream::connect(dns).await.expect("connected");
    stream.write_u16(u16::try_from(query.len()).expect("short")).await.expect("sent");
    stream.write_all(&query).await.expect("sent");
    let length = stream.read_u16().await.expect("an answer");
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await.expect("whole");
    assert_eq!(Message::from_vec(&reply).expect("parsed").answers.len(), 1);
}

async fn redirected(http: SocketAddr) {
    let mut stream = TcpStream::connect(http).await.expect("connected");
    let request = "GET / HTTP/1.1\r\nhost: web.internal\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_get_ready_changes_nothing() {
    let site = Site::start().await;
    let first = site.process();
    let mut events = site.client.get("web.internal", "/sse").await.expect("stream").into_body();
    site.upstream.listening().await;
    for (script, expected) in [
        ("exit 3", "exit status: 3"),
        ("exec sleep 100", "in time"),
        ("echo nonsense >&0; exec sleep 100", "cannot be talked to"),
    ] {
        let error = site.upgrade_to(script).await;
        assert!(error.contains(expected), "{script}: {error}");
    }
    // A configuration that the new process refuses is told with its place.
    let config = site.daemon.directory.path().join("conduit.toml");
    let good = std::fs::read_to_string(&config).expect("read");
    std::fs::write(&config, format!("{good}\n[nonsense]\n")).expect("written");
    let refused = site.daemon.api.upgrade(&UpgradeRequest::default()).await;
    let error = refused.expect_err("refused").to_string();
    assert!(error.contains("nonsense") && error.contains("conduit.toml"), "{error}");
    // So is a state that it cannot open, when the old one has let go of it already.
    std::fs::write(&config, good).expect("written");
    let seal = site.daemon.state().join("seal/key");
    let aside = site.daemon.state().join("key-aside");
    std::fs::rename(&seal, &aside).expect("moved");
    let refused = site.daemon.api.upgrade(&UpgradeRequest::default()).await;
    let error = refused.expect_err("refused").to_string();
    assert!(error.contains("sealed with it"), "{error}");
    std::fs::rename(&aside, &seal).expect("back");

    assert_eq!(site.process(), first);
    let lock = std::fs::read_to_string(site.daemon.state().join("lock")).expect("the lock");
    assert_eq!(lock.trim(), first.to_string());
    site.upstream.tell("still here");
    assert_eq!(frame(&mut events).await, "data: still here\n\n");
    site.works("after").await;
    let entries = site.daemon.api.audit(50, None).await.expect("entries").value.entries;
    let failures = entries.iter().filter(|entry| entry.action == "upgrade_error").count();
    assert_eq!(failures, 5);
    drop(events);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_during_an_upgrade_is_refused_and_a_stop_ends_it() {
    let mut site = Site::start().await;
    let program = site.program("echo begun > \"$0.begun\"; exec sleep 100");
    let begun = site.daemon.directory.path().join("program.begun");
    let api = site.daemon.api.clone();
    let wish = UpgradeRequest { binary: Some(program.display().to_string()), timeout_s: None };
    let hanging = api.upgrade(&wish);
    let meanwhile = async {
        let end = tokio::time::Instant::now() + PATIENCE;
        while !begun.exists() {
            assert!(tokio::time::Instant::now() < end, "it is not started");
            tokio::task::yield_now().await;
        }
        let second = site.daemon.api.upgrade(&UpgradeRequest::default()).await;
        let error = second.expect_err("refused").to_string();
        assert!(error.contains("another upgrade is under way"), "{error}");
        site.works("meanwhile").await;
        site.daemon.signal(Signal::TERM);
        site.daemon.child.wait().await.expect("ended").code()
    };
    let (hanging, code) = tokio::join!(hanging, meanwhile);
    assert_eq!(code, Some(0));
    assert!(hanging.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_process_goes_on_when_the_old_one_is_killed_while_it_drains() {
    let mut site = Site::start().await;
    let mut events = site.client.get("web.internal", "/sse").await.expect("stream").into_body();
    site.upstream.listening().await;
    site.upgrade().await;
    site.upstream.tell("here");
    assert_eq!(frame(&mut events).await, "data: here\n\n");
    site.daemon.child.kill().await.expect("killed");
    assert!(events.frame().await.is_none_or(|frame| frame.is_err()), "its stream goes with it");
    site.works("after").await;
    // It has the lock: a third one is refused, which names it.
    let third = conduit_tests::daemon::spawn(BINARY, site.daemon.directory.path(), "");
    let (code, said) = conduit_tests::daemon::refusal(third).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&site.heirs[0].0.to_string()), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_process_ends_at_once_when_the_new_one_dies() {
    let mut site = Site::start().await;
    let mut events = site.client.get("web.internal", "/sse").await.expect("stream").into_body();
    site.upstream.listening().await;
    let heir = site.upgrade().await.pid;
    site.upstream.tell("here");
    assert_eq!(frame(&mut events).await, "data: here\n\n");
    kill_process(pid(heir), Signal::KILL).expect("killed");
    let code = site.daemon.child.wait().await.expect("ended").code();
    assert_eq!(code, Some(1), "whoever watches over it starts a new one");
    let again = Daemon::start_again(BINARY, &mut site.daemon).await;
    assert!(again, "the state is whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_cuts_what_is_still_open_in_the_old_process() {
    let mut site = Site::start_with("[gateway]\nupgrade_drain = \"0s\"\ndrain = \"0s\"").await;
    let mut events = site.client.get("web.internal", "/sse").await.expect("stream").into_body();
    site.upstream.listening().await;
    site.upgrade().await;
    assert!(events.frame().await.is_none_or(|frame| frame.is_err()), "cut");
    site.works("after").await;
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_moves_sockets_that_it_names_and_closes_those_it_does_not() {
    let mut site = Site::start_with("[proxy]\nworkers = 3").await;
    let mut silent = TcpStream::connect(site.https).await.expect("connected");
    let config = site.daemon.directory.path().join("conduit.toml");
    let text = std::fs::read_to_string(&config).expect("read");
    let mut tables: toml::Table = text.parse().expect("TOML");
    let proxy = tables["proxy"].as_table_mut().expect("a table");
    proxy.insert("workers".into(), 1.into());
    proxy.insert("http_listen".into(), toml::Value::Array(Vec::new()));
    std::fs::write(&config, toml::to_string(&tables).expect("TOML")).expect("written");
    site.upgrade().await;
    let listen = site.daemon.api.status().await.expect("status").value.listen;
    assert_eq!(listen.https, [site.https.to_string()]);
    assert!(listen.http.is_empty());
    let end = tokio::time::Instant::now() + PATIENCE;
    while TcpStream::connect(site.http).await.is_ok() {
        assert!(tokio::time::Instant::now() < end, "the port stays open");
        tokio::task::yield_now().await;
    }
    // All three queues of the old process are served by one worker.
    for index in 0..30 {
        let (status, _) = site.client.get_text("web.internal", "/").await.expect("answered");
        assert_eq!(status, StatusCode::OK, "{index}");
    }
    silent.shutdown().await.expect("closed");
    site.works("after").await;
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_whoever_is_on_the_machine_names_a_program() {
    use conduit_api::v1::tokens::{CreateToken, Role};
    let site = Site::start().await;
    let create = CreateToken {
        name: "ci".into(),
        role: Role::Admin,
        scopes: Vec::new(),
        expires_in_seconds: None,
    };
    let token = site.daemon.api.create_token(&create).await.expect("made").value;
    let admin = site.daemon.api.status().await.expect("status").value.listen.admin;
    let api = conduit_api::client::Client::tcp(admin[0].clone(), Some(token.secret));
    let wish = |binary: &str| UpgradeRequest { binary: Some(binary.into()), timeout_s: None };
    let error = api.upgrade(&wish("/bin/true")).await.expect_err("refused").to_string();
    assert!(error.contains("Unix socket"), "{error}");
    for (binary, expected) in [
        ("true", "absolute"),
        ("/nowhere/conduit", "cannot be started"),
        ("/etc/passwd", "may not be executed"),
        ("/etc", "is not a file"),
    ] {
        let error = site.daemon.api.upgrade(&wish(binary)).await.expect_err("refused").to_string();
        assert!(error.contains(expected), "{binary}: {error}");
    }
    site.works("after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_is_told_the_new_process_keeps_only_that_one() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("notify");
    let supervisor = std::os::unix::net::UnixDatagram::bind(&path).expect("bound");
    supervisor.set_read_timeout(Some(PATIENCE)).expect("set");
    let hear = || {
        let mut buffer = [0; 256];
        let read = supervisor.recv(&mut buffer).expect("told in time");
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    };
    let mut child = conduit_tests::daemon::spawn_with(BINARY, directory.path(), "", |command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    assert!(hear().contains("READY=1"));
    let api = conduit_api::client::Client::unix(directory.path().join("state/conduit.sock"));
    let reply = api.upgrade(&UpgradeRequest::default()).await.expect("upgraded").value;
    let _heir = Heir(reply.pid);
    let told = hear();
    assert!(told.contains("RELOADING=1") && told.contains("MONOTONIC_USEC="), "{told}");
    let told = hear();
    assert!(told.contains(&format!("MAINPID={}", reply.pid)), "{told}");
    assert!(told.contains("READY=1"), "{told}");
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
    assert_eq!(ended.expect("it does not wait").expect("ended").code(), Some(0));
    api.ready().await.expect("the new one serves");
    kill_process(pid(reply.pid), Signal::TERM).expect("sent");
    let told = hear();
    assert!(told.contains("STOPPING=1"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn root_that_was_dropped_is_not_needed_again() {
    if !rustix::process::geteuid().is_root() {
        conduit_tests::skipped("dropping root needs root");
        return;
    }
    let directory = tempfile::tempdir().expect("directory");
    let open = |path: &std::path::Path| {
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("opened");
    };
    open(directory.path());
    let extra = "[gateway]\nuser = \"nobody\"\n[proxy]\nworkers = 1";
    let mut child = conduit_tests::daemon::spawn(BINARY, directory.path(), extra);
    let api = conduit_api::client::Client::unix(directory.path().join("state/conduit.sock"));
    let end = tokio::time::Instant::now() + PATIENCE;
    while api.ready().await.is_err() {
        assert!(tokio::time::Instant::now() < end, "the daemon does not become ready");
        tokio::task::yield_now().await;
    }
    // Sockets that root has bound can only be shared by another user, not joined.
    let config = directory.path().join("conduit.toml");
    let text = std::fs::read_to_string(&config).expect("read");
    std::fs::write(&config, text.replace("workers = 1", "workers = 3")).expect("written");
    let before = api.status().await.expect("status").value.listen;
    let reply = api.upgrade(&UpgradeRequest::default()).await.expect("upgraded").value;
    let _heir = Heir(reply.pid);
    let status = std::fs::read_to_string(format!("/proc/{}/status", reply.pid)).expect("status");
    let uid = status.lines().find(|line| line.starts_with("Uid:")).expect("the field");
    assert!(uid.split_whitespace().skip(1).all(|id| id != "0"), "{uid}");
    let after = api.status().await.expect("status").value.listen;
    assert_eq!((before.https, before.dns), (after.https, after.dns));
    kill_process(pid(reply.pid), Signal::TERM).expect("sent");
    assert_eq!(child.wait().await.expect("ended").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_and_fresh_connections_are_answered_once_more_and_told_to_close() {
    let mut site = Site::start().await;
    let mut idle = sender(&site.client).await;
    let (status, closes) = ask(&mut idle).await;
    assert_eq!((status, closes), (StatusCode::OK, false));
    let mut fresh = sender(&site.client).await;
    site.upgrade().await;
    for connection in [&mut idle, &mut fresh] {
        let (status, closes) = ask(connection).await;
        assert_eq!((status, closes), (StatusCode::OK, true));
    }
    site.end().await;
}

type Sender = hyper::client::conn::http1::SendRequest<Empty<Bytes>>;

async fn sender(client: &Client) -> Sender {
    let stream = client.connect("web.internal", &["http/1.1"]).await.expect("connected");
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("open");
    conduit_tests::upstream::spawn(async move { drop(connection.await) });
    sender
}

/// One request; the status, and whether the gateway says that it closes.
async fn ask(sender: &mut Sender) -> (StatusCode, bool) {
    let request = Request::get("/").header("host", "web.internal");
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let response = sender.send_request(request).await.expect("answered");
    let status = response.status();
    let closes = response.headers().get(header::CONNECTION).is_some_and(|c| c == "close");
    response.into_body().collect().await.expect("whole");
    (status, closes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reloads_under_load_lose_nothing_and_cut_nothing() {
    let site = Site::start().await;
    let dns = site.dns;
    let mut load = Load::new();
    let client = site.client.clone();
    load.add(move || keep_alive(client.clone()));
    let client = site.client.clone();
    load.add(move || streams(client.clone()));
    load.add(move || async move {
        assert!(resolver::addresses(dns, "web.internal").await.is_some());
    });
    let mut events = site.client.get("web.internal", "/sse").await.expect("stream").into_body();
    site.upstream.listening().await;
    let mut idle = sender(&site.client).await;
    let config = site.daemon.directory.path().join("conduit.toml");
    let good = std::fs::read_to_string(&config).expect("read");
    for round in 0..10 {
        let changed = good.replace("interval = \"1s\"", &format!("interval = \"{}s\"", 40 + round));
        std::fs::write(&config, changed).expect("written");
        let reply = site.daemon.api.reload().await.expect("reloaded").value;
        assert_eq!(reply.applied, ["health.interval"]);
        site.daemon.signal(Signal::HUP);
        load.more(20).await;
        let line = format!("tick {round}");
        site.upstream.tell(&line);
        assert_eq!(frame(&mut events).await, format!("data: {line}\n\n"));
        assert_eq!(ask(&mut idle).await, (StatusCode::OK, false));
    }
    load.finish().await;
    drop((events, idle));
    site.end().await;
}
