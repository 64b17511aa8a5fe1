//! The same over TLS, and over HTTPS.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hickory_proto::op::Edns;
use hickory_proto::rr::rdata::opt::EdnsOption;
use http::{Request, Response, StatusCode, header};
use rustls::{ClientConnection, StreamOwned};

use super::*;

type Secure = StreamOwned<ClientConnection, TcpStream>;

impl Running {
    fn tls(&self, alpn: &[u8]) -> Secure {
        let mut config = self.identity.client();
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = "dns.internal".try_into().expect("a name");
        let client = ClientConnection::new(Arc::new(config), name).expect("set up");
        let stream = TcpStream::connect(self.encrypted).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("sets");
        StreamOwned::new(client, stream)
    }

    fn https(&self, request: Request<Bytes>, client: &str) -> Response<Bytes> {
        let client = client.parse().expect("an address");
        let arrived_at = Some(IpAddr::from([127, 0, 0, 1]));
        self.runtime.block_on(self.https.answer(&request, client, arrived_at))
    }
}

fn padded(name: &str) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("valid"), RecordType::A));
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(12, vec![0; 20]));
    message.set_edns(edns);
    message.to_vec().expect("encodes")
}

fn read_bytes(stream: &mut impl Read) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a length");
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).expect("a reply");
    reply
}

#[test]
fn tls_is_answered_as_tcp_is_and_padded_for_who_pads() {
    let server = Running::start("127.0.0.1:0", Policy::default());
    let mut stream = server.tls(b"dot");
    let plain = framed(&query("many.internal.", RecordType::A));
    stream.write_all(&[plain, framed(&padded("db.internal."))].concat()).expect("writes");
    assert_eq!(read_framed(&mut stream).answers.len(), 64);
    let reply = read_bytes(&mut stream);
    assert_eq!(reply.len(), 468);
    assert_eq!(addresses(&Message::from_vec(&reply).expect("parses")), ["10.0.1.52"]);
    assert_eq!(server.metrics.queries(Transport::Tls, Outcome::Records), 2);
    // Nobody can read along on TLS alone, so that nothing is padded without it.
    let mut clear = server.tcp();
    clear.write_all(&framed(&padded("db.internal."))).expect("writes");
    assert!(read_bytes(&mut clear).len() < 468);
    assert_eq!(server.stop(), None);
}

#[test]
fn a_handshake_that_fails_costs_its_connection_only() {
    let server = Running::start("127.0.0.1:0", Policy::default());
    let mut rest = Vec::new();
    let mut other = server.tls(b"h2");
    assert!(other.write_all(b"x").is_err() || other.read_to_end(&mut rest).is_err());
    let mut clear = TcpStream::connect(server.encrypted).expect("connects");
    clear.set_read_timeout(Some(PATIENCE)).expect("sets");
    clear.write_all(&framed(&query("db.internal.", RecordType::A))).expect("writes");
    let mut said = Vec::new();
    let _closed = clear.read_to_end(&mut said);
    assert!(said.len() < 20, "an alert at most: {said:?}");
    let mut good = server.tls(b"dot");
    good.write_all(&framed(&query("db.internal.", RecordType::A))).expect("writes");
    assert_eq!(addresses(&read_framed(&mut good)), ["10.0.1.52"]);
    assert_eq!(server.metrics.dropped(Drop::Handshake), 2);
    assert_eq!(server.stop(), None);
}

fn get(query: &[u8]) -> Request<Bytes> {
    let text = URL_SAFE_NO_PAD.encode(query);
    let uri = format!("https://dns.internal/dns-query?dns={text}");
    Request::get(uri).body(Bytes::new()).expect("a request")
}

fn post(query: &[u8]) -> Request<Bytes> {
    Request::post("/dns-query")
        .header(header::CONTENT_TYPE, "application/dns-message")
        .body(Bytes::copy_from_slice(query))
        .expect("a request")
}

