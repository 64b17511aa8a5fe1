//! The whole request path: bytes of a client go through a real gateway over sockets, and what comes
//! out is read by a parser that is not hyper's: Sōzu's.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use conduit_core::live;
use conduit_core::tasks::Tasks;
use kawa::{Buffer, Kawa, Kind, SliceBuffer, h1};
use tokio_util::sync::CancellationToken;

use crate::access_log::AccessLog;
use crate::connect::Connector;
use crate::fixture;
use crate::limits::Limits;
use crate::listener::{BindSettings, Listeners};
use crate::metrics::ProxyMetrics;
use crate::worker::{Proxy, ProxySettings};

/// What a client sends: whatever it is, every connection to the upstream carries the beginning of
/// one request, or one whole request and nothing behind it, framed once; and all of them end when
/// the client is gone.
pub fn client_stream(data: &[u8]) {
    let gateway = Gateway::running();
    if let Ok(mut client) = TcpStream::connect(gateway.address) {
        client.set_read_timeout(Some(QUIET)).expect("a socket");
        // The other side may be gone before the end.
        let sent = client.write_all(data).and_then(|()| client.write_all(LAST));
        let mut answer = [0; 4096];
        // Until the gateway has ended the connection, or waits for more.
        while sent.is_ok() && client.read(&mut answer).is_ok_and(|count| count > 0) {}
    }
    gateway.upstream.quiet();
    let verdicts = gateway.upstream.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
    let wrong: Vec<String> = verdicts.try_iter().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A gateway in front of one upstream, for as long as the process lives.
struct Gateway {
    address: SocketAddr,
    upstream: Upstream,
    _proxy: Proxy,
    _table: live::Writer<crate::table::RouteTable>,
}

impl Gateway {
    fn running() -> &'static Self {
        static GATEWAY: OnceLock<Gateway> = OnceLock::new();
        GATEWAY.get_or_init(Self::start)
    }

    fn start() -> Self {
        let upstream = Upstream::start();
        let service = fixture::service("web", &[&upstream.address.to_string()]);
        let (table, reader) = live::channel(Arc::new(fixture::table(vec![service])));
        let listeners = Listeners::bind(&BindSettings {
            https: Vec::new(),
            http: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            workers: 1,
        })
        .expect("binds");
        let address = listeners.http_addresses()[0];
        let settings = ProxySettings {
            tls: None,
            https_port: 443,
            trust_bundle: None,
            own: None,
            trusted_proxies: Vec::new(),
            connector: Connector::default(),
            limits: Limits::default(),
            access_log: AccessLog::Daemon,
            tracer: None,
            settle: || (),
            tcp: None,
        };
        let tasks = Tasks::new(CancellationToken::new());
        let metrics = ProxyMetrics::new();
        let proxy = Proxy::start(listeners, settings, &reader, &metrics, &tasks).expect("starts");
        Self { address, upstream, _proxy: proxy, _table: table }
    }
}

/// Judges every connection, and answers what it takes for a whole request.
struct Upstream {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
    verdicts: Mutex<Receiver<String>>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("bound");
        let open = Arc::new(AtomicUsize::new(0));
        let (wrong, verdicts) = channel();
        let counted = Arc::clone(&open);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let (counted, wrong) = (Arc::clone(&counted), wrong.clone());
                thread::spawn(move || {
                    serve(stream, &wrong);
                    counted.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, open, verdicts: Mutex::new(verdicts) }
    }

    /// Waits until nobody is connected.
    fn quiet(&self) {
        for _ in 0..QUIET_TRIES_MAX {
            if self.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            thread::sleep(QUIET_TRY);
        }
        panic!("a connection to the upstream outlives its client");
    }
}

