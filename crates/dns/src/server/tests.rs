//! The loops, over real sockets on loopback.

mod encrypted;
mod pipelining;
mod updates;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;

use conduit_core::catalog::Change;
use conduit_core::inherited::Inherited;
use conduit_core::live::Writer;
use conduit_core::service::DnsMode;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::fixture::Identity;
use crate::forward::Forwarder;
use crate::forward::settings::{Conditional, ForwardSettings};
use crate::fuzzing::{sample_zone, service, version};
use crate::https::Https;
use crate::listen::ListenAddr;
use crate::peers::Peers;
use crate::reply::{Drop, Outcome};

/// A running server; the client side is plain blocking sockets.
struct Running {
    address: SocketAddr,
    encrypted: SocketAddr,
    identity: Identity,
    https: Https,
    metrics: Metrics,
    tasks: Tasks,
    zone: Writer<Zone>,
    _policy: Writer<Policy>,
    runtime: Runtime,
}

impl Running {
    fn start(listen: &str, policy: Policy) -> Self {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listen: ListenAddr = listen.parse().expect("valid");
        let listeners = Listeners::bind(&[listen]).expect("binds");
        let address = listeners.addresses()[0];
        let identity = Identity::new(&["dns.internal"]);
        let anywhere = ["127.0.0.1:0".parse().expect("valid")];
        let listeners = listeners.with_encrypted(&anywhere, &mut Inherited::default());
        let listeners = listeners.expect("binds").with_tls(identity.server(b"dot"));
        let (encrypted, https) = (listeners.encrypted_addresses()[0], listeners.https());
        let (zone, zone_reader) = live::channel(Arc::new(sample_zone().clone()));
        let (policy, policy_reader) = live::channel(Arc::new(policy));
        let metrics = Metrics::default();
        let tasks = Tasks::new(CancellationToken::new());
        let _entered = runtime.enter();
        listeners.serve(zone_reader, policy_reader, metrics.clone(), &tasks).expect("serves");
        Self { address, encrypted, identity, https, metrics, tasks, zone, _policy: policy, runtime }
    }

    fn udp(&self, request: &[u8]) -> Vec<u8> {
        let socket = UdpSocket::bind((self.address.ip(), 0)).expect("binds");
        socket.set_read_timeout(Some(PATIENCE)).expect("sets");
        socket.connect(self.address).expect("connects");
        socket.send(request).expect("sends");
        let mut buffer = vec![0; 65_535];
        let length = socket.recv(&mut buffer).expect("an answer");
        buffer.truncate(length);
        buffer
    }

    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("sets");
        stream
    }

    fn ask(&self, name: &str, rtype: RecordType) -> Message {
        Message::from_vec(&self.udp(&query(name, rtype))).expect("parses")
    }

    /// Stops and says which service died before it was told to.
    fn stop(self) -> Option<&'static str> {
        self.tasks.stop().cancel();
        self.runtime.block_on(self.tasks.finish());
        assert_eq!(self.tasks.panics(), 0);
        self.tasks.died()
    }
}

fn query(name: &str, rtype: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("valid"), rtype));
    message.to_vec().expect("encodes")
}

fn framed(request: &[u8]) -> Vec<u8> {
    let length = u16::try_from(request.len()).expect("short");
    [&length.to_be_bytes(), request].concat()
}

fn read_framed(stream: &mut impl Read) -> Message {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a length");
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).expect("a reply");
    Message::from_vec(&reply).expect("parses")
}

fn addresses(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| record.data.to_string()).collect()
}

#[test]
fn both_transports_answer_at_the_same_port() {
    let server = Running::start("127.0.0.1:0", Policy::default());
    let reply = server.ask("grafana.internal.", RecordType::A);
    assert_eq!(addresses(&reply), ["127.0.0.1"]);
    assert!(server.ask("many.internal.", RecordType::A).metadata.truncation);

    let mut stream = server.tcp();
    // Two requests in one segment, then one in pieces.
    let first = framed(&query("many.internal.", RecordType::A));
    let second = framed(&query("db.internal.", RecordType::A));
    stream.write_all(&[first.clone(), second].concat()).expect("writes");
    assert_eq!(read_framed(&mut stream).answers.len(), 64);
    assert_eq!(addresses(&read_framed(&mut stream)), ["10.0.1.52"]);
    for piece in first.chunks(5) {
        stream.write_all(piece).expect("writes");
    }
    assert_eq!(read_framed(&mut stream).answers.len(), 64);
    let counted = server.metrics.queries(Transport::Tcp, Outcome::Records);
    assert_eq!(counted, 3);
    assert_eq!(server.stop(), None);
}

