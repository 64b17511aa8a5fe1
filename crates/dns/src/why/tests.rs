//! What is told of each kind of name, and that it is what is answered.

use std::sync::Arc;

use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::domains::Domains;
use conduit_core::service::DnsMode;

use super::*;
use crate::access::AccessList;
use crate::forward::Forwarder;
use crate::forward::settings::{Conditional, ForwardSettings};
use crate::fuzzing::{host, service, version};
use crate::interfaces::Interfaces;
use crate::lookup::tests::changes;
use crate::zone::ZoneSettings;

fn zone() -> Zone {
    let settings = ZoneSettings {
        https_port: Some(443),
        ..ZoneSettings::new(
            Domains::new(vec![host("internal"), host("lab.internal")]).expect("some"),
        )
    };
    let services = [
        service("web", &["web.internal"], &["10.0.1.50:80"], DnsMode::Gateway),
        service("db", &["db.internal"], &["10.0.1.52:5432"], DnsMode::Direct),
        service("deep", &["a.b.internal"], &["10.0.1.51:80"], DnsMode::Direct),
    ];
    let puts = services.map(|service| Change::Put(Arc::new(service))).to_vec();
    let records = changes(&[
        "nas.internal A@60 10.0.0.7",
        "nas.internal TXT \"a\"",
        "web.internal TXT \"w\"",
        "db.internal A 10.9.9.9",
        "files.internal CNAME nas.internal",
        "out.internal CNAME www.example.com",
        "one.internal CNAME two.internal",
        "two.internal CNAME one.internal",
        "*.apps.internal CNAME web.internal",
    ]);
    let catalog =
        Catalog::default().with(Generation(7), puts).with_records(Generation(7), &records);
    Zone::compile(&catalog, version(7), &settings)
}

fn policy(settings: Option<ForwardSettings>) -> Policy {
    let forwarder = settings.map(|settings| {
        Forwarder::new(settings, &[], &Interfaces::default(), None).expect("set up")
    });
    Policy { access: AccessList::private(), forwarder, ..Policy::default() }
}

fn forwarding() -> ForwardSettings {
    let suffixes = |all: &[&str]| all.iter().map(|text| text.parse().expect("valid")).collect();
    let at = |text: &str| text.parse().expect("valid");
    ForwardSettings {
        forwarders: vec![at("192.0.2.1:53")],
        conditional: vec![
            Conditional {
                domains: suffixes(&["example", "corp.example"]),
                to: vec![at("10.0.0.53:53")],
                is_validated: true,
            },
            Conditional { domains: suffixes(&["ads.test"]), to: Vec::new(), is_validated: true },
        ],
        ..ForwardSettings::default()
    }
}

fn asking(name: &str, rtype: RecordType, client: &str) -> Asking {
    Asking {
        name: Name::from_ascii(format!("{name}.")).expect("valid"),
        rtype,
        client: client.parse().expect("valid"),
        local: Local::of([10, 0, 0, 1].into()),
    }
}

/// The words of the steps after the first, and the verdict's.
fn told_of(name: &str, rtype: RecordType, client: &str, policy: &Policy) -> Vec<String> {
    let explained = why(&asking(name, rtype, client), &zone(), policy);
    assert_eq!(explained.steps[0], Step::Name { name: explained.name.clone() });
    let verdict = match explained.verdict {
        Verdict::Answered { rcode, authoritative, records, .. } => {
            let ours = if authoritative { " ours" } else { "" };
            let records: Vec<String> =
                records.iter().map(|record| format!(" | {record}")).collect();
            format!("{rcode}{ours}{}", records.concat())
        }
        Verdict::Asked { servers } => format!("asked of {servers:?}"),
        Verdict::Nothing => "nothing".to_owned(),
    };
    let steps = explained.steps.iter().skip(1).map(ToString::to_string);
    steps.chain([verdict]).collect()
}

const OURS: &str = "it is under internal, a domain of ours: it is never forwarded";

#[test]
fn own_names_are_told_step_by_step() {
    for (name, rtype, expected) in OWN {
        assert_eq!(told_of(name, *rtype, "10.0.0.9", &policy(None)), *expected, "{name} {rtype}");
    }
}