fn serve(mut stream: TcpStream, wrong: &Sender<String>) {
    let (mut came, mut piece) = (Vec::new(), [0; 4096]);
    let (mut is_asked, mut is_answered) = (false, false);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => came.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        }
        let judged = framed_once(&came).and_then(|()| read(&came));
        let is_whole = match judged {
            Ok(is_whole) => is_whole,
            Err(why) => {
                wrong.send(format!("{why}: {}", came.escape_ascii())).expect("heard");
                return;
            }
        };
        let waits = !is_asked && holds(&came, b"\r\nexpect: 100-continue\r\n");
        let answer = match (is_whole, is_answered) {
            (true, false) => OK,
            (false, _) if waits => GO_ON,
            _ => continue,
        };
        is_asked = true;
        is_answered = is_whole;
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

/// Whether Sōzu's parser takes these bytes for a whole request; an error when it takes them for none,
/// or for more than one. Sōzu refuses bytes above ASCII in values, which are legal there (RFC 9110 §5.5,
/// obs-text): they are letters here.
fn read(bytes: &[u8]) -> Result<bool, String> {
    let bytes: Vec<u8> =
        bytes.iter().map(|byte| if byte.is_ascii() { *byte } else { b'x' }).collect();
    let mut storage = vec![0; bytes.len()];
    let mut request = Kawa::new(Kind::Request, Buffer::new(SliceBuffer(&mut storage)));
    request.storage.write_all(&bytes).expect("room");
    h1::parse(&mut request, &mut h1::NoCallbacks);
    let rest = request.storage.unparsed_data();
    match (request.is_error(), request.is_terminated()) {
        (true, _) => Err(format!("no request ({:?})", request.parsing_phase)),
        (false, true) if !rest.is_empty() => Err(format!("{} bytes behind a request", rest.len())),
        (false, is_whole) => Ok(is_whole),
    }
}

/// Whether a head, once it is there, has one host, at most one framing, and no line that breaks
/// oddly: what a more forgiving reader than Sōzu's could trip over.
fn framed_once(bytes: &[u8]) -> Result<(), String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(());
    };
    let (mut hosts, mut framings) = (0, 0);
    for line in bytes[..end].split(|byte| *byte == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_ascii_lowercase();
        if line.iter().any(|byte| matches!(byte, 0 | b'\r')) {
            return Err("an odd line".to_owned());
        }
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        match name {
            b"host" => hosts += 1,
            b"content-length" => framings += 1,
            b"transfer-encoding" if line == b"transfer-encoding: chunked" => framings += 1,
            b"transfer-encoding" => return Err("another coding".to_owned()),
            _ => {}
        }
    }
    let whole_lines = bytes[..end].windows(2).all(|two| two[1] != b'\n' || two[0] == b'\r');
    match (hosts, framings, whole_lines) {
        (1, 0 | 1, true) => Ok(()),
        _ => Err(format!("{hosts} hosts, {framings} framings, bare LF: {}", !whole_lines)),
    }
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// Ends the connection, if what came before has left it usable.
const LAST: &[u8] = b"GET /last HTTP/1.1\r\nhost: web.internal\r\nconnection: close\r\n\r\n";
/// The connection is not kept, so that every request is judged alone.
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// After this silence the gateway is taken to wait for more.
const QUIET: Duration = Duration::from_millis(20);
/// How often, and how long each time, the end of all connections is waited for: ten seconds.
const QUIET_TRIES_MAX: u32 = 50_000;
const QUIET_TRY: Duration = Duration::from_micros(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_judge_knows_a_smuggled_request() {
        let one = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok";
        assert_eq!(read(one), Ok(true));
        assert_eq!(read(&one[..one.len() - 1]), Ok(false));
        assert!(read(&[&one[..], b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"].concat()).is_err());
        assert!(read(b"GET / HTTP/1.1\r\nhost : a\r\n\r\n").is_err());
        for (head, expected) in [
            ("host: a\r\n", true),
            ("", false),
            ("host: a\r\nhost: a\r\n", false),
            ("host: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n", false),
            ("host: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n", false),
            ("host: a\r\ntransfer-encoding: gzip, chunked\r\n", false),
            ("host: a\nx: y\r\n", false),
        ] {
            let head = format!("GET / HTTP/1.1\r\n{head}\r\n");
            assert_eq!(framed_once(head.as_bytes()).is_ok(), expected, "{head}");
        }
    }
}
