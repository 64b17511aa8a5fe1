//! Sets of records with their signatures, in the form that is signed (RFC 4034 §6).
//!
//! **Invariant:** data is canonical, sorted and without repetition, whatever order and case it came in.

use hickory_proto::rr::{DNSClass, RData, Record};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

use super::name;
use super::rdata::{self, Signature};
use crate::key::AskedKey;

/// Records of one name and type.
#[derive(Debug, Clone)]
pub(super) struct Set {
    pub(super) owner: Box<[u8]>,
    pub(super) rtype: u16,
    /// The shortest of its records and its signatures.
    pub(super) ttl: u32,
    pub(super) data: Vec<Vec<u8>>,
    /// At most [`SIGNATURES_MAX`]; what cannot be read is not among them.
    pub(super) signatures: Vec<Signature>,
}

impl Set {
    /// Whether anything at all claims to sign it.
    pub(super) fn is_signed(&self) -> bool {
        !self.signatures.is_empty()
    }

    /// Who signed it, of those that can have: the zone that it is in.
    pub(super) fn signer(&self) -> Option<&[u8]> {
        let may_sign = |signer: &[u8]| match self.rtype {
            // The parent's, of which the zone itself says nothing.
            rdata::DS => name::is_below(&self.owner, signer),
            _ => name::is_within(&self.owner, signer),
        };
        self.signatures.iter().map(|signature| &*signature.signer).find(|signer| may_sign(signer))
    }

    /// What was signed, as `signature` has it.
    pub(super) fn signed_data(&self, signature: &Signature) -> Vec<u8> {
        let mut owner = Vec::with_capacity(self.owner.len() + 1);
        if signature.labels < labels_of(&self.owner) {
            owner.extend_from_slice(b"\x01*");
            owner.extend_from_slice(name::last(&self.owner, signature.labels));
        } else {
            owner.extend_from_slice(&self.owner);
        }
        owner.push(0);
        let mut signed = signature.head.clone();
        for data in &self.data {
            signed.extend_from_slice(&owner);
            signed.extend_from_slice(&self.rtype.to_be_bytes());
            signed.extend_from_slice(&CLASS_IN);
            signed.extend_from_slice(&signature.ttl.to_be_bytes());
            // Invariant: it came in a message, so it is at most 64 KiB.
            signed.extend_from_slice(&u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
            signed.extend_from_slice(data);
        }
        signed
    }
}

/// Labels as signatures count them: without a wildcard's (RFC 4034 §3.1.3).
pub(super) fn labels_of(owner: &[u8]) -> usize {
    name::depth(owner) - usize::from(owner.starts_with(b"\x01*"))
}

/// Sorts records into sets; signatures of what is not there are left behind.
pub(super) fn sets(records: &[Record]) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    let of_class = || records.iter().filter(|record| record.dns_class == DNSClass::IN);
    for record in of_class() {
        let rtype = u16::from(record.record_type());
        if rtype == rdata::RRSIG {
            continue;
        }
        let data = canonical(record);
        let key = AskedKey::of(&record.name);
        let owner = key.as_slice();
        match sets.iter_mut().find(|set| set.rtype == rtype && *set.owner == *owner) {
            Some(set) => {
                set.ttl = set.ttl.min(record.ttl);
                set.data.push(data);
            }
            None => sets.push(Set {
                owner: owner.into(),
                rtype,
                ttl: record.ttl,
                data: vec![data],
                signatures: Vec::new(),
            }),
        }
    }
    for set in &mut sets {
        set.data.sort_unstable();
        set.data.dedup();
    }
    for record in of_class() {
        let Some(signature) = data_of(record, rdata::RRSIG).and_then(Signature::read) else {
            continue;
        };
        let key = AskedKey::of(&record.name);
        let is_its =
            |set: &&mut Set| set.rtype == signature.covered && *set.owner == *key.as_slice();
        if let Some(set) =
            sets.iter_mut().find(is_its).filter(|s| s.signatures.len() < SIGNATURES_MAX)
        {
            set.ttl = set.ttl.min(record.ttl);
            set.signatures.push(signature);
        }
    }
    sets
}

/// The octets of a record of a type that the library passes on as it came.
pub(super) fn data_of(record: &Record, rtype: u16) -> Option<&[u8]> {
    match &record.data {
        RData::Unknown { code, rdata } if u16::from(*code) == rtype => Some(&rdata.anything),
        _ => None,
    }
}

