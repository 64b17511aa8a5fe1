//! An HTTPS client that trusts a bundle and connects where it is told.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::upstream::spawn;

/// What a client needs to know of a gateway: where it is, and its trust bundle.
#[derive(Clone)]
pub struct Client {
    https: SocketAddr,
    config: Arc<rustls::ClientConfig>,
}

impl Client {
    /// A client for this address that trusts these roots only.
    pub fn new(https: SocketAddr, bundle: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { https, config: Arc::new(config) }
    }

    /// A TLS connection with this server name.
    pub async fn connect(
        &self,
        host: &str,
        alpn: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = (*self.config).clone();
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(self.https).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Sends one request on a new HTTP/1.1 connection.
    pub async fn send(
        &self,
        host: &str,
        request: Request<Full<Bytes>>,
    ) -> std::io::Result<Response<Incoming>> {
        let stream = self.connect(host, &["http/1.1"]).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        spawn(async move {
            let _ended = connection.with_upgrades().await;
        });
        sender.send_request(request).await.map_err(std::io::Error::other)
    }

    /// `GET https://HOST/PATH` on a new HTTP/1.1 connection.
    pub async fn get(&self, host: &str, path: &str) -> std::io::Result<Response<Incoming>> {
        let request = Request::get(path).header("host", host).body(Full::default()).unwrap();
        self.send(host, request).await
    }

    /// The same, read to its end.
    pub async fn get_text(&self, host: &str, path: &str) -> std::io::Result<(StatusCode, String)> {
        let response = self.get(host, path).await?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(std::io::Error::other)?;
        Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    }

    /// `GET` over HTTP/2, read to its end.
    pub async fn get_h2(&self, host: &str, path: &str) -> std::io::Result<(StatusCode, String)> {
        let stream = self.connect(host, &["h2"]).await?;
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .map_err(std::io::Error::other)?;
        spawn(async move {
            let _ended = connection.await;
        });
        let request =
            Request::get(format!("https://{host}{path}")).body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.map_err(std::io::Error::other)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(std::io::Error::other)?;
        Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    }
}
