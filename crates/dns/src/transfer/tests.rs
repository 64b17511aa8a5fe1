//! Zones as secondaries get them, beside what queries are answered with.

use std::collections::BTreeSet;
use std::sync::Arc;

use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::name::{Host, ServiceName};
use conduit_core::record::data::RecordData;
use conduit_core::record::name::RecordName;
use conduit_core::record::{Record, RecordChange};
use conduit_core::service::DnsMode;
use hickory_proto::op::{Metadata, OpCode};
use hickory_proto::rr::Name;

use super::*;
use crate::answer::Answer;
use crate::fuzzing::{sample_zone, service, version};
use crate::key::NameKey;
use crate::reply::records_of;
use crate::zone::ZoneSettings;

const LOCAL: [u8; 4] = [10, 0, 0, 1];

fn transfer(zone: &Zone, origin: &str, has: Option<u32>) -> Transfer {
    let name = Name::from_ascii(origin).expect("valid");
    let rtype = if has.is_some() { RecordType::IXFR } else { RecordType::AXFR };
    Transfer {
        zone: zone.clone(),
        local: Local::of(LOCAL.into()),
        id: 7,
        origin: AskedKey::of(&name),
        question: Query::query(name, rtype),
        has,
        signed: None,
    }
}

pub(crate) fn lines(zone: &Zone, origin: &str) -> Vec<Line> {
    transfer(zone, origin, None).lines(&Journal::default()).collect()
}

/// A zone with records of every kind that can get in another's way.
pub(crate) fn rich_zone() -> Zone {
    let domains = ["internal", "lab.internal"].map(|text| Host::parse(text).expect("valid"));
    let settings = ZoneSettings {
        https_port: Some(8443),
        http3_port: Some(8443),
        reverse_zones: ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("valid")).to_vec(),
        ..ZoneSettings::new(Domains::new(domains.to_vec()).expect("some"))
    };
    let ours = service(
        "x",
        &["conduit.internal", "conduit.lab.internal"],
        &["127.0.0.1:9999"],
        DnsMode::Gateway,
    );
    let ours = conduit_core::service::Service { name: ServiceName::conduit(), ..ours };
    let services = [
        ours,
        service("web", &["web.internal", "web.lab.internal"], &["10.0.1.1:80"], DnsMode::Gateway),
        service("db", &["db.internal"], &["10.0.1.2:5432", "[fd00::2]:5432"], DnsMode::Direct),
    ];
    let changes = services.map(|service| Change::Put(Arc::new(service))).to_vec();
    let catalog = Catalog::default().with(Generation(7), changes);
    let zone = Zone::compile(&catalog, version(7), &settings);
    zone.with_records(
        &[
            records("internal", &["MX 10 mail.internal", "TXT \"of the domain\""]),
            records("web.internal", &["TXT \"of a host\"", "HTTPS 1 . alpn=h2"]),
            records("_https._tcp.web.lab.internal", &["SRV 1 1 1 other.internal"]),
            records("a.b.c.internal", &["A 10.0.0.7", "A 10.0.0.8", "CAA 0 issue \"x\""]),
            records("*.apps.internal", &["CNAME web.internal"]),
            records("alias.internal", &["CNAME db.internal"]),
            records("_8443._https.db.internal", &["TXT \"x\""]),
            records("7.0.0.10.in-addr.arpa", &["PTR nas.internal"]),
        ],
        version(8),
    )
}

fn records(name: &str, texts: &[&str]) -> RecordChange {
    let name = RecordName::parse(name).expect("valid");
    let record = |text: &&str| {
        let (kind, data) = text.split_once(' ').expect("two");
        let kind = kind.parse().expect("a type");
        Record {
            name: name.clone(),
            data: RecordData::parse(kind, data).expect("valid"),
            ttl: None,
            added_at: Timestamp::from_seconds(0),
        }
    };
    RecordChange { name: name.clone(), records: texts.iter().map(record).collect() }
}

#[test]
fn a_transfer_says_what_queries_are_answered_with() {
    let zone = rich_zone();
    let local = Local::of(LOCAL.into());
    for origin in ["internal.", "lab.internal."] {
        let all = lines(&zone, origin);
        let start = all.first().expect("a start");
        assert_eq!((start.rtype, all.last()), (6, Some(start)));
        let inner = &all[1..all.len() - 1];
        let distinct: BTreeSet<&Line> = inner.iter().collect();
        assert!(inner.len() > 8 && inner.len() == distinct.len(), "{origin}: {inner:#?}");
        let mut checked = BTreeSet::new();
        for line in &all {
            let name = content::name_of(line.owner.as_slice()).expect("a name");
            let rtype = RecordType::from(line.rtype);
            let Answer::Records(set) = zone.answer(&name, rtype, &local) else {
                panic!("{name} {rtype} is transferred and not answered")
            };
            let answered: BTreeSet<Vec<u8>> = records_of(&name, &set, 30)
                .iter()
                .filter_map(|record| content::data_of(&record.data))
                .collect();
            let same = |other: &&Line| other.owner == line.owner && other.rtype == line.rtype;
            let told: BTreeSet<Vec<u8>> =
                all.iter().filter(same).map(|line| line.data.clone()).collect();
            assert_eq!(told, answered, "{name} {rtype}");
            checked.insert((line.owner.clone(), line.rtype));
        }
        // What is answered is told: every type of every name in the table.
        for (key, _) in zone.nodes.iter() {
            let apex =
                zone.apex_at(AskedKey::of(&Name::from_ascii(origin).expect("valid")).as_slice());
            if !zone.is_in(key.as_slice(), apex.expect("ours")) {
                continue;
            }
            let name = content::name_of(key.as_slice()).expect("a name");
            for rtype in TYPES {
                if let Answer::Records(_) = zone.answer(&name, rtype, &local) {
                    let known = (NameKey::from(key.as_slice()), u16::from(rtype));
                    assert!(checked.contains(&known), "{name} {rtype} is answered and not told");
                }
            }
        }
    }
}

