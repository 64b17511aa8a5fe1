//! Signatures, digests and the hash of NSEC3, from the provider that is linked anyway.
//!
//! **Invariant:** what is not supported is told apart from what is wrong: the former is insecure, never bogus.
//! SHA-1 signs nothing here (RFC 9905), which leaves it to hash names in.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::rdata::HASH_BYTES;

/// Whether signatures of this algorithm can be verified.
pub(super) fn is_algorithm(algorithm: u8) -> bool {
    matches!(algorithm, RSA_SHA256 | RSA_SHA512 | ECDSA_P256 | ECDSA_P384 | ED25519_SIGNS)
}

/// Whether a key may verify anything: none that is longer does.
pub(super) fn is_key(algorithm: u8, public: &[u8]) -> bool {
    is_algorithm(algorithm) && public.len() <= KEY_BYTES_MAX
}

/// Whether digests of keys of this type can be computed.
pub(super) fn is_digest(digest_type: u8) -> bool {
    matches!(digest_type, DIGEST_SHA256 | DIGEST_SHA384)
}

/// Whether `signature` is this key's over `signed`.
pub(super) fn is_signed_by(algorithm: u8, key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    match algorithm {
        RSA_SHA256 => rsa(key, &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, signed, signature),
        RSA_SHA512 => rsa(key, &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, signed, signature),
        ECDSA_P256 | ECDSA_P384 => {
            let point = [&[UNCOMPRESSED][..], key].concat();
            let kind = match algorithm {
                ECDSA_P256 => &ECDSA_P256_SHA256_FIXED,
                _ => &ECDSA_P384_SHA384_FIXED,
            };
            UnparsedPublicKey::new(kind, point).verify(signed, signature).is_ok()
        }
        ED25519_SIGNS => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature).is_ok(),
        _ => false,
    }
}

/// The digest of a key under its owner's name (RFC 4034 §5.1.4).
pub(super) fn digest_of(digest_type: u8, owner: &[u8], key: &[u8]) -> Option<digest::Digest> {
    let kind = match digest_type {
        DIGEST_SHA256 => &SHA256,
        DIGEST_SHA384 => &SHA384,
        _ => return None,
    };
    let mut context = digest::Context::new(kind);
    context.update(owner);
    context.update(&[0]);
    context.update(key);
    Some(context.finish())
}

/// The hash of a name (RFC 5155 §5).
pub(super) fn nsec3_hash(name: &[u8], salt: &[u8], iterations: u16) -> [u8; HASH_BYTES] {
    let once = |octets: &[&[u8]]| {
        let mut context = digest::Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        octets.iter().for_each(|octets| context.update(octets));
        let mut hash = [0; HASH_BYTES];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    };
    let first = once(&[name, &[0], salt]);
    (0..iterations).fold(first, |hash, _| once(&[&hash, salt]))
}

/// RFC 3110 §2: an exponent behind its length, and the modulus.
fn rsa(key: &[u8], kind: &RsaParameters, signed: &[u8], signature: &[u8]) -> bool {
    let parts = match key {
        [0, high, low, rest @ ..] => {
            rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))
        }
        [length, rest @ ..] => rest.split_at_checked(usize::from(*length)),
        [] => None,
    };
    let Some((e, n)) = parts.filter(|(e, _)| e.len() <= EXPONENT_BYTES_MAX) else {
        return false;
    };
    RsaPublicKeyComponents { n, e }.verify(kind, signed, signature).is_ok()
}

/// IANA's numbers of algorithms; RFC 5702, 6605 and 8080.
const RSA_SHA256: u8 = 8;
const RSA_SHA512: u8 = 10;
const ECDSA_P256: u8 = 13;
const ECDSA_P384: u8 = 14;
const ED25519_SIGNS: u8 = 15;
const DIGEST_SHA256: u8 = 2;
const DIGEST_SHA384: u8 = 4;
/// Before the coordinates of a point.
const UNCOMPRESSED: u8 = 4;
/// Long exponents make verifying dear; 65537 takes three octets.
const EXPONENT_BYTES_MAX: usize = 8;
/// RSA's with a modulus of 8,192 bits, behind an exponent with its length in three octets.
const KEY_BYTES_MAX: usize = 3 + EXPONENT_BYTES_MAX + 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::name::tests::key;

    #[test]
    fn names_are_hashed_as_the_standard_has_it() {
        // RFC 5155 appendix A.
        for (name, hash) in [
            ("example.", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
            ("a.example.", "35mthgpgcu1qg68fab165klnsnk3dpvl"),
            ("*.w.example.", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
        ] {
            let ours = nsec3_hash(&key(name), b"\xaa\xbb\xcc\xdd", 12);
            assert_eq!(data_encoding::BASE32_DNSSEC.encode(&ours), hash, "{name}");
        }
    }

    #[test]
    fn keys_are_digested_as_the_standard_has_it() {
        // The root's key of 2017 and IANA's DS of it.
        let anchors = crate::dnssec::anchors::Anchors::root();
        let ds = anchors.at(b"").expect("the root's").iter().find(|ds| ds.tag == 20_326);
        let data = base64_of(ROOT_KEY_2017);
        let digest = digest_of(2, b"", &[&[1, 1, 3, 8][..], &data].concat()).expect("known");
        assert_eq!(digest.as_ref(), &*ds.expect("there").digest);
        assert!(digest_of(1, b"", b"").is_none() && !is_digest(1) && !is_algorithm(5));
    }

    #[test]
    fn silly_keys_and_signatures_verify_nothing() {
        for algorithm in 0..=u8::MAX {
            for key in [&b""[..], b"\0", b"\0\xff\xff", b"\x03abc", &[1; 32], &[0; 64], &[9; 300]] {
                assert!(!is_signed_by(algorithm, key, b"data", &[0; 64]), "{algorithm} {key:?}");
            }
        }
    }

    fn base64_of(text: &str) -> Vec<u8> {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
    }

    /// As the root publishes it.
    const ROOT_KEY_2017: &str = "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=";
}
