//! One question to one forwarder: over UDP, and over TCP when that is better; or over TLS or HTTPS,
//! and then over nothing else.
//!
//! **Invariant:** in the clear, each query has a socket, a port and an id of its own, and reads a bounded number
//! of messages. What could be a guess is not believed: it is asked for again over TCP, where nobody
//! can answer in the forwarder's place. Deadlines are the caller's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::Instant;

use super::jar::Taste;
use super::line::Line;
use super::query::{Chance, Likeness, Query, is_truncated};
use super::question::Question;
use super::sanitise::{self, Finding, Rules, Unusable};
use super::server::Server;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server was there and had none for us.
    #[error("it declined")]
    Declined,
    /// What came was of no use.
    #[error("what it said is of no use")]
    Broken,
    /// The system's reason.
    #[error("it could not be asked")]
    Io(#[source] io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Asks one server.
pub(crate) async fn ask(
    server: &Server,
    question: &Question,
    rules: &Rules<'_>,
    mixed_case: bool,
) -> Result<Finding, Failure> {
    let now = Instant::now();
    let is_mixed = mixed_case && server.keeps_case(now);
    // Signatures come with EDNS alone: one message that was not understood must not cost them for an hour.
    let mut with_edns = question.is_to_judge() || server.knows_edns(now);
    loop {
        let reply = match server.line() {
            Some(line) => encrypted(line, question, with_edns).await?,
            None if server.address().is_encrypted() => return Err(untrusted()),
            None => in_the_clear(server, question, (is_mixed, with_edns), now).await?,
        };
        return match sanitise::read(&reply, question, rules) {
            Ok(finding) => {
                if !with_edns {
                    server.is_plain(now);
                }
                Ok(finding)
            }
            Err(Unusable::NotUnderstood) if with_edns => {
                with_edns = false;
                continue;
            }
            Err(Unusable::Declined | Unusable::NotUnderstood) => Err(Failure::Declined),
            Err(Unusable::Broken) => Err(Failure::Broken),
        };
    }
}

/// Where nobody can guess, there is nothing to be made harder to guess.
async fn encrypted(line: &Line, question: &Question, with_edns: bool) -> io::Result<Vec<u8>> {
    let query = Query::new(question, &Chance::default(), with_edns.then_some(&[])).padded();
    let reply = line.ask(query.as_slice()).await?;
    match query.likeness(&reply) {
        Likeness::Stranger => Err(io::Error::new(io::ErrorKind::InvalidData, NOT_OURS)),
        Likeness::Exact | Likeness::Folded => Ok(reply),
    }
}

fn untrusted() -> Failure {
    Failure::Io(io::Error::other("nothing is there to judge its certificate with"))
}

async fn in_the_clear(
    server: &Server,
    question: &Question,
    (is_mixed, with_edns): (bool, bool),
    now: Instant,
) -> io::Result<Vec<u8>> {
    let mut renewals = 0;
    loop {
        let drawn = Chance::draw()?;
        let chance = if is_mixed { drawn } else { drawn.in_lower_case() };
        let cookie = if with_edns { server.jar().cookie() } else { Vec::new() };
        let query = Query::new(question, &chance, with_edns.then_some(cookie.as_slice()));
        return Ok(match over_udp(server, &query, &cookie).await? {
            Heard::Answer(reply) => reply,
            Heard::Renewed if renewals < RENEWALS_MAX => {
                renewals += 1;
                continue;
            }
            Heard::Cut | Heard::Renewed => over_tcp(server, &query, &cookie).await?.0,
            Heard::Doubt => {
                let (reply, likeness) = over_tcp(server, &query, &cookie).await?;
                if likeness == Likeness::Folded {
                    server.folds_case(now);
                }
                reply
            }
        });
    }
}

/// What came over UDP.
enum Heard {
    /// The answer.
    Answer(Vec<u8>),
    /// The answer, cut short.
    Cut,
    /// That the question is to be asked again with a newer cookie.
    Renewed,
    /// Something that is almost an answer, or too much that is none.
    Doubt,
}

async fn over_udp(server: &Server, query: &Query, cookie: &[u8]) -> io::Result<Heard> {
    let address = server.address().socket();
    // The kernel chooses the port, at random; connected, the socket hears this server alone.
    let socket = UdpSocket::bind((any(address), 0)).await?;
    socket.connect(address).await?;
    socket.send(query.as_slice()).await?;
    let mut buffer = vec![0; UDP_REPLY_BYTES_MAX];
    for _ in 0..STRANGERS_MAX {
        let length = socket.recv(&mut buffer).await?;
        let message = &buffer[..length];
        match query.likeness(message) {
            Likeness::Exact => match server.jar().taste(message, cookie) {
                Taste::Foreign => {}
                Taste::Missing => return Ok(Heard::Doubt),
                Taste::Renewed => return Ok(Heard::Renewed),
                Taste::Good if is_truncated(message) => return Ok(Heard::Cut),
                Taste::Good => {
                    buffer.truncate(length);
                    return Ok(Heard::Answer(buffer));
                }
            },
            Likeness::Folded => return Ok(Heard::Doubt),
            Likeness::Stranger => {}
        }
        tracing::debug!(forwarder = %address, "a message that answers no question of ours");
    }
    Ok(Heard::Doubt)
}

async fn over_tcp(
    server: &Server,
    query: &Query,
    cookie: &[u8],
) -> io::Result<(Vec<u8>, Likeness)> {
    let mut stream = TcpStream::connect(server.address().socket()).await?;
    stream.set_nodelay(true)?;
    let length = u16::try_from(query.as_slice().len()).map_err(io::Error::other)?;
    let framed = [&length.to_be_bytes(), query.as_slice()].concat();
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    if server.jar().taste(&reply, cookie) == Taste::Missing {
        server.jar().forget();
    }
    match query.likeness(&reply) {
        Likeness::Stranger => Err(io::Error::new(io::ErrorKind::InvalidData, NOT_OURS)),
        likeness => Ok((reply, likeness)),
    }
}

fn any(server: SocketAddr) -> IpAddr {
    match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// More than we say we take; what is longer is cut off, and of no use.
const UDP_REPLY_BYTES_MAX: usize = 4096;
/// Messages that do not belong to a query, after which somebody is thought to be guessing.
const STRANGERS_MAX: usize = 8;
/// Times that a server may want a newer cookie; then it is asked over TCP, where it needs none.
const RENEWALS_MAX: usize = 1;
const NOT_OURS: &str = "the answer is to another question";
