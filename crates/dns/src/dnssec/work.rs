//! What judging one client's question may cost.
//!
//! **Invariant:** every costly step is paid for before it is taken; whoever cannot pay stops, and the answer
//! is not believed. Counts, not time: what is refused does not depend on the machine.

use super::fault::Kind;

/// What is left, and so what was spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    signatures: u32,
    digests: u32,
    hashes: u32,
    lookups: u32,
    bytes: usize,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            signatures: SIGNATURES_MAX,
            digests: DIGESTS_MAX,
            hashes: HASHES_MAX,
            lookups: LOOKUPS_MAX,
            bytes: BYTES_MAX,
        }
    }
}

impl Work {
    /// One signature over so many octets is about to be verified.
    pub(super) fn signature(&mut self, bytes: usize) -> Result<(), Kind> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Kind::TooMuchWork)?;
        pay(&mut self.signatures)
    }

    /// A key's digest is about to be computed.
    pub(super) fn digest(&mut self) -> Result<(), Kind> {
        pay(&mut self.digests)
    }

    /// A name is about to be hashed.
    pub(super) fn hash(&mut self) -> Result<(), Kind> {
        pay(&mut self.hashes)
    }

    /// Somebody is about to be asked.
    pub(super) fn lookup(&mut self) -> Result<(), Kind> {
        pay(&mut self.lookups)
    }

    /// Signatures that were verified.
    #[cfg(test)]
    pub(super) fn signatures_spent(&self) -> u32 {
        SIGNATURES_MAX - self.signatures
    }

    /// Names that were hashed.
    #[cfg(test)]
    pub(super) fn hashes_spent(&self) -> u32 {
        HASHES_MAX - self.hashes
    }
}

fn pay(left: &mut u32) -> Result<(), Kind> {
    *left = left.checked_sub(1).ok_or(Kind::TooMuchWork)?;
    Ok(())
}

/// A chain of five zones takes ten, and each set of an answer one.
pub(super) const SIGNATURES_MAX: u32 = 64;
/// One for each zone on the way is usual.
const DIGESTS_MAX: u32 = 64;
/// A name of ten labels takes eleven (CVE-2023-50868).
pub(super) const HASHES_MAX: u32 = 64;
/// Questions for DS and DNSKEY; a reverse name of IPv6 has 34 labels.
const LOOKUPS_MAX: u32 = 48;
/// What is signed, counted for each signature that is verified.
const BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_had_on_credit() {
        let mut work = Work::default();
        for _ in 0..SIGNATURES_MAX {
            work.signature(10).expect("paid");
        }
        assert_eq!(work.signature(10), Err(Kind::TooMuchWork));
        assert_eq!(Work::default().signature(BYTES_MAX + 1), Err(Kind::TooMuchWork));
        for (most, step) in [
            (DIGESTS_MAX, Work::digest as Step),
            (HASHES_MAX, Work::hash),
            (LOOKUPS_MAX, Work::lookup),
        ] {
            let mut work = Work::default();
            let paid = (0..=most).filter(|_| step(&mut work).is_ok()).count();
            assert_eq!(u32::try_from(paid).expect("few"), most);
        }
    }

    type Step = fn(&mut Work) -> Result<(), Kind>;
}
