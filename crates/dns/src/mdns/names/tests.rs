//! Names of a compiled zone.

use std::sync::Arc;

use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::record::data::RecordData;
use conduit_core::record::kind::RecordType as Kind;
use conduit_core::record::name::RecordName;
use conduit_core::record::{Record, RecordChange};
use conduit_core::service::{DnsMode, Service};

use super::*;
use crate::fuzzing::{host, service, version};
use crate::views::View;
use crate::zone::ZoneSettings;

fn settings() -> ZoneSettings {
    ZoneSettings::new(Domains::new(vec![host("internal"), host("local")]).expect("two"))
}

fn zone(services: Vec<Service>, records: &[(&str, Kind, &str)], settings: &ZoneSettings) -> Zone {
    let puts = services.into_iter().map(|service| Change::Put(Arc::new(service))).collect();
    let change = |(name, kind, data): &(&str, Kind, &str)| {
        let name = RecordName::parse(name).expect("a name");
        let data = RecordData::parse(*kind, data).expect("data");
        let added_at = Timestamp::from_seconds(0);
        let record = Record { name: name.clone(), data, ttl: None, added_at };
        RecordChange { name, records: [record].into() }
    };
    let changes: Vec<RecordChange> = records.iter().map(change).collect();
    let catalog = Catalog::default().with(Generation(1), puts);
    Zone::compile(&catalog.with_records(Generation(1), &changes), version(1), settings)
}

fn shown(zone: &Zone, link: &[&str]) -> Vec<String> {
    let link: Vec<IpNet> = link.iter().map(|net| net.parse().expect("a network")).collect();
    let names = Names::of(zone, &link).names;
    let line = |owned: &Owned| {
        let addresses = crate::zone::both(&owned.v4, &owned.v6);
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        format!("{} {}", owned.name.to_ascii().trim_end_matches('.'), addresses.join(" "))
    };
    let mut lines: Vec<String> = names.values().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn names_under_local_with_addresses_are_taken_and_no_others() {
    let services = vec![
        service("web", &["web.internal", "web.local"], &["10.0.1.50:80"], DnsMode::Gateway),
        service("db", &["db.local"], &["10.0.1.52:1", "127.0.0.1:1"], DnsMode::Direct),
        service("own", &["own.local"], &["127.0.0.1:1"], DnsMode::Direct),
        service("deep", &["a.b.local"], &["10.0.1.53:80"], DnsMode::Direct),
    ];
    let records = [
        ("nas.local", Kind::A, "10.0.0.7"),
        ("*.apps.local", Kind::A, "10.0.0.8"),
        ("alias.local", Kind::Cname, "nas.local"),
        ("text.local", Kind::Txt, "\"x\""),
        ("web.local", Kind::Txt, "\"x\""),
        ("local", Kind::A, "10.0.0.9"),
    ];
    let zone = zone(services, &records, &settings());
    let link = ["10.0.0.1/24", "10.9.0.1/16", "fe80::1/64", "fd00::1/64"];
    assert_eq!(
        shown(&zone, &link),
        [
            "a.b.local 10.0.1.53",
            "db.local 10.0.1.52",
            "nas.local 10.0.0.7",
            "web.local 10.0.0.1 10.9.0.1 fd00::1",
        ]
    );
}

#[test]
fn a_link_has_the_addresses_of_its_view() {
    let web = || vec![service("web", &["web.local"], &["10.0.1.50:80"], DnsMode::Gateway)];
    let view = View {
        clients: vec!["10.8.0.0/24".parse().expect("a network")],
        addresses: vec!["100.64.0.1".parse().expect("an address")],
    };
    let addresses = vec!["192.0.2.1".parse().expect("an address")];
    let zone = zone(web(), &[], &ZoneSettings { addresses, views: vec![view], ..settings() });
    assert_eq!(shown(&zone, &["10.8.0.1/24"]), ["web.local 100.64.0.1"]);
    assert_eq!(shown(&zone, &["10.7.0.1/24"]), ["web.local 192.0.2.1"]);
}

#[test]
fn there_are_only_so_many_names() {
    let many = (0..NAMES_MAX + 5).map(|i| {
        let name = format!("s{i:04}");
        service(&name, &[&format!("{name}.local")], &["10.0.1.50:80"], DnsMode::Gateway)
    });
    let zone = zone(many.collect(), &[], &settings());
    let names = Names::of(&zone, &["10.0.0.1/24".parse().expect("a network")]);
    assert_eq!((names.names.len(), names.left_out), (NAMES_MAX, 5));
}
