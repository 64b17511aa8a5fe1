//! Byte streams through the gateway, as clients of real databases see them.

use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use conduit_api::v1::services::RegisterService;
use conduit_core::policy::{Policy, Preset};
use conduit_tests::gateway::PATIENCE;
use conduit_tests::{Gateway, resolver};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread")]
async fn a_port_follows_its_service_and_so_do_names_and_urls() {
    let gateway = Gateway::start().await;
    let (upstream, port) = (echo().await, free_port());
    gateway.register_with("db", &[&upstream], through(port, |_| {})).await.expect("registered");
    let own = Some(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    assert_eq!(resolver::addresses(gateway.dns, "db.internal").await, own);
    let service = gateway.until("db", "healthy", |s| s.health_status.as_str() == "healthy").await;
    assert_eq!(service.url.as_deref(), Some(&*format!("tcp://db.internal:{port}")));
    let mut client = dial(port).await;
    assert_eq!(asked(&mut client, "before").await, "before");
    let metrics = gateway.api.metrics().await.expect("metrics");
    assert!(metrics.contains("proxy_tcp_connections_open{service=\"db\"} 1"), "{metrics}");

    gateway.api.deregister("db").await.expect("deregistered");
    let end = tokio::time::Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(tokio::time::Instant::now() < end, "the port stays open");
    }
    assert_eq!(asked(&mut client, "after").await, "after");
    // It is there at once when it comes again, and when the gateway does.
    gateway.register_with("db", &[&upstream], through(port, |_| {})).await.expect("registered");
    assert_eq!(asked(&mut dial(port).await, "again").await, "again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_cannot_be_had_is_refused_whole() {
    let gateway = Gateway::start().await;
    let (upstream, port) = (echo().await, free_port());
    let holder = TcpListener::bind(("127.0.0.1", port)).expect("free");
    let generation = gateway.api.status().await.expect("status").value.generation;
    let refused = gateway.register_with("db", &[&upstream], through(port, |_| {})).await;
    let error = refused.expect_err("taken").to_string();
    let pid = format!("(pid {})", std::process::id());
    assert!(error.contains(&port.to_string()) && error.contains(&pid), "{error}");
    for own in [gateway.https, gateway.http, gateway.admin, gateway.dns] {
        let refused = gateway.register_with("db", &[&upstream], through(own.port(), |_| {})).await;
        let error = refused.expect_err("ours").to_string();
        assert!(error.contains(&own.port().to_string()), "{error}");
    }
    assert_eq!(gateway.api.status().await.expect("status").value.generation, generation);
    assert_eq!(resolver::addresses(gateway.dns, "db.internal").await, None);
    drop(holder);
    gateway.register_with("db", &[&upstream], through(port, |_| {})).await.expect("free now");
    assert_eq!(asked(&mut dial(port).await, "x").await, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_at_a_restart_is_told_and_taken_up_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    let (upstream, port) = (echo().await, free_port());
    let gateway = Gateway::start_in(&state, "").await;
    gateway.register_with("db", &[&upstream], through(port, |_| {})).await.expect("registered");
    assert!(gateway.stop());
    let holder = TcpListener::bind(("127.0.0.1", port)).expect("free");
    let gateway = Gateway::start_in(&state, "").await;
    let service = gateway.service("db").await;
    assert_eq!(service.health_status.as_str(), "down");
    assert!(service.health_reason.is_some_and(|why| why.contains(&port.to_string())));
    drop(holder);
    gateway.until("db", "healthy", |s| s.health_status.as_str() == "healthy").await;
    assert_eq!(asked(&mut dial(port).await, "x").await, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_plain_ended_and_passed_through() {
    if !have(&["redis-server", "redis-cli", "openssl"]) {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let own = certificate(directory.path(), "passed.internal");
    let (plain, secure) = (free_port(), free_port());
    let _redis = Running::start(
        Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--port"])
            .arg(plain.to_string())
            .args(["--tls-auth-clients", "no", "--tls-port", &secure.to_string()])
            .arg("--tls-cert-file")
            .arg(&own.certificate)
            .arg("--tls-key-file")
            .arg(&own.key)
            .arg("--dir")
            .arg(directory.path()),
        &[plain, secure],
    );
    let gateway = Gateway::start().await;
    let (direct, shared) = (free_port(), free_port());
    let (at, secure_at) = (format!("127.0.0.1:{plain}"), format!("127.0.0.1:{secure}"));
    let redis = |policy: &mut Policy| policy.preset = Some(Preset::Redis);
    gateway.register_with("plain", &[&at], through(direct, redis)).await.expect("registered");
    let ended = |service: &mut RegisterService| {
        through(shared, redis)(service);
        service.tls = Some(true);
    };
    gateway.register_with("ended", &[&at], ended).await.expect("registered");
    let passed = through(shared, |policy| policy.tls_passthrough = Some(true));
    gateway.register_with("passed", &[&secure_at], passed).await.expect("registered");

    let cli = |port: u16, name: &str, trusted: Option<&Path>| {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        if let Some(trusted) = trusted {
            command.args(["--tls", "--sni", name, "--cacert"]).arg(trusted);
        }
        output(command.args(["INCR", "counter"]))
    };
    let bundle = gateway.state.join("tls/ca.crt");
    assert_eq!(cli(direct, "", None), (true, "1".to_owned()));
    assert_eq!(cli(shared, "ended.internal", Some(&bundle)), (true, "2".to_owned()));
    assert_eq!(cli(shared, "passed.internal", Some(&own.certificate)), (true, "3".to_owned()));
    assert!(!cli(shared, "passed.internal", Some(&bundle)).0, "it shows its own certificate");
    assert!(!cli(shared, "nobody.internal", Some(&bundle)).0);
    // The tick of `conduit status` is a handshake on this port.
    let checks = gateway.until("ended", "checked", |s| s.checks.tls.is_some()).await.checks;
    assert!(checks.tls.expect("tried").ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_plain_ended_and_passed_through() {
    let path = std::env::var("PATH").unwrap_or_default();
    if !have(&["initdb", "postgres", "psql", "openssl"]) {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let own = certificate(directory.path(), "passed.internal");
    let data = directory.path().join("data");
    let as_postgres = |program: &str| {
        let mut command = Command::new(program);
        command.env("PATH", &path).current_dir("/");
        // It does not run as root.
        if let (true, Some((user, group))) = (rustix::process::geteuid().is_root(), postgres()) {
            command.uid(user).gid(group);
        }
        command
    };
    if rustix::process::geteuid().is_root() {
        assert!(output(Command::new("chown").args(["-R", "postgres"]).arg(directory.path())).0);
    }
    let (made, told) =
        output(as_postgres("initdb").args(["-A", "trust", "-U", "postgres", "-D"]).arg(&data));
    assert!(made, "{told}");
    let port = free_port();
    let _postgres = Running::start(
        as_postgres("postgres")
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "ssl=on"])
            .args(["-c", "fsync=off", "-c", "unix_socket_directories="])
            .args(["-c", &format!("ssl_cert_file={}", own.certificate.display())])
            .args(["-c", &format!("ssl_key_file={}", own.key.display())]),
        &[port],
    );
    let gateway = Gateway::start().await;
    let (direct, shared, at) = (free_port(), free_port(), format!("127.0.0.1:{port}"));
    let preset = |policy: &mut Policy| policy.preset = Some(Preset::Postgres);
    gateway.register_with("plain", &[&at], through(direct, preset)).await.expect("registered");
    let ended = |service: &mut RegisterService| {
        through(shared, preset)(service);
        service.tls = Some(true);
    };
    gateway.register_with("ended", &[&at], ended).await.expect("registered");
    let passed = through(shared, |policy| {
        preset(policy);
        policy.tls_passthrough = Some(true);
    });
    gateway.register_with("passed", &[&at], passed).await.expect("registered");

    let bundle = gateway.state.join("tls/ca.crt");
    let ask = |port: u16, name: &str, mode: &str, trusted: &Path| {
        let target = format!(
            "host={name}.internal hostaddr=127.0.0.1 port={port} user=postgres dbname=postgres \
             sslmode={mode} sslrootcert={}",
            trusted.display()
        );
        // Whether the server sees TLS says where it was ended.
        let query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
        output(Command::new("psql").arg(target).args(["-XtAc", query]))
    };
    let end = tokio::time::Instant::now() + PATIENCE;
    while !ask(direct, "plain", "disable", &bundle).0 {
        assert!(tokio::time::Instant::now() < end, "postgres does not start");
    }
    assert_eq!(ask(direct, "plain", "disable", &bundle), (true, "f".to_owned()));
    // On a plain port its own wish for TLS is the upstream's to grant.
    assert_eq!(ask(direct, "plain", "require", Path::new("/none")), (true, "t".to_owned()));
    assert_eq!(ask(shared, "ended", "verify-full", &bundle), (true, "f".to_owned()));
    assert_eq!(ask(shared, "passed", "verify-full", &own.certificate), (true, "t".to_owned()));
    assert!(!ask(shared, "passed", "verify-full", &bundle).0, "it shows its own certificate");
    assert!(!ask(shared, "nobody", "require", Path::new("/none")).0);
}

/// Asks for a port of the gateway.
pub(super) fn through(
    port: u16,
    more: impl FnOnce(&mut Policy),
) -> impl FnOnce(&mut RegisterService) {
    move |service| {
        let mut policy = Policy { listen: Some(port), ..Policy::default() };
        more(&mut policy);
        (service.protocol, service.policy) = (Some("tcp".into()), Some(Box::new(policy)));
    }
}

pub(super) async fn echo() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound").to_string();
    conduit_tests::upstream::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            conduit_tests::upstream::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await.ok();
            });
        }
    });
    address
}

