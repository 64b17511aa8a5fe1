//! The data of the records that signing is made of, read from octets.
//!
//! **Invariant:** total: what is not well formed is `None`, and one such record spoils no other.

use super::name;

/// An RRSIG (RFC 4034 §3).
#[derive(Debug, Clone)]
pub(super) struct Signature {
    pub(super) covered: u16,
    pub(super) algorithm: u8,
    /// Labels of the name that was signed: fewer than the owner has when it was a wildcard.
    pub(super) labels: usize,
    pub(super) ttl: u32,
    pub(super) expires: u32,
    pub(super) begins: u32,
    pub(super) tag: u16,
    pub(super) signer: Box<[u8]>,
    /// Everything before the signature, with the signer folded.
    pub(super) head: Vec<u8>,
    pub(super) octets: Vec<u8>,
}

impl Signature {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let (fixed, rest) = data.split_first_chunk::<18>()?;
        let (signer, octets) = name::read(rest)?;
        let [c0, c1, algorithm, labels, t @ ..] = *fixed;
        let word = |at: usize| {
            t.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
        };
        let head = [&fixed[..], &signer, &[0]].concat();
        Some(Self {
            covered: u16::from_be_bytes([c0, c1]),
            algorithm,
            labels: labels.into(),
            ttl: word(0),
            expires: word(4),
            begins: word(8),
            tag: u16::from_be_bytes([fixed[16], fixed[17]]),
            signer,
            head,
            octets: octets.to_vec(),
        })
    }
}

/// A DNSKEY (RFC 4034 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) algorithm: u8,
    pub(super) tag: u16,
    pub(super) public: Box<[u8]>,
}

impl Key {
    /// A key that may sign a zone; others are nobody's business here.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let (&[f0, f1, protocol, algorithm], public) = data.split_first_chunk()?;
        let flags = u16::from_be_bytes([f0, f1]);
        if flags & ZONE_KEY == 0 || flags & REVOKED != 0 || protocol != PROTOCOL_DNSSEC {
            return None;
        }
        Some(Self { algorithm, tag: tag_of(data), public: public.into() })
    }
}

/// The key tag (RFC 4034 appendix B).
pub(super) fn tag_of(data: &[u8]) -> u16 {
    let pairs = data.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(high) << 8 | u32::from(low),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let sum = pairs.fold(0_u32, u32::wrapping_add);
    (sum.wrapping_add(sum >> 16) & 0xffff) as u16
}

/// A DS (RFC 4034 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ds {
    pub(crate) tag: u16,
    pub(crate) algorithm: u8,
    pub(crate) digest_type: u8,
    pub(crate) digest: Box<[u8]>,
}

impl Ds {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let (&[t0, t1, algorithm, digest_type], digest) = data.split_first_chunk()?;
        let tag = u16::from_be_bytes([t0, t1]);
        Some(Self { tag, algorithm, digest_type, digest: digest.into() })
    }
}

/// The types at a name (RFC 4034 §4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Types(Box<[u8]>);

impl Types {
    /// Windows in ascending order, each of 1 to 32 octets.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let mut rest = data;
        let mut before = None;
        while !rest.is_empty() {
            let (&[window, length], behind) = rest.split_first_chunk()?;
            if !(1..=32).contains(&length) || before.is_some_and(|before| window <= before) {
                return None;
            }
            before = Some(window);
            rest = behind.get(usize::from(length)..)?;
        }
        Some(Self(data.into()))
    }

    pub(super) fn has(&self, rtype: u16) -> bool {
        let [wanted, low] = rtype.to_be_bytes();
        let mut rest = &*self.0;
        while let Some((&[window, length], behind)) = rest.split_first_chunk() {
            let Some((bits, next)) = behind.split_at_checked(length.into()) else { return false };
            if window == wanted {
                let byte = bits.get(usize::from(low / 8));
                return byte.is_some_and(|byte| byte & (0x80 >> (low % 8)) != 0);
            }
            rest = next;
        }
        false
    }

    /// Whether they are those on the upper side of a zone's cut, or above an alias of a whole tree: they say
    /// nothing about what is below (RFC 6840 §4.1).
    pub(super) fn ends_here(&self) -> bool {
        self.is_cut() || self.has(DNAME)
    }

    /// Whether somebody else's zone begins here.
    pub(super) fn is_cut(&self) -> bool {
        self.has(NS) && !self.has(SOA)
    }
}

