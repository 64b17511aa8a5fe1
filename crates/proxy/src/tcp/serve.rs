//! One connection of a byte stream, from its first byte to its last.
//!
//! **Invariant:** a client reaches an upstream only after everything that its service asks for: the
//! PROXY header, the name, the network, the handshake. Whoever is refused is reset, and counted.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connections::Connection;
use crate::limits::hits::Limit;
use crate::rewound::Rewound;
use crate::table::Route;
use crate::tcp::connect::{Reached, connect};
use crate::tcp::hello::Hello;
use crate::tcp::line::Line;
use crate::tcp::opening::Opening;
use crate::tcp::port::Port;
use crate::tcp::postgres::{TLS_REQUEST, YES};
use crate::tcp::proxy_header::{Ends, Told, write};
use crate::tcp::refusal::Refusal;
use crate::tcp::relay::{End, Scratch, Tally, relay};
use crate::tcp::tls::agreeing;
use crate::upstream::Upstream;
use crate::worker::Worker;

/// What the connections of one worker share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) scratch: Scratch,
}

/// Serves a client of `port` until one side ends it.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    place: Connection,
    shared: Shared,
    stream: TcpStream,
    ends: Ends,
) {
    let log = &worker.settings().access_log;
    let line = Line::begin(ends.destination.port(), ends.source, log);
    let serving = Box::pin(answer(&worker, &shared, &line, stream, ends));
    match place.until_cut(serving).await {
        None => {}
        Some(Ok(end)) => line.set_end(end.word()),
        Some(Err(refusal)) => line.refuse(refusal, worker.metrics().streams_refused()),
    }
}

async fn answer(
    worker: &Worker,
    shared: &Shared,
    line: &Line,
    stream: TcpStream,
    mut ends: Ends,
) -> Result<End, Refusal> {
    let own = ends.destination;
    let port = worker.table().load().port(own.port()).cloned();
    let mut opening = Opening::new(stream);
    let chosen = match port {
        Some(port) => choose(worker, &port, line, &mut opening, &mut ends).await,
        // Its service has just gone.
        None => Err(Refusal::UnknownName),
    };
    let (route, policy, hello) = match &chosen {
        Ok(Chosen { route, hello }) => match &route.policy.stream {
            Some(policy) => (route, policy, hello),
            None => return Err(reset(&opening.stream, Refusal::UnknownName)),
        },
        Err(refusal) => return Err(reset(&opening.stream, *refusal)),
    };
    line.set_service(route, worker.metrics().service(&route.service));
    if !policy.allows(ends.source.ip()) {
        return Err(reset(&opening.stream, Refusal::NotAllowed));
    }
    let Opening { stream, ahead } = opening;
    match (&route.leaves, &shared.tls, hello) {
        (Some(_), Some(tls), Some((hello, _))) => {
            let tls = agreeing(tls, hello.protocol.clone());
            let mut client = handshake(worker, tls, Rewound::new(ahead.into(), stream)).await?;
            let session = client.get_ref().1;
            let told = Told {
                ends,
                server_name: hello.server_name.as_deref(),
                tls: Some(version(session)),
                protocol: session.alpn_protocol(),
            };
            let told = policy.tells.map(|kind| write(kind, &told)).unwrap_or_default();
            let reached = connect(route, ends.source.ip(), own).await;
            let reached = reached.map_err(|refusal| reset(client.get_ref().0.stream(), refusal))?;
            let joined = Joined { shared, line, route, reached };
            let end = joined.run(&mut client, told).await;
            pass_on(end, client.get_ref().0.stream());
            Ok(end)
        }
        (_, _, hello) => {
            let mut client = stream;
            let server_name = hello.as_ref().and_then(|(hello, _)| hello.server_name.as_deref());
            let told = Told { ends, server_name, tls: None, protocol: None };
            let mut told = policy.tells.map(|kind| write(kind, &told)).unwrap_or_default();
            let reached = connect(route, ends.source.ip(), own).await;
            let mut reached = reached.map_err(|refusal| reset(&client, refusal))?;
            if hello.as_ref().is_some_and(|(_, asked)| *asked) {
                told.extend(TLS_REQUEST);
                let asked = ask_for_tls(&mut reached.stream, &told, route).await;
                asked.map_err(|refusal| reset(&client, refusal))?;
                told.clear();
            }
            line.received(ahead.len() as u64);
            told.extend(ahead);
            let joined = Joined { shared, line, route, reached };
            let end = joined.run(&mut client, told).await;
            pass_on(end, &client);
            Ok(end)
        }
    }
}

