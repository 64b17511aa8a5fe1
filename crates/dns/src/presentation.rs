//! Data of records as zone files have it, for people and for programs that read it.
//!
//! **Invariant:** what is shown has no control characters, whoever wrote it: it goes to terminals and into logs.

use conduit_core::record::data::{Caa, RecordData};
use data_encoding::HEXLOWER;
use hickory_proto::rr::rdata::HTTPS;
use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::{RData, Record, RecordType};

use crate::transfer::content::data_of;

/// A whole record.
pub(crate) fn line(record: &Record) -> String {
    let Record { name, ttl, dns_class, data, .. } = record;
    format!("{name} {ttl} {dns_class} {} {}", record.record_type(), shown(data))
}

/// The data of any record.
pub(crate) fn shown(data: &RData) -> String {
    match (text(data), data) {
        (Some(text), _) => text,
        (None, RData::Unknown { rdata, .. }) => {
            format!("\\# {} {}", rdata.anything.len(), HEXLOWER.encode(&rdata.anything))
        }
        (None, data) => escaped(&data.to_string()),
    }
}

/// Octets that a terminal would take for an order, as zone files write them.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => {
                let mut octets = [0; 4];
                let octets = c.encode_utf8(&mut octets).bytes();
                shown.extend(octets.map(|octet| format!("\\{octet:03}")));
            }
            false => shown.push(c),
        }
    }
    shown
}

/// The data in the form that operators' records have; `None` of what theirs cannot be.
pub(crate) fn text(data: &RData) -> Option<String> {
    Some(match data {
        RData::A(address) => address.0.to_string(),
        RData::AAAA(address) => address.0.to_string(),
        RData::CNAME(target) => target.0.to_ascii(),
        RData::PTR(target) => target.0.to_ascii(),
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange.to_ascii()),
        RData::SRV(srv) => {
            let target = srv.target.to_ascii();
            format!("{} {} {} {target}", srv.priority, srv.weight, srv.port)
        }
        RData::TXT(txt) => RecordData::Txt(txt.txt_data.clone()).to_string(),
        RData::SVCB(svcb) | RData::HTTPS(HTTPS(svcb)) => svcb_text(svcb)?,
        // The library understands fewer tags than there are.
        data if data.record_type() == RecordType::CAA => caa_text(&data_of(data)?)?,
        _ => return None,
    })
}

fn caa_text(bytes: &[u8]) -> Option<String> {
    let (&[flags, length], rest) = bytes.split_first_chunk()?;
    let (tag, value) = rest.split_at_checked(usize::from(length))?;
    let tag = std::str::from_utf8(tag).ok()?.to_owned();
    let caa = Caa { is_critical: flags & CRITICAL != 0, tag, value: value.into() };
    Some(RecordData::Caa(Box::new(caa)).to_string())
}

fn svcb_text(svcb: &SVCB) -> Option<String> {
    let mut text = format!("{} {}", svcb.svc_priority, svcb.target_name.to_ascii());
    for (key, value) in &svcb.svc_params {
        let value = match value {
            SvcParamValue::Mandatory(keys) => {
                let keys: Vec<String> = keys.0.iter().map(SvcParamKey::to_string).collect();
                format!("mandatory={}", keys.join(","))
            }
            SvcParamValue::Alpn(protocols) => {
                let is_plain = |c: char| c.is_ascii_graphic() && !",\"\\".contains(c);
                if !protocols.0.iter().all(|protocol| protocol.chars().all(is_plain)) {
                    return None;
                }
                format!("alpn={}", protocols.0.join(","))
            }
            SvcParamValue::NoDefaultAlpn => key.to_string(),
            SvcParamValue::Port(port) => format!("port={port}"),
            SvcParamValue::Ipv4Hint(hint) => {
                let all: Vec<String> = hint.0.iter().map(|a| a.0.to_string()).collect();
                format!("ipv4hint={}", all.join(","))
            }
            SvcParamValue::Ipv6Hint(hint) => {
                let all: Vec<String> = hint.0.iter().map(|a| a.0.to_string()).collect();
                format!("ipv6hint={}", all.join(","))
            }
            _ => return None,
        };
        text.push(' ');
        text.push_str(&value);
    }
    Some(text)
}

/// The flag of a CAA tag that must be understood (RFC 8659 §4.1).
const CRITICAL: u8 = 128;

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use hickory_proto::rr::rdata::{NULL, TXT};
    use hickory_proto::rr::{Name, RData};

    use super::*;

    #[test]
    fn nothing_that_others_wrote_moves_a_terminal() {
        let txt = |texts: &[&[u8]]| RData::TXT(TXT::from_bytes(texts.to_vec()));
        for (data, expected) in [
            (txt(&[b"one text", b"an\"other"]), r#""one text" "an\"other""#),
            (txt(&[b"\x1b[31m\n\xff"]), r#""\027[31m\010\255""#),
            (
                RData::Unknown {
                    code: RecordType::Unknown(1000),
                    rdata: NULL::with(vec![0, 0x1b]),
                },
                r"\# 2 001b",
            ),
        ] {
            assert_eq!(shown(&data), expected);
        }
        assert_eq!(escaped("a\u{9b}b\u{7f}\r"), r"a\194\155b\127\013");
        let name = Name::from_str("x.internal.").expect("valid");
        let record = Record::from_rdata(name, 30, txt(&[b"a b"]));
        assert_eq!(line(&record), "x.internal. 30 IN TXT \"a b\"");
    }
}
