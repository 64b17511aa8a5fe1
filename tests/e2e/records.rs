//! Records of operators: from the command to a real query, across restarts and backups.

use conduit_tests::daemon::Daemon;
use conduit_tests::{Gateway, resolver};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");

/// The answers as `TYPE DATA`, sorted; the code when it is an error.
async fn asked(daemon: &Daemon, name: &str, kind: RecordType) -> Vec<String> {
    let listen = daemon.api.dns().await.expect("a list").value.listen;
    let reply = resolver::ask(listen[0].parse().expect("an address"), name, kind).await;
    if reply.metadata.response_code != ResponseCode::NoError {
        return vec![reply.metadata.response_code.to_string()];
    }
    let mut all: Vec<String> =
        reply.answers.iter().map(|r| format!("{} {}", r.record_type(), r.data)).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_answered_when_its_command_returns_and_after_a_kill() {
    let daemon = Daemon::start(BINARY).await;
    let (code, said) = daemon.run(BINARY, &["dns", "add", "nas.internal", "A", "10.0.0.7"]).await;
    assert_eq!((code, said.as_str()), (Some(0), "Added nas.internal A 10.0.0.7\n"));
    assert_eq!(asked(&daemon, "nas.internal", RecordType::A).await, ["A 10.0.0.7"]);
    let (code, said) = daemon.run(BINARY, &["dns", "add", "nas.internal", "A", "10.0.0.7"]).await;
    assert_eq!(code, Some(0));
    assert!(said.contains("is there already"), "{said}");
    let star = ["dns", "add", "*.apps.internal", "CNAME", "nas.internal", "--ttl", "5m"];
    assert_eq!(daemon.run(BINARY, &star).await.0, Some(0));
    let both = ["A 10.0.0.7", "CNAME nas.internal."];
    assert_eq!(asked(&daemon, "any.apps.internal", RecordType::A).await, both);

    let daemon = daemon.kill_and_restart(BINARY).await;
    assert_eq!(asked(&daemon, "any.apps.internal", RecordType::A).await, both);
    let (code, said) = daemon.run(BINARY, &["dns"]).await;
    assert_eq!(code, Some(0));
    assert!(said.contains("nas.internal") && said.contains("CNAME nas.internal"), "{said}");
    let (code, said) = daemon.run(BINARY, &["dns", "remove", "*.apps.internal"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said, "Removed *.apps.internal 300 CNAME nas.internal\n");
    assert_eq!(
        asked(&daemon, "any.apps.internal", RecordType::A).await,
        [ResponseCode::NXDomain.to_string()]
    );
    let (code, said) = daemon.run(BINARY, &["dns", "remove", "nas.internal", "TXT"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("nas.internal has no TXT record to remove"), "{said}");
    assert!(daemon.api.verify_audit().await.expect("verified").value.valid);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_exits_2_before_anybody_is_asked() {
    let daemon = Daemon::start(BINARY).await;
    for (args, part) in [
        (&["dns", "add", "nas.internal", "A", "10.0.0"][..], "is not an IPv4 address"),
        (&["dns", "add", "nas.internal", "NS", "x"], "NS records are Conduit's own"),
        (&["dns", "add", "nas.internal", "A"], "DATA"),
        (&["dns", "add", "a b", "A", "10.0.0.7"], "is not a DNS name"),
        (&["dns", "add", "nas.internal", "A", "10.0.0.7", "--ttl", "8d"], "is not a TTL"),
        (&["dns", "remove"], "NAME"),
        (&["dns", "resolve", ""], "\"\" is not a DNS name"),
        (&["dns", "resolve", "a..b"], "\"a..b\" is not a DNS name"),
        (&["dns", "resolve", "nas.internal", "--type", "ADDRESS"], "is not a record type"),
        (&["dns", "why", "nas.internal", "ADDRESS"], "is not a record type"),
        (&["dns", "flush", "a..b"], "is not a DNS name"),
    ] {
        let (code, said) = daemon.run(BINARY, args).await;
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains(part), "{args:?}: {said}");
    }
    let (code, said) = daemon.run(BINARY, &["dns", "add", "nas.example", "A", "10.0.0.7"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("not under a configured domain"), "{said}");
    assert_eq!(daemon.api.status().await.expect("a status").value.generation, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_the_configuration_are_answered_and_stay() {
    let extra = "[[dns.records]]\nname = \"nas.internal\"\ntype = \"A\"\ndata = \"10.0.0.7\"\n\
                 [[dns.records]]\nname = \"internal\"\ntype = \"MX\"\ndata = \"10 nas.internal\"\n";
    let gateway = Gateway::start_with(extra).await;
    let reply = resolver::ask(gateway.dns, "internal", RecordType::MX).await;
    assert_eq!((reply.answers.len(), reply.additionals.len()), (1, 1));
    let list = gateway.api.dns().await.expect("a list").value;
    let sources: Vec<&str> = list.entries.iter().map(|entry| entry.source.as_str()).collect();
    assert_eq!(sources, ["config", "config"]);
    let refused = gateway.api.remove_records("nas.internal", None, None).await;
    let error = refused.expect_err("it stays").to_string();
    assert!(error.contains("comes from the configuration"), "{error}");
    let taken = gateway.register("nas", &["127.0.0.1:1"]).await.expect_err("taken").to_string();
    assert!(taken.contains("nas.internal has a record already"), "{taken}");
}
