//! Records, read and refused.

use std::net::IpAddr;

use super::*;
use crate::name::Host;
use crate::name::HostRule;

fn data(kind: RecordType, text: &str) -> Result<RecordData, String> {
    RecordData::parse(kind, text).map_err(|error| error.to_string())
}

#[test]
fn data_is_read_and_written_in_one_form() {
    use RecordType::{A, Aaaa, Caa, Cname, Https, Mx, Ptr, Srv, Svcb, Txt};
    for (kind, text, written) in [
        (A, "10.0.0.7", "10.0.0.7"),
        (Aaaa, "FD00::0:7", "fd00::7"),
        (Cname, "NAS.Internal.", "nas.internal"),
        (Ptr, "nas.internal", "nas.internal"),
        (Mx, "10  Mail.internal.", "10 mail.internal"),
        (Mx, "0 .", "0 ."),
        (Srv, "0 5 5060 sip.internal", "0 5 5060 sip.internal"),
        (Srv, "0 0 0 .", "0 0 0 ."),
        (Caa, "0 ISSUE ca.internal", "0 issue \"ca.internal\""),
        (Caa, "128 issuewild \";\"", "128 issuewild \";\""),
        (Txt, "v=spf1 -all", "\"v=spf1\" \"-all\""),
        (Txt, "\"v=spf1 -all\"", "\"v=spf1 -all\""),
        (Txt, "\"\"", "\"\""),
        (Txt, "a\\\"b\\\\c\\065", "\"a\\\"b\\\\cA\""),
        (Txt, "\"ä\"", "\"\\195\\164\""),
        (Https, "1 . port=8443 alpn=\"h2,h3\"", "1 . alpn=h2,h3 port=8443"),
        (Https, "0 nas.internal.", "0 nas.internal"),
        (
            Svcb,
            "2 svc.internal mandatory=port,alpn ipv6hint=fd00::1 ipv4hint=10.0.0.1,10.0.0.2 \
             no-default-alpn alpn=h2 port=1",
            "2 svc.internal mandatory=alpn,port alpn=h2 no-default-alpn port=1 \
             ipv4hint=10.0.0.1,10.0.0.2 ipv6hint=fd00::1",
        ),
    ] {
        let parsed = data(kind, text).expect(text);
        assert_eq!(parsed.to_string(), written, "{kind} {text}");
        assert_eq!(parsed.kind(), kind);
        assert_eq!(data(kind, written).as_ref(), Ok(&parsed), "{kind} {written}");
    }
}

#[test]
fn wrong_data_is_refused_with_what_is_right() {
    use RecordType::{A, Aaaa, Caa, Cname, Https, Mx, Srv, Svcb, Txt};
    let long = format!("\"{}\"", "x".repeat(256));
    let whole = vec![format!("\"{}\"", "x".repeat(255)); 17].join(" ");
    for (kind, text, reason) in [
        (A, "10.0.0", "\"10.0.0\" is not an IPv4 address; A takes an IPv4 address, as in 10.0.0.7"),
        (A, "10.0.0.1 10.0.0.2", "is not an IPv4 address"),
        (A, "fd00::1", "is not an IPv4 address"),
        (A, "", "is not an IPv4 address"),
        (Aaaa, "10.0.0.1", "is not an IPv6 address; AAAA takes"),
        (Cname, "10.0.0.1", "this looks like an IP address; CNAME takes a name"),
        (Cname, "*.internal", "leads nowhere"),
        (Cname, ".", "it is empty"),
        (Mx, "mail.internal", "is not the data of a MX record; MX takes PREFERENCE NAME"),
        (Mx, "70000 mail.internal", "\"70000\" is not a number from 0 to 65535"),
        (Mx, "+1 mail.internal", "is not a number"),
        (Srv, "0 5 sip.internal", "is not the data of a SRV record"),
        (Caa, "1 issue x", "the flags are 0, or 128"),
        (Caa, "0 not-a-tag x", "a tag is 1 to 15 letters and digits"),
        (Txt, "", "is not the data of a TXT record"),
        (Txt, "\"open", "a quote is not closed"),
        (Txt, "a\\300", "three digits up to 255"),
        (Txt, "a\nb", "control characters"),
        (Txt, &long, "more than 255 octets; give it in parts"),
        (Txt, &whole, "more than 4096 octets"),
        (Https, "1 . port=https", "is not a number"),
        (Https, "1 . ech=abc", "the parameters are"),
        (Https, "1 . alpn", "KEY=VALUE"),
        (Https, "1 . alpn=,", "a list of protocols"),
        (Https, "1 . port=1 port=2", "there twice"),
        (Https, "0 . port=1", "takes no parameters"),
        (Svcb, "1 . no-default-alpn", "without alpn"),
        (Svcb, "1 . mandatory=port", "that are there"),
        (Svcb, "1 . ipv4hint=fd00::1", "a list of addresses"),
    ] {
        let error = data(kind, text).expect_err(text);
        assert!(error.contains(reason), "{kind} {text:?}: {error}");
    }
}