/// Whose connection it is, with the hello and whether Postgres' wish came before it.
struct Chosen {
    route: Arc<Route>,
    hello: Option<(Hello, bool)>,
}

/// Reads what comes before the bytes, and finds the service.
async fn choose(
    worker: &Worker,
    port: &Port,
    line: &Line,
    opening: &mut Opening,
    ends: &mut Ends,
) -> Result<Chosen, Refusal> {
    let own = ends.destination.port();
    if port.expects_header
        && let Some(told) = opening.take_proxy_header().await?
    {
        *ends = told;
        line.set_client(told.source);
    }
    if let Some(route) = &port.plain {
        return Ok(Chosen { route: Arc::clone(route), hello: None });
    }
    // Older clients cancel a query in the clear, also one of an encrypted connection. The service is
    // known by the port alone then, so it is the only one there or nobody.
    if let Some(route) = &port.cancelled
        && opening.peek_cancel().await?
    {
        return Ok(Chosen { route: Arc::clone(route), hello: None });
    }
    let (hello, asked) = opening.peek_hello(port.has_postgres).await?;
    line.set_server_name(hello.server_name.as_deref());
    let table = worker.table().load();
    let route = match &hello.server_name {
        Some(name) => table.stream(name).filter(|route| route.port() == Some(own)),
        None => port.unnamed.as_ref(),
    };
    match route.cloned() {
        Some(route) => Ok(Chosen { route, hello: Some((hello, asked)) }),
        None => {
            // So that the client knows what is wrong; one that is gone does not need to.
            opening.stream.try_write(UNRECOGNIZED_NAME).ok();
            Err(Refusal::UnknownName)
        }
    }
}

async fn handshake(
    worker: &Worker,
    tls: Arc<ServerConfig>,
    client: Rewound<TcpStream>,
) -> Result<TlsStream<Rewound<TcpStream>>, Refusal> {
    let limit = worker.settings().limits.handshake;
    match timeout(limit, TlsAcceptor::from(tls).accept(client)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake of a byte stream failed");
            Err(Refusal::Handshake)
        }
        Err(_) => {
            worker.metrics().hits().count(Limit::HandshakeTime);
            Err(Refusal::Handshake)
        }
    }
}

/// Tells a Postgres upstream who comes and asks it for TLS, as the client asked us.
async fn ask_for_tls(stream: &mut TcpStream, first: &[u8], route: &Route) -> Result<(), Refusal> {
    let asking = async {
        stream.write_all(first).await?;
        stream.read_u8().await
    };
    match timeout(route.policy.timeouts.connect, asking).await {
        Ok(Ok(YES)) => Ok(()),
        _ => Err(Refusal::UpstreamTls),
    }
}

/// A client with its upstream.
struct Joined<'a> {
    shared: &'a Shared,
    line: &'a Line,
    route: &'a Route,
    reached: Reached,
}

impl Joined<'_> {
    async fn run<D>(self, client: &mut D, first: Vec<u8>) -> End
    where
        D: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let Reached { mut stream, in_flight } = self.reached;
        self.line.set_upstream(in_flight.upstream());
        let tally = Counted { line: self.line, upstream: in_flight.upstream() };
        let timeouts = &self.route.policy.timeouts;
        let end = relay(client, &mut stream, first, timeouts, &self.shared.scratch, &tally).await;
        pass_on(end, &stream);
        end
    }
}

/// Counts what moves, and notes that the upstream lives.
struct Counted<'a> {
    line: &'a Line,
    upstream: &'a Upstream,
}

impl Tally for Counted<'_> {
    fn received(&self, bytes: u64) {
        if bytes > 0 {
            self.line.received(bytes);
        }
    }

    fn sent(&self, bytes: u64) {
        if bytes > 0 {
            self.line.sent(bytes);
            self.upstream.delivered(Instant::now());
        }
    }
}

fn version(session: &rustls::ServerConnection) -> &'static str {
    match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    }
}

/// An end that is not a good one is passed on as one: as a reset.
fn pass_on(end: End, stream: &TcpStream) {
    if end != End::Done {
        abort(stream);
    }
}

/// Closing sends a reset, so that the client does not take it for the end of an answer.
fn reset(stream: &TcpStream, refusal: Refusal) -> Refusal {
    // After an alert, an end in good order lets the client read it.
    if refusal != Refusal::UnknownName {
        abort(stream);
    }
    refusal
}

fn abort(stream: &TcpStream) {
    // A socket that refuses this is closed already.
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).ok();
}

/// A fatal alert in a record of its own (RFC 6066 §3).
const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];
