//! Records of messages as records of operators.
//!
//! **Invariant:** what is taken here went through the same door as what people write.

use conduit_core::record::data::{Caa, RecordData};
use conduit_core::record::kind::RecordType as Kind;
use conduit_core::record::name::RecordName;
use hickory_proto::rr::rdata::HTTPS;
use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::{Name, RData, RecordType};

use crate::transfer::content::data_of;

/// The type, when operators can have it.
pub(super) fn kind(rtype: RecordType) -> Option<Kind> {
    Some(match rtype {
        RecordType::A => Kind::A,
        RecordType::AAAA => Kind::Aaaa,
        RecordType::CAA => Kind::Caa,
        RecordType::CNAME => Kind::Cname,
        RecordType::HTTPS => Kind::Https,
        RecordType::MX => Kind::Mx,
        RecordType::PTR => Kind::Ptr,
        RecordType::SRV => Kind::Srv,
        RecordType::SVCB => Kind::Svcb,
        RecordType::TXT => Kind::Txt,
        _ => return None,
    })
}

/// A name as operators write it.
pub(super) fn name(name: &Name) -> Result<RecordName, String> {
    RecordName::parse(&name.to_ascii()).map_err(|error| error.to_string())
}

/// The data, in the one form that operators' records have.
pub(super) fn data(kind: Kind, data: &RData) -> Result<RecordData, String> {
    let text = text(data).ok_or_else(|| format!("such a {kind} record cannot be kept"))?;
    RecordData::parse(kind, &text).map_err(|error| error.to_string())
}

fn text(data: &RData) -> Option<String> {
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