#[test]
fn garbage_gets_one_reply_or_none_and_never_ends_the_loop() {
    let server = Running::start("127.0.0.1:0", Policy::default());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
    socket.set_read_timeout(Some(PATIENCE)).expect("sets");
    socket.connect(server.address).expect("connects");
    let mut two = query("grafana.internal.", RecordType::A);
    two[5] = 2;
    let mut response = query("grafana.internal.", RecordType::A);
    response[2] |= 0x80;
    let garbage: [&[u8]; 6] = [&[], &[1], &[0xff; 512], &response, &[7; 11], &two];
    for request in garbage {
        socket.send(request).expect("sends");
    }
    // Only the last may be answered; one reply each, in order, shows that the others were not.
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).expect("a reply");
    let reply = Message::from_vec(&buffer[..length]).expect("parses");
    assert_eq!(reply.metadata.response_code, ResponseCode::FormErr);
    assert_eq!(addresses(&server.ask("db.internal.", RecordType::A)), ["10.0.1.52"]);
    assert_eq!(server.metrics.dropped(Drop::Short), 3);
    assert_eq!(server.metrics.dropped(Drop::Response), 2);
    assert_eq!(server.stop(), None);
}

#[test]
fn a_tcp_client_that_does_wrong_loses_its_connection_only() {
    let server = Running::start("127.0.0.1:0", Policy::default());
    let mut greedy = server.tcp();
    greedy.write_all(&[0xff, 0xff, 1, 2, 3]).expect("writes");
    let mut rest = Vec::new();
    // Closed, by an end or a reset, without a reply.
    let _closed = greedy.read_to_end(&mut rest);
    assert!(rest.is_empty());
    let mut empty = server.tcp();
    empty.write_all(&[0, 0]).expect("writes");
    assert_eq!(empty.read_to_end(&mut rest).ok(), Some(0));
    let mut good = server.tcp();
    good.write_all(&framed(&query("db.internal.", RecordType::A))).expect("writes");
    assert_eq!(addresses(&read_framed(&mut good)), ["10.0.1.52"]);
    assert_eq!(server.metrics.dropped(Drop::Abuse), 1);
    assert_eq!(server.stop(), None);
}

#[tokio::test(start_paused = true)]
async fn a_tcp_client_that_waits_too_long_is_closed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listeners = Listeners::bind(&["127.0.0.1:0".parse().expect("valid")]).expect("binds");
    let address = listeners.addresses()[0];
    let (_zone, zone) = live::channel(Arc::new(sample_zone().clone()));
    let (_policy, policy) = live::channel(Arc::new(Policy::default()));
    let (metrics, tasks) = (Metrics::default(), Tasks::new(CancellationToken::new()));
    let served = listeners.serve(zone, policy, metrics.clone(), &tasks);
    served.expect("serves");
    let mut slow = tokio::net::TcpStream::connect(address).await.expect("connects");
    slow.write_all(&[0]).await.expect("writes");
    let mut rest = Vec::new();
    assert_eq!(slow.read_to_end(&mut rest).await.ok(), Some(0));
    assert_eq!(metrics.dropped(Drop::Abuse), 1);
    tasks.stop().cancel();
    tasks.finish().await;
}

