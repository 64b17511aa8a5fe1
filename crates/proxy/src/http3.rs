//! HTTP/3 in front: quinn speaks QUIC, h3 speaks HTTP over it, and the same
//! [`Service`](crate::service::Service) as over TCP answers.
//!
//! Every worker has a UDP socket of its own on each HTTPS address, and what comes in on it stays on
//! the worker, as with TCP: no lock between workers, and no thread that all packets pass through.
//! A connection belongs to the worker that its connection ids name, not to the one that the kernel
//! would choose by address, so clients may change theirs ([`steer`]), and a process that takes over
//! leaves the connections of the former one to it ([`port`]).
//!
//! **Invariant:** off, it costs a branch per response. On, it is announced (`Alt-Svc`) by nothing
//! but a gateway whose sockets are bound. Early data is refused, since it could be replayed.

mod accept;
pub(crate) mod body;
mod conn;
mod head;
pub(crate) mod port;
mod sieve;
mod steer;
mod stream;
mod transport;

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{IdleTimeout, ServerConfig, TransportConfig, VarInt};

pub(crate) use accept::accept;
#[cfg(any(test, fuzzing))]
pub(crate) use sieve::Sieve;

use self::port::{Port, Slot};
use crate::error::ProxyError;
use crate::limits::{
    ALT_SVC_SECONDS, H3_CONNECTION_WINDOW_BYTES, H3_IDLE_TIMEOUT_MS, H3_INCOMING_BYTES_MAX,
    H3_INCOMING_MAX, H3_PING_INTERVAL, H3_SEND_BYTES_MAX, H3_STREAM_WINDOW_BYTES, H3_STREAMS_MAX,
    H3_UNIDIRECTIONAL_MAX,
};

/// What HTTP/3 is served with.
#[derive(Debug)]
pub(crate) struct Setup {
    server: ServerConfig,
    ports: Arc<Vec<Port>>,
    workers: usize,
}

/// One worker's part in it.
#[derive(Debug)]
pub(crate) struct Share {
    /// How connections are made.
    pub(crate) server: ServerConfig,
    /// Where packets come in.
    pub(crate) slots: Vec<Slot>,
    /// The slots of everybody, kept until the last worker has ended.
    pub(crate) ports: Arc<Vec<Port>>,
}

impl Setup {
    /// From what TLS handshakes over TCP are done with. From now on new clients come to `ports`.
    ///
    /// # Errors
    /// When its cipher suites are not enough for QUIC.
    pub(crate) fn new(
        tls: &rustls::ServerConfig,
        workers: usize,
        ports: Vec<Port>,
    ) -> Result<Self, ProxyError> {
        let mut tls = tls.clone();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.max_early_data_size = 0;
        let crypto =
            QuicServerConfig::try_from(tls).map_err(|source| ProxyError::Quic { source })?;
        let mut server = ServerConfig::with_crypto(Arc::new(crypto));
        server
            .transport_config(Arc::new(transport()))
            .max_incoming(H3_INCOMING_MAX)
            .incoming_buffer_size(H3_INCOMING_BYTES_MAX)
            .incoming_buffer_size_total(H3_INCOMING_BYTES_MAX * H3_INCOMING_MAX as u64);
        ports.iter().for_each(Port::steer);
        Ok(Self { server, ports: Arc::new(ports), workers })
    }

    /// What one of the workers gets.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub(crate) fn of_worker(&self, worker: usize) -> Result<Share, ProxyError> {
        let failed = |source| ProxyError::StartWorker { source };
        let mut slots = Vec::new();
        for port in self.ports.iter() {
            slots.extend(port.of_worker(worker, self.workers).map_err(failed)?);
        }
        Ok(Share { server: self.server.clone(), slots, ports: Arc::clone(&self.ports) })
    }
}

/// How responses over TCP say that there is HTTP/3, when there is (RFC 7838 §3).
pub(crate) fn alt_svc(addresses: &[SocketAddr]) -> Option<HeaderValue> {
    let mut ports: Vec<u16> = Vec::new();
    for address in addresses {
        if !ports.contains(&address.port()) {
            ports.push(address.port());
        }
    }
    let all: Vec<String> =
        ports.iter().map(|port| format!("h3=\":{port}\"; ma={ALT_SVC_SECONDS}")).collect();
    let is_any = !all.is_empty();
    is_any.then(|| HeaderValue::try_from(all.join(", ")).ok())?
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(H3_STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(H3_UNIDIRECTIONAL_MAX))
        .stream_receive_window(VarInt::from_u32(H3_STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(H3_CONNECTION_WINDOW_BYTES))
        .send_window(H3_SEND_BYTES_MAX)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(H3_IDLE_TIMEOUT_MS))))
        // Streams may be silent for longer than clients keep a silent connection.
        .keep_alive_interval(Some(H3_PING_INTERVAL));
    transport
}

/// RFC 9114 §3.1.
const ALPN: &[u8] = b"h3";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_announced_once() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("valid");
        assert_eq!(alt_svc(&[]), None);
        let both = [at("0.0.0.0:443"), at("[::]:443"), at("127.0.0.1:8443")];
        assert_eq!(alt_svc(&both).expect("some"), "h3=\":443\"; ma=3600, h3=\":8443\"; ma=3600");
    }
}