const OWN: &[(&str, RecordType, &[&str])] = &[
    (
        "WEB.internal",
        RecordType::A,
        &[
            OURS,
            "web.internal is a host of a service, and answers with the address that it is asked at, here 10.0.0.1",
            "NOERROR ours | WEB.internal. 30 IN A 10.0.0.1",
        ],
    ),
    (
        "web.internal",
        RecordType::TXT,
        &[
            OURS,
            "web.internal is a host of a service, and answers with the address that it is asked at, here 10.0.0.1",
            "web.internal has TXT \"w\" for 30 s",
            "NOERROR ours | web.internal. 30 IN TXT \"w\"",
        ],
    ),
    (
        "db.internal",
        RecordType::AAAA,
        &[
            OURS,
            "db.internal is a host of a service, and answers with its own address 10.0.1.52",
            "the records A of db.internal are passed over, since it is a host of a service",
            "db.internal exists, and has only A",
            "NOERROR ours",
        ],
    ),
    (
        "web.internal",
        RecordType::HTTPS,
        &[
            OURS,
            "web.internal is a host of a service, and answers with the address that it is asked at, here 10.0.0.1",
            "it has HTTPS by itself, since the gateway serves web.internal",
            "NOERROR ours | web.internal. 30 IN HTTPS 1 web.internal. alpn=h2",
        ],
    ),
    (
        "_tcp.web.internal",
        RecordType::A,
        &[
            OURS,
            "it lies between web.internal and a record that this has by itself",
            "_tcp.web.internal exists, and has nothing of its own",
            "NOERROR ours",
        ],
    ),
    (
        "files.internal",
        RecordType::A,
        &[
            OURS,
            "files.internal is an alias of nas.internal for 30 s, which is looked up next",
            OURS,
            "nas.internal has A 10.0.0.7 for 60 s",
            "NOERROR ours | files.internal. 30 IN CNAME nas.internal. | nas.internal. 60 IN A 10.0.0.7",
        ],
    ),
    (
        "x.y.apps.internal",
        RecordType::A,
        &[
            OURS,
            "there is no such name, and the wildcard *.apps.internal covers it",
            "*.apps.internal is an alias of web.internal for 30 s, which is looked up next",
            OURS,
            "web.internal is a host of a service, and answers with the address that it is asked at, here 10.0.0.1",
            "NOERROR ours | x.y.apps.internal. 30 IN CNAME web.internal. | web.internal. 30 IN A 10.0.0.1",
        ],
    ),
    (
        "one.internal",
        RecordType::A,
        &[
            OURS,
            "one.internal is an alias of two.internal for 30 s, which is looked up next",
            OURS,
            "two.internal is an alias of one.internal for 30 s, which is looked up next",
            "the aliases lead back to one another, or too far; they are told as they are",
            "NOERROR ours | one.internal. 30 IN CNAME two.internal. | two.internal. 30 IN CNAME one.internal.",
        ],
    ),
    (
        "out.internal",
        RecordType::A,
        &[
            OURS,
            "out.internal is an alias of www.example.com for 30 s, which is looked up next",
            "it is under no domain of ours",
            "NOERROR ours | out.internal. 30 IN CNAME www.example.com.",
        ],
    ),
    (
        "b.internal",
        RecordType::A,
        &[OURS, "b.internal exists, and has nothing of its own", "NOERROR ours"],
    ),
    ("none.internal", RecordType::A, &[OURS, "there is no none.internal", "NXDOMAIN ours"]),
    (
        "lab.internal",
        RecordType::NS,
        &[
            "it is under lab.internal, a domain of ours: it is never forwarded",
            "the domain itself has NS",
            "NOERROR ours | lab.internal. 30 IN NS conduit.lab.internal.",
        ],
    ),
    (
        "1.0.0.10.in-addr.arpa",
        RecordType::PTR,
        &[
            "10.0.0.1 is the gateway, which is conduit.internal",
            "NOERROR ours | 1.0.0.10.in-addr.arpa. 30 IN PTR conduit.internal.",
        ],
    ),
    (
        "52.1.0.10.in-addr.arpa",
        RecordType::PTR,
        &[
            "10.0.1.52 is of the service db: db.internal",
            "NOERROR ours | 52.1.0.10.in-addr.arpa. 30 IN PTR db.internal.",
        ],
    ),
    (
        "7.0.0.10.in-addr.arpa",
        RecordType::A,
        &[
            "10.0.0.7 is in a record of nas.internal",
            "7.0.0.10.in-addr.arpa exists, and has only PTR",
            "NOERROR ours",
        ],
    ),
];

#[test]
fn others_names_are_told_with_who_is_asked() {
    let listed = ForwardSettings { forwarders: Vec::new(), ..forwarding() };
    let (none, yes, only) = (policy(None), policy(Some(forwarding())), policy(Some(listed)));
    for (name, client, asked, expected) in OTHERS {
        let policy = match asked {
            Asked::Nobody => &none,
            Asked::Forwarders => &yes,
            Asked::Listed => &only,
        };
        assert_eq!(told_of(name, RecordType::A, client, policy), *expected, "{name} {client}");
    }
}

/// Who is asked for others' names.
enum Asked {
    Nobody,
    Forwarders,
    /// Only those of `dns.forward`.
    Listed,
}

const INSIDE: &str = "10.0.0.9";
const OUTSIDE: &str = "203.0.113.9";
const ALLOWED: &str = "10.0.0.9 is in dns.allow, and may ask for others' names";
const NOT_OURS: &str = "it is under no domain of ours";
const GUARDED: &str = "addresses of the inside are left out of the answer (dns.rebind_protection)";
const UNGUARDED: &str = "addresses of the inside may be in the answer";
const NOTHING: &str = "nothing is kept of a former answer";

