//! From real questions to lines in memory and in a file.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

use conduit_api::v1::queries::DnsQuery;
use conduit_core::domains::Domains;
use conduit_core::name::Host;
use conduit_core::tasks::Tasks;
use conduit_dns::access::Policy;
use conduit_dns::bind::Listeners;
use conduit_dns::metrics::Metrics;
use conduit_dns::query_log::settings::Logged;
use conduit_dns::zone::{Zone, ZoneSettings};
use tokio_util::sync::CancellationToken;

use super::recent::{LINES_MAX, Recent};
use super::*;

fn to(output: AccessOutput, format: QueryFormat) -> config::QueryLog {
    config::QueryLog { output, format, rotate_size: 1 << 20, keep: 2, compress: false }
}

fn line(name: &str) -> DnsQuery {
    DnsQuery {
        sequence: None,
        time: "2026-11-23T20:00:00.000000Z".into(),
        client: Some("10.0.0.9".into()),
        transport: "udp".into(),
        name: Some(name.into()),
        record_type: Some("A".into()),
        outcome: "records".into(),
        rcode: Some("NOERROR".into()),
        source: "service".into(),
        service: Some("web".into()),
        list: None,
        forwarder: None,
        answers: vec!["A 10.0.0.1".into()],
        more: 0,
        duration_ms: 0.034,
        dnssec_ok: false,
        checking_disabled: false,
    }
}

/// Asks over the wire until there is an answer, and ends the server and the writer.
fn asked(output: AccessOutput, format: QueryFormat, request: &[u8]) -> Told {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _entered = runtime.enter();
    let settings = QueryLogSettings { logged: Logged::All, ..QueryLogSettings::default() };
    let (_catalog, catalog) = live::channel(Arc::<Catalog>::default());
    let writer = Writer::start(&settings, &to(output, format), Arc::default(), catalog);
    let writer = writer.expect("starts");
    let told = writer.told();
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().expect("valid")]).expect("binds");
    let address: SocketAddr = listeners.addresses()[0];
    let domains = Domains::new(vec![Host::parse("internal").expect("valid")]).expect("some");
    let zone = Zone::compile(&Catalog::default(), Default::default(), &ZoneSettings::new(domains));
    let (_zone, zone) = live::channel(Arc::new(zone));
    let (_policy, policy) = live::channel(Arc::<Policy>::default());
    let tasks = Tasks::new(CancellationToken::new());
    let listeners = listeners.with_query_log(told.log().clone());
    listeners.serve(zone, policy, Metrics::default(), &tasks).expect("serves");
    let client = UdpSocket::bind("127.0.0.1:0").expect("binds");
    client.connect(address).expect("connects");
    client.send(request).expect("sends");
    client.recv(&mut [0; 512]).expect("an answer");
    tasks.stop().cancel();
    runtime.block_on(tasks.finish());
    writer.finish().join().expect("ended");
    told
}

/// `internal` SOA, with RD.
const REQUEST: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x08iNternal\x00\x00\x06\x00\x01";

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("text")
}

#[test]
fn a_query_is_told_in_memory_and_in_the_file() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("queries.log");
    let told = asked(AccessOutput::File(path.clone()), QueryFormat::Json, REQUEST);
    let view = told.view(None);
    assert_eq!((view.queries.len(), view.last, view.lost), (1, 1, 0));
    assert_eq!(view.settings.logged, Logged::Off, "it has ended");
    let kept = &view.queries[0];
    assert_eq!((kept.name.as_deref(), kept.source.as_str()), (Some("internal"), "zone"));
    assert_eq!(
        (kept.client.as_deref(), kept.rcode.as_deref()),
        (Some("127.0.0.1"), Some("NOERROR"))
    );
    let written: DnsQuery = serde_json::from_str(read(&path).trim_end()).expect("JSON");
    assert_eq!(DnsQuery { sequence: Some(1), ..written }, *kept);
    assert!(told.view(Some(1)).queries.is_empty());

    let text = directory.path().join("text.log");
    asked(AccessOutput::File(text.clone()), QueryFormat::Text, REQUEST);
    let text = read(&text);
    let (time, rest) = text.split_once(' ').expect("a time");
    assert!(time.ends_with('Z') && text.ends_with('\n'), "{text}");
    assert!(rest.starts_with("127.0.0.1 udp internal SOA NOERROR zone 0."), "{rest}");
    assert!(rest.contains("ms SOA conduit.internal. hostmaster.internal."), "{rest}");
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let (_catalog, catalog) = live::channel(Arc::<Catalog>::default());
    let to = to(AccessOutput::File("/nowhere/queries.log".into()), QueryFormat::Json);
    let settings = QueryLogSettings::default();
    let error = Writer::start(&settings, &to, Arc::default(), catalog).expect_err("no directory");
    let text = error.to_string();
    assert!(text.contains("/nowhere/queries.log") && text.contains("query_log.output"), "{text}");
}

#[test]
fn what_is_kept_is_bounded_and_numbered() {
    let recent = Recent::default();
    assert_eq!(recent.after(None), (Vec::new(), 0));
    for number in 0..LINES_MAX + 5 {
        recent.keep(&line(&format!("n{number}.internal")));
    }
    let (all, last) = recent.after(None);
    assert_eq!((all.len(), last), (LINES_MAX, 1_005));
    assert_eq!(all[0].name.as_deref(), Some("n1004.internal"));
    assert_eq!((all[0].sequence, all[999].sequence), (Some(1_005), Some(6)));
    assert_eq!(recent.after(Some(1_003)).0.len(), 2);
    assert!(recent.after(Some(9_999)).0.is_empty(), "a number of a former process");
    for number in 0..LINES_MAX {
        recent.keep(&line(&format!("{}{number}.internal", "x".repeat(2_000))));
    }
    let (long, _) = recent.after(None);
    assert!(long.len() < 500, "{} lines of 2 kB in a megabyte", long.len());
}

#[test]
fn lines_for_people_say_it_in_one_line() {
    let good = line("web.internal");
    assert_eq!(
        format::text(&good),
        "10.0.0.9 udp web.internal A NOERROR service web 0.034ms A 10.0.0.1"
    );
    let cached = DnsQuery {
        outcome: "nodata".into(),
        source: "cache".into(),
        service: None,
        list: None,
        forwarder: Some("192.0.2.1:53".into()),
        answers: vec!["CNAME a.example.".into(), "TXT bad\nline".into()],
        more: 3,
        ..good.clone()
    };
    assert_eq!(
        format::text(&cached),
        "10.0.0.9 udp web.internal A NOERROR (nodata) cache 192.0.2.1:53 0.034ms \
         CNAME a.example., TXT bad\u{fffd}line and 3 more"
    );
    let dropped = DnsQuery {
        client: None,
        name: None,
        record_type: None,
        outcome: "short".into(),
        rcode: None,
        source: "request".into(),
        service: None,
        list: None,
        answers: Vec::new(),
        ..good
    };
    assert_eq!(format::text(&dropped), "- udp - - dropped (short) request 0.034ms");
}