#[test]
fn a_listed_secondary_copies_the_zone_and_follows() {
    let networks = vec!["127.0.0.0/8".parse().expect("valid")];
    let peers = Peers { transfer_to: networks, ..Peers::default() };
    let policy = Policy { peers: Arc::new(peers), ..Policy::default() };
    let mut server = Running::start("127.0.0.1:0", policy);
    let mut stream = server.tcp();
    let mut transfer = |rtype: RecordType, has: Option<u32>| {
        let mut request = Message::query();
        let zone = Name::from_ascii("internal.").expect("valid");
        request.add_query(Query::query(zone.clone(), rtype));
        if let Some(serial) = has {
            let soa = SOA::new(zone.clone(), zone.clone(), serial, 0, 0, 0, 0);
            request.add_authority(Record::from_rdata(zone, 0, RData::SOA(soa)));
        }
        stream.write_all(&framed(&request.to_vec().expect("encodes"))).expect("writes");
        read_framed(&mut stream).answers
    };
    let serial = |record: &Record| match &record.data {
        RData::SOA(soa) => soa.serial,
        other => panic!("{other}"),
    };
    let whole = transfer(RecordType::AXFR, None);
    assert_eq!((serial(&whole[0]), whole.first(), whole.len() > 70), (7, whole.last(), true));
    assert_eq!(transfer(RecordType::IXFR, Some(7)).len(), 1);

    let moved = service("db", &["db.internal"], &["10.0.1.99:5432"], DnsMode::Direct);
    let next = server.zone.current().with(&[Change::Put(Arc::new(moved))], version(8));
    server.zone.publish(Arc::new(next));
    let changes = transfer(RecordType::IXFR, Some(7));
    let serials: Vec<u32> =
        changes.iter().filter(|r| r.record_type() == RecordType::SOA).map(serial).collect();
    assert_eq!(serials, [8, 7, 8, 8]);
    assert_eq!(changes.len(), 4 + 3, "two addresses go, one comes");
    assert_eq!(server.metrics.queries(Transport::Tcp, Outcome::Transfer), 3);
    assert_eq!(server.stop(), None);
}

#[test]
fn there_are_only_so_many_tcp_connections() {
    let server = Running::start("127.0.0.1:0", Policy::default());
    let held: Vec<TcpStream> = (0..tcp::CONNECTIONS_MAX).map(|_| server.tcp()).collect();
    let mut one_more = server.tcp();
    assert_eq!(one_more.read_to_end(&mut Vec::new()).ok(), Some(0));
    assert_eq!(server.metrics.dropped(Drop::Connections), 1);
    let reply = server.ask("db.internal.", RecordType::A);
    assert_eq!(addresses(&reply), ["10.0.1.52"]);
    drop(held);
    assert_eq!(server.stop(), None);
}

#[test]
fn a_wildcard_answers_from_and_with_the_address_of_arrival() {
    let server = Running::start("0.0.0.0:0", Policy::default());
    for arrival in ["127.0.0.1", "127.0.0.5"] {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
        socket.set_read_timeout(Some(PATIENCE)).expect("sets");
        // A connected socket hears only the address it is connected to.
        socket.connect((arrival, server.address.port())).expect("connects");
        socket.send(&query("grafana.internal.", RecordType::A)).expect("sends");
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).expect("a reply from there");
        let reply = Message::from_vec(&buffer[..length]).expect("parses");
        assert_eq!(addresses(&reply), [arrival]);
        let mut stream = TcpStream::connect((arrival, server.address.port())).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("sets");
        stream.write_all(&framed(&query("grafana.internal.", RecordType::A))).expect("writes");
        assert_eq!(addresses(&read_framed(&mut stream)), [arrival]);
    }
    assert_eq!(server.stop(), None);
}

#[test]
fn a_publication_is_seen_by_the_next_query() {
    let mut server = Running::start("127.0.0.1:0", Policy::default());
    for generation in 8..208 {
        let name = format!("n{generation}");
        let host = format!("{name}.internal");
        let mode = DnsMode::Direct;
        let fresh = service(&name, &[&host], &["10.9.9.9:80"], mode);
        let before = server.ask(&format!("{host}."), RecordType::A);
        assert_eq!(before.metadata.response_code, ResponseCode::NXDomain);
        let change = Change::Put(Arc::new(fresh));
        let next = server.zone.current().with(&[change], version(generation));
        server.zone.publish(Arc::new(next));
        let after = server.ask(&format!("{host}."), RecordType::A);
        assert_eq!(addresses(&after), ["10.9.9.9"]);
    }
    assert_eq!(server.stop(), None);
}