const OTHERS: &[(&str, &str, Asked, &[&str])] = &[
    (
        "www.example.com",
        OUTSIDE,
        Asked::Forwarders,
        &[NOT_OURS, "203.0.113.9 is not in dns.allow: it is refused others' names", "REFUSED"],
    ),
    (
        "www.example.com",
        INSIDE,
        Asked::Nobody,
        &[
            NOT_OURS,
            ALLOWED,
            "there are no forwarders (dns.forwarders), so that others' names do not exist",
            "NXDOMAIN",
        ],
    ),
    (
        "localhost",
        INSIDE,
        Asked::Nobody,
        &[
            NOT_OURS,
            ALLOWED,
            "it is localhost, which is whoever asks (RFC 6761)",
            "NOERROR ours | localhost. 86400 IN A 127.0.0.1",
        ],
    ),
    (
        "www.example.com",
        INSIDE,
        Asked::Forwarders,
        &[
            NOT_OURS,
            ALLOWED,
            "dns.forwarders names 192.0.2.1:53 (up)",
            GUARDED,
            NOTHING,
            "asked of [192.0.2.1:53]",
        ],
    ),
    (
        "www.corp.example",
        INSIDE,
        Asked::Forwarders,
        &[
            NOT_OURS,
            ALLOWED,
            "the [[dns.forward]] table of corp.example names 10.0.0.53:53 (up)",
            UNGUARDED,
            NOTHING,
            "asked of [10.0.0.53:53]",
        ],
    ),
    (
        "x.ads.test",
        INSIDE,
        Asked::Forwarders,
        &[
            NOT_OURS,
            ALLOWED,
            "the [[dns.forward]] table of ads.test names nobody, so that it does not exist",
            "NXDOMAIN",
        ],
    ),
    (
        "www.example.com",
        INSIDE,
        Asked::Listed,
        &[NOT_OURS, ALLOWED, "dns.forwarders names nobody, so that it does not exist", "NXDOMAIN"],
    ),
    (
        "a.localhost",
        INSIDE,
        Asked::Forwarders,
        &[
            NOT_OURS,
            ALLOWED,
            "it is localhost, which is whoever asks (RFC 6761)",
            "NOERROR ours | a.localhost. 86400 IN A 127.0.0.1",
        ],
    ),
    (
        "x.home.arpa",
        INSIDE,
        Asked::Forwarders,
        &[
            NOT_OURS,
            ALLOWED,
            "it is a name that no server outside may know, and no [[dns.forward]] table names it",
            "NXDOMAIN",
        ],
    ),
];

/// The last step is what the answer is, for every kind of name and type.
#[test]
fn steps_end_where_answers_do() {
    let zone = zone();
    let names = [
        "internal",
        "web.internal",
        "x.web.internal",
        "_tcp.web.internal",
        "_https._tcp.web.internal",
        "nas.internal",
        "db.internal",
        "files.internal",
        "b.internal",
        "a.b.internal",
        "q.apps.internal",
        "apps.internal",
        "*.apps.internal",
        "none.internal",
        "lab.internal",
        "x.lab.internal",
        "52.1.0.10.in-addr.arpa",
        "x.52.1.0.10.in-addr.arpa",
        "9.9.9.9.in-addr.arpa",
        "example.com",
        "one.internal",
        "out.internal",
    ];
    let types = [
        RecordType::A,
        RecordType::AAAA,
        RecordType::ANY,
        RecordType::CNAME,
        RecordType::HTTPS,
        RecordType::NS,
        RecordType::PTR,
        RecordType::SOA,
        RecordType::SRV,
        RecordType::TXT,
    ];
    for name in names {
        for rtype in types {
            let asking = asking(name, rtype, "10.0.0.9");
            let steps = zone.steps(&asking.name, rtype, &asking.local);
            let last = steps.last().map(Step::word).unwrap_or_default();
            let mut answer = &zone.answer(&asking.name, rtype, &asking.local);
            if let Answer::Aliased(chain) = answer {
                let ends = ["alias_ends"].contains(&last);
                assert_eq!(ends, chain.end.is_none(), "{name} {rtype}: {steps:?}");
                let Some(end) = &chain.end else { continue };
                answer = end;
            }
            let expected: &[&str] = match answer {
                Answer::Records(_) => &["service", "record", "zone", "automatic", "reverse"],
                Answer::NoData(_) => &["no_data"],
                Answer::NxDomain(_) => &["missing"],
                Answer::NotOurs => &["not_ours"],
                Answer::Aliased(_) => unreachable!("followed above"),
            };
            assert!(expected.contains(&last), "{name} {rtype}: {last} of {steps:?} for {answer:?}");
        }
    }
}
