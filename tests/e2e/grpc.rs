//! gRPC through the gateway, spoken by the Python package `grpcio` on both sides.

use std::path::Path;
use std::process::Stdio;

use conduit_api::v1::health::HealthStatus;
use conduit_tests::Gateway;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

#[tokio::test(flavor = "multi_thread")]
async fn grpcio_calls_grpcio_through_the_gateway() {
    let installed = Command::new("python3").args(["-c", "import grpc"]).output().await;
    if !installed.is_ok_and(|output| output.status.success()) {
        conduit_tests::skipped("gRPC by grpcio: python3 has no such package");
        return;
    }
    let mut server = script(&["serve"]);
    let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    let port = lines.next_line().await.expect("readable").expect("a port");
    let gateway = Gateway::start().await;
    let upstream = format!("127.0.0.1:{port}");
    gateway
        .register_with("model", &[&upstream], |service| {
            service.protocol = Some("h2c".to_owned());
        })
        .await
        .expect("registered");
    let bundle = gateway.state.join("tls/ca.crt");
    let bundle = bundle.to_str().expect("UTF-8");
    let https = gateway.https.port().to_string();
    let called = script(&["call", &https, bundle, "model.internal"]).wait_with_output().await;
    let called = called.expect("it ran");
    let said = String::from_utf8_lossy(&called.stderr);
    assert!(called.status.success(), "{said}");
    gateway
        .until("model", "healthy", |service| service.health_status == HealthStatus::Healthy)
        .await;
}

fn script(arguments: &[&str]) -> Child {
    Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("grpc_calls.py"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python3 starts")
}
