//! A stop while requests come from everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use conduit_api::v1::services::RegisterService;
use conduit_tests::Upstream;
use conduit_tests::client::Client;
use conduit_tests::daemon::Daemon;
use conduit_tests::gateway::PATIENCE;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustix::process::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");

/// Clients that ask until they are sent away.
#[derive(Clone, Default)]
struct Load {
    stopping: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Load {
    /// Asks on one connection after the other until none is accepted any more.
    async fn run(self, client: Client) {
        loop {
            let connected = client.connect("web.internal", &["http/1.1"]).await;
            let Ok(stream) = connected else {
                assert!(self.stopping.load(Ordering::SeqCst), "refused before there was a stop");
                return;
            };
            self.ask(TokioIo::new(stream)).await;
        }
    }

    /// Asks until the connection is closed between answers; an answer that begins comes whole.
    async fn ask(
        &self,
        stream: TokioIo<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static>,
    ) {
        let opened = hyper::client::conn::http1::handshake(stream).await;
        let Ok((mut sender, connection)) = opened else { return };
        conduit_tests::upstream::spawn(async move { drop(connection.await) });
        let payload = Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
        loop {
            let request = Request::post("/echo")
                .header(header::HOST, "web.internal")
                .body(Full::new(payload.clone()))
                .expect("a request");
            if sender.ready().await.is_err() {
                return;
            }
            let Ok(response) = sender.send_request(request).await else {
                assert!(self.stopping.load(Ordering::SeqCst), "closed before there was a stop");
                return;
            };
            assert_eq!(response.status(), StatusCode::OK);
            let body = response.into_body().collect().await.expect("an answer that began is whole");
            assert!(body.to_bytes() == payload, "it is what was sent");
            self.answered.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn until_answered(&self, count: usize) {
        let all = async {
            while self.answered.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("answered in time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sigterm_under_load_truncates_nothing() {
    let mut daemon = Daemon::start(BINARY).await;
    let upstream = Upstream::start("web").await;
    let service = RegisterService {
        name: "web".into(),
        upstreams: vec![upstream.host()],
        ..RegisterService::default()
    };
    daemon.api.register(&service).await.expect("registered");
    let listen = daemon.api.status().await.expect("status").value.listen;
    let bundle = std::fs::read_to_string(daemon.state().join("tls/ca.crt")).expect("bundle");
    let client = Client::new(listen.https[0].parse().expect("an address"), &bundle);
    let load = Load::default();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..16 {
        clients.spawn(load.clone().run(client.clone()));
    }
    load.until_answered(64).await;
    let slow = client.get_text("web.internal", "/slow");
    let stopping = async {
        upstream.arrived().await;
        load.stopping.store(true, Ordering::SeqCst);
        daemon.signal(Signal::TERM);
        no_longer_accepting(&client).await;
        upstream.go();
    };
    let (slow, ()) = tokio::join!(slow, stopping);
    let (status, body) = slow.expect("what was under way when the stop began is answered");
    assert_eq!((status, body.as_str()), (StatusCode::OK, "slow from web"));
    while let Some(ended) = clients.join_next().await {
        ended.expect("nothing was cut");
    }
    let ended = tokio::time::timeout(PATIENCE, daemon.child.wait()).await;
    assert_eq!(ended.expect("in time").expect("ended").code(), Some(0));
}

/// Waits until the stop has begun for everybody.
async fn no_longer_accepting(client: &Client) {
    let refused = async {
        while client.connect("web.internal", &["http/1.1"]).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("refused in time");
}

/// Larger than every buffer on the way.
const PAYLOAD_BYTES: usize = 1 << 20;