const TYPES: [RecordType; 11] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::CAA,
    RecordType::CNAME,
    RecordType::HTTPS,
    RecordType::MX,
    RecordType::NS,
    RecordType::SOA,
    RecordType::SRV,
    RecordType::SVCB,
    RecordType::TXT,
];

#[test]
fn a_secondary_that_follows_changes_has_what_one_that_begins_has() {
    let mut zone = rich_zone();
    let steps: [&dyn Fn(&Zone) -> Zone; 9] = [
        &|z| z.with_records(&[records("new.internal", &["A 10.9.9.9"])], version(9)),
        &|z| z.with_records(&[records("web.internal", &[])], version(10)),
        &|z| {
            z.with_records(
                &[records("_https._tcp.web.internal", &["SRV 0 0 1 a.internal"])],
                version(11),
            )
        },
        &|z| z.with_records(&[records("_https._tcp.web.internal", &[])], version(12)),
        &|z| z.with_records(&[records("a.b.c.internal", &["A 10.0.0.8"])], version(13)),
        &|z| z.with(&[Change::Drop(ServiceName::parse("web").expect("valid"))], version(14)),
        &|z| {
            let moved = service("db", &["moved.internal"], &["10.0.1.2:5432"], DnsMode::Direct);
            z.with(&[Change::Put(Arc::new(moved))], version(15))
        },
        &|z| z.with_records(&[records("*.apps.internal", &["A 10.1.1.1"])], version(16)),
        &|z| z.with_records(&[records("internal", &["TXT \"other\""])], version(17)),
    ];
    let mut journal = Journal::default();
    journal.push(Arc::new(zone.clone()));
    let first = zone.clone();
    for step in steps {
        let before = zone.clone();
        zone = step(&before);
        journal.push(Arc::new(zone.clone()));
        for old in [&before, &first] {
            for origin in ["internal.", "lab.internal.", "10.in-addr.arpa.", "d.f.ip6.arpa."] {
                follow(old, &zone, origin, &journal);
            }
        }
    }
}

/// Takes the old zone through the changes.
fn follow(old: &Zone, new: &Zone, origin: &str, journal: &Journal) {
    let told: Vec<Line> = transfer(new, origin, Some(old.serial())).lines(journal).collect();
    let mut has: BTreeSet<Line> = lines(old, origin).into_iter().collect();
    let starts: Vec<usize> = (0..told.len()).filter(|at| told[*at].rtype == 6).collect();
    let [0, 1, added, last] = starts[..] else { panic!("{starts:?}") };
    for gone in &told[1..added] {
        assert!(has.remove(gone), "{gone:?} was not there");
    }
    for line in &told[added..last] {
        assert!(has.insert(line.clone()), "{line:?} is there");
    }
    assert_eq!(has, lines(new, origin).into_iter().collect(), "{origin} from {}", old.serial());
}

#[test]
fn who_is_up_to_date_or_too_far_behind_is_told_so() {
    let zone = rich_zone();
    let mut journal = Journal::default();
    for generation in 0..200 {
        journal.push(Arc::new(zone.with(&[], version(generation))));
    }
    assert!(journal.at(199).is_some() && journal.at(136).is_some() && journal.at(135).is_none());
    let count = |serial| transfer(&zone, "internal.", Some(serial)).lines(&journal).count();
    let whole = lines(&zone, "internal.").len();
    assert_eq!((count(zone.serial()), count(zone.serial() + 1), count(7)), (1, 1, whole));
    assert!(is_older(1, 2) && is_older(u32::MAX, 0) && !is_older(2, 1) && !is_older(1, 1));
}

#[test]
fn a_large_zone_takes_many_messages_of_a_size() {
    let changes: Vec<RecordChange> = (0..3_000)
        .map(|n| records(&format!("n{n}.internal"), &["TXT \"some text of some length\""]))
        .collect();
    let zone = sample_zone().with_records(&changes, version(9));
    let mut large = transfer(&zone, "internal.", None);
    let messages: Vec<Vec<u8>> = large.messages(&Journal::default()).collect();
    assert!((8..40).contains(&messages.len()), "{}", messages.len());
    let mut records = 0;
    for bytes in &messages {
        assert!(bytes.len() < MESSAGE_BYTES + ROOM_BYTES);
        let message = Message::from_vec(bytes).expect("parses");
        let Metadata { id, authoritative, op_code, .. } = message.metadata;
        assert_eq!((id, authoritative, op_code), (7, true, OpCode::Query));
        assert!(
            message
                .answers
                .iter()
                .all(|r| Name::from_ascii("internal.").expect("valid").zone_of(&r.name))
        );
        records += message.answers.len();
    }
    assert_eq!(records, lines(&zone, "internal.").len());
}