#[test]
fn names_may_have_underscores_and_one_star_in_front() {
    for (text, expected) in [
        ("NAS.internal.", Ok("nas.internal")),
        ("_sip._tcp.internal", Ok("_sip._tcp.internal")),
        ("*.apps.internal", Ok("*.apps.internal")),
        ("a.*.internal", Err(name::RecordNameRule::Wildcard)),
        ("a*.internal", Err(name::RecordNameRule::Wildcard)),
        ("a..internal", Err(name::RecordNameRule::Host(HostRule::EmptyLabel))),
        ("-a.internal", Err(name::RecordNameRule::Host(HostRule::Edge))),
        ("a b.internal", Err(name::RecordNameRule::Alphabet)),
        ("ä.internal", Err(name::RecordNameRule::Alphabet)),
        ("10.0.0.7", Err(name::RecordNameRule::Host(HostRule::Numeric))),
        ("", Err(name::RecordNameRule::Host(HostRule::Empty))),
        (
            &format!("{}.internal", "a".repeat(64)),
            Err(name::RecordNameRule::Host(HostRule::LabelTooLong)),
        ),
        (&format!("{}a", "a.".repeat(127)), Err(name::RecordNameRule::Host(HostRule::TooLong))),
    ] {
        let parsed = RecordName::parse(text);
        let parsed = parsed.as_ref().map(RecordName::as_str).map_err(|e| e.reason);
        assert_eq!(parsed, expected, "{text}");
    }
}

fn record(name: &str, kind: RecordType, text: &str) -> Record {
    Record {
        name: RecordName::parse(name).expect("valid"),
        data: RecordData::parse(kind, text).expect("valid"),
        ttl: None,
        added_at: Timestamp::from_seconds(0),
    }
}

