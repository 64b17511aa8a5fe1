//! A forwarder that does as it is told, on loopback.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use conduit_core::tasks::Tasks;
use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;

/// What the forwarder does with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// Answers with a public address.
    Honest,
    /// Answers with an address of the inside.
    Inside,
    /// Says nothing.
    Dead,
    /// Says nothing over UDP, and closes TCP connections at once.
    Deaf,
    /// Cuts UDP answers short.
    Truncating,
    /// Answers with another id, seven times, and then rightly.
    WrongIds,
    /// The same without end.
    WrongIdsOnly,
    /// Answers to another question first.
    WrongName,
    /// Answers in lower case, as some do.
    Folding,
    /// Somebody else sends a guess in lower case first; over TCP the case is right.
    Guessed,
    /// Answers from another port, and then rightly.
    OtherPort,
    /// Does not understand EDNS.
    Old,
    /// Declines with this code.
    Declines(ResponseCode),
    /// The name does not exist, and nobody says for how long.
    NoSoa,
    /// The name does not exist for 20 seconds.
    Nothing,
    /// An alias to an alias to an address, and a stranger's record.
    Chain,
    /// Two aliases that lead to each other.
    Circle,
    /// More than fits a datagram.
    Huge,
    /// What is no DNS message, but looks like one at first.
    Garbage,
}

/// A running forwarder.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    manners: Arc<Mutex<Manners>>,
    asked: Arc<AtomicUsize>,
    asked_over_tcp: Arc<AtomicUsize>,
    /// Names as they were asked, and from where.
    heard: Arc<Mutex<Vec<(String, u16, SocketAddr)>>>,
    tasks: Tasks,
}

impl Fake {
    pub(crate) async fn start(manners: Manners) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
            let address = udp.local_addr().expect("bound");
            if let Ok(tcp) = TcpListener::bind(address).await {
                break (udp, tcp);
            }
        };
        let fake = Self {
            address: udp.local_addr().expect("bound"),
            manners: Arc::new(Mutex::new(manners)),
            asked: Arc::default(),
            asked_over_tcp: Arc::default(),
            heard: Arc::default(),
            tasks: Tasks::new(CancellationToken::new()),
        };
        let (manners, asked, heard) =
            (Arc::clone(&fake.manners), Arc::clone(&fake.asked), Arc::clone(&fake.heard));
        fake.tasks.job("udp", async move {
            let mut buffer = [0; 4096];
            while let Ok((length, peer)) = udp.recv_from(&mut buffer).await {
                asked.fetch_add(1, Ordering::Relaxed);
                let request = Message::from_vec(&buffer[..length]).expect("a query");
                let name = request.queries[0].name().to_ascii();
                heard.lock().expect("whole").push((name, request.metadata.id, peer));
                let manners = *manners.lock().expect("whole");
                if manners == Manners::OtherPort {
                    let other = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
                    let lie = said(Manners::Inside, &request, false).remove(0);
                    other.send_to(&lie, peer).await.expect("sends");
                }
                for reply in said(manners, &request, false) {
                    udp.send_to(&reply, peer).await.expect("sends");
                }
            }
        });
        let (manners, asked) = (Arc::clone(&fake.manners), Arc::clone(&fake.asked_over_tcp));
        fake.tasks.job("tcp", async move {
            while let Ok((stream, _)) = tcp.accept().await {
                asked.fetch_add(1, Ordering::Relaxed);
                let manners = *manners.lock().expect("whole");
                drop(over_tcp(stream, manners).await);
            }
        });
        fake
    }

    pub(crate) fn now(&self, manners: Manners) {
        *self.manners.lock().expect("whole") = manners;
    }

    /// Questions over UDP.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn asked_over_tcp(&self) -> usize {
        self.asked_over_tcp.load(Ordering::Relaxed)
    }

    pub(crate) fn heard(&self) -> Vec<(String, u16, SocketAddr)> {
        self.heard.lock().expect("whole").clone()
    }
}

async fn over_tcp(mut stream: TcpStream, manners: Manners) -> std::io::Result<()> {
    if manners == Manners::Deaf {
        return Ok(());
    }
    let length = stream.read_u16().await?;
    let mut request = vec![0; usize::from(length)];
    stream.read_exact(&mut request).await?;
    let request = Message::from_vec(&request).expect("a query");
    for reply in said(manners, &request, true) {
        let length = u16::try_from(reply.len()).expect("short");
        stream.write_all(&length.to_be_bytes()).await?;
        stream.write_all(&reply).await?;
    }
    Ok(())
}

