//! Records of operators, asked for in whole messages; by RFC and section.

use std::sync::Arc;

use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::record::data::RecordData;
use conduit_core::record::fixed::Builder;
use conduit_core::record::kind::RecordType as Kind;
use conduit_core::record::name::RecordName;
use conduit_core::record::{Record as Given, RecordChange, RecordTtl};
use conduit_core::service::DnsMode;
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::rdata::svcb::SvcParamKey;
use hickory_proto::rr::{RData, RecordType};

use super::*;
use crate::access::Policy;
use crate::fuzzing::{host, service, version};
use crate::handler::{Asker, Transport, respond};
use crate::reply::Reply;
use crate::zone::ZoneSettings;

/// Reads `NAME TYPE DATA`, with `@SECONDS` behind the type for a TTL.
fn given(line: &str) -> Given {
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().expect("three words");
    let name = RecordName::parse(word()).expect("a name");
    let (kind, ttl) = match word().split_once('@') {
        Some((kind, ttl)) => (kind.to_owned(), ttl.parse().ok()),
        None => (line.split(' ').nth(1).expect("a type").to_owned(), None),
    };
    let kind: Kind = kind.parse().expect("a type");
    let ttl = ttl.and_then(|seconds: u32| RecordTtl::from_seconds(seconds).ok());
    let data = RecordData::parse(kind, word()).expect("data");
    Given { name, data, ttl, added_at: Timestamp::from_seconds(0) }
}

/// The records of each name, in the order of the lines.
pub(crate) fn changes(lines: &[&str]) -> Vec<RecordChange> {
    let all: Vec<Given> = lines.iter().map(|line| given(line)).collect();
    let mut names: Vec<RecordName> = all.iter().map(|record| record.name.clone()).collect();
    names.sort();
    names.dedup();
    let of = |name: &RecordName| all.iter().filter(|r| r.name == *name).cloned().collect();
    names.iter().map(|name| RecordChange { name: name.clone(), records: of(name) }).collect()
}

fn settings() -> ZoneSettings {
    ZoneSettings::new(Domains::new(vec![host("internal"), host("lab.internal")]).expect("some"))
}

fn catalog(lines: &[&str]) -> Catalog {
    let services = [
        service("web", &["web.internal"], &["10.0.1.50:80"], DnsMode::Gateway),
        service("db", &["db.internal"], &["10.0.1.52:5432", "[fd00::52]:1"], DnsMode::Direct),
        service("deep", &["a.b.c.internal"], &["10.0.1.51:80"], DnsMode::Direct),
    ];
    let puts = services.map(|service| Change::Put(Arc::new(service))).to_vec();
    Catalog::default().with(Generation(7), puts).with_records(Generation(7), &changes(lines))
}

fn zone(lines: &[&str]) -> Zone {
    Zone::compile(&catalog(lines), version(7), &settings())
}

fn reply(zone: &Zone, name: &str, rtype: RecordType, transport: Transport) -> Message {
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_ascii(format!("{name}.")).expect("valid"), rtype));
    let asker = Asker {
        peer: "10.0.0.9:4000".parse().expect("valid"),
        local: Local::of([10, 0, 0, 1].into()),
        transport,
    };
    let bytes = query.to_vec().expect("encodes");
    match respond(&bytes, &asker, zone, &Policy::default()) {
        Reply::Send(encoded) => Message::from_vec(&encoded.bytes).expect("parses"),
        other => panic!("{other:?}"),
    }
}

/// The code, the answers, what is in authority, and what comes along; each part only if there is one.
fn ask(zone: &Zone, name: &str, rtype: RecordType) -> String {
    let message = reply(zone, name, rtype, Transport::Udp);
    let shown = |records: &[Record]| -> String {
        let each = records.iter().map(|r| {
            let owner = r.name.to_ascii();
            let data = match &r.data {
                RData::SOA(_) => String::new(),
                other => format!(" {}", other.to_string().trim_end_matches(',')),
            };
            format!("{} {}{data}", owner.trim_end_matches('.'), r.record_type())
        });
        each.collect::<Vec<_>>().join(", ")
    };
    let code = message.metadata.response_code;
    let mut text = format!("{code:?}");
    for (mark, part) in
        [(": ", &message.answers), (" | ", &message.authorities), (" + ", &message.additionals)]
    {
        if !part.is_empty() {
            text.push_str(mark);
            text.push_str(&shown(part));
        }
    }
    text
}

