//! Several questions on one connection, answered as they come to be known.

use super::*;
use crate::server::stream::PIPELINED_MAX;

/// A forwarder that answers when it is told to.
struct Held(UdpSocket);

impl Held {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
        socket.set_read_timeout(Some(PATIENCE)).expect("sets");
        Self(socket)
    }

    fn policy(&self) -> Policy {
        let forwarders = vec![self.0.local_addr().expect("bound").into()];
        let settings = ForwardSettings { forwarders, ..ForwardSettings::default() };
        let forwarder = Forwarder::new(settings, &[], &Interfaces::default(), None);
        Policy { forwarder: Some(forwarder.expect("builds")), ..Policy::default() }
    }

    fn asked(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 512];
        let (length, peer) = self.0.recv_from(&mut buffer).expect("a question");
        (buffer[..length].to_vec(), peer)
    }

    /// Says that there is nothing.
    fn answer(&self, (mut question, peer): (Vec<u8>, SocketAddr)) {
        question[2] |= 0x80;
        self.0.send_to(&question, peer).expect("sends");
    }
}

fn id_of(message: &Message, ids: &[(u16, &str)]) -> String {
    let found = ids.iter().find(|(id, _)| *id == message.metadata.id);
    found.map_or_else(|| "a stranger".to_owned(), |(_, what)| (*what).to_owned())
}

fn numbered(id: u16, name: &str) -> Vec<u8> {
    let mut request = query(name, RecordType::A);
    request[..2].copy_from_slice(&id.to_be_bytes());
    request
}

#[test]
fn what_is_known_does_not_wait_for_what_is_not() {
    let held = Held::start();
    let server = Running::start("127.0.0.1:0", held.policy());
    let ids = [(1, "theirs"), (2, "ours")];
    let both =
        [framed(&numbered(1, "www.example.com.")), framed(&numbered(2, "db.internal."))].concat();
    let mut stream = server.tcp();
    stream.write_all(&both).expect("writes");
    assert_eq!(id_of(&read_framed(&mut stream), &ids), "ours");
    let question = held.asked();
    // The client has said all it wanted, and still gets what it asked for.
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    held.answer(question);
    assert_eq!(id_of(&read_framed(&mut stream), &ids), "theirs");
    assert_eq!(stream.read_to_end(&mut Vec::new()).ok(), Some(0));
    assert_eq!(server.stop(), None);
}

#[test]
fn only_so_many_questions_of_a_connection_wait() {
    let held = Held::start();
    let server = Running::start("127.0.0.1:0", held.policy());
    let mut all = Vec::new();
    for n in 0..u16::try_from(PIPELINED_MAX).expect("few") {
        all.extend(framed(&numbered(n, &format!("n{n}.example."))));
    }
    all.extend(framed(&numbered(9999, "db.internal.")));
    let mut stream = server.tcp();
    stream.write_all(&all).expect("writes");
    let questions: Vec<_> = (0..PIPELINED_MAX).map(|_| held.asked()).collect();
    for question in questions {
        held.answer(question);
    }
    // Read only once another one was answered.
    assert_ne!(read_framed(&mut stream).metadata.id, 9999);
    let rest: Vec<u16> = (0..PIPELINED_MAX).map(|_| read_framed(&mut stream).metadata.id).collect();
    assert!(rest.contains(&9999));
    assert_eq!(server.stop(), None);
}

#[test]
fn a_burst_of_questions_is_answered_in_full() {
    let server = Running::start("127.0.0.1:0", Policy::default());
    let mut stream = server.tcp();
    let ids = 0..500_u16;
    let all: Vec<u8> = ids.clone().flat_map(|n| framed(&numbered(n, "db.internal."))).collect();
    stream.write_all(&all).expect("writes");
    for id in ids {
        assert_eq!(read_framed(&mut stream).metadata.id, id, "in order, since all are known");
    }
    assert_eq!(server.stop(), None);
}
