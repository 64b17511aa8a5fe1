//! Upstreams that speak HTTP/1.1 or HTTP/2, in the clear or with TLS, and certificates for them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsAcceptor;

use crate::connect::Connector;

/// What a handler answers with.
pub(crate) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// An upstream on a thread of its own.
pub(crate) struct Speaker {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

/// How a speaker is reached, and how many requests it takes per HTTP/2 connection.
#[derive(Default)]
pub(crate) struct Speaks {
    pub(crate) tls: Option<ServerConfig>,
    pub(crate) streams_max: Option<u32>,
}

impl Speaker {
    /// Answers requests over TCP.
    pub(crate) fn start<F>(
        speaks: Speaks,
        answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        on_thread(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            let acceptor = speaks.tls.map(|config| TlsAcceptor::from(Arc::new(config)));
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                stream.set_nodelay(true).expect("a socket");
                counted.fetch_add(1, Ordering::SeqCst);
                let (acceptor, answer) = (acceptor.clone(), answer.clone());
                spawn_local(async move {
                    match acceptor {
                        None => serve(stream, speaks.streams_max, answer).await,
                        Some(acceptor) => {
                            // Some tests are about handshakes that fail.
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, speaks.streams_max, answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, connections }
    }

    /// Answers requests over a Unix socket.
    pub(crate) fn unix<F>(
        path: &Path,
        answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    ) where
        F: Future<Output = Answer> + 'static,
    {
        let listener = std::os::unix::net::UnixListener::bind(path).expect("binds");
        listener.set_nonblocking(true).expect("a socket");
        on_thread(async move {
            let listener = UnixListener::from_std(listener).expect("a socket");
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                spawn_local(serve(stream, None, answer.clone()));
            }
        });
    }

    pub(crate) fn text(&self) -> String {
        self.address.to_string()
    }

    /// How many connections it has seen.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Answers with what it was asked: version, target and fields.
pub(crate) async fn mirror(request: Request<Incoming>) -> Answer {
    let mut text = format!("{:?} {} {}\n", request.version(), request.method(), request.uri());
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\n", value.to_str().expect("text"));
    }
    full(text)
}

/// A response with this body.
pub(crate) fn full(text: impl Into<Bytes>) -> Answer {
    Response::new(Full::new(text.into()).boxed())
}

fn on_thread(serving: impl Future<Output = ()> + Send + 'static) {
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        LocalSet::new().block_on(&runtime, serving);
    });
}

async fn serve<F>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    streams_max: Option<u32>,
    answer: impl Fn(Request<Incoming>) -> F + 'static,
) where
    F: Future<Output = Answer> + 'static,
{
    let service = service_fn(move |request| {
        let answered = answer(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let mut builder = auto::Builder::new(Local);
    builder.http2().max_concurrent_streams(streams_max);
    // Whoever leaves in the middle is no failure of the test's upstream.
    builder.serve_connection(TokioIo::new(stream), service).await.ok();
}

#[derive(Clone)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        spawn_local(task);
    }
}

/// An authority and what it signs.
pub(crate) struct Pki(CertifiedIssuer<'static, KeyPair>);

/// A leaf's faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    Good,
    Expired,
}

impl Pki {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key()).expect("a root"))
    }

    /// A connector that trusts this authority.
    pub(crate) fn connector(&self) -> Connector {
        Connector::new(Some(self.0.pem().into()), None)
    }

    /// A server's configuration, and the SHA-256 of its certificate in hexadecimal.
    pub(crate) fn server(&self, name: &str, leaf: Leaf, alpn: &[&str]) -> (ServerConfig, String) {
        self.server_of(&[&TLS13, &TLS12], name, leaf, alpn)
    }

    /// The same for some versions of TLS only.
    pub(crate) fn server_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        name: &str,
        leaf: Leaf,
        alpn: &[&str],
    ) -> (ServerConfig, String) {
        let key = key();
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        if leaf == Leaf::Expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let certificate: CertificateDer<'static> =
            params.signed_by(&key, &self.0).expect("a leaf").der().clone();
        let digest = aws_lc_rs_digest(&certificate);
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        (config, digest)
    }
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key")
}

fn aws_lc_rs_digest(bytes: &[u8]) -> String {
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