const NOTHING: &str = "NoError | internal SOA";
const NOBODY: &str = "NXDomain | internal SOA";

#[track_caller]
fn check(lines: &[&str], cases: &[(&str, RecordType, &str)]) {
    let zone = zone(lines);
    for (name, rtype, expected) in cases {
        assert_eq!(ask(&zone, name, *rtype), *expected, "{name} {rtype}");
    }
}

#[test]
fn every_type_is_answered_and_the_others_are_nodata() {
    use RecordType::{A, AAAA, ANY, CAA, HTTPS, MX, NS, PTR, SOA, SRV, SVCB, TXT};
    let lines = [
        "nas.internal A 10.0.0.7",
        "nas.internal A 10.0.0.8",
        "nas.internal AAAA fd00::7",
        "nas.internal CAA 0 issue \"ca.internal\"",
        "nas.internal TXT \"v=1\" \"x\"",
        "_x._tcp.internal PTR nas.internal",
        "internal MX 10 nas.internal",
        "internal A 10.0.0.9",
        "web.internal TXT hello",
        "svc.internal SVCB 1 . port=8443",
        "svc.internal HTTPS 1 . alpn=h2",
    ];
    check(
        &lines,
        &[
            ("nas.internal", A, "NoError: nas.internal A 10.0.0.7, nas.internal A 10.0.0.8"),
            ("NAS.internal", AAAA, "NoError: NAS.internal AAAA fd00::7"),
            ("nas.internal", TXT, "NoError: nas.internal TXT v=1x"),
            ("nas.internal", MX, NOTHING),
            ("nas.internal", NS, NOTHING),
            ("nas.internal", SOA, NOTHING),
            // One set is enough (RFC 8482 §4.1).
            ("nas.internal", ANY, "NoError: nas.internal A 10.0.0.7, nas.internal A 10.0.0.8"),
            ("web.internal", ANY, "NoError: web.internal A 10.0.0.1"),
            ("web.internal", A, "NoError: web.internal A 10.0.0.1"),
            ("web.internal", TXT, "NoError: web.internal TXT hello"),
            ("web.internal", SRV, NOTHING),
            ("internal", A, "NoError: internal A 10.0.0.9"),
            (
                "internal",
                MX,
                "NoError: internal MX 10 nas.internal. + nas.internal A 10.0.0.7, \
             nas.internal A 10.0.0.8, nas.internal AAAA fd00::7",
            ),
            ("internal", TXT, NOTHING),
            ("_x._tcp.internal", PTR, "NoError: _x._tcp.internal PTR nas.internal."),
            ("_tcp.internal", PTR, NOTHING),
            ("nope.internal", PTR, NOBODY),
        ],
    );
    let zone = zone(&lines);
    let caa = reply(&zone, "nas.internal", CAA, Transport::Udp);
    assert!(matches!(&caa.answers[0].data, RData::CAA(caa) if caa.tag == "issue"));
    let svcb = reply(&zone, "svc.internal", SVCB, Transport::Udp);
    let key = |data: &RData| match data {
        RData::SVCB(svcb) => svcb.svc_params[0].0,
        RData::HTTPS(https) => https.0.svc_params[0].0,
        other => panic!("{other}"),
    };
    assert_eq!(key(&svcb.answers[0].data), SvcParamKey::Port);
    let https = reply(&zone, "svc.internal", HTTPS, Transport::Udp);
    assert_eq!(key(&https.answers[0].data), SvcParamKey::Alpn);
}

