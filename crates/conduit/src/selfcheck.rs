//! Trying a service through our own listeners: a real query, a real handshake.
//!
//! A tick in `conduit status` means tried, not configured. A sweep tries the services in turn, so
//! that looking at a list does not shake hands ten thousand times.
//!
//! **Invariant:** at most [`TRIES_MAX`] tries run at once, each within [`PATIENCE`]. A sweep leaves
//! some of them to whoever asks about one service, and takes half a minute when nothing answers.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use conduit_admin::control::{CheckOutcome, Checks};
use conduit_core::catalog::Catalog;
use conduit_core::clock::Timestamp;
use conduit_core::error::Chain;
use conduit_core::live;
use conduit_core::name::{Host, ServiceName};
use conduit_core::service::Service;
use conduit_proxy::table::{Route, RouteTable};
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsConnector;

/// Tries services and remembers what it found.
#[derive(Debug)]
pub(crate) struct SelfCheck {
    dns: Option<SocketAddr>,
    https: Option<SocketAddr>,
    connector: Option<Connector>,
    catalog: live::Reader<Catalog>,
    routes: live::Reader<RouteTable>,
    permits: Semaphore,
    found: Mutex<HashMap<ServiceName, Found>>,
}

/// What was found of a service as it was then.
#[derive(Debug)]
struct Found {
    service: Arc<Service>,
    checks: Checks,
}

struct Connector(TlsConnector);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl SelfCheck {
    /// Tries against these listeners; `None` for a plane that is off.
    pub(crate) fn new(
        dns: Option<SocketAddr>,
        https: Option<(SocketAddr, Arc<rustls::ClientConfig>)>,
        catalog: live::Reader<Catalog>,
        routes: live::Reader<RouteTable>,
    ) -> Self {
        Self {
            dns: dns.map(reachable),
            https: https.as_ref().map(|(address, _)| reachable(*address)),
            connector: https.map(|(_, config)| Connector(TlsConnector::from(config))),
            catalog,
            routes,
            permits: Semaphore::new(TRIES_MAX),
            found: Mutex::default(),
        }
    }

    /// What was found last of a service as it is now.
    pub(crate) fn last(&self, name: &ServiceName) -> Checks {
        let catalog = self.catalog.load();
        let found = self.found();
        let current = found.get(name).filter(|found| found.is_about(&catalog));
        current.map(|found| found.checks.clone()).unwrap_or_default()
    }

    /// Tries a service now.
    pub(crate) async fn run(&self, service: &ServiceName) -> Checks {
        let Ok(_permit) = self.permits.acquire().await else {
            return Checks::default();
        };
        let route = self.routes.load().route(service).cloned();
        let listed = || self.catalog.load().get(service).map(|s| s.host().clone());
        let Some(host) = route.as_ref().map(|r| r.host.clone()).or_else(listed) else {
            return Checks::default();
        };
        let tls_route = route.filter(|route| route.leaves.is_some());
        let (dns, tls) = tokio::join!(self.try_dns(&host), self.try_tls(&host, tls_route));
        let checks = Checks { dns, tls };
        let registered = self.catalog.load().get(service).cloned();
        if let Some(tried) = registered {
            let found = Found { service: tried, checks: checks.clone() };
            self.found().insert(service.clone(), found);
        }
        checks
    }

    /// Tries what is new or changed at once, and the services in turn for ever, at most
    /// [`SWEEP_MAX`] of them per interval, so that what [`SelfCheck::last`] says is about one
    /// interval old.
    pub(crate) async fn sweep(&self, every: Duration) {
        let mut changes = self.catalog.clone();
        let mut seen = changes.load_full();
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next = 0;
        loop {
            let in_turn = tokio::select! {
                _ = tick.tick() => true,
                () = changes.changed() => false,
            };
            let catalog = self.catalog.load_full();
            if in_turn && !catalog.is_empty() {
                self.found().retain(|_, found| found.is_about(&catalog));
                let services = catalog.sorted();
                let due = services.iter().cycle().skip(next).take(services.len().min(SWEEP_MAX));
                at_once(SWEEP_TRIES_MAX, due.map(|service| self.run(&service.name))).await;
                next = (next + SWEEP_MAX) % services.len();
            } else {
                // Those that nobody has tried yet and that are not new have their turn.
                let new = catalog.changed_since(&seen).take(SWEEP_MAX);
                at_once(SWEEP_TRIES_MAX, new.map(|service| self.run(&service.name))).await;
                seen = catalog;
                sleep(NEW_PAUSE).await;
            }
        }
    }

