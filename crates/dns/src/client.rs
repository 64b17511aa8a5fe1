//! A client for our own server: what `conduit dns resolve` and the self-check ask with.
//!
//! **Invariant:** it asks the server it is given and nobody else, and waits at most as long as it
//! is told.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

use crate::options::EXTENDED_ERROR;
use crate::presentation::shown;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The response code, such as `NOERROR` or `NXDOMAIN`.
    pub status: String,
    /// Whether the server answered from its own zone.
    pub authoritative: bool,
    /// The records of the answer section.
    pub records: Vec<ReplyRecord>,
    /// The addresses among them.
    pub addresses: Vec<IpAddr>,
    /// Why it is as it is, when the server says so (RFC 8914).
    pub reason: Option<String>,
    /// From question to answer.
    pub elapsed: Duration,
}

/// One record of a [`Reply`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyRecord {
    /// Its owner, with the trailing dot.
    pub name: String,
    /// Its type, such as `A`.
    pub record_type: String,
    /// Seconds it may be kept.
    pub ttl_s: u32,
    /// Its data in presentation form.
    pub value: String,
}

/// Asks `server` one question over UDP, and over TCP when the answer was truncated.
///
/// # Errors
/// Says what was wrong with the question, or why there was no answer within `patience`.
pub async fn ask(
    server: SocketAddr,
    name: &str,
    record_type: &str,
    patience: Duration,
) -> Result<Reply, AskError> {
    let (owner, kind) = question(name, record_type)?;
    let mut query = Message::query();
    query.metadata.message_type = MessageType::Query;
    query.metadata.op_code = OpCode::Query;
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(owner, kind));
    query.edns = Some(Edns::new());
    let bytes = query.to_vec().map_err(|_| AskError::Name(name.chars().take(80).collect()))?;
    let started = Instant::now();
    let exchange = async {
        let reply = over_udp(server, &bytes, query.metadata.id).await?;
        if reply.metadata.truncation { over_tcp(server, &bytes).await } else { Ok(reply) }
    };
    let reply = timeout(patience, exchange)
        .await
        .map_err(|_| AskError::NoAnswer { server, patience })?
        .map_err(|source| AskError::Exchange { server, source })?;
    Ok(describe(&reply, started.elapsed()))
}

/// Whether a question can be asked at all.
///
/// # Errors
/// Says what is wrong with the name or the type.
pub fn check_question(name: &str, record_type: &str) -> Result<(), AskError> {
    question(name, record_type).map(|_| ())
}

/// Reads what is to be asked for.
pub(crate) fn question(name: &str, record_type: &str) -> Result<(Name, RecordType), AskError> {
    let kind: RecordType = record_type
        .to_ascii_uppercase()
        .parse()
        .map_err(|_| AskError::RecordType(record_type.chars().take(40).collect()))?;
    let no_name = || AskError::Name(name.chars().take(80).collect());
    // A variable that is empty is seldom meant to be the root.
    if name.is_empty() {
        return Err(no_name());
    }
    let fully_qualified = format!("{}.", name.trim_end_matches('.'));
    let owner = Name::from_ascii(&fully_qualified).map_err(|_| no_name())?;
    Ok((owner, kind))
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The exchange with the server failed.
    #[error("cannot ask {server}")]
    Exchange {
        /// Who was asked.
        server: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Not a name that can be asked for.
    #[error("{0:?} is not a DNS name")]
    Name(String),
    /// The server did not answer in time.
    #[error("{server} did not answer within {patience:?}")]
    NoAnswer {
        /// Who was asked.
        server: SocketAddr,
        /// How long we waited.
        patience: Duration,
    },
    /// Not a record type.
    #[error("{0:?} is not a record type; use A, AAAA, PTR, SOA, NS, TXT, …")]
    RecordType(String),
}

async fn over_udp(server: SocketAddr, query: &[u8], id: u16) -> io::Result<Message> {
    let any = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut buffer = vec![0; REPLY_BYTES_MAX];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match Message::from_vec(&buffer[..length]) {
            Ok(reply) if reply.metadata.id == id => return Ok(reply),
            _ => tracing::debug!(%server, "dropped a packet that is no answer to the question"),
        }
    }
}

async fn over_tcp(server: SocketAddr, query: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    // Invariant: a query with one question is far below 64 KiB.
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(query).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    Message::from_vec(&reply).map_err(io::Error::other)
}

fn describe(reply: &Message, elapsed: Duration) -> Reply {
    let records = reply.answers.iter().map(|record| ReplyRecord {
        name: record.name.to_string(),
        record_type: record.record_type().to_string(),
        ttl_s: record.ttl,
        value: shown(&record.data),
    });
    let addresses = reply.answers.iter().filter_map(|record| match &record.data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    });
    Reply {
        status: status_word(reply),
        authoritative: reply.metadata.authoritative,
        records: records.collect(),
        addresses: addresses.collect(),
        reason: reason(reply),
        elapsed,
    }
}

/// The text of an extended error.
fn reason(reply: &Message) -> Option<String> {
    let option = reply.edns.as_ref()?.option(EdnsCode::Unknown(EXTENDED_ERROR))?;
    let EdnsOption::Unknown(_, bytes) = option else {
        return None;
    };
    let text = String::from_utf8_lossy(bytes.get(CODE_BYTES..)?).into_owned();
    (!text.is_empty()).then_some(text)
}

/// The mnemonic of RFC 2929 and `dig`, rather than a sentence.
pub(crate) fn status_word(reply: &Message) -> String {
    use hickory_proto::op::ResponseCode;
    match reply.metadata.response_code {
        ResponseCode::NoError => "NOERROR".into(),
        ResponseCode::FormErr => "FORMERR".into(),
        ResponseCode::ServFail => "SERVFAIL".into(),
        ResponseCode::NXDomain => "NXDOMAIN".into(),
        ResponseCode::NotImp => "NOTIMP".into(),
        ResponseCode::Refused => "REFUSED".into(),
        other => format!("RCODE{}", u16::from(other)),
    }
}

/// In front of an extended error's text.
const CODE_BYTES: usize = 2;
/// The largest UDP answer that is read.
const REPLY_BYTES_MAX: usize = 4096;