#[test]
fn rfc_1034_section_3_6_2_aliases_are_followed_to_their_end() {
    use RecordType::{A, AAAA, CNAME, TXT};
    let lines = [
        "a.internal CNAME b.internal",
        "b.internal CNAME web.internal",
        "out.internal CNAME example.com",
        "gone.internal CNAME nope.internal",
        "one.internal CNAME two.internal",
        "two.internal CNAME one.internal",
        "self.internal CNAME self.internal",
        "wide.internal CNAME x.any.internal",
        "*.any.internal A 10.0.0.9",
    ];
    let both = "a.internal CNAME b.internal., b.internal CNAME web.internal.";
    check(
        &lines,
        &[
            ("a.internal", A, &format!("NoError: {both}, web.internal A 10.0.0.1")),
            // RFC 6604 §3: the code tells of the last name.
            ("a.internal", TXT, &format!("NoError: {both} | internal SOA")),
            ("gone.internal", A, "NXDomain: gone.internal CNAME nope.internal. | internal SOA"),
            ("a.internal", CNAME, "NoError: a.internal CNAME b.internal."),
            ("out.internal", AAAA, "NoError: out.internal CNAME example.com."),
            (
                "one.internal",
                A,
                "NoError: one.internal CNAME two.internal., two.internal CNAME one.internal.",
            ),
            ("self.internal", A, "NoError: self.internal CNAME self.internal."),
            (
                "wide.internal",
                A,
                "NoError: wide.internal CNAME x.any.internal., x.any.internal A 10.0.0.9",
            ),
            ("web.internal", CNAME, NOTHING),
        ],
    );
    let long: Vec<String> =
        (0..20).map(|n| format!("n{n}.internal CNAME n{}.internal", n + 1)).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let message = reply(&zone(&long), "n0.internal", A, Transport::Udp);
    assert_eq!(message.answers.len(), ALIASES_MAX, "it ends");
}

/// The zone of RFC 4592 §2.2.1, and what it says of it.
#[test]
fn rfc_4592_section_2_2_1_wildcards_cover_only_what_is_not_there() {
    use RecordType::{A, MX, SRV, TXT};
    let lines = [
        "*.example.internal TXT \"this is a wildcard\"",
        "*.example.internal MX 10 host1.example.internal",
        "host1.example.internal A 192.0.2.1",
        "_ssh._tcp.host1.example.internal SRV 0 0 22 host1.example.internal",
        "_ssh._tcp.host2.example.internal SRV 0 0 22 host1.example.internal",
    ];
    let mail = |name: &str| {
        format!(
            "NoError: {name} MX 10 host1.example.internal. + host1.example.internal A 192.0.2.1"
        )
    };
    check(
        &lines,
        &[
            ("host3.example.internal", MX, &mail("host3.example.internal")),
            ("host3.example.internal", A, NOTHING),
            (
                "foo.bar.example.internal",
                TXT,
                "NoError: foo.bar.example.internal TXT this is a wildcard",
            ),
            // It exists.
            ("host1.example.internal", MX, NOTHING),
            // So does the wildcard itself, and nothing is special about asking for it (§2.3).
            ("*.example.internal", MX, &mail("*.example.internal")),
            // What is between a name and its domain exists, and covers nothing (§2.2.2).
            ("_telnet._tcp.host1.example.internal", SRV, NOBODY),
            ("host2.example.internal", MX, NOTHING),
            ("ghost.host2.example.internal", MX, NOBODY),
            ("_tcp.host2.example.internal", TXT, NOTHING),
            ("example.internal", MX, NOTHING),
            ("ghost.internal", MX, NOBODY),
        ],
    );
}

#[test]
fn rfc_4592_wildcards_give_way_to_services_and_to_domains() {
    use RecordType::{A, TXT};
    let lines = ["*.internal A 10.9.9.9", "*.c.internal CNAME web.internal"];
    check(
        &lines,
        &[
            ("anything.internal", A, "NoError: anything.internal A 10.9.9.9"),
            ("far.away.internal", A, "NoError: far.away.internal A 10.9.9.9"),
            ("anything.internal", TXT, NOTHING),
            ("web.internal", A, "NoError: web.internal A 10.0.0.1"),
            ("x.web.internal", A, NOBODY),
            // The closest encloser is what counts, not the nearest wildcard (§3.3.1).
            ("x.b.c.internal", A, NOBODY),
            ("b.c.internal", A, NOTHING),
            (
                "x.c.internal",
                A,
                "NoError: x.c.internal CNAME web.internal., web.internal A 10.0.0.1",
            ),
            ("x.lab.internal", A, "NXDomain | lab.internal SOA"),
        ],
    );
}

