//! Secrets that are made here: random, shown once, kept as hashes.

use sha3::{Digest as _, Sha3_256};
use subtle::ConstantTimeEq as _;

/// Makes a secret of `BYTES` random bytes, in hexadecimal.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn random<const BYTES: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

/// What is kept of a secret; each `purpose` makes another hash of the same one.
pub(crate) fn hash(purpose: &str, secret: &str) -> [u8; 32] {
    let parts = [purpose.as_bytes(), b"\0", secret.as_bytes()];
    parts.into_iter().fold(Sha3_256::new(), Sha3_256::chain_update).finalize().into()
}

/// Whether two texts are the same; how long that takes tells their lengths only.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// Whether a text can be a secret of so many bytes.
pub(crate) fn is_shaped(text: &str, bytes: usize) -> bool {
    let digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    text.len() == 2 * bytes && text.bytes().all(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_have_their_shape() {
        let (one, other) = (random::<16>().expect("chance"), random::<16>().expect("chance"));
        assert_ne!(one, other);
        assert!(is_shaped(&one, 16) && !is_shaped(&one, 32));
        assert!(!is_shaped(&one.to_uppercase(), 16) || one.bytes().all(|c| c.is_ascii_digit()));
        assert_ne!(hash("a", &one), hash("b", &one));
        assert_eq!(hash("a", &one), hash("a", &one));
    }

    #[test]
    fn only_the_same_is_the_same() {
        for (one, other, same) in [("ab", "ab", true), ("ab", "ac", false), ("ab", "abc", false)] {
            assert_eq!(is_same(one.as_bytes(), other.as_bytes()), same, "{one} {other}");
        }
    }
}