#[test]
fn a_record_is_under_a_domain_of_ours_or_reverse() {
    use RecordType::{A, Cname, Ptr, Txt};
    let hosts = ["internal", "lab.internal"].map(|text| Host::parse(text).expect("valid"));
    let domains = Domains::new(hosts.to_vec()).expect("some");
    let v6 = format!("7.{}d.f.ip6.arpa", "0.".repeat(29));
    for (name, kind, data, expected) in [
        ("nas.internal", A, "10.0.0.7", Ok(Place::Below)),
        ("internal", Txt, "x", Ok(Place::Apex)),
        ("lab.internal", Cname, "x.internal", Err("is a configured domain")),
        ("conduit.lab.internal", A, "10.0.0.7", Err("kept for Conduit's own routes")),
        ("conduit.internal", Txt, "x", Ok(Place::Below)),
        ("example.com", A, "10.0.0.7", Err("is not under a configured domain (internal, lab")),
        ("notinternal", A, "10.0.0.7", Err("is not under a configured domain")),
        ("7.0.0.10.in-addr.arpa", Ptr, "nas.internal", Ok(Place::Reverse)),
        ("7.0.0.10.in-addr.arpa", Txt, "x", Err("takes a PTR record and no TXT")),
        ("0.0.10.in-addr.arpa", Ptr, "nas.internal", Err("is not under a configured domain")),
        ("07.0.0.10.in-addr.arpa", Ptr, "nas.internal", Err("is not under a configured domain")),
        (&v6, Ptr, "nas.internal", Ok(Place::Reverse)),
    ] {
        match (record(name, kind, data).place(&domains), expected) {
            (Ok(place), Ok(expected)) => assert_eq!(place, expected, "{name}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
    let reversed = RecordName::parse(&v6).expect("valid").reversed();
    assert_eq!(reversed, "fd00::7".parse::<IpAddr>().ok());
}

#[test]
fn an_alias_stands_alone() {
    use RecordType::{A, Cname, Txt};
    let alias = record("a.internal", Cname, "b.internal");
    assert!(alias.excludes(&record("a.internal", Txt, "x")));
    assert!(record("a.internal", A, "10.0.0.1").excludes(&alias));
    assert!(alias.excludes(&record("a.internal", Cname, "c.internal")));
    assert!(!alias.excludes(&alias) && alias.is_same(&alias));
    assert!(!alias.excludes(&record("b.internal", Txt, "x")));
    assert!(!record("a.internal", A, "10.0.0.1").excludes(&record("a.internal", Txt, "x")));
}

#[test]
fn fixed_records_of_two_sources_are_both_there_but_for_what_excludes() {
    use RecordType::{A, Cname};
    let of = |records: &[Record]| {
        let mut fixed = fixed::Builder::default();
        for record in records {
            fixed.add(record.clone()).expect("fits");
        }
        fixed.build()
    };
    let (one, two) = (record("a.internal", A, "10.0.0.1"), record("a.internal", A, "10.0.0.2"));
    let alias = record("a.internal", Cname, "b.internal");
    let other = record("c.internal", A, "10.0.0.3");
    let first = of(&[one.clone(), two.clone()]);
    let all =
        first.clone().with(&of(&[alias, other.clone()])).with(&of(std::slice::from_ref(&one)));
    assert_eq!(all, of(&[one.clone(), two.clone(), other.clone()]));
    assert!(all.find(&two).is_some() && all.at("b.internal").is_empty());
    assert!(Arc::ptr_eq(&all.shared_at("a.internal"), &first.shared_at("a.internal")));

    let last = record("d.internal", A, "10.0.0.4");
    let changes = |from: &fixed::FixedRecords, to: &fixed::FixedRecords| -> Vec<(String, usize)> {
        from.changes(to).map(|(name, records)| (name.to_string(), records.len())).collect()
    };
    let told = |name: &str, count| (name.to_owned(), count);
    assert_eq!(changes(&first, &all), [told("c.internal", 1)]);
    assert_eq!(changes(&all, &first), [told("c.internal", 0)]);
    assert_eq!(changes(&all, &all.clone()), []);
    let next = of(&[one, other.clone(), last]);
    assert_eq!(changes(&all, &next), [told("a.internal", 1), told("d.internal", 1)]);
    assert_eq!(changes(&fixed::FixedRecords::default(), &of(&[other])), [told("c.internal", 1)]);
}

#[test]
fn a_ttl_is_whole_seconds_up_to_a_week() {
    for (text, seconds) in
        [("5m", Some(300)), ("0", Some(0)), ("7d", Some(604_800)), ("8d", None), ("500ms", None)]
    {
        assert_eq!(RecordTtl::parse(text).ok().map(RecordTtl::seconds), seconds, "{text}");
    }
    assert_eq!(RecordTtl::parse("90s").expect("valid").to_string(), "90s");
}

#[test]
fn types_are_words_of_zone_files() {
    assert_eq!("aaaa".parse(), Ok(RecordType::Aaaa));
    let ours = "ns".parse::<RecordType>().expect_err("ours").to_string();
    assert!(ours.starts_with("NS records are Conduit's own"), "{ours}");
    assert!("LOC".parse::<RecordType>().is_err());
}

proptest::proptest! {
    #[test]
    fn whatever_parses_prints_and_parses_again(index in 0..RecordType::ALL.len(), text in "\\PC{0,60}") {
        let kind = RecordType::ALL[index];
        if let Ok(data) = RecordData::parse(kind, &text) {
            proptest::prop_assert_eq!(RecordData::parse(kind, &data.to_string()), Ok(data));
        }
    }

    #[test]
    fn any_texts_are_kept(texts in proptest::collection::vec(
        proptest::collection::vec(proptest::prelude::any::<u8>(), 0..=255), 1..4)
    ) {
        let data = RecordData::Txt(texts.into_iter().map(Into::into).collect());
        proptest::prop_assert_eq!(RecordData::parse(RecordType::Txt, &data.to_string()), Ok(data));
    }
}
