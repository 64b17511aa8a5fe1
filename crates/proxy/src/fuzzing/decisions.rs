//! The doors of the decision half: ClientHello, host lookup, and an upstream's answer to a probe.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::catalog::Change;
use conduit_core::live;
use conduit_core::name::Host;
use conduit_core::service::Service;
use rustls::server::{Acceptor, ResolvesServerCert};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fingerprint::signs::{self, Answer, PATHS};
use crate::fixture;
use crate::health::probe::{Ask, Counts, Get, Outcome};
use crate::sni::{SniResolver, leaves_for};

/// A ClientHello: only a host with a TLS route has leaves, whatever the rest says.
pub fn sni_hello(data: &[u8]) {
    let table = Arc::new(fixture::table(vec![
        fixture::tls_service("grafana", &["127.0.0.1:1"]),
        fixture::service("clear", &["127.0.0.1:2"]),
    ]));
    let mut acceptor = Acceptor::default();
    let mut left = data;
    while !left.is_empty() {
        if acceptor.read_tls(&mut left).is_err() {
            return;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                let served = hello.server_name() == Some("grafana.internal");
                assert_eq!(leaves_for(&table, &hello).is_some(), served);
                let (_writer, reader) = live::channel(table);
                let key = SniResolver::new(reader).resolve(accepted.client_hello());
                assert!(key.is_none(), "these leaves cannot be parsed");
                return;
            }
            Err(_) => return,
        }
    }
}

/// Hosts, one per line, and in the last line the one looked for: the table finds what a linear
/// scan finds, also after every other service is gone.
pub fn route_lookup(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut hosts: Vec<Host> = Vec::new();
    let lines = text.lines().take(HOSTS_MAX);
    for host in lines.filter_map(|line| Host::parse(line).ok()) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let services = hosts.into_iter().enumerate().map(|(n, host)| Service {
        hosts: vec![host],
        ..fixture::service(&format!("s{n}"), &["127.0.0.1:1"])
    });
    let services: Vec<Service> = services.collect();
    let wanted = text.lines().last().unwrap_or_default();
    let scan = |services: &[Service]| {
        let mut found = services.iter().filter(|s| s.hosts[0].as_str() == wanted);
        found.next().map(|service| service.name.clone())
    };
    let table = fixture::table(services.clone());
    let found = table.get(wanted).map(|route| route.service.clone());
    assert_eq!(found, scan(&services));

    let drops = services.iter().skip(1).step_by(2);
    let drops: Vec<Change> = drops.map(|s| Change::Drop(s.name.clone())).collect();
    let kept: Vec<Service> = services.iter().step_by(2).cloned().collect();
    let leaves = fixture::Leaves::default();
    let next = fixture::compiler()
        .with_changes(&table, &drops, &[], &leaves, fixture::version(2))
        .expect("no leaves are needed");
    let found = next.get(wanted).map(|route| route.service.clone());
    assert_eq!(found, scan(&kept));
    assert_eq!(next.len(), kept.len());
}

/// What an upstream sends to a probe: the probe ends, and passes only on an HTTP/1 answer.
pub fn probe_response(data: &[u8]) {
    let ask = Ask::Get(Get {
        path: "/health".into(),
        host: "grafana.internal".into(),
        counts: Counts::Below500,
        body: data.last().filter(|last| **last > 0x7f).map(|_| "ok".into()),
    });
    let (client, mut server) = tokio::io::duplex(1 << 16);
    let answering = async {
        let mut request = [0_u8; 1024];
        let asked = server.read(&mut request).await;
        let sent = server.write_all(data).await;
        drop(server);
        (asked, sent)
    };
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(async {
            let both = async { tokio::join!(ask.put(client), answering).0 };
            tokio::time::timeout(Duration::from_secs(20), both).await
        })
        .expect("a probe of a closed connection ends");
    if outcome == Outcome::Passed {
        assert!(data.windows(7).any(|bytes| bytes == b"HTTP/1."));
    }
    // The same bytes as the body that somebody looks at: what is said of it is short and printable.
    let body = Some(Answer { status: 200, body: data.to_vec() });
    let found =
        signs::of_http(&PATHS.map(|_| body.clone())).or_else(|| signs::of_stream(data, data));
    if let Some((_, evidence)) = found {
        assert!(evidence.len() < 200 && !evidence.contains(char::is_control), "{evidence}");
    }
}

/// How many hosts one input may name.
const HOSTS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls::pki_types::ServerName;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn route_lookup_agrees_with_a_scan(
            lines in proptest::collection::vec("[a-cA-C]{1,2}(\\.[a-b]{1,2})?\\.?", 0..40),
        ) {
            super::route_lookup(lines.join("\n").as_bytes());
        }

        #[test]
        fn a_damaged_hello_is_a_hello_or_nothing(at in 0_usize..600, flip in 1_u8..) {
            let mut hello = hello("grafana.internal");
            let at = at % hello.len();
            hello[at] ^= flip;
            super::sni_hello(&hello);
        }

        #[test]
        fn bytes_are_no_answer(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            super::probe_response(&data);
        }

        #[test]
        fn half_an_answer_ends_too(cut in 0_usize..90, status in 0_u16..1000) {
            let answer = format!("HTTP/1.1 {status:03} Fine\r\nContent-Length: 2\r\nX: y\r\n\r\nok");
            super::probe_response(&answer.as_bytes()[..cut.min(answer.len())]);
        }
    }

    #[test]
    fn hellos_find_their_leaves() {
        for name in ["grafana.internal", "GRAFANA.internal", "clear.internal", "other.internal"] {
            super::sni_hello(&hello(name));
        }
    }

    #[test]
    fn answers_in_other_shapes_end() {
        for answer in ["", "\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2.0 200 OK\r\n\r\n"] {
            super::probe_response(answer.as_bytes());
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(100_000));
        super::probe_response(endless.as_bytes());
    }

    /// What a client that asks for `name` sends first.
    fn hello(name: &str) -> Vec<u8> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(config.into(), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }
}
