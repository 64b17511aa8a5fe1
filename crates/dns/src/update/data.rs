//! Records of messages as records of operators.
//!
//! **Invariant:** what is taken here went through the same door as what people write.

use conduit_core::record::data::RecordData;
use conduit_core::record::kind::RecordType as Kind;
use conduit_core::record::name::RecordName;
use hickory_proto::rr::{Name, RData, RecordType};

use crate::presentation::text;

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
