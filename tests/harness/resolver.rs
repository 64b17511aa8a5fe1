//! A DNS client over raw sockets.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::net::UdpSocket;

/// Asks `server` for the addresses of `host`; `None` is NXDOMAIN.
pub async fn addresses(server: SocketAddr, host: &str) -> Option<Vec<IpAddr>> {
    let reply = ask(server, host, RecordType::A).await;
    match reply.metadata.response_code {
        ResponseCode::NXDomain => None,
        ResponseCode::NoError => Some(
            reply
                .answers
                .iter()
                .filter_map(|record| match &record.data {
                    RData::A(a) => Some(IpAddr::V4(a.0)),
                    RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
                    _ => None,
                })
                .collect(),
        ),
        other => panic!("{host}: {other}"),
    }
}

/// Sends one query over UDP and returns the reply; a lost packet fails the test.
pub async fn ask(server: SocketAddr, host: &str, kind: RecordType) -> Message {
    let mut query = Message::new(0x1234, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(Name::from_ascii(format!("{host}.")).unwrap(), kind));
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(&query.to_vec().unwrap()).await.unwrap();
    let mut buffer = [0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut buffer));
    let length = read.await.expect("an answer").unwrap();
    let reply = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!(reply.metadata.id, 0x1234);
    reply
}
