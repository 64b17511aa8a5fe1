//! Files of other programs: taken over as one decision, and answered as those programs answer.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use conduit_tests::daemon::Daemon;
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");

/// The code and the answers, sorted.
async fn asked(server: SocketAddr, name: &str, kind: RecordType) -> String {
    let reply = recursively(server, name, kind).await;
    let mut all: Vec<String> =
        reply.answers.iter().map(|r| format!("{} {}", r.record_type(), r.data)).collect();
    all.sort();
    format!("{} {}", reply.metadata.response_code, all.join(", "))
}

/// Asks as resolvers of machines do: for whatever it takes.
async fn recursively(server: SocketAddr, name: &str, kind: RecordType) -> Message {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(Name::from_ascii(format!("{name}.")).expect("a name"), kind));
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    socket.connect(server).await.expect("connected");
    socket.send(&query.to_vec().expect("encodes")).await.expect("sent");
    let mut buffer = [0; 4096];
    let received = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut buffer));
    let length = received.await.expect("in time").expect("an answer");
    Message::from_vec(&buffer[..length]).expect("a message")
}

/// A dnsmasq that ends with the test.
struct Dnsmasq(Child);

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_dnsmasq_answers_as_dnsmasq_does() {
    if Command::new("dnsmasq").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: there is no dnsmasq here");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let hosts = directory.path().join("extra");
    std::fs::write(&hosts, "10.0.0.21 printer.internal\n10.0.0.22 scanner.example scan.example\n")
        .expect("written");
    // Where no other test is: a port of 127.0.0.1 may be taken again before dnsmasq has it.
    let free = UdpSocket::bind("127.66.9.1:0").expect("a port").local_addr().expect("bound");
    let text = format!(
        "port={}\nlisten-address=127.66.9.1\nbind-interfaces\nno-resolv\nno-hosts\nstop-dns-rebind\n\
         addn-hosts={}\naddress=/app.internal/10.0.0.1\nhost-record=nas.internal,10.0.0.5,fd00::5\n\
         cname=www.internal,nas.internal\nmx-host=internal,mail.internal,50\n\
         srv-host=_pg._tcp.internal,db.internal,5432,1,2\ntxt-record=txt.internal,\"v=spf1, a\",b\n\
         ptr-record=9.0.0.10.in-addr.arpa,nine.internal\ncaa-record=caa.internal,0,issue,ca.internal\n\
         address=/ads.example/\naddress=/null.example/#\naddress=/far.example/10.0.0.9\n\
         host-record=one.example,10.0.0.8\nlocal=/lan.example/\nlocal=/internal/\ndhcp-range=10.0.0.50,10.0.0.60\n\
         cname=paper.internal,scanner.example\ncname=old.example,one.example\n",
        free.port(),
        hosts.display()
    );
    let file = directory.path().join("dnsmasq.conf");
    std::fs::write(&file, text).expect("written");
    let file = file.display().to_string();
    let _dnsmasq = Dnsmasq(started(&file, free));

    // What it prints for the configuration is a configuration.
    let first = Daemon::start(BINARY).await;
    let (code, said) = first.run(BINARY, &["import", &file, "--dry-run", "--json"]).await;
    assert_eq!(code, Some(0), "{said}");
    let told: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(told["not_carried"].as_array().map(Vec::len), Some(1), "{said}");
    assert_eq!(
        (&told["not_carried"][0]["line"], &told["import"]["changed"]),
        (&22.into(), &false.into())
    );
    let configuration = told["configuration"].as_str().expect("text");
    let listen = format!("\"{free}\"");
    let configuration = configuration.replace(&listen, "\"127.0.0.1:0\"");

    let daemon = Daemon::start_with(BINARY, &configuration).await;
    let (code, said) = daemon.run(BINARY, &["import", &file]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("Imported 0 services and 12 records (dnsmasq).\n"), "{said}");
    let (_, again) = daemon.run(BINARY, &["import", &file]).await;
    assert!(again.starts_with("Nothing changed: "), "{again}");
    let (_, audit) = daemon.run(BINARY, &["audit", "tail", "--json"]).await;
    assert_eq!(audit.matches("\"import\"").count(), 1, "{audit}");

    let listen = daemon.api.dns().await.expect("a list").value.listen;
    let ours: SocketAddr = listen[0].parse().expect("an address");
    for (name, kind) in [
        ("app.internal", RecordType::A),
        ("x.app.internal", RecordType::A),
        ("nas.internal", RecordType::A),
        ("nas.internal", RecordType::AAAA),
        ("5.0.0.10.in-addr.arpa", RecordType::PTR),
        ("www.internal", RecordType::A),
        ("internal", RecordType::MX),
        ("_pg._tcp.internal", RecordType::SRV),
        ("txt.internal", RecordType::TXT),
        ("9.0.0.10.in-addr.arpa", RecordType::PTR),
        ("caa.internal", RecordType::CAA),
        ("nope.internal", RecordType::A),
        ("ads.example", RecordType::A),
        ("x.ads.example", RecordType::AAAA),
        ("null.example", RecordType::A),
        ("null.example", RecordType::AAAA),
        ("a.far.example", RecordType::A),
        ("one.example", RecordType::A),
        ("8.0.0.10.in-addr.arpa", RecordType::PTR),
        ("x.lan.example", RecordType::A),
        ("printer.internal", RecordType::A),
        ("21.0.0.10.in-addr.arpa", RecordType::PTR),
        ("scan.example", RecordType::A),
        ("22.0.0.10.in-addr.arpa", RecordType::PTR),
        ("paper.internal", RecordType::A),
        ("old.example", RecordType::A),
    ] {
        let theirs = asked(free, name, kind).await;
        assert_eq!(asked(ours, name, kind).await, theirs, "{name} {kind}");
    }
}

