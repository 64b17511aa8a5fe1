//! One line in the access log per connection of a byte stream.
//!
//! **Invariant:** written when the connection ends, however it ends: also when it is cut.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;

use conduit_core::clock::Timestamp;
use tokio::time::Instant;

use crate::access_log::{AccessLog, StreamLine};
use crate::metrics::ServiceCounters;
use crate::table::Route;
use crate::tcp::counters::Refusals;
use crate::tcp::refusal::Refusal;
use crate::upstream::Upstream;

/// What is known of a connection; counts it and writes its line when it is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    log: AccessLog,
    port: u16,
    client: Cell<SocketAddr>,
    time: Timestamp,
    began: Instant,
    service: RefCell<Option<(Arc<Route>, Arc<ServiceCounters>)>>,
    upstream: RefCell<Option<Arc<Upstream>>>,
    server_name: RefCell<Option<Box<str>>>,
    received: Cell<u64>,
    sent: Cell<u64>,
    end: Cell<&'static str>,
}

impl Line {
    /// A connection that was just accepted.
    pub(crate) fn begin(port: u16, client: SocketAddr, log: &AccessLog) -> Self {
        Self {
            log: log.clone(),
            port,
            client: Cell::new(client),
            time: Timestamp::now(),
            began: Instant::now(),
            service: RefCell::default(),
            upstream: RefCell::default(),
            server_name: RefCell::default(),
            received: Cell::new(0),
            sent: Cell::new(0),
            end: Cell::new(CUT),
        }
    }

    /// Who the client really is.
    pub(crate) fn set_client(&self, client: SocketAddr) {
        self.client.set(client);
    }

    /// Whom its hello asks for.
    pub(crate) fn set_server_name(&self, name: Option<&str>) {
        *self.server_name.borrow_mut() = name.map(Into::into);
    }

    /// Whose it is: counted as open from now on.
    pub(crate) fn set_service(&self, route: &Arc<Route>, counters: Arc<ServiceCounters>) {
        counters.streams().opened();
        *self.service.borrow_mut() = Some((Arc::clone(route), counters));
    }

    /// Where its bytes go.
    pub(crate) fn set_upstream(&self, upstream: &Arc<Upstream>) {
        *self.upstream.borrow_mut() = Some(Arc::clone(upstream));
    }

    /// Bytes came from the client.
    pub(crate) fn received(&self, bytes: u64) {
        self.received.set(self.received.get() + bytes);
        if let Some((_, counters)) = &*self.service.borrow() {
            counters.streams().received(bytes);
        }
    }

    /// Bytes came from the upstream.
    pub(crate) fn sent(&self, bytes: u64) {
        self.sent.set(self.sent.get() + bytes);
        if let Some((_, counters)) = &*self.service.borrow() {
            counters.streams().sent(bytes);
        }
    }

    /// It was not served; its service counts it, or `unclaimed` when it has none.
    pub(crate) fn refuse(&self, refusal: Refusal, unclaimed: &Refusals) {
        self.end.set(refusal.word());
        match &*self.service.borrow() {
            Some((_, counters)) => counters.streams().refused.add(refusal),
            None => unclaimed.add(refusal),
        }
    }

    /// How it ended.
    pub(crate) fn set_end(&self, word: &'static str) {
        self.end.set(word);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let service = self.service.get_mut().take();
        if let Some((_, counters)) = &service {
            counters.streams().closed();
        }
        let line = StreamLine {
            time: self.time,
            client: self.client.get(),
            port: self.port,
            server_name: self.server_name.get_mut().take(),
            route: service.map(|(route, _)| route),
            upstream: self.upstream.get_mut().take(),
            end: self.end.get(),
            took: self.began.elapsed(),
            bytes_in: self.received.get(),
            bytes_out: self.sent.get(),
        };
        line.write(&self.log);
    }
}

/// What the deadline of a stop ends, or a panic.
const CUT: &str = "cut";
