//! Hosts of the gateway itself, answered in this process over every version of HTTP.

use bytes::Bytes;
use conduit_core::name::{Host, ServiceName};
use conduit_core::service::Service;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};

use super::harness::{Upstream, get};
use super::http3::{Client, rest, with_site};
use super::tls::Site;
use crate::fixture::tls_service;
use crate::limits::Limits;
use crate::own::{Answering, OwnHost, Visitor};

/// Says what it was asked, and by whom.
#[derive(Debug)]
pub(super) struct Echo;

impl OwnHost for Echo {
    fn label(&self) -> &str {
        "dns"
    }

    fn body_bytes_max(&self) -> usize {
        8
    }

    fn answer(&self, request: Request<Bytes>, visitor: Visitor) -> Answering<'_> {
        let Visitor { client, arrived_at } = visitor;
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let said =
            format!("{} {} {client} {arrived_at:?} {body}", request.method(), request.uri().path());
        Box::pin(std::future::ready(Response::new(said.into())))
    }
}

fn site(upstream: &Upstream, workers: usize) -> Site {
    let host = |text: &str| Host::parse(text).expect("valid");
    let ours = Service {
        name: ServiceName::conduit(),
        hosts: vec![host("conduit.internal"), host("dns.internal")],
        ..tls_service("any", &[&upstream.text()])
    };
    let others = Service {
        hosts: vec![host("dns.web.internal")],
        ..tls_service("web", &[&upstream.text()])
    };
    Site::over_http3(vec![ours, others], workers, Limits::default())
}

const SAID: &str = "/x 127.0.0.1 Some(127.0.0.1) ";

#[test]
fn only_the_host_of_ours_is_answered_here() {
    let upstream = Upstream::mirror();
    let site = site(&upstream, 1);
    let (head, said) = site.wire("dns.internal").ask(&get("dns.internal", "/x"));
    assert_eq!((head.status(), said), (200, format!("GET {SAID}")));
    for host in ["conduit.internal", "dns.web.internal"] {
        let (head, said) = site.wire(host).ask(&get(host, "/x"));
        assert_eq!(head.status(), 200);
        assert!(said.starts_with("GET /x HTTP/1.1"), "{host} is an upstream's: {said}");
    }
    let post = |body: &str| {
        let length = body.len();
        format!("POST /x HTTP/1.1\r\nhost: dns.internal\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    let (_, said) = site.wire("dns.internal").ask(&post("12345678"));
    assert_eq!(said, format!("POST {SAID}12345678"));
    let (head, _) = site.wire("dns.internal").ask(&post("123456789"));
    assert_eq!(head.status(), 413);
    site.gateway.stop();
}

#[test]
fn http2_and_http3_are_answered_alike() {
    let upstream = Upstream::mirror();
    with_site(site(&upstream, 1), async |site| {
        let mut sender = site.http2("dns.internal").await;
        let ask = |body: &'static [u8]| {
            let request = Request::post("https://dns.internal/x");
            request.body(Full::new(Bytes::from_static(body))).expect("a request")
        };
        let response = sender.send_request(ask(b"12")).await.expect("an answer");
        let said = response.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(said, format!("POST {SAID}12"));
        let response = sender.send_request(ask(b"123456789")).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);

        let mut client = Client::connect(site, "dns.internal").await;
        let mut stream =
            client.open(Request::post("https://dns.internal/x").body(()).expect("valid")).await;
        stream.send_data(Bytes::from_static(b"34")).await.expect("sent");
        stream.finish().await.expect("sent");
        let response = stream.recv_response().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(rest(&mut stream).await, format!("POST {SAID}34"));
    });
}