#[test]
fn https_is_answered_with_what_caches_need() {
    let server = Running::start("127.0.0.1:0", Policy::default());
    let known = query("db.internal.", RecordType::A);
    for request in [get(&known), post(&known)] {
        let response = server.https(request, "10.0.0.9");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/dns-message");
        let message = Message::from_vec(response.body()).expect("parses");
        let ttl = message.answers[0].ttl;
        assert_eq!(response.headers()[header::CACHE_CONTROL], format!("max-age={ttl}"));
        assert_eq!(addresses(&message), ["10.0.1.52"]);
    }
    let asked_on = server.https(post(&query("grafana.internal.", RecordType::A)), "10.0.0.9");
    assert_eq!(addresses(&Message::from_vec(asked_on.body()).expect("parses")), ["127.0.0.1"]);
    let absent = server.https(post(&query("nope.internal.", RecordType::A)), "10.0.0.9");
    assert_eq!(absent.headers()[header::CACHE_CONTROL], "max-age=0");
    assert_eq!(server.https(post(&padded("db.internal.")), "10.0.0.9").body().len(), 468);
    assert_eq!(server.metrics.queries(Transport::Https, Outcome::Records), 4);
    // Who may ask what depends on the client, as everywhere.
    let others = query("www.example.com.", RecordType::A);
    for (client, code) in [("10.0.0.9", ResponseCode::NXDomain), ("8.8.8.8", ResponseCode::Refused)]
    {
        let response = server.https(get(&others), client);
        assert_eq!(response.status(), StatusCode::OK);
        let message = Message::from_vec(response.body()).expect("parses");
        assert_eq!(message.metadata.response_code, code, "{client}");
    }
    assert_eq!(server.stop(), None);
}

#[test]
fn what_is_no_question_gets_a_status_that_says_why() {
    let server = Running::start("127.0.0.1:0", Policy::default());
    let known = query("db.internal.", RecordType::A);
    let mut answer = known.clone();
    answer[2] |= 0x80;
    let empty = |uri: &str| Request::get(uri).body(Bytes::new()).expect("a request");
    let mut json = post(&known);
    json.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().expect("valid"));
    let mut bare = post(&known);
    bare.headers_mut().clear();
    let mut put = post(&known);
    *put.method_mut() = http::Method::PUT;
    let mut head = get(&known);
    *head.method_mut() = http::Method::HEAD;
    for (request, status) in [
        (empty("/"), StatusCode::NOT_FOUND),
        (empty("/dns-query/"), StatusCode::NOT_FOUND),
        (empty("/dns-query"), StatusCode::BAD_REQUEST),
        (empty("/dns-query?dns="), StatusCode::BAD_REQUEST),
        (empty("/dns-query?dns=!!!"), StatusCode::BAD_REQUEST),
        (empty("/dns-query?name=a&type=A"), StatusCode::BAD_REQUEST),
        (empty(&format!("/dns-query?dns={}", "A".repeat(8000))), StatusCode::URI_TOO_LONG),
        (get(&answer), StatusCode::BAD_REQUEST),
        (post(&[]), StatusCode::BAD_REQUEST),
        (post(&vec![0; 5000]), StatusCode::PAYLOAD_TOO_LARGE),
        (json, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (bare, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (put, StatusCode::METHOD_NOT_ALLOWED),
        (head, StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let shown = format!("{} {}", request.method(), request.uri());
        let response = server.https(request, "10.0.0.9");
        assert_eq!(response.status(), status, "{shown}");
        let is_allow = response.headers().contains_key(header::ALLOW);
        assert_eq!(is_allow, status == StatusCode::METHOD_NOT_ALLOWED, "{shown}");
    }
    // Whatever can be read as a question gets DNS's own answer.
    let mut two = known.clone();
    two[5] = 2;
    let response = server.https(post(&two), "10.0.0.9");
    assert_eq!(response.status(), StatusCode::OK);
    let told = Message::from_vec(response.body()).expect("parses");
    assert_eq!(told.metadata.response_code, ResponseCode::FormErr);
    // Padding of base64 does no harm.
    let padded = base64::engine::general_purpose::URL_SAFE.encode(&known);
    let response = server.https(empty(&format!("/dns-query?x=1&dns={padded}")), "10.0.0.9");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(server.stop(), None);
}

#[test]
fn nothing_is_answered_before_dns_is_served() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let request = post(&query("db.internal.", RecordType::A));
    let client = IpAddr::from([10, 0, 0, 9]);
    let https = Https::default();
    let response = runtime.block_on(https.answer(&request, client, None));
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}