#[test]
fn rfc_8020_what_is_above_a_name_exists_and_what_is_below_nothing_does_not() {
    use RecordType::{A, TXT};
    let lines = ["x.y.z.internal TXT there"];
    check(
        &lines,
        &[
            ("x.y.z.internal", TXT, "NoError: x.y.z.internal TXT there"),
            ("y.z.internal", A, NOTHING),
            ("z.internal", TXT, NOTHING),
            ("w.z.internal", A, NOBODY),
            ("v.w.z.internal", A, NOBODY),
            ("w.x.y.z.internal", A, NOBODY),
        ],
    );
    let with = zone(&lines);
    let without = with.with_records(&changes(&[]), version(8));
    assert_eq!(ask(&without, "z.internal", A), NOTHING, "nothing changed");
    let gone = RecordChange { name: given(lines[0]).name, records: Arc::default() };
    let without = with.with_records(&[gone], version(8));
    assert_eq!(ask(&without, "z.internal", A), NOBODY);
    assert_eq!(ask(&with, "z.internal", A), NOTHING, "unchanged");
}

#[test]
fn addresses_of_records_lead_back_to_their_names() {
    use RecordType::{PTR, SOA, TXT};
    let lines = [
        "nas.internal A 10.0.0.7",
        "nas.internal AAAA fd00::7",
        "also.internal A 10.0.1.52",
        "*.any.internal A 10.0.0.9",
        "20.0.0.10.in-addr.arpa PTR printer.internal",
        "7.0.0.10.in-addr.arpa PTR chosen.internal",
    ];
    let v6 = format!("7.{}d.f.ip6.arpa", "0.".repeat(29));
    let nas = format!("NoError: {v6} PTR nas.internal.");
    check(
        &lines,
        &[
            (&v6, PTR, &nas),
            ("7.0.0.10.in-addr.arpa", PTR, "NoError: 7.0.0.10.in-addr.arpa PTR chosen.internal."),
            (
                "20.0.0.10.in-addr.arpa",
                PTR,
                "NoError: 20.0.0.10.in-addr.arpa PTR printer.internal.",
            ),
            ("20.0.0.10.in-addr.arpa", TXT, "NoError | 20.0.0.10.in-addr.arpa SOA"),
            ("20.0.0.10.in-addr.arpa", SOA, "NoError: 20.0.0.10.in-addr.arpa SOA"),
            ("x.20.0.0.10.in-addr.arpa", PTR, "NXDomain | 20.0.0.10.in-addr.arpa SOA"),
            // A service comes first, and nobody is at a wildcard.
            ("52.1.0.10.in-addr.arpa", PTR, "NoError: 52.1.0.10.in-addr.arpa PTR db.internal."),
            ("9.0.0.10.in-addr.arpa", PTR, "NXDomain"),
        ],
    );
}

#[test]
fn addresses_come_along_with_what_leads_to_names() {
    use RecordType::{NS, SRV};
    let lines = [
        "_pg._tcp.internal SRV 0 0 5432 db.internal",
        "_pg._tcp.internal SRV 1 0 5432 far.example",
        "_no._tcp.internal SRV 0 0 0 .",
    ];
    let sets =
        "_pg._tcp.internal SRV 0 0 5432 db.internal., _pg._tcp.internal SRV 1 0 5432 far.example.";
    check(
        &lines,
        &[
            (
                "_pg._tcp.internal",
                SRV,
                &format!("NoError: {sets} + db.internal A 10.0.1.52, db.internal AAAA fd00::52"),
            ),
            ("_no._tcp.internal", SRV, "NoError: _no._tcp.internal SRV 0 0 0 ."),
            ("internal", NS, "NoError: internal NS conduit.internal."),
        ],
    );
}

#[test]
fn rfc_2181_section_9_only_what_was_asked_for_makes_a_reply_too_long() {
    let many: Vec<String> = (0..60).map(|n| format!("big.internal A 10.1.0.{n}")).collect();
    let mail = "internal MX 10 big.internal".to_owned();
    let text = format!("big.internal TXT {}", ["x".repeat(250), "y".repeat(250)].join(" "));
    let lines: Vec<&str> = many.iter().chain([&mail, &text]).map(String::as_str).collect();
    let zone = zone(&lines);
    let mx = reply(&zone, "internal", RecordType::MX, Transport::Udp);
    assert_eq!((mx.metadata.truncation, mx.answers.len(), mx.additionals.len()), (false, 1, 0));
    let mx = reply(&zone, "internal", RecordType::MX, Transport::Tcp);
    assert_eq!(mx.additionals.len(), 60);
    let text = reply(&zone, "big.internal", RecordType::TXT, Transport::Udp);
    assert!(text.metadata.truncation && text.answers.is_empty());
    let text = reply(&zone, "big.internal", RecordType::TXT, Transport::Tcp);
    assert!(!text.metadata.truncation && text.answers.len() == 1);
}