#[test]
fn others_names_are_asked_elsewhere() {
    // The other server is one of ours, with other names.
    let other = Running::start("127.0.0.1:0", Policy::default());
    let mut mine = sample_zone().clone();
    let domains = conduit_core::domains::Domains::new(vec![crate::fuzzing::host("corp")]);
    let settings = crate::zone::ZoneSettings::new(domains.expect("some"));
    mine = Zone::compile(&conduit_core::catalog::Catalog::default(), mine.version(), &settings);
    // Its names are inside ones, with addresses of the inside.
    let settings = ForwardSettings {
        forwarders: Vec::new(),
        conditional: vec![Conditional {
            domains: vec!["internal".parse().expect("valid")],
            to: vec![other.address.into()],
            is_validated: true,
        }],
        ..ForwardSettings::default()
    };
    let forwarder = Forwarder::new(settings, &[], &Interfaces::default(), None);
    let policy = Policy { forwarder: Some(forwarder.expect("builds")), ..Policy::default() };
    let mut server = Running::start("127.0.0.1:0", policy);
    server.zone.publish(Arc::new(mine));
    let reply = server.ask("db.internal.", RecordType::A);
    assert_eq!(addresses(&reply), ["10.0.1.52"]);
    assert!(reply.metadata.recursion_available && !reply.metadata.authoritative);
    let nothing = server.ask("nope.internal.", RecordType::A);
    assert_eq!(nothing.metadata.response_code, ResponseCode::NXDomain);
    let ours = server.ask("nope.corp.", RecordType::A);
    assert_eq!(ours.metadata.response_code, ResponseCode::NXDomain);
    assert!(ours.metadata.authoritative);
    let mut stream = server.tcp();
    stream.write_all(&framed(&query("many.internal.", RecordType::A))).expect("writes");
    assert_eq!(read_framed(&mut stream).answers.len(), 64);
    assert_eq!(other.metrics.queries(Transport::Udp, Outcome::NxDomain), 1);
    assert_eq!((server.stop(), other.stop()), (None, None));
}

#[test]
fn ipv6_queries_get_the_interfaces_ipv4_address() {
    if UdpSocket::bind("[::1]:0").is_err() {
        drop(writeln!(std::io::stderr(), "SKIPPED: no IPv6 here"));
        return;
    }
    let server = Running::start("[::1]:0", Policy::default());
    let reply = server.ask("grafana.internal.", RecordType::A);
    assert!(matches!(reply.answers[0].data, RData::A(a) if a.is_loopback()));
    let reply = server.ask("grafana.internal.", RecordType::AAAA);
    assert_eq!(addresses(&reply), ["::1"]);
    assert_eq!(server.stop(), None);
}

#[test]
fn dig_agrees() {
    let server = Running::start("127.0.0.1:0", Policy::default());
    let port = server.address.port().to_string();
    let dig = |arguments: &[&str]| {
        let fixed = ["@127.0.0.1", "-p", &port, "+tries=1", "+time=5"];
        let output = Command::new("dig").args(fixed).args(arguments).output();
        output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
    };
    let Ok(short) = dig(&["+short", "grafana.internal"]) else {
        drop(writeln!(std::io::stderr(), "SKIPPED: dig is not here"));
        return;
    };
    assert_eq!(short.trim(), "127.0.0.1");
    for (arguments, expected) in [
        (&["many.internal"][..], "ANSWER: 64"),
        (&["+short", "-x", "10.0.1.52"], "db.internal."),
        (&["+short", "internal", "NS"], "conduit.internal."),
        (&["nope.internal"], "status: NXDOMAIN"),
        (&["grafana.internal", "HTTPS"], "status: NOERROR"),
        (&["+edns=7", "+noednsneg", "grafana.internal"], "status: BADVERS"),
        (&["+opcode=UPDATE", "internal"], "status: NOTIMP"),
        (&["CH", "TXT", "version.bind"], "status: REFUSED"),
        (&["+tcp", "grafana.internal", "ANY"], "127.0.0.1"),
    ] {
        let text = dig(arguments).expect("dig runs");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(!text.contains("malformed"), "{text}");
    }
    assert_eq!(server.stop(), None);
}

/// How long a client here waits before it calls a reply missing.
const PATIENCE: Duration = Duration::from_secs(10);