    fn found(&self) -> MutexGuard<'_, HashMap<ServiceName, Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn try_dns(&self, host: &Host) -> Option<CheckOutcome> {
        let server = self.dns?;
        let kind = |ip: IpAddr| if ip.is_ipv4() { "A" } else { "AAAA" };
        let asked = conduit_dns::client::ask(server, host.as_str(), kind(server.ip()), PATIENCE);
        let failure = match asked.await {
            Ok(reply) if reply.status != "NOERROR" => Some(format!("answered {}", reply.status)),
            Ok(reply) if reply.records.is_empty() => Some("answered without an address".into()),
            Ok(_) => None,
            Err(error) => Some(Chain(&error).to_string()),
        };
        Some(CheckOutcome { at: Timestamp::now(), failure })
    }

    async fn try_tls(&self, host: &Host, route: Option<Arc<Route>>) -> Option<CheckOutcome> {
        let (mut address, connector) = (self.https?, self.connector.as_ref()?);
        let route = route?;
        if let Some(port) = route.port() {
            address.set_port(port);
        }
        let handshake = async {
            let name = ServerName::try_from(host.as_str().to_owned()).map_err(|e| e.to_string())?;
            let mut stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
            if route.expects_proxy_header() {
                stream.write_all(PROXY_HEADER).await.map_err(|e| e.to_string())?;
            }
            connector.0.connect(name, stream).await.map_err(|e| e.to_string())?;
            Ok::<(), String>(())
        };
        let failure = match timeout(PATIENCE, handshake).await {
            Ok(Ok(())) => None,
            Ok(Err(reason)) => Some(reason),
            Err(_) => Some(format!("no handshake within {PATIENCE:?}")),
        };
        Some(CheckOutcome { at: Timestamp::now(), failure })
    }
}

impl Found {
    /// Whether the service is still the one that was tried.
    fn is_about(&self, catalog: &Catalog) -> bool {
        catalog.get(&self.service.name).is_some_and(|now| Arc::ptr_eq(now, &self.service))
    }
}

/// Runs all to their end, at most `limit` at a time.
async fn at_once<F: Future>(limit: usize, all: impl Iterator<Item = F>) {
    let mut waiting = all.fuse();
    let mut running: Vec<Pin<Box<F>>> = Vec::with_capacity(limit);
    poll_fn(|context| {
        loop {
            running.retain_mut(|one| one.as_mut().poll(context).is_pending());
            let before = running.len();
            running.extend(waiting.by_ref().take(limit - before).map(Box::pin));
            if running.len() == before {
                break;
            }
        }
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A wildcard listener is reached over loopback.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, address.port())
}

/// How long one try may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// Says nothing about the client: the gateway itself asks.
const PROXY_HEADER: &[u8] = b"PROXY UNKNOWN\r\n";
/// How many tries run at once.
const TRIES_MAX: usize = 32;
/// How many of them a sweep takes.
const SWEEP_TRIES_MAX: usize = 24;
/// How many services one sweep tries; with more, a tick is older than one interval.
const SWEEP_MAX: usize = 300;
/// From one look at what is new to the next, so that a burst of registrations is looked at once.
const NEW_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use conduit_core::catalog::{Change, Generation};
    use conduit_core::domains::Domains;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_run_at_once_and_all_to_their_end() {
        let (running, most, ended) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let one = |_| async {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            sleep(PATIENCE).await;
            running.set(running.get() - 1);
            ended.set(ended.get() + 1);
        };
        let began = tokio::time::Instant::now();
        at_once(SWEEP_TRIES_MAX, (0..SWEEP_MAX).map(one)).await;
        assert_eq!((most.get(), ended.get()), (SWEEP_TRIES_MAX, SWEEP_MAX));
        assert!(began.elapsed() < Duration::from_secs(30), "within the default interval");
        at_once(SWEEP_TRIES_MAX, std::iter::empty::<std::future::Ready<()>>()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_changed_is_tried_at_once_and_the_others_in_their_turn() {
        let domains = Domains::new(vec![Host::parse("internal").expect("valid")]).expect("one");
        let put = |number: usize| {
            let name = ServiceName::parse(&format!("s{number}")).expect("valid");
            let hosts = vec![Host::parse(&format!("s{number}.internal")).expect("valid")];
            let like = crate::builtin::service(
                &domains,
                SocketAddr::from(([127, 0, 0, 1], 1)),
                Timestamp::from_seconds(0),
            );
            Change::Put(Arc::new(Service { name, hosts, ..(*like).clone() }))
        };
        let many = (0..3 * SWEEP_MAX).map(put).collect();
        let first = Catalog::default().with(Generation(1), many);
        let (mut writer, catalog) = live::channel(Arc::new(first.clone()));
        let (_routes, routes) = live::channel(Arc::new(RouteTable::default()));
        let check = SelfCheck::new(None, None, catalog, routes);
        let watch = async {
            sleep(Duration::from_secs(1)).await;
            assert_eq!(check.found().len(), SWEEP_MAX, "the first of them had their turn");
            let new = [put(3 * SWEEP_MAX)].into();
            writer.publish(Arc::new(first.with(Generation(2), new)));
            sleep(Duration::from_secs(1)).await;
            assert_eq!(check.found().len(), SWEEP_MAX + 1, "only what is new was tried");
            let name = ServiceName::parse(&format!("s{}", 3 * SWEEP_MAX)).expect("valid");
            assert!(check.found().contains_key(&name));
            sleep(Duration::from_secs(30)).await;
            assert_eq!(check.found().len(), 2 * SWEEP_MAX + 1);
        };
        tokio::select! {
            () = watch => {}
            () = check.sweep(Duration::from_secs(30)) => unreachable!("it goes on for ever"),
        }
    }
}
