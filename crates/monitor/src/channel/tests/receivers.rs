//! Receivers of alerts: HTTP with and without TLS, SMTP with STARTTLS, and logs.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conduit_core::tasks::Tasks;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UdpSocket, UnixDatagram};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// What came.
pub(super) struct Received {
    pub(super) name: &'static str,
    /// The head of a request, or the commands before a mail.
    pub(super) head: String,
    pub(super) body: String,
}

/// All receivers of a test, on ports of their own.
pub(super) struct Receivers {
    tasks: Tasks,
    tell: mpsc::Sender<Received>,
    told: mpsc::Receiver<Received>,
    pub(super) seen: Vec<&'static str>,
    /// Statuses that HTTP answers with; 200 when there is none.
    pub(super) answers: Arc<Mutex<VecDeque<u16>>>,
    acceptor: TlsAcceptor,
    roots: RootCertStore,
    silent: Vec<TcpListener>,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Receivers {
    pub(super) fn new() -> Self {
        let made =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("a server");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let (tell, told) = mpsc::channel(100);
        let tasks = Tasks::new(CancellationToken::new());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let answers = Arc::default();
        Self { tasks, tell, told, seen: Vec::new(), answers, acceptor, roots, silent: Vec::new() }
    }

    /// A client that trusts the receivers.
    pub(super) fn tls(&self) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        Arc::new(config)
    }

    /// What comes next; a test that waits for nothing must fail and not hang.
    pub(super) async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(Duration::from_secs(30), self.told.recv()).await;
        next.expect("something comes").expect("receivers run")
    }

    /// Whether everything that came was looked at.
    pub(super) fn told_nothing_more(&mut self) -> bool {
        self.told.try_recv().is_err()
    }

    pub(super) async fn http(&self, name: &'static str, is_tls: bool) -> String {
        let (listener, port) = bound().await;
        let (tell, answers) = (self.tell.clone(), Arc::clone(&self.answers));
        let acceptor = self.acceptor.clone();
        self.tasks.job("http receiver", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream: Box<dyn Duplex> = if is_tls {
                    Box::new(acceptor.accept(stream).await.expect("TLS"))
                } else {
                    Box::new(stream)
                };
                let status = answers.lock().expect("a lock").pop_front().unwrap_or(200);
                if let Some((head, body)) = answer_http(stream, status).await {
                    tell.send(Received { name, head, body }).await.expect("a test");
                }
            }
        });
        format!("{}://127.0.0.1:{port}/", if is_tls { "https" } else { "http" })
    }

    /// Takes connections and says nothing.
    pub(super) async fn silent(&mut self) -> String {
        let (listener, port) = bound().await;
        self.silent.push(listener);
        format!("http://127.0.0.1:{port}/")
    }

    /// A port where nobody listens.
    pub(super) async fn closed(&self) -> String {
        let (_, port) = bound().await;
        format!("http://127.0.0.1:{port}/")
    }

    pub(super) async fn udp(&self, name: &'static str) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
        let port = socket.local_addr().expect("an address").port();
        let tell = self.tell.clone();
        self.tasks.job("udp receiver", async move {
            let mut buffer = vec![0; 4_096];
            while let Ok(count) = socket.recv(&mut buffer).await {
                let body = String::from_utf8_lossy(&buffer[..count]).into_owned();
                tell.send(Received { name, head: String::new(), body }).await.expect("a test");
            }
        });
        format!("udp://127.0.0.1:{port}")
    }

    pub(super) async fn unix(&self, name: &'static str, dir: &Path) -> String {
        let path = dir.join("log");
        let socket = UnixDatagram::bind(&path).expect("binds");
        let tell = self.tell.clone();
        self.tasks.job("unix receiver", async move {
            let mut buffer = vec![0; 4_096];
            while let Ok(count) = socket.recv(&mut buffer).await {
                let body = String::from_utf8_lossy(&buffer[..count]).into_owned();
                tell.send(Received { name, head: String::new(), body }).await.expect("a test");
            }
        });
        format!("unix://{}", path.display())
    }

    /// A log over TCP: the length of each line stands before it.
    pub(super) async fn tcp_log(&self, name: &'static str) -> String {
        let (listener, port) = bound().await;
        let tell = self.tell.clone();
        self.tasks.job("tcp receiver", async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut text = String::new();
                stream.read_to_string(&mut text).await.expect("text");
                let (length, body) = text.split_once(' ').expect("a length");
                assert_eq!(length.parse::<usize>().expect("a number"), body.len());
                let body = body.to_owned();
                tell.send(Received { name, head: String::new(), body }).await.expect("a test");
            }
        });
        format!("tcp://127.0.0.1:{port}")
    }

    pub(super) async fn smtp(&self, name: &'static str) -> String {
        let (listener, port) = bound().await;
        let (tell, acceptor) = (self.tell.clone(), self.acceptor.clone());
        self.tasks.job("smtp receiver", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream: Box<dyn Duplex> = Box::new(stream);
                if name == SMTPS {
                    // Who breaks off has sent no mail.
                    let Ok(safe) = acceptor.accept(stream).await else { continue };
                    stream = Box::new(safe);
                }
                if let Some((head, body)) = take_mail(stream, &acceptor, name).await {
                    tell.send(Received { name, head, body }).await.expect("a test");
                }
            }
        });
        let scheme = if name == SMTPS { "smtps" } else { "smtp" };
        format!("{scheme}://127.0.0.1:{port}")
    }
}

async fn bound() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

async fn answer_http(stream: Box<dyn Duplex>, status: u16) -> Option<(String, String)> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length?.trim().parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    let answer = format!("HTTP/1.1 {status} X\r\nlocation: /\r\ncontent-length: 2\r\n\r\nok");
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

async fn take_mail(
    stream: Box<dyn Duplex>,
    acceptor: &TlsAcceptor,
    name: &str,
) -> Option<(String, String)> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut body, mut is_safe) = (String::new(), String::new(), name == SMTPS);
    stream.write_all(b"220 receiver\r\n").await.ok()?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        head.push_str(&line);
        let answer = match line.split(' ').next().unwrap_or_default().trim() {
            "EHLO" if is_safe => "250-receiver\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n",
            "EHLO" if name == BARE => "250 receiver\r\n",
            "EHLO" => "250-receiver\r\n250-STARTTLS\r\n250 8BITMIME\r\n",
            "STARTTLS" => {
                stream.write_all(b"220 go ahead\r\n").await.ok()?;
                stream.flush().await.ok()?;
                let safe = acceptor.accept(stream.into_inner()).await.ok()?;
                stream = BufReader::new(Box::new(safe));
                is_safe = true;
                head.push_str("[TLS]\n");
                continue;
            }
            "AUTH" => "235 welcome\r\n",
            "DATA" => {
                stream.write_all(b"354 go ahead\r\n").await.ok()?;
                stream.flush().await.ok()?;
                while !body.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut body).await.ok()?;
                }
                "250 taken\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await.ok()?;
                stream.flush().await.ok()?;
                return Some((head, body));
            }
            _ => "250 ok\r\n",
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
    }
}

/// The name of a mail receiver without STARTTLS.
pub(super) const BARE: &str = "bare";
/// The name of a mail receiver that speaks TLS from the start.
pub(super) const SMTPS: &str = "smtps";