/// An NSEC (RFC 4034 §4).
#[derive(Debug, Clone)]
pub(super) struct Nsec {
    pub(super) next: Box<[u8]>,
    pub(super) types: Types,
}

impl Nsec {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let (next, types) = name::read(data)?;
        Some(Self { next, types: Types::read(types)? })
    }
}

/// An NSEC3 (RFC 5155 §3).
#[derive(Debug, Clone)]
pub(super) struct Nsec3 {
    pub(super) is_opt_out: bool,
    pub(super) iterations: u16,
    pub(super) salt: Box<[u8]>,
    pub(super) next: Box<[u8]>,
    pub(super) types: Types,
}

impl Nsec3 {
    /// Those with an unknown hash or flag are passed over (RFC 5155 §8.1, §8.2).
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let (&[hash, flags, i0, i1, salt_length], rest) = data.split_first_chunk()?;
        let (salt, rest) = rest.split_at_checked(salt_length.into())?;
        let (&length, rest) = rest.split_first()?;
        let (next, types) = rest.split_at_checked(length.into())?;
        let is_known = hash == HASH_SHA1 && flags & !OPT_OUT == 0 && next.len() == HASH_BYTES;
        is_known.then_some(())?;
        Some(Self {
            is_opt_out: flags & OPT_OUT != 0,
            iterations: u16::from_be_bytes([i0, i1]),
            salt: salt.into(),
            next: next.into(),
            types: Types::read(types)?,
        })
    }
}

pub(super) const NS: u16 = 2;
pub(super) const CNAME: u16 = 5;
pub(super) const SOA: u16 = 6;
pub(super) const DNAME: u16 = 39;
pub(super) const DS: u16 = 43;
pub(super) const RRSIG: u16 = 46;
pub(super) const NSEC: u16 = 47;
pub(super) const DNSKEY: u16 = 48;
pub(super) const NSEC3: u16 = 50;
pub(super) const ANY: u16 = 255;
const ZONE_KEY: u16 = 0x0100;
/// RFC 5011 §2.1.
const REVOKED: u16 = 0x0080;
const PROTOCOL_DNSSEC: u8 = 3;
const HASH_SHA1: u8 = 1;
const OPT_OUT: u8 = 1;
pub(super) const HASH_BYTES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_in_their_windows() {
        // RFC 4034 §4.3: A MX RRSIG NSEC TYPE1234.
        let mut data = b"\x00\x06\x40\x01\x00\x00\x00\x03\x04\x1b".to_vec();
        data.extend([0; 26]);
        data.push(0x20);
        let types = Types::read(&data).expect("well formed");
        for rtype in [1, 15, RRSIG, NSEC, 1234] {
            assert!(types.has(rtype), "{rtype}");
        }
        for rtype in [0, 2, SOA, 255, 256, 1233, 1235, 65_535] {
            assert!(!types.has(rtype), "{rtype}");
        }
        for wrong in
            [&b"\0"[..], b"\0\0", b"\0\x02a", b"\0\x21", b"\x01\x01a\0\x01a", b"\0\x01a\0\x01a"]
        {
            assert!(Types::read(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_cut_or_unknown_is_passed_over() {
        let nsec3 = [&b"\x01\x01\0\x05\x02ab\x14"[..], &[7; 20], b"\0\x01\x40"].concat();
        let read = Nsec3::read(&nsec3).expect("well formed");
        assert!(read.is_opt_out && read.iterations == 5 && &*read.salt == b"ab");
        for length in 0..28 {
            assert!(Nsec3::read(&nsec3[..length]).is_none(), "{length}");
        }
        let changed = |at: usize, to: u8| {
            let mut other = nsec3.clone();
            other[at] = to;
            Nsec3::read(&other)
        };
        assert!(changed(0, 2).is_none() && changed(1, 3).is_none(), "hash or flags");
        let signature = [&[0, 1, 13, 2][..], &[0; 14], b"\x01A\0sig"].concat();
        for length in 0..signature.len() - 3 {
            assert!(Signature::read(&signature[..length]).is_none(), "{length}");
        }
        let read = Signature::read(&signature).expect("well formed");
        assert_eq!((&*read.signer, &*read.octets), (&b"\x01a"[..], &b"sig"[..]));
        assert!(Key::read(&[1, 0, 3, 13, 9]).is_some());
        for wrong in [[0, 0, 3, 13, 9], [1, 0x80, 3, 13, 9], [1, 0, 2, 13, 9]] {
            assert!(Key::read(&wrong).is_none(), "{wrong:?}");
        }
    }
}