pub(super) async fn dial(port: u16) -> tokio::net::TcpStream {
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("connects")
}

pub(super) async fn asked(client: &mut tokio::net::TcpStream, text: &str) -> String {
    client.write_all(text.as_bytes()).await.expect("sent");
    let mut answer = vec![0; text.len()];
    client.read_exact(&mut answer).await.expect("answered");
    String::from_utf8(answer).expect("text")
}

/// A port that nobody has; below those that the system gives away by itself.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 1_200).expect("small") * 16;
    loop {
        let port = 12_500 + (first + NEXT.fetch_add(1, Ordering::SeqCst)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Whether these programs are here; says so when the test is skipped.
fn have(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| {
        let found = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        found.is_err()
    });
    if let Some(missing) = missing {
        conduit_tests::skipped(&format!("{missing} is not installed"));
    }
    missing.is_none()
}

/// The user and the group that Postgres runs as.
fn postgres() -> Option<(u32, u32)> {
    let number = |flag| output(Command::new("id").args([flag, "postgres"])).1.parse().ok();
    Some((number("-u")?, number("-g")?))
}

struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
}

/// A certificate for one name that is its own root.
fn certificate(directory: &Path, name: &str) -> Certificate {
    let (certificate, key) = (directory.join("own.crt"), directory.join("own.key"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args(["-nodes", "-days", "2", "-subj", &format!("/CN={name}")]);
    openssl.args(["-addext", &format!("subjectAltName=DNS:{name}"), "-keyout"]).arg(&key);
    let (made, told) = output(openssl.arg("-out").arg(&certificate));
    assert!(made, "{told}");
    Certificate { certificate, key }
}

/// Whether a program succeeded, and what it printed.
fn output(command: &mut Command) -> (bool, String) {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let printed = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8_lossy(&printed).trim().to_owned())
}

/// A server of its own, until the test ends.
struct Running(Child);

impl Running {
    fn start(command: &mut Command, ports: &[u16]) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        let running = Self(child);
        let end = tokio::time::Instant::now() + PATIENCE;
        for port in ports {
            while TcpStream::connect(("127.0.0.1", *port)).is_err() {
                assert!(tokio::time::Instant::now() < end, "nobody listens on {port}");
                std::thread::yield_now();
            }
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
