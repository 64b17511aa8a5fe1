//! What is in zones of reverse names, and that secondaries get what is answered.

use std::collections::BTreeSet;

use hickory_proto::rr::{Name, RecordType};

use crate::answer::{Answer, Authority};
use crate::interfaces::Local;
use crate::reply::records_of;
use crate::transfer::content::{data_of, name_of};
use crate::transfer::tests::{lines, rich_zone};

/// The answer in words; with the zone's name when there is nothing.
fn told(name: &str, rtype: RecordType) -> String {
    let (zone, local) = (rich_zone(), Local::of([10, 0, 0, 1].into()));
    let name = Name::from_ascii(name).expect("valid");
    let of = |authority: &Authority<'_>| authority.owner().to_ascii();
    match zone.answer(&name, rtype, &local) {
        Answer::Records(set) => {
            let records = records_of(&name, &set, 30);
            records.iter().map(|r| format!("{} {}", r.record_type(), r.data)).collect()
        }
        Answer::NoData(authority) => format!("nodata of {}", of(&authority)),
        Answer::NxDomain(authority) => format!("nxdomain of {}", of(&authority)),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_name_of_the_zone_is_answered() {
    use RecordType::{A, ANY, NS, PTR, SOA, TXT};
    let v6 = |last: &str| format!("{last}.{}d.f.ip6.arpa.", "0.".repeat(29));
    let start = "conduit.internal. hostmaster.internal. 8 60 30 604800 0";
    for (name, rtype, expected) in [
        ("2.1.0.10.in-addr.arpa.", PTR, "PTR db.internal."),
        ("2.1.0.10.IN-ADDR.arpa.", ANY, "PTR db.internal."),
        // Given by an operator, over the record of a.b.c.
        ("7.0.0.10.in-addr.arpa.", PTR, "PTR nas.internal."),
        ("8.0.0.10.in-addr.arpa.", PTR, "PTR a.b.c.internal."),
        ("1.0.0.10.in-addr.arpa.", PTR, "PTR conduit.internal."),
        (&v6("2"), PTR, "PTR db.internal."),
        ("2.1.0.10.in-addr.arpa.", TXT, "nodata of 10.in-addr.arpa."),
        ("2.1.0.10.in-addr.arpa.", SOA, "nodata of 10.in-addr.arpa."),
        ("x.2.1.0.10.in-addr.arpa.", PTR, "nxdomain of 10.in-addr.arpa."),
        ("99.99.99.10.in-addr.arpa.", PTR, "nxdomain of 10.in-addr.arpa."),
        (&v6("9"), PTR, "nxdomain of d.f.ip6.arpa."),
        // Above addresses, which come and go.
        ("99.10.in-addr.arpa.", PTR, "nodata of 10.in-addr.arpa."),
        ("0.d.f.ip6.arpa.", PTR, "nodata of d.f.ip6.arpa."),
        // What no address is below.
        ("256.10.in-addr.arpa.", PTR, "nxdomain of 10.in-addr.arpa."),
        ("_udp.10.in-addr.arpa.", PTR, "nxdomain of 10.in-addr.arpa."),
        ("10.in-addr.arpa.", SOA, &format!("SOA {start}")),
        ("10.in-addr.arpa.", NS, "NS conduit.internal."),
        ("10.in-addr.arpa.", A, "nodata of 10.in-addr.arpa."),
        // Beside the zones.
        ("11.in-addr.arpa.", SOA, "NotOurs"),
        ("1.1.168.192.in-addr.arpa.", PTR, "NotOurs"),
    ] {
        assert_eq!(told(name, rtype), expected, "{name} {rtype}");
    }
}

#[test]
fn a_secondary_gets_what_is_answered() {
    let (zone, local) = (rich_zone(), Local::of([10, 0, 0, 1].into()));
    for (origin, addresses) in [("10.in-addr.arpa.", 4), ("d.f.ip6.arpa.", 1)] {
        let all = lines(&zone, origin);
        let distinct: BTreeSet<_> = all.iter().collect();
        // The start twice, and the name server.
        assert_eq!((all.len(), distinct.len()), (addresses + 3, addresses + 2), "{origin}");
        for line in &all {
            let name = name_of(line.owner.as_slice()).expect("a name");
            let rtype = RecordType::from(line.rtype);
            let Answer::Records(set) = zone.answer(&name, rtype, &local) else {
                panic!("{name} {rtype} is transferred and not answered")
            };
            let answered: Vec<Vec<u8>> =
                records_of(&name, &set, 30).iter().filter_map(|r| data_of(&r.data)).collect();
            assert!(answered.contains(&line.data), "{name} {rtype}");
        }
    }
    let told: Vec<_> = zone.zones().map(|zone| (zone.name, zone.addresses)).collect();
    let expected = [
        ("internal", None),
        ("lab.internal", None),
        ("10.in-addr.arpa", Some(3)),
        ("d.f.ip6.arpa", Some(1)),
    ];
    assert_eq!(told, expected.map(|(name, addresses)| (name.to_owned(), addresses)));
}
