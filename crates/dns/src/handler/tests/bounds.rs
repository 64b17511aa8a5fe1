//! What is said of names around ours, and how much a request may hold.

use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};

use super::*;

#[test]
fn what_is_above_ours_is_never_said_not_to_exist() {
    for (name, code) in [
        (".", ResponseCode::NoError),
        ("arpa.", ResponseCode::NoError),
        ("in-addr.arpa.", ResponseCode::NoError),
        ("0.10.in-addr.arpa.", ResponseCode::NoError),
        ("8.B.D.0.1.0.0.2.ip6.arpa.", ResponseCode::NoError),
        ("9.9.9.10.in-addr.arpa.", ResponseCode::NXDomain),
        ("com.", ResponseCode::NXDomain),
        ("x.example.com.", ResponseCode::NXDomain),
    ] {
        let reply = ask(&query(name, RecordType::NS));
        assert_eq!(reply.metadata.response_code, code, "{name}");
        assert!(reply.authorities.is_empty() && !reply.metadata.authoritative);
    }
}

#[test]
fn below_an_address_the_zone_of_the_address_says_that_there_is_nothing() {
    for name in
        ["x.52.1.0.10.in-addr.arpa.", "*.52.1.0.10.in-addr.arpa.", "*.a.52.1.0.10.in-addr.arpa."]
    {
        let reply = ask(&query(name, RecordType::PTR));
        assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(reply.authorities[0].name.to_ascii(), "52.1.0.10.in-addr.arpa.", "{name}");
    }
}

#[test]
fn a_request_is_bounded_in_records_and_in_length() {
    let with = |count: usize, padding: u16| {
        let mut message = query("grafana.internal.", RecordType::A);
        let a = Record::from_rdata(Name::root(), 0, RData::A(A([10, 0, 0, 7].into())));
        message.additionals = vec![a; count];
        let mut edns = Edns::new();
        let option = EdnsOption::Unknown(12, vec![0; usize::from(padding)]);
        edns.options_mut().insert(option);
        message.set_edns(edns);
        ask(&message).metadata.response_code
    };
    assert_eq!(with(15, 0), ResponseCode::NoError);
    assert_eq!(with(16, 0), ResponseCode::FormErr);
    assert_eq!(with(0, 4000), ResponseCode::NoError);
    assert_eq!(with(0, 4090), ResponseCode::FormErr);
}
