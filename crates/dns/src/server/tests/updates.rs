//! Updates whose clients do not wait for them.

use conduit_core::record::name::RecordName;
use hickory_proto::op::OpCode;
use hickory_proto::rr::rdata::A;

use super::*;
use crate::peers::Keyholder;
use crate::transfer::now_s;
use crate::tsig::{Algorithm, Key, sign_request};
use crate::update::{Updates, Verdict};

fn holder() -> Keyholder {
    let name = RecordName::parse("k").expect("valid");
    let key = Arc::new(Key::new(name, Algorithm::HmacSha256, b"0123456789abcdef"));
    Keyholder { key, transfer: false, update: vec!["*.internal".parse().expect("valid")] }
}

/// Adds one record.
fn update(key: &Arc<Key>) -> Vec<u8> {
    let name = |text| Name::from_ascii(text).expect("valid");
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.add_query(Query::query(name("internal."), RecordType::SOA));
    let data = RData::A(A([10, 1, 1, 1].into()));
    message.add_authority(Record::from_rdata(name("x.internal."), 60, data));
    let mut bytes = message.to_vec().expect("encodes");
    sign_request(key, &mut bytes, now_s());
    bytes
}

#[test]
fn what_became_of_an_update_is_told_after_its_client_is_cut_off() {
    let (updates, mut wishes) = Updates::channel();
    let holder = holder();
    let request = framed(&update(&holder.key));
    let peers = Peers { keys: vec![holder], updates: Some(updates), ..Peers::default() };
    let policy = Policy { peers: Arc::new(peers), ..Policy::default() };
    let server = Running::start("127.0.0.1:0", policy);
    let mut stream = server.tcp();
    stream.write_all(&request).expect("writes");
    let wish = wishes.blocking_recv().expect("asked");
    // The same again while it is being made: nothing is said, and the stream is closed.
    stream.write_all(&request).expect("writes");
    assert_eq!(stream.read(&mut [0]).expect("closed"), 0);
    wish.reply.send(Verdict::Done).expect("it is waited for all the same");
    let code = (0..1_000).find_map(|_| {
        let mut stream = server.tcp();
        stream.write_all(&request).expect("writes");
        stream.shutdown(std::net::Shutdown::Write).expect("shuts");
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).expect("a reply, or none yet");
        Some(reply.get(5)? & 15)
    });
    assert_eq!(code, Some(0));
    assert!(wishes.try_recv().is_err(), "made once");
    assert_eq!(server.stop(), None);
}