#[test]
fn the_largest_name_there_can_be_fits_a_reply_over_tcp() {
    let texts = |n: usize| vec![format!("\"{}\"", "x".repeat(250)); n].join(" ");
    let lines: Vec<String> =
        (0..12).map(|n| format!("big.internal TXT \"{n}\" {}", texts(16))).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let message = reply(&zone(&lines), "big.internal", RecordType::TXT, Transport::Tcp);
    assert_eq!((message.metadata.truncation, message.answers.len()), (false, 12));
}

#[test]
fn what_the_configuration_gives_is_there_beside_the_catalogs() {
    use RecordType::{A, CNAME};
    let mut fixed = Builder::default();
    for line in ["nas.internal A@60 10.0.0.5", "alias.internal CNAME nas.internal"] {
        fixed.add(given(line)).expect("alone");
    }
    fixed.add(given("elsewhere.example A 10.0.0.5")).expect("alone");
    let settings = ZoneSettings { records: Arc::new(fixed.build()), ..settings() };
    let lines = ["nas.internal A 10.0.0.7", "alias.internal A 10.0.0.8"];
    let zone = Zone::compile(&catalog(&lines), version(7), &settings);
    let both = "NoError: nas.internal A 10.0.0.5, nas.internal A 10.0.0.7";
    assert_eq!(ask(&zone, "nas.internal", A), both);
    let ttls = reply(&zone, "nas.internal", A, Transport::Udp).answers;
    assert_eq!(ttls.iter().map(|r| r.ttl).collect::<Vec<_>>(), [30, 30], "the lowest");
    let alias = "NoError: alias.internal CNAME nas.internal.";
    assert_eq!(ask(&zone, "alias.internal", CNAME), alias, "the configuration comes first");
    assert_eq!(ask(&zone, "elsewhere.example", A), "NXDomain");
    let gone = RecordChange { name: given(lines[0]).name, records: Arc::default() };
    let zone = zone.with_records(&[gone], version(8));
    assert_eq!(ask(&zone, "nas.internal", A), "NoError: nas.internal A 10.0.0.5");
}

proptest::proptest! {
    /// Any sequence of changes of records leads to the table that compiling its result leads to.
    #[test]
    fn changing_equals_compiling(steps in proptest::collection::vec((0_usize..6, 0_u8..4), 0..24)) {
        let names = [
            "a.internal", "b.a.internal", "*.a.internal", "c.b.a.internal", "lab.internal",
            "7.0.0.10.in-addr.arpa",
        ];
        let mut catalog = catalog(&[]);
        let mut zone = Zone::compile(&catalog, version(7), &settings());
        for (generation, (which, count)) in (8..).zip(steps) {
            let name = names[which];
            let lines: Vec<String> = (0..count).map(|n| match which {
                5 => format!("{name} PTR n{n}.internal"),
                _ => format!("{name} A 10.0.0.{n}"),
            }).collect();
            let records = lines.iter().map(|line| given(line)).collect();
            let change = RecordChange { name: RecordName::parse(name).expect("valid"), records };
            catalog = catalog.with_records(Generation(generation), std::slice::from_ref(&change));
            zone = zone.with_records(&[change], version(generation));
        }
        let fresh = Zone::compile(&catalog, zone.version(), &settings());
        assert_eq!(zone.nodes.len(), fresh.nodes.len());
        for (key, node) in fresh.nodes.iter() {
            let same = zone.nodes.get(key.as_slice()).expect("the same name");
            let below = |zone: &Zone| zone.nodes.below(key.as_slice());
            let seen = (same.records.is_some(), below(&zone));
            assert_eq!(seen, (node.records.is_some(), below(&fresh)));
        }
        assert_eq!(zone.pointers.addresses().count(), fresh.pointers.addresses().count());
        for name in names {
            for rtype in [RecordType::A, RecordType::PTR, RecordType::TXT] {
                assert_eq!(ask(&zone, name, rtype), ask(&fresh, name, rtype));
            }
        }
    }
}