/// What is said to a request, in messages.
#[expect(clippy::too_many_lines, reason = "one case for each of the manners")]
pub(crate) fn said(manners: Manners, request: &Message, is_tcp: bool) -> Vec<Vec<u8>> {
    let mut right =
        Message::new(request.metadata.id, MessageType::Response, request.metadata.op_code);
    right.metadata.recursion_desired = true;
    right.metadata.recursion_available = true;
    right.add_query(request.queries[0].clone());
    let owner = request.queries[0].name().clone();
    let name = |text: &str| Name::from_ascii(text).expect("valid");
    let address = |owner: &Name, last: [u8; 4]| {
        Record::from_rdata(owner.clone(), 60, RData::A(A(last.into())))
    };
    let alias = |owner: &Name, to: &str| {
        Record::from_rdata(owner.clone(), 60, RData::CNAME(CNAME(name(to))))
    };
    let mut honest = right.clone();
    honest.add_answer(address(&owner, PUBLIC));
    let bytes = |message: &Message| message.to_vec().expect("encodes");
    let lower = |message: &Message| {
        let mut message = message.clone();
        message.queries = vec![Query::query(owner.to_lowercase(), request.queries[0].query_type())];
        bytes(&message)
    };
    match manners {
        Manners::Honest | Manners::OtherPort => vec![bytes(&honest)],
        Manners::Dead | Manners::Deaf => Vec::new(),
        Manners::Inside => {
            right.add_answer(address(&owner, [192, 168, 0, 7]));
            vec![bytes(&right)]
        }
        Manners::Truncating if !is_tcp => {
            right.metadata.truncation = true;
            vec![bytes(&right)]
        }
        Manners::Huge if !is_tcp => {
            right.metadata.truncation = true;
            vec![bytes(&right)]
        }
        Manners::Huge => {
            right.add_answers((0..=255).map(|last| address(&owner, [198, 18, 1, last])));
            vec![bytes(&right)]
        }
        Manners::Truncating => vec![bytes(&honest)],
        Manners::WrongIds | Manners::WrongIdsOnly => {
            let lie = |n: u16| {
                let mut lie = right.clone();
                lie.metadata.id = lie.metadata.id.wrapping_add(n);
                lie.add_answer(address(&owner, [198, 18, 66, 66]));
                bytes(&lie)
            };
            let lies = if manners == Manners::WrongIds { 7 } else { 20 };
            let mut all: Vec<Vec<u8>> = (1..=lies).map(lie).collect();
            if is_tcp {
                all.clear();
            }
            all.push(bytes(&honest));
            all
        }
        Manners::WrongName => {
            let mut lie = right.clone();
            lie.queries =
                vec![Query::query(name("bank.example."), request.queries[0].query_type())];
            lie.add_answer(address(&owner, [198, 18, 66, 66]));
            vec![bytes(&lie), bytes(&honest)]
        }
        Manners::Folding => vec![lower(&honest)],
        Manners::Guessed if !is_tcp => {
            right.add_answer(address(&owner, [198, 18, 66, 66]));
            vec![lower(&right)]
        }
        Manners::Guessed => vec![bytes(&honest)],
        Manners::Old if request.edns.is_some() => {
            right.metadata.response_code = ResponseCode::FormErr;
            vec![bytes(&right)]
        }
        Manners::Old => vec![bytes(&honest)],
        Manners::Declines(code) => {
            right.metadata.response_code = code;
            vec![bytes(&right)]
        }
        Manners::NoSoa | Manners::Nothing => {
            right.metadata.response_code = ResponseCode::NXDomain;
            if manners == Manners::Nothing {
                let soa = SOA::new(name("ns."), name("m."), 1, 2, 3, 4, 20);
                right.add_authority(Record::from_rdata(Name::root(), 300, RData::SOA(soa)));
            }
            vec![bytes(&right)]
        }
        Manners::Chain => {
            right.add_answer(alias(&owner, "second.example."));
            right.add_answer(alias(&name("second.example."), "third.other."));
            right.add_answer(address(&name("third.other."), PUBLIC));
            right.add_answer(address(&name("bank.example."), [198, 18, 66, 66]));
            vec![bytes(&right)]
        }
        Manners::Circle => {
            right.add_answer(alias(&owner, "second.example."));
            right.add_answer(alias(&name("second.example."), &owner.to_lowercase().to_ascii()));
            vec![bytes(&right)]
        }
        Manners::Garbage => {
            let mut garbage = bytes(&honest);
            let end = garbage.len();
            garbage[7] = 9;
            garbage.truncate(end - 2);
            vec![garbage]
        }
    }
}

/// What honest answers hold.
pub(crate) const PUBLIC: [u8; 4] = [198, 18, 0, 1];
