//! What is told of a connection of a byte stream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::clock::Timestamp;

use super::{AccessLog, Entry};
use crate::table::Route;
use crate::upstream::Upstream;

/// What is known of one connection when it has ended.
#[derive(Debug)]
pub struct StreamLine {
    /// When it was accepted.
    pub time: Timestamp,
    /// Who opened it.
    pub client: SocketAddr,
    /// The gateway's port that it came to.
    pub port: u16,
    /// The name in its TLS hello, where that was read.
    pub server_name: Option<Box<str>>,
    /// The route it took, when there was one.
    pub route: Option<Arc<Route>>,
    /// Where its bytes went.
    pub upstream: Option<Arc<Upstream>>,
    /// The stable word for how it ended, or why it was not served.
    pub end: &'static str,
    /// From its acceptance to its end.
    pub took: Duration,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
}

impl StreamLine {
    /// Sends the line off, or writes it into the daemon's log, when its service wants that.
    pub(crate) fn write(self, log: &AccessLog) {
        let is_wanted = self.route.as_ref().is_none_or(|route| route.policy.access_log);
        if !is_wanted || !log.is_on() {
            return;
        }
        if let AccessLog::Queue(sink) = log {
            sink.send(Entry::Stream(Box::new(self)));
            return;
        }
        tracing::info!(
            target: "access",
            service = self.route.as_ref().map(|route| route.service.as_str()),
            protocol = "tcp",
            port = self.port,
            server_name = self.server_name.as_deref(),
            end = self.end,
            duration_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            bytes_in = self.bytes_in,
            bytes = self.bytes_out,
            upstream = self.upstream.as_ref().map(|u| tracing::field::display(u.addr())),
            client = %self.client,
        );
    }
}