/// A record's data with the names in it folded that are (RFC 4034 §6.2, RFC 6840 §5.1). What has no such form is
/// what nobody signed, and stays in its set for that.
fn canonical(record: &Record) -> Vec<u8> {
    if let RData::Unknown { code, rdata } = &record.data {
        let mut data = rdata.anything.clone();
        let names = match u16::from(*code) {
            // Names alone: DNAME, RP, MINFO, and MD, MF, MB, MG, MR.
            rdata::DNAME | 17 | 14 | 3 | 4 | 7 | 8 | 9 => 0,
            // Behind a number: AFSDB, RT, PX, KX.
            18 | 21 | 26 | 36 => 2,
            _ => return data,
        };
        // Lengths and the number's octets, except of silly ones, are below the letters.
        if let Some(names) = data.get_mut(names..) {
            names.make_ascii_lowercase();
        }
        return data;
    }
    let mut data = Vec::new();
    let mut encoder = BinEncoder::new(&mut data);
    encoder.set_canonical_form(true);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    match record.data.emit(&mut encoder) {
        Ok(()) => data,
        Err(_) => Vec::new(),
    }
}

const CLASS_IN: [u8; 2] = [0, 1];
/// Of one set. Two keys in a roll-over, for each of two algorithms, are usual at most.
const SIGNATURES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, MX, NULL};
    use hickory_proto::rr::{Name, RecordType};

    use super::*;
    use crate::dnssec::name::tests::key;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).expect("valid")
    }

    fn unknown(rtype: u16, data: &[u8]) -> RData {
        RData::Unknown { code: RecordType::from(rtype), rdata: NULL::with(data.to_vec()) }
    }

    #[test]
    fn sets_are_canonical_however_they_come() {
        let a = |last: u8, ttl| {
            Record::from_rdata(name("WWW.example."), ttl, RData::A(A::new(10, 0, 0, last)))
        };
        let mx = RData::MX(MX::new(1, name("Mail.Example.")));
        let dname = unknown(39, b"\x03New\x07eXample\0");
        let given = [
            a(2, 60),
            a(1, 30),
            Record::from_rdata(name("www.Example."), 60, mx),
            a(2, 90),
            Record::from_rdata(name("old.example."), 60, dname),
        ];
        let sets = sets(&given);
        assert_eq!(sets.len(), 3);
        assert_eq!((&*sets[0].owner, sets[0].ttl), (&*key("www.example."), 30));
        assert_eq!(sets[0].data, [[10, 0, 0, 1], [10, 0, 0, 2]]);
        assert_eq!(sets[1].data, [b"\0\x01\x04mail\x07example\0"]);
        assert_eq!(sets[2].data, [b"\x03new\x07example\0"]);
    }

    #[test]
    fn what_has_no_canonical_form_is_judged_all_the_same() {
        // A KX without its number.
        let kx = Record::from_rdata(name("www.example."), 60, unknown(36, b"\0"));
        let sets = sets(&[kx]);
        assert_eq!((sets[0].rtype, &*sets[0].data), (36, &[vec![0]][..]));
    }

    #[test]
    fn a_signature_belongs_to_its_set_and_to_a_zone_above() {
        let signature = |covered: u16, signer: &[u8]| {
            let fixed = [&covered.to_be_bytes()[..], &[13, 2], &[0; 14], signer, b"sig"].concat();
            Record::from_rdata(name("www.example."), 20, unknown(rdata::RRSIG, &fixed))
        };
        let a = Record::from_rdata(name("www.example."), 60, RData::A(A::new(10, 0, 0, 1)));
        let ds =
            Record::from_rdata(name("www.example."), 60, unknown(rdata::DS, b"\0\x01\x0d\x02d"));
        let own = b"\x03www\x07example\0";
        let given = [
            a,
            ds,
            signature(1, b"\x05other\0"),
            signature(1, own),
            signature(43, own),
            signature(43, b"\x07example\0"),
            signature(15, own),
        ];
        let sets = sets(&given);
        assert_eq!((sets[0].signatures.len(), sets[0].ttl), (2, 20));
        assert_eq!(sets[0].signer(), Some(&*key("www.example.")));
        assert_eq!(sets[1].signer(), Some(&*key("example.")), "a DS is the parent's");
    }

    #[test]
    fn a_wildcard_is_signed_under_its_own_name() {
        let a = Record::from_rdata(name("a.b.example."), 60, RData::A(A::new(10, 0, 0, 1)));
        let set = sets(&[a]).remove(0);
        let data = [&[0, 1, 13, 1][..], &[0; 14], b"\x07example\0sig"].concat();
        let signature = Signature::read(&data).expect("well formed");
        let signed = set.signed_data(&signature);
        let expected = b"\x01*\x07example\0\0\x01\0\x01\0\0\0\0\0\x04\x0a\0\0\x01";
        assert!(signed.ends_with(expected), "{signed:?}");
        assert_eq!(labels_of(&key("*.example.")), 1);
    }
}