/// Starts it, and waits until it answers. Trying to take its port would be in its way.
fn started(file: &str, at: SocketAddr) -> Child {
    let mut command = Command::new("dnsmasq");
    command.arg("--keep-in-foreground").arg(format!("--conf-file={file}"));
    command.arg("--pid-file").stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("started");
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_ascii("internal.").expect("a name"), RecordType::MX));
    let query = query.to_vec().expect("encodes");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(at).expect("connected");
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("set");
    let since = std::time::SystemTime::now();
    while socket.send(&query).and_then(|_| socket.recv(&mut [0; 512])).is_err() {
        assert_eq!(child.try_wait().expect("asked"), None, "dnsmasq ended");
        assert!(since.elapsed().expect("a clock") < Duration::from_secs(20), "no dnsmasq");
        std::thread::yield_now();
    }
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosts_file_and_a_caddyfile_are_taken_over_and_told() {
    let daemon = Daemon::start(BINARY).await;
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let caddyfile = write(
        "Caddyfile",
        "web.internal {\n\treverse_proxy 127.0.0.1:9\n\tencode gzip\n}\nfiles.internal {\n\tfile_server\n}\n",
    );
    let (code, said) = daemon.run(BINARY, &["import", &caddyfile]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with("Imported 1 service and 0 records (caddyfile).\n  web created\n"),
        "{said}"
    );
    assert!(said.contains(&format!("{caddyfile}:6: file_server\n")), "{said}");

    let hosts = write(
        "hosts",
        "127.0.0.1 localhost\n10.0.0.5 nas.internal far.example\n10.0.0.6 web.internal\n",
    );
    let (code, said) = daemon.run(BINARY, &["import", &hosts, "--dry-run"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with(
            "Would import 0 services and 1 record (hosts).\n  nas.internal A 10.0.0.5\n"
        ),
        "{said}"
    );
    assert!(said.contains(&format!("{hosts}:3: web.internal A 10.0.0.6\n")), "{said}");
    assert!(said.contains("hosts_files = ["), "{said}");
    let listen = daemon.api.dns().await.expect("a list").value.listen;
    let ours: SocketAddr = listen[0].parse().expect("an address");
    assert!(asked(ours, "nas.internal", RecordType::A).await.starts_with("Non-Existent"));
    let (code, said) = daemon.run(BINARY, &["import", &hosts]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(asked(ours, "nas.internal", RecordType::A).await.ends_with("A 10.0.0.5"));
}
